"""Does anything in it run without somebody asking for it: when it is installed, when Python or a shell starts?"""

from collections.abc import Iterator

from wheelhouse.intake.checks.release import Finding, Release, World


def check(release: Release, world: World) -> Iterator[Finding]:
    """Each such file. Many good packages have some; one that had none before is how a stolen project shows."""
    for sentence in release.scripts:
        if release.scripts_are_new:
            sentence = f"New: {sentence} No other release of {release.project} on the shelf has such a thing."
        yield Finding("scripts", sentence, is_new=release.scripts_are_new)
