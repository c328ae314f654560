"""What goes back over HTTP: responses, and errors with a sentence that people can act on; and what requests say."""

import json
import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Request, Response

from wheelhouse import errors
from wheelhouse.errors import WheelhouseError
from wheelhouse.logs import printable

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

MAX_REASON = 300
"""Characters of a reason phrase; gateways read a status line into a small buffer."""
_OBJECT = re.compile(r"<[^<>]*\bat 0x[0-9a-fA-F]+[^<>]*>")
"""What Python writes for an object without a text of its own, with its place in memory."""
_HEADERS = {
    HTTPStatus.UNAUTHORIZED: {"WWW-Authenticate": 'Basic realm="index"'},
    HTTPStatus.METHOD_NOT_ALLOWED: {"Allow": "GET, HEAD"},
}
_STATUS: tuple[tuple[type[WheelhouseError], HTTPStatus], ...] = (
    (errors.NotFound, HTTPStatus.NOT_FOUND),
    (errors.Forbidden, HTTPStatus.FORBIDDEN),
    (errors.Unreachable, HTTPStatus.SERVICE_UNAVAILABLE),
    (errors.Damaged, HTTPStatus.BAD_GATEWAY),
    (errors.Conflict, HTTPStatus.CONFLICT),
    (errors.Rejected, HTTPStatus.BAD_REQUEST),
    (errors.Busy, HTTPStatus.SERVICE_UNAVAILABLE),
    (errors.Full, HTTPStatus.INSUFFICIENT_STORAGE),
)


class HTTPError(HTTPException):
    """A response above 399 with a sentence.

    twine shows people the reason phrase of an error, uv its body and Poetry both, so both hold the sentence.
    """

    def __init__(self, status: int, sentence: str) -> None:
        self.code = status
        # on one line, which is what clients show, on a terminal
        self.sentence = printable(_OBJECT.sub("this", " ".join(sentence.split())))
        super().__init__(self.sentence)

    def get_response(self, *_: Any, **__: Any) -> Response:
        """What to send."""
        status = HTTPStatus(self.code or HTTPStatus.INTERNAL_SERVER_ERROR)
        reason = re.sub(r"[^ -~]", "?", self.sentence)
        if len(reason) > MAX_REASON:
            reason = reason[: MAX_REASON - 3] + "..."
        return Response(
            f"{self.sentence}\n",
            f"{status.value} {reason}",
            _HEADERS.get(status, {}),
            content_type="text/plain; charset=utf-8",
        )


def sent_object(request: Request) -> dict[str, Any] | None:
    """The JSON object that was sent; None for anything else, however deep it is."""
    try:
        given = json.loads(request.get_data())
    except (ValueError, RecursionError):
        return None
    return given if isinstance(given, dict) else None


def http_error(error: WheelhouseError) -> HTTPError:
    """What to answer where something went wrong."""
    for kind, status in _STATUS:
        if isinstance(error, kind):
            return HTTPError(status, str(error))
    return HTTPError(HTTPStatus.INTERNAL_SERVER_ERROR, str(error))


def streamed(pieces: Iterable[bytes], size: int | None, content_type: str, headers: dict[str, str]) -> Response:
    """A response that is sent as its pieces come. Without a size (bytes) its end is told by the connection."""
    length = {} if size is None else {"Content-Length": str(size)}
    return Response(pieces, headers={**headers, **length}, content_type=content_type, direct_passthrough=True)


def redirect(location: str, status: int) -> Response:
    """Sends a client on."""
    return Response(status=status, headers={"Location": location}, content_type="text/plain; charset=utf-8")


def path_of(environ: "WSGIEnvironment") -> str:
    """The path that is asked for, with one slash at its beginning.

    Raises `HTTPError` for one that steps up: here it is taken as it is written, and the gateway has let somebody in by
    where it leads.
    """
    path = "/" + Request(environ).path.lstrip("/")
    if {".", ".."} & set(path.split("/")):
        raise HTTPError(404, "There is no such page on this index.")
    return path


def origin_of(request: Request) -> str:
    """The client's address, as the gateway in front of us saw it."""
    forwarded = request.headers.get("X-Forwarded-For", "")
    return forwarded.rpartition(",")[2].strip() or request.remote_addr or ""
