"""One answer for many who ask the same."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from wheelhouse.upstream.ttl_cache import SingleFlightCache


def test_the_answers_that_were_not_used_for_longest_are_forgotten() -> None:
    recent: SingleFlightCache[list[int]] = SingleFlightCache(60, 5, len)
    asked: list[str] = []

    def find(name: str, size: int) -> list[int]:
        asked.append(name)
        return [0] * size

    def get(*names: str) -> list[str]:
        """Those of the names that had to be asked for."""
        asked.clear()
        for name in names:
            size = {"huge": 6, "d": 1}.get(name, 2)
            assert len(recent.get(name, lambda name=name, size=size: find(name, size))) == size
        return list(asked)

    assert get("a", "b", "a", "c") == ["a", "b", "c"]
    assert get("a") == [], "it was used after b"
    assert get("b", "a") == ["b"], "and c had to go for it"
    assert get("huge", "huge") == ["huge", "huge"], "too big to be remembered"
    assert get("a", "b", "d", "a", "b", "d") == ["d"], "and nothing went for that"


def test_an_answer_is_good_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    recent: SingleFlightCache[float] = SingleFlightCache(60, 5, lambda _: 1)
    assert recent.get("a", lambda: now) == 1000
    now = 1059.0
    assert recent.get("a", lambda: now) == 1000
    now = 1061.0
    assert recent.get("a", lambda: now) == 1061


def test_a_failure_is_that_of_all_who_wait() -> None:
    recent: SingleFlightCache[int] = SingleFlightCache(60, 5, lambda _: 1)
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
