"""Logins at nginx: checked once, guessed slowly, and changed without anybody noticing."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from company import eventually, vault
from gateway import PAGE, Gateway
from index.samples import MULTIPART, Wheel, multipart
from testinfra.host import Host

GUESSERS = 40

COLD = """
import ssl, sys, urllib.error, urllib.request
for spelling in sys.argv[2:]:
    request = urllib.request.Request(sys.argv[1], headers={"Authorization": spelling})
    try:
        print(urllib.request.urlopen(request, timeout=60).status)
    except urllib.error.HTTPError as error:
        print(error.code)
"""


def cpu(index: Host) -> int:
    """Ticks that the gateway and the program have used so far, over all their processes."""
    count = (
        "import glob\n"
        "ticks = 0\n"
        "for path in glob.glob('/proc/[0-9]*/stat'):\n"
        "    try: name, rest = open(path).read().split('(', 1)[1].rsplit(')', 1)\n"
        "    except OSError: continue\n"
        "    if name in ('nginx', 'gunicorn'): ticks += sum(map(int, rest.split()[11:15]))\n"
        "print(ticks)"
    )
    return int(index.check_output("python3 -c %s", count))


def test_a_login_is_checked_once_and_remembered(gateway: Gateway, index: Host, wheel: Wheel) -> None:
    """A check is slow on purpose: 200 reads with a login may not cost what five checks cost."""
    start = cpu(index)
    for number in range(5):
        assert gateway.ask("/simple/", login=("ada", f"guess {number}")).status == 401
    guessed = cpu(index)
    connection = gateway.connection()
    for _ in range(200):
        assert connection.ask(PAGE, headers=gateway.authorization("ada")).status == 200
    connection.close()
    read = cpu(index)
    assert guessed - start >= 5, "a check costs nothing: the measurement is wrong, or the hash is weak"
    assert read - guessed < guessed - start


def spellings(authorization: str, number: int) -> list[str]:
    """The same login written in other ways, none of which the gateway has seen."""
    scheme, credentials = authorization.split()
    return [
        "".join(c.upper() if number >> place & 1 else c.lower() for place, c in enumerate(scheme)) + " " + credentials
        for number in range(number)
    ]


@pytest.fixture
def nobody_has_guessed(index: Host) -> Iterator[None]:
    """The gateway forgets, before the test and after it, whom it has told to wait."""
    index.check_output("systemctl restart nginx")
    yield
    index.check_output("systemctl restart nginx")


@pytest.mark.usefixtures("nobody_has_guessed")
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_guessing_passwords_is_slow_and_hinders_nobody_else(office, gateway: Gateway, method: str) -> None:
    """Several guessers at one address, for some seconds; meanwhile two logins that are new to the gateway, elsewhere."""
    wheel = Wheel("acme_guessed")
    headers, body = (
        ({"Content-Type": MULTIPART}, multipart({":action": "file_upload"}, wheel.filename, wheel.build()))
        if method == "POST"
        else ({}, None)
    )
    path = "/" if method == "POST" else PAGE
    seconds = 6
    began = time.monotonic()

    def guess(who: int) -> list[int]:
        answers = []
        connection = gateway.connection()
        while time.monotonic() - began < seconds:
            login = gateway.authorization(("ada", f"guess {method} {who} {len(answers)}"))
            answers.append(connection.ask(path, method, login | headers, body).status)
            if answers[-1] == 429:
                time.sleep(0.2)  # so that it is the gateway that slows them down, not this machine
        connection.close()
        return answers

    with ThreadPoolExecutor(GUESSERS) as threads:
        guesses = [threads.submit(guess, who) for who in range(GUESSERS)]
        time.sleep(1)  # so that the guessers are at it
        logins = [
            f"'{spelling}'"
            for name in ("leo", "ada")
            for spelling in spellings(gateway.authorization(name)["Authorization"], 3)
        ]
        elsewhere = office.succeed_as("leo", f"python3 -c '{COLD}' {office.index_url}{PAGE} {' '.join(logins)}")
        answers = [status for guess in guesses for status in guess.result()]
    took = time.monotonic() - began
    assert elsewhere.split() == ["200"] * len(logins)
    assert set(answers) == {401, 429}, "guesses are refused, or told to slow down"
    assert answers.count(401) <= 40 + 6 * took, "so many were really tried"
    # nor is another user of the machine that it was done on in the way
    cold = spellings(gateway.authorization("leo")["Authorization"], 32)[-1]
    assert gateway.ask(PAGE, login=None, headers={"Authorization": cold}).status == 200


@pytest.mark.usefixtures("nobody_has_guessed")
def test_a_header_that_speaks_of_a_check_is_no_login(gateway: Gateway) -> None:
    """While a login is being checked, the gateway's own word for that is refused like any other that is wrong."""
    login = ("ada", "guess at a header")
    told = {"Authorization": f"checking {gateway.authorization(login)['Authorization']}"}
    with ThreadPoolExecutor(3) as threads:
        checks = [threads.submit(gateway.ask, PAGE, login=login) for _ in range(3)]
        answers = {gateway.ask(PAGE, login=None, headers=told).status for _ in range(10)}
        assert {check.result().status for check in checks} == {401}
    assert answers == {401}


def test_a_changed_password(gateway: Gateway, settings, index: Host) -> None:
    """The new one is right at once; the old one is wrong as soon as nobody remembers it any more."""
    old, new = vault()["leo_index"], "another : one, #2"
    seen: list[tuple[float, bool, int]] = []
    done = threading.Event()

    def use_both() -> None:
        while not done.wait(2):  # slow enough for a guesser
            for password in (old, new):
                seen.append((time.time(), password == new, gateway.ask(PAGE, login=("leo", password)).status))

    assert gateway.ask(PAGE, login=("leo", old)).status == 200
    user = threading.Thread(target=use_both)
    user.start()
    try:
        settings.apply(demo_vault=vault() | {"leo_index": new})
        changed = float(index.check_output("stat --format %.Y /srv/wheelhouse/config/htpasswd"))
        eventually(
            lambda: 401 in [status for when, is_new, status in seen[-3:] if not is_new and when > changed],
            "the old one is wrong",
            60,
        )
    finally:
        done.set()
        user.join()
    assert {status for _, _, status in seen} == {200, 401}
    first_right = min(when for when, is_new, status in seen if is_new and status == 200)
    last_right = max(when for when, is_new, status in seen if not is_new and status == 200)
    assert changed - 1 < first_right < changed + 5, "the new one works at once"
    # index_gateway_login_cache is 30s
    assert last_right < changed + 33, "the old one is forgotten"
    # neither flickers
    assert all(status == 200 for when, is_new, status in seen if is_new and when >= first_right)
    assert all(status == 401 for when, is_new, status in seen if not is_new and when > last_right)
    assert json.loads(index.check_output("cat /srv/wheelhouse/config/config.json"))["publishes"]["leo"] == []
