"""What the index knows of itself, in the text format of Prometheus: `wheelhouse metrics`.

The host's collector asks once a minute. Each number is worked out from the database and the shelf at that moment, so
that nothing has to be counted while people publish.
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, case, func, select

from wheelhouse.index import events, gateways, tables
from wheelhouse.index.database import gateway_of
from wheelhouse.index.events import PUBLISH, QUARANTINE, REFUSE, instant
from wheelhouse.index.health import age_of_dirty
from wheelhouse.index.projection import INTAKE
from wheelhouse.index.transaction import Index
from wheelhouse.intake import last_report

Samples = list[tuple[Mapping[str, str], float]]
_MOST_IN_QUARANTINE = 10_000
"""Files that are looked at."""
_ESCAPED = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})

_REASON = case(
    (tables.events.c.reason.like("%is never replaced%"), "conflict"),
    (tables.events.c.reason.like("% may not publish %"), "permission"),
    (tables.events.c.reason.like("The file is bigger than %"), "size"),
    (tables.events.c.reason.like("% more uploads were refused within that hour."), "too many"),
    else_="file",
)
"""Why an upload was refused, as one word; most have sentences with names in them."""


@dataclass(frozen=True)
class Family:
    """A metric with all its samples."""

    name: str
    kind: str
    """`gauge` or `counter`."""
    description: str
    samples: Samples

    def lines(self) -> Iterator[str]:
        """As Prometheus reads it."""
        yield f"# HELP {self.name} {self.description}"
        yield f"# TYPE {self.name} {self.kind}"
        for labels, value in self.samples:
            shown = ",".join(f'{name}="{text.translate(_ESCAPED)}"' for name, text in labels.items())
            yield f"{self.name}{{{shown}}} {value:.17g}" if shown else f"{self.name} {value:.17g}"


def text(families: Iterable[Family]) -> str:
    """All of them, for a file or a terminal."""
    return "".join(f"{line}\n" for family in families for line in family.lines())


def collect(index: Index) -> list[Family]:
    """What is known now; raises OSError, SQLAlchemyError."""
    with index.database.read() as connection:
        found = [*_events(connection), *_published(connection), *_gateways(connection)]
    found += _one(
        "wheelhouse_dirty_oldest_seconds", "Time that the oldest such page waits.", age_of_dirty(index.database)
    )
    return [*found, *_disk(index), *_intake(index)]


def reach(shelf: Path) -> list[Family]:
    """What a gateway knows also while the database is away; for one whose shelf this is. Raises OSError."""
    return _one(
        "wheelhouse_database_age_seconds",
        "Time since this gateway last reached the database.",
        gateways.unreached(shelf / "state"),
    )


def _one(name: str, description: str, value: float, kind: str = "gauge") -> list[Family]:
    return [Family(name, kind, description, [({}, value)])]


def _events(connection: Connection) -> Iterator[Family]:
    table = tables.events
    is_intake = func.coalesce(table.c.origin, "") == INTAKE
    counted = connection.execute(select(is_intake, func.count()).where(table.c.event == PUBLISH).group_by(is_intake))
    published = {bool(by_intake): number for by_intake, number in counted}
    samples: Samples = [({"by": who}, published.get(who == INTAKE, 0)) for who in ("people", INTAKE)]
    yield Family(
        "wheelhouse_files_published_total", "counter", "Files ever published, by people or the intake.", samples
    )

    rows = connection.execute(select(_REASON, func.count()).where(table.c.event == REFUSE).group_by(_REASON))
    counts = dict.fromkeys(("conflict", "permission", "size", "too many", "file"), 0)
    counts.update(dict(rows.all()))
    refused: Samples = [({"reason": reason}, number) for reason, number in counts.items()]
    yield Family("wheelhouse_uploads_refused_total", "counter", "Uploads that were refused, by reason.", refused)

    number = connection.execute(select(func.count()).where(table.c.event == QUARANTINE)).scalar() or 0
    yield from _one("wheelhouse_quarantined_total", "Files ever moved to the quarantine.", number, "counter")
    yield from _one(
        "wheelhouse_events_total", "Events; the number of the latest one.", events.last(connection), "counter"
    )


def _published(connection: Connection) -> Iterator[Family]:
    projects, files, packages = tables.projects, tables.files, tables.conda_packages
    number = connection.execute(select(func.count()).where(projects.c.files > 0)).scalar() or 0
    yield from _one("wheelhouse_projects", "Projects with published files.", number)
    counts: Samples = []
    sizes: Samples = []
    missing: Samples = []
    for kind, table in (("python", files), ("conda", packages)):
        wanted = select(
            func.count(),
            func.coalesce(func.sum(table.c.size), 0),
            func.coalesce(func.sum(case((table.c.missing, 1), else_=0)), 0),
        ).where(table.c.removed.is_(None))
        count, size, gone = connection.execute(wanted).one()
        counts.append(({"kind": kind}, int(count)))
        sizes.append(({"kind": kind}, int(size)))
        missing.append(({"kind": kind}, int(gone)))
    yield Family("wheelhouse_files", "gauge", "Published files.", counts)
    yield Family("wheelhouse_files_bytes", "gauge", "Their size.", sizes)
    yield Family("wheelhouse_files_missing", "gauge", "Published files whose bytes are gone.", missing)
    here = tables.dirty.c.gateway == gateway_of(connection)
    dirty = connection.execute(select(func.count()).select_from(tables.dirty).where(here)).scalar() or 0
    yield from _one("wheelhouse_dirty_pages", "Pages that wait to be rendered.", dirty)


def _gateways(connection: Connection) -> Iterator[Family]:
    """Of several that share a database; each knows of all."""
    known = gateways.known(connection)
    if not known:
        return
    seen: Samples = [({"gateway": name}, one.seen) for name, one in known.items()]
    yield Family("wheelhouse_gateway_seen_seconds", "gauge", "Time since a gateway said that it lives.", seen)
    behind: Samples = [({"gateway": name}, one.behind) for name, one in known.items()]
    yield Family("wheelhouse_gateway_behind_seconds", "gauge", "Time that the oldest page of a gateway waits.", behind)


def _disk(index: Index) -> Iterator[Family]:
    disk = os.statvfs(index.staging.incoming)
    yield from _one("wheelhouse_disk_free_bytes", "Room on the shelf's disk.", disk.f_bavail * disk.f_frsize)
    yield from _one("wheelhouse_disk_size_bytes", "Size of the shelf's disk.", disk.f_blocks * disk.f_frsize)
    room = max(0, index.staging.room())
    yield from _one("wheelhouse_upload_room_bytes", "Room that uploads may still use.", room)
    kept = size = 0
    with os.scandir(index.staging.quarantine) as entries:
        for entry in entries:
            if entry.is_file(follow_symlinks=False) and not entry.name.endswith(".reason.json"):
                kept, size = kept + 1, size + entry.stat(follow_symlinks=False).st_size
            if kept >= _MOST_IN_QUARANTINE:
                break
    yield from _one("wheelhouse_quarantine_files", "Files in the quarantine.", kept)
    yield from _one("wheelhouse_quarantine_bytes", "Their size.", size)


def _intake(index: Index) -> Iterator[Family]:
    """How the last run went; nothing where none has come to its end."""
    try:
        last: Any = json.loads((index.site.reports / last_report.LAST_RUN).read_bytes())
        started, problems = instant(last["started"]).timestamp(), len(last["problems"])
        failed = float(last["outcome"] == "failed")
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return
    yield from _one("wheelhouse_intake_started_timestamp_seconds", "When the last finished intake began.", started)
    yield from _one("wheelhouse_intake_problems", "Problems that it reported.", problems)
    yield from _one("wheelhouse_intake_failed", "1 if it broke off.", failed)
