"""What IT types on the hosts themselves, as root."""

from __future__ import annotations

import base64
import re

import pytest
from company import eventually
from index.conda_samples import CondaPackage
from index.samples import Wheel
from written import Login

SHELF = "/srv/wheelhouse/shelf"
PROJECT = "acme-documented"


@pytest.fixture(scope="module")
def index(root_of: dict[str, Login]) -> Login:
    return root_of["index"]


@pytest.fixture(scope="module")
def version(index: Login) -> str:
    return index.succeed("date +1.%s").strip()


@pytest.fixture(scope="module")
def copied(root_of: dict[str, Login], index: Login, version: str) -> Login:
    """Root of the workstation, who can log in to the index host and has something to publish; it is there."""
    here = root_of["workstation"]
    index.succeed(
        "command -v sshd >/dev/null || corporate-env apt-get install -qq -y --no-install-recommends openssh-server >/dev/null"
        "; systemctl start ssh; mkdir -p -m 700 .ssh"
    )
    here.succeed("mkdir -p -m 700 .ssh; [ -f .ssh/id_ed25519 ] || ssh-keygen -q -t ed25519 -N '' -f .ssh/id_ed25519")
    public = here.succeed("cat .ssh/id_ed25519.pub").strip()
    index.succeed(f"grep -qF '{public}' .ssh/authorized_keys 2>/dev/null || echo '{public}' >>.ssh/authorized_keys")
    host_key = index.succeed("cat /etc/ssh/ssh_host_ed25519_key.pub").strip()
    here.succeed(f"echo 'packages.acme.example {host_key}' >.ssh/known_hosts")

    wheel, package = Wheel("acme_documented", version), CondaPackage(version="1.0")
    for path, content in (
        (f"dist/{wheel.filename}", wheel.build()),
        (f"output/noarch/{package.filename}", package.build_it()),
    ):
        said = here.run(f"mkdir -p $(dirname {path}) && base64 -d >{path}", text=base64.b64encode(content).decode())
        assert said.code == 0, said.text
    here.as_written("scp dist/* packages.acme.example:/srv/wheelhouse/shelf/drop/")
    here.as_written(
        "scp output/noarch/acme-hello-1.0-0.conda packages.acme.example:/srv/wheelhouse/shelf/drop/conda/internal/"
    )
    here.succeed("rm -r dist output .ssh/known_hosts")
    eventually(
        lambda: index.run(f"ls {SHELF}/packages/{PROJECT}/{wheel.filename}").code == 0,
        "what was copied in is published",
    )
    eventually(
        lambda: "acme-hello-1.0-0.conda" in index.run(f"cat {SHELF}/conda/internal/noarch/repodata.json").text,
        "the conda package is listed",
    )
    return here


def test_what_was_copied_in_is_told(copied: Login, index: Login) -> None:
    assert PROJECT in index.as_written("journalctl -u wheelhouse-arrivals").text


def test_looking_after_the_shelf(copied: Login, index: Login, version: str) -> None:
    for command in ("reindex", "verify", "channel", "unyank"):
        assert command in index.as_written("docker exec wheelhouse-index wheelhouse --help").text
    index.as_written("docker exec wheelhouse-index wheelhouse reindex")
    index.as_written("docker exec wheelhouse-index wheelhouse verify")
    index.as_written("docker exec wheelhouse-index wheelhouse channel NAME", real={"NAME": "internal"})
    page = f"cat {SHELF}/simple/{PROJECT}/index.v1_json 2>/dev/null || cat {SHELF}/simple/{PROJECT}/*.json"
    release = {"PROJECT": PROJECT, "VERSION": version}
    index.as_written(
        "docker exec wheelhouse-index wheelhouse yank PROJECT VERSION --reason WHY", real=release | {"WHY": "broken"}
    )
    index.as_written("docker exec wheelhouse-index wheelhouse unyank PROJECT VERSION", real=release)
    index.as_written(
        "docker exec wheelhouse-index wheelhouse remove PROJECT VERSION --reason WHY", real=release | {"WHY": "gone"}
    )
    assert index.run(f"ls {SHELF}/packages/{PROJECT}/*.whl").code != 0, page


def test_the_report(index: Login) -> None:
    assert "sqlparse" in index.as_written("docker exec wheelhouse-index wheelhouse report", code=None).text
    index.as_written("systemctl status wheelhouse-intake", code=None)
    assert "sqlparse" in index.as_written("journalctl -u wheelhouse-intake").text


def test_bringing_in_and_going_back(index: Login) -> None:
    # sqlparse is kept back, and the run says so
    assert "sqlparse" in index.as_written("wheelhouse-intake", code=None).text
    sets = index.as_written("wheelhouse-intake --sets").text
    day = re.search(r"\d{4}-\d\d-\d\d", sets)
    assert day, sets
    newest = sets.split()[0] if re.match(r"\d{4}-", sets) else day[0]
    index.as_written("wheelhouse-intake --rollback DAY", code=None, real={"DAY": newest})
    assert "roll-forward" in index.as_written("wheelhouse-intake", code=None).text
    index.as_written("wheelhouse-intake --roll-forward")


def test_being_told(index: Login) -> None:
    """No mail server and no chat is to be had: a program of that name, and a server with a certificate of the company's."""
    index.succeed(
        'printf \'#!/bin/sh\\nprintf "%%s|" "$@" >/run/mailed; cat >>/run/mailed\\n\' >/usr/local/bin/mail && chmod +x /usr/local/bin/mail'
    )
    index.as_written('mail -s "Public packages" it@acme.example', text='{"problems": []}')
    assert (
        index.succeed("cat /run/mailed; rm /run/mailed /usr/local/bin/mail")
        == '-s|Public packages|it@acme.example|{"problems": []}'
    )
