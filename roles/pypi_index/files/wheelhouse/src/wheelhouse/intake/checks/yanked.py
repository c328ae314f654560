"""Has upstream taken the release back?"""

from collections.abc import Iterator

from wheelhouse.intake.checks.release import Finding, Release, World


def check(release: Release, world: World) -> Iterator[Finding]:
    """At most one finding: yanked, or removed."""
    if release.project not in world.upstream:
        return
    listed = world.upstream[release.project]
    if listed is None:
        yield Finding("removed", f"There is no project {release.project} upstream any more.")
        return
    gone = sorted(name for name in release.files if name not in listed)
    if gone:
        yield Finding("removed", f"{gone[0]} is no longer upstream.")
    for name in sorted(release.files):
        if name in listed and listed[name].yanked:
            reason = listed[name].yanked
            text = " ".join(reason.split())[:200].rstrip(".") if isinstance(reason, str) else "no reason is given"
            yield Finding("yanked", f"Its author has yanked it: {text}.")
            return
