# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""One screen for all hosts: what status.yml shows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

SOON = 30
"""Days before its end at which something is among what expires."""
_NEVER = "never"


def status_report(
    hosts: Mapping[str, Mapping[str, Any]],
    people: Sequence[Mapping[str, Any]],
    version: str,
    image: str,
    now: datetime,
) -> dict[str, Any]:
    """The report, with the same as `lines`.

    hosts       {name: what the module host_status returned there}
    people      the list of the inventory
    version     of the collection on this machine
    image       what an image of the index would be built from here
    """
    data: dict[str, Any] = {
        "version": version,
        "hosts": {name: _host(answer, version, image) for name, answer in sorted(hosts.items())},
        "people": [_person(person, hosts.values()) for person in people],
    }
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
