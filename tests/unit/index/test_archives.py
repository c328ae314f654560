"""What may be in an archive: links that stay inside, old metadata, what conda packages hold. And what takes forever."""

import bz2
import gzip
import io
import json
import tarfile
import time
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from conda_package_streaming.package_streaming import zstd
from wheelhouse.formats import reading
from wheelhouse.formats.conda_package import BadPackage
from wheelhouse.formats.distribution import BadDistribution
from wheelhouse.formats.validation import Checked, Claims, Origin

from .bad_uploads import linked, many_rows, squeezed_rows
from .conda_samples import CondaPackage
from .samples import Wheel, metadata, sdist

WHEEL = Wheel().filename
SDIST = "acme_tools-1.0.tar.gz"
CONDA = CondaPackage().filename
TARBALL = CondaPackage(suffix=".tar.bz2").filename


@pytest.fixture
def check(tmp_path: Path) -> Callable[..., Checked]:
    def check(filename: str, content: bytes, origin: Origin = Origin.UPLOAD) -> Checked:
        path = tmp_path / "archive"
        path.write_bytes(content)
        return reading.check(path, filename, Claims(), origin)

    return check


# links in source distributions


@pytest.mark.parametrize(
    "links",
    [
        [("LICENSE", tarfile.SYMTYPE, "PKG-INFO")],
        [("docs/readme", tarfile.SYMTYPE, "../PKG-INFO")],
        [("docs/readme", tarfile.SYMTYPE, "./.././PKG-INFO")],
        [("tests/data", tarfile.SYMTYPE, "gone")],
        [("here", tarfile.SYMTYPE, ".")],
        [("copy", tarfile.LNKTYPE, "acme_tools-1.0/PKG-INFO")],
        [("d/up", tarfile.SYMTYPE, ".."), ("again", tarfile.SYMTYPE, "d/up/PKG-INFO")],
        [("a", tarfile.SYMTYPE, "b"), ("b", tarfile.SYMTYPE, "PKG-INFO")],
    ],
)
def test_links_that_stay_inside(links: list[tuple[str, bytes, str]], check: Callable[..., Checked]) -> None:
    assert check(SDIST, linked(*links)()).warnings == ()


# metadata of before


def described(version: str, lines: str = "") -> bytes:
    text = f"Metadata-Version: {version}\nName: acme-tools\nVersion: 1.0\n{lines}"
    return Wheel(metadata=text.encode()).build()


@pytest.mark.parametrize(
    ("version", "lines", "remark"),
    [
        ("2.1", "Description-Content-Type: UNKNOWN\n", "has a description-content-type that is passed over: 'UNKNOWN'"),
        ("2.0", "", "is of version 2.0, which was never finished"),
        ("2.0", "Provides-Extra: test\n", "has fields newer than its version 2.0: provides-extra"),
        ("2.1", "License-File: ../LICENSE.txt\n", "has a license-file that is passed over: '../LICENSE.txt'"),
        ("2.1", "License-Expression: MIT\n", "has fields newer than its version 2.1: license-expression"),
        ("2.4", "License-File: ../LICENSE.txt\n", "has a license-file that is passed over"),
        ("2.1", "Provides-Extra: a b c\n", "has a provides-extra that is passed over"),
        ("2.1", "Requires-Dist: six (>=1.0.*\n", "has a requires-dist that is passed over"),
        ("2.1", "Requires-Python: >=2.7.*\n", "has a requires-python that is passed over"),
        ("2.1", "Author: x\nAuthor: y\n", "has a field 'author' that is unknown, no text or there twice"),
        ("2.9", "", "is of version 2.9, which is newer than what is known here"),
    ],
)
def test_metadata_that_installers_put_up_with(
    version: str, lines: str, remark: str, check: Callable[..., Checked]
) -> None:
    for origin in (Origin.COPIED_IN, Origin.OUTSIDE):
        checked = check(WHEEL, described(version, lines), origin)
        assert any(remark in warning for warning in checked.warnings), checked.warnings


