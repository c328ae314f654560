"""The helper that `confined` starts, and what it forks: readers with limits, and watchers that see how they end.

    helper ──fork──> watcher ──fork──> reader of one archive
           ──fork──> watcher ──fork──> reader of one archive after the other, see `reader_pool`

A reader has limits on memory, on processor time and on what it may write, and goes first when the machine runs out of
memory. Its watcher ends it when it takes too long; one of several archives, when whoever asks has gone or given up.
"""

import contextlib
import gc
import json
import math
import os
import resource
import select
import signal
import socket
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from wheelhouse.formats.confined import Limits

SEVERAL = "several"
"""What asks the helper for a reader of several archives; the limits are those of all of them together."""
MANY = 500
"""Archives after which such a reader makes room for a fresh one, ..."""
GROWTH = 32 * 2**20
"""... as it does when it keeps so many bytes more than at its beginning, ..."""
TIRED = 10.0
"""... or has taken so many seconds of processor time."""
_AFTER = 5
"""Seconds of processor time behind the limit after which the kernel ends a reader in any case."""
_BEGINNING = 0.1
"""Seconds of processor time that a reader may have taken before its first archive. The kernel counts whole ones."""
_MAX_QUESTION = 2**16

Tasks = Mapping[str, Callable[..., Any]]
"""Each is called with the open file and its name, and returns what JSON can say."""
Refusals = tuple[type[Exception], ...]
"""What tasks raise for an archive that is no good."""


def serve(descriptor: int, tasks: Tasks, refusals: Refusals) -> None:
    """Be the helper, until whoever started it is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal; the process that started it ends it
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for watchers
    gc.freeze()  # else each fork copies what it never touches
    with socket.socket(fileno=descriptor) as way:
        way.set_inheritable(False)
        while True:
            question, descriptors, _, _ = socket.recv_fds(way, _MAX_QUESTION, 2)
            if not question or len(descriptors) != 2:
                return
            given, answers = descriptors
            try:
                if os.fork() == 0:
                    try:
                        way.close()
                        said = json.loads(question)
                        if SEVERAL in said:
                            _watch_over_several(Limits(**said[SEVERAL]), given, answers, tasks, refusals)
                        else:
                            _watch(said, given, answers, tasks, refusals)
                    finally:
                        os._exit(0)
            except OSError as error:
                _tell(answers, {"busy": error.strerror})
            for one in descriptors:
                os.close(one)


def _watch(question: Mapping[str, Any], archive: int, answer: int, tasks: Tasks, refusals: Refusals) -> None:
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
            _allow(within)
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


def _watch_over_several(together: Limits, questions: int, answers: int, tasks: Tasks, refusals: Refusals) -> None:
    """Be the watcher of a reader that is asked about one archive after the other, as long as both ends are there.

    Whoever asks notices how it ends, and when it takes too long; then `questions` is closed at the other end.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    alive, held = os.pipe()
    reader = os.fork()
    if reader == 0:
        try:
            os.close(alive)
            _restrict(together)
            _read_several(questions, answers, tasks, refusals)
        finally:
            os._exit(0)
    os.close(held)
    os.close(answers)
    ends = select.poll()
    ends.register(questions, 0)  # only that the other end is gone, which is always told
    ends.register(alive, 0)
    ends.poll()
    os.kill(reader, signal.SIGKILL)
    os.waitpid(reader, 0)


def _read_several(questions: int, answers: int, tasks: Tasks, refusals: Refusals) -> None:
    """Be that reader. Each archive has limits of its own, whatever those before it took."""
    before = _size()
    with socket.socket(fileno=questions) as way:
        for number in range(1, MANY + 1):
            asked, descriptors, _, _ = socket.recv_fds(way, _MAX_QUESTION, 1)
            if not asked or len(descriptors) != 1:
                return
            question = json.loads(asked)
            _allow(Limits(**question["limits"]))
            outcome = _outcome(question, descriptors[0], tasks, refusals)
            os.close(descriptors[0])
            is_last = number == MANY or _size() > before + GROWTH or time.process_time() > TIRED
            _tell(answers, {**outcome, "last": is_last})
            if is_last:
                return


def _size() -> int:
    """Bytes of memory that this process has in use or reserved."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def _restrict(within: Limits) -> None:
    """Put the limits on this process for good."""
    with contextlib.suppress(OSError):  # where the kernel has none
        Path("/proc/self/oom_score_adj").write_text("1000")
    memory, seconds = _size() + within.memory, round(within.seconds) + _AFTER
    for what, most in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, 0),
    ):
        resource.setrlimit(what, (most, most))


def _allow(within: Limits) -> None:
    """Let this process take that much from now on, and no more, as far as `_restrict` lets it."""
    used = math.ceil(max(0.0, time.process_time() - _BEGINNING))
    for what, wanted in (
        (resource.RLIMIT_AS, _size() + within.memory),
        (resource.RLIMIT_CPU, used + round(within.seconds)),
    ):
        _, most = resource.getrlimit(what)
        resource.setrlimit(what, (min(wanted, most), most))


def hurry(seconds: int) -> None:
    """Take no more processor time than this. For tasks that somebody waits for."""
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, hard))


def _outcome(question: Mapping[str, Any], archive: int, tasks: Tasks, refusals: Refusals) -> Mapping[str, Any]:
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
