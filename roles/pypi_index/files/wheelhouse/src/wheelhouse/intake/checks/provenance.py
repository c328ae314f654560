"""Does upstream say where its files were made, as it did of earlier releases; and is that about these files?"""

from collections.abc import Iterator

from wheelhouse.intake.checks.release import Finding, Release, World


def check(release: Release, world: World) -> Iterator[Finding]:
    """What is about other bytes always blocks; what is missing is how a release by somebody else may show."""
    for sentence in release.disproven:
        yield Finding("provenance", sentence, always_blocks=True)
    for sentence in release.unproven:
        yield Finding("provenance", sentence)
