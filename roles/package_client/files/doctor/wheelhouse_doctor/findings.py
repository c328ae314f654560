# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""What a check found, and how one cause gives one failure instead of ten."""

from __future__ import annotations

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
    """

    check: str
    verdict: str
    looked_at: str
    sentence: str = ""
    remedy: str = ""
    explained_by: tuple[str, ...] = ()


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
