"""The steps from one form of the tables to the next, and taking them: Alembic's, from the first release on."""

from pathlib import Path

from sqlalchemy import Connection, inspect, text

HEAD = "0003"
"""The revision that this program works with; the newest of `versions`."""


def is_current(connection: Connection) -> bool:
    """Whether the tables are those that this program works with. Costs one question, and does not load Alembic."""
    if not inspect(connection).has_table("alembic_version"):
        return False
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == HEAD


def upgrade(connection: Connection) -> None:
    """Take the steps that are missing, in the transaction of `connection`. The caller keeps others away."""
    from alembic import command  # noqa: PLC0415  half a second, and needed once for each release
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
