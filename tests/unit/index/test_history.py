"""What clients of two gateways saw of uploads, yanks and removals, while both gateways were hindered, has an order.

Of all changes, with those that were refused; and, for each gateway, of those that were done and what was read there:
while a change is under way, the next one may meet it before a page shows it, and one gateway may show it before the
other. Once it was answered, both do.
"""

import contextlib
import hashlib
import json
import random
import shutil
import signal
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Hashable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from memory import in_memory
from wheelhouse.errors import Busy, Conflict, NotFound, Unreachable
from wheelhouse.index import gateways
from wheelhouse.index.transaction import Index

from . import postgresql
from .durable_changes import publish
from .gateways import CONTEXT, PATIENCE, Gateway, disconnect, make
from .linearizability import NEVER, Operation, is_linearizable
from .samples import Wheel

PROJECT = "acme-tools"
CLIENTS = 4
OF_ONE_FILE = 60
"""Operations on a file, until it is the next one's turn."""
NOBODY_KNOWS = "nobody knows"
BYTES = ("one", "other")
"""Two contents of a file; the name has that of the first who publishes it."""


def step(state: Any, what: Any) -> tuple[Hashable, Hashable]:
    """What an index of one host does. The state of a file: whose bytes its name has, whether it is there, yanked."""
    content, is_there, is_yanked = state
    match what:
        case ("publish", sent):
            if content not in (None, sent):
                return state, "conflict"
            return (sent, True, is_there and is_yanked), "done"
        case ("remove",):
            return ((content, False, False), "done") if is_there else (state, "not found")
        case ("yank" | "unyank" as kind,):
            return ((content, True, kind == "yank"), "done") if is_there else (state, "not found")
    return state, (content, is_yanked) if is_there else "not found"


@pytest.mark.parametrize(
    ("reads", "holds"),
    [
        ([("one", 0, 9, "done"), ("read", 1, 2, "not found"), ("read", 3, 4, "one")], True),
        ([("one", 0, 9, "done"), ("read", 1, 2, "one"), ("read", 3, 4, "not found")], False),
        ([("one", 0, 1, "done"), ("read", 2, 3, "not found")], False),
        ([("one", 0, NEVER, ""), ("read", 1, 2, "not found"), ("read", 3, 4, "one")], True),
        ([("one", 0, NEVER, ""), ("read", 1, 2, "one"), ("read", 3, 4, "not found")], False),
        ([("one", 0, 5, "done"), ("other", 1, 6, "conflict"), ("read", 7, 8, "one")], True),
        ([("one", 0, 5, "done"), ("other", 1, 6, "done")], False),
    ],
)
def test_the_checker_knows_what_cannot_have_happened(reads: list[tuple[str, float, float, str]], holds: bool) -> None:
    def operation(what: str, call: float, back: float, answer: str) -> Operation:
        if what == "read":
            return Operation((what, ""), (answer, False) if answer in BYTES else answer, call, back)
        return Operation(("publish", what), answer, call, back)

    assert is_linearizable([operation(*one) for one in reads], (None, False, False), step) == holds


class History:
    """What clients do, and what they see."""

    def __init__(self, ends: float, seed: int) -> None:
        self.ends = ends
        self.seed = seed
        self.operations: dict[str, list[Operation]] = defaultdict(list)
        """What was done with the file of each version."""
        self._count = 0
        self._lock = threading.Lock()

    def version(self) -> str:
        """The version whose file it is the turn of."""
        with self._lock:
            self._count += 1
            return f"1.{self._count // OF_ONE_FILE}"

    def client(self, number: int, index: Index, reads: list[Gateway]) -> None:
        """Change files by one gateway and read their page from any, until it is over."""
        chance = random.Random(self.seed + number)
        while time.monotonic() < self.ends:
            version = self.version()
            kinds = ["publish", "publish", "remove", "yank", "unyank", *["read"] * 5]
            kind = chance.choice(kinds)
            read = chance.choice(reads)
            what = {"publish": (kind, chance.choice(BYTES)), "read": (kind, read.name)}.get(kind, (kind,))
            self._do(index, read, version, what)

    def _do(self, index: Index, read: Gateway, version: str, what: tuple[str, ...]) -> None:
        call, answer, back = time.monotonic(), self._answer(index, read, version, what), time.monotonic()
        if answer == NOBODY_KNOWS:
            back = NEVER
        with self._lock:
            self.operations[version].append(Operation(what, answer, call, back))

    @staticmethod
    def _answer(index: Index, read: Gateway, version: str, what: tuple[str, ...]) -> Hashable:
        try:
            match what:
                case ("publish", content):
                    publish(index, wheel(version, content))
                case ("remove",):
                    index.remove(PROJECT, version, "a mistake", "ada")
                case ("yank",):
                    index.yank(PROJECT, version, "broken", "ada")
                case ("unyank",):
                    index.unyank(PROJECT, version, "ada")
                case _:
                    return shown(read, version)
        except Conflict:
            return "conflict"
        except NotFound:
            return "not found"
        except (Busy, Unreachable):
            return NOBODY_KNOWS
        return "done"


