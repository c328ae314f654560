"""Attestations of files, statuses of projects. It only adds: earlier programs can read and change all tables."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column("files", sa.Column("provenance", sa.Text(), nullable=True))
    op.create_table(
        "provenance",
        sa.Column("project", NAME, nullable=False),
        sa.Column("file", NAME, nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("project", "file", name=op.f("provenance_key")),
    )
    op.create_table(
        "project_statuses",
        sa.Column("project", NAME, nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("project", name=op.f("project_statuses_key")),
    )
