"""Tokens at nginx: as fast as passwords, refused as soon as they end, and never more than they were made for."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from company import Office, eventually
from gateway import ON_NO_MACHINE, PAGE, Gateway
from index.samples import Wheel
from terminal import at_a_terminal
from testinfra.host import Host

pytestmark = pytest.mark.usefixtures("as_in_the_inventory")

HTPASSWD = "/srv/wheelhouse/config/htpasswd"
WITHIN = 5
"""Seconds after which a token that has ended is refused; one is promised."""


@pytest.fixture(scope="module")
def wheelhouse(index: Host) -> Callable[..., str]:
    """Run the program's commands on the index host."""

    def run(*arguments: str) -> str:
        words = " ".join("%s" for _ in arguments)
        return str(index.check_output(f"docker exec wheelhouse-index wheelhouse {words}", *arguments))

    return run


@pytest.fixture
def make(wheelhouse: Callable[..., str]) -> Iterator[Callable[..., str]]:
    """Make a token, which ends with the test."""
    made: list[str] = []

    def create(*arguments: str, owner: str = "ada") -> str:
        text = wheelhouse("token", "create", owner, f"test {time.time()} {len(made)}", *arguments)
        made.append(text[4:12])
        return text

    yield create
    if made:
        wheelhouse("token", "revoke", *made)


def status(gateway: Gateway, token: str, user: str = "__token__", path: str = PAGE) -> int:
    return gateway.ask(path, login=(user, token)).status


@pytest.mark.usefixtures("wheel")
def test_a_token_installs(gateway: Gateway, make: Callable[..., str], file: str) -> None:
    text = make()
    assert {status(gateway, text, user, path) for user in ("ada", "__token__") for path in (PAGE, file)} == {200}
    assert status(gateway, text, "bob") == 401


@pytest.mark.usefixtures("wheel")
def test_a_token_is_asked_about_once(gateway: Gateway, make: Callable[..., str], index: Host) -> None:
    """nginx remembers it as it remembers a password: reads go on while the program is away."""
    text = make()
    assert status(gateway, text) == 200
    index.check_output("docker pause wheelhouse-index")
    try:
        assert [status(gateway, text) for _ in range(20)] == [200] * 20
    finally:
        index.check_output("docker unpause wheelhouse-index")


@pytest.mark.usefixtures("wheel")
def test_a_revoked_token_is_out_within_seconds(
    gateway: Gateway, make: Callable[..., str], wheelhouse: Callable[..., str]
) -> None:
    text, other = make(), make()
    with ThreadPoolExecutor(8) as pool:  # all of nginx's workers know it
        assert set(pool.map(lambda _: status(gateway, text), range(40))) == {200}
    wheelhouse("token", "revoke", text[4:12])
    eventually(lambda: status(gateway, text) == 401, "the token is refused", WITHIN)
    time.sleep(1)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: gateway.ask(PAGE, login=("ada", text)), range(40)))
    assert {answer.status for answer in answers} == {401}
    assert "This token has ended, was revoked, or is not complete" in answers[0].text
    assert status(gateway, other) == 200


@pytest.mark.usefixtures("wheel")
def test_tokens_end_with_the_account(
    gateway: Gateway, make: Callable[..., str], index: Host, wheelhouse: Callable[..., str]
) -> None:
    """And do not come back with it."""
    text = make(owner=ON_NO_MACHINE)
    assert status(gateway, text) == 200
    index.check_output(
        f"cp -p {HTPASSWD} {HTPASSWD}.kept && sed '/^{ON_NO_MACHINE}:/d' {HTPASSWD}.kept > {HTPASSWD}.new"
    )
    try:
        index.check_output(
            f"chmod 640 {HTPASSWD}.new && chgrp wheelhouse {HTPASSWD}.new && mv {HTPASSWD}.new {HTPASSWD}"
        )
        eventually(lambda: status(gateway, text) == 401, "the token of an account that is gone is refused", WITHIN)
        eventually(lambda: text[4:12] not in wheelhouse("token", "list", ON_NO_MACHINE), "it is revoked for good", 60)
    finally:
        index.check_output(f"mv {HTPASSWD}.kept {HTPASSWD}; rm -f {HTPASSWD}.new")
    eventually(lambda: gateway.ask(PAGE, login=ON_NO_MACHINE).status == 200, "the account is back")
    assert status(gateway, text) == 401
    assert "revoked by offboarding" in wheelhouse("token", "list", ON_NO_MACHINE, "--all")


@pytest.mark.usefixtures("wheel")
def test_a_token_publishes_what_it_is_for(gateway: Gateway, make: Callable[..., str], version: str) -> None:
    reads, one = make(), make("--publish", "acme-of-token", "--no-install")
    mine, other = Wheel("acme_of_token", f"{version}.{int(time.time())}"), Wheel("acme_other", version)
    refused = gateway.upload(mine.filename, mine.build(), ("__token__", reads))
    assert refused.status == 403 and "may not publish anything: publish with your password" in refused.text
    assert "may not publish anything" in refused.reason
    refused = gateway.upload(other.filename, other.build(), ("__token__", one))
    assert refused.status == 403 and "may not publish acme-other: it may publish acme-of-token" in refused.text
    assert gateway.upload(mine.filename, mine.build(), ("__token__", one)).status == 200
    assert mine.filename in json.dumps(gateway.page("acme-of-token"))
    assert [gateway.ask(path, login=("ada", one)).status for path in (PAGE, "/", "/reports/")] == [403] * 3


