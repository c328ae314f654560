"""Sets that were on offer once, and which of them is put back.

A set is the lock of a run that changed it; the newest few are kept. One that was put back stays until somebody says
otherwise: whatever made them do it may still be upstream, and the next run would only bring it in again. Files that
have been published since, and are not in the set, are withdrawn meanwhile: installers pass over them. They stay where
they are, for those who have them in a lock of their own.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from wheelhouse.errors import NotFound
from wheelhouse.index import events, queries
from wheelhouse.index.transaction import Index
from wheelhouse.intake import lock
from wheelhouse.intake.lock import Lock

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


def is_ours(reason: str | None) -> bool:
    """Whether a file was withdrawn for a rollback, and not for what it is."""
    return reason is not None and reason.startswith(_PREFIX)


def sets(index: Index) -> list[str]:
    """Names of the sets that are kept, oldest first."""
    with index.database.read() as connection:
        return queries.sets(connection)


def keep(index: Index, current: Lock) -> None:
    """Keep a lock, unless it is the one that was kept last."""
    # The second after, so that everything the run published is older.
    at = datetime.fromtimestamp(int(datetime.fromisoformat(events.now()).timestamp()) + 1, UTC)
    index.keep_set(f"{at:%Y%m%dT%H%M%SZ}", current.text(), KEPT)


def in_force(index: Index) -> Rollback | None:
    """The set that was put back, if any."""
    with index.database.read() as connection:
        row = queries.rollback(connection)
    return Rollback(row.to, row.since, row.by) if row else None


def put_back(index: Index, wanted: str, who: str) -> None:
    """Have an earlier set in force: the newest whose name is, or begins before or with, `wanted`.

    Raises `NotFound`.
    """
    names = sets(index)
    text = wanted.replace("-", "").replace(":", "").upper()
    chosen = [name for name in names if name <= text or name.startswith(text)] if text[:8].isdigit() else []
    if not chosen:
        known = f"there are {', '.join(names)}" if names else "none has been kept yet"
        raise NotFound(f"There is no set of {wanted!r} or before; {known}.")
    index.put_back(chosen[-1], who)


def read(index: Index, rollback: Rollback) -> Lock:
    """The lock of the set in force; raises `NotFound`."""
    with index.database.read() as connection:
        text = queries.set_text(connection, rollback.to)
    if text is None:
        raise NotFound(f"The set of {rollback.to} is not kept any more; `wheelhouse-intake --roll-forward` ends that.")
    return lock.parse(text)
