"""A few readers at a time, each of which reads one archive after the other: for whoever has thousands to be read.

    this process ──(a socket: what to do, and the open file; again and again)──> reader
         └────────────────(a pipe: what came of each)──────────────────────────────┘

What such a reader finds, it found within the limits of that archive alone. Whatever else comes of one, be it that the
reader ends or that the archive is refused, is not its last word: the archive is read once more by a reader of its own,
so that no archive is refused for what another one did.
"""

import contextlib
import json
import os
import socket
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from typing import IO, Any, TypeVar

from wheelhouse import processors
from wheelhouse.formats import confined, confined_reader

LARGEST = 64 * 2**20
"""Bytes of an archive that is read by such a reader. What takes long to read has one of its own, which costs little."""

T = TypeVar("T")


class ReaderPool:
    """Reads archives in as many readers as there are processors, and `confined.AT_ONCE` at most; ends with its block.

    Nobody else is held up: readers are started when there is something to read for them.
    """

    def __init__(self) -> None:
        at_once = min(confined.AT_ONCE, processors.available())
        self._threads = ThreadPoolExecutor(at_once, "reader")
        self._lock = threading.Lock()
        self._idle: list[_Reader] = []
        self._busy: set[_Reader] = set()
        self._is_closed = False

    def __enter__(self) -> "ReaderPool":
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._is_closed = True
            for reader in self._idle:
                reader.close()
            for reader in self._busy:
                reader.end()
        self._threads.shutdown(cancel_futures=True)

    def start(self, read: Callable[..., T], *arguments: Any) -> Future[T]:
        """Have something read by a function of `reading`, which is called with these arguments."""
        return self._threads.submit(read, *arguments, run=self.run)

    def run(self, task: str, path: Path, filename: str, **arguments: Any) -> Any:
        """As `confined.run`."""
        with path.open("rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            answer = self._answer(task, stream, filename, arguments, size) if size <= LARGEST else {}
        if "found" in answer:
            return answer["found"]
        if self._is_closed:
            raise CancelledError
        return confined.run(task, path, filename, **arguments)

    def _answer(
        self, task: str, stream: IO[bytes], filename: str, arguments: Mapping[str, Any], size: int
    ) -> Mapping[str, Any]:
        """What a reader says; nothing if there is none."""
        within = confined.limits(size)
        with confined.turn:
            reader = self._take()
            if reader is None:
                return {}
            answer = reader.ask(confined.question(task, filename, arguments, within), stream, within.patience)
            self._give_back(reader, is_worn=answer.get("last", True))
        return answer

    def _take(self) -> "_Reader | None":
        with self._lock:
            if self._is_closed:
                return None
            try:
                reader = self._idle.pop() if self._idle else _Reader()
            except OSError:
                return None
            self._busy.add(reader)
            return reader

    def _give_back(self, reader: "_Reader", *, is_worn: bool) -> None:
        with self._lock:
            self._busy.remove(reader)
            if not (is_worn or self._is_closed):
                self._idle.append(reader)
                return
            reader.close()


class _Reader:
    """A process that is asked about one archive after the other."""

    def __init__(self) -> None:
        """Have the helper fork it. Raises OSError."""
        largest = confined.limits(LARGEST)
        together = replace(
            largest,
            memory=largest.memory + confined_reader.GROWTH,
            seconds=largest.seconds + confined_reader.TIRED,
        )
        self._questions, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._answers, writing = os.pipe()
        try:
            asked = json.dumps({confined_reader.SEVERAL: asdict(together)}).encode()
            socket.send_fds(confined.helper_way(), [asked], [theirs.fileno(), writing])
        except OSError:
            self.close()
            raise
        finally:
            theirs.close()
            os.close(writing)

    def ask(self, question: bytes, stream: IO[bytes], patience: float) -> Mapping[str, Any]:
        """What it says of an archive; it is good for nothing any more if that does not say that it is not the last."""
        try:
            socket.send_fds(self._questions, [question], [stream.fileno()])
            return confined.parsed(confined.received(self._answers, patience, one_line=True))
        except OSError:  # TimeoutError among them
            return {}

    def end(self) -> None:
        """Have it killed, also in the middle of an archive; whoever waits for it has an answer at once."""
        with contextlib.suppress(OSError):  # it is gone
            self._questions.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """The same, when nobody waits."""
        self._questions.close()
        os.close(self._answers)
