"""The tables: what is published, what happened, and what of it still has to be rendered.

`events` is the audit, only ever appended to; all others are what the events add up to, changed in the same transaction.
Times are texts as in `Event.time`, which sort as they follow each other. Names are compared byte for byte.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
)

metadata = MetaData(
    naming_convention={
        "ix": "%(table_name)s_by_%(column_0_name)s",
        "uq": "%(table_name)s_unique_%(column_0_name)s",
        "fk": "%(table_name)s_of_%(referred_table_name)s",
        "pk": "%(table_name)s_key",
    }
)

MOVED = "The index is being moved to another database: try again in a few minutes."
"""What a database says to a change once the index was moved away from it, see `moving`."""
NAME = Text().with_variant(Text(collation="C"), "postgresql")
"""A text that sorts by its code points, whatever the language of the database."""
NUMBER = BigInteger().with_variant(Integer(), "sqlite")

events = Table(
    "events",
    metadata,
    Column("id", NUMBER, primary_key=True, autoincrement=True),
    *(
        Column(name, Text, nullable=name not in ("event", "who", "time"))
        for name in ("event", "who", "time", "origin", "project", "channel", "version", "name", "summary", "file")
    ),
    Column("size", BigInteger),
    *(Column(name, Text) for name in ("sha256", "metadata_sha256", "requires_python", "reason")),
    Column("findings", Text),  # a JSON list
    Column("uploaded", Text),
    Column("job", Text),  # JSON
    Column("tx", BigInteger),  # its transaction, as a PostgreSQL numbers them; NULL in a SQLite and from an old journal
    sqlite_autoincrement=True,
)
"""The fields of `events.Event`, in the order in which they happened."""

projects = Table(
    "projects",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("name", NAME, nullable=False, unique=True),  # normalised
    Column("files", Integer, nullable=False, default=0),  # how many it has
    Column("listed", Integer, nullable=False, default=0),  # how many of these are on its page
    Column("own", Integer, nullable=False, default=0),  # how many of these did not come by the intake
    Column("title", Text),  # as its author spells it, where that is another way
    Column("summary", Text),
    Column("version", Text),  # of the release that speaks for it
    Column("is_prerelease", Boolean, nullable=False, default=False),
    Column("installable", Boolean, nullable=False, default=False),  # False if all its releases are yanked
    Column("who", Text),
    Column("at", Text),
    Column("text", Text, nullable=False, default=""),  # what is searched: name and summary, folded; "" without files
)
"""Every project of which anything was ever published."""
Index("projects_with_files", projects.c.files)
Index("projects_with_pages", projects.c.listed, projects.c.name)

files = Table(
    "files",
    metadata,
    Column("project", NAME, primary_key=True),
    Column("file", NAME, primary_key=True),
    Column("version", Text, nullable=False),  # normalised
    Column("version_key", LargeBinary, nullable=False),  # sorts as versions do, see `version_keys`
    Column("preference", LargeBinary, nullable=False),  # the greatest is that of the file that speaks for its project
    Column("size", BigInteger, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("metadata_sha256", Text),
    Column("requires_python", Text),
    Column("title", Text),
    Column("summary", Text),
    Column("who", Text, nullable=False),
    Column("origin", Text),
    Column("at", Text, nullable=False),  # when it was published here
    Column("uploaded", Text),  # when it was upstream
    Column("findings", Text),  # a JSON list
    Column("yanked", Text),  # the reason, "" for none; NULL if it is not yanked
    Column("removed", Text),  # the reason; NULL while it is published
    Column("missing", Boolean, nullable=False, default=False),  # its bytes are gone: it is in no page meanwhile
    Column("event", NUMBER, nullable=False),  # that published it
    Column("html", Text),  # what its project's pages say of it, see `simple_pages`; NULL once it is removed
    Column("json", Text),
    Column("provenance", Text),  # the address at which that is served; NULL if there is none
    ForeignKeyConstraint(["project"], ["projects.name"]),
    sqlite_with_rowid=False,
)
"""Every name that was ever published; those that were removed stay, and never come back with other bytes."""
Index("files_of_version", files.c.project, files.c.version_key)
Index(
    "files_by_preference",
    files.c.project,
    files.c.preference,
    sqlite_where=files.c.removed.is_(None),
    postgresql_where=files.c.removed.is_(None),
)
Index(
    "files_by_event",
    files.c.event,
    sqlite_where=files.c.removed.is_(None),
    postgresql_where=files.c.removed.is_(None),
)
Index("files_by_bytes", files.c.sha256)
Index("files_by_metadata", files.c.metadata_sha256)

conda_channels = Table(
    "conda_channels",
    metadata,
    Column("channel", NAME, primary_key=True),
    Column("subdir", NAME, primary_key=True),
)
"""The subdirs of each channel, with packages in them or not."""

conda_packages = Table(
    "conda_packages",
    metadata,
    Column("channel", NAME, primary_key=True),
    Column("subdir", NAME, primary_key=True),
    Column("file", NAME, primary_key=True),
    Column("version", Text),
    Column("size", BigInteger),
    Column("sha256", Text, nullable=False),
    Column("who", Text, nullable=False),
    Column("origin", Text),
    Column("at", Text, nullable=False),
    Column("uploaded", Text),
    Column("record", Text),  # JSON; NULL if nobody knows it (any more), and then it is in no index
    Column("upstream", Boolean, nullable=False, default=False),  # whether it came from another channel
    Column("withheld", Text),  # why it is in no index, though it is there
    Column("inside", Text),  # JSON: [[name, version], ...] of the Python distributions that it installs
    Column("scripts", Text),  # JSON: sentences; NULL if that was not looked at yet
    Column("removed", Text),  # the reason
    Column("missing", Boolean, nullable=False, default=False),
    Column("event", NUMBER, nullable=False),
    sqlite_with_rowid=False,
)
"""Every package that was ever published in a channel."""
Index("conda_packages_by_bytes", conda_packages.c.sha256)

gateways = Table(
    "gateways",
    metadata,
    Column("name", NAME, primary_key=True),
    Column("seen", NUMBER, nullable=False),  # when it last said that it lives, in nanoseconds since 1970
)
"""The hosts that share a PostgreSQL, see `gateways`; none in a SQLite, which has one host."""
dirty = Table(
    "dirty",
    metadata,
    Column("gateway", NAME, primary_key=True, server_default=""),  # "" in a SQLite
    Column("place", NAME, primary_key=True),
    Column("mark", NUMBER, nullable=False),  # another one after each change; when it was, in nanoseconds since 1970
    Column("first", NUMBER, nullable=False, server_default="0"),  # mark of the first change not served; 0 in a SQLite
    Column("origin", NAME, nullable=False, server_default=""),  # the gateway that has changed it
)
"""Places of which a gateway may not serve what their rows say."""
reports = Table(
    "reports",
    metadata,
    Column("name", NAME, primary_key=True),
    Column("content", LargeBinary, nullable=False),
)
"""What lies below `reports`, for the gateways that did not write it; none in a SQLite."""
turns = Table(
    "turns",
    metadata,
    Column("name", NAME, primary_key=True),
    Column("holder", Text, nullable=False),  # another one each time
)
"""Who last had what one gateway has at a time, see `postgresql`."""

intake_sets = Table(
    "intake_sets",
    metadata,
    Column("name", NAME, primary_key=True),  # when it was complete, `20260307T093000Z`
    Column("lock", Text, nullable=False),  # TOML
)
intake_rollback = Table(
    "intake_rollback",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),  # 1
    Column("to", Text, nullable=False),
    Column("since", Text, nullable=False),
    Column("by", Text, nullable=False),
)
intake_lock = Table(
    "intake_lock",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),  # 1
    Column("lock", Text, nullable=False),  # TOML
)
denied_releases = Table(
    "denied_releases",
    metadata,
    Column("project", NAME, primary_key=True),
    Column("version", NAME, primary_key=True),
    Column("sentence", Text, nullable=False),
    Column("about", Text, nullable=False),  # a JSON list
)
"""Releases of public projects that the intake has refused."""
served_files = Table(
    "served_files",
    metadata,
    Column("project", NAME, primary_key=True),
    Column("file", NAME, primary_key=True),
    Column("sha256", Text, nullable=False),
)
"""Which bytes clients were given under the names of public files, metadata among them."""
refusal_counts = Table(
    "refusal_counts",
    metadata,
    Column("who", NAME, primary_key=True),
    Column("hour", Integer, nullable=False),
    Column("count", Integer, nullable=False),
)
quarantined = Table(
    "quarantined",
    metadata,
    Column("id", NUMBER, primary_key=True, autoincrement=True),
    Column("sha256", Text, nullable=False, index=True),
    Column("reason", Text, nullable=False),
)
"""What was kept back, and why: it is written down once."""
downloads = Table(
    "downloads",
    metadata,
    Column("place", NAME, primary_key=True),  # a project, or `channel/subdir`
    Column("file", NAME, primary_key=True),
    Column("day", NAME, primary_key=True),  # UTC, `2026-03-07`; "" for all days that are summed up
    Column("count", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
"""How often each file was fetched. Nobody's name or address is among it."""
Index("downloads_by_day", downloads.c.day)
counted_logs = Table(
    "counted_logs",
    metadata,
    Column("name", NAME, primary_key=True),
    Column("at", Text, nullable=False),
)
"""Logs of the gateway that are in `downloads`: none is counted twice."""
tokens = Table(
    "tokens",
    metadata,
    Column("id", NAME, primary_key=True),
    Column("owner", NAME, nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("sha256", Text, nullable=False),  # of its text
    Column("reads", Boolean, nullable=False),
    Column("publishes", Text, nullable=False),  # a JSON list of patterns
    Column("manages", Boolean, nullable=False),
    Column("created", Text, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("until", Text),
    Column("last_used", Text),  # a day
    Column("revoked", Text),
    Column("revoked_by", Text),
    Column("job", Text),  # JSON: what is known of the CI job that it was made for; NULL for people's
    Column("publishers", Text),  # a JSON list: by which entries of the settings it was made for that job
    Column("machine", Text),  # on which machine it is, in its owner's home; NULL for all others, see `machine_tokens`
)
"""Every token that people ever had, see `tokens`, and those of CI jobs of late, see `ci_tokens`."""
used_identities = Table(
    "used_identities",
    metadata,
    Column("sha256", NAME, primary_key=True),  # of the issuer and its number for the identity
    Column("until", Text, nullable=False, index=True),  # when it would have ended anyway
)
"""Identities of CI jobs that a token was made for: none counts twice."""
provenance = Table(
    "provenance",
    metadata,
    Column("project", NAME, primary_key=True),
    Column("file", NAME, primary_key=True),
    Column("document", Text, nullable=False),  # JSON, see `formats.attestation`
    Column("at", Text, nullable=False),
)
"""The attestations that files were published with."""
project_statuses = Table(
    "project_statuses",
    metadata,
    Column("project", NAME, primary_key=True),
    Column("status", Text, nullable=False),
    Column("reason", Text),
)
"""Projects that are not active, see `project_status`."""
heartbeats = Table(
    "heartbeats",
    metadata,
    Column("host", NAME, primary_key=True),
    Column("key", Text, nullable=False),  # what stands for the key that it was signed with
    Column("sequence", BigInteger, nullable=False),
    Column("number", BigInteger, nullable=False),  # of the release that the host has
    Column("version", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("problems", Text, nullable=False),  # a JSON list
    Column("seen", Text, nullable=False),
    Column("shared", Text),  # when it was seen that another machine reports with this key
)
"""The last one of each enrolled host, see `heartbeats`."""
meta = Table(
    "meta",
    metadata,
    Column("key", NAME, primary_key=True),
    Column("value", Text, nullable=False),
)
"""Whatever is known once: `taken over` is when an older shelf was, `denied` is another text after each change of it."""
