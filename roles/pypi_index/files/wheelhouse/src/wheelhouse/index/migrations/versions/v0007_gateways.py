"""Several gateways. In a SQLite, earlier programs can read and change all tables: there, a place is in `dirty` once."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    # An event takes its number before it is there: who reads one after the other has to know which may still come.
    op.add_column("events", sa.Column("tx", sa.BigInteger(), nullable=True))
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE events ALTER tx SET DEFAULT CAST(CAST(pg_current_xact_id() AS text) AS bigint)")
    op.create_table(
        "gateways",
        sa.Column("name", NAME, nullable=False),
        sa.Column("seen", NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("gateways_key")),
    )
    op.create_table(
        "turns",
        sa.Column("name", NAME, nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("turns_key")),
    )
    op.create_table(
        "reports",
        sa.Column("name", NAME, nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("reports_key")),
    )
    waiting = [dict(row) for row in op.get_bind().execute(sa.text("SELECT place, mark FROM dirty")).mappings()]
    op.drop_table("dirty")
    dirty = op.create_table(
        "dirty",
        sa.Column("gateway", NAME, nullable=False, server_default=""),
        sa.Column("place", NAME, nullable=False),
        sa.Column("mark", NUMBER, nullable=False),
        sa.Column("first", NUMBER, nullable=False, server_default="0"),
        sa.Column("origin", NAME, nullable=False, server_default=""),
        sa.PrimaryKeyConstraint("gateway", "place", name=op.f("dirty_key")),
    )
    op.bulk_insert(dirty, waiting)
    if op.get_bind().dialect.name == "sqlite":
        op.execute("CREATE UNIQUE INDEX dirty_by_place ON dirty (place)")
