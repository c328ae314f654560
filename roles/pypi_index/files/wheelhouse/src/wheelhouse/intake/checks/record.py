"""Does the wheel's own list of what is in it hold?"""

from collections.abc import Iterator

from wheelhouse.intake.checks.release import Finding, Release, World


def check(release: Release, world: World) -> Iterator[Finding]:
    """What the list has wrong, which somebody changed, or the tool that built the wheel."""
    for sentence in release.record:
        yield Finding("record", sentence)
