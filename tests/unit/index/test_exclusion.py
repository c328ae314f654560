"""Two processes in the middle of a change at the same moment: a program without its locks fails these each time.

A process waits where it has read what there is and not yet written what follows, until the other one is there as well.
With locks the other one never comes, and the first goes on after a while; both changes then count.
"""

import contextlib
import io
import json
import os
import time
from collections.abc import Callable
from functools import partial
from multiprocessing.synchronize import Event
from pathlib import Path
from threading import BrokenBarrierError
from typing import Any

import pytest
from wheelhouse.errors import Conflict
from wheelhouse.formats import validation
from wheelhouse.formats.distribution import read
from wheelhouse.index import conflicts, rendering
from wheelhouse.index.database import Database
from wheelhouse.index.opening import open_index
from wheelhouse.index.transaction import Incoming, Index
from wheelhouse.store.site import Site

from . import children, served
from .durable_changes import publish
from .samples import Wheel

INSIDE = 1.0
"""Seconds in which somebody who is at the door gets in, unless a lock keeps them out."""
PATIENCE = 120.0
"""Seconds in which a process gets to the door, however busy the machine is."""
REFUSED = 3
"""The exit code of a process whose change was refused."""
UNDER_WAY = 7
"""That of one that is not the only one."""


class Meeting:
    """Of two processes, in the middle of a change: the first waits there for the second one."""

    def __init__(self) -> None:
        self._barrier = children.CONTEXT.Barrier(2)
        self._at_the_door = [children.CONTEXT.Event(), children.CONTEXT.Event()]
        self.number = 0
        """Of this process."""

    def door(self, method: Callable[..., Any]) -> Callable[..., Any]:
        """The method, before which it is said that somebody is there."""

        def knock(*arguments: Any, **named: Any) -> Any:
            self._at_the_door[self.number].set()
            return method(*arguments, **named)

        return knock

    def inside(self, method: Callable[..., Any]) -> Callable[..., Any]:
        """The method, behind which both wait for each other."""

        def meet(*arguments: Any, **named: Any) -> Any:
            result = method(*arguments, **named)
            assert self._at_the_door[1 - self.number].wait(PATIENCE)
            with contextlib.suppress(BrokenBarrierError):
                self._barrier.wait(INSIDE)
            return result

        return meet


def both(root: Path, spoil: Callable[[Meeting], None], *actions: Callable[[Index], object]) -> list[int]:
    """Do each action in a process of its own, which have met as `spoil` says; their exit codes."""
    open_index(root).database.close()
    meeting = Meeting()
    processes = [
        children.start(partial(take_part, meeting, number, root, spoil, action))
        for number, action in enumerate(actions)
    ]
    for process in processes:
        process.join(2 * PATIENCE)
    return [process.exitcode if process.exitcode is not None else -1 for process in processes]


def take_part(
    meeting: Meeting, number: int, root: Path, spoil: Callable[[Meeting], None], action: Callable[[Index], object]
) -> None:
    meeting.number = number
    spoil(meeting)
    try:
        action(open_index(root))
    except Conflict:
        os._exit(REFUSED)


def listed(root: Path) -> list[str]:
    return [file["filename"] for file in json.loads((root / "simple/acme-tools/index.json").read_text())["files"]]


def before_anybody_is_rejected(meeting: Meeting) -> None:
    Database.change = meeting.door(Database.change)  # type: ignore[method-assign]
    conflicts.reject = meeting.inside(conflicts.reject)  # type: ignore[assignment]


def test_one_name_is_published_once(root: Path) -> None:
    """Both have seen that nobody has the name."""
    wheels = [Wheel(), Wheel(members={"acme_tools/other.py": b""})]
    codes = both(root, before_anybody_is_rejected, *(partial(publish, wheel=wheel) for wheel in wheels))
    assert sorted(codes) == [0, REFUSED]
    assert listed(root) == [wheels[0].filename] and served.disagreements(root) == []


def with_the_rows_read(ready: Event, meeting: Meeting) -> None:
    Site.rendering = meeting.door(Site.rendering)  # type: ignore[method-assign]
    read = rendering.Renderer._files

    def read_and_say_so(self: rendering.Renderer, project: str) -> Any:
        rows = read(self, project)
        ready.set()
        return rows

    rendering.Renderer._files = meeting.inside(read_and_say_so)  # type: ignore[method-assign]


def late(index: Index) -> None:
    """Has read the rows of before, and writes the pages of these last."""
    write = Site.write_page

    def slowly(self: Site, path: str, content: bytes, *, durable: bool = True) -> bool:
        if "acme-tools" in path:
            time.sleep(3 * INSIDE)
        return write(self, path, content, durable=durable)

    Site.write_page = slowly  # type: ignore[method-assign]
    index.render("acme-tools")


def upload(ready: Event, index: Index) -> None:
    ready.wait(PATIENCE)
    publish(index, Wheel(version="2.0"))


def test_older_rows_never_overwrite_newer_pages(root: Path) -> None:
    """Both have read the rows, one before the other has changed them."""
    index = open_index(root)
    publish(index, Wheel())
    index.database.close()
    ready = children.CONTEXT.Event()
    assert both(root, partial(with_the_rows_read, ready), late, partial(upload, ready)) == [0, 0]
    assert served.disagreements(root) == []
    assert len(listed(root)) == 2


def run_alone(root: Path) -> None:
    try:
        with open_index(root).database.alone("intake"):
            pass
    except Exception as error:
        os._exit(UNDER_WAY if "under way" in str(error) else 1)


def test_one_run_at_a_time(root: Path) -> None:
    index = open_index(root)
    with index.database.alone("intake"):
        another = children.start(partial(run_alone, root))
        another.join(PATIENCE)
        assert another.exitcode == UNDER_WAY
    with index.database.alone("intake"):
        pass


def together(index: Index, wheel: Wheel) -> None:
    with index.staging.receive(io.BytesIO(wheel.build())) as path:
        incoming = Incoming(path, validation.check(read(path, wheel.filename), validation.Claims()))
        done = index.publish_together([incoming], "ada", "x")
        index.render(*done.dirty)


@pytest.mark.parametrize("publish", [publish, together])
def test_bytes_that_are_being_published_are_not_swept(
    root: Path, monkeypatch: pytest.MonkeyPatch, publish: Callable[[Index, Wheel], None]
) -> None:
    """A sweep comes between the bytes and their row."""
    index, other = open_index(root), open_index(root)
    put = index.store.put
    swept: list[int] = []

    def put_and_sweep(key: str, source: Path, sha256: str, **more: bool) -> bool:
        is_new = put(key, source, sha256, **more)
        if not swept:
            swept.append(other.sweep())
        return is_new

    monkeypatch.setattr(index.store, "put", put_and_sweep)
    publish(index, Wheel())
    assert swept == [1]
    assert served.disagreements(root) == [] and len(listed(root)) == 1
    assert index.sweep(everything=True) == 0