@pytest.mark.parametrize(
    ("version", "lines", "passes"),
    [
        ("2.0", "", True),
        ("2.1", "License-File: ../LICENSE.txt\n", True),
        ("2.1", "License-Expression: MIT\n", True),
        ("2.1", "Description-Content-Type: UNKNOWN\n", False),
        ("2.4", "License-File: ../LICENSE.txt\n", False),
        ("2.1", "Requires-Dist: six (>=1.0.*\n", False),
        ("2.9", "", False),
    ],
)
def test_metadata_of_an_upload(version: str, lines: str, passes: bool, check: Callable[..., Checked]) -> None:
    """What its own version of the metadata forbids is for its author to mend."""
    if passes:
        assert check(WHEEL, described(version, lines)).warnings
        return
    with pytest.raises(BadDistribution, match="METADATA does not follow the core metadata specification"):
        check(WHEEL, described(version, lines))


@pytest.mark.parametrize("lines", ["Name: other\n", "Version: x\n"])
def test_a_name_is_never_passed_over(lines: str, check: Callable[..., Checked]) -> None:
    for origin in Origin:
        with pytest.raises(BadDistribution):
            check(WHEEL, described("2.1", lines), origin)


def test_the_errors_told_are_those_that_count(check: Callable[..., Checked]) -> None:
    """What was passed over is not what it is refused for."""
    with pytest.raises(BadDistribution) as refused:
        check(
            WHEEL,
            Wheel(
                metadata=b"Metadata-Version: 2.1\nName: acme-tools\nVersion: abc\nDescription-Content-Type: UNKNOWN\n"
            ).build(),
            Origin.OUTSIDE,
        )
    assert "abc" in str(refused.value)
    assert "UNKNOWN" not in str(refused.value)


def test_metadata_are_the_bytes_of_the_file(check: Callable[..., Checked]) -> None:
    told = b"Metadata-Version: 2.0\r\nName: acme-tools\r\nVersion: 1.0\r\nSummary: \xe9 \xff\r\n\r\nno UTF-8 \xfe\n"
    checked = check(WHEEL, Wheel(metadata=told).build(), Origin.OUTSIDE)
    assert checked.distribution.metadata == told


def test_record_is_told_apart(check: Callable[..., Checked]) -> None:
    """Of a file from outside the policy decides; others are refused."""
    content = Wheel(record=lambda lines: [f"/{lines[0]}", *lines[1:]]).build()
    checked = check(WHEEL, content, Origin.OUTSIDE)
    assert checked.record == (
        "RECORD lists '/acme_tools/__init__.py', which is not in the wheel.",
        "'acme_tools/__init__.py' is in the wheel and not in RECORD: the wheel was changed after it was built.",
    )
    for origin in (Origin.UPLOAD, Origin.COPIED_IN):
        with pytest.raises(BadDistribution, match="RECORD lists '/acme_tools"):
            check(WHEEL, content, origin)


@pytest.mark.parametrize(
    ("path", "content", "starts"),
    [
        ("acme.pth", b"import os\n", True),
        ("acme.pth", b"\xef\xbb\xbfimport\tos\n", True),
        ("acme.pth", b"# import os\nsome/directory\n", False),
        ("acme.pth", b"directory\nimport os; os.system('x')\n", True),
        ("acme_tools-1.0.data/purelib/x.pth", b"import os\n", True),
        ("acme_tools-1.0.data/platlib/x.pth", b"import os\n", True),
        ("acme_tools-1.0.data/data/lib/python3.11/site-packages/x.pth", b"import os\n", True),
        ("acme_tools-1.0.data/data/Lib/Site-Packages/x.pth", b"import os\n", True),
        ("acme/x.pth", b"import os\n", False),
        ("sitecustomize.py", b"", True),
        ("usercustomize/__init__.py", b"", True),
        ("sitecustomize.cpython-311-x86_64-linux-gnu.so", b"", True),
        ("acme/sitecustomize.py", b"", False),
    ],
)
def test_what_python_starts(path: str, content: bytes, starts: bool, check: Callable[..., Checked]) -> None:
    checked = check(WHEEL, Wheel(members={path: content}).build())
    assert checked.scripts == ((f"{path!a} runs code whenever Python starts.",) if starts else ())
    assert set(checked.scripts) <= set(checked.warnings)


