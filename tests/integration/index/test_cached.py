"""The policy `cached`, with a public index of our own making: what it is asked for, and what gets through to clients."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import tarfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from company import ROOT, Office, eventually
from gateway import JSON, Answer, Gateway
from index.samples import Wheel
from shelf import PLACE, Shelf
from testinfra.host import Host

PORT = 8099
PLACE_UPSTREAM = "/run/upstream"
MINIMUM_AGE = 3  # days
HIGH = "99.0"


@dataclass
class Upstream:
    """The public index in small, on the proxy's host, which is the edge of the company."""

    host: Host
    files: dict[str, bytes]

    def asked(self) -> list[str]:
        """Every address, oldest first."""
        return self.host.run(f"cat {PLACE_UPSTREAM}/asked").stdout.split()

    def start(self) -> None:
        unit = f"systemd-run --collect --unit upstream python3 {PLACE_UPSTREAM}/upstream.py {PLACE_UPSTREAM} {PORT}"
        self.host.check_output(unit)
        listening = f"ss --no-header --listening --tcp 'sport = {PORT}'"
        eventually(lambda: bool(self.host.run(listening).stdout), "the public index listens", 30)

    def stop(self) -> None:
        self.host.run("systemctl stop upstream.service")


class Project:
    """A project on it: wheels, each of some age in days."""

    def __init__(self, name: str, **ages: float) -> None:
        self.name = name
        self.wheels = [
            (Wheel(name.replace("-", "_"), number.strip("v").replace("_", ".")), age) for number, age in ages.items()
        ]

    def page(self, contents: dict[str, bytes]) -> dict:
        files = []
        for wheel, age in self.wheels:
            content = contents.setdefault(wheel.filename, wheel.build())
            at = datetime.now(UTC) - timedelta(days=age)
            files.append(
                {
                    "filename": wheel.filename,
                    "url": f"../../files/{wheel.filename}",
                    "hashes": {"sha256": hashlib.sha256(content).hexdigest()},
                    "size": len(content),
                    "upload-time": at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
                    "requires-python": ">=3.9",
                }
            )
        return {
            "meta": {"api-version": "1.1"},
            "name": self.name,
            "versions": [wheel.version for wheel, _ in self.wheels],
            "files": files,
        }


@pytest.fixture(scope="module")
def names(version: str) -> dict[str, str]:
    """Names of this run, so that nothing of them is in the index's cache."""
    number = version.partition(".")[2]
    return {
        kind: f"{kind}-{number}"
        for kind in (
            "settled",
            "mixed",
            "brand-new",
            "denied",
            "tampered",
            "taken-over",
            "popular",
            "acme-lured",
            "unknown",
        )
    }


@pytest.fixture(scope="module")
def upstream(proxy: Host, names: dict[str, str]) -> Iterator[Upstream]:
    projects = [
        Project(names["settled"], v1=400, v2=100),
        Project(names["mixed"], v1=30, v2=MINIMUM_AGE + 0.5, v3=MINIMUM_AGE - 0.5, v4=0.01),
        Project(names["brand-new"], v1=0.1),
        Project(names["denied"], v1=400),
        Project(names["tampered"], v1=400),
        Project(names["taken-over"], v99_0=400),
        Project(names["popular"], v1=400),
        Project(names["acme-lured"], v99_0=400),
        Project("sampleproject", v99_0=400),
    ]
    big = Wheel(names["popular"].replace("-", "_"), "1", {"data.bin": bytes(range(256)) * 40_000})
    contents = {big.filename: big.build()}
    tree = {f"simple/{project.name}/index.json": json.dumps(project.page(contents)).encode() for project in projects}
    (tampered,) = (name for name in contents if name.startswith("tampered"))
    contents[tampered] = contents[tampered][:-1] + b"!"
    tree |= {f"files/{name}": content for name, content in contents.items()}
    tree["upstream.py"] = (ROOT / "tests/integration/index/upstream.py").read_bytes()
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in tree.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    proxy.run(f"systemctl stop upstream.service; rm -rf {PLACE_UPSTREAM}; mkdir -p {PLACE_UPSTREAM}")
    proxy.check_output(
        f"printf %%s %s | base64 -d | tar -xz -C {PLACE_UPSTREAM}", base64.b64encode(packed.getvalue()).decode()
    )
    upstream = Upstream(proxy, contents)
    upstream.start()
    yield upstream
    upstream.stop()


