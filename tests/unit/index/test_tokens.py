"""Tokens: who has one may do what it says and what its owner may, until it ends; and nothing else."""

import base64
import json
import re
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update
from wheelhouse import cli
from wheelhouse.index import tables, tokens
from wheelhouse.index.opening import open_index
from wheelhouse.index.tokens import Tokens, Wanted
from wheelhouse.web import app

from .conftest import HASH
from .journal import journal
from .samples import PASSWORD, Client, Wheel, basic

OWN = "https://packages.acme.example"
SCANNERS_PATTERN = r"\bwhl_[a-z2-7]{47}\b"
"""As the documentation has it."""


def make(root: Path, owner: str = "ada", **wanted: Any) -> str:
    """A token's text."""
    return make_one(root, owner, **wanted)[1]


def make_one(root: Path, owner: str = "ada", name: str = "laptop", **wanted: Any) -> tuple[tokens.Token, str]:
    return Tokens(open_index(root).database).create(Wanted(owner, name, **wanted), ["acme-*"], "administrator")


def row(root: Path, identity: str) -> Any:
    with open_index(root).database.read() as connection:
        return connection.execute(select(tables.tokens).where(tables.tokens.c.id == identity)).mappings().one()


def change(root: Path, identity: str, **values: Any) -> None:
    with open_index(root).database.change("tokens") as connection:
        connection.execute(update(tables.tokens).where(tables.tokens.c.id == identity).values(values))


def live_file(root: Path) -> str:
    return (root / "logins/tokens").read_text()


def check(client: Client, user: str, password: str) -> int:
    return client.send("GET", "/logins/check", HTTP_AUTHORIZATION=basic(user, password)).status


def ask(client: Client, method: str, path: str, login: tuple[str, str] = ("ada", PASSWORD), given: Any = None) -> Any:
    body = json.dumps(given).encode() if given is not None else b""
    return client.send(method, path, body, CONTENT_TYPE="application/json", HTTP_AUTHORIZATION=basic(*login))


def form(client: Client, path: str = "/account/tokens", body: str = "", **environ: str) -> Any:
    headers = {
        "CONTENT_TYPE": "application/x-www-form-urlencoded",
        "HTTP_AUTHORIZATION": basic("ada", PASSWORD),
        "HTTP_ORIGIN": OWN,
        "HTTP_SEC_FETCH_SITE": "same-origin",
    }
    return client.send("POST", path, body.encode(), **headers | environ)


# --- the text


def test_a_scanner_finds_a_token_by_its_form_alone(root: Path, index: object) -> None:
    texts = [make(root, name=str(number)) for number in range(20)]
    found = re.findall(SCANNERS_PATTERN, f"password = '{texts[0]}'\n" + "\n".join(texts[1:]))
    assert found == texts and len({text[12:44] for text in texts}) == 20


def test_only_a_hash_is_kept(root: Path, index: object) -> None:
    text = make(root)
    secret = text[12:44].encode()
    for path in (root / "state").iterdir():
        assert secret not in path.read_bytes(), path
    assert text[12:44] not in json.dumps(journal(root))


# --- logins


def test_a_token_is_a_login(client: Client, root: Path) -> None:
    text = make(root)
    assert check(client, "ada", text) == check(client, "__token__", text) == 200


def test_what_is_no_token_is_no_login(client: Client, root: Path) -> None:
    text, of_bob = make(root), make(root, "bob")
    other = "a" if text[20] != "a" else "b"
    guesses = {
        "another's name": ("bob", text),
        "no name": ("", text),
        "another secret": ("ada", text[:20] + other + text[21:]),
        "another's id with one's own secret": ("bob", of_bob[:12] + text[12:44]),
        "a secret of one's own, with its checksum": ("ada", _complete("whl_" + text[4:12] + "a" * 32)),
        "an id that is not there": ("ada", _complete("whl_" + "b" * 8 + text[12:44])),
        "the hash": ("ada", row(root, text[4:12])["sha256"]),
        "capitals": ("ada", text.upper()),
        "cut off": ("ada", text[:-1]),
        "something behind it": ("ada", text + "\n"),
        "the password of a person for the name of tokens": ("__token__", PASSWORD),
    }
    assert {what: check(client, *login) for what, login in guesses.items()} == dict.fromkeys(guesses, 401)


def _complete(text: str) -> str:
    return text + tokens._checksum(text)


