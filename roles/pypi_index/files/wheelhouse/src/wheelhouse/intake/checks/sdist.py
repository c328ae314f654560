"""Does installing the release run its author's code?"""

from collections.abc import Iterator

from wheelhouse.intake.checks.release import Finding, Release, World


def check(release: Release, world: World) -> Iterator[Finding]:
    """At most one finding."""
    if release.package:
        return
    sources = sorted(name for name in release.files if not name.endswith(".whl"))
    if sources:
        yield Finding("sdist", f"{sources[0]} is a source distribution, which runs its author's code when installed.")
