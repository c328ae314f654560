"""The first form of the tables, and what searches them."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "conda_channels",
        sa.Column("channel", NAME, nullable=False),
        sa.Column("subdir", NAME, nullable=False),
        sa.PrimaryKeyConstraint("channel", "subdir", name=op.f("conda_channels_key")),
    )
    op.create_table(
        "conda_packages",
        sa.Column("channel", NAME, nullable=False),
        sa.Column("subdir", NAME, nullable=False),
        sa.Column("file", NAME, nullable=False),
        sa.Column("version", sa.Text(), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=True),
        sa.Column("at", sa.Text(), nullable=False),
        sa.Column("uploaded", sa.Text(), nullable=True),
        sa.Column("record", sa.Text(), nullable=True),
        sa.Column("upstream", sa.Boolean(), nullable=False),
        sa.Column("withheld", sa.Text(), nullable=True),
        sa.Column("inside", sa.Text(), nullable=True),
        sa.Column("scripts", sa.Text(), nullable=True),
        sa.Column("removed", sa.Text(), nullable=True),
        sa.Column("missing", sa.Boolean(), nullable=False),
        sa.Column("event", NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("channel", "subdir", "file", name=op.f("conda_packages_key")),
        sqlite_with_rowid=False,
    )
    op.create_index("conda_packages_by_bytes", "conda_packages", ["sha256"], unique=False)
    op.create_table(
        "denied_releases",
        sa.Column("project", NAME, nullable=False),
        sa.Column("version", NAME, nullable=False),
        sa.Column("sentence", sa.Text(), nullable=False),
        sa.Column("about", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("project", "version", name=op.f("denied_releases_key")),
    )
    op.create_table(
        "dirty",
        sa.Column("place", NAME, nullable=False),
        sa.Column("mark", NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("place", name=op.f("dirty_key")),
    )
    op.create_table(
        "events",
        sa.Column("id", NUMBER, autoincrement=True, nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("time", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=True),
        sa.Column("project", sa.Text(), nullable=True),
        sa.Column("channel", sa.Text(), nullable=True),
        sa.Column("version", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("summary", sa.Text(), nullable=True),
        sa.Column("file", sa.Text(), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("sha256", sa.Text(), nullable=True),
        sa.Column("metadata_sha256", sa.Text(), nullable=True),
        sa.Column("requires_python", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("findings", sa.Text(), nullable=True),
        sa.Column("uploaded", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("events_key")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "intake_lock",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("lock", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("intake_lock_key")),
    )
    op.create_table(
        "intake_rollback",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("to", sa.Text(), nullable=False),
        sa.Column("since", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("intake_rollback_key")),
    )
    op.create_table(
        "intake_sets",
        sa.Column("name", NAME, nullable=False),
        sa.Column("lock", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("intake_sets_key")),
    )
    op.create_table(
        "meta",
        sa.Column("key", NAME, nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("meta_key")),
    )
    op.create_table(
        "projects",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("name", NAME, nullable=False),
        sa.Column("files", sa.Integer(), nullable=False),
        sa.Column("listed", sa.Integer(), nullable=False),
        sa.Column("own", sa.Integer(), nullable=False),
        sa.Column("title", sa.Text(), nullable=True),
        sa.Column("summary", sa.Text(), nullable=True),
        sa.Column("version", sa.Text(), nullable=True),
        sa.Column("is_prerelease", sa.Boolean(), nullable=False),
        sa.Column("installable", sa.Boolean(), nullable=False),
        sa.Column("who", sa.Text(), nullable=True),
        sa.Column("at", sa.Text(), nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("projects_key")),
        sa.UniqueConstraint("name", name=op.f("projects_unique_name")),
    )
    op.create_index("projects_with_files", "projects", ["files"], unique=False)
    op.create_index("projects_with_pages", "projects", ["listed", "name"], unique=False)
    op.create_table(
        "quarantined",
        sa.Column("id", NUMBER, autoincrement=True, nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("quarantined_key")),
    )
    op.create_index(op.f("quarantined_by_sha256"), "quarantined", ["sha256"], unique=False)
    op.create_table(
        "refusal_counts",
        sa.Column("who", NAME, nullable=False),
        sa.Column("hour", sa.Integer(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("who", name=op.f("refusal_counts_key")),
    )
    op.create_table(
        "served_files",
        sa.Column("project", NAME, nullable=False),
        sa.Column("file", NAME, nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("project", "file", name=op.f("served_files_key")),
    )
    op.create_table(
        "files",
        sa.Column("project", NAME, nullable=False),
        sa.Column("file", NAME, nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("version_key", sa.LargeBinary(), nullable=False),
        sa.Column("preference", sa.LargeBinary(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("metadata_sha256", sa.Text(), nullable=True),
        sa.Column("requires_python", sa.Text(), nullable=True),
        sa.Column("title", sa.Text(), nullable=True),
        sa.Column("summary", sa.Text(), nullable=True),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=True),
        sa.Column("at", sa.Text(), nullable=False),
        sa.Column("uploaded", sa.Text(), nullable=True),
        sa.Column("findings", sa.Text(), nullable=True),
        sa.Column("yanked", sa.Text(), nullable=True),
        sa.Column("removed", sa.Text(), nullable=True),
        sa.Column("missing", sa.Boolean(), nullable=False),
        sa.Column("event", NUMBER, nullable=False),
        sa.Column("html", sa.Text(), nullable=True),
        sa.Column("json", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["project"], ["projects.name"], name=op.f("files_of_projects")),
        sa.PrimaryKeyConstraint("project", "file", name=op.f("files_key")),
        sqlite_with_rowid=False,
    )
    op.create_index("files_by_bytes", "files", ["sha256"], unique=False)
    op.create_index(
        "files_by_event",
        "files",
        ["event"],
        unique=False,
        sqlite_where=sa.text("removed IS NULL"),
        postgresql_where=sa.text("removed IS NULL"),
    )
    op.create_index("files_by_metadata", "files", ["metadata_sha256"], unique=False)
    op.create_index(
        "files_by_preference",
        "files",
        ["project", "preference"],
        unique=False,
        sqlite_where=sa.text("removed IS NULL"),
        postgresql_where=sa.text("removed IS NULL"),
    )
    op.create_index("files_of_version", "files", ["project", "version_key"], unique=False)
    if op.get_bind().dialect.name == "sqlite":
        for statement in _SQLITE_SEARCH:
            op.execute(statement)
    else:
        _search_in_postgresql()


# Texts that many projects have are looked for in all texts, one after the other.
# What contains a text is found by its groups of three characters. Text that is folded already is compared as it is.
_SQLITE_SEARCH = (
    "CREATE INDEX projects_by_text ON projects (text)",
    """
    CREATE VIRTUAL TABLE projects_search USING fts5(
        text, content='projects', content_rowid='id', columnsize=0, tokenize='trigram case_sensitive 1'
    )
    """,
    """
    CREATE TRIGGER projects_search_insert AFTER INSERT ON projects BEGIN
        INSERT INTO projects_search (rowid, text) VALUES (new.id, new.text);
    END
    """,
    """
    CREATE TRIGGER projects_search_update AFTER UPDATE OF text ON projects WHEN old.text IS NOT new.text BEGIN
        INSERT INTO projects_search (projects_search, rowid, text) VALUES ('delete', old.id, old.text);
        INSERT INTO projects_search (rowid, text) VALUES (new.id, new.text);
    END
    """,
)


def _search_in_postgresql() -> None:
    """An index of groups of three characters, where the extension for it is or may be made; slower without it."""
    connection = op.get_bind()
    available = connection.execute(
        sa.text("SELECT count(*) FROM pg_available_extensions WHERE name = 'pg_trgm'")
    ).scalar()
    may = connection.execute(sa.text("SELECT has_database_privilege(current_database(), 'CREATE')")).scalar()
    if available and may:
        op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
        op.execute("CREATE INDEX projects_search ON projects USING gin (text gin_trgm_ops)")
