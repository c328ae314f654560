"""remove.yml sets every role to absent: what they put there is gone, and nothing else. Runs after test_leaver.py."""

from __future__ import annotations

import json
import re

import pytest
from company import host_of, site
from snapshots import snapshot
from test_existing_files import FOREIGN

# Below these the collection writes; what a package manager puts there is not the roles' own.
OURS = re.compile(
    r"wheelhouse|jupyter|corporate-(env|password)|user-environment-generators|pip\.conf$|/etc/uv|/usr/local/bin/|/home/(ada|leo)$|docker\.service\.d/|/etc/docker/daemon|nginx/conf\.d/wheelhouse|sshd_config\.d/|\.netrc|\.pypirc|authorized_keys\.d|known_hosts"
)
# Data stays: the shelf with what people published, the advisories that IT has put there, backups, and the homes.
# So do the files in which others wrote, as they wrote them (test_existing_files.py).
KEPT = re.compile(
    r"^/etc/pip\.conf$|^/etc/uv($|/)|^/srv/wheelhouse($|/shelf|/intake($|/osv))|^/var/backups/wheelhouse($|/)|^/home/[a-z-]+($|/)|^/usr/share/|^/usr/lib/|^/usr/bin/|^/etc/systemd/system/.*\.wants$"
)
CHANNELS = {"stored": {"greeting-1.0-0.conda": {"name": "greeting"}}, "hollow": {}}
"""Channels by their name, and what their index lists. Where an object store has the packages, the host may have the index alone."""
CONDA = "/srv/wheelhouse/shelf/conda"


@pytest.fixture(scope="module")
def removed():
    """Everything set to absent, after something that is not ours was put beside it."""
    for role in ("index", "jupyter", "workstation"):
        host_of(role).check_output(
            "echo 'not ours' >/etc/not-ours.conf && mkdir -p /opt/not-ours && useradd --create-home notours 2>/dev/null; true"
        )
    host_of("index").check_output("echo 'server { listen 8181; return 204; }' >/etc/nginx/conf.d/not-ours.conf")
    for channel, packages in CHANNELS.items():
        index, directory = json.dumps({"packages": {}, "packages.conda": packages}), f"{CONDA}/{channel}/noarch"
        host_of("index").check_output("mkdir -p %s && printf %%s %s >%s/repodata.json", directory, index, directory)
    host_of("workstation").check_output("echo 'not ours' >/usr/local/share/ca-certificates/not-ours.txt")
    asked = site(playbook="remove", check=False)
    site("--extra-vars", "remove_everything=yes", playbook="remove")
    return asked


def test_it_asks_first(removed) -> None:
    said = " ".join(removed.output.split())
    assert removed.rc != 0 and removed.changed == 0
    assert "locks the accounts of ada" in said and "leaves their homes where they are" in said
    assert "Go on with -e remove_everything=yes." in said


def test_homes_stay_where_they_are_for_root_alone(removed, workstation) -> None:
    assert (workstation.file("/home/ada").user, workstation.file("/home/ada").mode) == ("root", 0o700)
    assert workstation.run("su - ada -c true").rc != 0


@pytest.mark.parametrize("role", ["index", "jupyter", "workstation"])
def test_nothing_of_ours_is_left(removed, role) -> None:
    left = [path for path in snapshot(host_of(role)) if OURS.search(path) and not KEPT.search(path)]
    assert left == []


@pytest.mark.parametrize("role", ["index", "jupyter", "workstation"])
def test_what_is_not_ours_stays(removed, role) -> None:
    host = host_of(role)
    assert host.file("/etc/not-ours.conf").content_string == "not ours\n"
    assert host.file("/opt/not-ours").is_directory
    assert host.user("notours").exists
    assert host.file("/etc/ssl/certs/ca-certificates.crt").size > 100_000


@pytest.mark.parametrize("path", FOREIGN)
def test_what_others_wrote_is_as_it_was(removed, path) -> None:
    assert host_of("workstation").file(path).content_string == FOREIGN[path]


@pytest.mark.parametrize("role", ["index", "jupyter", "workstation"])
def test_shells_and_logins_know_nothing_of_it(removed, role) -> None:
    assert host_of(role).run("grep -H wheelhouse /etc/bash.bashrc /etc/environment").stdout == ""


def test_another_site_of_nginx_goes_on(removed, index) -> None:
    fetch = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8181').status)"
    assert index.check_output("python3 -c %s", fetch) == "204"


def test_published_packages_stay(removed, index) -> None:
    assert index.check_output("ls /srv/wheelhouse/shelf/packages/acme-greeting")


def test_channels_that_list_packages_stay(removed, index) -> None:
    assert index.file(f"{CONDA}/stored/noarch/repodata.json").exists
    assert not index.file(f"{CONDA}/hollow").exists


@pytest.mark.long
def test_a_second_run_changes_nothing(removed) -> None:
    assert site("--extra-vars", "remove_everything=yes", playbook="remove").changed == 0
