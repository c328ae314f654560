"""What a client gets for a project that has no page on the shelf.

A name that is on the shelf or reserved is never asked upstream, so that a public package of the same name cannot be
installed by mistake. Nor is one that the administrator denied, nor a release that the intake has refused.
"""

import contextlib
import logging
import os
import time
from dataclasses import replace
from datetime import timedelta
from typing import Literal, NoReturn

from pypiserver.config import Config as PypiserverConfig

from wheelhouse.config import Config, Settings
from wheelhouse.formats.distribution import MAX_NAME, SAFE_NAME
from wheelhouse.index import denied_releases
from wheelhouse.index.permissions import covers, normalised
from wheelhouse.index.served_files import Seen
from wheelhouse.store.downloads import Cache
from wheelhouse.store.local import Shelf
from wheelhouse.upstream.simple_index import METADATA, Mirror, Upstream
from wheelhouse.web.responses import Answer, Environ, Refusal

PUBLIC_INDEX = PypiserverConfig.default_with_overrides().fallback_url
"""Where pypiserver sends clients unless told otherwise: the public index. Ends with a slash."""

log = logging.getLogger(__name__)
NOTE_EVERY = 600.0
"""Seconds after which another look at a project is noted."""
WATCH_EVERY = 2.0
"""Seconds after which a change is seen while nobody asks."""
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
        self._mirror = Mirror(cache, given=self._note, last_asked=self._last_asked)
        self._file_names = Seen(shelf)
        self._refused = denied_releases.Watched(shelf)
        self._asked = shelf.locks / "asked"
        """An empty file for each public project; its time is that of the last look at it."""
        self._seen: tuple[Settings, denied_releases.Releases] | None = None

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
        accept = environ.get("HTTP_ACCEPT", "")
        if settings.upstream != "redirect":
            self._ask(project)
            return self._mirror.page(self._upstream(settings, project), project, accept)
        if not self._refused.current().get(project):
            return Answer(302, headers={"Location": f"{upstream_url(settings)}{project}/"})
        return self._without_refused(settings, project, accept)

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
        upstream = self._upstream(settings, project)
        if sentence := denied_releases.of(upstream.refused, filename.removesuffix(METADATA)):
            raise Refusal(404, sentence)
        return self._mirror.file(upstream, project, filename, head=head)

    def _note(self, project: str, filename: str, sha256: str) -> None:
        """Remember a file that a client gets from upstream."""
        try:
            self._file_names.note(project, filename, sha256)
        except OSError as error:
            log.error("What %s is cannot be remembered: %s.", filename, error.strerror)

    def _ask(self, project: str) -> None:
        """Note that somebody looked at a project, no oftener than it matters."""
        path = self._asked / project
        with contextlib.suppress(OSError):
            if time.time() - self._last_asked(project) > NOTE_EVERY:
                self._asked.mkdir(exist_ok=True)
                path.touch()
                os.utime(path)

    def _last_asked(self, project: str) -> float:
        try:
            return (self._asked / project).stat().st_mtime
        except OSError:
            return 0.0

    def watch(self) -> NoReturn:
        """See to it that what is denied or refused leaves the cache at once, also while nobody asks the program."""
        while True:
            time.sleep(WATCH_EVERY)
            self._settings()

    def _without_refused(self, settings: Settings, project: str, accept: str) -> Answer:
        """Upstream's page but for what the intake has refused; raises `Refusal` if it cannot be had.

        A client that is sent upstream would find all of it there. The index host may have no way out under this policy.
        """
        upstream = replace(self._upstream(settings, project), minimum_age=timedelta())
        try:
            return self._mirror.page(upstream, project, accept, direct=True)
        except Refusal as refusal:
            if refusal.status < 500:
                raise
            why = "; ".join(f"{version}: {one.sentence}" for version, one in upstream.refused.items())
            raise Refusal(
                404,
                f"{project} is not let in as it is, since the intake refused {why} To have another version let in,"
                f" {settings.ask}.",
            ) from None

    def _upstream(self, settings: Settings, project: str) -> Upstream:
        return Upstream(
            upstream_url(settings),
            settings.outside,
            timedelta(days=settings.minimum_age),
            self._refused.current().get(project, {}),
            self._file_names.of(project),
            settings.cache_size,
        )

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

        So do those of releases that the intake has refused since. The gateway would go on serving them: it asks nobody
        about a file that is there.
        """
        settings, releases = self._config.current(), self._refused.current()
        if self._seen is None or settings is not self._seen[0] or releases is not self._seen[1]:
            self._seen = settings, releases
            for project in self._cache.projects():
                if self._why_not(project, settings):
                    self._cache.forget(project)
                for name in self._cache.files(project) if project in releases else ():
                    if denied_releases.of(releases[project], name.removesuffix(METADATA)):
                        self._cache.forget_file(project, name)
        return settings


def upstream_url(settings: Settings) -> str:
    """The index that is asked for what is not on the shelf, with a slash at its end."""
    return settings.upstream_url or PUBLIC_INDEX
