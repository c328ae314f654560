"""Heartbeats of hosts that pull their configuration from this index: how each one's last pull went.

A host signs what it reports with the key that it was enrolled with, so that none can report for another. Whose key is
whose is in the configuration's file `fleet-signers`, a line for each host as `ssh-keygen` knows it:

    ws-ada namespaces="wheelhouse-heartbeat" ssh-ed25519 AAAA...
"""

import hashlib
import json
import re
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import select

from wheelhouse.errors import Conflict, Forbidden, NotFound, Rejected
from wheelhouse.index import tables
from wheelhouse.index.database import Database, upsert
from wheelhouse.index.events import now

SIGNERS = "fleet-signers"
NAMESPACE = "wheelhouse-heartbeat"
"""So that no other signature of a host's key is one of a heartbeat."""
MAX_SIZE = 2**14
"""Bytes of what is sent."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,252}")
_MAX_PROBLEMS, _MAX_TEXT = 5, 300
_LARGEST = 2**53
_PATIENCE = 10
"""Seconds."""


class _Sent(msgspec.Struct):
    """What comes over HTTP."""

    heartbeat: str
    """What was signed: JSON of a `_Heartbeat`."""
    signature: str


class _Heartbeat(msgspec.Struct):
    """What a host says."""

    name: str
    sequence: int
    """Greater each time, whatever the host's clock says."""
    before: int
    """That of the heartbeat before."""
    number: int
    """Of the release that it has; 0 for none."""
    version: str
    """Of the collection in that release."""
    outcome: str
    problems: list[str]


def receive(sent: bytes, configuration: Path, database: Database) -> None:
    """Keep a heartbeat, if its host signed it.

    Raises `NotFound` where no host is enrolled, `Rejected`, `Forbidden`, `Conflict` for one that was there before.
    """
    signers = configuration / SIGNERS
    try:
        lines = signers.read_text(encoding="ascii").splitlines()
    except FileNotFoundError:
        raise NotFound("This index has no enrolled hosts.") from None
    try:
        envelope = msgspec.json.decode(sent, type=_Sent)
        heartbeat = msgspec.json.decode(envelope.heartbeat, type=_Heartbeat)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise Rejected("This is no heartbeat: run enroll.yml for the host.") from None
    numbers = heartbeat.sequence, heartbeat.before, heartbeat.number
    if heartbeat.outcome not in ("ok", "failed") or not all(0 <= number < _LARGEST for number in numbers):
        raise Rejected("This is no heartbeat: run enroll.yml for the host.")
    line = next((line for line in lines if line.partition(" ")[0] == heartbeat.name), "")
    if not line or not _NAME.fullmatch(heartbeat.name) or not _is_signed(envelope, heartbeat.name, signers):
        raise Forbidden("The heartbeat is not signed with the key of that host: run enroll.yml for it, then fleet.yml.")
    _keep(heartbeat, hashlib.sha256(line.encode()).hexdigest(), database)


def _keep(heartbeat: _Heartbeat, key: str, database: Database) -> None:
    rows = tables.heartbeats.c
    # The next one comes within the hour, so that it need not be on the disk.
    with database.change(f"heartbeat {heartbeat.name}", durable=False) as connection:
        mine = select(rows.sequence, rows.shared).where(rows.host == heartbeat.name, rows.key == key)
        last = connection.execute(mine).first()
        if last and heartbeat.sequence <= last.sequence:
            raise Conflict(f"{heartbeat.name} has sent this heartbeat already, or a later one.")
        # Somebody has reported with this key since this host did: another machine has a copy of its disk.
        shared = now() if last and last.sequence > heartbeat.before else last.shared if last else None
        problems = [problem[:_MAX_TEXT] for problem in heartbeat.problems[:_MAX_PROBLEMS]]
        row = {
            "host": heartbeat.name,
            "key": key,
            "sequence": heartbeat.sequence,
            "number": heartbeat.number,
            "version": heartbeat.version[:_MAX_TEXT],
            "outcome": heartbeat.outcome,
            "problems": json.dumps(problems),
            "seen": now(),
            "shared": shared,
        }
        upsert(connection, tables.heartbeats, [row])


def known(database: Database) -> dict[str, dict[str, Any]]:
    """The last heartbeat of each host by name; `seen` is when it came, `shared` when another machine had its key."""
    columns = tables.heartbeats.c
    shown = (columns.number, columns.version, columns.outcome, columns.problems, columns.seen, columns.shared)
    with database.read() as connection:
        rows = connection.execute(select(columns.host, *shown).order_by(columns.host)).mappings().all()
    return {
        row["host"]: {**{column.name: row[column.name] for column in shown}, "problems": json.loads(row["problems"])}
        for row in rows
    }


def _is_signed(envelope: _Sent, name: str, signers: Path) -> bool:
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", errors="replace") as signature:
        signature.write(envelope.signature)
        signature.flush()
        command = ["ssh-keygen", "-Y", "verify", "-q", "-n", NAMESPACE, "-I", name, "-f", str(signers)]
        try:
            done = subprocess.run(
                [*command, "-s", signature.name],
                input=envelope.heartbeat.encode(errors="replace"),
                capture_output=True,
                timeout=_PATIENCE,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return False
    return done.returncode == 0
