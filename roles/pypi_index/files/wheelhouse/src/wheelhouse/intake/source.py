"""Where packages come from: PyPI, and each conda channel. A run takes all of them through the same steps."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol

import httpx
from packaging.version import Version

from wheelhouse.config import Settings
from wheelhouse.errors import NotFound
from wheelhouse.index.transaction import Index
from wheelhouse.intake.advisories import Advisory
from wheelhouse.intake.lock import Lock
from wheelhouse.intake.published import Published
from wheelhouse.intake.request import Line, Request
from wheelhouse.intake.result import Result
from wheelhouse.intake.rollback import Rollback

MAX_SAID = 600
"""Characters of a resolver's own words that are repeated."""
Distribution = tuple[str, Version]
"""A project of PyPI and its version."""
Known = tuple[Mapping[Distribution, list[Advisory] | None], str]
"""What is known about each, None if that could not be looked up; and why, the end of a sentence."""


class Unresolvable(NotFound):
    """Nothing fits a line."""


@dataclass(frozen=True)
class Context:
    """What all sources work with."""

    index: Index
    published: Published
    settings: Settings
    request: Request
    client: httpx.Client
    """The way out."""
    look_up: Callable[[Iterable[Distribution]], Known]
    today: date


class Source(Protocol):
    """The steps, in the order in which a run takes them. Each may raise OSError."""

    @property
    def result(self) -> Result:
        """What it has come to so far."""

    @property
    def lines(self) -> Sequence[Line]:
        """Of the list."""

    def apply_rollback(self, rollback: Rollback | None) -> list[str]:
        """Withdraw what the set that was put back does not have, or offer what was withdrawn so; returns the former."""

    def resolve(self, before: Lock) -> None:
        """Find out what the lines come to; `before` is what they came to the last time."""

    def describe(self) -> None:
        """Gather what is known of every release that a line comes to."""

    def fetch(self) -> None:
        """Have every file of theirs published or in quarantine, or a finding instead of it."""

    def check(self) -> None:
        """Form an opinion on each, and on all that earlier runs let in."""

    def publish(self) -> None:
        """Let in the closures that passed, each as a whole."""

    def withdraw(self) -> None:
        """Have installers pass over what was let in and turns out to be vulnerable, if the policy says so."""

    def quarantine(self) -> None:
        """Write down what stays in quarantine, and why; what no line wants any more goes."""

    def conclude(self) -> None:
        """Note what is published now, and what is denied."""
