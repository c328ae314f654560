"""`wheelhouse intake`: one run at a time, and a word on how it went, whatever happens."""

import contextlib
import logging
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from wheelhouse import network
from wheelhouse.config import Settings
from wheelhouse.errors import Busy, WheelhouseError
from wheelhouse.index.transaction import Index
from wheelhouse.intake import report, request, result, rollback
from wheelhouse.intake.request import RequestError
from wheelhouse.intake.result import Result
from wheelhouse.intake.run import Run

log = logging.getLogger(__name__)
STOPPED = "The run was stopped, or failed in a way that its log tells."


@dataclass(frozen=True)
class Options:
    """What else than bringing in the list is wanted."""

    rollback: str | None = None
    """The set to put back: its name or a day."""
    roll_forward: bool = False
    by: str = "somebody"


def intake(index: Index, settings: Settings, directory: Path, options: Options) -> int:
    """Run it; returns the exit code. `directory` has the list, and `proxy.env` and `ca.pem` for the way out.

    Raises `NotFound` for a set that is not there; what nobody expects is raised as it is.
    """
    started = datetime.now(UTC)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(index.database.alone("intake"))
        except Busy:
            print("Another run of intake is under way; this one leaves it alone.", file=sys.stderr)
            return 1
        for part in ("simple_index", "page"):
            stack.enter_context(_quiet(f"wheelhouse.upstream.{part}"))
        if options.rollback:
            rollback.put_back(index, options.rollback, options.by)
        elif options.roll_forward and rollback.in_force(index):
            index.lift(options.by)
        return _one_run(index, settings, directory, started)


def tell_sets(index: Index) -> int:
    """Print the sets that can be put back, newest first; returns the exit code."""
    in_force = rollback.in_force(index)
    for name in reversed(rollback.sets(index)):
        print(f"{name}  put back" if in_force and in_force.to == name else name)
    return 0


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


def _one_run(index: Index, settings: Settings, directory: Path, started: datetime) -> int:
    problems, how, told = [STOPPED], "failed", set[str]()
    try:
        wanted = request.read(directory, settings.own_names, settings.denied)
        with Run(index, settings, wanted, _network(directory)) as run:
            results = run()
        report.write(index, settings, wanted, results)
        problems = [*_rollback(index), *result.problems(results)]
        told = {one for each in results for one in each.unresolved.values()}
        how = "something is kept back" if problems else "done"
        _print_sum(len(wanted.lines), results)
    except RequestError as error:
        problems = error.faults
    except WheelhouseError as error:
        problems = [str(error)]
    except OSError as error:
        problems = [f"{error.filename or 'The shelf'}: {error.strerror}; the next run goes on where this one stopped."]
    finally:
        report.note_run(index, started, how, problems)
    for problem in problems:
        if problem not in told:
            print(problem, file=sys.stderr)
    return 1 if problems else 0


def _network(directory: Path) -> network.Network:
    """The way out; raises OSError, and `RequestError` with a sentence in which no secret is."""
    try:
        return network.read(directory)
    except ValueError as error:
        raise RequestError([str(error)]) from None


def _print_sum(lines: int, results: Iterable[Result]) -> None:
    results = list(results)
    print(
        f"{lines} lines, {sum(len(one.releases) for one in results)} releases:"
        f" {sum(one.fetched for one in results)} files fetched,"
        f" {sum(len(one.published) for one in results)} published,"
        f" {sum(len(one.yanked) for one in results)} yanked."
    )


def _rollback(index: Index) -> list[str]:
    """A sentence while an earlier set is in force."""
    in_force = rollback.in_force(index)
    return [in_force.sentence] if in_force else []
