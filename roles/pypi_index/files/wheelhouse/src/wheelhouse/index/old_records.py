"""What the older form of a shelf remembered in small files beside its journal, see `takeover`."""

import json
import time
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from wheelhouse.index import tables
from wheelhouse.index.database import insert_missing, upsert


def take_over_records(connection: Connection, root: Path) -> None:
    """Take over all of them. One that cannot be read says nothing, as it did before."""
    intake = root / "intake"
    if lock := _text(intake / "lock.toml"):
        upsert(connection, tables.intake_lock, [{"id": 1, "lock": lock}])
    for path in sorted((intake / "sets").glob("*.toml")):
        upsert(connection, tables.intake_sets, [{"name": path.stem, "lock": _text(path) or ""}])
    rollback = _json(intake / "rollback.json")
    if all(isinstance(rollback.get(key), str) for key in ("to", "since", "by")):
        row = {"id": 1, **{key: rollback[key] for key in ("to", "since", "by")}}
        upsert(connection, tables.intake_rollback, [row])
    upsert(connection, tables.denied_releases, list(_denied(_json(intake / "refused.json"))))
    upsert(connection, tables.meta, [{"key": "denied", "value": str(time.time_ns())}])
    for path in sorted((root / "cached-names").glob("*")):
        insert_missing(connection, tables.served_files, _served(path))
    upsert(connection, tables.refusal_counts, _counts(_json(root / "locks" / "refusals.json")))


def _denied(raw: dict[str, Any]) -> list[dict[str, str]]:
    try:
        return [
            {
                "project": project,
                "version": version,
                "sentence": one["sentence"],
                "about": json.dumps(list(one["about"])),
            }
            for project, versions in raw.items()
            for version, one in versions.items()
        ]
    except (KeyError, TypeError, AttributeError):
        return []


def _served(path: Path) -> list[dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for line in (_text(path) or "").splitlines():
        digest, _, name = line.partition("  ")
        if len(digest) == 64 and name:
            found.setdefault(name, {"project": path.name, "file": name, "sha256": digest})
    return list(found.values())


def _counts(raw: dict[str, Any]) -> list[dict[str, Any]]:
    try:
        return [{"who": who, "hour": int(hour), "count": int(count)} for who, (hour, count) in raw.items()]
    except (ValueError, TypeError):
        return []


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError, UnicodeDecodeError):
        return None


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(_text(path) or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
