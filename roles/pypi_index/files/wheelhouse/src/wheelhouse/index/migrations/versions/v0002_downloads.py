"""How often files were downloaded. It only adds tables: earlier programs can read and change all others."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "downloads",
        sa.Column("place", NAME, nullable=False),
        sa.Column("file", NAME, nullable=False),
        sa.Column("day", NAME, nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("place", "file", "day", name=op.f("downloads_key")),
        sqlite_with_rowid=False,
    )
    op.create_index("downloads_by_day", "downloads", ["day"], unique=False)
    op.create_table(
        "counted_logs",
        sa.Column("name", NAME, nullable=False),
        sa.Column("at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("counted_logs_key")),
    )
