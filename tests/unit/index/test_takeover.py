"""A shelf that version 1.0 made, as data: what the first start of this program makes of it.

It has uploads, files that were copied in, yanks, removals, refusals and a file that went missing; two weeks of intake
with the first one put back; an own conda channel and one from upstream; and a journal whose last lines are no good.
"""

import contextlib
import gzip
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from conda_package_streaming.package_streaming import zstd
from wheelhouse import cli
from wheelhouse.index import denied_releases, queries
from wheelhouse.index.opening import open_index
from wheelhouse.index.transaction import Index
from wheelhouse.store_settings import ObjectStore

from . import killed_run, postgresql, seaweed
from .kills import at_every_step, at_random_moments
from .samples import Client, Wheel
from .second_gateway import Second
from .served import content

SHELF = Path(__file__).parent / "data/shelf-1.0.tar.xz"
SERVED = ("simple", "packages", "conda", "reports")


@pytest.fixture
def old(root: Path) -> Path:
    unpack(root)
    return root


def unpack(root: Path) -> None:
    shutil.rmtree(root, ignore_errors=True)
    subprocess.run(["tar", "-xf", SHELF, "-C", root.parent], check=True)


def served(root: Path, had: Iterable[str] = ()) -> dict[str, tuple[bytes, int, int]]:
    """All that a gateway gets at: contents, unpacked where they are packed, with mode and time.

    Pages in JSON are of a newer version today, and so are written again. Files that it `had` are asked for.
    """
    for name in had:
        content(root, name)
    found = {
        str(path.relative_to(root)): (unpacked(path), path.stat().st_mode, path.stat().st_mtime_ns)
        for top in SERVED
        for path in sorted((root / top).rglob("*"))
        if path.is_file()
    }
    for name, (text, mode, _) in found.items():
        if name.startswith("simple/") and ".json" in name:
            found[name] = text.replace(b'"api-version": "1.1"', b'"api-version": "1.4"'), mode, 0
    return found


def unpacked(path: Path) -> bytes:
    if path.suffix == ".gz" and not path.name.endswith(".tar.gz"):
        return gzip.decompress(path.read_bytes())
    return zstd.ZstdDecompressor().decompress(path.read_bytes()) if path.suffix == ".zst" else path.read_bytes()


def journal_of(root: Path) -> list[dict[str, Any]]:
    """What an old journal says, but for lines that are cut off or were written by hand and make no sense."""
    return [
        event
        for line in (root / "journal.jsonl").read_bytes().splitlines(keepends=True)
        if line.endswith(b"\n") and (event := json.loads(line))["time"] != "soon"
    ]


