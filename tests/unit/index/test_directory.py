"""Logins with accounts of the company's directory: who gets in, what they may do, and what the directory is asked."""

import importlib
import io
import json
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from wheelhouse import cli
from wheelhouse.config import ConfigError, load
from wheelhouse.ldap_directory import memory

from . import slapd
from .samples import PASSWORD as INDEX_PASSWORD
from .samples import Client, Wheel, basic
from .slapd import BASE, BIND_DN, BIND_PASSWORD, LOCKOUT, PASSWORD, Directory, dn

pytestmark = pytest.mark.skipif(not slapd.IS_THERE, reason="demo/programs installs slapd and python3-ldap")


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Directory]:
    root = tmp_path / "slapd"
    root.mkdir()
    with slapd.running(root) as directory:
        yield directory


def settings(directory: Directory, **changes: Any) -> dict[str, Any]:
    return {
        "url": directory.url,
        "bind_dn": BIND_DN,
        "user_base": f"ou=people,{BASE}",
        "group_base": f"ou=groups,{BASE}",
        "groups": [{"name": "python-users"}, {"name": "Python-Authors", "publishes": ["acme-*"]}, {"name": "posix"}],
        "cache": 120,
        "outage": 3600,
    } | changes


@pytest.fixture
def connect(directory: Directory, config: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., None]:
    """Have the index ask the directory."""
    (tmp_path / "memory").mkdir()
    monkeypatch.setenv("WHEELHOUSE_MEMORY", str(tmp_path / "memory"))
    # htpasswd's own accounts: a machine, and somebody who is in the directory as well
    (config / "htpasswd").write_text((config / "htpasswd").read_text().replace("ada:", "ci:"))

    def write(password: str = BIND_PASSWORD, **changes: Any) -> None:
        (config / "ldap.password").write_text(password)
        (config / "ldap-ca.pem").write_bytes((directory.root / "ca.pem").read_bytes())
        (config / "ldap.json").write_text(json.dumps(settings(directory, **changes)))

    write()
    return write


class Clock:
    """The clock of what is remembered, which can be put forward."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ahead = 0.0
        monkeypatch.setattr(memory.Memory, "now", staticmethod(lambda: time.monotonic() + self.ahead))
        # and the directory is asked again at once
        monkeypatch.setattr(importlib.import_module("wheelhouse.ldap_directory.client"), "REST", 0.0)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def check(client: Client, user: str, password: str = PASSWORD) -> int:
    return client.send("GET", "/logins/check", HTTP_AUTHORIZATION=basic(user, password)).status


def publisher(client: Client, user: str) -> int:
    return client.send("GET", f"/publishers/{user}").status


def token(client: Client, user: str = "ada") -> str:
    wanted = json.dumps({"name": "laptop", "publishes": ["acme-*"], "for": "30d"}).encode()
    answer = client.send(
        "POST", "/api/tokens", wanted, CONTENT_TYPE="application/json", HTTP_AUTHORIZATION=basic(user, PASSWORD)
    )
    assert answer.status == 201, answer
    return str(json.loads(answer.text)["token"])


# --- who gets in


def test_members_of_a_group_get_in(connect: object, client: Client) -> None:
    assert [check(client, name) for name in ("ada", "p7", "eve")] == [200, 200, 200]
    assert check(client, "ada", "wrong") == 401


def test_nobody_else_does(connect: Callable[..., None], client: Client, directory: Directory) -> None:
    """And nobody's password can be guessed here who has no account here."""
    connect(groups=[{"name": "python-authors"}])
    assert [check(client, name) for name in ("eve", "p7", "nobody", "ADA", "ada ")] == [401] * 5
    assert directory.binds(dn("eve")) == directory.binds(dn("p7")) == 0


@pytest.mark.parametrize("password", ["", "\0", "x" * 300])
def test_a_bind_that_proves_nothing_is_not_asked_for(
    connect: object, client: Client, directory: Directory, password: str
) -> None:
    assert check(client, "ada", password) == 401
    assert directory.binds(dn("ada")) == 0


NO_NAMES = ["*", "a*", "ada)(uid=*", "*)(objectClass=*", "ada\\", "ada\0", "(ada)", "uid=ada", "ädä"]


@pytest.mark.parametrize("name", NO_NAMES)
def test_a_name_is_no_filter(connect: object, client: Client, name: str) -> None:
    assert check(client, name) == 401


