"""`reindex` killed between any two of its changes: nothing that was copied in is lost, the next run completes it."""

from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from wheelhouse import cli
from wheelhouse.index import dropbox, reindex

from . import kept, killed_run, seaweed, served
from .conda_samples import CondaPackage
from .everything import Everything
from .journal import journal
from .kills import at_every_step, at_random_moments
from .samples import Client, Wheel, sdist
from .second_gateway import Second

WHEEL = Wheel()
OWN = CondaPackage("acme-own")
LEAST, MANY = 10, 60
"""Changes of a run."""


@pytest.fixture
def shelf(client: Client, no_waiting: None, root: Path) -> Path:
    """A project and a channel with something in them."""
    assert client.upload(WHEEL.filename, WHEEL.build()).status == 200
    assert cli.main(["channel", "internal"]) == 0
    put(root / "drop/conda/internal" / OWN.filename, OWN.build_it())
    assert cli.main(["reindex"]) == 0
    return root


def in_small_batches(*arguments: str) -> None:
    """A run that is killed takes in little at a time."""
    dropbox.BATCH, dropbox.UNRENDERED, reindex.TOGETHER = 3, 3, 4
    killed_run.command(*arguments)


def put(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


NEW = {"acme_tools-2.0.tar.gz": sdist(version="2.0"), "acme_more-1.0.tar.gz": sdist("acme_more")}
PACKAGES = [CondaPackage(f"acme-{letter}", subdir=subdir) for letter in "ab" for subdir in ("noarch", "linux-64")]


def dropped(root: Path) -> None:
    for name, content in NEW.items():
        put(root / "drop" / name, content)


def into_the_served_tree(root: Path) -> None:
    put(root / "packages/acme-tools/acme_tools-2.0.tar.gz", NEW["acme_tools-2.0.tar.gz"])
    put(root / "packages/acme_more-1.0.tar.gz", NEW["acme_more-1.0.tar.gz"])


def for_a_channel(root: Path) -> None:
    for package in PACKAGES:
        put(root / "drop/conda/internal" / package.subdir / package.filename, package.build_it())


def taken_away(root: Path) -> None:
    # where a server keeps the bytes, this host need not have a copy
    (root / "conda/internal/noarch" / OWN.filename).unlink(missing_ok=bool(seaweed.of_this_run()))


def damaged(root: Path) -> None:
    path = root / "packages/acme-tools" / WHEEL.filename
    path.unlink()
    path.with_name(f"{WHEEL.filename}.metadata").unlink()
    put(path, b"evil")
    (next((root / "simple/acme-tools").glob("index.json.gz"))).write_bytes(b"")


MANY_NEW = [Wheel(name, f"3.{release}") for name in ("acme_tools", "acme_more") for release in range(3)]
BAD = Wheel("acme_bad", metadata=b"Metadata-Version: 2.1\nName: other\nVersion: 1.0\n")


def many_dropped(root: Path) -> None:
    """More than are published at once, of several projects, and one among them that is not taken."""
    for wheel in (*MANY_NEW, BAD):
        put(root / "drop" / wheel.filename, wheel.build())


def many_in_their_projects(root: Path) -> None:
    for wheel in (*MANY_NEW, BAD):
        put(root / "packages" / wheel.name.replace("_", "-") / wheel.filename, wheel.build())


CHANGES: dict[str, tuple[Callable[[Path], None], list[str]]] = {
    "dropped": (dropped, ["reindex", "--new"]),
    "into the served tree": (into_the_served_tree, ["reindex", "--new"]),
    "for a channel": (for_a_channel, ["reindex", "--new"]),
    "many dropped": (many_dropped, ["reindex", "--new"]),
    "many in their projects": (many_in_their_projects, ["reindex"]),
    "taken away": (taken_away, ["reindex", "--new"]),
    "damaged": (damaged, ["reindex"]),
}
"""What happened to the shelf, and which run sees to it."""


@pytest.mark.parametrize(
    "kill", [at_random_moments, pytest.param(at_every_step, marks=pytest.mark.long)], ids=["some", "every step"]
)
@pytest.mark.parametrize("change", CHANGES)
def test_the_next_run_completes_it(shelf: Path, second: Second | None, change: str, kill: Callable[..., None]) -> None:
    happen, repair = CHANGES[change]
    happen(shelf)
    before = Everything(shelf, second)
    cli.main(["reindex", "--by", "it"])
    expected = outcome(shelf)

    def is_repaired(step: int) -> bool:
        before.put_back()
        killed = killed_run.forked(step, partial(in_small_batches, *repair, "--by", "it"))
        cli.main([*repair, "--by", "it"])
        assert outcome(shelf) == expected, step
        assert served.disagreements(shelf) == [], step
        assert not [path for path in (shelf / "drop").rglob("*") if path.is_file()], step
        assert cli.main(["verify"]) == 0, step
        return killed

    # where a server keeps the bytes, a copy that was taken away is nothing to mend
    least = (0 if seaweed.of_this_run() else 3) if change == "taken away" else LEAST
    many = 4 * MANY if "many" in change else MANY
    kill(is_repaired, *((least,) if kill is at_every_step else (many, least)))


def outcome(root: Path) -> tuple[set[str], set[str], Counter[tuple[str | None, ...]]]:
    """What is kept and served, and what happened, by whom; not when, and not how often something was put aside."""
    # of what a server keeps, some may be here as well
    tops = ("simple",) if seaweed.of_this_run() else ("simple", "packages", "conda")
    names = {str(path.relative_to(root)) for top in tops for path in (root / top).rglob("*")}
    keys = ("event", "who", "origin", "file", "sha256", "channel", "project")
    happened = Counter(tuple(event.get(key) for key in keys) for event in journal(root, "publish", "remove"))
    happened |= Counter({tuple(event.get(key) for key in keys) for event in journal(root, "quarantine")})
    return kept.names(root), names, happened
