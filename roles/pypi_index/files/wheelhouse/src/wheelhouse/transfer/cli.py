"""`wheelhouse export` and `wheelhouse import`: one at a time, and a word on what came of it, whatever happens."""

import argparse
import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from wheelhouse.config import Settings
from wheelhouse.errors import WheelhouseError
from wheelhouse.index.import_changes import Imported
from wheelhouse.index.transaction import Index
from wheelhouse.intake.request import FILE as LIST
from wheelhouse.store.staging import make_directory
from wheelhouse.transfer import outgoing, policy, signature
from wheelhouse.transfer.importing import Came, Import
from wheelhouse.transfer.incoming import bundles, opened
from wheelhouse.transfer.outgoing import Wanted

SIGNERS = "allowed_signers"
STATE = "state"
"""Where the key, the ledger, records, receipts and extras are, below the directory of the transfers."""
Facts = dict[str, int | str]


def export(index: Index, directory: Path, intake: Path, options: argparse.Namespace) -> int:
    """Write a bundle; returns the exit code. `directory` is that of the transfers."""
    state = directory / STATE

    def do(facts: Facts) -> list[str]:
        make_directory(state, 0o700)
        is_new = signature.make_key(state / "key")
        try:
            part_size = outgoing.size(options.part_size) if options.part_size else None
        except ValueError as error:
            raise WheelhouseError(f"--part-size: {error}.") from None
        wanted = Wanted(
            options.directory,
            options.since,
            tuple(options.internal),
            part_size,
            options.extras,
            _advisories(intake),
            options.refused_too,
        )
        with index.database.alone("export"):
            done = outgoing.export(index, state, wanted)
        if done.number is None:
            _say(options, "Nothing is new since the last bundle.")
        else:
            facts |= {"number": done.number, "files": done.files, "packages": done.packages, "bytes": done.bytes}
            _say(
                options,
                f"Bundle {done.number}: {done.files} files, {done.packages} conda packages, {done.extras} extras,"
                f" {done.bytes} bytes, in {done.path}.",
            )
        if is_new:
            _say(options, f"A key was made. Give the inside its public part: {signature.public_key(state / 'key')}")
        return done.problems

    return _run(options, do)


def bring_in(index: Index, settings: Settings, directory: Path, intake: Path, options: argparse.Namespace) -> int:
    """Apply bundles, or say what would come; returns the exit code."""

    def do(facts: Facts) -> list[str]:
        state = directory / STATE
        make_directory(state, 0o700)
        bring = Import(index, settings, policy.read(directory), state, reports=not (intake / LIST).exists())
        problems: list[str] = []
        with index.database.alone("import"):
            before = bring.imported()
            for path in bundles(options.directory):
                carried = opened(path, directory / SIGNERS, index.staging)
                if why := bring.place(carried, before):
                    _say(options, why)
                    continue
                came = bring(carried, options.by, apply=options.apply)
                before = bring.imported() if options.apply else Imported(came.number, carried.digest)
                problems += _told(options, came, carried.manifest.made)
                facts |= {"number": came.number, "files": came.files, "packages": came.packages}
                facts["refused"] = int(facts.get("refused", 0)) + len(came.refused)
                if came.receipt:
                    facts["receipt"] = str(came.receipt)
        return problems

    return _run(options, do)


def _told(options: argparse.Namespace, came: Came, made: str) -> list[str]:
    """Say what came of a bundle; returns the problems."""
    verb = "applied" if options.apply else "would bring"
    what = f"{came.files} files and {came.packages} conda packages"
    if options.apply:
        what += f", {came.marked} yanks changed"
    _say(options, f"Bundle {came.number} of {made[:10]} {verb}: {what}, {len(came.refused)} refused.")
    for note in came.notes:
        _say(options, note)
    for name in came.extras:
        _say(options, f"extra: {name}")
    if came.receipt:
        _say(options, f"Receipt for the next export: {came.receipt}")
    return [f"Bundle {came.number} refused {sentence}" for sentence in sorted(came.refused.values())]


def _run(options: argparse.Namespace, do: Callable[[Facts], list[str]]) -> int:
    """Do it, say what is wrong, and end with a document for programs where one is wanted."""
    facts: Facts = {}
    outcome = "failed"
    problems = ["It was stopped, or failed in a way that its log tells."]
    try:
        with _in_sentences():
            problems = do(facts)
            outcome = "problems" if problems else "ok"
    except WheelhouseError as error:
        problems = [str(error)]
    finally:
        for problem in problems:
            print(problem, file=sys.stderr)
        if options.json:
            print(json.dumps({"outcome": outcome, "problems": problems, "facts": facts}), flush=True)
    return 1 if problems else 0


@contextlib.contextmanager
def _in_sentences() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise WheelhouseError(f"{error.filename or 'The shelf'}: {error.strerror}.") from error


def _say(options: argparse.Namespace, sentence: str) -> None:
    print(sentence, file=sys.stderr if options.json else sys.stdout)


def _advisories(intake: Path) -> Path | None:
    """The directory of OSV files that the intake of this index looks into, if its policy names one."""
    try:
        rules = json.loads((intake / LIST).read_bytes()).get("policy") or {}
    except (OSError, ValueError, AttributeError):
        return None
    where = rules.get("advisories") if isinstance(rules, dict) else None
    return Path(where) if isinstance(where, str) and where.startswith("/") else None