def test_a_token_ends(client: Client, root: Path) -> None:
    token, text = make_one(root, until=datetime.now(UTC) + timedelta(hours=1))
    assert check(client, "ada", text) == 200
    change(root, token.id, until="2026-01-01T00:00:00.000000Z")
    assert check(client, "ada", text) == 401


def test_a_token_is_revoked(client: Client, root: Path) -> None:
    token, text = make_one(root)
    assert f"{token.id}:1:0:ada\n" in live_file(root)
    assert cli.main(["token", "revoke", token.id, "--by", "it"]) == 0
    assert check(client, "ada", text) == 401
    assert token.id not in live_file(root)
    assert (row(root, token.id)["revoked_by"]) == "it"


def test_a_token_ends_with_its_owner(client: Client, root: Path, config: Path) -> None:
    text = make(root)
    (config / "htpasswd").write_text(f"bob:{HASH}\n")
    assert check(client, "ada", text) == check(client, "__token__", text) == 401


def test_who_comes_back_has_no_token_of_before(client: Client, root: Path, config: Path) -> None:
    kept, lost = make(root, "bob"), make(root)
    accounts = Tokens(open_index(root).database)
    accounts.refresh({"bob"})
    assert (check(client, "ada", lost), check(client, "bob", kept)) == (401, 200)
    assert [one.revoked_by for one in accounts.of("ada")] == ["offboarding"]
    assert journal(root)[-1]["event"] == "revoke token"


