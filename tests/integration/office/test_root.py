"""Any account with sudo can set hosts up, and one without is told so before anything has changed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest
from company import Run, site
from testinfra.host import Host

PASSWORD = "of the four winds"


@pytest.fixture(scope="module")
def as_account(workstation: Host, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Run]]:
    """Set the workstation up as an account of IT's, with what a rule of sudo says; None is no sudo."""
    workstation.check_output("useradd --create-home it-admin")
    workstation.run("echo 'it-admin:%s' | chpasswd", PASSWORD)
    file = tmp_path_factory.mktemp("account") / "account.json"

    def run(rule: str | None, **variables: str) -> Run:
        if rule is not None:
            workstation.check_output("DEBIAN_FRONTEND=noninteractive apt-get install -qq sudo")
            workstation.check_output("echo 'it-admin ALL=(ALL) %s' >/etc/sudoers.d/it-admin", rule)
        file.touch(0o600)
        file.write_text(json.dumps({"ansible_user": "it-admin", **variables}))
        return site("--limit", "wheelhouse-workstation", "-e", f"@{file}", "--tags", "base", check=False)

    yield run
    workstation.run("rm -f /etc/sudoers.d/it-admin; apt-get purge -qq sudo; userdel --remove it-admin")


def sentence(run: Run) -> str:
    """What such a run ends with, white space folded."""
    assert run.rc != 0 and run.changed == 0, run.output
    text = " ".join(run.output.split())
    assert "Setting wheelhouse-workstation up needs root" in text, text
    return text


def test_without_sudo(as_account) -> None:
    said = sentence(as_account(None))
    assert "the account that Ansible logs in with (it-admin) cannot become root there" in said


def test_sudo_that_wants_a_password(as_account) -> None:
    assert "a password is required. Let it use sudo (with --ask-become-pass" in sentence(as_account("ALL"))
    run = as_account("ALL", ansible_become_password=PASSWORD)
    assert (run.rc, run.changed) == (0, 0), run.output
    assert PASSWORD not in run.output


@pytest.mark.long
def test_sudo_without_a_password(as_account) -> None:
    run = as_account("NOPASSWD: ALL")
    assert (run.rc, run.changed) == (0, 0), run.output
