"""What a client gets for a project that has no page on the shelf.

A name that is on the shelf or reserved is never asked upstream, so that a public package of the same name cannot be
installed by mistake. Nor is one that the administrator denied, nor a release that the intake has refused.
"""

import contextlib
import errno
import json
import logging
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Literal

from pypiserver.config import Config as PypiserverConfig
from simple_repository.content_negotiation import Format
from werkzeug.wrappers import Request, Response

from wheelhouse.config import Config, Settings
from wheelhouse.errors import Busy, Damaged, Denied, NotFound, Unreachable
from wheelhouse.formats.distribution import MAX_NAME, SAFE_NAME
from wheelhouse.index import denied_releases, queries
from wheelhouse.index.permissions import covers, normalised
from wheelhouse.index.transaction import Index
from wheelhouse.store.downloads import Cache
from wheelhouse.upstream.simple_index import METADATA, PAGE_AGE, Mirror, Upstream
from wheelhouse.web.responses import redirect, streamed

PUBLIC_INDEX = PypiserverConfig.default_with_overrides().fallback_url
"""Where pypiserver sends clients unless told otherwise: the public index. Ends with a slash."""

log = logging.getLogger(__name__)
NOTE_EVERY = 600.0
"""Seconds after which another look at a project is noted."""
Whereabouts = Literal["reserved", "removed", "denied", "closed", "public"]
"""Why a name that has no page on the shelf is nowhere else either; or `public`: it may be asked for upstream."""
_CONTENT_TYPES = {Format.JSON_V1: Format.JSON_V1.value, Format.HTML_LEGACY: "text/html; charset=utf-8"}
_OF_A_PAGE = {"Cache-Control": "no-cache", "Vary": "Accept", "X-Accel-Expires": str(PAGE_AGE)}
_FOREVER = {"Cache-Control": "max-age=31536000, immutable"}


def whereabouts(project: str, settings: Settings, index: Index) -> Whereabouts:
    """Where a client finds `project`, a normalised name without a page on the shelf."""
    if covers(settings.own_names, project):
        return "reserved"
    if _is_ours(project, index):
        return "removed"
    if covers(settings.denied, project):
        return "denied"
    named = settings.upstream_of(project)
    is_elsewhere = settings.upstream == "closed" or (settings.upstream == "redirect" and named and named.password)
    return "closed" if is_elsewhere else "public"  # a client that is sent there has no account


def _is_ours(project: str, index: Index) -> bool:
    """Whether anything of it was ever published, or was copied in and waits to be."""
    with index.database.read() as connection:
        return queries.is_known(connection, project) or bool(index.site.names(f"packages/{project}"))


