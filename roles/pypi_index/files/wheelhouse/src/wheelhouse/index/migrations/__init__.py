"""The steps from one form of the tables to the next, and taking them: Alembic's, from the first release on.

Two versions of the program work on one shelf while one replaces the other, and an administrator may go back to an
earlier one. So a program also works on newer tables, where those who made them say that it can.
"""

from pathlib import Path

from sqlalchemy import Connection, inspect, select, text

from wheelhouse.errors import TooNew
from wheelhouse.index import tables
from wheelhouse.index.database import upsert

HEAD = "0008"
"""The revision that this program works with; the newest of `versions`. They are compared as text."""

OLDEST_READER = "0001"
"""The earliest revision whose program can read and change the tables of `HEAD`.

A step that only adds what earlier programs do without leaves it as it is. One after which they would fail, or would
leave something wrong behind, sets it to its own revision: then people wait while the program is replaced, and there is
no way back but a backup.
"""

_OLDEST_READER = "oldest reader"
"""Where the tables themselves say it, for programs that are older than they are."""


def revision(connection: Connection) -> str | None:
    """The revision of the tables; None for a database without."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def is_current(connection: Connection) -> bool:
    """Whether the tables are those that this program works with, or newer ones that it can read as well.

    Costs one question, and does not load Alembic. Raises `TooNew` for tables that it cannot read.
    """
    found = revision(connection)
    if found is not None and found > HEAD:
        oldest = connection.execute(select(tables.meta.c.value).where(tables.meta.c.key == _OLDEST_READER)).scalar()
        if oldest is None or oldest > HEAD:
            raise TooNew(
                f"A later version of the program has changed the tables of the index to {found}, which this one, made"
                f" for {HEAD}, cannot read: use the later version, or restore a backup from before."
            )
        return True
    return found == HEAD


def is_readable_from(earlier: str) -> bool:
    """Whether the program that made tables of this revision can work on those of `HEAD`."""
    return earlier >= OLDEST_READER


def upgrade(connection: Connection) -> None:
    """Take the steps that are missing, in the transaction of `connection`. The caller keeps others away."""
    from alembic import command  # noqa: PLC0415  half a second, and needed once for each release
    from alembic.config import Config  # noqa: PLC0415

    if is_current(connection):
        return
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    upsert(connection, tables.meta, [{"key": _OLDEST_READER, "value": OLDEST_READER}])
