"""What IT types on the hosts themselves, as root."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator

import pytest
import trustme
from acme import Administration
from company import STATE, address_of, eventually
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
    spoilt = Wheel("acme_spoilt", version, record=lambda lines: lines[1:])
    for path, content in (
        (f"dist/{wheel.filename}", wheel.build()),
        (f"dist/{spoilt.filename}", spoilt.build()),
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
    said = index.as_written("journalctl -u wheelhouse-incoming").text
    assert re.search("[1-9][0-9]* files published", said)
    assert "acme_spoilt" in said, "what is wrong has its reason there"


def test_backing_up_and_restoring(it: Administration, copied: Login, index: Login, version: str) -> None:
    """What was published comes back whole, with its two names for one file, and the index goes on with it."""
    served = f"{SHELF}/packages/{PROJECT}/acme_documented-{version}-py3-none-any.whl"
    look = f"cd {SHELF} && find blobs conda packages simple -type f -exec sha256sum {{}} + | sort"
    before = index.succeed(look)
    said = it.as_written("ansible-playbook -i inventories/acme --ask-vault-pass wheelhouse.onboarding.backup")
    assert "files and" in said.words
    index.as_written("docker stop wheelhouse-index")
    index.as_written("wheelhouse-backup run")
    index.as_written("wheelhouse-backup check")
    assert "Restored and proven" in index.as_written("wheelhouse-backup drill").text
    assert "events" in index.as_written("wheelhouse-backup snapshots").text
    assert '"outcome": "ok"' in index.succeed("cat /var/lib/wheelhouse/runs/backup.json")
    index.as_written("journalctl -u wheelhouse-backup")
    it.as_written("ansible-playbook -i inventories/acme --ask-vault-pass wheelhouse.onboarding.restore -e from=latest")
    eventually(
        lambda: index.run("docker exec wheelhouse-index wheelhouse verify").code == 0, "the index has all that it had"
    )
    assert index.succeed(look) == before
    assert index.succeed(f"stat -c %h {served}").strip() == "2"
    index.succeed("rm -r /srv/wheelhouse/shelf.before-*")


def test_looking_after_the_shelf(copied: Login, index: Login, version: str) -> None:
    for command in ("reindex", "verify", "channel", "unyank"):
        assert command in index.as_written("docker exec wheelhouse-index wheelhouse --help").text
    index.as_written("docker exec wheelhouse-index wheelhouse reindex")
    index.as_written("docker exec wheelhouse-index wheelhouse verify")
    index.as_written("docker exec wheelhouse-index wheelhouse channel NAME", real={"NAME": "internal"})
    release = {"PROJECT": PROJECT, "VERSION": version}
    index.as_written(
        "docker exec wheelhouse-index wheelhouse yank PROJECT VERSION --reason WHY", real=release | {"WHY": "broken"}
    )
    index.as_written("docker exec wheelhouse-index wheelhouse unyank PROJECT VERSION", real=release)
    index.as_written(
        "docker exec wheelhouse-index wheelhouse mark PROJECT archived --reason WHY",
        real={"PROJECT": PROJECT, "WHY": "done"},
    )
    index.succeed(f"docker exec wheelhouse-index wheelhouse mark {PROJECT} active")
    index.as_written(
        "docker exec wheelhouse-index wheelhouse remove PROJECT VERSION --reason WHY", real=release | {"WHY": "gone"}
    )
    assert index.run(f"ls {SHELF}/packages/{PROJECT}/*.whl").code != 0
    index.as_written(
        "docker exec wheelhouse-index wheelhouse remove NAME VERSION --channel CHANNEL --reason WHY",
        real={"NAME": "acme-hello", "VERSION": "1.0", "CHANNEL": "internal", "WHY": "gone"},
    )
    assert "acme-hello" not in index.succeed(f"cat {SHELF}/conda/internal/noarch/repodata.json")
    told = index.as_written("docker exec wheelhouse-index wheelhouse journal").text
    assert "yank" in told and "remove" in told


def test_downloads_and_housekeeping(index: Login) -> None:
    assert "30 days" in index.as_written("docker exec wheelhouse-index wheelhouse downloads").text
    assert "would be removed" in index.as_written("docker exec wheelhouse-index wheelhouse housekeeping --dry-run").text
    index.succeed("systemctl start wheelhouse-housekeeping")
    index.as_written("journalctl -u wheelhouse-housekeeping")


def test_the_report(index: Login) -> None:
    assert "sqlparse" in index.as_written("docker exec wheelhouse-index wheelhouse report", code=None).text
    index.as_written("systemctl status wheelhouse-intake", code=None)
    assert "sqlparse" in index.as_written("journalctl -u wheelhouse-intake").text


def test_bringing_in_and_going_back(index: Login) -> None:
    # sqlparse is kept back, and the run says so
    assert "sqlparse" in index.as_written("wheelhouse-intake", code=None).text
    sets = index.as_written("wheelhouse-intake --sets").text.split()
    day = re.sub(r"(....)(..)(..)T.*", r"\1-\2-\3", sets[-1])
    index.as_written("wheelhouse-intake --rollback DAY", code=None, real={"DAY": day})
    try:
        assert "--roll-forward" in index.as_written("wheelhouse-intake", code=None).text
    finally:
        forward = index.as_written("wheelhouse-intake --roll-forward", code=None)
    assert "--roll-forward" not in forward.text


def test_being_told_by_mail(index: Login) -> None:
    """No mail server is to be had: a program of that name takes it."""
    index.succeed(
        'printf \'#!/bin/sh\\nprintf "%%s|" "$@" >/run/mailed; cat >>/run/mailed\\n\' >/usr/local/bin/mail && chmod +x /usr/local/bin/mail'
    )
    index.as_written('mail -s "Public packages" it@acme.example', text='{"problems": []}')
    assert (
        index.succeed("cat /run/mailed; rm /run/mailed /usr/local/bin/mail")
        == '-s|Public packages|it@acme.example|{"problems": []}'
    )


CHAT = r"""
import http.server, ssl
class Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        said = self.rfile.read(int(self.headers["Content-Length"]))
        open("/run/chat/said", "ab").write(f"{self.headers['Authorization']} {self.headers['Content-Type']} ".encode() + said)
        self.send_response(204)
        self.end_headers()
