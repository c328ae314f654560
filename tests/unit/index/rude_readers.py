"""Readers that an archive made do the worst; `test_confined` has the helper serve them."""

import os
import resource
import signal
import time
from pathlib import Path
from typing import IO, Any

from wheelhouse.formats import confined, confined_reader


class BadArchive(Exception):
    """The archive is no good."""


def _well(stream: IO[bytes], filename: str, **given: Any) -> Any:
    return {"content": stream.read().decode(), "filename": filename, "given": given}


def _refuse(stream: IO[bytes], filename: str) -> None:
    raise BadArchive(f"{filename} is no good.")


def _hog(stream: IO[bytes], filename: str) -> None:
    taken = []
    while True:
        taken.append(bytearray(2**20))


def _spin(stream: IO[bytes], filename: str) -> None:
    while True:
        pass


def _sleep(stream: IO[bytes], filename: str) -> None:
    time.sleep(60)


def _crash(stream: IO[bytes], filename: str) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def _killed_once(stream: IO[bytes], filename: str) -> str:
    """As the kernel would for want of memory; the second time there is enough."""
    try:
        Path(stream.read().decode()).unlink()
    except FileNotFoundError:
        return "read"
    os.kill(os.getpid(), signal.SIGKILL)
    return "not reached"


def _killed(stream: IO[bytes], filename: str) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _fail(stream: IO[bytes], filename: str) -> None:
    raise ZeroDivisionError


def _leave(stream: IO[bytes], filename: str) -> None:
    os._exit(0)


def _write(stream: IO[bytes], filename: str) -> None:
    with Path(stream.read().decode()).open("a") as file:
        file.write("more")


def _chatter(stream: IO[bytes], filename: str) -> str:
    return "x" * 100 * 2**20


def _pid(stream: IO[bytes], filename: str) -> int:
    return os.getpid()


def _take(stream: IO[bytes], filename: str, leave: int = 32 * 2**20) -> int:
    """Nearly all of the memory that an archive is given, for as long as it takes."""
    return len(bytearray(confined.MEMORY - leave)) and os.getpid()


_kept: list[bytearray] = []


def _keep(stream: IO[bytes], filename: str) -> int:
    """Some of it for good."""
    _kept.append(bytearray(48 * 2**20))
    return _take(stream, filename, 80 * 2**20)


def _work(stream: IO[bytes], filename: str) -> int:
    """More than half of a second."""
    until = time.process_time() + 0.7
    while time.process_time() < until:
        pass
    return os.getpid()


def _limits(stream: IO[bytes], filename: str) -> list[int]:
    """Seconds and bytes beyond what it has that the kernel lets it take."""
    seconds, _ = resource.getrlimit(resource.RLIMIT_CPU)
    memory, _ = resource.getrlimit(resource.RLIMIT_AS)
    return [seconds, memory - confined_reader._size()]


_poisoned: list[str] = []


def _poison(stream: IO[bytes], filename: str) -> int:
    """Have those refused that come behind it."""
    if _poisoned:
        raise BadArchive(f"{filename} is no good.")
    _poisoned.append(filename)
    return os.getpid()


_TASKS = {
    name[1:]: task
    for name, task in list(globals().items())
    if callable(task) and name.startswith("_") and not name.startswith("__")
}


def serve(descriptor: int) -> None:
    confined_reader.serve(descriptor, _TASKS, (BadArchive,))
