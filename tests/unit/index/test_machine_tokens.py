"""Tokens of machines: the same ones at each run, made of nothing that is in the database, and for installing alone."""

import io
import json
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from wheelhouse import cli
from wheelhouse.index.machine_tokens import KEY_FILE
from wheelhouse.index.opening import open_index
from wheelhouse.index.tokens import Tokens, is_token

from .conftest import HASH
from .journal import journal
from .samples import PASSWORD, Client, Wheel, basic
from .test_tokens import ask, change, check, form, live_file, make_one, row, upload

MACHINES = {"ada": ["jupyter-1", "ws-ada"], "bob": ["ws-bob"]}


@pytest.fixture
def settle(
    environment: None, index: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Any]:
    """Run the command as onboarding does; returns its answer."""

    def run(machines: dict[str, list[str]], *arguments: str, code: int = 0, **more: object) -> Any:
        given = io.BytesIO(json.dumps({"machines": machines, **more}).encode())
        monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=given))
        capsys.readouterr()
        assert cli.main(["token", "machines", "--by", "site.yml", *arguments]) == code
        said = capsys.readouterr()
        return json.loads(said.out) if code == 0 else said.err

    return run


def texts(answer: Any) -> list[str]:
    return [text for of_one in answer["tokens"].values() for text in of_one.values()]


def test_each_machine_has_a_token_that_installs_and_no_more(client: Client, settle: Callable[..., Any]) -> None:
    answer = settle(MACHINES)
    assert {owner: sorted(given) for owner, given in answer["tokens"].items()} == MACHINES
    assert len(set(texts(answer))) == 3 and all(is_token(text) for text in texts(answer))
    assert answer["created"] == ["ada on jupyter-1", "ada on ws-ada", "bob on ws-bob"]
    token = answer["tokens"]["ada"]["ws-ada"]
    assert [check(client, user, token) for user in ("ada", "__token__", "bob")] == [200, 200, 401]
    refused = upload(client, token)
    assert refused.status == 403 and "The token 'ws-ada' may not publish anything" in refused.text
    assert ask(client, "POST", "/api/tokens", ("ada", token), {"name": "more", "for": "1d"}).status == 403
    assert ask(client, "GET", "/api/tokens", ("ada", token)).status == 403


def test_the_next_run_gives_the_same_and_writes_nothing(root: Path, settle: Callable[..., Any]) -> None:
    first, events, live = settle(MACHINES), len(list(journal(root))), live_file(root)
    second = settle(MACHINES)
    assert second == {**first, "created": [], "revoked": []}
    assert (len(list(journal(root))), live_file(root)) == (events, live)


def test_what_is_not_listed_is_revoked(client: Client, root: Path, settle: Callable[..., Any]) -> None:
    first = settle(MACHINES)["tokens"]
    answer = settle({"ada": ["ws-ada"]})
    assert (answer["created"], answer["revoked"]) == ([], ["ada on jupyter-1", "bob on ws-bob"])
    assert answer["tokens"] == {"ada": {"ws-ada": first["ada"]["ws-ada"]}}
    assert check(client, "ada", first["ada"]["jupyter-1"]) == check(client, "bob", first["bob"]["ws-bob"]) == 401
    assert check(client, "ada", first["ada"]["ws-ada"]) == 200
    again = settle(MACHINES)["tokens"]
    assert again["bob"]["ws-bob"] != first["bob"]["ws-bob"], "one that was revoked never comes back"


def test_peoples_own_tokens_are_not_touched(client: Client, root: Path, settle: Callable[..., Any]) -> None:
    own = make_one(root, name="ws-ada")[1]
    settle(MACHINES)
    answer = settle({})
    assert answer["revoked"] == ["ada on jupyter-1", "ada on ws-ada", "bob on ws-bob"]
    assert check(client, "ada", own) == 200
    settle(MACHINES)
    make_one(root, name="jupyter-1")  # of a machine's token nobody has to know


def test_who_has_no_account_gets_none(client: Client, config: Path, settle: Callable[..., Any]) -> None:
    before = settle(MACHINES)["tokens"]["bob"]["ws-bob"]
    (config / "htpasswd").write_text(f"ada:{HASH}\n")
    answer = settle({**MACHINES, "eve": ["ws-eve"]})
    assert answer["without_account"] == ["bob", "eve"] and list(answer["tokens"]) == ["ada"]
    assert answer["revoked"] == ["bob on ws-bob"] and check(client, "bob", before) == 401


def test_a_token_that_was_revoked_is_replaced(client: Client, root: Path, settle: Callable[..., Any]) -> None:
    first = settle(MACHINES)["tokens"]["ada"]["ws-ada"]
    assert form(client, f"/account/tokens/{first[4:12]}/revoke").status == 303
    assert check(client, "ada", first) == 401
    answer = settle(MACHINES)
    assert answer["created"] == ["ada on ws-ada"]
    assert check(client, "ada", answer["tokens"]["ada"]["ws-ada"]) == 200
    assert answer["tokens"]["ada"]["ws-ada"] != first


def test_rotation_leaves_time_for_the_machines(client: Client, root: Path, settle: Callable[..., Any]) -> None:
    first = settle(MACHINES)["tokens"]
    second = settle(MACHINES, rotate=["ada"])
    assert second["created"] == ["ada on jupyter-1", "ada on ws-ada"] and second["revoked"] == []
    assert second["tokens"]["bob"] == first["bob"] and second["tokens"]["ada"] != first["ada"]
    old, new = first["ada"]["ws-ada"], second["tokens"]["ada"]["ws-ada"]
    assert [check(client, "ada", one) for one in (old, new)] == [200, 200]
    assert settle(MACHINES)["tokens"] == second["tokens"], "the one that ends soon is not given out any more"
    ends = datetime.fromisoformat(row(root, old[4:12])["until"]) - datetime.now(UTC)
    assert timedelta(minutes=55) < ends < timedelta(minutes=65)
    change(root, old[4:12], until="2026-01-01T00:00:00.000000Z")
    assert [check(client, "ada", one) for one in (old, new)] == [401, 200]


