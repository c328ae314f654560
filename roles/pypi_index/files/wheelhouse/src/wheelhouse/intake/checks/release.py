"""What a check is given, and what it says."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from packaging.version import Version
from simple_repository.model import File

from wheelhouse.formats.validation import Verdict
from wheelhouse.intake.advisories import Advisory
from wheelhouse.intake.policy import Exemption, Policy


@dataclass(frozen=True)
class Release:
    """A release of a public project that a line comes to, or that is on the shelf."""

    project: str
    version: Version | str
    """A text for conda packages."""
    files: Mapping[str, File]
    """Those that the company takes, by name; `File.upload_time` is upstream's."""
    is_described: bool = False
    """Whether anything could be read that would name a licence: core metadata, or upstream's record of a package."""
    licences: tuple[str, ...] | None = None
    """SPDX expressions, of which any will do; None if no licence is named in a form that can be read."""
    shelved: frozenset[str] = frozenset()
    """Names of the files that are on the shelf already."""
    broken: tuple[str, ...] = ()
    """Sentences: what is wrong with the archives, or with what came instead of them."""
    record: tuple[str, ...] = ()
    """Sentences: what is wrong with RECORD in its wheels."""
    scripts: tuple[str, ...] = ()
    """Sentences: what in it runs without anybody asking for it."""
    scripts_are_new: bool = False
    """Whether other releases of the project are on the shelf, and have none."""
    references: tuple[str, ...] = ()
    """Sentences: what it requires from elsewhere than this index."""
    disproven: tuple[str, ...] = ()
    """Sentences: provenance of its files that is not theirs, or none."""
    unproven: tuple[str, ...] = ()
    """Sentences: provenance that could not be had, or that earlier releases have and this one has not."""
    package: "Package | None" = None
    """What there is more to say of a conda package."""

    @property
    def distributions(self) -> tuple[tuple[str, Version], ...]:
        """The projects of PyPI in it, which advisories are about."""
        if self.package:
            return self.package.inside
        return ((self.project, self.version),) if isinstance(self.version, Version) else ()


@dataclass(frozen=True)
class Package:
    """What only conda packages have."""

    inside: tuple[tuple[str, Version], ...]
    """The Python distributions that it installs, in any of its builds."""
    nameless: tuple[str, ...] = ()
    """Those of them that no advisory could be about, since their name or version is none."""


@dataclass(frozen=True)
class World:
    """Everything else that a verdict depends on."""

    policy: Policy
    today: date
    upstream: Mapping[str, Mapping[str, File] | None]
    """Project -> which of the files that are looked at upstream lists today; None if it has nothing of this name.

    A project is missing where upstream could not be asked.
    """
    advisories: Mapping[tuple[str, Version], list[Advisory] | None]
    """None, or nothing, for what could not be looked up."""
    why_no_advisories: str = ""
    """The end of a sentence, if nothing could be looked up at all."""
    own: frozenset[str] = frozenset()
    """Names and patterns that are the company's."""
    restricted: tuple[str, ...] = ()
    """Patterns of names that not everybody may read, who may read a report."""


@dataclass(frozen=True)
class Finding:
    """Something that a check found."""

    check: str
    evidence: str
    """A sentence."""
    advisory: str | None = None
    """The identifier that people look it up by."""
    names: frozenset[str] = field(default_factory=frozenset)
    """All its identifiers; an exception may name any."""
    always_blocks: bool = False
    is_new: bool = False
    """Whether it was not so in other releases of the project."""


@dataclass(frozen=True)
class Opinion:
    """A finding, and what the policy says to it."""

    finding: Finding
    verdict: Verdict
    exception: Exemption | None = None
    """What lets it through, or did until it expired."""
    expired: bool = False


def judged(finding: Finding, release: Release, world: World) -> Opinion | None:
    """The policy's opinion; None if nobody wants to know."""
    if finding.always_blocks:
        return Opinion(finding, Verdict.BLOCK)
    verdict = world.policy.verdict(finding.check)
    if verdict is not Verdict.BLOCK:
        return Opinion(finding, verdict) if verdict else None
    about = finding.names | {finding.check}
    if granted := world.policy.exception(release.project, release.version, about, world.today):
        return Opinion(finding, Verdict.WARN, granted)
    expired = [one for one in world.policy.exceptions if one.covers(release.project, release.version, about)]
    return Opinion(finding, verdict, expired[0] if expired else None, expired=bool(expired))
