"""The tables: what the steps of Alembic make is what the program works with."""

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from wheelhouse.index import migrations, simple_pages
from wheelhouse.index.opening import open_index
from wheelhouse.index.tables import metadata
from wheelhouse.index.transaction import Index

from .durable_changes import publish
from .samples import Wheel

SEARCH = "projects_search"
"""What searches, which each kind of database has in its own way."""


def test_the_steps_lead_to_the_tables(index: Index) -> None:
    def is_ours(_: object, name: str | None, kind: str, *__: object) -> bool:
        return not (kind in ("table", "index") and (name or "").startswith((SEARCH, "projects_by_text")))

    with index.database.read() as connection:
        context = MigrationContext.configure(connection, opts={"include_object": is_ours, "compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_the_newest_step_is_the_one_that_is_looked_for() -> None:
    scripts = ScriptDirectory(str(migrations.Path(migrations.__file__).parent))
    assert scripts.get_heads() == [migrations.HEAD]


def test_it_is_a_database_of_the_kind_that_was_asked_for(index: Index, database: str | None) -> None:
    assert index.database.is_sqlite is (database is None)


def test_pages_that_are_made_in_another_way_are_made_anew(
    index: Index, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(index, Wheel())
    page = root / "simple/acme-tools/index.json"
    before = page.read_bytes()
    pieces = simple_pages.pieces
    monkeypatch.setattr(simple_pages, "MADE_BY", "another version")
    monkeypatch.setattr(simple_pages, "pieces", lambda file: (pieces(file)[0], pieces(file)[1].replace("{", "{ ", 1)))
    later = open_index(root)
    assert later.render_dirty() > 0
    assert page.read_bytes() == before.replace(b'[{"filename"', b'[{ "filename"')
    assert open_index(root).render_dirty() == 0