def test_rotation_at_once(client: Client, settle: Callable[..., Any]) -> None:
    first = settle(MACHINES)["tokens"]
    halfway = settle(MACHINES, rotate=["all"])["tokens"]
    last = settle(MACHINES, rotate=["all"], immediately=True)
    assert len(last["created"]) == 3 and len(last["revoked"]) == 6
    for tokens, status in ((first, 401), (halfway, 401), (last["tokens"], 200)):
        assert check(client, "ada", tokens["ada"]["ws-ada"]) == status


def test_with_another_key_each_machine_gets_another_token(
    client: Client, root: Path, settle: Callable[..., Any]
) -> None:
    first = settle(MACHINES)["tokens"]
    (root / KEY_FILE).unlink()
    second = settle(MACHINES)
    assert len(second["created"]) == 3 and not set(texts(second)) & {first["ada"]["ws-ada"]}
    assert check(client, "ada", second["tokens"]["ada"]["ws-ada"]) == 200
    assert check(client, "ada", first["ada"]["ws-ada"]) == 200, "for an hour: machines are given the new one meanwhile"


def test_a_damaged_key_stops_it(root: Path, settle: Callable[..., Any]) -> None:
    settle(MACHINES)
    (root / KEY_FILE).chmod(0o600)
    (root / KEY_FILE).write_bytes(b"short")
    assert "machine-tokens.key, the key of the machines' tokens, is damaged" in settle(MACHINES, code=1)


def test_only_the_program_reads_the_key_and_no_text_is_kept(
    root: Path, settle: Callable[..., Any], database: object
) -> None:
    answer = settle(MACHINES)
    key = root / KEY_FILE
    assert key.stat().st_mode & 0o777 == 0o400
    files = [path for path in root.rglob("*") if path.is_file() and path != key]
    content = b"".join(path.read_bytes() for path in files)
    assert not [text for text in texts(answer) if text[12:44].encode() in content]
    assert key.read_bytes() not in content
    if database is None:
        with sqlite3.connect(root / "state/index.sqlite") as connection:
            rows = connection.execute("SELECT machine, reads, publishes, until FROM tokens ORDER BY machine").fetchall()
        assert rows == [(machine, 1, "[]", None) for machine in ("jupyter-1", "ws-ada", "ws-bob")]


def test_a_look_changes_nothing(root: Path, settle: Callable[..., Any]) -> None:
    looked = settle(MACHINES, "--check")
    assert (looked["tokens"], len(looked["created"])) == ({}, 3)
    assert not (root / KEY_FILE).exists() and not Tokens(open_index(root).database).of()
    made = settle(MACHINES)
    looked = settle({"ada": ["ws-ada", "ws-new"]}, "--check")
    assert looked["tokens"] == {"ada": {"ws-ada": made["tokens"]["ada"]["ws-ada"]}}
    assert (looked["created"], looked["revoked"]) == (["ada on ws-new"], ["ada on jupyter-1", "bob on ws-bob"])
    assert settle(MACHINES) == {**made, "created": []}


def test_many_machines_take_seconds(settle: Callable[..., Any], client: Client, config: Path) -> None:
    people = [f"p{number}" for number in range(500)]
    (config / "htpasswd").write_text("".join(f"{name}:{HASH}\n" for name in people))
    machines = {name: [f"ws-{name}", "jupyter-1", "jupyter-2"] for name in people}
    answer = settle(machines)
    assert len(texts(answer)) == 1500 and settle(machines)["tokens"] == answer["tokens"]
    assert check(client, "p499", answer["tokens"]["p499"]["jupyter-2"]) == 200


def test_machines_stand_apart_from_the_tokens_that_people_made(client: Client, root: Path, settle: Any) -> None:
    make_one(root, name="own one")
    token = settle(MACHINES)["tokens"]["ada"]["ws-ada"]
    assert check(client, "ada", token) == 200  # notes the day
    page = client.send("GET", "/account/tokens", HTTP_AUTHORIZATION=basic("ada", PASSWORD)).text
    own, machines = page[page.index("Tokens you have") :].split("Your machines")
    assert "own one" in own and "ws-ada" not in own
    assert "ws-ada" in machines and "jupyter-1" in machines and "Last used 20" in machines and "ws-bob" not in machines
    assert token not in page
    told = json.loads(ask(client, "GET", "/api/tokens").text)["tokens"]
    assert {one["name"]: one["machine"] for one in told} == {
        "own one": None, "ws-ada": "ws-ada", "jupyter-1": "jupyter-1",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (b"", "The list of machines on the standard input cannot be read"),
        (b'{"machines": {"ada": "ws"}}', "cannot be read: Expected `array`, got `str`"),
        (b'{"machines": {}, "rotat": []}', "unknown field `rotat`"),
        (b'{"machines": {"ada": ["a\\nb"]}}', "'a\\nb' is no name of a machine."),
    ],
)
def test_what_cannot_be_read_gets_a_sentence(
    environment: None,
    index: object,
    given: bytes,
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(given)))
    assert cli.main(["token", "machines"]) == 1
    assert sentence in capsys.readouterr().err


def test_nothing_of_a_wheel_is_published_with_one(client: Client, settle: Callable[..., Any]) -> None:
    token = settle(MACHINES)["tokens"]["ada"]["ws-ada"]
    for user in ("ada", "__token__"):
        assert upload(client, token, user).status == 403
    assert Wheel().filename not in client.send("GET", "/").text