def wheel(version: str, content: str) -> Wheel:
    return Wheel(version=version, members={"acme_tools/__init__.py": f"CONTENT = '{content}'\n".encode()})


def shown(gateway: Gateway, version: str) -> Hashable:
    """What a gateway's page says of the file of a version: whose bytes it has, and whether it is yanked."""
    with contextlib.suppress(FileNotFoundError):
        page = json.loads((gateway.root / "simple" / PROJECT / "index.json").read_text())
        for file in page["files"]:
            if file["filename"] == wheel(version, "").filename:
                return content_of(version, file["hashes"]["sha256"]), "yanked" in file
    return "not found"


def content_of(version: str, sha256: str) -> str:
    return next(one for one in BYTES if hashlib.sha256(wheel(version, one).build()).hexdigest() == sha256)


@pytest.fixture
def two(socket: str) -> Iterator[list[Gateway]]:
    directory = Path(tempfile.mkdtemp(dir=in_memory()))
    with postgresql.database(socket) as settings:
        made = [make(directory, name, dict(settings)) for name in ("a", "b")]
        yield made
    shutil.rmtree(directory)


def hinder(two: list[Gateway], ready: Any, ends: float, over: Any) -> None:
    """Have both follow. What follows is killed and begins anew, or stands still; the database ends all connections.

    In a process of its own: what is forked from one that renders meanwhile would keep its locks.
    """
    for gateway in two:
        gateway.start()
    ready.set()
    chance = random.Random(1)
    while time.monotonic() < ends:
        one = chance.choice(two)
        match chance.choice(["kill", "stop", "disconnect"]):
            case "kill":
                one.send(signal.SIGKILL)
                one.start()
            case "stop":
                one.send(signal.SIGSTOP)
                time.sleep(chance.uniform(0.1, 1.0))
                one.send(signal.SIGCONT)
            case _:
                index = one.open()
                disconnect(index.database)
                index.database.close()
        time.sleep(chance.uniform(0.1, 0.5))
    over.wait()
    for gateway in two:
        gateway.send(signal.SIGKILL)


@pytest.mark.parametrize("seconds", [10, pytest.param(300, marks=pytest.mark.long)])
def test_what_clients_saw_has_one_order(two: list[Gateway], monkeypatch: pytest.MonkeyPatch, seconds: int) -> None:
    # nobody is given up: who is, serves what it has, see test_gateways
    monkeypatch.setattr(gateways, "LIVE", 600.0)
    monkeypatch.setattr(gateways, "PATIENCE", 600.0)
    indexes = [gateway.open() for gateway in two]
    ends = time.monotonic() + seconds
    ready, over = CONTEXT.Event(), CONTEXT.Event()
    hindrance = CONTEXT.Process(target=hinder, args=(two, ready, ends, over))
    hindrance.start()
    assert ready.wait(PATIENCE)
    history = History(ends, seed=seconds)
    try:
        with ThreadPoolExecutor(CLIENTS) as threads:
            clients = [threads.submit(history.client, number, indexes[number % 2], two) for number in range(CLIENTS)]
    finally:
        over.set()
        hindrance.join()
    assert hindrance.exitcode == 0
    for client in clients:
        client.result()
    done = [one for operations in history.operations.values() for one in operations]
    assert len(done) > 10 * seconds
    assert {one.answer for one in done} >= {"done", "conflict", "not found", ("one", False), ("one", True)}
    for operations in history.operations.values():
        changes = [one for one in operations if one.what[0] != "read"]
        effective = [one for one in changes if one.answer in ("done", NOBODY_KNOWS)]
        read = [[one for one in operations if one.what == ("read", gateway.name)] for gateway in two]
        for seen in (changes, *([*effective, *some] for some in read)):
            has_order = is_linearizable(seen, (None, False, False), step)
            assert has_order, "\n".join(map(str, sorted(seen, key=lambda one: one.call)))