def test_the_server_looks_for_those_who_left(
    client: Client, root: Path, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token, _ = make_one(root)
    (config / "htpasswd").write_text(f"bob:{HASH}\n")
    ended = threading.Event()
    refresh = Tokens.refresh
    monkeypatch.setattr(Tokens, "refresh", lambda *given: (refresh(*given), ended.set()))
    monkeypatch.setattr(app, "LOOK_AT_TOKENS", 3600.0)
    client.application.warm_up()
    assert ended.wait(60)
    assert row(root, token.id)["revoked_by"] == "offboarding"


def test_the_gateways_file_comes_back(root: Path, index: object) -> None:
    token, _ = make_one(root)
    (root / "logins/tokens").write_text("somebody:1:0:eve\n")
    Tokens(open_index(root).database).refresh({"ada"})
    assert live_file(root) == f"{token.id}:1:0:ada\n"
    assert (root / "logins/tokens").stat().st_mode & 0o777 == 0o640


def test_the_last_use_is_noted_once_a_day(client: Client, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token, text = make_one(root)
    written = []
    note = Tokens.note_used
    monkeypatch.setattr(Tokens, "note_used", lambda self, one: (written.append(one.last_used), note(self, one)))
    today = datetime.now(UTC).date().isoformat()
    assert check(client, "ada", text) == 200 and row(root, token.id)["last_used"] == today
    assert check(client, "ada", text) == 200 and written == [None, today]
    change(root, token.id, last_used="2026-01-01")
    assert client.send("GET", f"/logins/used/{token.id}").status == 200
    assert row(root, token.id)["last_used"] == today


# --- publishing


def upload(client: Client, password: str, user: str = "__token__", name: str = "acme_tools") -> Any:
    wheel = Wheel(name)
    return client.upload(wheel.filename, wheel.build(), user, password)


def test_a_token_publishes_in_its_owners_name(client: Client, root: Path) -> None:
    token, text = make_one(root, publishes=["acme-tools"])
    assert upload(client, text).status == 200
    (event,) = [one for one in journal(root) if one["event"] == "publish"]
    assert (event["who"], event["reason"]) == ("ada", f"with the token {token.id}")


def test_a_token_that_installs_publishes_nothing(client: Client, root: Path) -> None:
    token, text = make_one(root)
    answer = upload(client, text)
    assert answer.status == 403
    assert answer.text.startswith("The token 'laptop' may not publish anything: publish with your password")
    assert "may not publish anything" in answer.reason
    assert client.send("GET", f"/publishers/:{token.id}").status == 403


def test_a_token_publishes_what_it_is_for(client: Client, root: Path) -> None:
    token, text = make_one(root, publishes=["acme-hello"])
    answer = upload(client, text)
    assert (answer.status, answer.text.split(";")[0]) == (
        403,
        "The token 'laptop' may not publish acme-tools: it may publish acme-hello",
    )
    assert client.send("GET", f"/publishers/:{token.id}").status == 200
    assert client.send("GET", "/publishers/:nothing2").status == 403


def test_a_token_never_does_what_its_owner_may_not(client: Client, root: Path, configure: Callable[..., None]) -> None:
    token, text = make_one(root, publishes=["acme-*"])
    configure(publishes={"ada": ["acme-other"], "bob": ["acme-*"]})
    answer = upload(client, text)
    assert answer.status == 403 and answer.text.startswith("ada may not publish acme-tools")
    configure(publishes={"ada": [], "bob": ["acme-*"]})
    assert upload(client, text).text.startswith("ada may not publish anything")
    assert client.send("GET", f"/publishers/:{token.id}").status == 403


def test_a_token_that_has_ended_publishes_nothing(client: Client, root: Path) -> None:
    token, text = make_one(root, publishes=["acme-*"])
    change(root, token.id, until="2026-01-01T00:00:00.000000Z")
    answer = upload(client, text)
    assert (answer.status, answer.text) == (
        401,
        f"This token has ended, was revoked, or is not complete: make another one at {OWN}/account/tokens.\n",
    )


# --- the command of the host


def test_the_command_creates_lists_and_revokes(client: Client, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["token", "create", "ada", "ci of acme-hello", "--publish", "acme-hello", "--for", "30d", "--by", "it"]
    assert cli.main(arguments) == 0
    text = capsys.readouterr().out.strip()
    assert check(client, "ada", text) == 200
    assert cli.main(["token", "list"]) == 0
    shown = capsys.readouterr().out
    assert text[4:12] in shown and "installs, publishes acme-hello, until 20" in shown and text not in shown
    assert cli.main(["token", "list", "bob"]) == 0 and capsys.readouterr().out == ""
    assert cli.main(["token", "revoke", "--owner", "ada", "--by", "it"]) == 0
    assert check(client, "ada", text) == 401
    capsys.readouterr()
    assert cli.main(["token", "list"]) == 0 and capsys.readouterr().out == ""
    assert cli.main(["token", "list", "--all", "--json"]) == 0
    (listed,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (listed["state"], listed["revoked_by"]) == ("revoked", "it") and "sha256" not in listed
    told = [(one["event"], one["who"], one["reason"]) for one in journal(root)]
    about = f"{text[4:12]} 'ci of acme-hello' of ada"
    assert [told[0][:2], told[1]] == [("create token", "it"), ("revoke token", "it", about)]
    assert told[0][2].startswith(f"{about}, which installs, publishes acme-hello, until 20")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["create", "eve", "x"], "eve has no account on this index."),
        (["create", "__token__", "x"], "__token__ has no account on this index."),
        (["create", "ada", ""], "A token needs a name of 1 to 100 printable characters"),
        (["create", "ada", "a\nb"], "A token needs a name"),
        (["create", "ada", "x", "--publish", "requests"], "The token cannot publish requests: ada may publish acme-*."),
        (["create", "ada", "x", "--publish", "*"], "The token cannot publish *: ada may publish acme-*."),
        (["create", "ada", "x", "--publish", "acme-$(x)"], "'acme-$(x)' is no name of a project"),
        (["create", "bob", "x", "--publish", "acme-x"], "The token cannot publish acme-x: bob may publish nothing."),
        (["create", "ada", "x", "--no-install"], "The token may neither install nor publish: give it a right."),
        (["create", "ada", "x", "--for", "soon"], "'soon' is no duration: write 10m, 8h, 30d or 2w."),
        (["create", "ada", "x", "--for", "999999w"], "'999999w' is too long."),
        (["create", "ada", "x", "--until", "2026-13-01"], "'2026-13-01' is no day"),
        (["create", "ada", "x", "--until", "2020-01-01"], "The token would have ended already"),
        (["revoke"], "Name either the tokens to be revoked"),
        (["revoke", "nothing2"], "There is no token 'nothing2'."),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, list) else "",
)
def test_what_is_wrong_gets_a_sentence(
    environment: None, index: object, arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["token", *arguments]) == 1
    said = capsys.readouterr().err
    assert sentence in said and "Traceback" not in said


def test_a_name_is_of_one_token_at_a_time(root: Path, index: object) -> None:
    token, _ = make_one(root)
    with pytest.raises(tokens.Conflict, match="revoke it, or take another name"):
        make(root)
    Tokens(open_index(root).database).revoke([token.id], "ada")
    make(root)


def test_nobody_has_tokens_without_end(root: Path, index: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "MAX_TOKENS", 3)
    for number in range(3):
        make(root, name=str(number))
    with pytest.raises(tokens.Conflict, match="revoke those that are not used"):
        make(root, name="one more")
    make(root, "bob", name="another's")


# --- programs


def test_programs_create_list_and_revoke(client: Client, root: Path) -> None:
    made = ask(client, "POST", "/api/tokens", given={"name": "ci", "publishes": ["acme-x"], "for": "10m"})
    assert made.status == 201 and made.headers["Cache-Control"] == "no-store"
    new = json.loads(made.text)
    about = json.loads(ask(client, "GET", "/api/tokens/current", ("__token__", new["token"])).text)
    assert (about["user"], about["publishes"], about["token"]["id"]) == ("ada", ["acme-x"], new["id"])
    listed = ask(client, "GET", "/api/tokens")
    assert [one["name"] for one in json.loads(listed.text)["tokens"]] == ["ci"]
    assert new["token"] not in listed.text and "sha256" not in listed.text
    assert json.loads(ask(client, "POST", f"/api/tokens/{new['id']}/revoke").text) == {"revoked": [new["id"]]}
    assert ask(client, "GET", "/api/tokens/current", ("__token__", new["token"])).status == 401


@pytest.mark.parametrize("publishes", [[], ["acme-*"]])
def test_a_token_makes_no_token(client: Client, root: Path, publishes: list[str]) -> None:
    text = make(root, publishes=publishes)
    for method, path, given in (
        ("POST", "/api/tokens", {"name": "more", "for": "1d"}),
        ("GET", "/api/tokens", None),
        ("POST", f"/api/tokens/{text[4:12]}/revoke", None),
    ):
        answer = ask(client, method, path, ("ada", text), given)
        assert (answer.status, answer.text) == (
            403,
            "The token 'laptop' may not manage tokens: log in with your password.\n",
        )
    assert client.send("GET", "/account/tokens", HTTP_AUTHORIZATION=basic("ada", text)).status == 403


def test_a_token_that_manages_gives_no_more_than_it_has(client: Client, root: Path) -> None:
    end = datetime.now(UTC) + timedelta(hours=1)
    text = make(root, name="manager", publishes=["acme-x"], reads=False, manages=True, until=end)
    login = "ada", text

    def create(**given: Any) -> Any:
        wanted = {"name": "x", "reads": False, "publishes": ["acme-x"], "for": "10m"}
        return ask(client, "POST", "/api/tokens", login, {**wanted, **given})

    assert create(reads=True).status == 403
    assert create(publishes=["acme-*"]).status == 403
    assert create(manages=True).status == 403
    assert create(**{"for": "2h"}).status == 403
    assert create().status == 201


def test_a_token_may_end_itself(client: Client, root: Path) -> None:
    text = make(root)
    other = make(root, name="other")
    assert ask(client, "POST", "/api/tokens/current/revoke", ("ada", text)).status == 200
    assert (check(client, "ada", text), check(client, "ada", other)) == (401, 200)


def test_nobody_ends_or_sees_anothers_token(client: Client, root: Path) -> None:
    token, text = make_one(root, "bob")
    answer = ask(client, "POST", f"/api/tokens/{token.id}/revoke")
    assert (answer.status, answer.text) == (404, f"There is no token {token.id!r} of ada.\n")
    assert form(client, f"/account/tokens/{token.id}/revoke").status == 404
    assert check(client, "bob", text) == 200
    assert token.id not in ask(client, "GET", "/api/tokens").text


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ([], "Send a JSON object"),
        ({"name": "x"}, 'Write either "for"'),
        ({"name": "x", "for": "1d", "until": "2026-12-31"}, 'Write either "for"'),
        ({"name": "x", "for": "400d"}, "A token lasts for at most 366 days."),
        ({"name": "x", "for": 7}, "for is no text."),
        ({"name": "x", "for": "1d", "publishes": "acme-x"}, "publishes is no list."),
        ({"name": "x", "for": "1d", "publishes": [1]}, "publishes is no list of texts."),
        ({"name": "x", "for": "1d", "reads": "yes"}, "reads is no bool."),
        ({"name": "x", "for": "1d", "owner": "bob"}, "There is no 'owner'"),
    ],
    ids=str,
)
def test_a_program_is_told_what_is_wrong(client: Client, given: object, sentence: str) -> None:
    answer = ask(client, "POST", "/api/tokens", given=given)
    assert answer.status == 400 and answer.text.startswith(sentence), answer
    assert json.loads(ask(client, "GET", "/api/tokens").text)["tokens"] == []


