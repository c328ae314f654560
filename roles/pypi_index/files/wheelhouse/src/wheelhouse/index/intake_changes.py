"""What the intake, the uploads and the pass-through of public files remember: each change is one transaction.

None of it changes a page.
"""

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace

from sqlalchemy import Connection, delete, insert, select

from wheelhouse.formats.distribution import MAX_NAME
from wheelhouse.index import queries, tables
from wheelhouse.index.changes import Changes
from wheelhouse.index.database import insert_missing, own_key, upsert
from wheelhouse.index.events import MAX_REASON, REFUSE, ROLL_FORWARD, ROLLBACK, Event, append, now, printable

REFUSED_ONE_BY_ONE = 20
"""Refusals of one account in an hour that have an event each; how many more there were is one, once it is over."""
HOUR = 3600
_UPSTREAMS = "upstreams"


class IntakeChanges(Changes):
    """What is remembered beside what is published."""

    def refuse(self, event: Event) -> bool:
        """Write down that an upload was refused, or count it; says whether it has an event of its own.

        An account may be refused ten times in a second, for as long as it likes.
        """
        hour = int(time.time()) // HOUR
        table = tables.refusal_counts
        with self.database.change("refusals") as connection:
            _sum_up(connection, hour)
            known = connection.execute(select(table.c.count).where(table.c.who == event.who)).scalar()
            count = (known or 0) + 1
            upsert(connection, table, [{"who": event.who, "hour": hour, "count": count}])
            if count <= REFUSED_ONE_BY_ONE:
                file, reason = printable(event.file or "", MAX_NAME), printable(event.reason or "", MAX_REASON)
                self._write_down(connection, [replace(event, file=file, reason=reason)])
        return count <= REFUSED_ONE_BY_ONE

    def sum_up_refusals(self) -> None:
        """Write down how many more there were in hours that are over."""
        hour = int(time.time()) // HOUR
        table = tables.refusal_counts
        with self.database.read() as connection:
            if connection.execute(select(table.c.who).where(table.c.hour != hour).limit(1)).first() is None:
                return
        with self.database.change("refusals") as connection:
            _sum_up(connection, hour)

    def quarantine(self, events: Iterable[Event]) -> None:
        """Write down what was kept back, once for each SHA-256 and reason."""
        with self.database.change("quarantine") as connection:
            for event in events:
                if not queries.was_quarantined(connection, event.sha256, event.reason):
                    self._write_down(connection, [event])

    def save_lock(self, text: str) -> None:
        """Remember what the list comes to (TOML)."""
        with self.database.change("intake") as connection:
            upsert(connection, tables.intake_lock, [{"id": 1, "lock": text}])

    def keep_set(self, name: str, text: str, most: int) -> None:
        """Keep a lock under the name of when it was complete, unless it is the one kept last; forget the oldest."""
        table = tables.intake_sets
        with self.database.change("intake") as connection:
            known = queries.sets(connection)
            if known and queries.set_text(connection, known[-1]) == text:
                return
            upsert(connection, table, [{"name": name, "lock": text}])
            old = queries.sets(connection)[:-most]
            connection.execute(delete(table).where(table.c.name.in_(old)))

    def forget_sets(self, names: Iterable[str]) -> None:
        """Forget the locks of earlier runs."""
        table = tables.intake_sets
        with self.database.change("intake") as connection:
            in_force = queries.rollback(connection)
            kept = {*queries.sets(connection)[-1:], in_force.to if in_force else ""}
            connection.execute(delete(table).where(table.c.name.in_(set(names) - kept)))

    def put_back(self, to: str, who: str) -> None:
        """Note that an earlier set is in force, and write it down."""
        event = Event(ROLLBACK, who, now(), reason=f"the set of {to}")
        with self.database.change("intake") as connection:
            self._write_down(connection, [event])
            upsert(connection, tables.intake_rollback, [{"id": 1, "to": to, "since": event.time, "by": who}])

    def lift(self, who: str) -> None:
        """Forget that, and write it down; without one in force nothing happens."""
        with self.database.change("intake") as connection:
            if in_force := queries.rollback(connection):
                self._write_down(connection, [Event(ROLL_FORWARD, who, now(), reason=f"the set of {in_force.to}")])
                connection.execute(delete(tables.intake_rollback))

    def deny(self, releases: Mapping[str, Mapping[str, tuple[str, tuple[str, ...]]]]) -> bool:
        """Replace what is denied: project -> version -> sentence, what an exception may name. False if it was so."""
        wanted = {project: dict(versions) for project, versions in releases.items() if versions}
        with self.database.change("denied") as connection:
            if queries.denied(connection) == wanted:
                return False
            replace_denied(connection, wanted)
        return True

    def remember(self, key: str, value: str) -> None:
        """Remember a text, instead of what was remembered under this key before; a crash may undo it."""
        with self.database.change(f"remember {key}", durable=False) as connection:
            upsert(connection, tables.meta, [{"key": key, "value": value}])

    def upstreams(self) -> str:
        """Which index had which projects when that was last noted, as the text that was given; "" if never.

        Each gateway has its own copies of what came from there.
        """
        with self.database.read() as connection:
            return queries.remembered(connection, own_key(self.database.gateway, _UPSTREAMS)) or ""

    def note_upstreams(self, rules: str) -> None:
        """Remember which index has which projects, unless that is known."""
        if rules != self.upstreams():
            with self.database.change("upstreams") as connection:
                key = own_key(self.database.gateway, _UPSTREAMS)
                upsert(connection, tables.meta, [{"key": key, "value": rules}])

    def note_served(self, project: str, filename: str, sha256: str) -> str:
        """Remember which bytes a client was given of a public file; returns what is known, which the first one said."""
        table = tables.served_files
        wanted = select(table.c.sha256).where(table.c.project == project, table.c.file == filename)
        with self.database.read() as connection:
            if known := connection.execute(wanted).scalar():
                return str(known)
        with self.database.change(f"served {project}") as connection:
            insert_missing(connection, table, [{"project": project, "file": filename, "sha256": sha256}])
            return connection.execute(wanted).scalar() or sha256


def replace_denied(connection: Connection, wanted: Mapping[str, Mapping[str, tuple[str, tuple[str, ...]]]]) -> None:
    """Have exactly these releases denied."""
    connection.execute(delete(tables.denied_releases))
    rows = [
        {"project": project, "version": version, "sentence": sentence, "about": json.dumps(about)}
        for project, versions in wanted.items()
        for version, (sentence, about) in versions.items()
    ]
    if rows:
        connection.execute(insert(tables.denied_releases), rows)
    upsert(connection, tables.meta, [{"key": "denied", "value": str(time.time_ns())}])


def _sum_up(connection: Connection, hour: int) -> None:
    """Write down how many more refusals there were in hours before this one, and forget these."""
    table = tables.refusal_counts
    over = connection.execute(select(table).where(table.c.hour != hour).order_by(table.c.who)).all()
    events_ = [
        Event(
            REFUSE, row.who, now(), reason=f"{row[2] - REFUSED_ONE_BY_ONE} more uploads were refused within that hour."
        )
        for row in over
        if row[2] > REFUSED_ONE_BY_ONE
    ]
    append(connection, events_)
    connection.execute(delete(table).where(table.c.hour != hour))
