"""The parts of a zip file that `zipfile` takes on trust.

A zip lists its members twice: in a directory at its end, which pip goes by, and in a header before each member, which a
program that unpacks while it downloads, such as uv, goes by. An archive where the two differ installs differently for
different people, so everything between the first byte and the last must be accounted for by both lists.
"""

import struct
import zipfile
from typing import IO

_END = struct.Struct("<4s4H2LH")
_LOCAL = struct.Struct("<4s5H3L2H")
_DESCRIBED_LATER = 0x08
_ZIP64 = 0xFFFFFFFF
_DESCRIPTOR_SIZES = (12, 16, 20, 24)
"""With and without a signature, for 4-byte and 8-byte sizes."""
_MAX_DIRECTORY = 64 * 2**20


class Malformed(Exception):
    """The text completes "the archive is not readable because ..."."""


def check_end(stream: IO[bytes], size: int, max_members: int) -> None:
    """Check the record at the end before `zipfile` reads the whole directory into memory.

    `size` is that of the file in bytes. Raises `Malformed`.
    """
    if size < _END.size:
        raise Malformed("it is not a zip file")
    stream.seek(size - _END.size)
    signature, _, _, _, members, directory_size, directory_start, comment = _END.unpack(stream.read(_END.size))
    if signature != b"PK\5\6" or comment:
        raise Malformed("it is no zip file, is cut off, or goes on after its end")
    if members > max_members or directory_size > _MAX_DIRECTORY:
        raise Malformed(f"it has more than {max_members} members")
    if directory_start + directory_size + _END.size != size:
        raise Malformed("its directory is not where its end says")


def check_layout(archive: zipfile.ZipFile, stream: IO[bytes]) -> None:
    """Check that the members, as their own headers describe them, follow each other without a gap.

    Raises `Malformed`.
    """
    position = 0
    infos = sorted(archive.infolist(), key=lambda info: info.header_offset)
    starts = [info.header_offset for info in infos[1:]] + [archive.start_dir]
    for info, following in zip(infos, starts, strict=True):
        if info.header_offset != position:
            raise Malformed("something lies between its members")
        end = _end_of_data(stream, info)
        later = bool(info.flag_bits & _DESCRIBED_LATER)
        if following - end not in (_DESCRIPTOR_SIZES if later else (0,)):
            raise Malformed("something lies between its members")
        position = following
    if position != archive.start_dir:
        raise Malformed("something lies before its members")


def _end_of_data(stream: IO[bytes], info: zipfile.ZipInfo) -> int:
    """Offset behind the member's compressed data, from its own header."""
    stream.seek(info.header_offset)
    header = stream.read(_LOCAL.size)
    if len(header) < _LOCAL.size or not header.startswith(b"PK\3\4"):
        raise Malformed("a member's header is missing")
    _, _, flags, method, _, _, crc, packed, unpacked, name_length, extra_length = _LOCAL.unpack(header)
    if flags & _DESCRIBED_LATER != info.flag_bits & _DESCRIBED_LATER or method != info.compress_type:
        raise Malformed("a member's two headers disagree")
    if not flags & _DESCRIBED_LATER:
        told = ((crc, info.CRC), (packed, info.compress_size), (unpacked, info.file_size))
        if any(here not in (there, _ZIP64) for here, there in told):
            raise Malformed("a member's two headers disagree")
    return info.header_offset + _LOCAL.size + name_length + extra_length + info.compress_size
