# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""Names, connections and answers, each within a time limit, and what went wrong in plain words."""

from __future__ import annotations

import errno
import http.client
import os
import queue
import socket
import threading
from dataclasses import dataclass

from wheelhouse_doctor.findings import Finding, fail, is_busy, too_slow

NAME_TIME = 4.0
CONNECT_TIME = 4.0
ANSWER_TIME = 5.0
"""Seconds. A run in which everything hangs ends after some twenty of them."""
LONGEST_BODY = 64 * 1024
_NO_WAY = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.ENETUNREACH)
"""Errors of an address that is none of this machine's kind, such as one of IPv6 where there is none."""


class NoAnswer(Exception):
    """Why there is none; the text is the end of a sentence (`nothing listens there`), and holds no secret.

    `slow` where time ran out, for which this machine may be to blame.
    """

    def __init__(self, why: str, slow: bool = False) -> None:
        super().__init__(why)
        self.slow = slow


@dataclass(frozen=True)
class Answer:
    """What a server or proxy said. `headers` maps names in small letters to all values of that name."""

    status: int
    headers: dict[str, list[str]]
    body: str = ""

    def first(self, name: str) -> str:
        return (self.headers.get(name) or [""])[0]


def address_of(host: str, port: int) -> str:
    """The first address of a name; raises `NoAnswer`. The resolver knows no time limit, so a thread waits for it."""
    answers: queue.SimpleQueue[str | Exception] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(str(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][4][0]))
        except (OSError, UnicodeError) as error:
            answers.put(error)

    threading.Thread(target=ask, daemon=True).start()
    try:
        answer = answers.get(timeout=NAME_TIME)
    except queue.Empty:
        raise NoAnswer(f"no name server answered within {NAME_TIME:g} s", slow=True) from None
    if isinstance(answer, socket.gaierror) and answer.errno == socket.EAI_AGAIN:
        raise NoAnswer("no name server knows it, or none could be asked")
    if isinstance(answer, Exception):
        raise NoAnswer("no name server knows it")
    return answer


def connect(host: str, port: int) -> socket.socket:
    """A connection; raises `NoAnswer`."""
    try:
        connection = _connected(host, port)
    except ConnectionRefusedError:
        raise NoAnswer("nothing listens there (connection refused)") from None
    except socket.timeout:
        raise NoAnswer(f"no connection within {CONNECT_TIME:g} s", slow=True) from None
    except OSError as error:
        raise NoAnswer(why(error)) from None
    connection.settimeout(ANSWER_TIME)
    return connection


def _connected(host: str, port: int) -> socket.socket:
    """To the first address of a name that answers. Otherwise raises OSError, if possible of one that can be reached."""
    failed = None
    for family, kind, protocol, _name, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        connection = None
        try:
            connection = socket.socket(family, kind, protocol)
            connection.settimeout(CONNECT_TIME)
            connection.connect(address)
        except OSError as error:
            if connection:
                connection.close()
            if failed is None or failed.errno in _NO_WAY:
                failed = error
        else:
            return connection
    raise failed or OSError


def why(error: OSError) -> str:
    """What the operating system says, in small letters."""
    return os.strerror(error.errno).lower() if error.errno and error.errno > 0 else "the connection failed"


def ask(connection: socket.socket, method: str, target: str, headers: dict[str, str]) -> Answer:
    """Send a request and read the answer, with the beginning of its body where it refuses or is asked with GET.

    The connection stays open, as a tunnel does after CONNECT. Raises `NoAnswer`.
    """
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    try:
        connection.sendall("\r\n".join(lines).encode("latin-1"))
        response = http.client.HTTPResponse(connection, method=method)
        response.begin()
        has_body = method == "GET" or (response.status >= 400 and method != "HEAD")
        body = response.read(LONGEST_BODY) if has_body else b""
    except socket.timeout:
        why_not = f"it took the connection and then gave no answer within {ANSWER_TIME:g} s"
        raise NoAnswer(why_not, slow=True) from None
    except http.client.HTTPException:
        raise NoAnswer("what answers there does not speak HTTP") from None
    except OSError as error:
        raise NoAnswer(f"it dropped the connection ({why(error)})") from None
    names = {name.lower(): response.headers.get_all(name) or [] for name in response.headers}
    return Answer(response.status, names, body.decode("utf-8", "replace"))


def unanswered(
    problem: NoAnswer, check: str, looked_at: str, sentence: str, remedy: str, explained_by: tuple[str, ...] = ()
) -> Finding:
    """A finding about what gave no answer: a failure, unless time ran out on a machine that is busy."""
    if problem.slow and is_busy():
        return too_slow(check, looked_at, sentence.rstrip("."))
    return fail(check, looked_at, sentence, remedy, explained_by)
