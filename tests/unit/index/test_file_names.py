"""A file name never comes back with other bytes, whatever happened to its file and by whichever way it comes."""

import io
import json
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from wheelhouse import cli
from wheelhouse.store import foreign
from wheelhouse.web.app import application

from . import kept, seaweed, served
from .conda_samples import CondaPackage
from .intake import Office
from .public import PublicFile
from .public_channel import PublicChannel, PublicPackage
from .samples import Client, Wheel, metadata, sdist

WHEEL = Wheel()
OTHER = Wheel(members={"acme_tools/evil.py": b""}).build()
BEFORE = "was published before with other contents"
THERE = "already exists on the shelf with other contents"


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foreign, "QUIET", 0.0)


def run(*arguments: str) -> int:
    return cli.main(list(arguments))


def copy_in(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def listed(root: Path, project: str = "acme-tools") -> list[str]:
    page = root / "simple" / project / "index.json"
    return [file["filename"] for file in json.loads(page.read_text())["files"]] if page.exists() else []


def zipped(name: str = "acme_tools") -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(zipfile.ZipInfo(f"{name}-1.0/PKG-INFO"), metadata(name))
    return packed.getvalue()


def removed(root: Path) -> None:
    assert run("remove", "acme-tools", "1.0", "--reason", "x") == 0


def lost(root: Path) -> None:
    (root / "packages/acme-tools" / WHEEL.filename).unlink()
    kept.lose_all(root)
    kept.miss(root)


def overwritten(root: Path) -> None:
    (root / "packages/acme-tools" / WHEEL.filename).write_bytes(OTHER)
    assert run("reindex") == 1


def wiped(root: Path) -> None:
    shutil.rmtree(root / "packages/acme-tools")
    shutil.rmtree(root / "simple/acme-tools")


FATES = {"removed": removed, "lost": lost, "wiped": wiped}
if not seaweed.of_this_run():  # what is served there is a copy, which goes aside
    FATES["overwritten"] = overwritten


@pytest.mark.parametrize("fate", FATES)
@pytest.mark.parametrize("worker", ["the same", "a new one", "another that was there before"])
def test_by_upload(client: Client, root: Path, fate: str, worker: str) -> None:
    another = Client(application())
    assert another.upload("acme_early-1.0-py3-none-any.whl", Wheel("acme_early").build()).status == 200
    assert client.upload(WHEEL.filename, WHEEL.build()).status == 200
    FATES[fate](root)
    sender = {"the same": client, "a new one": Client(application()), "another that was there before": another}[worker]
    refused = sender.upload(WHEEL.filename, OTHER)
    assert refused.status == 409 and any(sentence in refused.text for sentence in (BEFORE, THERE))
    assert WHEEL.filename not in listed(root) and not (root / "packages/acme-tools" / WHEEL.filename).exists()
    assert sender.upload(WHEEL.filename, WHEEL.build()).status == 200, "the same bytes may"
    assert (root / "packages/acme-tools" / WHEEL.filename).read_bytes() == WHEEL.build()


@pytest.mark.parametrize("fate", FATES)
@pytest.mark.parametrize("place", ["drop", "drop/some/where", "packages", "packages/acme-tools"])
def test_copied_in(client: Client, root: Path, fate: str, place: str, capsys: pytest.CaptureFixture) -> None:
    assert client.upload(WHEEL.filename, WHEEL.build()).status == 200
    FATES[fate](root)
    copy_in(root / place / WHEEL.filename, OTHER)
    assert run("reindex", "--new") == 1
    told = capsys.readouterr().err
    assert any(sentence in told for sentence in (BEFORE, THERE, "index promised other contents"))
    path = f"packages/acme-tools/{WHEEL.filename}"
    there = served.content(root, path)
    assert there in (None, WHEEL.build()), "wiped, and put back from the store"
    assert there is not None or WHEEL.filename not in listed(root)
    assert not (root / place / WHEEL.filename).exists() or f"{place}/{WHEEL.filename}" == path
    copy_in(root / place / WHEEL.filename, WHEEL.build())
    run("reindex", "--new")
    assert served.content(root, path) == WHEEL.build()
    assert listed(root) == [WHEEL.filename]


def other_bytes(file: PublicFile) -> PublicFile:
    """Another file under the same name."""
    name = file.name.partition("-")[0]
    wheel = Wheel(name, "1.0", members={f"{name}/evil.py": b""}, metadata=file.described)
    return replace(file, content=wheel.build())


@pytest.mark.parametrize("is_there", [True, False], ids=["there", "removed"])
def test_by_the_intake(office: Office, is_there: bool) -> None:
    office.publish("alpha")
    office.wants("alpha==1.0")
    assert office.run() == 0
    if not is_there:
        assert run("remove", "alpha", "1.0", "--reason", "x") == 0
    shutil.rmtree(office.shelf / "quarantine/intake", ignore_errors=True)
    before = office.shelved()
    office.public.projects["alpha"] = [other_bytes(file) for file in office.public.projects["alpha"]]
    assert office.run() == 1
    assert office.shelved() == before
    wanted = "with other contents than upstream has" if is_there else f"alpha-1.0-py3-none-any.whl {BEFORE}"
    assert wanted in " ".join(office.last_run()["problems"]) + json.dumps(office.report())


SPELLINGS = [
    (WHEEL.filename, WHEEL.build(), "Acme.Tools-1.0-py3-none-any.whl", Wheel("Acme.Tools").build()),
    (WHEEL.filename, WHEEL.build(), "acme_tools-1.0.0-py3-none-any.whl", Wheel(version="1.0.0").build()),
    ("acme_tools-1.0.tar.gz", sdist(), "Acme-Tools-1.0.tar.gz", sdist("Acme-Tools")),
]


@pytest.mark.parametrize(("first", "content", "second", "other"), SPELLINGS, ids=[one[2] for one in SPELLINGS])
@pytest.mark.parametrize("gone", [False, True], ids=["there", "removed"])
def test_in_another_spelling(
    client: Client, root: Path, first: str, content: bytes, second: str, other: bytes, gone: bool
) -> None:
    assert client.upload(first, content).status == 200
    if gone:
        removed(root)
    refused = client.upload(second, other)
    assert refused.status == 409 and f"is the same distribution as {first}" in refused.text
    copy_in(root / "drop" / second, other)
    assert run("reindex") == 1
    assert second not in listed(root)


@pytest.mark.parametrize("gone", [False, True], ids=["there", "removed"])
def test_a_version_that_is_uploaded_has_one_source_distribution(client: Client, root: Path, gone: bool) -> None:
    assert client.upload("acme_tools-1.0.tar.gz", sdist()).status == 200
    if gone:
        removed(root)
    refused = client.upload("acme_tools-1.0.zip", zipped())
    assert refused.status == 409 and "second source distribution beside acme_tools-1.0.tar.gz" in refused.text
    assert client.upload(WHEEL.filename, WHEEL.build()).status == 200, "wheels are another matter"
    copy_in(root / "drop/acme_tools-1.0.zip", zipped())
    assert run("reindex") == 0, "an older index may have both"


@pytest.mark.parametrize("suffix", [".conda", ".tar.bz2"])
def test_a_conda_package(environment: None, root: Path, suffix: str, capsys: pytest.CaptureFixture) -> None:
    assert run("channel", "internal") == 0
    package, other = CondaPackage(suffix=suffix), CondaPackage(suffix=suffix, text="evil\n")
    name = package.filename
    copy_in(root / "drop/conda/internal" / name, package.build_it())
    assert run("reindex", "--new") == 0, capsys.readouterr().err
    published = root / "conda/internal/noarch" / name
    assert run("remove", "acme-hello", "1.0", "--channel", "internal", "--reason", "x") == 0
    for place in ("drop/conda/internal", "drop/conda/internal/noarch", "conda/internal", "conda/internal/noarch"):
        copy_in(root / place / name, other.build_it())
        assert run("reindex", "--new") == 1
        assert "published in internal/noarch before with other contents" in capsys.readouterr().err
        assert not published.exists() and not (root / place / name).exists()
    copy_in(root / "drop/conda/internal" / name, package.build_it())
    assert run("reindex", "--new") == 0
    assert served.content(root, f"conda/internal/noarch/{name}") == package.build_it()


@pytest.mark.parametrize("is_there", [True, False], ids=["there", "lost"])
def test_a_conda_package_by_the_intake(office: Office, channel: PublicChannel, is_there: bool) -> None:
    def upstream(package: CondaPackage) -> None:
        channel.packages = [PublicPackage(package, package.build_it())]

    upstream(CondaPackage("hello"))
    office.wants(conda=["hello"])
    assert office.run() == 0
    published = office.shelf / "conda/conda-forge/noarch/hello-1.0-0.conda"
    if not is_there:
        published.unlink(missing_ok=True)
        kept.lose_all(office.shelf)
        kept.miss(office.shelf)
    shutil.rmtree(office.shelf / "quarantine/intake-conda", ignore_errors=True)
    upstream(CondaPackage("hello", text="evil\n"))
    assert office.run() == 1
    there = served.content(office.shelf, "conda/conda-forge/noarch/hello-1.0-0.conda")
    assert there == (CondaPackage("hello").build_it() if is_there else None)
    assert "with other contents" in " ".join(office.last_run()["problems"])
