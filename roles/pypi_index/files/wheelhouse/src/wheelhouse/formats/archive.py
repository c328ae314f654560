"""What holds for any archive, whatever it is packed with: names, links and the space that it unpacks to."""

import io
import re
import tarfile
import unicodedata
from collections.abc import Callable, Iterator
from typing import IO, Protocol

MAX_MEMBERS = 65_000
MAX_RATIO = 100
"""An archive may unpack to this many times its own size, ..."""
ALWAYS_ALLOWED = 64 * 2**20
"""... and to this many bytes whatever its size: a table of zeros is not an attack."""
CHUNK = 2**20
_MAX_NAME = 1024
"""Characters of a member's name with its directories: more than any system can unpack."""
_MAX_DIRECTORIES = 4 * MAX_MEMBERS
_MAX_LINKS_ON_THE_WAY = 40
_MAX_STEPS = 2_000_000
"""From directory to directory, for all links together."""

_FILE, _LINK = -1, -2


class Unacceptable(Exception):
    """The archive could be read and is refused; the text is one sentence."""


class Budget:
    """Counts what an archive unpacks to, and stops when it is too much."""

    def __init__(self, size: int) -> None:
        """`size` is that of the archive in bytes."""
        self._limit = max(size * MAX_RATIO, ALWAYS_ALLOWED)
        self._used = 0

    def spend(self, amount: int) -> None:
        """Raises `Unacceptable`."""
        self._used += amount
        if self._used > self._limit:
            raise Unacceptable(
                f"The archive unpacks to more than {self._limit // 2**20} MiB: it is refused as a decompression bomb."
            )


