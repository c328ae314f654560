"""Read a zip file that nobody vouches for, such that everybody who reads it finds the same in it.

A zip lists its members twice: in a directory at its end, which pip goes by, and in a header before each member, which a
program that unpacks while it downloads, such as uv, goes by. An archive where the two differ installs differently for
different people, so everything between the first byte and the last must be accounted for by both lists, and they must
say the same. `zipfile` takes all of this on trust, and from Python 3.12.1 on takes names from a third place.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

STORED, DEFLATED = 0, 8

_END = struct.Struct("<4s4H2LH")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_ENCRYPTED, _DESCRIBED_LATER, _IN_UTF8 = 0x01, 0x08, 0x800
_TOLD_TWICE = _ENCRYPTED | _DESCRIBED_LATER | _IN_UTF8 | 0x60 | 0x2000
"""The flags that change what is read."""
_ELSEWHERE, _MANY = 0xFFFFFFFF, 0xFFFF
"""What a header says whose numbers are in its ZIP64 field."""
_ZIP64, _UNICODE_NAME = 0x0001, 0x7075
_MAX_DIRECTORY = 32 * 2**20
_CHUNK = 2**20


class Malformed(Exception):
    """The text completes "the archive is not readable because ..."."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One member, as both of its headers describe it."""

    name: str
    """With a slash at its end if it is a directory."""
    method: int
    packed: int
    """Bytes it takes in the archive."""
    size: int
    crc: int
    mode: int
    """As on Unix; 0 where it does not say."""
    start: int
    """Offset of its data."""

    @property
    def is_directory(self) -> bool:
        """Whether it is one."""
        return self.name.endswith("/")


@dataclass(frozen=True, slots=True)
class _Listed:
    """What the directory at the end says of a member."""

    raw_name: bytes
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    mode: int
    offset: int


def entries(stream: IO[bytes], size: int, max_members: int) -> list[Entry]:
    """All members, in the order in which they lie there; `size` is that of the file. Raises `Malformed`."""
    start, listed = _directory(stream, size, max_members)
    listed.sort(key=lambda one: one.offset)
    following = [one.offset for one in listed[1:]] + [start]
    if listed and listed[0].offset:
        raise Malformed("something lies before its members")
    return [_entry(stream, one, end) for one, end in zip(listed, following, strict=True)]


def comment(stream: IO[bytes], size: int) -> bytes:
    """What stands behind the end, where that says so and nobody can take something in it for another end."""
    length = min(size, _END.size + _MANY)
    stream.seek(size - length)
    tail = stream.read(length)
    end = tail.rfind(b"PK\5\6")
    found = tail[end + _END.size :]
    if end < 0 or len(tail) - end < _END.size or len(found) != _END.unpack_from(tail, end)[-1] or b"PK" in found:
        return b""
    return found


def contents(stream: IO[bytes], entry: Entry) -> Iterator[bytes]:
    """What is in a member, in pieces of at most 1 MiB. Raises `Malformed`, at the latest at its end."""
    stream.seek(entry.start)
    inflater = zlib.decompressobj(-zlib.MAX_WBITS) if entry.method == DEFLATED else None
    left, waiting, size, crc = entry.packed, b"", 0, 0
    while True:
        if not waiting and left:
            waiting = stream.read(min(_CHUNK, left))
            left -= len(waiting)
            if not waiting:
                raise Malformed("it is cut off")
        piece, waiting = _inflated(inflater, waiting) if inflater else (waiting, b"")
        if inflater and inflater.eof and (inflater.unused_data or left):
            raise Malformed(f"something lies behind the data of {_shown(entry.name)}")
        if not piece and not waiting and not left:
            break
        size += len(piece)
        crc = zlib.crc32(piece, crc)
        if size > entry.size:
            break
        yield piece
    if size != entry.size or (inflater and not inflater.eof):
        raise Malformed(f"the size of {_shown(entry.name)} is not the one that it declares")
    if crc != entry.crc:
        raise Malformed(f"Bad CRC-32 for {_shown(entry.name)}")


