"""What nginx's log says of requests, counted from where the last look ended.

nginx spends nothing on it. A look reads a bounded amount: what is beyond that is passed over, and counted. A log that
was rotated is read to its end first; how far it was read and what was counted are kept in one file, so that a kill
between two steps counts nothing twice.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from wheelhouse_monitoring.textfile import Family

MOST_BYTES = 64 * 1024 * 1024
"""Of one look; some 400,000 lines, a second's work."""
_PIECE = 1024 * 1024
_LONGEST_LINE = 64 * 1024
_MOST_PEOPLE = 10_000
_KINDS = (
    ("page", "/simple/"),
    ("file", "/packages/"),
    ("file", "/cached/"),
    ("conda", "/conda/"),
    ("report", "/reports/"),
    ("search", "/search"),
    ("search", "/RPC2"),
)


@dataclass
class State:
    """What was counted, and up to where."""

    inode: int = 0
    offset: int = 0
    requests: dict[str, int] = field(default_factory=dict)
    """`kind status` -> number."""
    bytes_sent: int = 0
    refused_logins: int = 0
    skipped_bytes: int = 0
    people: dict[str, str] = field(default_factory=dict)
    """Login name -> day of the last request with a right password."""

    @classmethod
    def of(cls, raw: Any) -> State:
        """From JSON that was written here; whatever else it is counts as none."""
        known = raw if isinstance(raw, dict) else {}
        state = cls()
        for name, default in vars(cls()).items():
            value = known.get(name, default)
            setattr(state, name, value if type(value) is type(default) else default)
        return state


def follow(path: Path, state: State, accounts: frozenset[str] | None = None, most: int = MOST_BYTES) -> None:
    """Count the lines that are new. `accounts` are the people whose last use is kept; None keeps nobody's."""
    left = most
    try:
        current = path.stat()
    except FileNotFoundError:
        return
    if not state.inode:  # the first look: from now on
        state.inode, state.offset = current.st_ino, current.st_size
        return
    if current.st_ino != state.inode:
        rotated = path.with_name(f"{path.name}.1")
        if rotated.exists() and rotated.stat().st_ino == state.inode:
            left -= _read(rotated, state, accounts, left)
        state.inode, state.offset = current.st_ino, 0
    elif current.st_size < state.offset:  # it was emptied
        state.offset = 0
    _read(path, state, accounts, left)


def _read(path: Path, state: State, accounts: frozenset[str] | None, most: int) -> int:
    """Count whole lines from `state.offset` on; returns how many bytes were read."""
    with path.open("rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        if size - state.offset > most:
            state.skipped_bytes += size - state.offset - most
            stream.seek(size - most)
            state.offset = size - most + len(stream.readline(_LONGEST_LINE))
        stream.seek(state.offset)
        start, rest = state.offset, b""
        while piece := stream.read(_PIECE):
            lines = (rest + piece).split(b"\n")
            rest = lines.pop()
            for line in lines:
                _count(line, state, accounts)
            if len(rest) > _LONGEST_LINE:
                state.skipped_bytes, state.offset, rest = state.skipped_bytes + len(rest), state.offset + len(rest), b""
            state.offset = stream.tell() - len(rest)
    return state.offset - start


def _count(raw: bytes, state: State, accounts: frozenset[str] | None) -> None:
    """One line in nginx's form `combined`, in which a quotation mark within a field is escaped."""
    parts = raw.decode("utf-8", "replace").split('"')
    if len(parts) < 3:
        return
    result = parts[2].split()
    if len(result) < 2 or not re.fullmatch(r"[1-5][0-9][0-9]", result[0]):
        return
    status = result[0]
    key = f"{kind_of(parts[1])} {status}"
    state.requests[key] = state.requests.get(key, 0) + 1
    state.bytes_sent += int(result[1]) if result[1].isdigit() else 0
    match = re.fullmatch(r"\S+ - (.+) \[([^\]]+)\] ", parts[0])
    user = match[1] if match else "-"
    if user == "-":
        return
    if status == "401":
        state.refused_logins += 1
    elif match and status[0] in "23" and accounts and user in accounts and len(state.people) < _MOST_PEOPLE:
        state.people[user] = max(state.people.get(user, ""), _day(match[2]))


def kind_of(request: str) -> str:
    """What a request is for; there are few kinds, whatever is asked."""
    method, _, rest = request.partition(" ")
    path = rest.partition(" ")[0]
    if method == "POST" and path == "/":
        return "upload"
    return next((kind for kind, start in _KINDS if path.startswith(start)), "other")


def _day(time: str) -> str:
    try:
        return datetime.strptime(time, "%d/%b/%Y:%H:%M:%S %z").date().isoformat()
    except ValueError:
        return ""


def account_names(htpasswd: bytes) -> frozenset[str]:
    """The names in a file of accounts."""
    return frozenset(line.split(":")[0] for line in htpasswd.decode("utf-8", "replace").splitlines() if ":" in line)


def families(state: State) -> Iterator[Family]:
    """What was counted."""
    requests = Family("wheelhouse_requests_total", "Requests that the gateway answered.", "counter")
    for key, number in sorted(state.requests.items()):
        kind, _, status = key.partition(" ")
        requests.add(number, kind=kind, status=status)
    yield requests
    sent = Family("wheelhouse_sent_bytes_total", "Bytes that the gateway sent.", "counter")
    yield sent.add(state.bytes_sent)
    refused = Family("wheelhouse_logins_refused_total", "Requests with a wrong user name or password.", "counter")
    yield refused.add(state.refused_logins)
    skipped = Family("wheelhouse_log_skipped_bytes_total", "Bytes of the log that were too many to count.", "counter")
    yield skipped.add(state.skipped_bytes)
