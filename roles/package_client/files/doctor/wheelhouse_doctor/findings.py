# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""What a check found, and how one cause gives one failure instead of ten."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

OK, WARN, FAIL, SKIPPED = "ok", "warn", "FAIL", "skipped"


@dataclass(frozen=True)
class Finding:
    """One line of the report. Nothing in it is secret.

    check           what was checked, as its row is named; several findings may share it
    verdict         OK, WARN, FAIL or SKIPPED
    looked_at       the address, file, variable or command concerned
    sentence        what was found
    remedy          what to do about it; empty where there is nothing to do
    explained_by    checks whose failure explains this one
    open            whether nobody knows how it is, because it took too long to find out
    """

    check: str
    verdict: str
    looked_at: str
    sentence: str = ""
    remedy: str = ""
    explained_by: tuple[str, ...] = ()
    open: bool = False


def ok(check: str, looked_at: str, sentence: str = "") -> Finding:
    return Finding(check, OK, looked_at, sentence)


def warn(check: str, looked_at: str, sentence: str, remedy: str) -> Finding:
    return Finding(check, WARN, looked_at, sentence, remedy)


def fail(check: str, looked_at: str, sentence: str, remedy: str, explained_by: tuple[str, ...] = ()) -> Finding:
    return Finding(check, FAIL, looked_at, sentence, remedy, explained_by)


def skipped(checks: Iterable[str], reason: str) -> Iterator[Finding]:
    """A finding for each check that could not be made, with the reason."""
    for check in checks:
        yield Finding(check, SKIPPED, "", reason)


def load() -> tuple[float, int]:
    """(programs that wanted to run in the last minute, processors that they could run on)."""
    try:
        processors = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS
        processors = os.cpu_count() or 1
    try:
        return os.getloadavg()[0], processors
    except OSError:
        return 0.0, processors


def is_busy() -> bool:
    """Whether this machine has more to do than it can."""
    wanted, processors = load()
    return wanted > processors


def too_slow(check: str, looked_at: str, sentence: str) -> Finding:
    """A finding about what was not done in time: a warning with the load beside it, since that may be all there is."""
    wanted, processors = load()
    machine = f"its load is {wanted:.1f}, and it has {processors} processor{'s' if processors > 1 else ''}"
    if wanted > processors:
        remedy = f"This machine is busy ({machine}): try again when it is less so."
    else:
        remedy = f"This machine is not busy ({machine}); if it stays so, the disk or file server may be slow: ask IT."
    return Finding(check, WARN, looked_at, f"{sentence}.", remedy, open=True)


def explained(findings: Iterable[Finding]) -> list[Finding]:
    """The findings, those skipped that the failure of another check explains."""
    findings = list(findings)
    failed = {finding.check for finding in findings if finding.verdict == FAIL}
    result = []
    for finding in findings:
        causes = [check for check in finding.explained_by if check in failed]
        if finding.verdict == FAIL and causes:
            finding = replace(finding, verdict=SKIPPED, sentence=f"explained by: {causes[0]}", remedy="")
        result.append(finding)
    return result
