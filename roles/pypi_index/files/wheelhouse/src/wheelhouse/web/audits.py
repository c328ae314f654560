"""Known vulnerabilities, for `uv audit` and pip-audit: the interface of osv.dev, below /osv/.

    POST /osv/v1/query        one release, with all that its advisories say
    POST /osv/v1/querybatch   many releases, with the ids of their advisories
    GET  /osv/v1/vulns/ID     an advisory

The answers come from the advisories that lie on the index host. Nothing is asked anywhere else.
"""

import contextlib
import re
import threading
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote

import msgspec
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Request, Response

from wheelhouse.config import Config
from wheelhouse.errors import WheelhouseError
from wheelhouse.formats import advisory
from wheelhouse.index import advisories
from wheelhouse.index.advisories import Advisories
from wheelhouse.index.permissions import normalised
from wheelhouse.web.responses import HTTPError, http_error

PLACE = "/osv/v1/"
MAX_BODY = 2**20
"""Bytes of a question; a thousand of uv's are 100 kB."""
MAX_QUERIES = 1000
"""In one batch, as at osv.dev."""
PAGE = 1000
"""Advisories in one answer; for more, there is a next page."""
_PURL = re.compile(r"pkg:pypi/(?P<name>[^/@?#]+)(@(?P<version>[^/@?#]+))?([?#].*)?")
_FROM_HERE = "after:"
"""What a page's token begins with; the rest is the id of the last advisory before."""
_ABOUT = f"This index has advisories about projects of {advisory.ECOSYSTEM} alone"
_CODES = {400: 3, 413: 3, 404: 5, 405: 12, 503: 14}
"""The numbers that osv.dev has for errors."""
Asked = TypeVar("Asked")


class Package(msgspec.Struct):
    """Whose advisories are asked for."""

    name: str | None = None
    ecosystem: str | None = None
    purl: str | None = None


class Query(msgspec.Struct):
    """One question. What else is in it is left alone, as osv.dev does."""

    package: Package | None = None
    version: str | None = None
    commit: str | None = None
    page_token: str | None = None


class Batch(msgspec.Struct):
    """Many."""

    queries: list[Query]


