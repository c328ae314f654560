# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""What was found, for people and for programs."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import asdict

from wheelhouse_doctor.findings import FAIL, OK, SKIPPED, WARN, Finding
from wheelhouse_doctor.redaction import redacted

COLOURS = {OK: "32", WARN: "33", FAIL: "31;1", SKIPPED: "2"}
INDENT = " " * 10


def table(findings: list[Finding], width: int, colour: bool) -> str:
    """One row a check; below what is wrong, its sentence and what to do. The last line says how it is altogether."""
    column = max(len(finding.check) for finding in findings)
    place = max((len(f.looked_at) for f in findings if f.verdict == OK and len(f.looked_at) <= 40), default=0)
    lines: list[str] = []
    for finding in findings:
        verdict = _coloured(f"{finding.verdict:<8}", finding.verdict, colour)
        row = f"{verdict}{finding.check:<{column}}  {finding.looked_at:<{place}}"
        if finding.verdict in (OK, SKIPPED):
            lines.append(f"{row}  {finding.sentence}".rstrip())
        else:
            lines.append(row.rstrip())
            lines += _paragraphs([finding.sentence, finding.remedy], width)
    return redacted("\n".join([*lines, "", verdict_of(findings)]))


def _coloured(text: str, verdict: str, colour: bool) -> str:
    return f"\033[{COLOURS[verdict]}m{text}\033[0m" if colour else text


def _paragraphs(texts: Iterable[str], width: int) -> Iterator[str]:
    for text in filter(None, texts):
        yield from textwrap.wrap(
            text,
            width,
            initial_indent=INDENT,
            subsequent_indent=INDENT,
            break_long_words=False,
            break_on_hyphens=False,
        )


def verdict_of(findings: list[Finding]) -> str:
    """The last line."""
    faults, warnings = (sum(finding.verdict == verdict for finding in findings) for verdict in (FAIL, WARN))
    if faults:
        return "1 thing is wrong." if faults == 1 else f"{faults} things are wrong."
    if any(finding.open for finding in findings):
        return "Nothing wrong was found, but not everything could be looked at in time."
    if warnings:
        return f"Everything works; {'1 thing is' if warnings == 1 else f'{warnings} things are'} worth a look."
    return "Everything works."


def as_json(findings: list[Finding], seconds: float) -> str:
    """For programs:

    {"works": bool, "faults": int, "warnings": int, "seconds": float, "says": the last line of the table,
     "findings": [{"check", "verdict": "ok"|"warn"|"fail"|"skipped", "looked_at", "sentence", "remedy"}, ...]}
    """
    rows = []
    for finding in findings:
        row = {key: redacted(value) for key, value in asdict(finding).items() if key not in ("explained_by", "open")}
        rows.append({**row, "verdict": finding.verdict.lower()})
    faults, warnings = (sum(finding.verdict == verdict for finding in findings) for verdict in (FAIL, WARN))
    report = {"works": not faults, "faults": faults, "warnings": warnings, "seconds": round(seconds, 2)}
    return json.dumps({**report, "says": verdict_of(findings), "findings": rows}, indent=2)
