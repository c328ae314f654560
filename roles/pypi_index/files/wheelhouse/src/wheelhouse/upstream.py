"""What a client gets for a project that has no page on the shelf.

A name that is on the shelf or reserved is never asked upstream, so that a public package of the same name cannot be
installed by mistake. Nor is one that the administrator denied.
"""

from datetime import timedelta
from typing import Literal

from pypiserver.config import Config as PypiserverConfig

from wheelhouse.answers import Answer, Environ, Refusal
from wheelhouse.cache import Cache
from wheelhouse.config import Config, Settings
from wheelhouse.distribution import MAX_NAME, SAFE_NAME
from wheelhouse.mirror import Mirror, Upstream
from wheelhouse.rights import covers, normalised
from wheelhouse.shelf import Shelf

PUBLIC_INDEX = PypiserverConfig.default_with_overrides().fallback_url
"""Where pypiserver sends clients unless told otherwise: the public index. Ends with a slash."""

Whereabouts = Literal["reserved", "removed", "denied", "closed", "public"]
"""Why a name that has no page on the shelf is nowhere else either; or `public`: it may be asked for upstream."""


def whereabouts(project: str, settings: Settings, shelf: Shelf) -> Whereabouts:
    """Where a client finds `project`, a normalised name without a page on the shelf."""
    if covers(settings.reserved, project):
        return "reserved"
    if shelf.has_project(project):
        return "removed"
    if covers(settings.denied, project):
        return "denied"
    return "closed" if settings.upstream == "closed" else "public"


class OffTheShelf:
    """Answers for what is not on the shelf."""

    def __init__(self, config: Config, shelf: Shelf, cache: Cache) -> None:
        self._config = config
        self._shelf = shelf
        self._cache = cache
        self._mirror = Mirror(cache)
        self._seen: Settings | None = None

    def page(self, environ: Environ) -> Answer:
        """What to answer to `GET /simple/<rest>` when there is no such page; raises `Refusal`."""
        settings = self._settings()
        rest = environ["PATH_INFO"].removeprefix("/simple/")
        name = rest.removesuffix("/")
        project = normalised(name)
        if project is None:
            raise Refusal(404, f"{name[:100]!a} is not the name of a Python project.")
        if rest != f"{project}/":
            return Answer(301, headers={"Location": f"/simple/{project}/"})
        if sentence := self._why_not(project, settings):
            raise Refusal(404, sentence)
        if settings.upstream == "redirect":
            return Answer(302, headers={"Location": f"{upstream_url(settings)}{project}/"})
        return self._mirror.page(_upstream(settings), project, environ.get("HTTP_ACCEPT", ""))

    def file(self, environ: Environ) -> Answer:
        """What to answer to `GET /cached/<rest>` when there is no such file, or to HEAD; raises `Refusal`."""
        settings = self._settings()
        project, _, filename = environ["PATH_INFO"].removeprefix("/cached/").partition("/")
        is_name = normalised(project) == project and SAFE_NAME.fullmatch(filename) and len(filename) <= MAX_NAME
        if settings.upstream != "cached" or not is_name:
            raise Refusal(404, "There is no such file on this index.")
        if sentence := self._why_not(project, settings):
            raise Refusal(404, sentence)
        head = environ["REQUEST_METHOD"] == "HEAD"
        return self._mirror.file(_upstream(settings), project, filename, head=head)

    def _why_not(self, project: str, settings: Settings) -> str | None:
        """Why a project is never asked upstream, as a sentence; None if it may be."""
        return {
            "reserved": f"{project} is a name of this organisation's own, and nothing of it is published yet.",
            "removed": f"{project} has no files at present; {settings.ask}.",
            "denied": f"{project} is not let in from outside; to change that, {settings.ask}.",
            "closed": f"{project} is not on {settings.index_url}; to have it let in, {settings.ask}.",
            "public": None,
        }[whereabouts(project, settings, self._shelf)]

    def _settings(self) -> Settings:
        """The settings of now. When they have changed, files that may not be served any more leave the cache.

        The gateway would go on serving them: it asks nobody about a file that is there.
        """
        settings = self._config.current()
        if settings is not self._seen:
            self._seen = settings
            for project in self._cache.projects():
                if self._why_not(project, settings):
                    self._cache.forget(project)
        return settings


def upstream_url(settings: Settings) -> str:
    """The index that is asked for what is not on the shelf, with a slash at its end."""
    return settings.upstream_url or PUBLIC_INDEX


def _upstream(settings: Settings) -> Upstream:
    return Upstream(upstream_url(settings), settings.outside, timedelta(days=settings.minimum_age))