def test_what_is_nested_without_an_end_is_no_object(client: Client) -> None:
    login = basic("ada", PASSWORD)
    answer = client.send("POST", "/api/tokens", b"[" * 9000, CONTENT_TYPE="application/json", HTTP_AUTHORIZATION=login)
    assert answer.status == 400 and answer.text.startswith("Send a JSON object"), answer


def test_who_has_no_password_is_asked_for_it(client: Client) -> None:
    for path in ("/account/tokens", "/api/tokens", "/api/tokens/current", "/logins/check"):
        answer = client.send("GET", path)
        assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, 'Basic realm="index"')
        bearer = "Bearer " + base64.b64encode(b"ada").decode()
        assert client.send("GET", path, HTTP_AUTHORIZATION=bearer).status == 401


def test_too_much_is_not_read(client: Client) -> None:
    assert ask(client, "POST", "/api/tokens", given={"name": "x" * 20_000, "for": "1d"}).status == 413


def test_odd_addresses_are_nowhere(client: Client) -> None:
    for method, path in (
        ("GET", "/api/tokensx"),
        ("GET", "/api/tokens/x"),
        ("DELETE", "/api/tokens/x"),
        ("POST", "/api/tokens/x/y"),
        ("GET", "/account/tokens/x"),
    ):
        assert ask(client, method, path).status in (404, 405), (method, path)


