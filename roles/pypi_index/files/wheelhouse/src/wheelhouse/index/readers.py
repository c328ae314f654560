"""Restricted projects, and who may see them."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import ColumnElement, false, not_, or_, true

from wheelhouse.index.permissions import covers


@dataclass(frozen=True)
class Reader:
    """Somebody who looks at the index: what is hidden from them, and what of that is not."""

    restricted: tuple[str, ...]
    """Patterns of names; in them and the others, `*` alone stands for others."""
    reads: tuple[str, ...] = ()
    """Patterns of restricted names that they may read all the same."""

    def may_read(self, project: str) -> bool:
        """Whether a project (a normalised name) may be known to them."""
        return not covers(self.restricted, project) or covers(self.reads, project)

    def condition(self, name: ColumnElement[str]) -> ColumnElement[bool]:
        """The same for a column with normalised names."""
        if not self.restricted:
            return true()
        return or_(not_(_matches(name, self.restricted)), _matches(name, self.reads))


def _matches(name: ColumnElement[str], patterns: Iterable[str]) -> ColumnElement[bool]:
    # a name has nothing in it that LIKE takes for anything else
    return or_(false(), *(name.like(pattern.replace("*", "%")) for pattern in patterns))