def test_what_is_in_a_filter_is_escaped(connect: Callable[..., None], client: Client, directory: Directory) -> None:
    """Names cannot have such letters; DNs and groups can."""
    directory.add_group(f"cn=x*\\29(y,ou=groups,{BASE}", dn("p3"))
    connect(groups=[{"name": "x*)(y"}])
    assert check(client, "p3") == 200 and check(client, "ada") == 401


def test_an_account_of_the_index_is_never_asked_about(connect: object, client: Client, directory: Directory) -> None:
    """Machines, CI, and whoever must get in without the directory; bob has another password there."""
    assert check(client, "ci", INDEX_PASSWORD) == 200 and check(client, "bob", INDEX_PASSWORD) == 200
    assert check(client, "bob", PASSWORD) == 401
    assert directory.searches() == 0 and directory.binds(dn("bob")) == 0


def test_who_has_left_is_out_whatever_the_directory_says(connect: object, client: Client, config: Path) -> None:
    assert check(client, "ada") == 200
    (config / "ldap.removed").write_text("ada\nmallory\n")
    assert check(client, "ada") == 401 and check(client, "p7") == 200
    (config / "htpasswd.until").write_text("p7:2020-01-01\n")
    assert check(client, "p7") == 401


# --- rights


def test_rights_are_those_of_the_groups(connect: object, client: Client) -> None:
    assert publisher(client, "ada") == 200 and publisher(client, "p7") == 403 and publisher(client, "nobody") == 403
    wheel, other = Wheel(), Wheel("other")
    assert client.upload(wheel.filename, wheel.build(), password=PASSWORD).status == 200
    refused = client.upload(other.filename, other.build(), password=PASSWORD)
    assert refused.status == 403 and "ada may publish acme-*" in refused.text


def test_a_name_that_two_groups_have_gives_no_rights(connect: object, client: Client, directory: Directory) -> None:
    """Somebody who may make groups somewhere below would make another of the name."""
    directory.modify(f"dn: ou=mine,ou=groups,{BASE}\nchangetype: add\nobjectClass: organizationalUnit\n")
    directory.add_group(f"cn=python-authors,ou=mine,ou=groups,{BASE}", dn("p7"))
    assert publisher(client, "p7") == 403 and publisher(client, "ada") == 403


def test_rights_follow_the_groups(connect: object, client: Client, directory: Directory, clock: Clock) -> None:
    assert publisher(client, "p7") == 403
    directory.join("p7", "python-authors")
    assert publisher(client, "p7") == 403
    clock.ahead += 121
    assert publisher(client, "p7") == 200
    directory.leave("p7", "python-authors")
    clock.ahead += 121
    assert publisher(client, "p7") == 403


def test_who_leaves_is_out_in_time(connect: object, client: Client, directory: Directory, clock: Clock) -> None:
    """With the password, and with tokens, which are there again when it was a mistake."""
    text = token(client, "ada")
    assert check(client, "ada", text) == 200
    directory.leave("ada", "python-authors")
    directory.modify(f"dn: {slapd.group_dn('team-models')}\nchangetype: delete\n")
    clock.ahead += 119
    assert check(client, "ada") == 200
    clock.ahead += 2
    assert check(client, "ada") == 401 and check(client, "ada", text) == 401 and publisher(client, "ada") == 403
    directory.join("ada", "python-users")
    clock.ahead += 121
    assert check(client, "ada") == 200 and check(client, "ada", text) == 200 and publisher(client, "ada") == 403


