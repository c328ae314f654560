"""The tables: what the steps of Alembic make is what the program works with."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text
from wheelhouse.errors import Busy, TooNew
from wheelhouse.index import migrations, simple_pages
from wheelhouse.index.opening import finish_pieces, open_index
from wheelhouse.index.tables import metadata
from wheelhouse.index.transaction import Index

from .durable_changes import publish
from .samples import Wheel

ASIDE = ("projects_search", "projects_by_text", "dirty_by_place")
"""What searches, which each kind of database has in its own way, and what earlier programs rely on in a SQLite."""


def test_the_steps_lead_to_the_tables(index: Index) -> None:
    def is_ours(_: object, name: str | None, kind: str, *__: object) -> bool:
        return not (kind in ("table", "index") and (name or "").startswith(ASIDE))

    with index.database.read() as connection:
        context = MigrationContext.configure(connection, opts={"include_object": is_ours, "compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_the_newest_step_is_the_one_that_is_looked_for() -> None:
    scripts = ScriptDirectory(str(migrations.Path(migrations.__file__).parent))
    assert scripts.get_heads() == [migrations.HEAD]


def test_it_is_a_database_of_the_kind_that_was_asked_for(index: Index, database: object) -> None:
    assert index.database.is_sqlite is (database is None)


def test_pages_that_are_made_in_another_way_are_made_anew(
    index: Index, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(index, Wheel())
    page = root / "simple/acme-tools/index.json"
    before = page.read_bytes()
    pieces = simple_pages.pieces
    monkeypatch.setattr(simple_pages, "MADE_BY", "another version")
    monkeypatch.setattr(
        simple_pages, "pieces", lambda file, *_: (pieces(file)[0], pieces(file)[1].replace("{", "{ ", 1))
    )
    later = open_index(root)
    assert later.render_dirty() > 0
    assert page.read_bytes() == before.replace(b'[{"filename"', b'[{ "filename"')
    assert open_index(root).render_dirty() == 0


@contextlib.contextmanager
def later_tables(index: Index, oldest_reader: str | None) -> Iterator[None]:
    """The tables are those of a later version for the block."""

    def set_version(version: str, reader: str | None) -> None:
        with index.database.change_alone() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = :it"), {"it": version})
            connection.execute(text("DELETE FROM meta WHERE key = 'oldest reader'"))
            if reader:
                connection.execute(text("INSERT INTO meta VALUES ('oldest reader', :it)"), {"it": reader})

    set_version("9999", oldest_reader)
    yield
    set_version(migrations.HEAD, migrations.OLDEST_READER)


def test_revisions_can_be_compared() -> None:
    scripts = ScriptDirectory(str(migrations.Path(migrations.__file__).parent))
    inorder = [script.revision for script in scripts.walk_revisions()][::-1]
    assert inorder == sorted(inorder)
    assert migrations.OLDEST_READER in inorder


def test_tables_of_a_later_version_that_this_one_can_read(index: Index, root: Path) -> None:
    with later_tables(index, migrations.HEAD):
        later = open_index(root)
        publish(later, Wheel())
        with later.database.read() as connection:
            assert migrations.revision(connection) == "9999"


@pytest.mark.parametrize("oldest_reader", ["9998", None], ids=["they say so", "they say nothing"])
def test_tables_of_a_later_version_that_it_cannot(index: Index, root: Path, oldest_reader: str | None) -> None:
    said = f"to 9999, which this one, made for {migrations.HEAD}, cannot read: use the later"
    with later_tables(index, oldest_reader), pytest.raises(TooNew, match=said):
        open_index(root)


def test_the_tables_say_who_can_read_them(index: Index) -> None:
    with index.database.read() as connection:
        said = connection.execute(text("SELECT value FROM meta WHERE key = 'oldest reader'")).scalar()
    assert said == migrations.OLDEST_READER


def test_a_program_at_work_is_not_left_with_tables_that_it_cannot_read(
    index: Index, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "HEAD", "9999")
    monkeypatch.setattr(migrations, "OLDEST_READER", "9999")
    with pytest.raises(Busy, match=f"cannot read the tables of this version .9999, and it has {index_head()}"):
        open_index(root, beside=True)


def index_head() -> str:
    scripts = ScriptDirectory(str(migrations.Path(migrations.__file__).parent))
    [head] = scripts.get_heads()
    return str(head)


def test_what_an_earlier_version_published_meanwhile_is_made_in_the_new_way(
    index: Index, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(index, Wheel("acme_early"))
    pieces = simple_pages.pieces
    with monkeypatch.context() as new:
        new.setattr(simple_pages, "MADE_BY", "another version")
        new.setattr(simple_pages, "pieces", lambda file, *_: (pieces(file)[0], pieces(file)[1].replace("{", "{ ", 1)))
        later = open_index(root)
    publish(index, Wheel("acme_late"))
    pages = [root / "simple" / name / "index.json" for name in ("acme-early", "acme-late")]
    with monkeypatch.context() as new:
        new.setattr(simple_pages, "MADE_BY", "another version")
        new.setattr(simple_pages, "pieces", lambda file, *_: (pieces(file)[0], pieces(file)[1].replace("{", "{ ", 1)))
        later.render_dirty()
        assert [b'[{ "filename"' in page.read_bytes() for page in pages] == [True, False]
        finish_pieces(later)
        assert [b'[{ "filename"' in page.read_bytes() for page in pages] == [True, True]
        finish_pieces(later)
        assert later.render_dirty() == 0
