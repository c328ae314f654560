"""What the company lets in: which findings block, and which exceptions are granted until when."""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field
from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from wheelhouse.formats.validation import Verdict
from wheelhouse.intake.typed import Address, Reader, Shown, Text

CHECKS = (
    "archive",
    "record",
    "vulnerability",
    "age",
    "licence",
    "yanked",
    "removed",
    "sdist",
    "reference",
    "scripts",
    "provenance",
    "lookalike",
)
"""What is looked at, in the order in which reports list it; `archive` always blocks."""
VERDICTS: Mapping[str, Verdict] = {
    name: Verdict.WARN if name in ("removed", "scripts", "provenance") else Verdict.BLOCK for name in CHECKS
}
"""What a finding means unless the policy says otherwise: a release that has vanished upstream may stay,
many good packages run something when Python starts, and not every mirror passes provenance on."""
OnShelf = Literal["yank", "report"]


class Exemption(Struct, frozen=True):
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


class Policy(Struct, frozen=True):
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


def read(raw: object, reader: Reader) -> Policy:
    """The policy as the list has it; what is wrong with it is noted by `reader`."""
    given: Mapping[str, Any] = reader.value(raw, dict[str, Any], "policy must be a mapping.") or {}
    if unknown := sorted(given.keys() - set(Policy.__struct_fields__)):
        reader.faults.append(f"policy has a key this program does not know: {', '.join(unknown)}.")
    days = "policy: minimum_age is {value!r}; write a number of days, 0 for none."
    fate = "policy: on_shelf is {value!r}; write yank or report."
    spdx = "policy: licences: {value!r} is no SPDX identifier; write one such as MIT."
    return Policy(
        minimum_age=reader.value(given.get("minimum_age", 3), Annotated[int, Meta(ge=0)], days) or 0,
        licences=tuple(reader.each(given.get("licences", []), _Licence, spdx)),
        advisories=_advisories(given.get("advisories"), reader),
        verdicts={**VERDICTS, **dict(_verdicts(given.get("verdicts", {}), reader))},
        on_shelf=reader.value(given.get("on_shelf", "yank"), OnShelf, fate) or "yank",
        exceptions=tuple(_exceptions(given.get("exceptions", []), reader)),
    )


class _Licence(Text):
    @classmethod
    def parsed(cls, text: str) -> str:
        """In its canonical form."""
        try:
            return str(canonicalize_license_expression(text))
        except InvalidLicenseExpression as error:
            raise ValueError(str(error)) from None


def _advisories(raw: object, reader: Reader) -> str | None:
    if not raw:
        return None
    if isinstance(raw, str) and raw.startswith("/"):
        return raw
    if isinstance(raw, str) and "@" in raw:
        reader.faults.append("policy: advisories must be an address without credentials.")
        return None
    return reader.value(raw, Address, "policy: advisories must be an absolute directory, or an address with https://.")


def _verdicts(raw: object, reader: Reader) -> Iterator[tuple[str, Verdict | None]]:
    given = reader.value(raw, dict[str, Any], "policy: verdicts must be a mapping of checks to block, warn or off.")
    for check, wanted in (given or {}).items():
        if check not in CHECKS or check == "archive":
            reader.faults.append(f"policy: verdicts: there is no check {check!r}; there are {', '.join(CHECKS[1:])}.")
            continue
        otherwise = f"policy: verdicts: {check} is {{value!r}}; write block, warn or off."
        if found := reader.value(wanted, Literal["block", "warn", "off"], otherwise):
            yield check, None if found == "off" else Verdict(found)


_Said = Annotated[str, Meta(min_length=1)]


class _Exception(Struct, forbid_unknown_fields=True):
    """An exception as the inventory has it."""

    package: _Said
    """A requirement: the project, and the versions it is for."""
    advisory: _Said
    reason: _Said
    until: _Said
    """2026-12-31"""


def _exceptions(raw: object, reader: Reader) -> Iterator[Exemption]:
    otherwise = "policy: exceptions: {value} must have package, advisory, reason and until, each a text."
    for one in reader.each(raw, _Exception, otherwise):
        try:
            package, until = Requirement(one.package), date.fromisoformat(one.until)
        except ValueError as error:
            reader.faults.append(f"policy: exceptions: {Shown(one)} is not understood: {error}.")
            continue
        yield Exemption(canonicalize_name(package.name), package.specifier, one.advisory, one.reason, until)