def told(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    capsys.readouterr()
    assert cli.main(["journal", "--json"]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.mark.usefixtures("environment")
def test_everything_is_as_it_was(
    old: Path, store_settings: ObjectStore | None, capsys: pytest.CaptureFixture[str]
) -> None:
    before, events = served(old), journal_of(old)
    assert len(events) > 50 and len(before) > 90
    assert cli.main(["verify"]) == 1
    assert "acme_missing-1.0" in capsys.readouterr().err, "which version 1.0 knew as well"
    after = served(old, had=before)
    assert {name: one[:2] for name, one in after.items() if name in before} == {n: o[:2] for n, o in before.items()}
    if not store_settings:  # a copy that was fetched has the time of its publication
        # Metadata that are the same are one file now, and that has one time.
        assert [name for name in before if after[name] != before[name] and not name.endswith(".metadata")] == []
    assert told(capsys)[:-1] == events
    assert not (old / "journal.jsonl").exists() and (old / "journal.jsonl.imported").exists()


@seaweed.ON_A_DISK
@pytest.mark.usefixtures("environment")
def test_no_byte_of_a_package_is_copied(old: Path) -> None:
    before = {path: path.stat().st_ino for path in (old / "packages").glob("*/*") if path.suffix != ".metadata"}
    before |= {path: path.stat().st_ino for path in (old / "conda").glob("*/*/*") if path.suffix in (".conda", ".bz2")}
    open_index(old)
    assert len(before) > 15
    for path, inode in before.items():
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        assert path.stat().st_ino == inode == (old / "blobs" / digest[:2] / digest).stat().st_ino


def test_what_the_intake_knew(old: Path) -> None:
    intake = old / "intake"
    lock, sets = (intake / "lock.toml").read_text(), sorted((intake / "sets").glob("*.toml"))
    texts = {path.stem: path.read_text() for path in sets}
    rollback = json.loads((intake / "rollback.json").read_text())
    packages = json.loads((intake / "channels/conda-forge.json").read_text())
    cached = (old / "cached-names/requests").read_text().split()
    counts = json.loads((old / "locks/refusals.json").read_text())
    index = open_index(old)
    with index.database.read() as connection:
        assert queries.intake_lock(connection) == lock
        assert {name: queries.set_text(connection, name) for name in queries.sets(connection)} == texts
        assert len(texts) == 2
        assert queries.rollback(connection).__dict__ == rollback
        assert queries.served(connection, "requests") == {cached[1]: cached[0]}
        known = queries.packages(connection, "conda-forge")
        assert {one.name: one.record for one in known.values()} == {n: one["record"] for n, one in packages.items()}
        assert {one.name: one.withheld for one in known.values()} == {n: o.get("withheld") for n, o in packages.items()}
        assert {one.withheld for one in known.values()} == {None, "withdrawn: the set of 20260301T093001Z was put back"}
        assert all(one.upstream for one in known.values())
        own = queries.packages(connection, "internal")
        assert sorted(one.file for one in own.values() if not one.upstream and one.is_listed) == [
            "acme-base-1.0-0.tar.bz2",
            "acme-hello-1.0-0.conda",
            "acme-lib-1.0-0.conda",
        ]
        assert queries.own_projects(connection) == {"acme-copied", "acme-missing", "acme-other", "acme-tools"}
        assert queries.own_packages(connection) == {"acme-base", "acme-hello", "acme-lib"}
    ((project, versions),) = denied_releases.load(index.database).items()
    assert (project, versions["1.0"].sentence, versions["1.0"].about) == ("evil", "it has a known hole.", ("PYSEC-1",))
    with index.database.read() as connection:
        rows = connection.exec_driver_sql("SELECT who, hour, count FROM refusal_counts").all()
    assert [(row.who, [row.hour, row[2]]) for row in rows] == list(counts.items()) and counts["ada"][1] > 20


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize("fate", ["there", "yanked", "removed", "all of it removed", "gone missing"])
def test_a_name_that_was_published_never_comes_back_with_other_bytes(old: Path, fate: str) -> None:
    names = {
        "there": ("acme_tools", "1.0"),
        "yanked": ("acme_tools", "1.9"),
        "removed": ("acme_tools", "2.0rc1"),
        "all of it removed": ("acme_gone", "1.0"),
        "gone missing": ("acme_missing", "1.0"),
    }
    name, version = names[fate]
    other = Wheel(name, version, members={f"{name}/evil.py": b""})
    answer = client_of().upload(other.filename, other.build())
    assert answer.status == 409 and "never replaced" in answer.text
    again = Wheel(name, version)
    answer = client_of().upload(again.filename, again.build())
    assert answer.status == (409 if fate == "there" else 200), "that one had a summary"


def client_of() -> Client:
    from wheelhouse.web.app import application  # noqa: PLC0415  on the shelf that is there now

    return Client(application())


@pytest.mark.usefixtures("environment")
def test_it_is_done_once(old: Path) -> None:
    open_index(old)
    before = served(old)
    (old / "journal.jsonl").write_text('{"event": "remove"}\n')  # whatever somebody may put there
    index = open_index(old)
    assert (index.render_all(), served(old)) == (0, before)
    assert index.sweep(everything=True) == 0


def empty(database: postgresql.Settings | None, second: Second | None) -> None:
    with second.away() if second else contextlib.nullcontext():
        postgresql.empty(database)


def test_a_kill_at_any_moment_is_mended_by_the_next_start(
    old: Path, database: postgresql.Settings | None, second: Second | None
) -> None:
    expected = {name: one[0] for name, one in served(old).items()}
    events = journal_of(old)

    def is_repaired(step: int) -> bool:
        unpack(old)
        empty(database, second)
        killed = killed_run.forked(step, partial(open_index, old))
        index = open_index(old)
        assert {name: one[0] for name, one in served(old, had=expected).items()} == expected, step
        assert len(all_events(index)) == len(events), step
        assert not (old / "journal.jsonl").exists(), step
        index.database.close()
        return killed

    at_random_moments(is_repaired, 200, 60)


@pytest.mark.long
def test_a_kill_at_every_moment_is(old: Path, database: postgresql.Settings | None, second: Second | None) -> None:
    expected = {name: one[0] for name, one in served(old).items()}

    def is_repaired(step: int) -> bool:
        unpack(old)
        empty(database, second)
        killed = killed_run.forked(step, partial(open_index, old))
        open_index(old).database.close()
        assert {name: one[0] for name, one in served(old, had=expected).items()} == expected, step
        return killed

    at_every_step(is_repaired, 60)


def test_uploads_that_were_killed(old: Path) -> None:
    """One behind its event has its file in sight afterwards, one before it leaves nothing."""
    published = old / "packages/acme-tools/acme_tools-1.9-py3-none-any.whl"
    staged = published.with_name(f".{published.name}.staged")
    content = published.read_bytes()
    published.rename(staged)
    nobody = old / "packages/acme-tools/.acme_tools-7.0-py3-none-any.whl.staged"
    nobody.write_bytes(b"x")
    open_index(old)
    assert published.read_bytes() == content
    assert not staged.exists() and not nobody.exists()


def test_an_empty_shelf_has_nothing_to_be_taken_over(root: Path) -> None:
    index = open_index(root)
    assert all_events(index) == []
    index.render_dirty()
    assert json.loads((root / "simple/index.json").read_text())["projects"] == []


def all_events(index: Index) -> list[object]:
    with index.database.read() as connection:
        return list(connection.exec_driver_sql("SELECT id FROM events"))


BAD: dict[str, list[object]] = {
    "time": ["yesterday", "", 7, None, [], "2026-13-01T00:00:00Z", "0001-01-01T00:00:00+23:59"],
    "who": [7, None, {}],
    "file": [7, [], {}, "no distribution", "../acme_tools-3.0.tar.gz", "acme_tools-1..0.tar.gz"],
    "project": [7, [], "acme-other"],
    "channel": [7],
    "version": [1.0],
    "sha256": [7, ["x"], "xyz", None],
    "size": ["7", [], 1.5],
    "findings": [7],
    "reason": [7],
    "requires_python": [3],
    "uploaded": ["yesterday", 7],
}


def bad_lines(journal: str) -> list[str]:
    """Lines of which each has one thing wrong."""
    line = next(json.loads(line) for line in journal.splitlines() if '"acme_tools-1.9' in line)
    return [
        json.dumps({**line, "file": "acme_tools-7.0.tar.gz", field: value})
        for field, values in BAD.items()
        for value in values
    ]


@pytest.mark.usefixtures("environment")
def test_a_line_that_is_not_right_costs_itself(old: Path) -> None:
    """Not the takeover, nor `reindex`, nor `verify`; what the lines around it say stays so."""
    pages = {name: one[0] for name, one in served(old).items() if name.startswith("simple/")}
    whole, _, torn = (old / "journal.jsonl").read_text().rpartition("\n")
    bad = "\n".join(bad_lines(whole))
    (old / "journal.jsonl").write_text(f"{bad}\n{whole}\n{bad}\n{torn}")
    assert cli.main(["reindex"]) == 1
    assert cli.main(["verify"]) == 1
    assert {name: one[0] for name, one in served(old).items() if name.startswith("simple/")} == pages


@pytest.mark.parametrize("torn", ['{"event": "publ', '{"event": "publish", "who": "ada"}', "7", '"x"', "{}", "\0\0\0"])
def test_a_torn_line_is_skipped(old: Path, torn: str) -> None:
    events = journal_of(old)
    lines = (old / "journal.jsonl").read_text().splitlines(keepends=True)
    (old / "journal.jsonl").write_text("".join([*lines[:10], f"{torn}\n", *lines[10:-1], torn]))
    assert len(all_events(open_index(old))) == len(events)


@pytest.mark.parametrize("name", ["lock.toml", "rollback.json", "refused.json", "channels/conda-forge.json"])
@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"a": 7}', b"\xff"])
def test_a_record_that_cannot_be_read_ends_nothing(old: Path, name: str, content: bytes) -> None:
    (old / "intake" / name).write_bytes(content)
    index = open_index(old)
    assert index.render_dirty() == 0 and (old / "simple/alpha/index.json").exists()
    index.database.close()


def test_only_the_group_reads_the_state(
    old: Path, database: postgresql.Settings | None, store_settings: ObjectStore | None
) -> None:
    before = os.umask(0)
    try:
        index = open_index(old)
        index.note()
    finally:
        os.umask(before)
    if not database:
        assert oct((old / "state").stat().st_mode) == "0o40750"
        assert {oct(path.stat().st_mode & 0o7777) for path in (old / "state").glob("index.sqlite*")} == {"0o640"}
    if not store_settings:
        assert oct((old / "blobs").stat().st_mode) == "0o40750"
