"""An intake that meets a server which fails for a while goes on after a pause; with a dead one it ends soon."""

import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest
from stamina import instrumentation
from wheelhouse.errors import Unreachable
from wheelhouse.network import Network
from wheelhouse.upstream import http_client

from . import served
from .conda_samples import CondaPackage
from .intake import Office
from .public import PublicIndex
from .public_channel import PublicChannel, PublicPackage


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """Those that were made between attempts. They are short here."""
    made: list[float] = []
    monkeypatch.setattr(http_client, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(http_client, "LONGEST_OWN_PAUSE", 0.1)
    hooks = instrumentation.get_on_retry_hooks()
    instrumentation.set_on_retry_hooks([*hooks, lambda details: made.append(details.wait_for)])
    yield made
    instrumentation.set_on_retry_hooks(hooks)


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


def ask(client: httpx.Client, public: PublicIndex | str) -> int:
    url = public if isinstance(public, str) else f"{public.url}requests/"
    with http_client.get(client, url, {}) as response:
        return response.status_code


@pytest.mark.parametrize("status", [503, 502, 504, 500, 429, 408, 425, 0])
def test_a_patient_client_asks_again(public: PublicIndex, pauses: list[float], status: int) -> None:
    failed = fails(public, 3, status)
    with http_client.client(Network(), patient=True) as client:
        assert ask(client, public) == 200
    assert failed() == 3 and len(pauses) == 3
    assert pauses[0] >= 0.01 and pauses[2] > pauses[0], "longer each time"


def test_it_gives_up(public: PublicIndex, pauses: list[float]) -> None:
    """And the next one does not wait again until somebody was answered."""
    failed = fails(public, http_client.ATTEMPTS + 1, 503)
    with http_client.client(Network(), patient=True) as client:
        assert ask(client, public) == 503
        assert (failed(), len(pauses)) == (http_client.ATTEMPTS, http_client.ATTEMPTS - 1)
        assert ask(client, public) == 503 and len(pauses) == http_client.ATTEMPTS - 1
        assert ask(client, public) == 200
        fails(public, 1, 503)
        assert ask(client, public) == 200 and len(pauses) == http_client.ATTEMPTS
        public.stop()
        with pytest.raises(Unreachable, match=r"^Connection refused$"):
            ask(client, public)


@pytest.mark.parametrize("status", [200, 404, 403, 401, 501])
def test_what_stays_is_not_asked_again(public: PublicIndex, pauses: list[float], status: int) -> None:
    fails(public, 1, status)
    with http_client.client(Network(), patient=True) as client:
        assert ask(client, public) == status
    assert pauses == []


@pytest.mark.parametrize(
    ("asks_for", "waits"),
    [
        ("1", 1.0),
        ("86400", 1.2),
        (format_datetime(datetime.now(UTC) + timedelta(days=1), usegmt=True), 1.2),
        ("0", None),
        ("soon", None),
        (format_datetime(datetime(2020, 1, 1, tzinfo=UTC), usegmt=True), None),
        ("-5", None),
    ],
)
def test_it_waits_as_long_as_it_is_asked_to(
    public: PublicIndex, pauses: list[float], monkeypatch: pytest.MonkeyPatch, asks_for: str, waits: float | None
) -> None:
    monkeypatch.setattr(http_client, "LONGEST_PAUSE", 1.2)
    fails(public, 1, 429, Retry_After=asks_for)
    with http_client.client(Network(), patient=True) as client:
        assert ask(client, public) == 200
    (pause,) = pauses
    assert pause == waits if waits else 0.01 <= pause < 0.1


def test_one_that_is_not_patient_asks_once(public: PublicIndex, pauses: list[float]) -> None:
    failed = fails(public, 2, 503)
    with http_client.client(Network()) as client:
        assert ask(client, public) == 503
    assert failed() == 1 and pauses == []


def test_what_is_logged_of_it_holds_no_secret(pauses: list[float], caplog: pytest.LogCaptureFixture) -> None:
    network = Network({"http_proxy": "http://ada:hunter2@127.0.0.1:9"})
    with http_client.client(network, patient=True) as client, pytest.raises(Unreachable):
        ask(client, "http://elsewhere.example/simple/requests/")
    assert "elsewhere.example: Connection refused; the next attempt is in" in caplog.text
    assert "hunter2" not in caplog.text


@pytest.mark.parametrize("status", [503, 502, 504, 500, 429, 0], ids=lambda status: str(status or "hangs up"))
def test_a_failure_that_passes(office: Office, pauses: list[float], status: int) -> None:
    office.publish("alpha", needs=["beta"])
    office.publish("beta")
    office.wants("alpha")
    failed = fails(office.public, 3, status)
    assert office.run() == 0
    assert len(office.shelved()) == 2
    assert failed() == 3 and pauses


@pytest.mark.parametrize("status", [404, 403, 401])
def test_an_answer_that_stays_is_not_waited_for(office: Office, pauses: list[float], status: int) -> None:
    office.publish("alpha")
    office.wants("alpha")
    fails(office.public, 1000, status)
    assert office.run() == 1
    assert pauses == []


def test_as_long_as_the_server_asks_for(office: Office, pauses: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_client, "LONGEST_PAUSE", 1.5)
    office.publish("alpha")
    office.wants("alpha")
    fails(office.public, 1, 429, Retry_After="1")
    assert office.run() == 0
    assert 1.0 in pauses
    fails(office.public, 1, 503, Retry_After="86400")
    office.publish("beta")
    office.wants("alpha", "beta")
    assert office.run() == 0
    assert max(pauses) == 1.5, "within reason"


def test_a_server_that_is_down_is_told_soon(office: Office, pauses: list[float]) -> None:
    for name in ("alpha", "beta", "gamma", "delta"):
        office.publish(name)
    office.wants("alpha", "beta", "gamma", "delta")
    office.public.stop()
    assert office.run() == 1
    assert "Connection refused" in json.dumps(office.last_run()["problems"])
    # The lines are resolved at the same time; whoever comes after them does not wait again.
    assert len(pauses) <= 8 * http_client.ATTEMPTS


def test_a_server_that_comes_back(office: Office, pauses: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_client, "FIRST_PAUSE", 0.3)
    monkeypatch.setattr(http_client, "LONGEST_OWN_PAUSE", 0.5)
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
    assert failed() == 4 and served.content(office.shelf, f"conda/conda-forge/noarch/{package.filename}")


def test_a_client_of_the_index_is_told_at_once(
    office: Office, client: object, configure: Callable[..., None], pauses: list[float]
) -> None:
    """pip gives up after fifteen seconds, and asks again by itself."""
    configure(upstream="cached")
    office.publish("alpha")
    fails(office.public, 1, 503)
    answer = client.send("GET", "/simple/alpha/")  # type: ignore[attr-defined]
    assert answer.status == 503
    assert pauses == []
