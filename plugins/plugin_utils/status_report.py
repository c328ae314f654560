# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""One screen for all hosts: what status.yml shows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

SOON = 30
"""Days before its end at which something is among what expires."""
SILENT = 3
"""Days without a report after which an enrolled host is said to be behind."""
_NEVER = "never"


def status_report(
    hosts: Mapping[str, Mapping[str, Any]],
    people: Sequence[Mapping[str, Any]],
    version: str,
    image: str,
    now: datetime,
    enrolled: Sequence[str] = (),
) -> dict[str, Any]:
    """The report, with the same as `lines`.

    hosts       {name: what the module host_status returned there}
    people      the list of the inventory
    version     of the collection on this machine
    image       what an image of the index would be built from here
    enrolled    the hosts that pull their configuration, and report to the index
    """
    data: dict[str, Any] = {
        "version": version,
        "hosts": {name: _host(answer, version, image) for name, answer in sorted(hosts.items())},
        "people": [_person(person, hosts.values()) for person in people],
    }
    heartbeats = newest_heartbeats(one.get("status", {}).get("heartbeats") or {} for one in hosts.values())
    data["enrolled"] = _enrolled(enrolled, heartbeats, now)
    data["expiring"] = sorted(_expiring(hosts, people, now), key=lambda one: (one["day"], one["what"]))
    data["lines"] = list(_lines(data, now))
    return data


def _host(answer: Mapping[str, Any], version: str, image: str) -> dict[str, Any]:
    if "status" not in answer:
        return {"reached": False, "behind": [], "jobs": {}, "failed_units": []}
    status = answer["status"]
    runs = dict(status["runs"])
    site = runs.pop("site", None)
    here = str((site or {}).get("facts", {}).get("version", "")) if site else ""
    behind = []
    if not here:
        behind.append("site.yml has not run to its end here")
    elif here != version:
        behind.append(f"set up by version {here}")
    if status["image"] and image and status["image"] != image:
        behind.append("the index's image is of another version")
    return {
        "reached": True,
        "version": here,
        "site_run": site["ended"] if site else None,
        "behind": behind,
        "jobs": {
            name: {
                "outcome": run["outcome"],
                "ended": run["ended"],
                "last_ok": run.get("last_ok"),
                "problems": [str(one) for one in run.get("problems") or []],
            }
            for name, run in sorted(runs.items())
        },
        "failed_units": list(status["failed_units"]),
    }


def newest_heartbeats(answers: Iterable[Mapping[str, Mapping[str, Any]]]) -> dict[str, Mapping[str, Any]]:
    """The last report of each enrolled host, of what index hosts have."""
    found: dict[str, Mapping[str, Any]] = {}
    for heartbeats in answers:
        for name, heartbeat in heartbeats.items():
            if name not in found or str(heartbeat.get("seen")) > str(found[name].get("seen")):
                found[name] = heartbeat
    return found


def _enrolled(names: Iterable[str], heartbeats: Mapping[str, Mapping[str, Any]], now: datetime) -> dict[str, Any]:
    """{host: how its last pull went}, compared with the newest release that any host has."""
    known = {name: heartbeats.get(name) for name in sorted(names)}
    newest = max((int(one["number"]) for one in known.values() if one), default=0)
    found: dict[str, Any] = {}
    for name, one in known.items():
        behind = []
        if one and int(one["number"]) < newest:
            behind.append(f"release of {_made(newest)} not taken")
        if one and _days_since(one.get("seen"), now) >= SILENT:
            behind.append("not heard from")
        found[name] = {
            "number": int(one["number"]) if one else None,
            "version": str(one["version"]) if one else "",
            "outcome": str(one["outcome"]) if one else None,
            "seen": one["seen"] if one else None,
            "problems": [str(problem) for problem in one["problems"]] if one else [],
            "shared": bool(one and one.get("shared") and _days_since(one["shared"], now) < 1),
            "behind": behind,
        }
    return found


def _made(number: int) -> str:
    """When a release was made, which is its number."""
    return datetime.fromtimestamp(number, timezone.utc).strftime("%Y-%m-%d %H:%M")


def _days_since(time: object, now: datetime) -> float:
    try:
        return (now - datetime.fromisoformat(str(time).replace("Z", "+00:00"))).total_seconds() / 86400
    except (ValueError, TypeError):
        return 0.0