def _inflated(inflater: "zlib._Decompress", data: bytes) -> tuple[bytes, bytes]:
    """A piece, and what is left of the data."""
    try:
        return inflater.decompress(data, _CHUNK), inflater.unconsumed_tail
    except zlib.error as error:
        raise Malformed(str(error)) from None


def _directory(stream: IO[bytes], size: int, max_members: int) -> tuple[int, list[_Listed]]:
    """Where the directory begins, and what it lists."""
    size -= len(comment(stream, size))
    tail = _tail(stream, size)
    signature, disk, first_disk, here, members, length, start, _ = _END.unpack(tail[-_END.size :])
    if signature != b"PK\5\6":
        raise Malformed("it is no zip file, is cut off, or goes on after its end")
    if size == _END.size and not members:
        raise Malformed("it is an empty zip file, without any member")
    if tail[: -_END.size].startswith(b"PK\6\7") or _MANY in (here, members) or _ELSEWHERE in (length, start):
        raise Malformed(
            "it has a ZIP64 end, which only archives of more than 65,534 members or 4 GiB need, and those are not taken"
            f" here: have its builder leave that out, or keep to {max_members} members"
        )
    if disk or first_disk or here != members:
        raise Malformed("it is one part of several")
    if members > max_members or length > _MAX_DIRECTORY:
        raise Malformed(f"it has more than {max_members} members")
    if start + length + _END.size != size:
        raise Malformed("its directory is not where its end says")
    stream.seek(start)
    directory = stream.read(length)
    listed = []
    position = 0
    while position < len(directory):
        one, position = _listed(directory, position)
        listed.append(one)
        if len(listed) > members:
            break
    if len(listed) != members:
        raise Malformed("its end counts other members than its directory has")
    return start, listed


def _tail(stream: IO[bytes], size: int) -> bytes:
    """The last bytes: the end, and before it what tells of a ZIP64 end."""
    if size < _END.size:
        raise Malformed("it is not a zip file")
    length = min(size, _END.size + 20)
    stream.seek(size - length)
    return stream.read(length)


def _listed(directory: bytes, position: int) -> tuple[_Listed, int]:
    """The member that is described there, and where the next one is."""
    header = directory[position : position + _CENTRAL.size]
    if len(header) < _CENTRAL.size or not header.startswith(b"PK\1\2"):
        raise Malformed("its directory is broken")
    numbers = _CENTRAL.unpack(header)
    flags, method, _, _, crc, packed, size, name_length, extra_length, comment_length, disk, _, attributes, offset = (
        numbers[3:]
    )
    name_at = position + _CENTRAL.size
    extra_at = name_at + name_length
    end = extra_at + extra_length + comment_length
    if end > len(directory) or disk:
        raise Malformed("its directory is broken")
    name = directory[name_at:extra_at]
    wide = _wide(directory[extra_at : extra_at + extra_length], name)
    size, packed, offset = _widened((size, packed, offset), wide, name)
    return _Listed(name, flags, method, crc, packed, size, attributes >> 16, offset), end


