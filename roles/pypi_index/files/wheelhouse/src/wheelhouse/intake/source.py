"""The parts of a run, PyPI's releases and the packages of each conda channel: the same steps, in ways of their own."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol

import httpx
from packaging.version import Version

from wheelhouse.config import Settings
from wheelhouse.index.events import Journal
from wheelhouse.intake.advisories import Advisory
from wheelhouse.intake.history import History
from wheelhouse.intake.lock import Lock
from wheelhouse.intake.request import Line, Request
from wheelhouse.intake.result import Outcome
from wheelhouse.intake.rollback import Rollback
from wheelhouse.store.local import Shelf

Distribution = tuple[str, Version]
"""A project of PyPI and its version."""
Known = tuple[Mapping[Distribution, list[Advisory] | None], str]
"""What is known about each, None if that could not be looked up; and why, the end of a sentence."""


@dataclass(frozen=True)
class Context:
    """What all parts work with."""

    shelf: Shelf
    journal: Journal
    settings: Settings
    request: Request
    history: History
    client: httpx.Client
    """The way out."""
    look_up: Callable[[Iterable[Distribution]], Known]
    today: date


class Part(Protocol):
    """The steps, in the order in which a run takes them. Each may raise OSError."""

    outcome: Outcome
    lines: Sequence[Line]
    """Of the list."""

    def hold(self, rollback: Rollback | None) -> list[str]:
        """Withdraw what the set that was put back does not have, or bring back what was withdrawn so; says which."""

    def resolve(self, before: Lock) -> None:
        """Find out what the lines come to; `before` is what they came to the last time."""

    def note(self) -> None:
        """Gather what is known of every release that a line comes to."""

    def fetch(self) -> None:
        """Have every file of theirs on the shelf or in quarantine, or a finding instead of it."""

    def check(self) -> None:
        """Form an opinion on each, and on all that earlier runs let in."""

    def publish(self) -> None:
        """Let in the closures that passed, each as a whole."""

    def withdraw(self) -> None:
        """Have installers pass over what was let in and turns out to be vulnerable, if the policy says so."""

    def keep_back(self) -> None:
        """Write down what stays in quarantine, and why; what no line wants any more goes."""

    def look_back(self) -> None:
        """Note what is on the shelf now, and what is refused."""