def _person(person: Mapping[str, Any], answers: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    name = str(person.get("name"))
    found: dict[str, list[str]] = {"last_uploads": [], "last_logins": []}
    for answer in answers:
        for key, days in found.items():
            if name in answer.get("status", {}).get(key, {}):
                days.append(answer["status"][key][name])
    uploads, logins = (max(found[key], default=None) for key in ("last_uploads", "last_logins"))
    return {
        "name": name,
        "state": person.get("state", "present"),
        "last_upload": uploads,
        "last_use": max((day[:10] for day in (uploads, logins) if day), default=None),
        "until": str(person["until"]) if person.get("until") else None,
    }


def _expiring(
    hosts: Mapping[str, Mapping[str, Any]], people: Sequence[Mapping[str, Any]], now: datetime
) -> Iterator[dict[str, Any]]:
    for name, answer in hosts.items():
        for file, day in answer.get("status", {}).get("certificates", {}).items():
            if _days(day, now) <= SOON:
                yield {"what": f"{file} on {name}", "day": day, "days": _days(day, now)}
    for person in people:
        until = str(person.get("until") or "")
        if until and person.get("state", "present") == "present" and _days(until, now) <= SOON:
            yield {"what": f"account of {person.get('name')}", "day": until[:10], "days": _days(until, now)}


def _days(day: str, now: datetime) -> int:
    try:
        return (datetime.fromisoformat(day[:10]).date() - now.date()).days
    except ValueError:
        return 10**6


def _ago(time: object, now: datetime) -> str:
    """How long ago a time was, in the largest unit that fits."""
    try:
        at = datetime.fromisoformat(str(time).replace("Z", "+00:00"))
    except ValueError:
        return _NEVER
    seconds = (now - (at if at.tzinfo else at.replace(tzinfo=timezone.utc))).total_seconds()
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit} ago"
    return "now"


def _lines(data: Mapping[str, Any], now: datetime) -> Iterator[str]:
    yield f"Version {data['version']} on this machine."
    width = max((len(name) for name in data["hosts"]), default=0)
    for name, host in data["hosts"].items():
        if not host["reached"]:
            yield f"{name:<{width}}  not reached"
            continue
        behind = f"; behind: {', '.join(host['behind'])}" if host["behind"] else ""
        yield f"{name:<{width}}  {host['version'] or '?'}, site.yml {_ago(host['site_run'], now)}{behind}"
        for unit in host["failed_units"]:
            yield f"{'':<{width}}  FAILED {unit}"
        for job, run in host["jobs"].items():
            good = "" if run["outcome"] == "ok" else f", last ok {_ago(run['last_ok'], now)}"
            mark = {"ok": "ok", "problems": "PROBLEMS"}.get(run["outcome"], "FAILED")
            yield f"{'':<{width}}  {mark} {job}, {_ago(run['ended'], now)}{good}"
            yield from (f"{'':<{width}}    {problem}" for problem in run["problems"][:5])
    yield from _enrolled_lines(data["enrolled"], now)
    if data["people"]:
        yield f"People ({len(data['people'])}), with last use of the index:"
        wide = max(len(person["name"]) for person in data["people"])
        for person in data["people"]:
            gone = ", offboarded" if person["state"] == "absent" else ""
            until = f", until {person['until']}" if person["until"] else ""
            upload = f", published {_ago(person['last_upload'], now)}" if person["last_upload"] else ""
            yield f"  {person['name']:<{wide}}  {person['last_use'] or _NEVER}{upload}{until}{gone}"
    for one in data["expiring"]:
        days = f"{abs(one['days'])} day{'' if abs(one['days']) == 1 else 's'}"
        when = f"Expires in {days}" if one["days"] >= 0 else f"Expired {days} ago"
        yield f"{when} ({one['day']}): {one['what']}"
    if not data["expiring"]:
        yield f"Nothing expires within {SOON} days."


def _enrolled_lines(hosts: Mapping[str, Mapping[str, Any]], now: datetime) -> Iterator[str]:
    if not hosts:
        return
    yield f"Enrolled hosts ({len(hosts)}), with their last report:"
    width = max(len(name) for name in hosts)
    for name, one in hosts.items():
        if one["seen"] is None:
            yield f"  {name:<{width}}  {_NEVER}"
            continue
        release = f"release of {_made(one['number'])}" if one["number"] else "no release yet"
        behind = f"; behind: {', '.join(one['behind'])}" if one["behind"] else ""
        yield f"  {name:<{width}}  {one['version'] or '?'}, {release}, {_ago(one['seen'], now)}{behind}"
        if one["shared"]:
            yield f"  {'':<{width}}  SHARED KEY: another machine has a copy of its disk; run enroll.yml for that one"
        yield from (f"  {'':<{width}}  FAILED {problem}" for problem in one["problems"])
