"""Values as JSON has them, made into typed ones by msgspec; what is wrong with them is collected, a sentence each."""

from collections.abc import Iterable
from typing import Any, TypeVar, overload
from urllib.parse import urlsplit

import msgspec

T = TypeVar("T")


class Text(str):
    """A text that is something in particular. Subclasses say what: `parsed` raises ValueError for what is not."""

    @classmethod
    def parsed(cls, text: str) -> str:
        """The text in the form that is kept."""
        raise NotImplementedError


class Address(Text):
    """A URL with http:// or https://, without credentials."""

    @classmethod
    def parsed(cls, text: str) -> str:
        """As it is."""
        parts = urlsplit(text)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query:
            raise ValueError("an address with https://")
        if "@" in parts.netloc:
            raise ValueError("an address without credentials")
        return text


class Reader:
    """Makes values typed and goes on where one is not what it should be."""

    def __init__(self) -> None:
        self.faults: list[str] = []
        """Sentences for whoever wrote the values."""

    @overload
    def value(self, raw: object, kind: type[T], otherwise: str) -> T | None: ...
    @overload
    def value(self, raw: object, kind: object, otherwise: str) -> Any: ...
    def value(self, raw: object, kind: Any, otherwise: str) -> Any:
        """The value as `kind`, anything that msgspec reads; or None, and the sentence `otherwise` is noted.

        In that, `{value}` stands for what was given and `{error}` for what is wrong with it.
        """
        try:
            return msgspec.convert(raw, kind, dec_hook=_made)
        except msgspec.ValidationError as error:
            self.faults.append(otherwise.format(value=Shown(raw), error=error.__cause__ or error))
            return None

    def each(self, raw: object, kind: type[T], otherwise: str) -> list[T]:
        """Those items of a list that are of a kind, a sentence for each of the others; a single one needs no list."""
        items: Iterable[object] = raw if isinstance(raw, list) else [raw]
        found = [self.value(item, kind, otherwise) for item in items]
        return [item for item in found if item is not None]


class Shown:
    """What somebody gave, for a sentence: `{value}` as JSON, `{value!r}` as Python has it; the beginning of it."""

    def __init__(self, raw: object) -> None:
        self._raw = raw

    def __str__(self) -> str:
        return msgspec.json.encode(self._raw).decode()[:150]

    def __repr__(self) -> str:
        return repr(self._raw)[:150]


def _made(kind: type[Any], raw: object) -> Any:
    """What msgspec asks for a type that it does not know."""
    if not issubclass(kind, Text):
        raise NotImplementedError(f"{kind} is none of ours")
    return kind(kind.parsed(str(raw)))
