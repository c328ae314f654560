"""The uploads that must be refused, each with its status and the sentence that says why: `CORPUS`."""

import gzip
import hashlib
import io
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from .samples import Wheel, metadata, record_line, sdist

WHEEL = "acme_tools-1.0-py3-none-any.whl"
SDIST = "acme_tools-1.0.tar.gz"
GOOD = Wheel().build()


@dataclass(frozen=True)
class Bad:
    """An upload by ada, unless told otherwise, and what must be said about it."""

    id: str
    says: str
    filename: str | None = WHEEL
    content: bytes | Callable[[], bytes] = GOOD
    status: int = 400
    fields: dict[str, str] = field(default_factory=dict)
    user: str = "ada"
    password: str = "s3cret"
    journalled: bool = True


def zipped(entry: str | zipfile.ZipInfo, content: bytes = b"x") -> Callable[[], bytes]:
    """A wheel with one more entry, which RECORD does not know."""
    return lambda: Wheel(entries=lambda archive: archive.writestr(entry, content)).build()


def of_kind(mode: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("acme_tools/odd")
    info.create_system = 3
    info.external_attr = mode << 16
    return info


def compressed_by(method: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("acme_tools/odd")
    info.compress_type = method
    return info


def replaced(old: bytes, new: bytes, count: int = -1) -> bytes:
    assert old in GOOD and len(old) == len(new)
    return GOOD.replace(old, new, count)


def encrypted() -> bytes:
    local, central = GOOD.find(b"PK\3\4"), GOOD.find(b"PK\1\2")
    spoilt = bytearray(GOOD)
    spoilt[local + 6] |= 1
    spoilt[central + 8] |= 1
    return bytes(spoilt)


def wrong_crc() -> bytes:
    """The contents of the first member do not match its CRC, which both headers agree on."""
    local, central = GOOD.find(b"PK\3\4"), GOOD.find(b"PK\1\2")
    spoilt = bytearray(GOOD)
    spoilt[local + 14] ^= 1
    spoilt[central + 16] ^= 1
    return bytes(spoilt)


def other_size_in_local_header() -> bytes:
    spoilt = bytearray(GOOD)
    spoilt[18] ^= 1
    return bytes(spoilt)


def hidden_member() -> bytes:
    """A member that only a program that reads from the front sees."""
    end = GOOD.rfind(b"PK\5\6")
    start = struct.unpack("<L", GOOD[end + 16 : end + 20])[0]
    name, content = b"acme_tools/evil.py", b"import os\n"
    local = struct.pack("<4s5H3L2H", b"PK\3\4", 20, 0, 0, 0, 0, 0, len(content), len(content), len(name), 0)
    hidden = local + name + content
    return GOOD[:start] + hidden + GOOD[start:end] + _end_moved(GOOD[end:], len(hidden))


def data_in_front() -> bytes:
    """A zip behind something else, with its offsets right."""
    packed = io.BytesIO(b"#!/bin/sh\n")
    packed.seek(0, io.SEEK_END)
    with zipfile.ZipFile(io.BytesIO(GOOD)) as good, zipfile.ZipFile(packed, "a") as archive:
        for info in good.infolist():
            archive.writestr(info, good.read(info))
    return packed.getvalue()


def _end_moved(end: bytes, by: int) -> bytes:
    return end[:16] + struct.pack("<L", struct.unpack("<L", end[16:20])[0] + by) + end[20:]


def with_comment() -> bytes:
    packed = io.BytesIO(GOOD)
    with zipfile.ZipFile(packed, "a") as archive:
        archive.comment = b"hello"
    return packed.getvalue()


def comment_with_end() -> bytes:
    """An archive of another one's members, for those who look for the end from behind."""
    at = GOOD.rfind(b"PK\5\6")
    return GOOD[:-2] + struct.pack("<H", len(GOOD) - at) + GOOD[at:]


def duplicate() -> bytes:
    with pytest.warns(UserWarning, match="Duplicate name"):
        return zipped("acme_tools/__init__.py")()


def zipfile_of_nothing() -> bytes:
    packed = io.BytesIO()
    zipfile.ZipFile(packed, "w").close()
    return packed.getvalue()


def zip_bomb() -> bytes:
    content = bytes(80 * 2**20)
    return Wheel(members={"acme_tools/zeros": content}).build()


def lying_bomb() -> bytes:
    """A member that says it is small and is not."""
    packed = zip_bomb()
    size = struct.pack("<L", 80 * 2**20)
    assert packed.count(size) == 2
    return packed.replace(size, struct.pack("<L", 1000))


def many_members() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for number in range(65_010):
            archive.writestr(zipfile.ZipInfo(f"{number:x}"), b"")
    return packed.getvalue()


def no_zip64_please() -> bytes:
    """An end that says its numbers are elsewhere."""
    end = GOOD.rfind(b"PK\5\6")
    return GOOD[:end] + GOOD[end : end + 8] + b"\xff\xff\xff\xff" + GOOD[end + 12 :]


def with_extra(field: bytes, *, here: bool, there: bool) -> Callable[[], bytes]:
    """A wheel whose first member has an extra field in its own header, in the directory's, or in both."""

    def build() -> bytes:
        info = zipfile.ZipInfo("aa")
        info.extra = field
        built = Wheel(entries=lambda archive: archive.writestr(info, b"")).build()
        at = [built.find(field), built.rfind(field)]
        assert at[0] < at[1]
        for position, stays in zip(at, (here, there), strict=True):
            if not stays:  # made one of a kind that nobody knows
                built = built[:position] + b"\xfe\xca" + built[position + 2 :]
        return built

    return build


def unicode_path(name: bytes = b"acme_tools/evil.py") -> bytes:
    """An Info-ZIP Unicode Path field for a member called `aa`."""
    content = b"\1" + struct.pack("<L", zlib.crc32(b"aa")) + name
    return struct.pack("<2H", 0x7075, len(content)) + content


def hand_made(
    members: list[tuple[str, bytes]],
    local: Callable[[int, dict[str, int | bytes]], None] = lambda number, header: None,
    between: Callable[[int, bytes], bytes] = lambda number, data: data,
) -> bytes:
    """A zip file written by hand: `local` may change a member's own header, `between` what lies behind that header."""
    body, directory = b"", b""
    for number, (name, content) in enumerate(members):
        header: dict[str, int | bytes] = {
            "flags": 0, "method": 0, "crc": zlib.crc32(content), "packed": len(content), "size": len(content),
            "name": name.encode(), "extra": b"",
        }  # fmt: skip
        told = dict(header)
        local(number, header)
        told.update({key: header.pop(f"central_{key}") for key in list(told) if f"central_{key}" in header})
        start = len(body)

        def packed(values: dict[str, int | bytes]) -> tuple[bytes, bytes]:
            numbers = [values[key] for key in ("flags", "method")]
            sizes = [values[key] for key in ("crc", "packed", "size")]
            return struct.pack("<H2H2H3L", 20, *numbers, 0, 33, *sizes), values["name"] + values["extra"]

        fixed, variable = packed(header)
        body += b"PK\3\4" + fixed + struct.pack("<2H", len(header["name"]), len(header["extra"])) + variable
        body += between(number, content)
        fixed, variable = packed(told)
        lengths = struct.pack("<5H2L", len(told["name"]), len(told["extra"]), 0, 0, 0, 0, start)
        directory += b"PK\1\2" + struct.pack("<H", 20) + fixed + lengths + variable
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, len(members), len(members), len(directory), len(body), 0)
    return body + directory + end


def parts(wheel: bytes = GOOD) -> list[tuple[str, bytes]]:
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
        return [(info.filename, archive.read(info)) for info in archive.infolist()]


def first_header(**changes: int | bytes) -> bytes:
    """A wheel whose first member says something else in its own header; `central_...` changes the directory's."""

    def change(number: int, header: dict[str, int | bytes]) -> None:
        if number == 0:
            header.update(changes)

    return hand_made(parts(), local=change)


def wide(*numbers: int) -> bytes:
    return struct.pack(f"<2H{len(numbers)}Q", 1, 8 * len(numbers), *numbers)


def two_streams() -> bytes:
    """A member whose data go on behind the end of what deflate unpacks."""
    content = b"answer = 42\n"
    data = b"".join(one.compress(content) + one.flush() for one in (zlib.compressobj(wbits=-15),)) + b"more"

    def change(number: int, header: dict[str, int | bytes]) -> None:
        if number == 0:
            header.update(method=8, packed=len(data), central_method=8, central_packed=len(data))

    return hand_made(parts(), local=change, between=lambda number, plain: plain if number else data)


def described_later(descriptor: Callable[[bytes], bytes]) -> bytes:
    """A wheel whose first member tells its size behind its data."""
    content = parts()[0][1]

    def change(number: int, header: dict[str, int | bytes]) -> None:
        if number == 0:
            header.update(flags=8, central_flags=8, crc=0, packed=0, size=0)

    return hand_made(
        parts(), local=change, between=lambda number, plain: plain if number else plain + descriptor(content)
    )


def overlapping() -> bytes:
    """Two members in the directory that share one place."""
    built = hand_made([("a", b"x"), ("b", b"x")])
    second = built.rfind(b"PK\1\2")
    return built[: second + 42] + struct.pack("<L", 0) + built[second + 46 :]


def deep() -> bytes:
    """Names of 500 directories each."""
    return hand_made([(f"{number:x}/" + "a/" * 500 + "x", b"") for number in range(1000)])


def many_rows(row: bytes, count: int) -> Callable[[], bytes]:
    return lambda: hand_made([*parts()[:-1], ("acme_tools-1.0.dist-info/RECORD", row * count)])


def squeezed_rows(row: bytes, count: int) -> Callable[[], bytes]:
    """The same, of which little is sent."""

    def build() -> bytes:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            for name, content in [*parts()[:-1], ("acme_tools-1.0.dist-info/RECORD", row * count)]:
                archive.writestr(name, content)
        return packed.getvalue()

    return build


def linked(*links: tuple[str, bytes, str]) -> Callable[[], bytes]:
    """A source distribution with links: name, kind, target."""

    def build() -> bytes:
        entries = []
        for name, kind, target in links:
            info = tarfile.TarInfo(f"acme_tools-1.0/{name}")
            info.type, info.linkname = kind, target
            entries.append(info)
        return sdist(entries=entries)

    return build


def tar_entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> Callable[[], bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return lambda: sdist(entries=[info])


def tar_bomb() -> bytes:
    return sdist(members={"acme_tools-1.0/PKG-INFO": metadata("acme_tools"), "acme_tools-1.0/zeros": bytes(80 * 2**20)})


def huge_header() -> bytes:
    """A member whose extended header alone is 20 MiB."""
    info = tarfile.TarInfo("acme_tools-1.0/x")
    info.pax_headers = {"comment": "x" * (20 * 2**20)}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(info)
    return packed.getvalue()


def broken_tar_header() -> bytes:
    plain = bytearray(gzip.decompress(sdist()))
    second = plain.find(b"acme_tools-1.0/acme_tools.py")
    plain[second] ^= 1
    return gzip.compress(bytes(plain))


def behind_the_end() -> bytes:
    return gzip.compress(gzip.decompress(sdist()) + b"more")


def record(change: Callable[[list[str]], list[str]]) -> bytes:
    return Wheel(record=change).build()


def described(content: bytes) -> bytes:
    return Wheel(metadata=content).build()


CORPUS = [
    # the file name
    Bad("text-file", "neither a wheel", filename="notes.txt"),
    Bad("egg", "neither a wheel", filename="acme_tools-1.0-py3.11.egg"),
    Bad("wheel-name-too-short", "not that of a distribution", filename="acme_tools-1.0.whl"),
    Bad("wheel-name-bad-version", "not that of a distribution", filename="acme_tools-one-py3-none-any.whl"),
    Bad("sdist-name-without-version", "not that of a distribution", filename="acmetools.tar.gz"),
    Bad("path-in-name", "may hold only", filename=f"../{WHEEL}"),
    Bad("absolute-name", "may hold only", filename=f"/tmp/{WHEEL}"),
    Bad("windows-path-in-name", "may hold only", filename=f"..\\\\{WHEEL}"),
    Bad("cyrillic-letter-in-name", "may hold only", filename=WHEEL.replace("a", "а", 1)),  # noqa: RUF001
    Bad("unicode-dash-in-name", "may hold only", filename=WHEEL.replace("_", "‐")),  # noqa: RUF001
    Bad("tab-in-name", "may hold only", filename=f"acme\t{WHEEL}"),
    Bad("hidden-name", "may hold only", filename=f".{WHEEL}"),
    Bad("name-too-long", "is longer than", filename=f"acme_{'x' * 250}-1.0-py3-none-any.whl"),
    Bad("name-ends-in-dash", "not that of a distribution", filename="acme_-1.0.tar.gz", content=sdist()),
    # not an archive
    Bad("empty-file", "is empty", content=b""),
    Bad("text-as-wheel", "not a readable archive", content=b"hello, world, this is no archive at all\n"),
    Bad("truncated", "not a readable archive", content=GOOD[:-300]),
    Bad("one-byte-short", "not a readable archive", content=GOOD[:-1]),
    Bad("behind-the-end", "goes on after its end", content=GOOD + b"more"),
    Bad("archive-comment", "goes on after its end", content=with_comment),
    Bad("comment-with-end", "not where its end says", content=comment_with_end),
    Bad("data-in-front", "something lies", content=data_in_front),
    Bad("numbers-elsewhere", "it has a ZIP64 end", content=no_zip64_please),
    Bad("empty-zip", "it is an empty zip file", content=zipfile_of_nothing),
    # the same in both places
    Bad("second-name", "a second name", content=with_extra(unicode_path(), here=True, there=True)),
    Bad("second-name-here", "a second name", content=with_extra(unicode_path(), here=True, there=False)),
    Bad("second-name-there", "a second name", content=with_extra(unicode_path(), here=False, there=True)),
    Bad("second-name-the-same", "a second name", content=with_extra(unicode_path(b"aa"), here=True, there=True)),
    Bad("broken-extra", "extra fields", content=with_extra(b"\xff\xca\x09\x00abc", here=True, there=True)),
    Bad("local-name", "disagree about its name", content=lambda: first_header(name=b"acme_tools/__evil__.py")),
    Bad(
        "local-name-of-directory",
        "disagree about its name",
        content=lambda: first_header(central_name=b"acme_tools/sub/", name=b"acme_tools/__init__.py"),
    ),
    Bad("local-method", "disagree about how", content=lambda: first_header(method=8)),
    Bad("local-encryption", "is encrypted", content=lambda: first_header(flags=1)),
    Bad("local-utf8", "disagree about how", content=lambda: first_header(flags=0x800)),
    Bad("local-crc", "disagree about its size or CRC", content=lambda: first_header(crc=1)),
    Bad("local-packed", "disagree about its size or CRC", content=lambda: first_header(packed=3)),
    Bad(
        "local-zip64-sizes",
        "disagree about its size or CRC",
        content=lambda: first_header(packed=0xFFFFFFFF, size=0xFFFFFFFF, extra=wide(3, 3)),
    ),
    Bad(
        "zip64-besides-sizes",
        "two different sizes",
        content=lambda: first_header(extra=wide(3, 3)),
    ),
    Bad("local-zip64-missing", "does not have it", content=lambda: first_header(packed=0xFFFFFFFF, size=0xFFFFFFFF)),
    Bad("zip64-twice", "two ZIP64 fields", content=lambda: first_header(extra=wide(12, 12) + wide(3, 3))),
    Bad(
        "central-zip64-sizes",
        "two different sizes",
        content=lambda: first_header(central_extra=wide(3, 3)),
    ),
    Bad("behind-a-member", "something lies behind the data", content=two_streams),
    Bad("wrong-descriptor", "something lies between", content=lambda: described_later(lambda _: bytes(12))),
    Bad(
        "descriptor-and-more",
        "something lies between",
        content=lambda: described_later(lambda one: struct.pack("<3L", zlib.crc32(one), len(one), len(one)) + bytes(4)),
    ),
    Bad("overlapping", "overlap", content=overlapping),
    Bad("deep", "directories", content=deep),
    Bad("long-name", "more than 1024 characters", content=lambda: hand_made([("a" * 1025, b"")])),
    Bad("name-of-two-codes", "neither ASCII nor marked as UTF-8", content=lambda: hand_made([("\xe9.py", b"")])),
    Bad("null-in-name", "backslash or a control", content=lambda: hand_made([("a.py\0.txt", b"")])),
    Bad(
        "composed-twice",
        "more than once",
        content=lambda: Wheel(members={"acme/\xe9.py": b"", "acme/e\u0301.py": b""}).build(),
    ),
    Bad("line-in-member", "backslash or a control", content=zipped("acme_tools/a\u2028b.py")),
    # members
    Bad("zip-slip", "outside its place", content=zipped("../../evil.py")),
    Bad("zip-slip-inside", "outside its place", content=zipped("acme_tools/../../evil.py")),
    Bad("absolute-member", "outside its place", content=zipped("/etc/cron.d/evil")),
    Bad("drive-member", "outside its place", content=zipped("C:/evil.py")),
    Bad("backslash-member", "backslash or a control", content=zipped("acme_tools\\evil.py")),
    Bad(
        "nul-in-member",
        "backslash or a control",
        content=replaced(b"acme_tools/__init__.py", b"acme_tools/__in\0t__.py"),
    ),
    Bad("newline-in-member", "backslash or a control", content=zipped("acme_tools/a\nb.py")),
    Bad("symlink-member", "a link or a device", content=zipped(of_kind(0o120777), b"/etc/passwd")),
    Bad("device-member", "a link or a device", content=zipped(of_kind(0o020666))),
    Bad("duplicate-member", "more than once", content=duplicate),
    Bad(
        "duplicate-by-unicode",
        "more than once",
        content=lambda: Wheel(members={"\u00e9.py": b"", "e\u0301.py": b""}).build(),
    ),
    Bad("file-and-directory", "as a file and as a directory", content=zipped("acme_tools")),
    Bad("file-below-file", "as a file and as a directory", content=zipped("acme_tools/__init__.py/x")),
    Bad("encrypted", "is encrypted", content=encrypted),
    Bad("lzma", "something else than deflate", content=zipped(compressed_by(zipfile.ZIP_LZMA))),
    Bad("wrong-crc", "Bad CRC-32", content=wrong_crc),
    Bad("hidden-member", "something lies between", content=hidden_member),
    Bad(
        "names-differ",
        "not a readable archive",
        content=replaced(b"acme_tools/__init__.py", b"acme_tools/__evil__.py", 1),
    ),
    Bad("sizes-differ", "disagree about its size", content=other_size_in_local_header),
    Bad("bomb", "decompression bomb", content=zip_bomb),
    Bad("lying-bomb", "not a readable archive", content=lying_bomb),
    Bad("too-many-members", "more than 65000 members", content=many_members),
    # what makes it a wheel
    Bad(
        "record-empty-line",
        "RECORD's line 2 is empty, at which pip stops",
        content=record(lambda lines: [lines[0], "", *lines[1:]]),
    ),
    Bad("record-empty-last-line", "is empty, at which pip stops", content=record(lambda lines: [*lines, "", ""])),
    Bad("record-blank-line", "without three fields", content=record(lambda lines: [*lines, " "])),
    Bad("record-odd-end", "is empty, at which pip stops", content=record(lambda lines: [*lines, "\r", ""])),
    Bad("record-other-end", "line 1 cannot be read", content=record(lambda lines: [lines[0] + "\r\r", *lines[1:]])),
    Bad("record-open-quote", "cannot be read", content=record(lambda lines: ['"' + lines[0], *lines[1:]])),
    Bad("record-of-commas", "a line of more than 8192 bytes", content=many_rows(b",", 2**20)),
    Bad("record-many-rows", "more than 65000 lines", content=squeezed_rows(b"a,,\n", 4_000_000)),
    Bad("record-too-many-rows", "more than 16 MiB", content=squeezed_rows(b"a,,\n", 15_000_000)),
    Bad("no-metadata", "has no acme_tools-1.0.dist-info/METADATA", content=Wheel(without=("METADATA",)).build()),
    Bad("no-wheel-file", "has no acme_tools-1.0.dist-info/WHEEL", content=Wheel(without=("WHEEL",)).build()),
    Bad("no-record", "has no acme_tools-1.0.dist-info/RECORD", content=Wheel(without=("RECORD",)).build()),
    Bad("two-dist-infos", "exactly one .dist-info", content=zipped("other-1.0.dist-info/METADATA")),
    Bad("dist-info-of-another", "that of another distribution", content=Wheel(directory="other-1.0.dist-info").build()),
    Bad("wheel-2", "Wheel-Version 1.x", content=Wheel(wheel=b"Wheel-Version: 2.0\n").build()),
    Bad(
        "record-hash",
        "changed after it was built",
        content=record(lambda lines: [record_line("acme_tools/__init__.py", b"answer = 43\n"), *lines[1:]]),
    ),
    Bad("record-size", "changed after it was built", content=record(lambda lines: [lines[0] + "9", *lines[1:]])),
    Bad(
        "record-lists-missing",
        "is not in the wheel",
        content=record(lambda lines: [*lines, record_line("gone.py", b"")]),
    ),
    Bad("not-in-record", "not in RECORD", content=zipped("acme_tools/extra.py")),
    Bad("record-twice", "twice", content=record(lambda lines: [lines[0], *lines])),
    Bad(
        "record-md5",
        "no sha256",
        content=record(lambda lines: ["acme_tools/__init__.py,md5=AAAAAAAAAAAAAAAAAAAAAA,12", *lines[1:]]),
    ),
    Bad("record-no-hash", "no sha256", content=record(lambda lines: ["acme_tools/__init__.py,,12", *lines[1:]])),
    Bad(
        "record-two-fields",
        "without three fields",
        content=record(lambda lines: ["acme_tools/__init__.py", *lines[1:]]),
    ),
    # metadata
    Bad("metadata-other-name", "its metadata say requests", content=described(metadata("requests"))),
    Bad("metadata-other-version", "its metadata say 99.0", content=described(metadata(version="99.0"))),
    Bad("metadata-no-name", "core metadata specification", content=described(b"Metadata-Version: 2.1\nVersion: 1.0\n")),
    Bad("metadata-unknown-field", "core metadata specification", content=described(metadata(extra="Colour: red\n"))),
    Bad(
        "metadata-bad-python",
        "core metadata specification",
        content=described(metadata(extra="Requires-Python: three\n")),
    ),
    Bad(
        "metadata-bad-requirement",
        "core metadata specification",
        content=described(metadata(extra="Requires-Dist: a b c\n")),
    ),
    Bad(
        "metadata-not-text",
        "core metadata specification",
        content=described(metadata(extra="Summary: ") + b"\xff\xfe\n"),
    ),
    Bad("metadata-long-line", "core metadata", content=described(metadata(extra=f"Requires-Dist: {'x y ' * 10**5}\n"))),
    Bad(
        "metadata-many-fields",
        "more than 100 different ones",
        content=lambda: described(metadata() + b"".join(b"X%d: y\n" % number for number in range(15_000))),
    ),
    Bad(
        "metadata-tree",
        "core metadata specification",
        content=lambda: described(
            metadata()
            + b"Content-Type: multipart/mixed; boundary=a\n"
            + b"--a\nContent-Type: multipart/mixed; boundary=a\n" * 5000
        ),
    ),
    Bad(
        "metadata-of-tomorrow",
        "newer than what is known",
        content=described(b"Metadata-Version: 2.99\nName: acme-tools\nVersion: 1.0\n"),
    ),
    Bad(
        "metadata-unknown-type",
        "'UNKNOWN' is not a valid content type",
        content=described(metadata(extra="Description-Content-Type: UNKNOWN\n")),
    ),
    Bad(
        "metadata-license-file-out",
        "parent directory",
        content=described(b"Metadata-Version: 2.4\nName: acme-tools\nVersion: 1.0\nLicense-File: ../LICENSE.txt\n"),
    ),
    Bad("metadata-empty", "core metadata specification", content=described(b"")),
    Bad("metadata-huge", "has more than 4 MiB", content=lambda: described(metadata(extra=f"\n{'x' * 5 * 2**20}"))),
    # source distributions
    Bad("sdist-truncated", "not a readable archive", SDIST, sdist()[:-40]),
    Bad("sdist-not-gzip", "not a readable archive", SDIST, b"hello, world\n"),
    Bad("sdist-gzip-of-text", "not a readable archive", SDIST, gzip.compress(b"hello, world\n")),
    Bad("sdist-behind-the-end", "data behind its end", SDIST, behind_the_end),
    Bad("sdist-behind-the-gzip", "not a readable archive", SDIST, sdist() + b"more"),
    Bad("sdist-broken-header", "broken header", SDIST, broken_tar_header),
    Bad("sdist-slip", "outside its place", SDIST, tar_entry("acme_tools-1.0/../../evil")),
    Bad("sdist-absolute", "outside its place", SDIST, tar_entry("/etc/evil")),
    Bad(
        "sdist-symlink",
        "a link that leads out of it",
        SDIST,
        tar_entry("acme_tools-1.0/x", tarfile.SYMTYPE, "/etc/passwd"),
    ),
    Bad(
        "sdist-hard-link",
        "a link that leads out of it",
        SDIST,
        tar_entry("acme_tools-1.0/x", tarfile.LNKTYPE, "/etc/passwd"),
    ),
    Bad("sdist-link-up", "leads out of it", SDIST, linked(("x", tarfile.SYMTYPE, "../../x"))),
    Bad("sdist-link-beside", "leads out of it", SDIST, linked(("x", tarfile.SYMTYPE, "../x"))),
    Bad(
        "sdist-link-by-links",
        "leads out of it",
        SDIST,
        linked(("d/x", tarfile.SYMTYPE, ".."), ("d/y", tarfile.SYMTYPE, "x/../../etc")),
    ),
    Bad(
        "sdist-link-in-circles",
        "leads out of it",
        SDIST,
        linked(("x", tarfile.SYMTYPE, "y"), ("y", tarfile.SYMTYPE, "x")),
    ),
    Bad("sdist-link-to-drive", "leads out of it", SDIST, linked(("x", tarfile.SYMTYPE, "C:/Windows"))),
    Bad("sdist-hard-link-to-nothing", "is no file in it", SDIST, linked(("x", tarfile.LNKTYPE, "acme_tools-1.0/gone"))),
    Bad("sdist-hard-link-up", "leads out of it", SDIST, linked(("x", tarfile.LNKTYPE, "../x"))),
    Bad(
        "sdist-below-a-link",
        "both as a file and as a directory",
        SDIST,
        linked(("x", tarfile.SYMTYPE, "."), ("x/y", tarfile.REGTYPE, "")),
    ),
    Bad("sdist-link-twice", "more than once", SDIST, linked(("acme_tools.py", tarfile.SYMTYPE, "PKG-INFO"))),
    Bad("sdist-device", "a device or the like", SDIST, tar_entry("acme_tools-1.0/x", tarfile.CHRTYPE)),
    Bad("sdist-fifo", "a device or the like", SDIST, tar_entry("acme_tools-1.0/x", tarfile.FIFOTYPE)),
    Bad("sdist-duplicate", "more than once", SDIST, tar_entry("acme_tools-1.0/acme_tools.py")),
    Bad("sdist-two-tops", "exactly one directory", SDIST, tar_entry("other/x")),
    Bad("sdist-no-pkg-info", "has no acme_tools-1.0/PKG-INFO", SDIST, sdist(members={"acme_tools-1.0/x.py": b""})),
    Bad("sdist-other-name", "its metadata say requests", SDIST, sdist(pkg_info=metadata("requests"))),
    *(
        Bad(
            f"requires-{number}-by-address",
            "METADATA requires ",
            content=Wheel(metadata=metadata("acme_tools", extra=f"Requires-Dist: {line}\n")).build(),
        )
        for number, line in enumerate(
            (
                "acme-core @ https://files.acme.example/acme_core-9.0-py3-none-any.whl",
                "acme-core[fast] @ git+ssh://git.acme.example/acme-core ; extra == 'fast'",
                "other>=1\nRequires-Dist: acme-core@file:///srv/acme_core-9.0.tar.gz",
            )
        )
    ),
    Bad("sdist-other-version", "its metadata say 99.0", SDIST, sdist(pkg_info=metadata(version="99.0"))),
    Bad("sdist-bomb", "decompression bomb", SDIST, tar_bomb),
    Bad("sdist-huge-header", "a header of more than 1 MiB", SDIST, huge_header),
    Bad("sdist-wheel-inside", "not a readable archive", SDIST, GOOD),
    # the form
    Bad("wrong-sha256", "The file's sha256 is", fields={"sha256_digest": "0" * 64}),
    Bad("wrong-blake2", "The file's blake2_256 is", fields={"blake2_256_digest": hashlib.sha256(GOOD).hexdigest()}),
    Bad("wrong-md5", "The file's md5 is", fields={"md5_digest": "nonsense"}),
    Bad("form-other-name", "The upload says project 'requests'", fields={"name": "requests"}),
    Bad("form-other-version", "The upload says version '2.0'", fields={"version": "2.0"}),
    Bad("no-file", "This is not an upload", filename=None, journalled=False),
    Bad("no-file-name", "may hold only", filename=""),
    Bad("too-big", "bigger than 8388608 bytes", content=GOOD + bytes(9 * 2**20), status=413),
    # rights
    Bad(
        "public-name",
        "ada may not publish requests: ada may publish acme-*",
        "requests-99.0-py3-none-any.whl",
        status=403,
    ),
    Bad("lookalike", "may not publish acmetools", "acmetools-1.0-py3-none-any.whl", status=403),
    Bad("prefix-only", "may not publish acme:", "acme-1.0-py3-none-any.whl", status=403),
    Bad(
        "may-only-install",
        "bob may not publish anything; to change that, ask it@acme.example",
        user="bob",
        status=403,
        journalled=False,  # refused before the body is read, so nobody knows of which file
    ),
    Bad("wrong-password", "password is wrong", password="guess", status=401, journalled=False),
    Bad("unknown-user", "password is wrong", user="eve", status=401, journalled=False),
    Bad("no-password", "password is wrong", password="", status=401, journalled=False),
    Bad("endless-password", "password is wrong", password="x" * 5000, status=401, journalled=False),
    # what is there already
    Bad(
        "other-bytes",
        "already exists on the shelf with other contents",
        "acme_shelved-1.0-py3-none-any.whl",
        lambda: Wheel("acme_shelved", members={"x.py": b"other"}).build(),
        409,
    ),
    Bad(
        "other-spelling",
        "is the same distribution as",
        "Acme.Shelved-1.0-py3-none-any.whl",
        lambda: Wheel("Acme.Shelved").build(),
        409,
    ),
    Bad(
        "other-version-spelling",
        "is the same distribution as",
        "acme_shelved-1.0.0-py3-none-any.whl",
        lambda: Wheel("acme_shelved", "1.0.0").build(),
        409,
    ),
]
