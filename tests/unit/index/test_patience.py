"""An intake that meets a server which fails for a while goes on after a pause; with a dead one it ends soon."""

import json
import threading
import time
from collections.abc import Callable

import pytest
from wheelhouse.upstream import http_client

from .conda_samples import CondaPackage
from .intake import Office
from .public import PublicIndex
from .public_channel import PublicChannel, PublicPackage


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Those that were made. They are short here."""
    made: list[float] = []
    monkeypatch.setattr(http_client, "PAUSES", (0.01, 0.02, 0.04, 0.08, 0.15))
    sleep = time.sleep

    def noted(seconds: float) -> None:
        if threading.current_thread().name != "waiting":
            made.append(seconds)
        sleep(min(seconds, 0.2))

    monkeypatch.setattr(http_client.time, "sleep", noted)
    return made


def waited(pauses: list[float]) -> list[float]:
    """The pauses between attempts; others wait for other things."""
    return [pause for pause in pauses if pause in http_client.PAUSES]


def fails(public: PublicIndex, times: int, status: int, **headers: str) -> Callable[[], int]:
    """The first answers of a server are failures; says how many were given."""
    left = [times]
    lock = threading.Lock()
    handler = public._handler
    whole = handler.do_GET

    def do_GET(self: object) -> None:
        with lock:
            is_failing = left[0] > 0
            left[0] -= is_failing
        if not is_failing:
            whole(self)
        elif status:
            self.send_response(status)
            for key, value in headers.items():
                self.send_header(key.replace("_", "-"), value)
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            self.close_connection = True
            self.connection.close()

    handler.do_GET = do_GET
    return lambda: times - left[0]


@pytest.mark.parametrize("status", [503, 502, 504, 500, 429, 0], ids=lambda status: str(status or "hangs up"))
def test_a_failure_that_passes(office: Office, pauses: list[float], status: int) -> None:
    office.publish("alpha", needs=["beta"])
    office.publish("beta")
    office.wants("alpha")
    failed = fails(office.public, 3, status)
    assert office.run() == 0
    assert len(office.shelved()) == 2
    assert failed() == 3 and waited(pauses)


@pytest.mark.parametrize("status", [404, 403, 401])
def test_an_answer_that_stays_is_not_waited_for(office: Office, pauses: list[float], status: int) -> None:
    office.publish("alpha")
    office.wants("alpha")
    fails(office.public, 1000, status)
    assert office.run() == 1
    assert waited(pauses) == []


def test_as_long_as_the_server_asks_for(office: Office, pauses: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_client, "LONGEST_PAUSE", 3.0)
    office.publish("alpha")
    office.wants("alpha")
    fails(office.public, 1, 429, Retry_After="2")
    assert office.run() == 0
    assert 2.0 in pauses
    fails(office.public, 1, 503, Retry_After="86400")
    office.publish("beta")
    office.wants("alpha", "beta")
    assert office.run() == 0
    assert max(pauses) == 3.0, "within reason"


def test_a_server_that_is_down_is_told_soon(office: Office, pauses: list[float]) -> None:
    for name in ("alpha", "beta", "gamma", "delta"):
        office.publish(name)
    office.wants("alpha", "beta", "gamma", "delta")
    office.public.stop()
    assert office.run() == 1
    assert "Connection refused" in json.dumps(office.last_run()["problems"])
    # The lines are resolved at the same time; whoever comes after them does not wait again.
    assert len(waited(pauses)) <= 8 * len(http_client.PAUSES)


def test_a_server_that_comes_back(office: Office, pauses: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_client, "PAUSES", (0.3, 0.3, 0.3, 0.3, 0.3))
    office.publish("alpha")
    office.wants("alpha")
    office.public.stop()
    restart = threading.Timer(0.5, office.public.start)
    restart.start()
    assert office.run() == 0
    restart.join()
    assert len(office.shelved()) == 1


def test_a_conda_channel(office: Office, channel: PublicChannel, pauses: list[float]) -> None:
    package = CondaPackage("hello")
    channel.packages = [PublicPackage(package, package.build_it())]
    office.wants(conda=["hello"])
    failed = fails(channel, 4, 503)  # type: ignore[arg-type]
    assert office.run() == 0
    assert failed() == 4 and (office.shelf / "conda/conda-forge/noarch" / package.filename).exists()


def test_a_client_of_the_index_is_told_at_once(
    office: Office, client: object, configure: Callable[..., None], pauses: list[float]
) -> None:
    """pip gives up after fifteen seconds, and asks again by itself."""
    configure(upstream="cached")
    office.publish("alpha")
    fails(office.public, 1, 503)
    answer = client.send("GET", "/simple/alpha/")  # type: ignore[attr-defined]
    assert answer.status == 503
    assert waited(pauses) == []
