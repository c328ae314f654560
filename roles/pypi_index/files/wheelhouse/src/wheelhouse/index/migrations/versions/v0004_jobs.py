"""Jobs of CI systems that publish. It only adds: earlier programs can read and change all tables."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column("events", sa.Column("job", sa.Text(), nullable=True))
    op.add_column("tokens", sa.Column("job", sa.Text(), nullable=True))
    op.add_column("tokens", sa.Column("publishers", sa.Text(), nullable=True))
    op.create_table(
        "used_identities",
        sa.Column("sha256", NAME, nullable=False),
        sa.Column("until", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name=op.f("used_identities_key")),
    )
    op.create_index(op.f("used_identities_by_until"), "used_identities", ["until"], unique=False)
