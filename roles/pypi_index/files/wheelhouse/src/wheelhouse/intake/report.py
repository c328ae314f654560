"""What a run came to: a page for people, the same as JSON, and a bill of materials, below the shelf's `reports/`.

They say the same until something changes, so that a run without news writes none of them. When the last run was, and
whether it went well, is in a small file of its own.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import msgspec

from wheelhouse.config import Settings
from wheelhouse.index.transaction import Index
from wheelhouse.intake import lock, offered, rollback
from wheelhouse.intake.checks import Opinion
from wheelhouse.intake.last_report import DATA, LAST_RUN
from wheelhouse.intake.lock import Closure, Key
from wheelhouse.intake.request import Request
from wheelhouse.intake.result import Result
from wheelhouse.intake.sbom import sbom
from wheelhouse.web.html import render_static, static_assets

PAGE, MATERIALS = "index.html", "intake.cdx.json"


def write(index: Index, settings: Settings, request: Request, results: Iterable[Result]) -> None:
    """Write what differs from what is there."""
    results = list(results)
    data = _data(index, request, results)
    materials = {
        name: {**release, "lines": [line["line"] for line in data["lines"] if name in line["releases"]]}
        for name, release in data["releases"].items()
        if release["since"]
    }
    page = render_static("report.html", settings, report=data)
    record = {
        DATA: json.dumps(data, indent=1) + "\n",
        MATERIALS: sbom(materials, _needs(results), settings.index_url),
        PAGE: page,
    }
    index.write_reports({**static_assets(), **{name: text.encode() for name, text in record.items()}})


def note_run(index: Index, started: datetime, outcome: str, problems: Iterable[str]) -> None:
    """Write down how the last run went: `done`, `kept back` or `failed`."""
    content = {
        "started": f"{started.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "ended": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "outcome": outcome,
        "problems": list(problems),
    }
    index.write_reports({LAST_RUN: (json.dumps(content, indent=1) + "\n").encode()})


def _data(index: Index, request: Request, results: list[Result]) -> dict[str, Any]:
    in_force = rollback.in_force(index)
    by_line = {line.text: result for line in request.lines for result in results if result.knows(line.text)}
    now = offered.note(index, by_line)
    return {
        "targets": [str(target) for target in request.targets],
        "rollback": in_force and {**asdict(in_force), "sentence": in_force.sentence},
        "lines": [_line(text, result, now.lines[text]) for text, result in by_line.items()],
        "moved": msgspec.to_builtins(now.moved),
        "releases": {lock.named(key): _release(key, result) for result in results for key in sorted(result.releases)},
        "refused": {
            f"{project}=={version}": sentence
            for result in results
            for project, versions in sorted(result.denied.items())
            for version, (sentence, _) in sorted(versions.items())
        },
        "exceptions": [
            {
                "package": one.project + str(one.versions),
                "about": one.about,
                "reason": one.reason,
                "until": str(one.until),
            }
            for one in request.policy.exceptions
        ],
    }


def _line(line: str, result: Result, versions: lock.Versions) -> dict[str, Any]:
    closure = result.lock.closures.get(line)
    blocked = result.blocked(closure) if closure else []
    if line in result.unresolved:
        status, sentence = "unresolved", result.unresolved[line]
    elif blocked:
        names = ", ".join(f"{pin.project} {pin.version}" for pin in blocked)
        status, sentence = "blocked", f"Kept back because of {names}."
    elif line in result.incomplete:
        status, sentence = "waiting", result.incomplete[line]
    else:
        status, sentence = "on the shelf", ""
    return {
        "line": line,
        "status": status,
        "sentence": sentence,
        "versions": lock.versions(closure),
        "offered": versions,
        "releases": {lock.named(closure.key(pin)): lock.reason([pin]) for pin in closure.pins} if closure else {},
    }


def _release(key: Key, result: Result) -> dict[str, Any]:
    release = result.releases[key]
    shelved = result.shelved.get(key)
    channel = key[0].rpartition("::")[0]
    where = f"conda/{channel}" if channel else f"packages/{release.project}"
    return {
        "project": release.project,
        **({"channel": channel} if channel else {}),
        "version": str(release.version),
        "since": f"{shelved.since:%Y-%m-%dT%H:%M:%SZ}" if shelved else None,
        "yanked": bool(shelved and shelved.yanked),
        "licence": " OR ".join(release.licences) if release.licences else None,
        "files": [
            {"name": name, "path": f"{where}/{name}", "sha256": file.hashes["sha256"], "size": file.size}
            for name, file in sorted(release.files.items())
        ],
        "verdict": "block" if result.blocks(key) else "warn" if result.opinions[key] else "pass",
        "findings": [_finding(opinion) for opinion in result.opinions[key]],
    }


def _finding(opinion: Opinion) -> dict[str, Any]:
    granted = opinion.exception
    return {
        "check": opinion.finding.check,
        "verdict": opinion.verdict.value,
        "advisory": opinion.finding.advisory,
        **({"new": True} if opinion.finding.is_new else {}),
        "evidence": opinion.finding.evidence,
        "exception": granted and {"reason": granted.reason, "until": str(granted.until), "expired": opinion.expired},
    }


def _needs(results: Iterable[Result]) -> dict[str, list[str]]:
    found: dict[str, set[str]] = {}
    for result in results:
        for closure in result.lock.closures.values():
            for name, others in _edges(closure):
                found.setdefault(name, set()).update(others)
    return {name: sorted(others) for name, others in sorted(found.items())}


def _edges(closure: Closure) -> Iterable[tuple[str, list[str]]]:
    names = {id(pin): lock.named(closure.key(pin)) for pin in closure.pins}
    for pin in closure.pins:
        yield names[id(pin)], [names[id(other)] for other in closure.pins if pin.project in other.needed_by]
