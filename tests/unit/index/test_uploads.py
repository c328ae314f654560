"""Uploads that are accepted, and what is on the shelf when their 200 arrives."""

import gzip
import hashlib
import io
import json
import os
import stat
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from wheelhouse.formats import reading

from .journal import journal
from .samples import MULTIPART, Client, Wheel, basic, metadata, multipart, sdist, snapshot


def page(root: Path, project: str = "acme-tools") -> dict:
    return json.loads((root / "simple" / project / "index.json").read_text())


def events(root: Path) -> list[dict]:
    return journal(root)


def test_before_the_first_upload_the_list_of_projects_is_empty(client: Client, root: Path) -> None:
    assert json.loads((root / "simple/index.json").read_text())["projects"] == []
    assert (root / "simple/index.html").is_file()


def test_wheel_is_shelved_and_listed(client: Client, root: Path) -> None:
    wheel, content = Wheel(), Wheel().build()
    answer = client.upload(
        wheel.filename,
        content,
        name="Acme_Tools",
        version="1.0",
        sha256_digest=hashlib.sha256(content).hexdigest().upper(),
        blake2_256_digest=hashlib.blake2b(content, digest_size=32).hexdigest(),
        md5_digest=hashlib.md5(content).hexdigest(),
    )
    assert answer.status == 200
    placed = root / "packages/acme-tools" / wheel.filename
    described = placed.with_name(f"{wheel.filename}.metadata")
    assert placed.read_bytes() == content
    assert described.read_bytes() == metadata("acme_tools")
    (file,) = page(root)["files"]
    assert file.pop("upload-time") == time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(placed.stat().st_mtime))
    assert file == {
        "filename": wheel.filename,
        "url": f"../../packages/acme-tools/{wheel.filename}",
        "hashes": {"sha256": hashlib.sha256(content).hexdigest()},
        "size": len(content),
        "requires-python": ">=3.9",
        "core-metadata": {"sha256": hashlib.sha256(described.read_bytes()).hexdigest()},
    }
    assert page(root)["meta"] == {"api-version": "1.4"}
    assert page(root)["versions"] == ["1.0"]
    assert json.loads((root / "simple/index.json").read_text())["projects"] == [{"name": "acme-tools"}]
    (event,) = events(root)
    assert event.pop("time").endswith("Z")
    assert event == {
        "event": "publish",
        "who": "ada",
        "origin": "192.0.2.7",
        "project": "acme-tools",
        "version": "1.0",
        "name": "acme_tools",
        "file": wheel.filename,
        "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "metadata_sha256": hashlib.sha256(described.read_bytes()).hexdigest(),
        "requires_python": ">=3.9",
    }


def test_sdist_is_shelved_without_core_metadata(client: Client, root: Path) -> None:
    assert client.upload("acme_tools-1.0.tar.gz", sdist()).status == 200
    (file,) = page(root)["files"]
    assert "core-metadata" not in file
    assert file["requires-python"] == ">=3.9"
    assert [path.name for path in (root / "packages/acme-tools").iterdir()] == ["acme_tools-1.0.tar.gz"]


def test_same_bytes_again_change_nothing(client: Client, root: Path) -> None:
    assert client.upload(Wheel().filename, Wheel().build()).status == 200
    before, happened = snapshot(root), events(root)
    assert client.upload(Wheel().filename, Wheel().build()).status == 200
    assert (snapshot(root), events(root)) == (before, happened)


def test_releases_are_listed_in_the_order_of_their_versions(client: Client, root: Path) -> None:
    for version in ("1.9+cpu.1", "1.10", "1.9", "1.9rc1", "2!0.1"):
        wheel = Wheel(version=version)
        assert client.upload(wheel.filename, wheel.build()).status == 200
    assert page(root)["versions"] == ["1.9rc1", "1.9", "1.9+cpu.1", "1.10", "2!0.1"]
    url = "../../packages/acme-tools/acme_tools-1.9%2Bcpu.1-py3-none-any.whl"
    assert [file["url"] for file in page(root)["files"]][2] == url, "and stays so when the page is read again"


def test_every_page_has_a_gzipped_twin(client: Client, root: Path) -> None:
    client.upload(Wheel().filename, Wheel().build())
    for directory in (root / "simple", root / "simple/acme-tools"):
        for name in ("index.html", "index.json"):
            plain, packed = directory / name, directory / f"{name}.gz"
            assert gzip.decompress(packed.read_bytes()) == plain.read_bytes()
            assert packed.stat().st_mtime_ns == plain.stat().st_mtime_ns