@pytest.fixture(scope="module")
def taken_over(gateway: Gateway, shelf: Shelf, names: dict[str, str]) -> None:
    """A project that both have."""
    own = Wheel(names["taken-over"].replace("-", "_"), "0.1")
    shelf.put(f"packages/{names['taken-over']}/{own.filename}", own.build())
    shelf.host.check_output("chown -R wheelhouse: %s/packages/%s", PLACE, names["taken-over"])
    shelf.run("reindex", names["taken-over"])


@pytest.fixture(scope="module", autouse=True)
def cached(settings, upstream: Upstream, names: dict[str, str], taken_over: None) -> None:
    settings.apply(
        pypi_index_upstream="cached",
        pypi_index_upstream_url=f"http://proxy.acme.example:{PORT}/simple/",
        pypi_index_minimum_age=MINIMUM_AGE,
        pypi_index_denied=[names["denied"]],
    )


@pytest.fixture(scope="module", autouse=True)
def environment(office: Office) -> None:
    office.succeed_as("leo", "test -d venv-cached || python3 -m venv venv-cached")


def page(gateway: Gateway, project: str) -> Answer:
    return gateway.ask(f"/simple/{project}/", headers={"Accept": JSON})


def listed(gateway: Gateway, project: str) -> list[str]:
    """Versions of the files on a project's page."""
    return sorted(file["filename"].split("-")[1] for file in gateway.page(project)["files"])


def addresses(gateway: Gateway, project: str) -> list[str]:
    """Where the files of a project's page are, all of them on the index."""
    found = [file["url"].removeprefix(f"https://{gateway.name}") for file in gateway.page(project)["files"]]
    return [address.removeprefix("../..") for address in found]


def test_files_come_from_the_index_itself(gateway: Gateway, upstream: Upstream, names: dict[str, str]) -> None:
    project = names["settled"]
    for address in addresses(gateway, project):
        assert address.startswith(f"/cached/{project}/"), address
        answer = gateway.ask(address)
        assert answer.status == 200 and answer.body == upstream.files[address.rpartition("/")[2]]
        assert "immutable" in answer.headers["Cache-Control"]
        assert gateway.ask(address, login=None).status == 401
    for accept, content_type in ((JSON, JSON), ("text/html", "text/html")):
        answer = gateway.ask(f"/simple/{project}/", headers={"Accept": accept})
        assert answer.headers["Content-Type"].startswith(content_type)
        assert "accept" in answer.vary and f"proxy.acme.example:{PORT}" not in answer.text
    assert gateway.ask(f"/simple/{project}/", login=None).status == 401


def test_a_file_is_fetched_once(gateway: Gateway, upstream: Upstream, names: dict[str, str]) -> None:
    """Even if many asked for it at once at the beginning; and a part of it can be had like one of our own."""
    (address,) = addresses(gateway, names["popular"])
    file = address.rpartition("/")[2]
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(gateway.ask, [address] * 8))
    for answer in answers:
        assert answer.status == 200 and answer.body == upstream.files[file]
    fetches = upstream.asked().count(f"/files/{file}")
    assert 1 <= fetches <= 8
    part = gateway.ask(address, headers={"Range": "bytes=10-19"})
    assert (part.status, part.body) == (206, upstream.files[file][10:20])
    assert gateway.ask(address).body == upstream.files[file]
    assert upstream.asked().count(f"/files/{file}") == fetches


def test_a_new_release_is_held_back(gateway: Gateway, upstream: Upstream, names: dict[str, str]) -> None:
    assert listed(gateway, names["mixed"]) == ["1", "2"]
    assert listed(gateway, names["settled"]) == ["1", "2"]
    answer = page(gateway, names["brand-new"])
    assert answer.status == 404 or answer.json["files"] == []


@pytest.mark.parametrize("number", ["3", "4"])
def test_a_release_that_is_held_back_is_not_to_be_had_by_its_address(
    gateway: Gateway, upstream: Upstream, names: dict[str, str], number: str
) -> None:
    project = names["mixed"]
    file = f"{project.replace('-', '_')}-{number}-py3-none-any.whl"
    for end in ("", ".metadata"):
        assert gateway.ask(f"/cached/{project}/{file}{end}").status in (403, 404)
    assert f"/files/{file}" not in upstream.asked()


@pytest.mark.parametrize(
    "installer",
    ["uv pip install --no-cache --python venv-cached/bin/python", "venv-cached/bin/pip install --no-cache-dir"],
)
def test_installers_take_the_newest_that_is_old_enough(office: Office, names: dict[str, str], installer: str) -> None:
    office.succeed_as("leo", f"venv-cached/bin/pip uninstall -q -y {names['mixed']}")
    office.succeed_as("leo", f"{installer} {names['mixed']}")
    show = f"import importlib.metadata as m; print(m.version('{names['mixed']}'))"
    assert office.succeed_as("leo", f'venv-cached/bin/python -c "{show}"').strip() == "2"


