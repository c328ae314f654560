"""Archives are read in a process of their own, so that nothing that is sent can end the server.

    this process ──(a socket: what to do, and the open file)──> helper ──fork──> watcher ──fork──> reader
         └────────────────────────(a pipe: what came of it)──────────────────────────┴────────────────┘

The helper is a fresh interpreter that has loaded everything it needs and runs no threads, so that a fork of it costs
milliseconds and is safe; a fork of a server with threads is neither. What it and its children do is in
`confined_reader`. The readers are given open files, and have no use for the network, for paths or for settings.
"""

import contextlib
import errno
import json
import logging
import os
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

log = logging.getLogger(__name__)

MEMORY = 256 * 2**20
"""Bytes that a reader may take beyond what the helper has."""
SECONDS = 20.0
"""Of processor time, for any archive, ..."""
SECONDS_FOR_EACH_MIB = 0.5
"""... and for each MiB of it."""
PATIENCE = 6
"""Times as long, by the clock: a busy machine is no reason to refuse a file."""
AT_ONCE = 4
"""Readers that are at work for one process at the same time; others wait."""
_PAUSES = (0.5, 2.0)
"""Seconds before it is tried again where the machine, not the archive, is the reason."""
_MAX_ANSWER = 64 * 2**20


class Busy(OSError):
    """The machine has no process or memory left to read an archive, whatever is in that."""


class Refused(Exception):
    """The archive is no good; the text is one sentence for the person who brought it."""


@dataclass(frozen=True)
class Limits:
    """What a reader may take."""

    memory: int
    seconds: float
    patience: float
    """Seconds by the clock."""


def limits(size: int) -> Limits:
    """For an archive of so many bytes."""
    seconds = SECONDS + SECONDS_FOR_EACH_MIB * size / 2**20
    return Limits(MEMORY, seconds, PATIENCE * seconds)


def run(task: str, path: Path, filename: str, **arguments: Any) -> Any:
    """What a task makes of the archive at `path`. Raises `Refused`, `Busy`, OSError."""
    with path.open("rb") as stream, turn:
        within = limits(os.fstat(stream.fileno()).st_size)
        encoded = question(task, filename, arguments, within)
        answer = _answer(encoded, stream, within.patience)
        for pause in _PAUSES:
            # the kernel may have ended it for what another one took
            if "busy" not in answer and answer.get("ended") != "killed":
                break
            time.sleep(pause)
            answer = _answer(encoded, stream, within.patience)
    shown = filename[:300]
    match answer:
        case {"found": found}:
            return found
        case {"refused": str(sentence)}:
            raise Refused(sentence)
        case {"busy": str(text)}:
            raise Busy(errno.EAGAIN, f"no process could be had to read it in ({text})")
        case {"errno": int(number), "error": str(text)}:
            raise OSError(number, text)
        case {"ended": "memory" | "killed"}:
            raise Refused(
                f"{shown} needs more memory to be read than the {MEMORY // 2**20} MiB that an archive is given:"
                " it is not what it seems, or has to be split."
            )
        case {"ended": "time"}:
            raise Refused(
                f"{shown} needs more time to be read than the {within.seconds:.0f} seconds that an archive of its"
                " size is given: it is not what it seems, or has to be split."
            )
        case {"failed": failed}:
            log.error("Reading %s failed: %s", ascii(shown), failed)
        case {"ended": ended}:
            log.error("Reading %s ended with %s.", ascii(shown), ended)
    raise Refused(f"{shown} cannot be read: the program that looks at it failed, which its log tells more of.")


def question(task: str, filename: str, arguments: Mapping[str, Any], within: Limits) -> bytes:
    """What a reader is to do, as it is asked."""
    asked = {"task": task, "filename": filename, "arguments": arguments, "limits": asdict(within)}
    return json.dumps(asked).encode()


def warm_up() -> None:
    """Start the helper before the first archive comes."""
    with contextlib.suppress(OSError):
        helper_way()


def helper_way() -> socket.socket:
    """The way to the helper, which is started if it is not there. Raises OSError."""
    return _helper.way()


turn = threading.BoundedSemaphore(AT_ONCE)
"""Held by whoever has a reader at work."""


class _Helper:
    """The process that forks readers; there is one for each process that asks, and it ends with that."""

    def __init__(self, serve: str = "from wheelhouse.formats import reading; reading.serve") -> None:
        """`serve` is the code that it runs, called with the number of its socket."""
        self._serve = serve
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._owner = 0
        self._process: subprocess.Popen[bytes] | None = None

    def way(self) -> socket.socket:
        """The way to it; it is started if it is not there. Raises OSError."""
        with self._lock:
            if self._socket is None or self._owner != os.getpid():  # after a fork, the other process has its own
                self._start()
            assert self._socket
            return self._socket

    def lost(self, way: socket.socket) -> None:
        """It does not answer there any more."""
        with self._lock:
            if self._socket is way:
                self._socket.close()
                self._socket = None
                if self._process:
                    self._process.kill()
                    self._process.wait()

    def _start(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                # -P and -s: what is imported comes from no directory that others can write to
                [sys.executable, "-P", "-s", "-c", f"{self._serve}({theirs.fileno()})"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                # nothing of the settings, of which some are secret
                env={"PATH": os.environ.get("PATH", os.defpath), "PYTHONPATH": str(Path(__file__).parents[2])},
                cwd="/",
            )
        self._socket, self._owner = ours, os.getpid()


_helper = _Helper()


def _answer(question: bytes, stream: IO[bytes], patience: float) -> Mapping[str, Any]:
    """Ask the helper; once more, of another one, if it was not there any more. Raises OSError."""
    for is_last in (False, True):
        try:
            way = _helper.way()
        except (BlockingIOError, MemoryError) as error:
            return {"busy": str(error)}
        reading, writing = os.pipe()
        try:
            try:
                socket.send_fds(way, [question], [stream.fileno(), writing])
            finally:
                os.close(writing)
            content = received(reading, patience + _GRACE)
        except (BrokenPipeError, ConnectionError, TimeoutError):
            content = b""
        finally:
            os.close(reading)
        if content or is_last:
            return parsed(content)
        _helper.lost(way)
    raise AssertionError("unreachable")


_GRACE = 30.0
"""Seconds after which a watcher is not waited for any more; it cannot be the archive's fault."""


def received(descriptor: int, patience: float, *, one_line: bool = False) -> bytes:
    """All that comes out of a pipe, or `one_line` with something in it; raises TimeoutError."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    until = time.monotonic() + patience
    pieces: list[bytes] = []
    size = 0
    while poll.poll(max(0.0, until - time.monotonic()) * 1000):
        piece = os.read(descriptor, 2**20)
        size += len(piece)
        if not piece or size > _MAX_ANSWER:
            return b"".join(pieces)
        pieces.append(piece)
        if one_line and len(piece) > 1 and piece.endswith(b"\n"):
            return b"".join(pieces)
    raise TimeoutError


def parsed(content: bytes) -> Mapping[str, Any]:
    """What the reader or, if that did not get so far, its watcher wrote."""
    for line in content.splitlines():
        with contextlib.suppress(ValueError):  # half a line, of a reader that was ended
            said = json.loads(line)
            if isinstance(said, dict):
                return said
    return {"ended": "nothing said"}
