"""Offboarding is one word and a run: who left is gone from every host, and nobody else notices."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest
from company import STATE, host_of, site, vault


@pytest.fixture(scope="module")
def left(office, tmp_path_factory):
    """leo has left. What he had is in `vault()`, what stays is ada."""
    office.succeed_as("leo", "echo mine >notes.txt")
    people = [
        {
            "name": "ada",
            "workstations": ["wheelhouse-workstation"],
            "jupyter": True,
            "publishes": ["acme-*"],
            "index_password": vault()["ada_index"],
            "proxy_username": "EMEA\\ada",
            "proxy_password": vault()["ada_proxy"],
        },
        {"name": "leo", "state": "absent"},
    ]
    settings = tmp_path_factory.mktemp("left") / "people.json"
    settings.write_text(json.dumps({"wheelhouse_people": people}))
    site("--extra-vars", f"@{settings}")
    return settings


@pytest.mark.parametrize("role", ["workstation", "jupyter"])
def test_the_account_is_gone(left, role) -> None:
    assert not host_of(role).user("leo").exists


@pytest.mark.parametrize("role", ["index", "jupyter", "workstation"])
def test_no_secret_of_theirs_is_left(left, role) -> None:
    host = host_of(role)
    for name in ("leo_index", "leo_proxy"):
        found = host.run(
            "grep -rlF -e %s /etc /home /root /srv /opt /usr/local /var/lib/wheelhouse /run", vault()[name]
        )
        assert found.stdout == "", name
    assert "leo" not in host.run("ls /etc/wheelhouse/people").stdout


def test_no_secret_is_left_of_people_with_awkward_files(left, workstation) -> None:
    """Who came for the scenario `clients` has left with leo."""
    file = STATE / "colleagues.json"
    if not file.is_file():
        pytest.skip("the scenario clients has not run on these hosts")
    for person in json.loads(file.read_text()):
        for secret in (person["index_password"], person["proxy_password"], quote(person["proxy_password"], safe="")):
            found = workstation.run("grep -rlF -e %s /etc /home /root /opt /usr/local /var/lib/wheelhouse /run", secret)
            assert found.stdout == "", person["name"]


def test_the_index_knows_them_no_more(left, index) -> None:
    accounts = index.file("/srv/wheelhouse/config/htpasswd").content_string
    assert [line.partition(":")[0] for line in accounts.splitlines()] == ["ada", "machines"]
    assert "leo" not in json.loads(index.file("/srv/wheelhouse/config/config.json").content_string)["publishes"]


def test_nothing_of_theirs_runs(left, jupyter) -> None:
    assert "leo" not in jupyter.run("systemctl list-units --all --plain --no-legend 'jupyterlab@*'").stdout


def test_their_data_is_kept_where_only_root_finds_it(left, workstation) -> None:
    kept = workstation.check_output("ls -d /home/leo.left-*").split()
    assert len(kept) == 1
    home = workstation.file(kept[0])
    assert (home.user, home.mode) == ("root", 0o700)
    assert workstation.file(f"{kept[0]}/notes.txt").content_string == "mine\n"


def test_the_others_work_on(left, office) -> None:
    office.succeed_as(
        "ada", "uv venv -q --clear venv-on && uv pip install -q --no-cache --python venv-on/bin/python idna"
    )
    office.succeed_as("ada", "jupyter-tunnel --no-browser")


@pytest.mark.long
def test_a_second_run_changes_nothing(left) -> None:
    assert site("--extra-vars", f"@{left}").changed == 0


def test_who_comes_back_starts_with_an_empty_home(left, office, workstation) -> None:
    site()
    assert workstation.user("leo").exists
    assert not workstation.file("/home/leo/notes.txt").exists
    office.succeed_as(
        "leo", "uv venv -q --clear venv-back && uv pip install -q --no-cache --python venv-back/bin/python idna"
    )
