"""One answer for many who ask the same."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from wheelhouse.upstream.ttl_cache import Recent


def test_the_oldest_answers_are_forgotten() -> None:
    recent: Recent[list[int]] = Recent(60, 5, len)
    asked: list[str] = []

    def find(name: str, size: int) -> list[int]:
        asked.append(name)
        return [0] * size

    for name, size in (("a", 2), ("b", 2), ("a", 2), ("c", 2), ("b", 2), ("a", 2), ("huge", 6), ("huge", 6), ("d", 1)):
        recent.get(name, lambda name=name, size=size: find(name, size))
    assert asked == ["a", "b", "c", "a", "huge", "huge", "d"]


def test_an_answer_is_good_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    recent: Recent[float] = Recent(60, 5, lambda _: 1)
    assert recent.get("a", lambda: now) == 1000
    now = 1059.0
    assert recent.get("a", lambda: now) == 1000
    now = 1061.0
    assert recent.get("a", lambda: now) == 1061


def test_a_failure_is_that_of_all_who_wait() -> None:
    recent: Recent[int] = Recent(60, 5, lambda _: 1)
    asked = threading.Event()

    def fail() -> int:
        asked.wait(10)
        raise LookupError

    with ThreadPoolExecutor(3) as pool:
        waiting = [pool.submit(recent.get, "a", fail) for _ in range(3)]
        time.sleep(0.1)
        asked.set()
        assert all(isinstance(one.exception(10), LookupError) for one in waiting)
    assert recent.get("a", lambda: 7) == 7
