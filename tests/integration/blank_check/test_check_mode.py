"""`--check` on hosts that have nothing yet: it passes, says what it would do, and does none of it."""

from __future__ import annotations

import pytest
from company import ROLES, host_of, site, vault
from snapshots import difference, snapshot


@pytest.fixture(scope="module")
def checked():
    """A check-mode run on blank hosts: the run, and what was on the hosts before."""
    before = {role: snapshot(host_of(role)) for role in ROLES}
    if "/etc/wheelhouse" in before["workstation"]:
        pytest.fail("the hosts are not blank")
    return site("--check", "--diff"), before


def test_it_passes_and_says_what_it_would_do(checked) -> None:
    run, _ = checked
    assert run.changed > 20


@pytest.mark.parametrize("role", ROLES)
def test_it_changes_nothing(checked, role) -> None:
    _, before = checked
    assert difference(before[role], snapshot(host_of(role))) == {}


def test_it_shows_no_secret(checked) -> None:
    run, _ = checked
    assert [name for name, secret in vault().items() if secret in run.output] == []
