"""One run of a job: alone on this host, with an outcome that is written down for whoever watches."""

from __future__ import annotations

import fcntl
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import job_record  # beside this package

from .failure import Failure, of_system
from .settings import Settings


class Job:
    """What is known of the run so far."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.started = job_record.now()
        self.problems: list[str] = []
        """Sentences: what was not done, while the rest was."""
        self.facts: dict[str, float | int | str] = {}

    def problem(self, sentence: str) -> None:
        """Note one, and say it."""
        self.problems.append(sentence)
        print(sentence, file=sys.stderr, flush=True)

    def say(self, sentence: str) -> None:
        """Say how far it is."""
        print(sentence, flush=True)


@contextmanager
def locked(settings: Settings, patience: float = 0) -> Iterator[None]:
    """Keep other runs on this host away; raises `Failure` if one is under way for longer than `patience` (seconds)."""
    settings.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    until = time.monotonic() + patience
    with (settings.state / "lock").open("a") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= until:
                    raise Failure("Another run of wheelhouse-backup is under way: try again when it is done.") from None
                time.sleep(1)
        yield


@contextmanager
def recorded(settings: Settings, name: str) -> Iterator[Job]:
    """Write down how the block ended. A `Failure` in it is written down and raised again."""
    job = Job(name)
    began = time.monotonic()
    failure = f"{name} was stopped before its end."
    try:
        yield job
        failure = ""
    except Failure as error:
        failure = str(error)
        raise
    except OSError as error:
        failure = of_system(error)
        raise Failure(failure) from error
    finally:
        job.facts["seconds"] = round(time.monotonic() - began, 1)
        outcome = "failed" if failure else "problems" if job.problems else "ok"
        problems = [*([failure] if failure else []), *job.problems]
        job_record.write(str(settings.runs), name, job.started, outcome, problems, job.facts)
