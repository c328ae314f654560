"""People whose accounts come from the company's directory, by sssd: served like others, and changed in nothing."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from company import Run, eventually, play, site
from directory_server import PORT, Directory
from index.slapd import BASE, BIND_DN, BIND_PASSWORD, dn
from testinfra.host import Host

pytestmark = pytest.mark.long

PLAY = Path(__file__).with_name("directory.yml")
NAME, UID, HOME = "dora", 510_001, "/home/dora"
RECORD = "/var/lib/wheelhouse/directory-accounts.json"
KEPT = "/etc/nsswitch.conf /etc/pam.d"
PERSON = f"""
dn: {dn(NAME)}
objectClass: inetOrgPerson
objectClass: posixAccount
uid: {NAME}
cn: {NAME}
sn: {NAME}
uidNumber: {UID}
gidNumber: {UID}
homeDirectory: {HOME}
loginShell: /bin/bash
"""
SSSD = f"""
[sssd]
services = nss
domains = acme
[domain/acme]
id_provider = ldap
access_provider = permit
ldap_uri = ldaps://127.0.0.1:{PORT}
ldap_search_base = {BASE}
ldap_default_bind_dn = {BIND_DN}
ldap_default_authtok = {BIND_PASSWORD}
ldap_tls_cacert = /etc/ssl/certs/ca-certificates.crt
ldap_tls_reqcert = demand
entry_cache_timeout = 1
entry_negative_timeout = 1
cache_credentials = false
use_fully_qualified_names = false
case_sensitive = false
"""
ASK = """
import http.client, socket
connection = http.client.HTTPConnection("localhost", timeout=120)
connection.sock = socket.socket(socket.AF_UNIX)
connection.sock.settimeout(120)
connection.sock.connect("/run/jupyter-dora/jupyter.sock")
connection.request("GET", "/api")
print(connection.getresponse().status)
"""


def settle(*people: dict[str, object], check: bool = True, arguments: tuple[str, ...] = ()) -> Run:
    """Have these people of the directory work on the host, and no others of it."""
    return play(PLAY, "--extra-vars", json.dumps({"directory_people": people}), *arguments, check=check)


def put(host: Host, path: str, content: str) -> None:
    host.check_output(f"printf %s {shlex.quote(content).replace('%', '%%')} >{path}; chmod 0600 {path}")


def knows(host: Host, name: str = NAME) -> bool:
    host.run("sss_cache -E")
    return bool(host.run("getent passwd %s", name).rc == 0)


def own_files(host: Host) -> str:
    """The accounts and groups of the host itself."""
    return host.check_output("sha256sum /etc/passwd /etc/group /etc/shadow /etc/gshadow")


@pytest.fixture(scope="module")
def directory(jupyter: Host) -> Iterator[Directory]:
    """The host is joined to it; in the end it is as before."""
    directory = Directory(jupyter)
    try:
        jupyter.check_output(f"tar -cf /root/before-directory.tar {KEPT}")
        directory.install()
        directory.start()
        jupyter.check_output(
            "DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends"
            " sssd-ldap sssd-tools libnss-sss >/dev/null 2>&1; test -x /usr/sbin/sssd"
        )
        put(jupyter, "/etc/sssd/sssd.conf", SSSD)
        jupyter.check_output("systemctl restart sssd.service")
        admin = f"-x -H ldap://127.0.0.1:{PORT + 1} -D cn=admin,{BASE} -w {BIND_PASSWORD}"
        jupyter.check_output(f"printf %s {shlex.quote(PERSON)} | ldapadd {admin}")
        eventually(lambda: knows(jupyter), "sssd knows the person", 60)
        yield directory
    finally:
        settle(check=False)
        jupyter.run("DEBIAN_FRONTEND=noninteractive apt-get purge -y -qq --auto-remove sssd-ldap sssd-tools libnss-sss")
        jupyter.run("rm -rf /etc/sssd /var/lib/sss /var/log/sssd %s", HOME)
        directory.remove()
        jupyter.check_output("tar -xf /root/before-directory.tar -C / && rm /root/before-directory.tar")
        site("--limit", "jupyter_hosts", "--tags", "people")


def test_a_person_whom_the_host_does_not_know_changes_nothing(directory: Directory, jupyter: Host) -> None:
    before = own_files(jupyter)
    for arguments in ((), ("--check",)):
        run = settle({"name": "zoe"}, check=False, arguments=arguments)
        assert run.rc != 0 and "zoe has no account, and accounts_source is" in " ".join(run.output.split())
    # one of the host's own
    run = settle({"name": "ada"}, check=False)
    assert run.rc != 0 and "ada is in /etc/passwd, and accounts_source is" in " ".join(run.output.split())
    assert own_files(jupyter) == before and not jupyter.file(RECORD).exists


def test_a_person_of_the_directory_works_here(directory: Directory, jupyter: Host) -> None:
    before = own_files(jupyter)
    assert not jupyter.file(HOME).exists
    run = settle({"name": NAME})
    assert f"{NAME}: the home {HOME} is made." in run.output
    home = jupyter.file(HOME)
    assert (home.uid, home.gid, home.mode) == (UID, UID, 0o700) and jupyter.file(f"{HOME}/.bashrc").uid == UID
    assert own_files(jupyter) == before
    jupyter.check_output("systemctl is-active jupyterlab@%s.socket", NAME)
    answer = jupyter.check_output("su - %s -c %s", NAME, f"python3 -c {shlex.quote(ASK)}")
    assert answer.strip() == "200"
    assert settle({"name": NAME}).changed == 0


def test_a_last_day_ends_what_runs(directory: Directory, jupyter: Host) -> None:
    settle({"name": NAME, "until": "2999-12-31"})
    jupyter.check_output("su %s -s /bin/sh -c 'cd /; nohup sleep 3600 >/dev/null 2>&1 &'", NAME)
    jupyter.check_output("sed -i s/2999/2000/ /etc/wheelhouse/last-days.json")
    jupyter.check_output("systemctl start wheelhouse-last-days.service")
    assert jupyter.run("ps -u %s --no-headers", NAME).stdout == ""
    assert not jupyter.file(f"/etc/ssh/authorized_keys.d/{NAME}").exists
    assert jupyter.run("systemctl is-active jupyterlab@%s.socket", NAME).rc != 0
    back = settle({"name": NAME})
    assert f"{NAME}: is back, with the account of the directory." in back.output
    jupyter.check_output("systemctl is-active jupyterlab@%s.socket", NAME)


def test_who_leaves_is_left_to_the_directory(directory: Directory, jupyter: Host) -> None:
    """Also if the directory has deleted the account first."""
    before = own_files(jupyter)
    jupyter.check_output("su %s -s /bin/sh -c 'cd /; nohup sleep 3600 >/dev/null 2>&1 &'", NAME)
    directory.modify(f"dn: {dn(NAME)}\nchangetype: delete\n")
    eventually(lambda: not knows(jupyter), "the account has ended", 60)
    run = settle()
    assert f"{NAME}: the account has ended in the directory." in run.output
    assert jupyter.run("ps -u %s --no-headers", str(UID)).stdout == ""
    assert not jupyter.file(f"/etc/ssh/authorized_keys.d/{NAME}").exists
    assert jupyter.file(HOME).uid == UID and not jupyter.file(RECORD).exists
    assert own_files(jupyter) == before
    assert settle().changed == 0