class UpstreamRoutes:
    """Answers for what is not on the shelf."""

    def __init__(self, config: Config, index: Index, cache: Cache) -> None:
        self._config = config
        self._index = index
        self._cache = cache
        self._mirror = Mirror(cache, given=self._note, last_asked=self._last_asked, denied=self._denied)
        self._refused = denied_releases.Watched(index.database)
        self._asked = index.site.locks / "asked"
        """An empty file for each public project; its time is that of the last look at it."""
        self._seen: tuple[Settings, denied_releases.Releases] | None = None

    def page(self, request: Request, name: str) -> Response:
        """`/simple/<name>` where there is no such page; raises `NotFound`, `Unreachable`."""
        settings = self._settings()
        asked, name = name, name.removesuffix("/")
        project = normalised(name)
        if project is None:
            raise NotFound(f"{name[:100]!a} is not the name of a Python project.")
        if asked != f"{project}/":
            return redirect(f"/simple/{project}/", 301)
        if sentence := self._why_not(project, settings):
            raise NotFound(sentence)
        accept = request.headers.get("Accept", "")
        form = Format.JSON_V1 if Format.JSON_V1.value in accept else Format.HTML_LEGACY
        if settings.upstream != "redirect":
            self._ask(project)
            return _page(self._mirror.page(self._upstream(settings, project), project, form), form)
        if not self._refused.current().get(project):
            return redirect(f"{upstream_url(settings, project)}{project}/", 302)
        return _page(self._without_refused(settings, project, form), form)

    def file(self, request: Request, path: str) -> Response:
        """`/cached/<project>/<file>` where there is no such file, or HEAD.

        Raises `NotFound`, `Denied`, `Unreachable`, `Damaged`.
        """
        settings = self._settings()
        project, _, filename = path.partition("/")
        is_name = normalised(project) == project and SAFE_NAME.fullmatch(filename) and len(filename) <= MAX_NAME
        if settings.upstream != "cached" or not is_name:
            raise NotFound("There is no such file on this index.")
        if sentence := self._objection(project, filename, settings):
            raise Denied(sentence)
        body = self._mirror.file(self._upstream(settings, project), project, filename, head=request.method == "HEAD")
        return streamed(_cut_short_if_broken(body.pieces, filename), body.size, "application/octet-stream", _FOREVER)

    def look_again(self) -> None:
        """See to it that what is denied or refused leaves the cache, also while nobody asks the program."""
        self._settings()

    def _objection(self, project: str, filename: str, settings: Settings) -> str | None:
        """Why a file is not to be had through the cache, as a sentence; None if it is."""
        refused = self._refused.current().get(project, {})
        return self._why_not(project, settings) or denied_releases.of(refused, filename.removesuffix(METADATA))

    def _denied(self, project: str, filename: str, url: str) -> str | None:
        """Why a file that has just come from an index may not be had any more, as a sentence; None if it may."""
        settings = self._config.current()
        if url != upstream_url(settings, project):
            return f"{project} comes from another index now: ask for {filename} again."
        return self._objection(project, filename, settings)

    def _note(self, project: str, filename: str, sha256: str) -> None:
        """Remember a file that a client gets from upstream."""
        self._index.note_served(project, filename, sha256)

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

    def _without_refused(self, settings: Settings, project: str, form: Format) -> bytes:
        """Upstream's page but for what the intake has refused; raises `NotFound` if it cannot be had.

        A client that is sent upstream would find all of it there. The index host may have no way out under this policy.
        """
        upstream = replace(self._upstream(settings, project), minimum_age=timedelta())
        try:
            return self._mirror.page(upstream, project, form, direct=True)
        except Unreachable:
            why = "; ".join(f"{version}: {one.sentence}" for version, one in upstream.refused.items())
            raise Denied(
                f"{project} is not let in as it is, since the intake refused {why} To have another version let in,"
                f" {settings.ask}."
            ) from None

    def _upstream(self, settings: Settings, project: str) -> Upstream:
        with self._index.database.read() as connection:
            seen = queries.served(connection, project)
        return Upstream(
            upstream_url(settings, project),
            settings.to_upstream(settings.network),
            timedelta(days=settings.minimum_age),
            self._refused.current().get(project, {}),
            seen,
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
        }[whereabouts(project, settings, self._index)]

    def _settings(self) -> Settings:
        """The settings of now. When they have changed, files that may not be served any more leave the cache.

        So do those that came from an index which does not have the project any more, and those of releases that the
        intake has refused since. The gateway would go on serving them: it asks nobody about a file that is there.
        """
        settings, releases = self._config.current(), self._refused.current()
        if self._seen is None or settings is not self._seen[0] or releases is not self._seen[1]:
            self._seen = settings, releases
            before = self._index.upstreams()
            for project in self._cache.projects():
                is_moved = _came_from(before, project) not in (None, upstream_url(settings, project))
                if is_moved or self._why_not(project, settings):
                    self._cache.forget(project)
                for name in self._cache.files(project) if project in releases else ():
                    if denied_releases.of(releases[project], name.removesuffix(METADATA)):
                        self._cache.forget_file(project, name)
            try:
                self._index.note_upstreams(_rules(settings))
            except Busy:
                self._seen = None  # once more with the next question
        return settings


def upstream_url(settings: Settings, project: str) -> str:
    """The index that is asked for a project which is not on the shelf, and the only one, with a slash at its end."""
    named = settings.upstream_of(project)
    return named.url if named else settings.upstream_url or PUBLIC_INDEX


def _rules(settings: Settings) -> str:
    """Which index has which projects, as a text that is kept."""
    named = [{"url": one.url, "projects": one.projects} for one in settings.named_upstreams]
    return json.dumps({"url": settings.upstream_url or PUBLIC_INDEX, "named": named})


def _came_from(rules: str, project: str) -> str | None:
    """By such a text, the index that had a project; None if nothing is known."""
    if not rules:
        return None
    known = json.loads(rules)
    named = (one["url"] for one in known["named"] if covers(one["projects"], project))
    return str(next(named, known["url"]))


def _page(content: bytes, form: Format) -> Response:
    return Response(content, headers=_OF_A_PAGE, content_type=_CONTENT_TYPES[form])


def _cut_short_if_broken(pieces: Iterable[bytes], filename: str) -> Iterator[bytes]:
    """The pieces; where they break off, gunicorn closes the connection and the client misses bytes it was promised."""
    try:
        yield from pieces
    except (Unreachable, Damaged, Denied) as error:
        log.error("%s was not taken from upstream: %s.", filename, str(error).removesuffix("."))
        raise ConnectionResetError(errno.ECONNRESET, "The file broke off.") from None