def test_what_is_denied_is_refused_with_a_sentence(gateway: Gateway, upstream: Upstream, names: dict[str, str]) -> None:
    project = names["denied"]
    for spelling in (project, project.upper(), project.replace("-", "_")):
        answer = page(gateway, spelling)
        if answer.status == 301:
            answer = gateway.ask(answer.headers["Location"].removeprefix(f"https://{gateway.name}"))
        assert answer.status in (403, 404) and project in answer.text and answer.text.strip().endswith(".")
    file = f"{project.replace('-', '_')}-1-py3-none-any.whl"
    assert gateway.ask(f"/cached/{project}/{file}").status in (403, 404)
    assert f"/files/{file}" not in upstream.asked()


def test_a_file_that_is_not_what_its_page_said_is_not_passed_on(gateway: Gateway, names: dict[str, str]) -> None:
    (address,) = addresses(gateway, names["tampered"])
    for _ in range(2):
        answer = gateway.ask(address)
        assert answer.status >= 400 and not answer.body.startswith(b"PK"), answer


def test_a_file_that_no_page_lists_is_not_fetched(gateway: Gateway, upstream: Upstream, names: dict[str, str]) -> None:
    project = names["settled"]
    before = len(upstream.asked())
    for path in (
        f"{project}/{project.replace('-', '_')}-7-py3-none-any.whl",
        f"{project}/..%2f..%2ffiles%2fx",
        f"{names['acme-lured']}/{names['acme-lured'].replace('-', '_')}-99.0-py3-none-any.whl",
        f"{names['taken-over']}/{names['taken-over'].replace('-', '_')}-99.0-py3-none-any.whl",
        "sampleproject/x.whl",
    ):
        assert gateway.ask(f"/cached/{path}").status in (400, 403, 404), path
    assert not [path for path in upstream.asked()[before:] if path.startswith("/files/")]


@pytest.mark.parametrize("kind", ["acme-lured", "taken-over"])
def test_a_name_of_ours_is_never_asked_for(
    gateway: Gateway, upstream: Upstream, names: dict[str, str], office: Office, kind: str
) -> None:
    name = names[kind]
    for spelling in (name, name.upper(), name.replace("-", "_"), name.replace("-", ".")):
        for path in (f"/simple/{spelling}/", f"/simple/{spelling}", f"/cached/{spelling}/x.whl"):
            gateway.ask(path, headers={"Accept": JSON})
    result = office.run_as("leo", f"uv pip install --no-cache --dry-run --python venv-cached/bin/python {name}")
    assert HIGH not in result.stdout + result.stderr
    assert page(gateway, name).status == (404 if kind == "acme-lured" else 200)
    plain = name.replace("-", "")
    assert [path for path in upstream.asked() if plain in path.lower().translate({ord(c): None for c in "-_."})] == []


def test_a_name_that_is_taken_over_later_is_ours_from_then_on(
    gateway: Gateway, shelf: Shelf, upstream: Upstream, names: dict[str, str]
) -> None:
    """Its page has been in the cache until now."""
    project = names["settled"]
    assert listed(gateway, project) == ["1", "2"]
    own = Wheel(project.replace("-", "_"), "0.1")
    shelf.put(f"packages/{project}/{own.filename}", own.build())
    shelf.host.check_output("chown -R wheelhouse: %s/packages/%s", PLACE, project)
    shelf.run("reindex", project)
    for accept in (JSON, "text/html"):
        text = gateway.ask(f"/simple/{project}/", headers={"Accept": accept}).text
        assert own.filename in text and "-2-py3" not in text


def test_nobody_upstream_is_not_found(gateway: Gateway, upstream: Upstream, names: dict[str, str]) -> None:
    answer = page(gateway, names["unknown"])
    assert answer.status == 404 and names["unknown"] in answer.text


def test_what_was_fetched_is_there_when_upstream_is_away(
    gateway: Gateway, upstream: Upstream, names: dict[str, str]
) -> None:
    (address,) = addresses(gateway, names["popular"])
    assert gateway.ask(address).status == 200
    upstream.stop()
    try:
        assert gateway.ask(address).body == upstream.files[address.rpartition("/")[2]]
        assert addresses(gateway, names["popular"]) == [address]
        answer = page(gateway, names["unknown"] + "-too")
        assert answer.status in (502, 503, 504), "away is not the same as not there"
        assert answer.text.strip().endswith(".") and "<html" not in answer.text
    finally:
        upstream.start()