def _entry(stream: IO[bytes], listed: _Listed, following: int) -> Entry:
    """The member, once its own header says the same. `following` is where what comes behind it begins."""
    name = listed.raw_name
    shown = _shown(name)
    stream.seek(listed.offset)
    header = stream.read(_LOCAL.size)
    if len(header) < _LOCAL.size or not header.startswith(b"PK\3\4"):
        raise Malformed(f"the header of {shown} is missing")
    _, _, flags, method, _, _, crc, packed, size, name_length, extra_length = _LOCAL.unpack(header)
    if stream.read(name_length) != name:
        raise Malformed(f"the two headers of {shown} disagree about its name")
    wide = _wide(stream.read(extra_length), name)
    if flags & _ENCRYPTED:
        raise Malformed(f"{shown} is encrypted")
    if (flags ^ listed.flags) & _TOLD_TWICE or method != listed.method:
        raise Malformed(f"the two headers of {shown} disagree about how it is packed")
    if method not in (STORED, DEFLATED):
        raise Malformed(f"{shown} is compressed by something else than deflate")
    later = bool(flags & _DESCRIBED_LATER)
    told = (*_widened((size, packed), wide, name), crc)
    for here, there in zip(told, (listed.size, listed.packed, listed.crc), strict=True):
        # what is told behind the data is 0 before it
        if here != there and not (later and here == 0):
            raise Malformed(f"the two headers of {shown} disagree about its size or CRC")
    if method == STORED and listed.size != listed.packed:
        raise Malformed(f"the size of {shown} is not the one that it declares")
    start = listed.offset + _LOCAL.size + name_length + extra_length
    gap = following - start - listed.packed
    if gap < 0:
        raise Malformed(f"{shown} and another member overlap")
    stream.seek(start + listed.packed)
    if (stream.read(gap) if gap <= _LONGEST_DESCRIPTOR else None) not in (_descriptors(listed) if later else (b"",)):
        raise Malformed(f"something lies between {shown} and what follows it")
    try:
        # without the flag, some programs take the name for UTF-8, and others for what MS-DOS wrote
        decoded = name.decode("utf-8" if flags & _IN_UTF8 else "ascii")
    except UnicodeError:
        raise Malformed(
            f"the name {shown} is neither ASCII nor marked as UTF-8, so programs read different names"
        ) from None
    return Entry(decoded, method, listed.packed, listed.size, listed.crc, listed.mode, start)


_LONGEST_DESCRIPTOR = 24


def _descriptors(listed: _Listed) -> tuple[bytes, ...]:
    """What may stand behind the data of a member that is described there."""
    narrow: tuple[bytes, ...] = ()
    if max(listed.packed, listed.size) < _ELSEWHERE:
        narrow = (struct.pack("<3L", listed.crc, listed.packed, listed.size),)
    both = (*narrow, struct.pack("<LQQ", listed.crc, listed.packed, listed.size))
    return (*both, *(b"PK\7\x08" + one for one in both))


def _wide(extra: bytes, name: bytes) -> tuple[int, ...]:
    """The 8-byte numbers in the ZIP64 field of a header's extra fields."""
    found: tuple[int, ...] | None = None
    position = 0
    while position + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, position)
        content = extra[position + 4 : position + 4 + length]
        position += 4 + length
        if len(content) < length:
            raise Malformed(f"the extra fields of {_shown(name)} are broken")
        if kind == _UNICODE_NAME:
            raise Malformed(f"{_shown(name)} has a second name in a Unicode path field, which only some programs read")
        if kind == _ZIP64:
            if found is not None:
                raise Malformed(f"{_shown(name)} has two ZIP64 fields")
            found = struct.unpack_from(f"<{length // 8}Q", content)
    return found or ()


def _widened(told: tuple[int, ...], wide: tuple[int, ...], name: bytes) -> tuple[int, ...]:
    """The numbers of a header, with those that are in its ZIP64 field put in their places.

    The field has those that the header leaves to it, in their order; some programs write all of them into it always.
    """
    left_out = [index for index, number in enumerate(told) if number == _ELSEWHERE]
    if not left_out and not any(wide):  # nothing is in it, or it was kept free for sizes that were not known yet
        return told
    if len(wide) == len(left_out):
        places = left_out
    elif len(left_out) < len(wide) <= len(told) + 1:
        places = list(range(min(len(wide), len(told))))
    else:
        raise Malformed(f"{_shown(name)} leaves a number to a ZIP64 field that does not have it")
    numbers = list(told)
    for place, number in zip(places, wide, strict=False):
        if told[place] not in (number, _ELSEWHERE):
            raise Malformed(f"{_shown(name)} says two different sizes in one header")
        numbers[place] = number
    if any(index not in places for index in left_out):
        raise Malformed(f"{_shown(name)} leaves a number to a ZIP64 field that does not have it")
    return tuple(numbers)


def _shown(name: str | bytes) -> str:
    return ascii((name.decode("utf-8", "replace") if isinstance(name, bytes) else name)[:200])
