"""What a run came to: a page for people, the same as JSON, and a bill of materials, below the shelf's `reports/`.

They say the same until something changes, so that a run without news writes none of them. When the last run was, and
whether it went well, is in a small file of its own.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from wheelhouse.config import Settings
from wheelhouse.intake import lock, rollback
from wheelhouse.intake.checks import Opinion
from wheelhouse.intake.checks import licence as licences
from wheelhouse.intake.last_report import DATA, LAST_RUN
from wheelhouse.intake.lock import Closure, Key, Lock
from wheelhouse.intake.request import Request
from wheelhouse.intake.result import Outcome
from wheelhouse.intake.rollback import Rollback
from wheelhouse.intake.sbom import sbom
from wheelhouse.store.local import Shelf
from wheelhouse.web.html import render_static, static_assets

PAGE, MATERIALS = "index.html", "intake.cdx.json"


def write(shelf: Shelf, settings: Settings, request: Request, outcomes: Iterable[Outcome]) -> None:
    """Write what differs from what is there."""
    outcomes = list(outcomes)
    in_force = rollback.in_force(shelf)
    data = _data(request, outcomes, _before(shelf), in_force)
    materials = {
        name: {**release, "lines": [line["line"] for line in data["lines"] if name in line["releases"]]}
        for name, release in data["releases"].items()
        if release["since"]
    }
    page = render_static("report.html", settings, report=data)
    record = {
        DATA: json.dumps(data, indent=1) + "\n",
        MATERIALS: sbom(materials, _needs(outcomes), settings.index_url),
        PAGE: page,
    }
    for name, content in {**static_assets(), **{name: text.encode() for name, text in record.items()}}.items():
        shelf.write_record(shelf.reports / name, content)


def note_run(shelf: Shelf, started: datetime, outcome: str, problems: Iterable[str]) -> None:
    """Write down how the last run went: `done`, `kept back` or `failed`."""
    content = {
        "started": f"{started.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "ended": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "outcome": outcome,
        "problems": list(problems),
    }
    shelf.write_record(shelf.reports / LAST_RUN, (json.dumps(content, indent=1) + "\n").encode())


def _before(shelf: Shelf) -> Mapping[str, Any]:
    try:
        before = json.loads((shelf.reports / DATA).read_bytes())
        return before if isinstance(before, dict) else {}
    except (FileNotFoundError, ValueError):
        return {}


def _data(
    request: Request, outcomes: list[Outcome], before: Mapping[str, Any], in_force: Rollback | None
) -> dict[str, Any]:
    by_line = {line.text: outcome for line in request.lines for outcome in outcomes if outcome.knows(line.text)}
    lines = [_line(text, outcome, _offered_before(before, text)) for text, outcome in by_line.items()]
    # What is kept back has not moved: nobody is offered it.
    closures = {
        line: closure
        for outcome in outcomes
        for line, closure in outcome.lock.closures.items()
        if not outcome.is_held(closure)
    }
    held = {one["line"] for one in lines} - closures.keys()
    earlier = {one["line"]: _offered_before(before, one["line"]) for one in before.get("lines", ())}
    moved = lock.moves({line: one for line, one in earlier.items() if line not in held}, Lock(closures))
    last_moves = {
        "on": f"{datetime.now(UTC):%Y-%m-%d}",
        "moves": [
            {"line": one.line, "project": one.project, "before": one.before, "after": one.after, "why": one.why}
            for one in moved
        ],
    }
    return {
        "targets": [str(target) for target in request.targets],
        "rollback": in_force and {**asdict(in_force), "sentence": in_force.sentence},
        "lines": lines,
        "moved": last_moves if moved else before.get("moved", {"on": None, "moves": []}),
        "releases": {
            lock.named(key): _release(key, outcome) for outcome in outcomes for key in sorted(outcome.releases)
        },
        "refused": {
            f"{project}=={version}": one.sentence
            for outcome in outcomes
            for project, versions in sorted(outcome.refused.items())
            for version, one in sorted(versions.items())
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


def _offered_before(before: Mapping[str, Any], line: str) -> lock.Versions:
    """What people were offered of a line when the last report was written."""
    for one in before.get("lines", ()):
        if one["line"] == line:
            known: lock.Versions = one.get("offered", one["versions"] if one["status"] == "on the shelf" else {})
            return known
    return {}


def _line(line: str, outcome: Outcome, before: lock.Versions) -> dict[str, Any]:
    closure = outcome.lock.closures.get(line)
    blocked = outcome.blocked(closure) if closure else []
    if line in outcome.unresolved:
        status, sentence = "unresolved", outcome.unresolved[line]
    elif blocked:
        names = ", ".join(f"{pin.project} {pin.version}" for pin in blocked)
        status, sentence = "blocked", f"Kept back because of {names}."
    elif line in outcome.incomplete:
        status, sentence = "waiting", outcome.incomplete[line]
    else:
        status, sentence = "on the shelf", ""
    return {
        "line": line,
        "status": status,
        "sentence": sentence,
        "versions": lock.versions(closure),
        "offered": lock.versions(closure) if closure and not outcome.is_held(closure) else before,
        "releases": {lock.named(closure.key(pin)): lock.reason([pin]) for pin in closure.pins} if closure else {},
    }


def _release(key: Key, outcome: Outcome) -> dict[str, Any]:
    release = outcome.releases[key]
    shelved = outcome.shelved.get(key)
    licence = licences.of(release)
    channel = key[0].rpartition("::")[0]
    where = f"conda/{channel}" if channel else f"packages/{release.project}"
    return {
        "project": release.project,
        **({"channel": channel} if channel else {}),
        "version": str(release.version),
        "since": f"{shelved.since:%Y-%m-%dT%H:%M:%SZ}" if shelved else None,
        "yanked": bool(shelved and shelved.yanked),
        "licence": " OR ".join(licence) if licence else None,
        "files": [
            {"name": name, "path": f"{where}/{name}", "sha256": file.hashes["sha256"], "size": file.size}
            for name, file in sorted(release.files.items())
        ],
        "verdict": "block" if outcome.blocks(key) else "warn" if outcome.opinions[key] else "pass",
        "findings": [_finding(opinion) for opinion in outcome.opinions[key]],
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


def _needs(outcomes: Iterable[Outcome]) -> dict[str, list[str]]:
    found: dict[str, set[str]] = {}
    for outcome in outcomes:
        for closure in outcome.lock.closures.values():
            for name, others in _edges(closure):
                found.setdefault(name, set()).update(others)
    return {name: sorted(others) for name, others in sorted(found.items())}


def _edges(closure: Closure) -> Iterable[tuple[str, list[str]]]:
    names = {id(pin): lock.named(closure.key(pin)) for pin in closure.pins}
    for pin in closure.pins:
        yield names[id(pin)], [names[id(other)] for other in closure.pins if pin.project in other.needed_by]
