"""What a run comes to in one of its sources, see `source`."""

import sys
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime

from wheelhouse.formats.validation import Verdict
from wheelhouse.intake.checks import Opinion, Release
from wheelhouse.intake.lock import Closure, Key, Lock, Pin
from wheelhouse.intake.request import Line
from wheelhouse.intake.rollback import Rollback

Denied = dict[str, dict[str, tuple[str, tuple[str, ...]]]]
"""Project -> version -> why, as a sentence, and which checks and advisories an exception may name."""


@dataclass(frozen=True)
class Shelved:
    """What installers are offered of a release."""

    since: datetime
    yanked: bool
    """Whether they pass over all of it."""


@dataclass
class Result:
    """What a run came to."""

    lock: Lock = field(default_factory=Lock)
    releases: dict[Key, Release] = field(default_factory=dict)
    """All that were looked at: of the closures, and those that are on the shelf from before."""
    opinions: dict[Key, tuple[Opinion, ...]] = field(default_factory=dict)
    shelved: dict[Key, Shelved] = field(default_factory=dict)
    """Those of them that are on the shelf, once everything is done."""
    unresolved: dict[str, str] = field(default_factory=dict)
    """Line -> why nothing fits it today. What it came to before stays."""
    incomplete: dict[str, str] = field(default_factory=dict)
    """Line -> which file did not come. The next run tries again."""
    published: list[str] = field(default_factory=list)
    """File names."""
    fetched: int = 0
    """Files."""
    yanked: list[str] = field(default_factory=list)
    """File names."""
    denied: Denied = field(default_factory=dict)
    """What is kept from clients by whichever way they ask for it."""
    exposed: list[str] = field(default_factory=list)
    """Sentences on what installers were offered, or are, though it is vulnerable."""

    def keep(self, line: str, why: str, last: Closure | None) -> None:
        """Note that nothing fits a line today; it comes to what it came to `last`."""
        self.unresolved[line] = why
        print(why, file=sys.stderr, flush=True)  # before anything is fetched
        if last:
            self.lock.closures[line] = last

    def stay(self, lines: Iterable[Line], chosen: Lock, rollback: Rollback) -> None:
        """Have some lines come to what an earlier set says."""
        for line in lines:
            if line.text in chosen.closures:
                self.lock.closures[line.text] = chosen.closures[line.text]
            else:
                self.unresolved[line.text] = f"{line.text!r} is not in the set of {rollback.to}, which was put back."

    def broken(self, key: Key, sentence: str) -> None:
        """Note that a file of a release is not as it should be."""
        release = self.releases[key]
        self.releases[key] = replace(release, broken=tuple(dict.fromkeys((*release.broken, sentence))))

    def waits(self, key: Key, filename: str, why: object) -> None:
        """Note that a file did not come."""
        for closure in self.lock.closures.values():
            if any(closure.key(pin) == key for pin in closure.pins):
                self.incomplete[closure.line] = f"{closure.line!r} waits for {filename}, which did not come: {why}."

    def knows(self, line: str) -> bool:
        """Whether a line of the list is among those that this is about."""
        return line in self.lock.closures or line in self.unresolved

    def blocked(self, closure: Closure) -> list[Pin]:
        """The releases that keep a closure off the shelf."""
        return [pin for pin in closure.pins if self.blocks(closure.key(pin))]

    def blocks(self, key: Key) -> bool:
        """Whether a release may not be let in."""
        return any(opinion.verdict is Verdict.BLOCK for opinion in self.opinions.get(key, ()))

    def is_held(self, closure: Closure) -> bool:
        """Whether a closure is not to be published as a whole, and so not at all."""
        return bool(self.blocked(closure)) or closure.line in self.incomplete

    def advisories(self, key: Key) -> list[str]:
        """Identifiers of the vulnerabilities that block a release."""
        opinions = self.opinions.get(key, ())
        found = [one.finding.advisory for one in opinions if one.verdict is Verdict.BLOCK and one.finding.advisory]
        return list(dict.fromkeys(found))

    def lasting(self, key: Key) -> tuple[str, ...]:
        """What blocks a release and does not pass by itself: advisories and checks."""
        found = [one.finding for one in self.opinions.get(key, ()) if one.verdict is Verdict.BLOCK]
        return tuple(
            dict.fromkeys(
                one.advisory or one.check
                for one in found
                # that it is young passes; so does that nobody could look up what is known
                if one.check != "age" and (one.check != "vulnerability" or one.advisory)
            )
        )

    def reasons(self, key: Key) -> str:
        """Why a release may not be let in, in sentences; nothing if it may."""
        opinions = self.opinions.get(key, ())
        return " ".join(one.finding.evidence for one in opinions if one.verdict is Verdict.BLOCK)

    def problems(self) -> list[str]:
        """Sentences; somebody has to look at each."""
        found = [*self.unresolved.values(), *self.incomplete.values(), *self.exposed]
        for closure in self.lock.closures.values():
            found += [
                f"{closure.line!r} is kept back: {pin.project} {pin.version}: {opinion.finding.evidence}"
                for pin in self.blocked(closure)
                for opinion in self.opinions[closure.key(pin)]
                if opinion.verdict is Verdict.BLOCK
            ]
        return list(dict.fromkeys(found))


def problems(results: Iterable[Result]) -> list[str]:
    """The same of several sources."""
    return list(dict.fromkeys(sentence for result in results for sentence in result.problems()))
