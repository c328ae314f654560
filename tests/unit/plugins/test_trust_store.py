# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""The module trust_store, with programs that stand for those of a distribution and of macOS."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.certificates import described, pem_certificates
from ansible_collections.wheelhouse.onboarding.plugins.modules import trust_store

from .conftest import RunModule

# makes a store of a directory, as update-ca-certificates does, and counts how often
REBUILD = """#!/bin/sh
cat {directory}/*.crt >{store}.new 2>/dev/null; mv {store}.new {store}; echo >>{store}.runs
"""
# a keychain is a file here; what it is called with is written down
SECURITY = """#!/bin/sh
echo "$@" >>{place}/calls
case $1 in
    find-certificate) cat {place}/keychain ;;
    add-trusted-cert) for file; do :; done; cat "$file" >>{place}/keychain ;;
    remove-trusted-cert) ;;
esac
"""


@pytest.fixture(scope="session")
def cas(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Two CAs."""
    place = tmp_path_factory.mktemp("cas")
    for name in ("old", "new"):
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        command += ["-keyout", f"{place}/key", "-out", f"{place}/{name}", "-days", "30", "-subj", f"/CN=Acme {name} CA"]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
    return [(place / name).read_text() for name in ("old", "new")]


Trust = Callable[..., dict[str, Any]]


@pytest.fixture
def linux(tmp_path: Path, run_module: RunModule) -> Trust:
    directory, store, rebuild = tmp_path / "certificates", tmp_path / "store", tmp_path / "rebuild"
    rebuild.write_text(REBUILD.format(directory=directory, store=store))
    rebuild.chmod(0o755)
    return lambda certificates="", **others: run_module(
        trust_store,
        certificates=certificates,
        directory=str(directory),
        store=str(store),
        rebuild=[str(rebuild)],
        **others,
    )


def files(tmp_path: Path) -> int:
    return len(list((tmp_path / "certificates").glob("wheelhouse-*.crt")))


def rebuilds(tmp_path: Path) -> int:
    runs = tmp_path / "store.runs"
    return len(runs.read_text().splitlines()) if runs.exists() else 0


def test_certificates_are_trusted_and_taken_back(linux: Trust, tmp_path: Path, cas: list[str]) -> None:
    (tmp_path / "certificates").mkdir(mode=0o755)
    (tmp_path / "certificates" / "others.crt").write_text("of others\n")
    answer = linux("comment\n" + cas[0] + cas[1] + cas[0])
    assert (answer["changed"], answer["rebuilt"], files(tmp_path)) == (True, True, 2)
    assert "Acme old CA, valid until" in answer["diff"]["after"] and answer["diff"]["before"] == ""
    store = (tmp_path / "store").read_text()
    assert all(ca in store for ca in cas)
    assert not linux(cas[0] + cas[1])["changed"], "a second run changes nothing"
    assert linux()["changed"] and (tmp_path / "store").read_text() == "of others\n"
    assert not linux()["changed"] and rebuilds(tmp_path) == 2


def test_a_superseded_one_stays_for_the_grace_period(linux: Trust, tmp_path: Path, cas: list[str]) -> None:
    linux(cas[0])
    answer = linux(cas[1], keep_superseded=True)
    [kept] = answer["superseded"]
    assert Path(kept).read_text() == cas[0] and all(ca in (tmp_path / "store").read_text() for ca in cas)
    assert linux(cas[1], keep_superseded=True)["superseded"] == [kept]
    assert linux(cas[1])["superseded"] == [] and (tmp_path / "store").read_text() == cas[1]


def test_a_run_that_was_killed_before_the_rebuild_is_repaired(linux: Trust, tmp_path: Path, cas: list[str]) -> None:
    linux(cas[0])
    program = (tmp_path / "rebuild").read_text()
    (tmp_path / "rebuild").write_text("#!/bin/sh\nexit 1\n")
    assert linux(cas[1]).get("failed")
    (tmp_path / "rebuild").write_text(program)
    assert linux(cas[1])["rebuilt"] and (tmp_path / "store").read_text() == cas[1]


def test_check_mode_writes_nothing(linux: Trust, tmp_path: Path, cas: list[str]) -> None:
    (tmp_path / "rebuild").unlink()  # as on a host without the package
    answer = linux(cas[0], check_mode=True)
    assert answer["changed"] and not (tmp_path / "certificates").exists()
    assert not linux("", check_mode=True)["changed"]


def test_without_the_program_nothing_is_written(linux: Trust, tmp_path: Path, cas: list[str]) -> None:
    (tmp_path / "rebuild").unlink()
    answer = linux(cas[0])
    assert answer["failed"] and "install its package ca-certificates first" in answer["msg"]
    assert not (tmp_path / "certificates").exists()
    assert not linux()["changed"], "a host without a CA of the company needs no program"


def test_a_damaged_certificate_changes_nothing(linux: Trust, tmp_path: Path, cas: list[str]) -> None:
    damaged = cas[1].replace("MII", "MIX")
    answer = linux(cas[0] + damaged)
    assert answer["failed"] and answer["msg"].startswith("Certificate 2 of 2 in the CA bundle is damaged")
    assert not (tmp_path / "certificates").exists()
    assert described(damaged) == ""


def test_a_directory_that_others_may_write_to_is_refused(linux: Trust, tmp_path: Path, cas: list[str]) -> None:
    (tmp_path / "certificates").mkdir()
    (tmp_path / "certificates").chmod(0o777)
    answer = linux(cas[0])
    assert answer["failed"] and "writable by no other account" in answer["msg"]


@pytest.fixture
def macos(tmp_path: Path, run_module: RunModule, monkeypatch: pytest.MonkeyPatch) -> Trust:
    (tmp_path / "security").write_text(SECURITY.format(place=tmp_path))
    (tmp_path / "security").chmod(0o755)
    (tmp_path / "keychain").write_text("")
    (tmp_path / "apple.pem").write_text("Apple's\n")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    places = {"directory": tmp_path / "ca", "store": tmp_path / "bundle.pem", "system_store": tmp_path / "apple.pem"}
    arguments = {name: str(place) for name, place in places.items()} | {"keychain": "System.keychain"}
    return lambda certificates="", **others: run_module(trust_store, certificates=certificates, **arguments, **others)


def test_the_keychain_of_a_mac(macos: Trust, tmp_path: Path, cas: list[str]) -> None:
    assert macos(cas[0], check_mode=True)["changed"] and not (tmp_path / "ca").exists()
    assert macos(cas[0])["changed"]
    assert (tmp_path / "bundle.pem").read_text() == "Apple's\n" + cas[0]
    assert not macos(cas[0])["changed"]
    calls = (tmp_path / "calls").read_text().splitlines()
    [added] = [call for call in calls if call.startswith("add-trusted-cert")]
    assert added.startswith("add-trusted-cert -d -r trustRoot -k System.keychain ") and added.endswith(".crt")
    assert macos(cas[1])["changed"] and (tmp_path / "bundle.pem").read_text() == "Apple's\n" + cas[1]
    (tmp_path / "calls").unlink()
    assert macos()["changed"] and not (tmp_path / "bundle.pem").exists()
    assert (tmp_path / "calls").read_text().startswith("remove-trusted-cert -d ")
    assert not macos()["changed"] and list((tmp_path / "ca").iterdir()) == []


def test_a_certificate_that_the_keychain_lost_is_added_again(macos: Trust, tmp_path: Path, cas: list[str]) -> None:
    macos(cas[0])
    (tmp_path / "keychain").write_text("")
    assert macos(cas[0])["changed"] and cas[0] in (tmp_path / "keychain").read_text()


def test_pem_certificates(cas: list[str]) -> None:
    assert pem_certificates("text\n") == []
    assert pem_certificates(cas[0].replace("\n", "\r\n"))[0].replace("\r", "") + "\n" == cas[0]
    assert json.dumps(described(cas[0])).startswith('"Acme old CA, valid until ')
