"""Logins at nginx: checked once, guessed slowly, and changed without anybody noticing."""

from __future__ import annotations

import base64
import json
import statistics
import string
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import bcrypt
import pytest
from company import eventually, vault
from gateway import ON_NO_MACHINE, PAGE, Gateway
from index.samples import MULTIPART, Wheel, multipart
from testinfra.host import Host

GUESSERS = 40
HTPASSWD = "/srv/wheelhouse/config/htpasswd"

ASK = """
import sys, urllib.error, urllib.request
for authorization in sys.argv[2:]:
    request = urllib.request.Request(sys.argv[1], headers={"Authorization": authorization})
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
        assert gateway.ask("/simple/", login=("ada", f"guess {number} {time.time()}")).status == 401
    guessed = cpu(index)
    connection = gateway.connection()
    for _ in range(200):
        assert connection.ask(PAGE, headers=gateway.authorization("ada")).status == 200
    connection.close()
    read = cpu(index)
    assert guessed - start >= 5, "a check costs nothing: the measurement is wrong, or the hash is weak"
    assert read - guessed < guessed - start


def spellings(user: str, password: str) -> list[str]:
    """The same login, written in ways that mean the same."""
    written = base64.b64encode(f"{user}:{password}".encode()).decode()
    bare = written.rstrip("=")
    # the last letter has bits that do not count
    letters = string.ascii_uppercase + string.ascii_lowercase + string.digits + "+/"
    spare = {0: 0, 2: 4, 3: 2}[len(bare) % 4]
    last = letters.index(bare[-1])
    others = [bare[:-1] + letters[last | number] for number in range(1, 1 << spare)]
    blanks = [f"Basic{' ' * number}{written}" for number in range(1, 40)]
    cases = [
        "".join(c.upper() if number >> place & 1 else c.lower() for place, c in enumerate("basic"))
        for number in range(32)
    ]
    return [
        *blanks,
        *(f"{case} {written}" for case in cases),
        *(f"  Basic {written}{' ' * number}" for number in range(10)),
        *(f"Basic {text}" for text in [bare, *others]),
    ]


def test_however_a_login_is_written_it_is_checked_once(gateway: Gateway, index: Host) -> None:
    user, password = "ada", vault()["ada_index"]
    assert gateway.ask(PAGE, login=(user, password)).status in (200, 302, 404)
    start = cpu(index)
    connection = gateway.connection()
    many = spellings(user, password)
    answers = {connection.ask("/simple/", headers={"Authorization": written}).status for written in many}
    connection.close()
    assert answers == {200}
    used = cpu(index) - start
    for number in range(5):
        assert gateway.ask("/simple/", login=(user, f"guess {number} {time.time()}")).status == 401
    assert used < cpu(index) - start - used, f"{len(many)} spellings cost as much as five checks"


@pytest.mark.parametrize(
    "login",
    [
        "ada:{}\0",
        "ada:{}\0x",
        "ada\0:{}",
        "ada:{}" + "x" * 80,
        "a" * 300 + ":{}",
        "ada:{}\n",
        "ada",
        "",
        ":",
        ":{}",
        " ada:{}",
    ],
    ids=repr,
)
def test_what_can_be_no_login_costs_nothing(gateway: Gateway, index: Host, login: str) -> None:
    """Such as the right password with something behind it that bcrypt would not look at."""
    raw = login.format(vault()["ada_index"]).encode()
    start = cpu(index)
    connection = gateway.connection()
    for _ in range(20):
        written = {"Authorization": "Basic " + base64.b64encode(raw).decode()}
        assert connection.ask("/simple/", headers=written).status == 401
    connection.close()
    used = cpu(index) - start
    for number in range(3):
        assert gateway.ask("/simple/", login=(f"nobody-{time.time()}", f"guess {number}")).status == 401
    assert used < cpu(index) - start - used


@pytest.mark.usefixtures("nobody_has_guessed")
def test_an_unknown_name_takes_as_long_as_a_known_one(gateway: Gateway) -> None:
    connection = gateway.connection()
    connection.ask("/simple/")
    taken: dict[str, list[float]] = {"leo": [], "nobody-of-this-name": []}
    for number in range(8):  # in turn, and the best of them, because other things run on this machine
        for user, times in taken.items():
            headers = gateway.authorization((user, f"guess {number} {time.time()}"))
            began = time.perf_counter()
            assert connection.ask("/simple/", headers=headers).status == 401
            times.append(time.perf_counter() - began)
    connection.close()
    known, unknown = map(min, taken.values())
    assert 0.5 < known / unknown < 2, (known, unknown)


@pytest.mark.usefixtures("nobody_has_guessed")
def test_a_wrong_login_that_comes_again_and_again_counts_once(gateway: Gateway, index: Host) -> None:
    """A machine that still has a password of before neither costs much nor locks its person out."""
    stale = ("leo", f"stale {time.time()}")
    assert gateway.ask("/simple/", login=stale).status == 401
    start = cpu(index)
    assert {gateway.ask("/simple/", login=stale).status for _ in range(100)} == {401}
    used = cpu(index) - start
    for number in range(5):
        assert gateway.ask("/simple/", login=("ada", f"guess {number} {time.time()}")).status == 401
    assert used < 4 * (cpu(index) - start - used), "a hundred of the same cost no more than some checks and TLS"
    assert gateway.ask("/simple/", login="leo").status == 200


@pytest.fixture
def nobody_has_guessed(index: Host) -> Iterator[None]:
    """The gateway forgets, before the test and after it, whom it has told to wait."""
    index.check_output("systemctl reset-failed nginx && systemctl restart nginx")
    yield
    index.check_output("systemctl reset-failed nginx && systemctl restart nginx")


def guess(gateway: Gateway, user: str, seconds: float, method: str = "GET") -> tuple[list[int], float]:
    """Several guessers at one address; what they were answered, and how long they took."""
    wheel = Wheel("acme_guessed")
    headers, body = (
        ({"Content-Type": MULTIPART}, multipart({":action": "file_upload"}, wheel.filename, wheel.build()))
        if method == "POST"
        else ({}, None)
    )
    path = "/" if method == "POST" else PAGE
    began = time.monotonic()

    def one(who: int) -> list[int]:
        answers: list[int] = []
        connection = gateway.connection()
        while time.monotonic() - began < seconds:
            login = gateway.authorization((user, f"guess {method} {who} {len(answers)} {began}"))
            answers.append(connection.ask(path, method, login | headers, body).status)
            if answers[-1] == 429:
                time.sleep(0.2)  # so that it is the gateway that slows them down, not this machine
        connection.close()
        return answers

    with ThreadPoolExecutor(GUESSERS) as threads:
        answers = [status for answers in threads.map(one, range(GUESSERS)) for status in answers]
    return answers, time.monotonic() - began


def new_salt(index: Host, user: str, password: str) -> None:
    """The same password with another hash, so that whoever has it is checked anew."""
    line = f"{user}:{bcrypt.hashpw(password.encode(), bcrypt.gensalt(10)).decode()}"
    index.check_output("sed -i %s %s", f"s|^{user}:.*|{line}|", HTPASSWD)


@pytest.mark.usefixtures("nobody_has_guessed")
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_guessing_passwords_is_slow_and_hinders_nobody_else(office, gateway: Gateway, index: Host, method: str) -> None:
    """Several guessers at one address; meanwhile, elsewhere, somebody logs in for the first time, and the one who is guessed at again."""
    written = {name: gateway.authorization(name)["Authorization"] for name in ("leo", "ada")}

    def elsewhere(*names: str) -> list[str]:
        logins = " ".join(f"'{written[name]}'" for name in names)
        return office.succeed_as("leo", f"python3 -c '{ASK}' {office.index_url}/simple/ {logins}").split()

    assert elsewhere("ada") == ["200"]
    with ThreadPoolExecutor(1) as thread:
        guesses = thread.submit(guess, gateway, "ada", 8, method)
        time.sleep(2)  # so that the guessers are at it
        assert elsewhere("leo", "ada", "ada") == ["200"] * 3
        # that she has to be checked again does not lock her out where she has been
        new_salt(index, "ada", vault()["ada_index"])
        time.sleep(1.5)
        assert elsewhere("ada", "ada") == ["200"] * 2
        answers, took = guesses.result()
    assert set(answers) == {401, 429}, "guesses are refused, or told to slow down"
    assert answers.count(401) <= 20 + 6 + took / 8, "so many were really tried"
    # nor is another user of the machine that it was done on in the way
    assert gateway.ask("/simple/", login="leo").status == 200


@pytest.mark.usefixtures("nobody_has_guessed")
def test_guesses_at_one_user_are_counted_wherever_they_come_from(office, gateway: Gateway) -> None:
    """Elsewhere, where nobody of that name has logged in yet, there are no more free tries than are left here."""
    answers, _ = guess(gateway, "ci-acme-hello", 6)
    assert 429 in answers
    guesses = [gateway.authorization(("ci-acme-hello", f"from elsewhere {number}")) for number in range(10)]
    logins = " ".join(f"'{one['Authorization']}'" for one in guesses)
    answered = office.succeed_as("leo", f"python3 -c '{ASK}' {office.index_url}/simple/ {logins}").split()
    # the wait may be over just now, and is twice as long after one more
    assert answered.count("429") >= len(guesses) - 2 and set(answered) <= {"401", "429"}, answered


@pytest.mark.usefixtures("nobody_has_guessed")
def test_checks_leave_the_gateway_to_those_who_read(gateway: Gateway, wheel: Wheel) -> None:
    """Many names are tried at once, each slowly to be checked; who is known reads on meanwhile."""
    gateway.ask(PAGE)
    taken: list[float] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            began = time.monotonic()
            assert gateway.ask(PAGE).status == 200
            taken.append(time.monotonic() - began)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        with ThreadPoolExecutor(GUESSERS) as threads:
            logins = [(f"nobody-{number}", f"guess {time.time()}") for number in range(100)]
            answers = set(threads.map(lambda login: gateway.ask(PAGE, login=login).status, logins))
    finally:
        done.set()
        reader.join()
    assert answers <= {401, 429, 503}
    assert len(taken) > 10 and statistics.median(taken) < 1, taken


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


@pytest.mark.usefixtures("nobody_has_guessed")
def test_refused_uploads_of_one_account_are_limited(gateway: Gateway) -> None:
    """Each costs a check, and a line in the journal; others publish meanwhile."""
    sentence = "Too many of your uploads were refused: wait a minute."
    with ThreadPoolExecutor(8) as threads:
        answers = list(
            threads.map(
                lambda _: gateway.upload("acme_leo-1.0-py3-none-any.whl", b"x", "leo", patient=False), range(60)
            )
        )
    # 429 is also what a client is told that is too fast for any answer
    assert {answer.status for answer in answers} == {403, 429}
    limited = [answer for answer in answers if sentence in answer.text]
    assert limited and sum(answer.status == 403 for answer in answers) <= 30 + 8
    assert gateway.ask("/simple/", login="leo").status == 200, "reading goes on"
    assert gateway.upload("acme_x-1.0-py3-none-any.whl", b"no wheel", "ada").status == 400


def test_who_has_left_is_out_at_once(gateway: Gateway, index: Host) -> None:
    """Also from connections that are open, and whoever changed the accounts; others do not notice."""
    kept = index.check_output("cat %s", HTPASSWD)
    connections = {name: gateway.connection() for name in (ON_NO_MACHINE, "ada")}

    def ask(name: str) -> int:
        return connections[name].ask("/simple/", headers=gateway.authorization(name)).status

    assert [ask(ON_NO_MACHINE), ask("ada")] == [200, 200]
    start = cpu(index)
    index.check_output(f"sed -i /^{ON_NO_MACHINE}:/d %s", HTPASSWD)
    try:
        began = time.monotonic()
        while ask(ON_NO_MACHINE) != 401:
            assert time.monotonic() - began < 3, "still in"
            assert ask("ada") == 200
            time.sleep(0.1)
        assert ask("ada") == 200
        assert cpu(index) - start < 100, "the others are not all checked again"
    finally:
        index.check_output("printf '%%s\n' %s >%s", kept, HTPASSWD)
    time.sleep(1.5)
    assert [ask(ON_NO_MACHINE), ask("ada")] == [200, 200]


def test_a_reload_forgets_nobody_and_lets_nobody_back_in(gateway: Gateway, index: Host) -> None:
    kept = index.check_output("cat %s", HTPASSWD)
    assert gateway.ask("/simple/", login=ON_NO_MACHINE).status == 200
    try:
        index.check_output(f"sed -i /^{ON_NO_MACHINE}:/d %s && systemctl reload nginx", HTPASSWD)
        time.sleep(1.5)
        assert {gateway.ask("/simple/", login=ON_NO_MACHINE).status for _ in range(10)} == {401}
    finally:
        index.check_output("printf '%%s\n' %s >%s", kept, HTPASSWD)
    time.sleep(1.5)
    assert {gateway.ask("/simple/", login=ON_NO_MACHINE).status for _ in range(10)} == {200}


@pytest.mark.long
def test_a_changed_password(gateway: Gateway, settings, index: Host) -> None:
    """The new one is right at once, and the old one is wrong."""
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
    assert last_right < changed + 5, "the old one is forgotten at once"
    # neither flickers
    assert all(status == 200 for when, is_new, status in seen if is_new and when >= first_right)
    assert all(status == 401 for when, is_new, status in seen if not is_new and when > last_right)
    assert json.loads(index.check_output("cat /srv/wheelhouse/config/config.json"))["publishes"]["leo"] == []
