"""Does it require anything by an address, so that installers fetch what nobody here has looked at?"""

from collections.abc import Iterator

from wheelhouse.intake.checks.release import Finding, Release, World


def check(release: Release, world: World) -> Iterator[Finding]:
    """Each such requirement. The public PyPI takes none; other upstreams may."""
    for sentence in release.references:
        yield Finding("reference", sentence)
