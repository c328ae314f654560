"""`wheelhouse intake`: one run at a time, and a word on how it went, whatever happens."""

import contextlib
import logging
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from wheelhouse.config import Settings
from wheelhouse.index.events import ROLL_FORWARD, ROLLBACK, Event, Journal, now
from wheelhouse.index.transaction import NotThere
from wheelhouse.intake import report, request, result, rollback
from wheelhouse.intake.request import RequestError
from wheelhouse.intake.run import Run
from wheelhouse.store.local import Shelf
from wheelhouse.upstream import http_client


@dataclass(frozen=True)
class Wish:
    """What else than bringing in the list is wanted."""

    rollback: str | None = None
    """The set to put back: its name or a day."""
    roll_forward: bool = False
    by: str = "somebody"


def intake(shelf: Shelf, journal: Journal, settings: Settings, directory: Path, wish: Wish) -> int:
    """Run it; returns the exit code. `directory` has the list, and `proxy.env` and `ca.pem` for the way out.

    Raises `NotThere` for a set that is not there.
    """
    started = datetime.now(UTC)
    try:
        with shelf.locked_intake(), _quiet("wheelhouse.upstream.simple_index"):
            if wish.rollback:
                journal.append([_event(ROLLBACK, rollback.put_back(shelf, wish.rollback, wish.by).to, wish.by)])
            elif wish.roll_forward and (in_force := rollback.in_force(shelf)):
                rollback.lift(shelf)
                journal.append([_event(ROLL_FORWARD, in_force.to, wish.by)])
            return _one_run(shelf, journal, settings, directory, started)
    except BlockingIOError:
        print("Another run of intake is under way; this one leaves it alone.", file=sys.stderr)
        return 1


def tell_sets(shelf: Shelf) -> int:
    """Print the sets that can be put back, newest first; returns the exit code."""
    in_force = rollback.in_force(shelf)
    for name in reversed(rollback.sets(shelf)):
        print(f"{name}  put back" if in_force and in_force.to == name else name)
    return 0


def _event(what: str, name: str, who: str) -> Event:
    return Event(what, who, now(), reason=f"the set of {name}")


@contextlib.contextmanager
def _quiet(name: str) -> Iterator[None]:
    """Keep a part of the program from logging what is in our own sentences as well."""
    logger = logging.getLogger(name)
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)


def _one_run(shelf: Shelf, journal: Journal, settings: Settings, directory: Path, started: datetime) -> int:
    problems: list[str] = ["The run was stopped, or failed in a way that its log tells."]
    how = "failed"
    told: set[str] = set()
    try:
        wanted = request.read(directory, settings.reserved, settings.denied)
        run = Run(shelf, journal, settings, wanted, http_client.read(directory))
        outcomes = run()
        report.write(shelf, settings, wanted, outcomes)
        problems = [*_rollback(shelf), *result.problems(outcomes)]
        told = {one for each in outcomes for one in each.unresolved.values()}
        how = "something is kept back" if problems else "done"
        print(
            f"{len(wanted.lines)} lines, {sum(len(one.releases) for one in outcomes)} releases:"
            f" {sum(one.fetched for one in outcomes)} files fetched,"
            f" {sum(len(one.published) for one in outcomes)} published,"
            f" {sum(len(one.yanked) for one in outcomes)} yanked."
        )
    except RequestError as error:
        problems = error.faults
    except ValueError as error:  # of `http_client.read`, which knows no secrets
        problems = [str(error)]
    except NotThere as error:
        problems = [str(error)]
    except OSError as error:
        problems = [f"{error.filename or 'The shelf'}: {error.strerror}; the next run goes on where this one stopped."]
    finally:
        report.note_run(shelf, started, how, problems)
    for problem in problems:
        if problem not in told:
            print(problem, file=sys.stderr)
    return 1 if problems else 0


def _rollback(shelf: Shelf) -> list[str]:
    """A sentence while an earlier set is in force."""
    in_force = rollback.in_force(shelf)
    return [in_force.sentence] if in_force else []
