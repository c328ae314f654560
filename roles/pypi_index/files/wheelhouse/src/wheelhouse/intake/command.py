"""`wheelhouse intake`: one run at a time, and a word on how it went, whatever happens."""

import contextlib
import logging
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from wheelhouse import outside
from wheelhouse.config import Settings
from wheelhouse.intake import plan, report
from wheelhouse.intake.plan import PlanError
from wheelhouse.intake.run import Run
from wheelhouse.journal import Journal
from wheelhouse.shelf import Shelf


def intake(shelf: Shelf, journal: Journal, settings: Settings, directory: Path) -> int:
    """Run it; returns the exit code. `directory` has the list, and `proxy.env` and `ca.pem` for the way out."""
    started = datetime.now(UTC)
    try:
        with shelf.locked_intake(), _quiet("wheelhouse.mirror"):
            return _one_run(shelf, journal, settings, directory, started)
    except BlockingIOError:
        print("Another run of intake is under way; this one leaves it alone.", file=sys.stderr)
        return 1


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
        wanted = plan.read(directory, settings.reserved, settings.denied)
        run = Run(shelf, journal, settings, wanted, outside.read(directory))
        outcome = run()
        report.write(shelf, settings, wanted, run.history, outcome)
        problems, told = outcome.problems(), set(outcome.unresolved.values())
        how = "something is kept back" if problems else "done"
        print(
            f"{len(wanted.lines)} lines, {len(outcome.releases)} releases: {outcome.fetched} files fetched,"
            f" {len(outcome.published)} published, {len(outcome.yanked)} yanked."
        )
    except PlanError as error:
        problems = error.faults
    except ValueError as error:  # of `outside.read`, which knows no secrets
        problems = [str(error)]
    except OSError as error:
        problems = [f"{error.filename or 'The shelf'}: {error.strerror}; the next run goes on where this one stopped."]
    finally:
        report.note_run(shelf, started, how, problems)
    for problem in problems:
        if problem not in told:
            print(problem, file=sys.stderr)
    return 1 if problems else 0
