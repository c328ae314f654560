"""Archives are read in a process of their own, so that nothing that is sent can end the server.

    this process ──(a socket: what to do, and the open file)──> helper ──fork──> watcher ──fork──> reader
         └────────────────────────(a pipe: what came of it)──────────────────────────┴────────────────┘

The helper is a fresh interpreter that has loaded everything it needs and runs no threads, so that a fork of it costs
milliseconds and is safe; a fork of a server with threads is neither. A reader has limits on memory, on processor time
and on what it may write, and goes first when the machine runs out of memory. Its watcher sees how it ends, and ends it
when it takes too long. The readers are given open files, and have no use for the network, for paths or for settings.
"""

import contextlib
import errno
import gc
import json
import logging
import os
import resource
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
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
"""Readers that one process has at the same time; others wait."""
_PAUSES = (0.5, 2.0)
"""Seconds before it is tried again where the machine, not the archive, is the reason."""
_MAX_ANSWER = 64 * 2**20
_MAX_QUESTION = 2**16


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
    with path.open("rb") as stream, _turn:
        size = os.fstat(stream.fileno()).st_size
        within = limits(size)
        question = {"task": task, "filename": filename, "arguments": arguments, "limits": asdict(within)}
        encoded = json.dumps(question).encode()
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


def warm_up() -> None:
    """Start the helper before the first archive comes."""
    with contextlib.suppress(OSError):
        _helper.way()


_turn = threading.BoundedSemaphore(AT_ONCE)


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
            content = _read(reading, patience + _GRACE)
        except (BrokenPipeError, ConnectionError, TimeoutError):
            content = b""
        finally:
            os.close(reading)
        if content or is_last:
            return _parsed(content)
        _helper.lost(way)
    raise AssertionError("unreachable")


_GRACE = 30.0
"""Seconds after which a watcher is not waited for any more; it cannot be the archive's fault."""


def _read(descriptor: int, patience: float) -> bytes:
    """All that comes out of a pipe; raises TimeoutError."""
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
    raise TimeoutError


def _parsed(content: bytes) -> Mapping[str, Any]:
    """What the reader or, if that did not get so far, its watcher wrote."""
    for line in content.splitlines():
        with contextlib.suppress(ValueError):  # half a line, of a reader that was ended
            said = json.loads(line)
            if isinstance(said, dict):
                return said
    return {"ended": "nothing said"}


Tasks = Mapping[str, Callable[..., Any]]
"""Each is called with the open file and its name, and returns what JSON can say."""


def serve(descriptor: int, tasks: Tasks, refusals: tuple[type[Exception], ...]) -> None:
    """Be the helper, until whoever started it is gone.

    `refusals` are what tasks raise for an archive that is no good.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal; the process that started it ends it
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for watchers
    gc.freeze()  # else each fork copies what it never touches
    with socket.socket(fileno=descriptor) as way:
        way.set_inheritable(False)
        while True:
            question, descriptors, _, _ = socket.recv_fds(way, _MAX_QUESTION, 2)
            if not question or len(descriptors) != 2:
                return
            try:
                if os.fork() == 0:
                    try:
                        way.close()
                        _watch(json.loads(question), *descriptors, tasks, refusals)
                    finally:
                        os._exit(0)
            except OSError as error:
                _tell(descriptors[1], {"busy": error.strerror})
            for one in descriptors:
                os.close(one)


def _watch(question: Mapping[str, Any], archive: int, answer: int, tasks: Tasks, refusals: Any) -> None:
    """Be a watcher: fork the reader, and tell how it ended if it cannot do so itself."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    within = Limits(**question["limits"])
    try:
        reader = os.fork()
    except OSError as error:
        _tell(answer, {"busy": error.strerror})
        return
    if reader == 0:
        code = 1
        try:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
            _restrict(within)
            _tell(answer, _outcome(question, archive, tasks, refusals))
            code = 0
        finally:
            os._exit(code)
    in_time = signal.sigtimedwait({signal.SIGCHLD}, within.patience)
    if not in_time:
        os.kill(reader, signal.SIGKILL)
    _, status = os.waitpid(reader, 0)
    if status:
        _tell(answer, {"ended": _how(status) if in_time else "time"})


def _how(status: int) -> str:
    number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    # the kernel kills for want of memory; at the limit of time it sends another signal first
    return {signal.SIGXCPU: "time", signal.SIGKILL: "killed"}.get(number, f"status {status}")  # type: ignore[call-overload,no-any-return]


def _restrict(within: Limits) -> None:
    """Put the limits on this process."""
    with contextlib.suppress(OSError):  # where the kernel has none
        Path("/proc/self/oom_score_adj").write_text("1000")
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    memory = pages * resource.getpagesize() + within.memory
    seconds = round(within.seconds)
    for what, soft, hard in (
        (resource.RLIMIT_AS, memory, memory),
        (resource.RLIMIT_CPU, seconds, seconds + 5),
        (resource.RLIMIT_FSIZE, 0, 0),
        (resource.RLIMIT_CORE, 0, 0),
        (resource.RLIMIT_NPROC, 0, 0),
    ):
        resource.setrlimit(what, (soft, hard))


def hurry(seconds: int) -> None:
    """Take no more processor time than this. For tasks that somebody waits for."""
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, hard))


def _outcome(question: Mapping[str, Any], archive: int, tasks: Tasks, refusals: Any) -> Mapping[str, Any]:
    """What the task makes of the archive."""
    try:
        with open(archive, "rb", closefd=False) as stream:
            stream.seek(0)
            found = tasks[question["task"]](stream, question["filename"], **question["arguments"])
            return {"found": found}
    except refusals as error:
        return {"refused": str(error)}
    except MemoryError:
        return {"ended": "memory"}
    except OSError as error:
        return {"errno": error.errno or 0, "error": error.strerror or str(error)}
    except Exception:
        return {"failed": traceback.format_exc()[-2000:]}


def _tell(descriptor: int, said: Mapping[str, Any]) -> None:
    content = b"\n" + json.dumps(said).encode() + b"\n"
    while content:
        content = content[os.write(descriptor, content) :]
