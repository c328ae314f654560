"""What the company lets in: which findings block, and which exceptions are granted until when."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from wheelhouse.formats.validation import Verdict

CHECKS = (
    "archive",
    "record",
    "vulnerability",
    "age",
    "licence",
    "yanked",
    "removed",
    "sdist",
    "scripts",
    "lookalike",
)
"""What is looked at, in the order in which reports tell it; `archive` always blocks."""
VERDICTS: Mapping[str, Verdict] = {
    name: Verdict.WARN if name in ("removed", "scripts") else Verdict.BLOCK for name in CHECKS
}
"""What a finding means unless the policy says otherwise: a release that has vanished upstream may stay, and
many good packages run something when Python starts."""


@dataclass(frozen=True)
class Exemption:
    """A finding that the company lives with for a while."""

    project: str
    versions: SpecifierSet
    about: str
    """The id of an advisory, or one of `CHECKS`."""
    reason: str
    until: date
    """The last day on which it counts."""

    def covers(self, project: str, version: Version | str, about: frozenset[str]) -> bool:
        """Whether it is about this release, and about one of these advisories and checks; it may have expired."""
        return (
            self.project == canonicalize_name(project)
            and (not self.versions or self._has(version))
            and self.about.casefold() in {one.casefold() for one in about}
        )

    def _has(self, version: Version | str) -> bool:
        """Conda's versions are compared as PyPI's where they can be; others need an exception for the whole package."""
        try:
            return self.versions.contains(version, prereleases=True)
        except InvalidVersion:
            return False


@dataclass(frozen=True)
class Policy:
    """Every rule that the inventory sets."""

    minimum_age: int = 3
    """Days that a file has been upstream."""
    licences: tuple[str, ...] = ()
    """SPDX identifiers; none = any licence."""
    advisories: str | None = None
    """A directory of OSV files, or the address of a service that speaks as OSV does; None is the public one."""
    verdicts: Mapping[str, Verdict | None] = field(default_factory=lambda: dict(VERDICTS))
    """For each check; None = it is not looked at."""
    on_shelf: str = "yank"
    """`yank` or `report`: what happens to a release on the shelf that turns out to be vulnerable."""
    exceptions: tuple[Exemption, ...] = ()

    def verdict(self, check: str) -> Verdict | None:
        """What a finding of this check means; None if nobody wants to know."""
        return self.verdicts.get(check, VERDICTS[check])

    def exception(self, project: str, version: Version | str, about: frozenset[str], today: date) -> Exemption | None:
        """The exception that lets a finding through today."""
        for exemption in self.exceptions:
            if today <= exemption.until and exemption.covers(project, version, about):
                return exemption
        return None
