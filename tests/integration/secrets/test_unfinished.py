"""Rotations that could not reach everybody: who is off, who fails, and runs that were killed."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from asking import HTPASSWD, index_status, said
from change import new_passwords, playbook, write_vault
from company import INVENTORY, ROOT, Office, site, vault
from testinfra.host import Host

pytestmark = pytest.mark.long
OLD_AND_NEW = {"old": 200, "new": 200}
NEW_ALONE = {"old": 401, "new": 200}


@pytest.fixture
def old() -> Iterator[dict[str, str]]:
    """The passwords before; everybody has a new one at the index in the vault."""
    before = vault()
    write_vault(new_passwords("index"))
    yield before
    playbook("demo/access.yml")


def statuses(workstation: Host, name: str, old: dict[str, str]) -> dict[str, int]:
    return {
        "old": index_status(workstation, name, old[f"{name}_index"]),
        "new": index_status(workstation, name, vault()[f"{name}_index"]),
    }


@pytest.fixture
def jupyter_is_off(tmp_path: Path) -> list[str]:
    """Options with which nothing answers where the Jupyter host is."""
    inventory = tmp_path / "off.yml"
    inventory.write_text(
        "all: {hosts: {wheelhouse-jupyter: {ansible_connection: ssh, ansible_host: 127.0.0.1, ansible_port: 1}}}\n"
    )
    return ["-i", str(inventory)]


def test_who_is_off_is_named_and_caught_up(
    old, jupyter_is_off, workstation: Host, jupyter: Host, office: Office
) -> None:
    held = jupyter.file("/home/leo/.netrc").content_string
    run = site(*jupyter_is_off, playbook="rotate", check=False)
    assert run.rc == 4, "Ansible's own code for a host that does not answer"
    assert "Off, and caught up by their next run: wheelhouse-jupyter." in said(run)
    assert "The index refuses the old ones." in said(run)
    assert statuses(workstation, "ada", old) == NEW_ALONE
    assert jupyter.file("/home/leo/.netrc").content_string == held
    site(playbook="rotate")
    assert jupyter.file("/home/leo/.netrc").content_string != held
    office.succeed_as(
        "leo", "uv venv -q --clear v && uv pip install -q --no-cache --python v/bin/python idna", on="jupyter"
    )


def test_whose_files_are_odd_keeps_nobodys_old_password_alive(old, workstation: Host) -> None:
    """They are named, and have the new one as soon as their file is a file again."""
    workstation.check_output("mv /home/leo/.pypirc /home/leo/kept && mkdir /home/leo/.pypirc")
    try:
        run = site("-e", "wheelhouse_skipped_people=fail", playbook="rotate", check=False)
        assert run.rc == 2
        assert "leo on wheelhouse-workstation: /home/leo/.pypirc: it is a directory and not a file" in said(run)
        assert "The index refuses the old ones." in said(run)
        assert statuses(workstation, "leo", old) == NEW_ALONE
    finally:
        workstation.check_output("rmdir /home/leo/.pypirc && mv /home/leo/kept /home/leo/.pypirc")
    site(playbook="rotate")
    assert vault()["leo_index"] in workstation.file("/home/leo/.pypirc").content_string


@pytest.mark.parametrize("playbook_of_the_next_run", ["rotate", "site"])
@pytest.mark.parametrize("task", ["Passwords that change are still accepted", "Everybody has their own credentials"])
def test_a_killed_run_is_made_up_for(
    old, workstation: Host, index: Host, task: str, playbook_of_the_next_run: str
) -> None:
    """kill -9, to the whole group, in the middle of the task."""
    command = ["ansible-playbook", "-i", str(INVENTORY), "wheelhouse.onboarding.rotate"]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=os.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert process.stdout
    for line in process.stdout:
        if line.startswith("TASK [") and task in line:
            os.killpg(process.pid, signal.SIGKILL)
            break
    process.stdout.close()
    assert process.wait() == -signal.SIGKILL
    assert index_status(workstation, "leo", old["leo_index"]) == 200, "clients may still have it"
    site(playbook=playbook_of_the_next_run)
    assert statuses(workstation, "leo", old) == NEW_ALONE
    assert not index.file(f"{HTPASSWD}.previous").exists


def test_who_is_left_out_keeps_the_old_password(old, workstation: Host) -> None:
    run = site("--limit", "wheelhouse-index,wheelhouse-jupyter", playbook="rotate")
    assert "The index still accepts the old ones" in said(run)
    assert "were not given the new ones: wheelhouse-workstation." in said(run)
    assert statuses(workstation, "ada", old) == OLD_AND_NEW
    site(playbook="rotate")
    assert statuses(workstation, "ada", old) == NEW_ALONE
