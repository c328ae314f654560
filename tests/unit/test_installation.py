"""The built collection holds what users need, and is installed in each of the ways that docs/installation.md shows."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from acme import checkout, desk_of_it
from galaxy import galaxy
from packaging.specifiers import SpecifierSet
from packaging.version import Version
from release import build, write_checksum
from test_ansible_versions import BROUGHT
from written import Desk

ROOT = Path(__file__).resolve().parents[2]
GALAXY = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))
BUILT = f"wheelhouse-onboarding-{GALAXY['version']}.tar.gz"
# each has versions that are too old and too new for this collection as well
ON_GALAXY = {name: ["1.0.0", *versions, "99.0.0"] for name, versions in BROUGHT.items()}

TOP_LEVEL = {
    *(
        "MANIFEST.json",
        "FILES.json",
        "README.md",
        "CHANGELOG.md",
        "LICENSE",
        "SECURITY.md",
        "requirements.yml",
        "ansible.cfg",
    ),
    *("meta", "plugins", "roles", "playbooks", "inventories", "docs", "examples", "changelogs", "tests"),
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(GALAXY["version"], tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def members(built: Path) -> list[str]:
    with tarfile.open(built) as archive:
        return [member.name for member in archive if member.isfile()]


@pytest.fixture
def desk(tmp_path: Path, built: Path) -> Desk:
    """Somebody with a release, ansible-core, and no collection."""
    for name in ("home", "work"):
        (tmp_path / name).mkdir()
    write_checksum(Path(shutil.copy(built, tmp_path / "work")))
    environment = desk_of_it(tmp_path / "home")
    shutil.rmtree(tmp_path / "home" / ".ansible")
    return Desk(tmp_path / "work", environment)


@pytest.fixture
def server(desk: Desk) -> Iterator[str]:
    with galaxy(ON_GALAXY) as address:
        yield address


def with_server(desk: Desk, address: str) -> Desk:
    return Desk(desk.directory, dict(desk.environment) | {"ANSIBLE_GALAXY_SERVER": address})


def with_collections(desk: Desk) -> Desk:
    """The collections are in the home, as something has put them there before; no server answers."""
    home = Path(desk.environment["HOME"])
    return Desk(desk.directory, desk_of_it(home) | {"ANSIBLE_GALAXY_SERVER": "http://127.0.0.1:9/"})


def installed(desk: Desk) -> dict[str, str]:
    """{collection: version} in the home."""
    place = Path(desk.environment["HOME"]) / ".ansible" / "collections" / "ansible_collections"
    manifests = [json.loads(path.read_text(encoding="utf-8")) for path in place.glob("*/*/MANIFEST.json")]
    return {
        f"{one['collection_info']['namespace']}.{one['collection_info']['name']}": one["collection_info"]["version"]
        for one in manifests
    }


def newest_allowed() -> dict[str, str]:
    return {
        name: str(max(version for version in map(Version, ON_GALAXY[name]) if version in SpecifierSet(allowed)))
        for name, allowed in GALAXY["dependencies"].items()
    }


def test_what_is_at_the_top(members: list[str]) -> None:
    """What is new there is for users, or belongs into `build_ignore` of galaxy.yml."""
    assert {name.partition("/")[0] for name in members} | {"changelogs"} == TOP_LEVEL  # which a release makes


def test_what_is_for_developers_stays_out(members: list[str]) -> None:
    inside = {"/".join(name.split("/")[:2]) for name in members}
    assert {name for name in inside if name.startswith("tests/")} == {"tests/sanity", "tests/config.yml"}
    assert {name for name in inside if name.startswith("inventories/")} == {"inventories/example"}
    assert {name for name in inside if name.startswith("changelogs/")} <= {"changelogs/changelog.yaml"}
    hidden = [name for name in members if any(part.startswith(".") for part in name.split("/"))]
    assert hidden == ["roles/pypi_index/files/wheelhouse/.dockerignore"]
    assert not [name for name in members if name.endswith((".pyc", ".tar.gz"))]


def test_whatever_a_role_reads_is_in_it(members: list[str]) -> None:
    command = [
        "git",
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
        "roles",
        "plugins",
        "playbooks",
        "meta",
    ]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert {name for name in listed.split("\0") if name and (ROOT / name).is_file()} - set(members) == set()


def test_from_the_built_file(desk: Desk, server: str) -> None:
    """A Galaxy server is asked for the rest: for the newest that the dependencies allow."""
    desk = with_server(desk, server)
    desk.as_written("sha256sum --check wheelhouse-onboarding-0.1.0.tar.gz.sha256")
    desk.as_written("ansible-galaxy collection install wheelhouse-onboarding-0.1.0.tar.gz")
    assert installed(desk) == newest_allowed() | {"wheelhouse.onboarding": GALAXY["version"]}
    said = desk.as_written("ansible-galaxy collection list wheelhouse.onboarding").text
    assert GALAXY["version"] in said and desk.environment["HOME"] in said


def test_from_git(desk: Desk, server: str, tmp_path: Path) -> None:
    desk = with_server(desk, server)
    repository = tmp_path / "onboarding.git"
    checkout(repository)
    git = ["git", "-c", "user.name=it", "-c", "user.email=it@acme.example"]
    for words in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "-m", "Release"], ["tag", "v0.1.0"]):
        subprocess.run([*git, *words], cwd=repository, check=True)
    desk.as_written(
        "ansible-galaxy collection install git+https://git.acme.example/wheelhouse/onboarding.git,v0.1.0",
        real={"https://git.acme.example/wheelhouse/onboarding.git": f"file://{repository}"},
    )
    assert installed(desk) == newest_allowed() | {"wheelhouse.onboarding": GALAXY["version"]}


def test_without_a_server(desk: Desk) -> None:
    desk = with_collections(desk)
    desk.as_written("ansible-galaxy collection install --offline wheelhouse-onboarding-0.1.0.tar.gz")
    assert installed(desk)["wheelhouse.onboarding"] == GALAXY["version"]


def test_from_files_that_a_server_gave(desk: Desk, server: str) -> None:
    shutil.copy(ROOT / "requirements.yml", desk.directory)
    with_server(desk, server).as_written("ansible-galaxy collection download -r requirements.yml -p collections")
    assert len(list((desk.directory / "collections").glob("*.tar.gz"))) == len(GALAXY["dependencies"])
    alone = with_server(desk, "http://127.0.0.1:9/")
    alone.as_written("cd collections && ansible-galaxy collection install --offline -r requirements.yml")
    assert installed(desk) == newest_allowed()


@pytest.mark.long
def test_on_a_controller_without_a_route(desk: Desk) -> None:
    """The packages come from a package index once; from then on there is none."""
    desk.as_written("python3 -m pip download --dest wheels 'ansible>=12,<15' bcrypt")
    nowhere = {
        "PIP_INDEX_URL": "http://127.0.0.1:9/",
        "PIP_FIND_LINKS": "",
        "ANSIBLE_GALAXY_SERVER": "http://127.0.0.1:9/",
    }
    environment = dict(desk.environment) | nowhere
    del environment["ANSIBLE_COLLECTIONS_SCAN_SYS_PATH"]
    controller = Desk(desk.directory, environment)
    controller.as_written("python3 -m venv ~/ansible")
    controller.as_written("source ~/ansible/bin/activate")
    path = f"{environment['HOME']}/ansible/bin{os.pathsep}{environment['PATH']}"
    controller = Desk(desk.directory, environment | {"PATH": path, "VIRTUAL_ENV": f"{environment['HOME']}/ansible"})
    controller.as_written("python3 -m pip install --no-index --find-links wheels 'ansible>=12,<15' bcrypt")
    controller.as_written("ansible-galaxy collection install --offline wheelhouse-onboarding-0.1.0.tar.gz")
    assert installed(controller) == {"wheelhouse.onboarding": GALAXY["version"]}
    place = "~/.ansible/collections/ansible_collections/wheelhouse/onboarding"
    controller.as_written("cp ~/.ansible/collections/ansible_collections/wheelhouse/onboarding/ansible.cfg .")
    said = controller.succeed(f"ansible-playbook -i {place}/inventories/example wheelhouse.onboarding.preflight")
    assert "failed=0" in said


@pytest.mark.long
def test_in_a_virtualenv_of_ones_own(desk: Desk) -> None:
    desk.as_written("python3 -m venv ~/ansible")
    path = f"{desk.environment['HOME']}/ansible/bin{os.pathsep}{desk.environment['PATH']}"
    desk = Desk(desk.directory, dict(desk.environment) | {"PATH": path})
    desk.as_written("python3 -m pip install 'ansible>=12,<15' bcrypt")
    assert desk.environment["HOME"] in desk.succeed("ansible-playbook --version")
