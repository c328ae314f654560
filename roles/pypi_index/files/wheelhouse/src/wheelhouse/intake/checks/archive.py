"""Are the files what upstream promised, and archives that an upload could be?"""

from collections.abc import Iterator

from wheelhouse.intake.checks.release import Finding, Release, World


def check(release: Release, world: World) -> Iterator[Finding]:
    """What the index's own rules say of the files; no policy lets that through."""
    for sentence in release.broken:
        yield Finding("archive", sentence, always_blocks=True)
