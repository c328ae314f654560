"""What the program repeats while nobody asks goes on after a failure."""

import threading

import pytest
from wheelhouse.web import background


def test_a_failure_is_logged_and_is_not_the_end(caplog: pytest.LogCaptureFixture) -> None:
    times, again = [], threading.Event()

    def act() -> None:
        times.append(1)
        if len(times) == 1:
            raise RuntimeError("the database is away")
        again.set()
        raise SystemExit  # which ends the thread

    background.repeat(act, 0.01, "The lists could not be made.")
    assert again.wait(30)
    assert "The lists could not be made." in caplog.text and "the database is away" in caplog.text
