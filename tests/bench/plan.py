"""How much is measured: the whole form, and a quick one to try things with."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Plan:
    """Sizes in files, times in seconds."""

    small: int
    """The smallest shelf."""
    middle: int
    """The shelf that servers are compared on."""
    large: int
    """The shelf that growth is measured on."""
    clients: tuple[int, ...]
    """Connections at the same time."""
    rounds: int
    """In how many rounds each load is run; the table shows medians."""
    seconds: int
    """That one run of a load takes."""
    publish_rounds: int
    uploads: int
    """In each of those rounds, of each kind; the smallest shelf has nine projects that can take one."""
    short: int
    """Files of the project that a long one is compared with."""
    long: int
    """Files of the long project."""
    pip_rounds: int
    uv_rounds: int

    @property
    def shelves(self) -> tuple[int, ...]:
        """All sizes."""
        return self.small, self.middle, self.large


FULL = Plan(
    small=100,
    middle=5_000,
    large=100_000,
    clients=(1, 8, 64),
    rounds=5,
    seconds=1,
    publish_rounds=3,
    uploads=9,
    short=100,
    long=5_000,
    pip_rounds=7,
    uv_rounds=15,
)
QUICK = Plan(
    small=100,
    middle=500,
    large=2_000,
    clients=(1, 64),
    rounds=2,
    seconds=1,
    publish_rounds=1,
    uploads=5,
    short=100,
    long=1_000,
    pip_rounds=1,
    uv_rounds=2,
)
