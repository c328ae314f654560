"""Is the name one that somebody may have chosen to be taken for one of the company's?"""

from collections.abc import Iterator

from wheelhouse.index.permissions import covers
from wheelhouse.intake.checks.release import Finding, Release, World

_SAME = str.maketrans("01", "ol", "-._")
_SHORTEST = 4
"""Letters; shorter names are all alike."""


def check(release: Release, world: World) -> Iterator[Finding]:
    """At most one finding."""
    for own in sorted(world.own):
        if _is_like(release.project, own):
            named = (
                "one of the company's own" if covers(world.restricted, own) else f"{own}, which is the company's own"
            )
            yield Finding("lookalike", f"Its name looks like {named}.")
            return


def _is_like(name: str, own: str) -> bool:
    """Whether `name` can be taken for `own`, a name or a pattern such as `acme-*`."""
    prefix, star, rest = own.partition("*")
    if not star:
        return _near(name.translate(_SAME), own.translate(_SAME))
    first = prefix.translate(_SAME)
    if rest or len(first) < _SHORTEST:
        return False
    return name.translate(_SAME).startswith(first) or _near(name.split("-", maxsplit=1)[0].translate(_SAME), first)


def _near(one: str, other: str) -> bool:
    """Whether they are at most one letter, or two neighbours that changed places, apart."""
    if one == other:
        return True
    if min(len(one), len(other)) < _SHORTEST or abs(len(one) - len(other)) > 1:
        return False
    start = next((index for index, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), len(one))
    a, b = one[start:], other[start:]
    return a[1:] == b[1:] or a[1:] == b or a == b[1:] or (a[:2] == b[1::-1] and a[2:] == b[2:])