def test_machines_have_tokens_of_people_in_the_directory(
    connect: object,
    client: Client,
    config: Path,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Without any password here; people who have left get none, and lose the earlier one."""

    def settle() -> Any:
        given = io.BytesIO(json.dumps({"machines": {"p7": ["ws-7"], "ada": ["ws-ada"]}}).encode())
        monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=given))
        capsys.readouterr()
        assert cli.main(["token", "machines"]) == 0
        return json.loads(capsys.readouterr().out)

    given = settle()["tokens"]
    ada, seven = given["ada"]["ws-ada"], given["p7"]["ws-7"]
    assert check(client, "ada", ada) == check(client, "p7", seven) == 200
    wheel = Wheel()
    assert client.upload(wheel.filename, wheel.build(), "ada", password=ada).status == 403
    (config / "ldap.removed").write_text("p7\n")
    answer = settle()
    assert (answer["without_account"], answer["revoked"]) == (["p7"], ["p7 on ws-7"])
    assert answer["tokens"] == {"ada": {"ws-ada": ada}} and check(client, "p7", seven) == 401


def test_another_password_counts_in_time(connect: object, client: Client, directory: Directory, clock: Clock) -> None:
    assert check(client, "ada") == 200
    directory.new_password("ada", "An0ther-p4ss")
    assert check(client, "ada", "An0ther-p4ss") == 200
    clock.ahead += 121
    assert check(client, "ada") == 401 and check(client, "ada", "An0ther-p4ss") == 200


# --- what the directory is asked


def test_an_answer_counts_for_a_while(connect: object, client: Client, directory: Directory, clock: Clock) -> None:
    for _ in range(5):
        assert check(client, "ada") == 200
    assert directory.binds(dn("ada")) == 1
    clock.ahead += 121
    assert check(client, "ada") == 200
    assert directory.binds(dn("ada")) == 2


def test_one_wrong_password_is_asked_about_once(
    connect: object, client: Client, directory: Directory, clock: Clock
) -> None:
    """A machine with an old one asks all day."""
    for _ in range(10):
        assert check(client, "ada", "old") == 401
        clock.ahead += 60
    assert directory.binds(dn("ada")) == 1


def test_guesses_lock_nobody_out(connect: object, client: Client, directory: Directory, clock: Clock) -> None:
    """Neither there, nor here whoever is at work."""
    assert check(client, "ada") == 200
    answers = [check(client, "ada", f"guess {number}") for number in range(LOCKOUT * 4)]
    assert answers == [401] * 3 + [429] * (LOCKOUT * 4 - 3)
    assert directory.binds(dn("ada")) == 4
    assert check(client, "ada") == 200
    clock.ahead += 121
    assert check(client, "ada") == 200, "the password that was good may be asked about, and is: no lockout"
    assert check(client, "p7") == 200


def test_two_programs_count_together(
    connect: object, client: Client, directory: Directory, environment: None, clock: Clock
) -> None:
    """gunicorn runs several processes."""
    from wheelhouse.web.app import application  # noqa: PLC0415

    other = Client(application())
    assert [check(one, "ada", f"{number}") for number in range(3) for one in (client, other)].count(429) == 0
    assert directory.binds(dn("ada")) == 3
    assert check(other, "ada", "one more") == 429


# --- outage


def test_in_an_outage_those_who_were_good_go_on(
    connect: object, client: Client, directory: Directory, clock: Clock
) -> None:
    text = token(client, "ada")
    assert check(client, "ada") == 200
    directory.stop()
    clock.ahead += 3500
    assert check(client, "ada") == 200 and check(client, "ada", text) == 200 and publisher(client, "ada") == 200
    assert check(client, "ada", "wrong") == 503 and check(client, "p7") == 503
    assert check(client, "ci", INDEX_PASSWORD) == 200
    clock.ahead += 200
    assert check(client, "ada") == 503 and check(client, "ada", text) == 503
    directory.start()
    assert check(client, "ada") == 200 and check(client, "p7") == 200
    assert directory.binds(dn("ada")) == 2, "an outage counts as no try"


def test_a_directory_that_says_nothing_keeps_nobody_waiting(
    connect: Callable[..., None], client: Client, directory: Directory
) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        connect(url=f"ldaps://127.0.0.1:{silent.getsockname()[1]}")
        begun = time.monotonic()
        assert check(client, "ada") == 503
        assert time.monotonic() - begun < 8, "is bounded"
        begun = time.monotonic()
        assert [check(client, f"p{number}") for number in range(20)] == [503] * 20
        assert time.monotonic() - begun < 3, "is not asked again at once"
        assert check(client, "ci", INDEX_PASSWORD) == 200


# --- the connection


def test_start_tls(connect: Callable[..., None], client: Client, directory: Directory) -> None:
    connect(url=f"ldap://127.0.0.1:{directory.plain_port}", start_tls=True)
    assert check(client, "ada") == 200


def test_a_server_with_another_certificate_gets_no_password(
    connect: object, client: Client, directory: Directory, config: Path
) -> None:
    (config / "ldap-ca.pem").unlink()
    assert check(client, "ada") == 503
    assert directory.binds(dn("ada")) == directory.binds(BIND_DN) == 0


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"url": "ldap://127.0.0.1"}, "start_tls"),
        ({"url": "http://127.0.0.1"}, "ldaps://"),
        ({"groups": []}, "groups is empty"),
        ({"password": ""}, "no password of the bind account"),
        ({"user_attribute": "uid=*)("}, "names of attributes"),
        ({"extra": 1}, "extra"),
    ],
)
def test_settings_that_cannot_be_used(
    connect: Callable[..., None], config: Path, changes: dict[str, Any], sentence: str
) -> None:
    connect(**changes)
    with pytest.raises(ConfigError, match=sentence) as raised:
        load(config)
    assert BIND_PASSWORD not in str(raised.value)


def test_without_a_directory_no_library_is_loaded(config: Path, root: Path, cache: Path) -> None:
    script = """
import sys
from wheelhouse.web.app import application
from wheelhouse.web.logins import Login
app = application()
assert app._logins.find("ada", "wrong") is None and app._logins.of_user("nobody") is None
assert not {"ldap", "_ldap", "wheelhouse.ldap_directory.client"} & set(sys.modules)
"""
    places = {"WHEELHOUSE_SHELF": str(root), "WHEELHOUSE_CONFIG": str(config), "WHEELHOUSE_CACHE": str(cache)}
    source = str(Path(cli.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**places, "PYTHONPATH": source, "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


# --- what playbooks ask


def test_everyone_in_the_groups_is_listed(
    connect: object, environment: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However few entries the server sends at once, and through groups in groups."""
    monkeypatch.setattr(importlib.import_module("wheelhouse.ldap_directory.connection"), "PAGE", 7)
    assert cli.main(["ldap-people"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["ada"] == ["Python-Authors", "python-users"] and found["eve"] == ["posix"]
    assert found.keys() == {"ada", "bob", "eve", *(f"p{number}" for number in range(30))}


def ask(monkeypatch: pytest.MonkeyPatch, directory: Directory, password: str = BIND_PASSWORD, **changes: Any) -> int:
    ca = (directory.root / "ca.pem").read_text()
    given = {"settings": settings(directory, **changes), "password": password, "ca": ca}
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(json.dumps(given).encode())))
    return cli.main(["check-ldap"])


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({}, ""),
        ({"groups": [{"name": slapd.group_dn("posix").upper()}]}, ""),
        ({"groups": [{"name": "python-people"}]}, "groups has 'python-people', and there is no such group"),
        ({"groups": [{"name": f"cn=x,{BASE}"}]}, "there is no such group"),
        ({"user_base": f"ou=persons,{BASE}"}, "user_base is 'ou=persons,dc=acme,dc=example', which the directory"),
        ({"password": "Wr0ng"}, "and the directory refuses it with wheelhouse_ldap.bind_password"),
        ({"user_filter": "(uid"}, "user_filter is no LDAP filter"),
        ({"url": "ldaps://127.0.0.1:1"}, "The company's directory at ldaps://127.0.0.1:1 cannot be reached"),
        ({"url": "ldap://127.0.0.1"}, "start_tls"),
    ],
)
def test_settings_are_tried_before_they_are_written(
    directory: Directory,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    changes: dict[str, Any],
    sentence: str,
) -> None:
    assert ask(monkeypatch, directory, **changes) == bool(sentence)
    said = capsys.readouterr().err
    assert sentence in said and bool(said) is bool(sentence)
    assert BIND_PASSWORD not in said and "Wr0ng" not in said


def test_an_active_directory_is_asked_by_its_own_rule(
    connect: Callable[..., None], client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One question for all levels, which slapd does not understand; and the answer is nobody, not everybody."""
    groups = importlib.import_module("wheelhouse.ldap_directory.groups")
    asked: list[str] = []
    paged = groups.paged
    monkeypatch.setattr(groups, "paged", lambda *given: asked.append(given[2]) or paged(*given))
    connect(active_directory=True)
    assert check(client, "ada") == 401
    assert f"(&(objectClass=*)(member:1.2.840.113556.1.4.1941:={dn('ada')}))" in asked


def test_names_that_are_nobodys_do_not_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(memory.Memory, "now", staticmethod(lambda: now))
    known = memory.Memory(tmp_path / "memory", 8 * 3600)
    known.note_person("ada", "uid=ada,dc=acme", ["python-users"])
    for number in range(20):
        known.note_person(f"x{number}", None, [])
    now += memory.UNKNOWN_TIME + 1
    known.note_person("bob", "uid=bob,dc=acme", [])
    assert known.person("ada") and known.person("bob")
    with sqlite3.connect(tmp_path / "memory") as connection:
        assert connection.execute("select count(*) from people").fetchone() == (2,)