server = http.server.HTTPServer(("", 443), Hook)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/run/chat/pem")
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"""


@pytest.fixture
def chat(root_of: dict[str, Login], index: Login) -> Iterator[Login]:
    """The company's chat, on the workstation, with a certificate of the company's CA; the index host knows where it is."""
    here = root_of["workstation"]
    ca = trustme.CA.from_pem((STATE / "ca.pem").read_bytes(), (STATE / "ca.key").read_bytes())
    pem = ca.issue_cert("chat.acme.example").private_key_and_cert_chain_pem.bytes()
    assert here.run("mkdir -p /run/chat && umask 077 && cat >/run/chat/pem", text=pem.decode()).code == 0
    assert here.run("cat >/run/chat/server.py", text=CHAT).code == 0
    here.succeed("systemd-run --quiet --unit chat python3 /run/chat/server.py")
    eventually(lambda: here.run("ss -Hltn sport = :443").text != "", "the chat listens")
    index.succeed(f"cp /etc/hosts /run/hosts && echo {address_of('workstation')} chat.acme.example >>/etc/hosts")
    index.succeed("umask 077 && echo 'Authorization: Bearer of-the-hook' >/etc/wheelhouse/webhook-token")
    yield here
    index.succeed("cat /run/hosts >/etc/hosts; rm /run/hosts /etc/wheelhouse/webhook-token")
    here.succeed("systemctl stop chat; rm -r /run/chat")


def test_being_told_in_a_chat(index: Login, chat: Login) -> None:
    index.succeed("command -v curl || corporate-env apt-get install -qq -y --no-install-recommends curl >/dev/null")
    # as wheelhouse-intake-failed runs it: with the proxy's variables, and how the run went to be read
    index.as_written(
        "curl --silent --header @/etc/wheelhouse/webhook-token --json @- https://chat.acme.example/hook",
        "/ && set -a && . /etc/wheelhouse/proxy.env && set +a",
        text='{"problems": []}',
    )
    assert chat.succeed("cat /run/chat/said") == 'Bearer of-the-hook application/json {"problems": []}'