class Names:
    """The names of an archive's members, of which none may be unpacked elsewhere, twice, or over another.

    They are kept as a tree, because a set of all directories above all members grows with the square of their depth.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[int, str], int] = {}
        """Directory and name in it -> number of the directory, `_FILE` or `_LINK`."""
        self._count = 0
        self._directories = 0
        self._steps = 0
        self._links: dict[tuple[int, str], str] = {}
        self._symbolic: list[tuple[tuple[str, ...], tuple[int, str]]] = []
        self._hard: list[tuple[str, str]] = []

    def top(self) -> list[str]:
        """What is in no directory of the archive, sorted."""
        return sorted(name for parent, name in self._known if parent == 0)

    def admit(self, name: str, *, is_directory: bool = False) -> None:
        """Check the name of the next member; raises `Unacceptable`."""
        self._put(name, is_directory=is_directory, leaf=_FILE)

    def admit_link(self, name: str, target: str, *, is_hard: bool) -> None:
        """The same of a link; where it leads is checked at the end, by `check_links`. Raises `Unacceptable`."""
        parts, place = self._put(name, is_directory=False, leaf=_LINK)
        if len(target) > _MAX_NAME:
            raise Unacceptable(f"The archive's member {_shown(name)} is a link of more than {_MAX_NAME} characters.")
        if is_hard:
            self._hard.append((name, target))
        else:
            self._links[place] = target
            self._symbolic.append((parts, place))

    def check_links(self, *, below: str | None = None) -> None:
        """Check that each link stays inside, or inside the top-level directory `below`; raises `Unacceptable`."""
        for parts, place in self._symbolic:
            target = self._links[place]
            self._check_link("/".join(parts), [*parts[:-1], *target.split("/")], target, below)
        for name, target in self._hard:
            landed = self._check_link(name, target.split("/"), target, below)
            if landed[1] != _FILE:
                raise Unacceptable(
                    f"The archive's member {_shown(name)} is a link to {_shown(target)}, which is no file in it."
                )

    def _check_link(self, name: str, path: list[str], target: str, below: str | None) -> tuple[str | None, int | None]:
        landed = None if _is_absolute(target) else self._landing(path)
        if landed is None or (below is not None and landed[0] != below):
            raise Unacceptable(
                f"The archive's member {_shown(name)} is a link that leads out of it, to {_shown(target)}:"
                " pack the file that it leads to in its place, or leave the link out."
            )
        return landed

    def _landing(self, path: list[str]) -> tuple[str | None, int | None] | None:
        """Where a path leads once the links on its way are followed; None if that is outside.

        The first part of it, and the number of the directory, `_FILE`, `_LINK`, or None if nothing is there.
        """
        waiting = path[::-1]
        at: list[tuple[str, int | None]] = []
        followed = 0
        while waiting:
            self._steps += 1
            if self._steps > _MAX_STEPS:
                raise Unacceptable("The archive has more links that lead to each other than can be followed.")
            part = waiting.pop()
            if part in ("", "."):
                continue
            if part == "..":
                if not at:
                    return None
                at.pop()
                continue
            parent = at[-1][1] if at else 0
            place = None if parent is None else (parent, unicodedata.normalize("NFC", part))
            target = self._links.get(place) if place else None
            if target is None:
                at.append((part, self._known.get(place) if place else None))
                continue
            followed += 1
            if followed > _MAX_LINKS_ON_THE_WAY or _is_absolute(target):
                return None
            waiting += target.split("/")[::-1]
        return (at[0][0] if at else None, at[-1][1] if at else 0)

    def _put(self, name: str, *, is_directory: bool, leaf: int) -> tuple[tuple[str, ...], tuple[int, str]]:
        self._count += 1
        shown = _shown(name)
        if self._count > MAX_MEMBERS:
            raise Unacceptable(f"The archive has more than {MAX_MEMBERS} members.")
        if len(name) > _MAX_NAME:
            raise Unacceptable(f"The archive's member {shown} has a name of more than {_MAX_NAME} characters.")
        if "\\" in name or any(unicodedata.category(character) in _BREAKS for character in name):
            raise Unacceptable(f"The archive's member {shown} has a backslash or a control character in its name.")
        parts = unicodedata.normalize("NFC", name.removesuffix("/") if is_directory else name).split("/")
        if re.match(r"[A-Za-z]:", name) or any(part in ("", ".", "..") for part in parts):
            raise Unacceptable(f"The archive's member {shown} would be unpacked outside its place.")
        at = 0
        for part in parts if is_directory else parts[:-1]:
            at = self._directory(at, part, shown)
        if not is_directory:
            known = self._known.setdefault((at, parts[-1]), 0)
            if known < 0:
                raise Unacceptable(f"The archive holds {shown} more than once.")
            if known:
                raise Unacceptable(f"The archive holds {shown} both as a file and as a directory.")
            self._known[at, parts[-1]] = leaf
        return tuple(parts), (at, parts[-1])

    def _directory(self, parent: int, part: str, shown: str) -> int:
        known = self._known.get((parent, part))
        if known is None:
            self._directories += 1
            if self._directories > _MAX_DIRECTORIES:
                raise Unacceptable(f"The archive has more than {_MAX_DIRECTORIES} directories.")
            known = self._known[parent, part] = self._directories
        if known < 0:
            raise Unacceptable(f"The archive holds {shown} both as a file and as a directory.")
        return known


_BREAKS = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""What ends a line for some program, or is no character: RECORD is read in lines."""


def _is_absolute(path: str) -> bool:
    return path.startswith("/") or "\\" in path or "\0" in path or bool(re.match(r"[A-Za-z]:", path)) or not path


def _shown(name: str) -> str:
    return ascii(name[:200])


class Unpacking(Protocol):
    """Where what was unpacked is read from."""

    def read(self, size: int, /) -> bytes:
        """At most so many bytes; none at the end."""


class Decompressor(Protocol):
    """As bz2 and zstd have them: of one part, of which there may be several behind each other."""

    @property
    def eof(self) -> bool:
        """Whether the part has ended."""

    @property
    def needs_input(self) -> bool:
        """Whether it has unpacked all that it was given."""

    @property
    def unused_data(self) -> bytes:
        """What is behind its end."""

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        """At most so many bytes of what the data, and those before it, unpack to."""


