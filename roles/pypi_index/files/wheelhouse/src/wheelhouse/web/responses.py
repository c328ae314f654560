"""What goes back over HTTP: answers, and refusals with a sentence that people can act on."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from wheelhouse.logs import printable

Environ = dict[str, Any]
StartResponse = Callable[..., Any]

MAX_REASON = 300
"""Characters of a reason phrase; gateways read a status line into a small buffer."""
_OBJECT = re.compile(r"<[^<>]*\bat 0x[0-9a-fA-F]+[^<>]*>")
"""What Python writes for an object without a text of its own, with its place in memory."""
_HEADERS = {
    HTTPStatus.UNAUTHORIZED: {"WWW-Authenticate": 'Basic realm="index"'},
    HTTPStatus.METHOD_NOT_ALLOWED: {"Allow": "GET, HEAD"},
}


@dataclass(frozen=True)
class Answer:
    """An HTTP answer. A body that is not bytes is sent in its pieces, and says in `headers` how long it is."""

    status: int
    body: bytes | Iterable[bytes] = b""
    content_type: str = "text/plain; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""
    """By default the standard phrase for the status."""

    def send(self, start_response: StartResponse) -> Iterable[bytes]:
        """Answer as a WSGI application does."""
        headers = {"Content-Type": self.content_type, **self.headers}
        if isinstance(self.body, bytes):
            headers["Content-Length"] = str(len(self.body))
        start_response(f"{self.status} {self.reason or HTTPStatus(self.status).phrase}", list(headers.items()))
        return [self.body] if isinstance(self.body, bytes) else self.body


class Refusal(Exception):
    """An HTTP answer above 399 with a sentence.

    twine shows people the reason phrase of a refusal, uv its body and Poetry both, so both hold the sentence.
    """

    def __init__(self, status: int, sentence: str) -> None:
        self.status = status
        # on one line, which is what clients show, on a terminal
        self.sentence = printable(_OBJECT.sub("this", " ".join(sentence.split())))
        super().__init__(self.sentence)

    @property
    def answer(self) -> Answer:
        """What to send."""
        reason = re.sub(r"[^ -~]", "?", self.sentence)
        if len(reason) > MAX_REASON:
            reason = reason[: MAX_REASON - 3] + "..."
        return Answer(
            self.status, f"{self.sentence}\n".encode(), headers=_HEADERS.get(HTTPStatus(self.status), {}), reason=reason
        )