def test_other_users_can_read_the_shelf_whatever_the_umask(client: Client, root: Path) -> None:
    before = os.umask(0o077)
    try:
        assert client.upload(Wheel().filename, Wheel().build()).status == 200
    finally:
        os.umask(before)
    for top in ("packages", "simple"):
        for path in [root / top, *(root / top).rglob("*")]:
            assert stat.S_IMODE(path.stat().st_mode) == (0o755 if path.is_dir() else 0o644), path
    assert stat.S_IMODE((root / "state").stat().st_mode) == 0o750
    for path in (root / "state").glob("index.sqlite*"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o640, path


def test_a_signature_is_taken_and_dropped(client: Client, root: Path) -> None:
    body = multipart({":action": "file_upload"}, Wheel().filename, Wheel().build())
    disposition = f'form-data; name="gpg_signature"; filename="{Wheel().filename}.asc"'
    signature = f"--b0undary\r\nContent-Disposition: {disposition}\r\n\r\nsigned\r\n--b0undary--\r\n"
    signed = body.removesuffix(b"--b0undary--\r\n") + signature.encode()
    answer = client.send("POST", "/", signed, CONTENT_TYPE=MULTIPART, HTTP_AUTHORIZATION=basic("ada", "s3cret"))
    assert answer.status == 200
    assert len(page(root)["files"]) == 1
    assert not list(root.rglob("*.asc"))


def test_a_lost_page_is_rebuilt_from_the_journal(client: Client, root: Path) -> None:
    for version in ("1.0", "1.1"):
        client.upload(Wheel(version=version).filename, Wheel(version=version).build())
    (root / "simple/acme-tools/index.json").unlink()
    client.upload(Wheel(version="1.2").filename, Wheel(version="1.2").build())
    assert page(root)["versions"] == ["1.0", "1.1", "1.2"]


def test_a_field_newer_than_the_metadata_version_is_remarked_on(client: Client, root: Path) -> None:
    wheel = Wheel(metadata=metadata(extra="License-File: LICENSE\n"))
    assert client.upload(wheel.filename, wheel.build()).status == 200
    assert "license-file" in events(root)[0]["findings"][0]


def test_names_that_differ_only_in_case_are_remarked_on(client: Client, root: Path) -> None:
    """Where they are two files; elsewhere, one of them would be gone."""
    wheel = Wheel(members={"acme/A.py": b"", "acme/a.py": b""}).build()
    said = "'acme/A.py' and 'acme/a.py' are one file on Windows or macOS."
    answers = {
        tag: client.upload(f"acme_tools-1.0-py3-none-{tag}.whl", wheel)
        for tag in ("any", "win32", "linux_x86_64.macosx_11_0_arm64", "manylinux_2_17_x86_64")
    }
    assert {tag: answer.status for tag, answer in answers.items()} == {
        "any": 400,
        "win32": 400,
        "linux_x86_64.macosx_11_0_arm64": 400,
        "manylinux_2_17_x86_64": 200,
    }
    assert answers["any"].text == f"{said}\n"
    assert [event["findings"] for event in events(root) if event["event"] == "publish"] == [[said]]


def test_changed_rights_and_passwords_count_at_once(
    client: Client, config: Path, configure: Callable[..., None], root: Path
) -> None:
    configure(publishes={"ada": [], "bob": ["acme-*"]})
    assert client.upload(Wheel().filename, Wheel().build(), "ada").status == 403
    assert client.upload(Wheel().filename, Wheel().build(), "bob").status == 200
    passwords = config / "htpasswd"
    passwords.write_text(passwords.read_text().splitlines()[0] + "\n")
    assert client.upload(Wheel().filename, Wheel().build(), "bob").status == 401


def test_an_unexpected_error_tells_nothing_about_the_inside(
    client: Client, root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("wheelhouse.index.transaction.Index.publish", lambda *_, **__: 1 / 0)
    before = snapshot(root)
    answer = client.upload(Wheel().filename, Wheel().build())
    assert (answer.status, answer.text) == (500, "The index failed to handle this; its log says why.\n")
    assert "ZeroDivisionError" in caplog.text
    assert snapshot(root) == before


def test_pages_are_read_by_an_independent_library(client: Client, root: Path) -> None:
    pypi_simple = pytest.importorskip("pypi_simple")
    client.upload(Wheel().filename, Wheel().build())
    client.upload("acme_tools-1.0.tar.gz", sdist())
    as_json = pypi_simple.ProjectPage.from_json_data(page(root), "http://127.0.0.1/simple/acme-tools/")
    html = (root / "simple/acme-tools/index.html").read_text()
    as_html = pypi_simple.ProjectPage.from_html("acme-tools", html, "http://127.0.0.1/simple/acme-tools/")
    for described in (as_json, as_html):
        wheel, source = described.packages
        assert (wheel.version, wheel.package_type, wheel.has_metadata) == ("1.0", "wheel", True)
        assert wheel.url.startswith(f"http://127.0.0.1/packages/acme-tools/{Wheel().filename}")
        assert (source.package_type, source.requires_python) == ("sdist", ">=3.9")
    assert as_json.packages[0].size == len(Wheel().build())
    assert as_json.packages[0].digests == as_html.packages[0].digests


def test_a_file_is_on_the_disk_once(client: Client, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the network it goes to where it is checked, and from there it is linked to where it stays."""
    seen: list[list[int]] = []
    check = reading.check

    def big(directory: Path) -> list[Path]:
        return [one for one in directory.rglob("*") if one.is_file() and one.stat().st_size >= len(content)]

    def looked(path: Path, *arguments: object) -> object:
        seen.append([one.stat().st_ino for one in big(root)])
        return check(path, *arguments)  # type: ignore[arg-type]

    wheel = Wheel(members={"big.bin": os.urandom(3_000_000)})
    content = wheel.build()
    monkeypatch.setattr(reading, "check", looked)
    assert client.upload(wheel.filename, content).status == 200
    ((inode,),) = seen
    served = root / "packages/acme-tools" / wheel.filename
    assert served.stat().st_ino == inode and served.read_bytes() == content
    assert {one.stat().st_ino for one in root.rglob("*") if one.is_file() and one.stat().st_size >= len(content)} == {
        inode
    }
    assert [one for one in (root / "incoming").iterdir() if one.is_file()] == []


@pytest.mark.parametrize("size", [0, 1, 2**18 - 1, 2**18, 2**18 + 1])
@pytest.mark.parametrize("sort", [b"\r", b"\n", b"\r\n", b"--b0undary", b"\r\n--b0undar", b"\r\n-"])
def test_whatever_bytes_it_has(client: Client, root: Path, size: int, sort: bytes) -> None:
    """The form is taken apart piece by piece, and a file may look like the end of it at any place."""
    data = (sort * (size // len(sort) + 1))[:size]
    wheel = Wheel(members={"acme_tools/data.bin": data})
    packed = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(wheel.build())) as source,
        zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as stored,
    ):
        for info in source.infolist():
            stored.writestr(zipfile.ZipInfo(info.filename), source.read(info))
    assert client.upload(wheel.filename, packed.getvalue()).status == 200
    assert (root / "packages/acme-tools" / wheel.filename).read_bytes() == packed.getvalue()


@pytest.mark.parametrize("length", [10, 400, -1])
def test_one_that_is_cut_off_leaves_nothing(client: Client, root: Path, length: int) -> None:
    body = multipart({":action": "file_upload"}, Wheel().filename, Wheel().build())
    headers = {
        "CONTENT_TYPE": MULTIPART,
        "HTTP_AUTHORIZATION": basic("ada", "s3cret"),
        "CONTENT_LENGTH": str(len(body)),
    }
    answer = client.send("POST", "/", body[:length], **headers)
    assert (answer.status, "cut off" in answer.text) == (400, True)
    assert [one for one in (root / "incoming").iterdir() if one.is_file()] == []


def test_two_files_at_once(client: Client, root: Path) -> None:
    body = multipart({":action": "file_upload"}, Wheel().filename, Wheel().build())
    body = body.removesuffix(b"--b0undary--\r\n") + multipart({}, "other-1.0.tar.gz", sdist("other"))
    answer = client.send("POST", "/", body, CONTENT_TYPE=MULTIPART, HTTP_AUTHORIZATION=basic("ada", "s3cret"))
    assert (answer.status, answer.text) == (400, "The upload has two files in it: send one at a time.\n")
    assert [one for one in (root / "incoming").iterdir() if one.is_file()] == []