@pytest.mark.usefixtures("wheel")
def test_the_last_use_is_noted(gateway: Gateway, make: Callable[..., str], wheelhouse: Callable[..., str]) -> None:
    text = make()
    assert f"{text[4:12]}" in wheelhouse("token", "list", "ada")
    assert status(gateway, text) == 200
    (line,) = [one for one in wheelhouse("token", "list", "ada").splitlines() if one.startswith(text[4:12])]
    assert re.search("last used 20[0-9-]{8}$", line)


def test_programs_make_tokens(gateway: Gateway, index: Host, make: Callable[..., str]) -> None:
    def ask(path: str, given: object = None, login: str | tuple[str, str] = "ada", **headers: str) -> tuple[int, str]:
        body = json.dumps(given).encode()
        answer = gateway.ask(path, "POST", login, {"Content-Type": "application/json", **headers}, body)
        return answer.status, answer.text

    wanted = {"name": f"program {time.time()}", "publishes": ["acme-hello"], "for": "10m"}
    status_, text = ask("/api/tokens", wanted)
    made = json.loads(text)
    assert status_ == 201
    assert gateway.ask("/api/tokens/current", login=("ada", made["token"])).json["token"]["id"] == made["id"]
    listed = gateway.ask("/api/tokens")
    assert made["id"] in listed.text and made["token"] not in listed.text
    assert ask(f"/api/tokens/{made['id']}/revoke", {}, "leo")[0] == 404
    assert ask("/api/tokens", {**wanted, "name": "more"}, ("ada", made["token"]))[0] == 403
    foreign = {"Origin": "https://evil.example"}
    assert ask("/api/tokens", {**wanted, "name": "stolen"}, **foreign)[0] == 403
    assert ask(f"/api/tokens/{made['id']}/revoke", {})[0] == 200
    eventually(
        lambda: gateway.ask("/api/tokens/current", login=("ada", made["token"])).status == 401, "it ends", WITHIN
    )
    assert gateway.ask("/api/tokens", login=None).status == 401


def test_the_page_is_for_those_with_an_account(gateway: Gateway) -> None:
    assert gateway.ask("/account/tokens", login=None).status == 401
    page = gateway.ask("/account/tokens")
    assert page.status == 200 and "Your tokens" in page.text
    # without which browsers would not say whose page its forms are on
    assert page.headers.get_all("Referrer-Policy") == ["same-origin"]
    assert page.headers.get_all("Cache-Control") == ["no-store"]
    assert len(page.headers.get_all("Content-Security-Policy") or []) == 1
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    for foreign in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {}):
        answer = gateway.ask("/account/tokens", "POST", "ada", form | foreign, b"name=stolen&reads=on&for=1d")
        assert answer.status == 403


def test_nobody_outside_reaches_what_nginx_asks(gateway: Gateway) -> None:
    for path in ("/logins/check", "/logins/used/aaaaaaaa", "/publishers/ada", "/publishers/:aaaaaaaa"):
        assert gateway.ask(path).status == 404


def test_guessing_a_token_is_slow_and_shuts_its_owner_out_of_nothing(
    gateway: Gateway, make: Callable[..., str], wheel: Wheel
) -> None:
    text = make()
    assert status(gateway, text) == 200
    guesses = [text[:12] + "a" * (len(text) - 14) + one + other for one in "abcdef" for other in "abcdef"]
    answers = [status(gateway, guess) for guess in guesses]
    assert set(answers) == {401, 429}
    assert status(gateway, text) == 200
    assert gateway.ask(PAGE).status == 200


def test_no_token_is_written_anywhere(gateway: Gateway, make: Callable[..., str], index: Host) -> None:
    text = make()
    assert gateway.ask("/", login=("ada", text)).status == 200
    secret = text[12:44]
    found = index.run(
        f"grep -rlaF {secret} /srv/wheelhouse/shelf/state /srv/wheelhouse/config /var/log;"
        f" journalctl --no-pager | grep -cF {secret}; docker logs wheelhouse-index 2>&1 | grep -cF {secret}"
    )
    assert found.stdout.split() == ["0", "0"]


def test_a_workstation_publishes_with_a_token_of_minutes(gateway: Gateway, office: Office) -> None:
    """`wheelhouse-token`, as ada, with the settings that the role wrote; the command that runs sees the token."""

    def typed(command: str) -> str:
        inside = ["docker", "exec", "-it", office.access["hosts"]["workstation"], "su", "-", "ada", "-c", command]
        password = office.person("ada").index_password
        said = at_a_terminal(inside, answers=[("Password of ada at packages.acme.example: ", password)])
        assert said.code == 0, said.text
        return said.text.strip()

    show = "import os; print(os.environ['UV_PUBLISH_PASSWORD'])"
    text = typed(f'wheelhouse-token publish acme-hello -- python3 -c "{show}"').splitlines()[-1]
    assert re.fullmatch("whl_[a-z2-7]{47}", text)
    eventually(lambda: gateway.ask("/api/tokens/current", login=("ada", text)).status == 401, "it has ended", WITHIN)
    name = f"of ada {time.time()}"
    made = typed(f"wheelhouse-token create '{name}' --for 10m").splitlines()[-1]
    assert gateway.ask("/", login=("ada", made)).status == 200
    assert name in typed("wheelhouse-token list")
    assert "revoked" in typed(f"wheelhouse-token revoke '{name}'")