# conda packages


def tar(*members: tuple[str, bytes | tarfile.TarInfo]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in members:
            info = content if isinstance(content, tarfile.TarInfo) else tarfile.TarInfo(name)
            info.name = name
            if isinstance(content, bytes):
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
            else:
                archive.addfile(info)
    return packed.getvalue()


def of_kind(kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo("x")
    info.type, info.linkname = kind, target
    return info


INDEX = (
    "info/index.json",
    json.dumps(
        {
            "name": "acme-hello",
            "version": "1.0",
            "build": "0",
            "build_number": 0,
            "depends": [],
            "subdir": "noarch",
            "noarch": "generic",
        }
    ).encode(),
)


def zipped(**members: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return packed.getvalue()


def in_conda(*payload: tuple[str, bytes | tarfile.TarInfo]) -> bytes:
    stem = "acme-hello-1.0-0"
    return zipped(
        **{
            "metadata.json": b'{"conda_pkg_format_version": 2}',
            f"pkg-{stem}.tar.zst": zstd.compress(tar(*payload)),
            f"info-{stem}.tar.zst": zstd.compress(tar(INDEX)),
        }
    )


def in_tarball(*payload: tuple[str, bytes | tarfile.TarInfo]) -> bytes:
    return bz2.compress(tar(INDEX, *payload))


@pytest.fixture
def read(tmp_path: Path) -> Callable[[str, bytes], reading.Package]:
    def read(filename: str, content: bytes) -> reading.Package:
        path = tmp_path / "package"
        path.write_bytes(content)
        return reading.package(path, filename, "noarch")

    return read


BAD_PAYLOADS: dict[str, tuple[str, list[tuple[str, bytes | tarfile.TarInfo]]]] = {
    "a path out": ("outside its place", [("../../home/ada/.bashrc", b"x")]),
    "an absolute path": ("outside its place", [("/etc/cron.d/x", b"x")]),
    "a path of Windows": ("backslash", [("..\\x", b"x")]),
    "a link out": ("leads out of it", [("lib/x", of_kind(tarfile.SYMTYPE, "../../etc/passwd"))]),
    "an absolute link": ("leads out of it", [("x", of_kind(tarfile.SYMTYPE, "/etc/passwd"))]),
    "a hard link out": ("leads out of it", [("x", of_kind(tarfile.LNKTYPE, "../x"))]),
    "a hard link to nothing": ("no file in it", [("x", of_kind(tarfile.LNKTYPE, "gone"))]),
    "a file below a link": (
        "both as a file and as a directory",
        [("x", of_kind(tarfile.SYMTYPE, ".")), ("x/y", b"")],
    ),
    "a device": ("a device or the like", [("x", of_kind(tarfile.CHRTYPE))]),
    "a FIFO": ("a device or the like", [("x", of_kind(tarfile.FIFOTYPE))]),
    "a name twice": ("more than once", [("x", b"1"), ("x", b"2")]),
    "another index": ("more than once", [INDEX, INDEX]),
    "a bomb": ("decompression bomb", [("zeros", bytes(70 * 2**20))]),
}


@pytest.mark.parametrize("pack", [in_conda, in_tarball])
@pytest.mark.parametrize(("says", "payload"), BAD_PAYLOADS.values(), ids=BAD_PAYLOADS)
def test_a_bad_conda_package(
    says: str,
    payload: list[tuple[str, bytes | tarfile.TarInfo]],
    pack: Callable[..., bytes],
    read: Callable[[str, bytes], reading.Package],
) -> None:
    with pytest.raises(BadPackage, match=says):
        read(CONDA if pack is in_conda else TARBALL, pack(*payload))


GOOD_PACKAGE = CondaPackage().build_it()
ODD_PACKAGES: dict[str, tuple[str, str, Callable[[], bytes]]] = {
    "more behind it": ("is not a readable package", CONDA, lambda: GOOD_PACKAGE + b"more"),
    "more before it": ("is not a readable package", CONDA, lambda: b"more" + GOOD_PACKAGE),
    "a comment": (
        "goes on after its end",
        CONDA,
        lambda: GOOD_PACKAGE[:-2] + b"\x02\x00hi",
    ),
    "no payload": (
        "has no pkg-acme-hello-1.0-0.tar.zst",
        CONDA,
        lambda: zipped(**{"info-acme-hello-1.0-0.tar.zst": zstd.compress(tar(INDEX))}),
    ),
    "two payloads": (
        "belong",
        CONDA,
        lambda: zipped(
            **{
                "info-acme-hello-1.0-0.tar.zst": zstd.compress(tar(INDEX)),
                "pkg-acme-hello-1.0-0.tar.zst": zstd.compress(tar()),
                "pkg-other.tar.zst": zstd.compress(tar()),
            }
        ),
    ),
    "cut off": ("is not a readable package", TARBALL, lambda: in_tarball()[:-10]),
    "more behind the bzip2": ("is not a readable package", TARBALL, lambda: in_tarball() + b"more"),
    "an index in an index": (
        "more than once",
        CONDA,
        lambda: in_conda(INDEX),
    ),
    "a key twice": (
        "a key is there twice",
        TARBALL,
        lambda: bz2.compress(tar(("info/index.json", INDEX[1].replace(b"{", b'{"depends": ["evil"], ', 1)))),
    ),
    "nested JSON": (
        "is not a readable package",
        TARBALL,
        lambda: bz2.compress(tar(("info/index.json", b'{"name": ' + b"[" * 10**5))),
    ),
}


@pytest.mark.parametrize(("says", "filename", "content"), ODD_PACKAGES.values(), ids=ODD_PACKAGES)
def test_an_odd_conda_package(
    says: str, filename: str, content: Callable[[], bytes], read: Callable[[str, bytes], reading.Package]
) -> None:
    with pytest.raises(BadPackage, match=says):
        read(filename, content())


@pytest.mark.parametrize("pack", [in_conda, in_tarball])
def test_what_a_conda_package_runs(pack: Callable[..., bytes], read: Callable[[str, bytes], reading.Package]) -> None:
    payload = [
        ("bin/.acme-hello-post-link.sh", b""),
        ("bin/.acme-hello-pre-unlink.sh", b""),
        ("Scripts/.acme-hello-pre-link.bat", b""),
        ("bin/link.sh", b""),
        ("etc/conda/activate.d/acme.sh", b""),
        ("etc/conda/deactivate.d/acme.fish", b""),
        ("etc/conda/env_vars.d/acme.json", b""),
        ("etc/conda/readme", b""),
        ("lib/python3.11/site-packages/acme.pth", b"import acme\n"),
        ("lib/python3.11/site-packages/paths.pth", b"acme\n"),
        ("site-packages/sitecustomize.py", b""),
        ("Lib/site-packages/win.pth", b"import acme\n"),
        ("lib/libacme.so", of_kind(tarfile.SYMTYPE, "libacme.so.1")),
        ("lib/gone.so", of_kind(tarfile.SYMTYPE, "../lib/libelsewhere.so")),
    ]
    found = read(CONDA if pack is in_conda else TARBALL, pack(*payload))
    assert sorted(sentence.split("'")[1] for sentence in found.scripts) == [
        "Lib/site-packages/win.pth",
        "Scripts/.acme-hello-pre-link.bat",
        "bin/.acme-hello-post-link.sh",
        "bin/.acme-hello-pre-unlink.sh",
        "etc/conda/activate.d/acme.sh",
        "etc/conda/deactivate.d/acme.fish",
        "etc/conda/env_vars.d/acme.json",
        "lib/python3.11/site-packages/acme.pth",
        "site-packages/sitecustomize.py",
    ]


# what takes long


def long_name() -> bytes:
    """292 bytes, of a name of 40,009 characters."""
    return sdist(entries=[tarfile.TarInfo("acme_tools-1.0/" + "a/" * 20_000 + "x")])


def many_members() -> bytes:
    return sdist(entries=[tarfile.TarInfo(f"acme_tools-1.0/{number}") for number in range(66_000)])


def many_in_zip() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for number in range(66_000):
            archive.writestr(zipfile.ZipInfo(str(number)), b"")
    return packed.getvalue()


def deep_names() -> bytes:
    names = (f"acme_tools-1.0/{number}/" + "a/" * 450 + "x" for number in range(3000))
    return sdist(entries=map(tarfile.TarInfo, names))


def entangled_links() -> bytes:
    """Each leads to the one before, by way of many directories."""

    def links() -> Iterable[tarfile.TarInfo]:
        for number in range(10_000):
            info = tarfile.TarInfo(f"acme_tools-1.0/l{number}")
            info.type = tarfile.SYMTYPE
            info.linkname = "d/../" * 190 + (f"l{number - 1}" if number % 30 else "d")
            yield info

    return sdist(entries=links())


def long_header() -> bytes:
    """The size of a header that tarfile reads at once: 1 GiB."""
    info = tarfile.TarInfo("acme_tools-1.0/x")
    block = bytearray(info.tobuf(tarfile.PAX_FORMAT))
    block[156:157] = b"x"
    block[124:136] = b"%011o\0" % 2**30
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return gzip.compress(bytes(block) + bytes(2**20))


def headers(count: int) -> bytes:
    return metadata() + b"".join(b"X%d: y\n" % number for number in range(count))


def bz2_bomb() -> bytes:
    """2 GiB, in pieces so that it is made fast."""
    return bz2.compress(bytes(64 * 2**20)) * 32


def zst_bomb() -> bytes:
    stem = "acme-hello-1.0-0"
    return zipped(
        **{
            f"pkg-{stem}.tar.zst": zstd.compress(bytes(64 * 2**20)) * 32,
            f"info-{stem}.tar.zst": zstd.compress(tar(INDEX)),
        }
    )


def small_parts() -> bytes:
    """Of bzip2, of which each unpacks to nothing."""
    return bz2.compress(b"") * 500_000


HOSTILE: dict[str, tuple[str, str, Callable[[], bytes]]] = {
    "a RECORD of 15 million lines": (WHEEL, "more than 16 MiB", squeezed_rows(b"a,,\n", 15_000_000)),
    "a RECORD of 4 million lines": (WHEEL, "more than 65000 lines", squeezed_rows(b"a,,\n", 4_000_000)),
    "a RECORD of commas": (WHEEL, "a line of more than", many_rows(b",", 2**22)),
    "a name of 40,009 characters": (SDIST, "more than 1024 characters", long_name),
    "66,000 members": (SDIST, "more than 65000 members", many_members),
    "66,000 members of a zip": (WHEEL, "more than 65,534 members", many_in_zip),
    "deep names": (SDIST, "more than 260000 directories", deep_names),
    "links to links": (SDIST, "more links that lead to each other", entangled_links),
    "a header of 1 GiB": (SDIST, "a header of more than 1 MiB", long_header),
    "many different fields": (WHEEL, "different ones", lambda: Wheel(metadata=headers(15_000)).build()),
    "many fields of an sdist": (SDIST, "different ones", lambda: sdist(pkg_info=headers(15_000))),
    "a bomb of bzip2": (TARBALL, "decompression bomb", bz2_bomb),
    "a bomb of zstd": (CONDA, "decompression bomb", zst_bomb),
    "a bomb of nothing": (TARBALL, "more than 65000 parts", small_parts),
    "a bomb of gzip": (SDIST, "decompression bomb", lambda: gzip.compress(bytes(64 * 2**20)) * 32),
}


@pytest.mark.parametrize(("filename", "says", "content"), HOSTILE.values(), ids=HOSTILE)
def test_nothing_takes_long(
    filename: str,
    says: str,
    content: Callable[[], bytes],
    check: Callable[..., Checked],
    read: Callable[[str, bytes], reading.Package],
) -> None:
    """Each is refused for what it is, within the memory that an archive is given, before its time is over."""
    packed = content()
    begun = time.monotonic()
    with pytest.raises((BadDistribution, BadPackage), match=says):
        read(filename, packed) if filename in (CONDA, TARBALL) else check(filename, packed)
    assert time.monotonic() - begun < 120
