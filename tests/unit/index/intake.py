"""A list of public packages, a public index that has them, and runs of `wheelhouse intake` between the two."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sqlalchemy import select
from wheelhouse import cli
from wheelhouse.index import events, tables
from wheelhouse.index.opening import open_index

from .public import PublicFile, PublicIndex
from .samples import Wheel, metadata

TARGETS = {"python": ["3.11"], "platforms": ["linux-x86_64"]}
PASSING = {"locks", "incoming", "state", "last-run.json"}
"""Parts of paths below the shelf at which nobody looks twice."""
UNCHECKED = {"vulnerability": "off"}
"""Verdicts of runs that are about something else: pip-audit takes a second."""


def requirements_of(needs: Iterable[str], extra: str = "") -> str:
    return "Requires-Python: >=3.9\n" + extra + "".join(f"Requires-Dist: {need}\n" for need in needs)


def public_release(name: str, version: str = "1.0", needs: Iterable[str] = (), **changes: Any) -> PublicFile:
    described = metadata(name, version, requirements_of(needs, "License-Expression: MIT\n"))
    described = described.replace(b"Metadata-Version: 2.1", b"Metadata-Version: 2.4")
    wheel = Wheel(name, version, members={f"{name}/__init__.py": b"answer = 42\n"}, metadata=described)
    return PublicFile(wheel.filename, wheel.build(), described=described, **changes)


class Office:
    """Writes the list and runs it."""

    def __init__(self, directory: Path, shelf: Path, public: PublicIndex) -> None:
        self.directory = directory
        self.shelf = shelf
        self.public = public
        self.channels: dict[str, str] = {}
        """Of conda, name -> address."""
        directory.mkdir()

    def publish(self, name: str, version: str = "1.0", needs: Iterable[str] = (), **changes: Any) -> PublicFile:
        """Have a release upstream."""
        file = public_release(name, version, needs, **changes)
        self.public.projects.setdefault(name, []).append(file)
        return file

    def wants(self, *specs: str, conda: Iterable[str] = (), targets: Any = None, **policy: Any) -> None:
        """Write the list."""
        policy = {"verdicts": UNCHECKED, **policy}
        packages = [{"pypi": spec} for spec in specs]
        packages += [{"conda": spec, "channel": "conda-forge"} for spec in conda]
        plan = {"packages": packages, "targets": targets or TARGETS, "policy": policy, "channels": self.channels}
        (self.directory / "intake.json").write_text(json.dumps(plan))

    def run(self, *arguments: str) -> int:
        self.public.asked.clear()
        return cli.main(["intake", *arguments])

    def fetched(self) -> list[str]:
        """Names of files that were asked for upstream since the last run began, metadata among them."""
        return [path.partition("?")[0].rpartition("/")[2] for path in self.public.asked if path.startswith("/files/")]

    def shelved(self) -> set[str]:
        """Names of the files that installers are shown."""
        pages = (self.shelf / "simple").glob("*/index.json")
        return {file["filename"] for page in pages for file in json.loads(page.read_text())["files"]}

    def yanked(self) -> set[str]:
        pages = (self.shelf / "simple").glob("*/index.json")
        return {
            file["filename"] for page in pages for file in json.loads(page.read_text())["files"] if file.get("yanked")
        }

    def report(self) -> dict[str, Any]:
        return json.loads((self.shelf / "reports/intake.json").read_text())

    def status(self, line: str) -> str:
        return next(one["status"] for one in self.report()["lines"] if one["line"] == f"pypi: {line}")

    def last_run(self) -> dict[str, Any]:
        return json.loads((self.shelf / "reports/last-run.json").read_text())

    def events(self) -> list[dict[str, Any]]:
        """All that happened, as `wheelhouse journal --json` has it."""
        index = open_index(self.shelf)
        try:
            with index.database.read() as connection:
                return [json.loads(events.line(event)) for _, event in events.since(connection, 0, 1_000_000)]
        finally:
            index.database.close()

    def rows(self) -> dict[str, list[dict[str, Any]]]:
        """Everything in the database, by table, but what only marks that something has changed."""
        index = open_index(self.shelf)
        try:
            with index.database.read() as connection:
                found = {
                    table.name: [dict(row._mapping) for row in connection.execute(select(table))]
                    for table in tables.metadata.sorted_tables
                }
        finally:
            index.database.close()
        found["meta"] = [row for row in found["meta"] if row["key"] not in ("denied", "synced")]
        found["dirty"] = [row for row in found["dirty"] if row["gateway"] == index.database.gateway]
        for name in ("gateways", "turns", "reports"):  # who was there when; and what is in files as well
            del found[name]
        if not index.database.is_sqlite:  # a transaction that comes to nothing uses numbers up
            for row in found["events"]:
                del row["id"], row["tx"]
        return {name: sorted(rows, key=repr) for name, rows in found.items()}

    def content(self) -> dict[str, Any]:
        """Everything on the shelf but what is in the making, and when the last run was: files and rows."""
        files: dict[str, Any] = {
            str(path.relative_to(self.shelf)): path.read_bytes()
            for path in sorted(self.shelf.rglob("*"))
            if path.is_file() and not PASSING & {*path.relative_to(self.shelf).parts}
        }
        return files | {f"rows of {name}": rows for name, rows in self.rows().items()}
