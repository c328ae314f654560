"""people.yml, and `site.yml --tags people`, are enough to onboard a person and to offboard them again; nobody else is touched.

That both run the same tasks, unit/test_tags.py says.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from company import Office, Run, site
from testinfra.host import Host

EVERYONE = "{{ acme_people + (demo_adversaries if demo_name else []) + newcomers }}"
NIA = {
    "name": "nia",
    "workstations": ["wheelhouse-workstation"],
    "jupyter": True,
    "publishes": ["acme-nia"],
    "index_password": "nine quiet lanterns",
}
# what other people's tools and servers run on
OF_OTHERS = "sha256sum ~ada/.netrc ~leo/.netrc /etc/wheelhouse/people/ada.env /etc/pip.conf"
TOKENS = "sha256sum /etc/wheelhouse/jupyter/tokens/*"
ROUTES = {"people.yml": ("people", ()), "a tag of site.yml": ("site", ("--tags", "people"))}


def run(route: str, person: dict, *arguments: str) -> Run:
    """The inventory with one more person, by one of the ROUTES."""
    playbook, tags = ROUTES[route]
    settings = json.dumps({"wheelhouse_people": EVERYONE, "newcomers": [person]})
    return site("--extra-vars", settings, *tags, *arguments, playbook=playbook)


@pytest.fixture
def hosts(jupyter: Host, workstation: Host, index: Host) -> Iterator[tuple[Host, Host]]:
    """The hosts that nia works on; afterwards nothing of hers is left."""
    yield jupyter, workstation
    if knows_her(index) or not all(is_locked(host) for host in (jupyter, workstation)):
        run("people.yml", {"name": "nia", "state": "absent"})
    for host in (jupyter, workstation):
        host.run(
            # the home of an offboarded person is root's, and userdel leaves it
            'userdel nia; rm -rf /home/nia; [ -n "$(getent group wheelhouse-former | cut -d: -f4)" ] || groupdel wheelhouse-former'
        )


def knows_her(index: Host) -> bool:
    return bool(index.run("grep ^nia: /srv/wheelhouse/config/htpasswd").succeeded)


def is_locked(host: Host) -> bool:
    return bool(host.run("getent shadow nia").stdout.startswith("nia:!:"))


@pytest.mark.parametrize("route", ["people.yml", pytest.param("a tag of site.yml", marks=pytest.mark.long)])
def test_a_person_comes_and_goes(office: Office, hosts: tuple[Host, Host], index: Host, route: str) -> None:
    jupyter, workstation = hosts
    assert not workstation.user("nia").exists
    files, tokens = workstation.check_output(OF_OTHERS), jupyter.check_output(TOKENS)
    run(route, NIA)
    # what the others have is what it was
    assert workstation.check_output(OF_OTHERS) == files
    after = jupyter.check_output(TOKENS).splitlines()
    assert [line for line in after if not line.endswith("/nia")] == tokens.splitlines()
    # the index knows her, and her tools know her password
    office.succeed_as("nia", "uv pip install -q --no-cache --target found tabulate && test -d found/tabulate")
    assert "acme-nia" in index.file("/srv/wheelhouse/config/config.json").content_string
    # her key, her account and her JupyterLab are on the Jupyter host, and SSH leads there
    assert office.succeed_as("nia", "ssh -o BatchMode=yes wheelhouse-jupyter id -un") == "nia\n"
    status = json.loads(office.succeed_as("nia", "ssh -o BatchMode=yes wheelhouse-jupyter jupyter-status"))
    assert status["state"] == "idle" and len(status["token"]) == 64
    again = run(route, NIA)
    assert again.changed == 0, again.output
    # and out again
    run(route, {"name": "nia", "state": "absent"})
    assert [is_locked(host) for host in hosts] == [True, True]
    assert not jupyter.file("/etc/wheelhouse/jupyter/tokens/nia").exists
    assert not knows_her(index)
