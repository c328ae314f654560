"""A person moves to another Jupyter host by one line, and the home comes along."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from adversaries import NAMES
from company import Run, play
from kernels import run_cells
from testinfra.host import Host

HERE = Path(__file__).parent
FIRST, SECOND = "wheelhouse-jupyter", "wheelhouse-workstation"
RESIDENTS = [{"name": name, "jupyter": True, "workstations": [SECOND]} for name in ("ada", "leo", *NAMES)]
# what a home may hold that hinders who reads it in another way than as its owner, or who starts a shell in it
UNWIELDY = """
mkdir -m 700 deep && ln plans.txt deep/link && ln -s plans.txt soft && umask 077 && echo x >~/.private
mkfifo pipe && ln -s /etc/shadow shadow && ln -s / everything && truncate -s 2G sparse
mkdir bin && printf '#!/bin/sh\\nid -u >>/tmp/ran-by-mia\\n' | tee bin/rsync bin/ssh >/dev/null && chmod +x bin/*
printf 'PATH=$HOME/bin:$PATH\\necho Welcome to my shell\\nexit 3\\n' | tee .bashrc .zshenv .bash_env >/dev/null
mkdir -p .ssh && printf 'Host *\\n  RemoteCommand false\\n  ProxyCommand false\\n' >.ssh/config && touch .ssh/rc
"""


def settle(places: dict[str, str | None], check: bool = True, **settings: object) -> Run:
    """Bring both Jupyter hosts to where people are placed; who is without a place has left."""
    movers = [
        {"name": name, "jupyter": True, "jupyter_host": place} if place else {"name": name, "state": "absent"}
        for name, place in places.items()
    ]
    values = {"wheelhouse_people": [*RESIDENTS, *movers], "accounts_removed_home": "remove", **settings}
    return play(HERE / "move.yml", "-i", str(HERE / "second.yml"), "--extra-vars", json.dumps(values), check=check)


def is_offboarded(host: Host, name: str) -> bool:
    """Whether the host has locked the account. It keeps it, so that no other account is given the uid."""
    return "wheelhouse-former" in host.user(name).groups


@pytest.mark.long
def test_a_person_moves_by_one_line(office, jupyter, workstation) -> None:
    settle({"mia": FIRST, "noa": FIRST})
    try:
        assert run_cells(office, "mia", "print(open('plans.txt', 'w').write('for tomorrow'))") == "12\n"
        office.succeed_as("mia", UNWIELDY, on="jupyter")
        office.succeed_as("noa", "echo 1 >own; echo 2 >unreadable; chmod 0 unreadable", on="jupyter")
        jupyter.check_output("su mia -s /bin/sh -c 'cd /; nohup sh -c \"while :; do sleep 1; done\" >/dev/null 2>&1 &'")
        moved = settle({"mia": SECOND, "noa": SECOND})
        assert is_offboarded(jupyter, "mia")
        assert not jupyter.file("/home/mia").exists
        for test in (
            "test plans.txt -ef deep/link",
            'test "$(readlink soft)" = plans.txt',
            'test "$(readlink everything)" = /',
            "test -p pipe",
            "test $(stat -c %s sparse) = 2147483648 -a $(stat -c %b sparse) -lt 1000",
        ):
            assert workstation.run(f"cd /home/mia && {test}").rc == 0, test
        file = workstation.file("/home/mia/.private")
        assert (file.user, file.mode) == ("mia", 0o600)
        workstation.check_output("su mia -s /bin/sh -c 'rm ~/.bashrc ~/.zshenv'")
        said = office.run_as("mia", "jupyter-status")
        assert json.loads(said.stdout)["state"] == "idle"
        # nothing of hers was started on either host, and nobody gained anything
        for host in (jupyter, workstation):
            assert not host.file("/tmp/ran-by-mia").exists
        # whose home does not arrive is named, keeps it, and hinders nobody
        told = " ".join(moved.output.split())
        assert f"The home of noa stays on {FIRST} until the next run: " in told and "/home/noa/unreadable" in told
        assert not is_offboarded(jupyter, "noa") and jupyter.file("/home/noa/own").exists
        office.succeed_as("noa", "chmod 600 unreadable", on="jupyter")
        settle({"mia": SECOND, "noa": SECOND})
        assert is_offboarded(jupyter, "noa")
        assert workstation.file("/home/noa/unreadable").content_string == "2\n"
        assert settle({"mia": SECOND, "noa": SECOND}).changed == 0
        # root of the previous host says that mia is still there, and has something for her home
        jupyter.check_output("usermod --append --groups wheelhouse-people mia && mkdir -p /home/mia")
        jupyter.check_output("touch /home/mia/.bash_profile && chown -R mia: /home/mia")
        told = " ".join(settle({"mia": SECOND, "noa": SECOND}).output.split())
        assert f"{FIRST} has an account of mia, who has had a JupyterLab here before this run" in told
        assert not workstation.file("/home/mia/.bash_profile").exists
        # nothing of the way it took is left
        assert "home-of-" not in workstation.file("/etc/ssh/authorized_keys.d/mia").content_string
        assert jupyter.run("ls -d /run/wheelhouse-move* /run/wheelhouse-send*").rc != 0
        assert workstation.run("ls -d /run/wheelhouse-receive*").rc != 0
    finally:
        settle({"mia": None, "noa": None})
        play(
            HERE / "move.yml",
            "-i",
            str(HERE / "second.yml"),
            "--limit",
            SECOND,
            "--extra-vars",
            json.dumps({"jupyter_host_state": "absent", "wheelhouse_people": RESIDENTS}),
        )
