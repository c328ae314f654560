"""One look at a release each: a small module with a function `check` that tells what it found.

What a finding means is the policy's to say, and an exception may let it through for a while.
"""

from wheelhouse.intake.checks import (
    age,
    archive,
    licence,
    lookalike,
    provenance,
    record,
    reference,
    scripts,
    sdist,
    vulnerability,
    yanked,
)
from wheelhouse.intake.checks.release import Finding, Opinion, Package, Release, World, judged

_ALL = (archive, record, vulnerability, age, licence, yanked, sdist, reference, scripts, provenance, lookalike)

__all__ = ["Finding", "Opinion", "Package", "Release", "World", "look_at"]


def look_at(release: Release, world: World) -> tuple[Opinion, ...]:
    """What all checks say of a release that is not in order; nothing if everything is."""
    return tuple(
        opinion
        for module in _ALL
        for finding in module.check(release, world)
        if (opinion := judged(finding, release, world))
    )
