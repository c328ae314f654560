"""Tokens of machines. It only adds a column: earlier programs can read and change all tables."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("tokens", sa.Column("machine", sa.Text(), nullable=True))
