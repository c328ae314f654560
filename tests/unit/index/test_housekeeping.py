"""What housekeeping removes, what it never does, and that asking changes nothing."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from packaging.version import Version
from wheelhouse import cli
from wheelhouse.config import ConfigError, load
from wheelhouse.index import events, queries
from wheelhouse.index.transaction import Index
from wheelhouse.intake.lock import Closure, Lock, Pin

from .durable_changes import publish
from .samples import Wheel

NIGHTLY = [{"projects": "acme-*", "versions": "*.dev*", "keep": 2}]
Configure = Callable[..., None]


@pytest.fixture(autouse=True)
def _environment(environment: None) -> None:
    """What the program finds the shelf by."""


def releases(index: Index, project: str = "acme-tools") -> list[str]:
    with index.database.read() as connection:
        found = {file.version for file in queries.files(connection, project).values()}
    return sorted(found, key=Version)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict:
    assert cli.main(["housekeeping", "--json", *arguments]) == 0
    found: dict = json.loads(capsys.readouterr().out)
    return found


def names(found: dict, kind: str) -> list[str]:
    return [one["name"] for one in found["removed"] if one["kind"] == kind]


def locked(project: str, version: str) -> str:
    pin = Pin(project, Version(version), ("linux",), (), {})
    return Lock({project: Closure(project, (pin,))}).text()


def test_the_newest_nightly_builds_stay(index: Index, configure: Configure, capsys) -> None:
    for version in ("1.0", "1.1.dev1", "1.1.dev2", "1.1.dev10", "1.1.dev9", "1.1rc1", "1.1"):
        publish(index, Wheel(version=version))
    publish(index, Wheel("other", "1.0.dev1"))
    configure(retention=NIGHTLY)
    asked = run(capsys, "--dry-run")
    assert names(asked, "release") == ["acme-tools 1.1.dev2", "acme-tools 1.1.dev1"]
    assert asked["bytes"] == sum(one["bytes"] for one in asked["removed"]) > 0
    assert len(releases(index)) == 7  # asking changes nothing
    assert run(capsys)["removed"] == asked["removed"]
    assert releases(index) == ["1.0", "1.1.dev9", "1.1.dev10", "1.1rc1", "1.1"]
    assert run(capsys)["removed"] == []
    with index.database.read() as connection:
        *_, last = [event for _, event in events.since(connection)]
    assert (last.event, last.who, last.version) == ("remove", "housekeeping", "1.1.dev1")
    assert last.reason == "housekeeping: of *.dev* of acme-*, the newest 2 are kept"


def test_what_a_lock_names_and_the_newest_release_stay(index: Index, configure: Configure, capsys) -> None:
    for number in range(1, 6):
        publish(index, Wheel(version=f"1.0.dev{number}"))
    publish(index, Wheel("acme_only", "3.0.dev1"))
    index.keep_set("20260301T093001Z", locked("acme-tools", "1.0.dev1"), 30)
    index.save_lock(locked("acme-tools", "1.0.dev2"))
    configure(retention=[{"projects": "*", "versions": "*", "keep": 1}])
    assert names(run(capsys), "release") == ["acme-tools 1.0.dev4", "acme-tools 1.0.dev3"]
    assert releases(index) == ["1.0.dev1", "1.0.dev2", "1.0.dev5"]
    assert releases(index, "acme-only") == ["3.0.dev1"]


def test_no_rule_removes_a_final_release(index: Index, configure: Configure, capsys) -> None:
    for version in ("1.0", "1.1", "1.2", "1.3"):
        publish(index, Wheel(version=version))
    configure(retention=[{"projects": "*", "versions": "*", "keep": 1}])
    assert run(capsys)["removed"] == []


def test_copies_that_nobody_used_go(cache: Path, configure: Configure, capsys) -> None:
    kept = cache / "cached" / "requests"
    kept.mkdir(parents=True)
    for name, days in (("old.whl", 40), ("new.whl", 1), ("older.whl", 50)):
        (kept / name).write_bytes(b"x" * 100)
        at = time.time() - days * 86_400
        os.utime(kept / name, (at, at))
    assert run(capsys)["removed"] == []
    configure(cache_days=45)
    assert names(run(capsys), "cached file") == ["requests/older.whl"]
    configure(cache_days=0, cache_size=150)
    assert names(run(capsys, "--dry-run"), "cached file") == ["requests/old.whl"]
    assert names(run(capsys), "cached file") == ["requests/old.whl"]
    assert [path.name for path in kept.iterdir()] == ["new.whl"]


def test_refused_files_go_by_age_and_by_size(index: Index, configure: Configure, capsys) -> None:
    quarantine = index.staging.quarantine
    for days in (1, 2, 100):
        name = time.strftime("%Y%m%dT%H%M%SZ-bad.whl", time.gmtime(time.time() - days * 86_400))
        (quarantine / name).write_bytes(b"x" * 100)
    (quarantine / "intake").mkdir()
    (quarantine / "intake" / "waits.whl").write_bytes(b"x" * 1000)
    assert len(names(run(capsys), "quarantined file")) == 1
    configure(quarantine_size=100)
    assert len(names(run(capsys), "quarantined file")) == 1
    assert len(list(quarantine.glob("*-bad.whl"))) == 1
    assert (quarantine / "intake" / "waits.whl").exists()


def test_sets_go_but_for_the_newest_and_the_one_in_force(index: Index, configure: Configure, capsys) -> None:
    for month in (1, 2, 3, 4):
        index.keep_set(f"20250{month}01T093001Z", f"# {month}", 30)
    index.put_back("20250201T093001Z", "it")
    assert run(capsys)["removed"] == []
    configure(set_days=30)
    assert names(run(capsys), "intake set") == ["20250101T093001Z", "20250301T093001Z"]
    with index.database.read() as connection:
        assert queries.sets(connection) == ["20250201T093001Z", "20250401T093001Z"]
    configure(set_days=100_000)
    assert run(capsys)["removed"] == []


def test_in_words(index: Index, configure: Configure, capsys) -> None:
    for version in ("1.0.dev1", "1.0.dev2", "1.0.dev3", "1.0.dev4"):
        publish(index, Wheel(version=version))
    configure(retention=NIGHTLY)
    assert cli.main(["housekeeping", "--dry-run"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("release acme-tools 1.0.dev2: ") and said[-1].startswith("2 would be removed, ")


@pytest.mark.parametrize(
    "rules",
    [
        "acme-*",
        [{"projects": "acme-*"}],
        [{"projects": "acme-*", "versions": "*.dev*", "keep": 0}],
        [{"projects": "", "versions": "*.dev*", "keep": 1}],
        [{"projects": "acme-*", "versions": "*.dev*", "keep": 1, "days": 3}],
    ],
)
def test_rules_that_are_none_are_refused(config: Path, configure: Configure, rules: object) -> None:
    configure(retention=rules)
    with pytest.raises(ConfigError, match="retention must be a list"):
        load(config)
