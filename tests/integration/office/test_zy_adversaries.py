"""After all of the above, the adversaries on the hosts have gained nothing."""

from __future__ import annotations

from adversaries import gains


def test_the_adversaries_have_gained_nothing() -> None:
    assert gains() == []
