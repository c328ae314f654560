"""A person moves to another Jupyter host by one line, and the home comes along."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from company import Run, play
from kernels import run_cells

HERE = Path(__file__).parent
FIRST, SECOND = "wheelhouse-jupyter", "wheelhouse-workstation"
RESIDENTS = [{"name": name, "jupyter": True, "workstations": [SECOND]} for name in ("ada", "leo")]


def settle(place: str | None, **settings: str) -> Run:
    """Bring both Jupyter hosts to where mia is placed; without a place she has left."""
    mia = {"name": "mia", "jupyter": True, "jupyter_host": place} if place else {"name": "mia", "state": "absent"}
    values = {"wheelhouse_people": [*RESIDENTS, mia], "accounts_leavers_home": "remove", **settings}
    return play(HERE / "move.yml", "-i", str(HERE / "second.yml"), "--extra-vars", json.dumps(values))


@pytest.mark.long
def test_a_person_moves_by_one_line(office, jupyter, workstation) -> None:
    settle(FIRST)
    try:
        assert run_cells(office, "mia", "print(open('plans.txt', 'w').write('for tomorrow'))") == "12\n"
        office.succeed_as(
            "mia",
            "mkdir -m 700 deep; ln plans.txt deep/link; ln -s plans.txt soft; umask 077; echo x >~/.private",
            on="jupyter",
        )
        settle(SECOND)
        assert not jupyter.user("mia").exists
        assert not jupyter.file("/home/mia").exists
        office.succeed_as("mia", 'test plans.txt -ef deep/link && test "$(readlink soft)" = plans.txt')
        file = workstation.file("/home/mia/.private")
        assert (file.user, file.mode) == ("mia", 0o600)
        said = office.run_as("mia", "my-jupyter")
        assert json.loads(said.stdout)["state"] == "idle"
        assert settle(SECOND).changed == 0
        # nothing of the way it took is left
        assert "home-of-" not in workstation.file("/etc/ssh/authorized_keys.d/mia").content_string
        assert jupyter.run("ls -d /run/wheelhouse-move*").rc != 0
    finally:
        settle(None)
        play(
            HERE / "move.yml",
            "-i",
            str(HERE / "second.yml"),
            "--limit",
            SECOND,
            "--extra-vars",
            json.dumps({"jupyter_host_state": "absent", "wheelhouse_people": RESIDENTS}),
        )