# --- people


def test_the_page_shows_a_token_once(client: Client, root: Path) -> None:
    made = form(client, body="name=laptop&reads=on&publishes=acme-x%2C+acme-y&for=7d")
    assert made.status == 200 and made.headers["Cache-Control"] == "no-store"
    (text,) = re.findall(SCANNERS_PATTERN, made.text)
    assert check(client, "ada", text) == 200
    page = client.send("GET", "/account/tokens", HTTP_AUTHORIZATION=basic("ada", PASSWORD))
    assert text not in page.text and "installs, publishes acme-x acme-y" in page.text
    ended = form(client, f"/account/tokens/{text[4:12]}/revoke")
    assert (ended.status, ended.headers["Location"]) == (303, "/account/tokens")
    assert check(client, "ada", text) == 401


def test_html_in_a_name_is_text(client: Client) -> None:
    made = form(client, body="name=%3Cscript%3Ealert(1)%3C/script%3E%22%27&reads=on&for=1d")
    assert made.status == 200
    assert "<script>alert" not in made.text and "&lt;script&gt;alert(1)&lt;/script&gt;" in made.text
    wrong = form(client, body="name=%22%3E%3Cscript%3Ealert(2)&publishes=%3Cb%3E&for=1d")
    assert wrong.status == 400 and "<script>alert" not in wrong.text and "<b>" not in wrong.text


@pytest.mark.parametrize(
    "headers",
    [
        {"HTTP_ORIGIN": "https://evil.example"},
        {"HTTP_ORIGIN": "null"},
        {"HTTP_SEC_FETCH_SITE": "cross-site"},
        {"HTTP_SEC_FETCH_SITE": "same-site"},
    ],
    ids=str,
)
def test_a_page_of_another_site_makes_no_token(client: Client, root: Path, headers: dict[str, str]) -> None:
    token, _ = make_one(root)
    assert form(client, body="name=stolen&reads=on&for=1d", **headers).status == 403
    assert form(client, f"/account/tokens/{token.id}/revoke", **headers).status == 403
    assert len(Tokens(open_index(root).database).of("ada")) == 1 and row(root, token.id)["revoked"] is None


def test_a_form_that_no_browser_sends_makes_no_token(client: Client, root: Path) -> None:
    answer = client.send(
        "POST",
        "/account/tokens",
        b"name=x&reads=on&for=1d",
        CONTENT_TYPE="application/x-www-form-urlencoded",
        HTTP_AUTHORIZATION=basic("ada", PASSWORD),
    )
    assert (answer.status, Tokens(open_index(root).database).of()) == (403, [])
