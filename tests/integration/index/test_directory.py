"""An office whose people have accounts of the company's directory: Debian's slapd, on the index host."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from company import eventually, site
from directory_server import PORT, Directory
from directory_server import SETTINGS as CONNECTION
from gateway import PAGE, Gateway
from index.samples import Wheel
from index.slapd import BASE, BIND_PASSWORD, PASSWORD, dn, group_dn
from testinfra.host import Host

pytestmark = pytest.mark.long

CONFIG = "/srv/wheelhouse/config"
SETTINGS = {
    **CONNECTION,
    "groups": [{"name": "python-users"}, {"name": "python-authors", "publishes": ["acme-*"]}],
    "cache_minutes": 1,
}


@pytest.fixture(scope="module")
def directory(index: Host, settings: Any) -> Iterator[Directory]:
    """The index asks it."""
    directory = Directory(index)
    try:
        directory.install()
        directory.start()
        settings.apply(wheelhouse_ldap=SETTINGS)
        yield directory
    finally:
        settings.apply()
        directory.remove()


def status(gateway: Gateway, user: str, password: str = PASSWORD) -> int:
    return gateway.ask(PAGE, login=(user, password)).status


def wheel(project: str, version: str) -> tuple[str, bytes]:
    one = Wheel(project, version)
    return one.filename, one.build()


@pytest.mark.usefixtures("directory", "wheel")
def test_people_log_in_with_the_password_of_the_directory(gateway: Gateway, version: str) -> None:
    assert status(gateway, "p1") == 200 and status(gateway, "p1", "wrong") == 401
    assert status(gateway, "eve") == 401, "is in no group"
    assert status(gateway, "p1", "") == 401
    assert gateway.ask(PAGE, login="ada").status == 200, "the index's own accounts go on"
    assert status(gateway, "ada") == 401, "and have the index's own passwords alone"
    refused = gateway.upload(*wheel("acme_of_directory", version), ("p1", PASSWORD))
    assert refused.status == 403 and "p1 may not publish anything" in refused.text


@pytest.mark.usefixtures("wheel")
def test_rights_follow_the_groups_within_minutes(directory: Directory, gateway: Gateway, version: str) -> None:
    """And so do tokens, which log in where the password lies in no file."""
    group = f"dn: {group_dn('python-authors')}\nchangetype: modify\n"
    directory.modify(f"{group}add: member\nmember: {dn('p2')}\n")
    assert status(gateway, "p2") == 200
    own = wheel("acme_of_directory", f"{version}.2")
    eventually(lambda: gateway.upload(*own, ("p2", PASSWORD)).status == 200, "p2 publishes", 150)
    body = json.dumps({"name": "laptop", "for": "1d"}).encode()
    made = gateway.ask("/api/tokens", "POST", ("p2", PASSWORD), {"Content-Type": "application/json"}, body)
    assert made.status == 201, made
    token = made.json["token"]
    assert status(gateway, "p2", token) == status(gateway, "__token__", token) == 200
    directory.modify(f"{group}delete: member\nmember: {dn('p2')}\n")
    directory.modify(f"dn: {group_dn('team-data')}\nchangetype: modify\ndelete: member\nmember: {dn('p2')}\n")
    # used all the while, which prolongs nothing
    eventually(lambda: status(gateway, "p2") == 401, "p2 is out", 150)
    eventually(lambda: status(gateway, "p2", token) == 401, "and the token is refused", 150)
    assert status(gateway, "p1") == 200


@pytest.mark.usefixtures("wheel")
def test_an_outage_leaves_those_who_were_good(directory: Directory, gateway: Gateway, settings: Any) -> None:
    assert status(gateway, "p1") == 200
    directory.stop()
    try:
        answer = gateway.ask(PAGE, login=("p9", PASSWORD))
        assert answer.status == 503 and "directory does not answer" in answer.text
        # for longer than any answer counts while the directory is there
        directory.host.check_output("sleep 130")
        assert status(gateway, "p1") == 200
        assert gateway.ask(PAGE, login="ada").status == 200
        run = settings.play("directory", "--check", check=False)
        assert (
            run.rc != 0 and "cannot be reached" in " ".join(run.output.split()) and "Nothing was changed." in run.output
        )
    finally:
        directory.start()
    # each of the program's processes leaves it alone for a while
    others = [f"p{number}" for number in range(9, 19)]
    eventually(lambda: all(status(gateway, name) == 200 for name in others), "the directory is asked again", 120)


@pytest.mark.usefixtures("wheel")
def test_guesses_lock_nobody_out(directory: Directory, gateway: Gateway) -> None:
    answers = [status(gateway, "p3", f"guess {number}") for number in range(8)]
    assert answers == [401] * 3 + [429] * 5
    admin = f"-x -LLL -H ldap://127.0.0.1:{PORT + 1} -D cn=admin,{BASE} -w {BIND_PASSWORD} -b {dn('p3')}"
    found = directory.host.check_output(f"ldapsearch {admin} pwdFailureTime pwdAccountLockedTime")
    assert found.count("pwdFailureTime") == 3 and "pwdAccountLockedTime" not in found


@pytest.mark.usefixtures("directory")
def test_the_password_of_the_bind_account_is_for_the_program(index: Host) -> None:
    place = index.file(f"{CONFIG}/ldap.password")
    assert (place.user, place.mode, place.content_string) == ("wheelhouse", 0o400, BIND_PASSWORD)
    inspected = index.check_output("docker inspect wheelhouse-index")
    assert BIND_PASSWORD not in inspected + index.check_output(f"cat {CONFIG}/ldap.json {CONFIG}/config.json")
    assert json.loads(inspected)[0]["HostConfig"]["NetworkMode"] == "host"


@pytest.mark.usefixtures("directory")
def test_a_second_run_changes_nothing(settings: Any) -> None:
    run = settings.play("site", "--limit", "index_hosts", "--tags", "index,people", "--check", "--diff")
    assert run.changed == 0, run.output[-4000:]
    assert BIND_PASSWORD not in run.output


@pytest.mark.usefixtures("directory")
def test_people_are_written_from_the_groups(settings: Any) -> None:
    """And nothing where the directory does not answer."""
    run = settings.play("directory", "--check", "--diff")
    said = " ".join(run.output.split())
    assert re.search(r"Joins: [a-z0-9, ]*p0, p1, ", said) and "Leaves: nobody" in said, run.output[-4000:]
    assert "ada has an entry of their own in wheelhouse_people" in said
    assert "+- name: p1" in run.output


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"url": "ldaps://127.0.0.1:6399"}, "The company's directory at ldaps://127.0.0.1:6399 cannot be reached"),
    ({"groups": [{"name": "python-people"}]}, "wheelhouse_ldap.groups has 'python-people', and there is no such group"),
    ({"bind_password": "Another-p4ss"}, "wheelhouse_ldap.bind_dn is 'cn=search,dc=acme,dc=example', and the directory"),
    ({"url": "ldap://localhost"}, "wheelhouse_ldap.url is 'ldap://localhost', and passwords would be sent unencrypted"),
]


@pytest.mark.usefixtures("directory")
def test_wrong_settings_change_nothing(index: Host, gateway: Gateway) -> None:
    before = index.check_output(f"sha256sum {CONFIG}/*")
    for changes, sentence in WRONG:
        extra = json.dumps({"wheelhouse_ldap": SETTINGS | changes})
        run = site("--limit", "index_hosts", "--tags", "secrets,index", "--extra-vars", extra, check=False)
        assert run.rc != 0 and sentence in " ".join(run.output.split()), run.output[-4000:]
        assert BIND_PASSWORD not in run.output and "Another-p4ss" not in run.output
    assert index.check_output(f"sha256sum {CONFIG}/*") == before
    assert status(gateway, "p1") == 200


def test_without_the_directory_nothing_of_it_is_left(
    directory: Directory, index: Host, gateway: Gateway, settings: Any
) -> None:
    """Last of these."""
    settings.apply()
    assert status(gateway, "p1") == 401
    assert "ldap" not in index.check_output(f"ls {CONFIG}")
    assert "has_directory = false" in index.check_output("cat /etc/nginx/wheelhouse/login_settings.lua")
    assert index.check_output("docker inspect --format '{{.HostConfig.NetworkMode}}' wheelhouse-index") == "none"
