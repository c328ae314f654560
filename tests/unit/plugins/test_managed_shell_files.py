# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""The module managed_files: files that shells read, and files that are written only where there is one, or none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.wheelhouse.onboarding.plugins.modules import managed_files

from .conftest import RunModule

LINE = ". /etc/profile.d/acme.sh\n"
# ends early for a shell that is not interactive, as Debian's own does
RC = '# ~/.bashrc\n[ -z "$PS1" ] && return\nPS1=x\n\xff'.encode("latin-1")

Settle = Callable[..., dict[str, Any]]


@pytest.fixture
def settle(run_module: RunModule, tmp_path: Path) -> Settle:
    """Bring `rc` to a state; what the module reports."""
    return lambda check_mode=False, **file: run_module(
        managed_files, check_mode=check_mode, files=[{"path": str(tmp_path / "rc"), "mode": "0644", **file}]
    )


def test_lines_for_a_shell_come_first_and_go_to_the_byte(settle: Settle, tmp_path: Path) -> None:
    rc = tmp_path / "rc"
    rc.write_bytes(RC)
    assert settle(merge="shell", content="old\n")["changed"] and settle(merge="shell", content=LINE)["changed"]
    lines = rc.read_bytes().split(b"\n", 3)
    assert [lines[0][:1], lines[1], lines[2][:1], lines[3]] == [b"#", LINE.strip().encode(), b"#", RC]
    again = settle(merge="shell", content=LINE)
    assert not again["changed"] and again["mended"] == []
    assert settle(merge="shell", content=LINE, state="absent")["changed"] and rc.read_bytes() == RC
    assert not settle(merge="shell", state="absent")["changed"]


def test_a_file_of_nothing_else_comes_and_goes(settle: Settle, tmp_path: Path) -> None:
    settle(merge="shell", content=LINE)
    assert LINE in (tmp_path / "rc").read_text()
    settle(merge="shell", content=LINE, state="absent")
    assert not (tmp_path / "rc").exists()


@pytest.mark.parametrize("check_mode", [True, False])
def test_a_file_that_has_to_be_there(settle: Settle, tmp_path: Path, check_mode: bool) -> None:
    rc = tmp_path / "rc"
    assert not settle(check_mode, content=LINE, only_if="exists")["changed"] and not rc.exists()
    assert not settle(check_mode, path=str(tmp_path / "no" / "rc"), content=LINE, only_if="exists").get("failed")
    rc.touch()
    assert settle(check_mode, content=LINE, only_if="exists")["changed"]
    assert rc.read_text() == ("" if check_mode else LINE)
    assert settle(content=LINE, only_if="exists", state="absent")["changed"] and not rc.exists()
    assert not settle(content=LINE, only_if="exists", state="absent")["changed"]


def test_a_file_that_is_not_to_be_there(settle: Settle, tmp_path: Path) -> None:
    rc = tmp_path / "rc"
    assert settle(content=LINE, only_if="missing")["changed"] and rc.read_text() == LINE
    assert not settle(content="another\n", only_if="missing")["changed"] and rc.read_text() == LINE
    assert not settle(content="another\n", only_if="missing", state="absent")["changed"] and rc.exists()
    assert settle(content=LINE, only_if="missing", state="absent")["changed"] and not rc.exists()
    assert not settle(content=LINE, only_if="missing", state="absent")["changed"]