class InParts:
    """Everything that a compressed stream unpacks to, with nothing behind its end."""

    def __init__(self, stream: Iterator[bytes], make: Callable[[], "Decompressor"]) -> None:
        """Of the pieces of `stream`, each part by a decompressor of its own."""
        self._stream = stream
        self._make = make
        self._decompressor = make()
        self._waiting = b""
        self._is_begun = False
        self._parts = 0

    def read(self, size: int) -> bytes:
        """At most `size` bytes; none at the end. Raises EOFError where it is cut off."""
        while True:
            if self._decompressor.eof:
                self._parts += 1
                if self._parts > MAX_MEMBERS:
                    raise Unacceptable(f"The archive is compressed in more than {MAX_MEMBERS} parts.")
                self._waiting = self._decompressor.unused_data
                self._decompressor, self._is_begun = self._make(), False
            if self._decompressor.needs_input and not self._waiting:
                self._waiting = next(self._stream, b"")
                if not self._waiting:
                    if self._is_begun:
                        raise EOFError("cut off")
                    return b""
            self._is_begun = True
            piece = self._decompressor.decompress(self._waiting, size)
            self._waiting = b""
            if piece:
                return piece


class _Counted(io.RawIOBase):
    """What is unpacked, counted, for tarfile to read.

    tarfile takes the whole of an extended header into memory at one read, so a large single read is refused.
    """

    def __init__(self, stream: Unpacking, budget: Budget) -> None:
        self._stream = stream
        self._budget = budget
        self._position = 0
        self.last = b""

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= CHUNK:
            raise Unacceptable("The archive has a header of more than 1 MiB.")
        pieces: list[bytes] = []
        missing = size
        while missing and (piece := self._stream.read(missing)):
            self._budget.spend(len(piece))
            pieces.append(piece)
            missing -= len(piece)
        self.last = b"".join(pieces)
        self._position += len(self.last)
        return self.last

    def tell(self) -> int:
        return self._position

    def seek(self, position: int, whence: int = 0) -> int:
        if whence or position < self._position:
            raise Unacceptable("The archive cannot be read from front to back.")
        while self._position < position:
            if not self.read(min(CHUNK, position - self._position)):
                raise EOFError("cut off")
        return position


def files_of_tar(stream: Unpacking, budget: Budget, names: Names) -> Iterator[tuple[str, int, IO[bytes]]]:
    """Name, size and contents of each regular file, which the caller reads before it asks for the next.

    Once all are read, so is the archive, to its end. Links are only noted in `names`. Raises `Unacceptable`, and what
    the standard library raises.
    """
    source = _Counted(stream, budget)
    of_header = tarfile.nti  # type: ignore[attr-defined]
    with tarfile.open(fileobj=source, mode="r:", errorlevel=2, errors="strict") as archive:
        while info := archive.next():
            # it keeps all that it has seen, for those who ask for them by name
            archive.members.clear()  # type: ignore[attr-defined]
            name = _without_dot(info.name)
            shown = _shown(info.name)
            if not name:
                continue
            if (
                ("size" in info.pax_headers and info.size != of_header(source.last[124:136]))
                or "path" in archive.pax_headers
                or "linkpath" in archive.pax_headers
            ):
                raise Unacceptable(
                    f"The archive's member {shown} says twice how long it is or what it is called, and not the same."
                )
            if info.size and not info.isreg():
                raise Unacceptable(f"The archive's member {shown} has contents, which only files may have.")
            if info.issym() or info.islnk():
                names.admit_link(name, info.linkname, is_hard=info.islnk())
            elif info.sparse is not None or info.type not in (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE):
                raise Unacceptable(f"The archive's member {shown} is a device or the like; only files may be packed.")
            else:
                names.admit(name, is_directory=info.isdir())
                content = None if info.isdir() else archive.extractfile(info)
                if content:
                    yield name, info.size, content
    if source.last != bytes(tarfile.BLOCKSIZE):  # tarfile takes a header it cannot read for the end
        raise EOFError("cut off, or with a broken header")
    while rest := source.read(CHUNK):
        if rest.strip(b"\0"):
            raise Unacceptable("The archive has data behind its end.")


def _without_dot(name: str) -> str:
    """`./a` is `a`, as whoever packs `.` has it; nothing for `.` itself."""
    while name.startswith("./"):
        name = name[2:]
    return "" if name == "." else name