class Audits:
    """Answers what is asked of these addresses. The gateway has seen to the login, as for packages."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._lock = threading.Lock()
        self._advisories: Advisories | None = None

    @staticmethod
    def is_asked(path: str) -> bool:
        """Whether a path is one of these."""
        return path.startswith("/osv/")

    def answer(self, request: Request, path: str) -> Response:
        """Errors are in the form of osv.dev, and in the status line, which is all that some clients show."""
        request.max_content_length = MAX_BODY
        try:
            return _json(self._answer(request, path))
        except HTTPError as error:
            return _problem(error)
        except HTTPException as error:
            if error.code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
                return _problem(HTTPError(413, f"An audit's question may have {MAX_BODY} bytes: ask in several."))
            return _problem(HTTPError(error.code or 400, "The question cannot be read."))
        except WheelhouseError as error:
            return _problem(http_error(error))

    def warm_up(self) -> None:
        """Read the advisories before anybody waits for them."""
        if known := self._known():
            with contextlib.suppress(WheelhouseError):  # it is logged, and whoever asks is answered with it
                known.find("")

    def _answer(self, request: Request, path: str) -> Any:
        """Raises `HTTPError`, `HTTPException`, `WheelhouseError`."""
        settings = self._config.current()
        known = self._known()
        if known is None:
            raise HTTPError(404, f"This index answers no audits, having no advisories; to change that, {settings.ask}.")
        asked = path.removeprefix(PLACE) if path.startswith(PLACE) else ""
        if asked in ("query", "querybatch"):
            if request.method != "POST":
                raise HTTPError(405, f"Questions are sent to {path} by POST.")
            if asked == "query":
                return _Answers(known).one(_read(request, Query))
            return _Answers(known).many(_read(request, Batch).queries)
        identity = asked.removeprefix("vulns/")
        if not identity or identity == asked:
            raise HTTPError(404, f"There is no such address; audits are answered at {settings.index_url}{PLACE}query.")
        if request.method not in ("GET", "HEAD"):
            raise HTTPError(405, "An advisory is read by GET.")
        entry = known.find(identity)
        if entry is None:
            raise HTTPError(404, f"This index has no advisory {identity[:100]!a}.")
        return entry

    def _known(self) -> Advisories | None:
        place = self._config.current().advisories
        if place is None:
            return None
        with self._lock:
            if self._advisories is None or self._advisories.directory != Path(place):
                self._advisories = Advisories(Path(place))
            return self._advisories


class _Answers:
    """The answers to one request, which looks at each project once."""

    def __init__(self, known: Advisories) -> None:
        self._known = known
        self._of: dict[str, list[dict[str, Any]]] = {}

    def one(self, query: Query) -> dict[str, Any]:
        return self._page(query, PAGE, lambda entry: entry)

    def many(self, queries: list[Query]) -> dict[str, Any]:
        if len(queries) > MAX_QUERIES:
            raise HTTPError(400, f"There are {len(queries)} queries in it; send at most {MAX_QUERIES} at a time.")
        results, room = [], PAGE
        for number, query in enumerate(queries, 1):
            try:
                results.append(self._page(query, room, advisories.short))
            except HTTPError as error:
                raise HTTPError(error.code or 400, f"Query {number}: {error.sentence}") from None
            room -= len(results[-1].get("vulns", ()))
        return {"results": results}

    def _page(self, query: Query, room: int, shown: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
        """The advisories, at most so many, and where to go on; raises `HTTPError`, `Unreachable`."""
        project, version = _release(query)
        if project not in self._of:
            self._of[project] = self._known.about(project)
        after = _after(query)
        found = [one for one in advisories.affecting(self._of[project], project, version) if one["id"] > after]
        answer: dict[str, Any] = {"vulns": [shown(entry) for entry in found[:room]]} if found[:room] else {}
        if len(found) > room:
            answer["next_page_token"] = f"{_FROM_HERE}{found[room - 1]['id'] if room else after}"
        return answer


def _read(request: Request, kind: type[Asked]) -> Asked:
    """What was sent; raises `HTTPError`, `HTTPException`."""
    try:
        return msgspec.json.decode(request.get_data(cache=False), type=kind)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        example = '{"package": {"name": "idna", "ecosystem": "PyPI"}, "version": "3.10"}'
        if kind is Batch:
            example = f'{{"queries": [{example}]}}'
        raise HTTPError(400, f"This is no question as OSV has them ({error}); send JSON such as {example}.") from None


def _release(query: Query) -> tuple[str, str]:
    """The project, and the version or nothing; raises `HTTPError`."""
    package = query.package or Package()
    if query.commit:
        raise HTTPError(400, f"{_ABOUT}, not about commits.")
    name, version = package.name or "", query.version or ""
    if package.purl:
        match = _PURL.fullmatch(package.purl)
        if not match:
            raise HTTPError(400, f"{_ABOUT}; {package.purl[:100]!a} is not one such as pkg:pypi/idna@3.10.")
        name, version = unquote(match["name"]), unquote(match["version"] or "") or version
    elif package.ecosystem != advisory.ECOSYSTEM:
        raise HTTPError(400, f"{_ABOUT}, not of {(package.ecosystem or 'no ecosystem')[:100]!a}.")
    project = normalised(name)
    if project is None:
        raise HTTPError(400, f"{name[:100]!a} is not the name of a Python project.")
    return project, version


def _after(query: Query) -> str:
    """The id after which the page begins; raises `HTTPError`."""
    token = query.page_token or _FROM_HERE
    if not token.startswith(_FROM_HERE):
        raise HTTPError(400, f"{token[:100]!a} is no page of this index.")
    return token.removeprefix(_FROM_HERE)


def _json(content: Any, status: int = HTTPStatus.OK) -> Response:
    return Response(
        msgspec.json.encode(content) + b"\n", status, {"Cache-Control": "no-cache"}, content_type="application/json"
    )


def _problem(error: HTTPError) -> Response:
    """With the status line of other errors, which has the sentence in it."""
    response = error.get_response()
    code = _CODES.get(error.code or 0, 13)
    response.set_data(msgspec.json.encode({"code": code, "message": error.sentence}) + b"\n")
    response.content_type = "application/json"
    if error.code == HTTPStatus.METHOD_NOT_ALLOWED:
        response.headers["Allow"] = "GET, HEAD, POST"
    return response
