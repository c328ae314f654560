"""Sets that were on offer once, and which of them is put back.

    intake/sets/<when>.toml    the lock of each run that changed it, the newest few
    intake/rollback.json       there while an earlier set is in force

A set that was put back stays until somebody says otherwise: whatever made them do it may still be upstream, and the
next run would only bring it in again. Files that have been published since, and are not in the set, are withdrawn
meanwhile: installers pass over them. They stay where they are, for those who have them in a lock of their own.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from wheelhouse.index.events import now
from wheelhouse.index.transaction import NotThere
from wheelhouse.intake import lock
from wheelhouse.intake.lock import Lock
from wheelhouse.store.local import Shelf

KEPT = 30
"""Locks; more than half a year of weekly runs."""
REASON = "withdrawn: the set of {} was put back"
_PREFIX = REASON.partition("{")[0]


@dataclass(frozen=True)
class Rollback:
    """The set that is in force."""

    to: str
    """Its name: when it was complete, `20260307T093000Z`."""
    since: str
    """When it was put back, like `Event.time`."""
    by: str

    @property
    def reason(self) -> str:
        """Why files are withdrawn."""
        return REASON.format(self.to)

    @property
    def sentence(self) -> str:
        """For whoever wonders why nothing moves."""
        return (
            f"The set of {self.to} was put back by {self.by} on {self.since[:10]} and stays;"
            " `wheelhouse-intake --roll-forward` ends that."
        )

    def is_later(self, published: datetime) -> bool:
        """Whether something was published after the set was complete."""
        return published.astimezone(UTC) > datetime.strptime(self.to, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)


def is_ours(reason: object) -> bool:
    """Whether a file was withdrawn for a rollback, and not for what it is."""
    return isinstance(reason, str) and reason.startswith(_PREFIX)


def sets(shelf: Shelf) -> list[str]:
    """Names of the sets that are kept, oldest first."""
    return sorted(path.stem for path in (shelf.intake / "sets").glob("*.toml"))


def keep(shelf: Shelf, current: Lock) -> None:
    """Keep a lock, unless it is the one that was kept last."""
    names = sets(shelf)
    text = current.text()
    if names and _path(shelf, names[-1]).read_text(encoding="utf-8") == text:
        return
    # The second after, so that everything the run published is older.
    at = datetime.fromtimestamp(int(datetime.fromisoformat(now()).timestamp()) + 1, UTC)
    shelf.write_record(_path(shelf, f"{at:%Y%m%dT%H%M%SZ}"), text.encode())
    for name in sets(shelf)[:-KEPT]:
        _path(shelf, name).unlink()


def in_force(shelf: Shelf) -> Rollback | None:
    """The set that was put back, if any."""
    try:
        raw: Mapping[str, Any] = json.loads((shelf.intake / "rollback.json").read_bytes())
        return Rollback(**raw)
    except FileNotFoundError:
        return None


def put_back(shelf: Shelf, wanted: str, who: str) -> Rollback:
    """Note that an earlier set is in force: the newest whose name is, or begins before or with, `wanted`.

    Raises `NotThere`.
    """
    names = sets(shelf)
    text = wanted.replace("-", "").replace(":", "").upper()
    chosen = [name for name in names if name <= text or name.startswith(text)] if text[:8].isdigit() else []
    if not chosen:
        known = f"there are {', '.join(names)}" if names else "none has been kept yet"
        raise NotThere(f"There is no set of {wanted!r} or before; {known}.")
    rollback = Rollback(chosen[-1], now(), who)
    shelf.write_record(shelf.intake / "rollback.json", (json.dumps(asdict(rollback)) + "\n").encode())
    return rollback


def lift(shelf: Shelf) -> None:
    """Forget it; the next run brings back what was withdrawn."""
    (shelf.intake / "rollback.json").unlink(missing_ok=True)


def read(shelf: Shelf, rollback: Rollback) -> Lock:
    """The lock of the set in force; raises `NotThere`."""
    path = _path(shelf, rollback.to)
    if not path.is_file():
        raise NotThere(f"The set of {rollback.to} is not kept any more; `wheelhouse-intake --roll-forward` ends that.")
    return lock.read(path)


def _path(shelf: Shelf, name: str) -> Path:
    return shelf.intake / "sets" / f"{name}.toml"
