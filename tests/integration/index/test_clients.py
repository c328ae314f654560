"""Every client that people use publishes, and every one installs what another has just published.

pip, uv and twine find what they need where IT has put it. Poetry has no settings of the company's: the address of the
index is in the project, as Poetry wants it, and the password for publishing in the environment.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from company import ROOT, Office
from gateway import Gateway
from index.samples import Wheel, metadata
from shelf import Shelf

pytestmark = pytest.mark.usefixtures("as_in_the_inventory")

PROJECT = "acme-clients"
BACKENDS = {
    "uv": ("uv_build", "uv_build"),
    "poetry": ("poetry-core", "poetry.core.masonry.api"),
    "twine": ("hatchling", "hatchling.build"),
}
POETRY = "POETRY_VIRTUALENVS_IN_PROJECT=true poetry --no-interaction"


def poetry_login(office: Office) -> str:
    """What Poetry has to be told to publish."""
    password = shlex.quote(office.person("ada").index_password)
    return (
        f"POETRY_REPOSITORIES_COMPANY_URL={office.index_url}/ POETRY_HTTP_BASIC_COMPANY_USERNAME=ada"
        f" POETRY_HTTP_BASIC_COMPANY_PASSWORD={password}"
    )


@dataclass(frozen=True)
class Release:
    """A release of one project, made and published by one tool."""

    tool: str
    version: str


@pytest.fixture(scope="module")
def tools(office: Office) -> None:
    """Poetry in ada's account, a virtualenv for each installer, and what each has seen of the project before."""
    office.succeed_as("ada", "uv tool install --quiet poetry")
    office.succeed_as("ada", "rm -rf clients && mkdir clients && python3 -m venv clients/pip && uv venv -q clients/uv")
    pyproject = f"""
[project]
name = "consumer"
version = "1"
requires-python = ">=3.11"
dependencies = ["{PROJECT}"]

[tool.poetry]
package-mode = false

[[tool.poetry.source]]
name = "company"
url = "{office.index_url}/simple/"
priority = "primary"
"""
    office.succeed_as(
        "ada", f"mkdir clients/poetry && printf %s {shlex.quote(pyproject)} >clients/poetry/pyproject.toml"
    )


@pytest.fixture(scope="module", params=BACKENDS)
def release(request: pytest.FixtureRequest, office: Office, tools: None, version: str) -> Release:
    """The project's next release. All are of one project, so that each client has an older page of it in its cache."""
    tool = request.param
    release = Release(tool, f"{version}.{list(BACKENDS).index(tool)}")
    requirement, backend = BACKENDS[tool]
    pyproject = f"""
[project]
name = "{PROJECT}"
version = "{release.version}"
description = "Made with {tool}"
requires-python = ">=3.9"

[build-system]
requires = ["{requirement}"]
build-backend = "{backend}"
"""
    directory = f"clients/by-{tool}"
    office.succeed_as(
        "ada",
        f"""
        mkdir -p {directory}/src/acme_clients && cd {directory}
        echo 'VERSION = "{release.version}"' >src/acme_clients/__init__.py
        printf %s {shlex.quote(pyproject)} >pyproject.toml
        """,
    )
    publish = {
        "uv": "uv build -q && uv publish",
        "twine": "uv build -q && uvx twine upload --non-interactive dist/*",
        "poetry": f"{poetry_login(office)} {POETRY} publish --build --repository company",
    }
    office.publish_as("ada", f"cd {directory} && {publish[tool]}")
    return release


INSTALL: dict[str, tuple[str, str]] = {
    "pip": (f"clients/pip/bin/pip install --upgrade {PROJECT}", "clients/pip"),
    "uv": (f"uv pip install --upgrade --python clients/uv/bin/python {PROJECT}", "clients/uv"),
    "poetry": (f"cd clients/poetry && {POETRY} update", "clients/poetry/.venv"),
}


@pytest.mark.parametrize("installer", INSTALL)
def test_what_one_has_published_each_installs_at_once(office: Office, release: Release, installer: str) -> None:
    command, environment = INSTALL[installer]
    office.succeed_as("ada", command)
    show = "import acme_clients; print(acme_clients.VERSION)"
    assert office.succeed_as("ada", f"{environment}/bin/python -c '{show}'").strip() == release.version


def test_wheel_and_source_of_each_are_listed(gateway: Gateway, release: Release) -> None:
    files = {file["filename"]: file for file in gateway.page(PROJECT)["files"]}
    stem = f"acme_clients-{release.version}"
    assert {f"{stem}-py3-none-any.whl", f"{stem}.tar.gz"} <= files.keys()
    assert files[f"{stem}-py3-none-any.whl"]["requires-python"] == ">=3.9"


def test_the_source_alone_installs_too(office: Office, release: Release) -> None:
    """The build backend comes from the public index, through the same address."""
    if release.tool != "twine":
        pytest.skip("once is enough")
    office.succeed_as(
        "ada",
        f"rm -rf clients/src && uv venv -q clients/src && uv pip install -q --python clients/src/bin/python --no-binary {PROJECT} {PROJECT}",
    )


# --- an independent reader


@pytest.fixture(scope="module")
def everything(office: Office, gateway: Gateway, version: str, shelf: Shelf) -> dict:
    """All that leo can read, after something of every kind was published."""
    odd = [
        Wheel("acme_odd", f"{version}.1", metadata=metadata("acme-odd", f"{version}.1", "")),
        Wheel(
            "acme_odd",
            f"{version}.2",
            metadata=metadata("acme-odd", f"{version}.2", "Requires-Python: >=3.9,<4 , !=3.10.*\n"),
        ),
        Wheel("acme_odd", f"{version}.3+local.1"),
        Wheel("acme_odd", f"{version}.4rc1"),
    ]
    for wheel in odd:
        assert gateway.upload(wheel.filename, wheel.build()).status == 200, wheel.filename
    shelf.run("yank", "acme-odd", odd[0].version, "--reason", """breaks <b>&"quotes"</b>, use 'the next'""")
    program = (ROOT / "tests/integration/index/shelf_reader.py").read_text()
    command = ["uv", "run", "--quiet", "--no-project", "--with", "pypi-simple", "python", "-c", program]
    return json.loads(office.succeed_as("leo", shlex.join([*command, f"{office.index_url}/simple/"])))


def test_both_lists_name_every_project(everything: dict) -> None:
    assert everything["lists"]["json"] == everything["lists"]["html"]
    assert {"acme-odd"} <= set(everything["lists"]["json"])
    assert len(everything["lists"]["json"]) == len(set(everything["lists"]["json"]))


def each_file(everything: dict) -> list[tuple[str, dict, dict, dict]]:
    """name, said in JSON, said in HTML, true."""
    files = []
    for page in everything["projects"].values():
        said = page["said"]
        assert list(said["json"]) == list(said["html"]) and said["json"].keys() == page["true"].keys()
        files += [(name, said["json"][name], said["html"][name], page["true"][name]) for name in page["true"]]
    assert len(files) >= 4
    return files


def test_every_page_tells_the_truth_about_every_file(everything: dict) -> None:
    for name, in_json, in_html, true in each_file(everything):
        assert in_json["sha256"] == in_html["sha256"] == true["sha256"], name
        assert in_json["size"] == true["size"], name
        assert in_json["metadata"] == in_html["metadata"] == true["metadata"] == true.get("metadata_fetched"), name
        assert in_json["requires_python"] == in_html["requires_python"], name
        if name.endswith(".whl"):
            clauses = [
                set(text.replace(" ", "").split(","))
                for text in (in_json["requires_python"] or "", true["requires_python"] or "")
            ]
            assert clauses[0] == clauses[1], name
        assert in_json["yanked"] == in_html["yanked"], name
        assert in_json["url"] == in_html["url"], name


def test_every_page_agrees_with_the_journal(everything: dict, shelf: Shelf) -> None:
    published = {event["file"]: event for event in shelf.journal() if event["event"] == "publish"}
    # of files from outside, when they were uploaded there
    outside = {event["file"]: event["uploaded"] for event in shelf.journal() if event.get("uploaded")}
    for name, in_json, _, true in each_file(everything):
        event = published[name]
        assert (event["sha256"], event["size"]) == (true["sha256"], true["size"])
        assert in_json["upload_time"][:19] == outside.get(name, event["time"])[:19], name


def test_every_page_lists_its_versions(everything: dict) -> None:
    for project, page in everything["projects"].items():
        assert page["versions"], project
    assert len(everything["projects"]["acme-odd"]["versions"]) % 4 == 0


def test_a_reason_is_told_as_it_was_given(everything: dict, version: str) -> None:
    said = everything["projects"]["acme-odd"]["said"]["html"][f"acme_odd-{version}.1-py3-none-any.whl"]
    assert said["yanked"] == """breaks <b>&"quotes"</b>, use 'the next'"""


# --- a release that was a mistake


def newest_for_pip(office: Office, requirement: str) -> str:
    report = office.succeed_as(
        "ada", f"clients/pip/bin/pip install --quiet --dry-run --ignore-installed --report - '{requirement}'"
    )
    return json.loads(report)["install"][0]["metadata"]["version"]


def newest_for_uv(office: Office, requirement: str) -> str:
    command = f"echo '{requirement}' | uv pip compile -q --no-header --no-annotate --python clients/uv/bin/python -"
    return office.succeed_as("ada", command).strip().partition("==")[2]


@pytest.fixture(scope="module")
def releases(gateway: Gateway, version: str) -> list[str]:
    """Two releases of one project."""
    wheels = [Wheel("acme_mistake", f"{version}.{number}") for number in (1, 2)]
    for wheel in wheels:
        assert gateway.upload(wheel.filename, wheel.build()).status == 200
    return [wheel.version for wheel in wheels]


@pytest.mark.parametrize("newest", [newest_for_pip, newest_for_uv])
def test_a_yanked_release_is_passed_over_until_it_is_unyanked(
    office: Office, tools: None, shelf: Shelf, releases: list[str], newest: Callable[[Office, str], str]
) -> None:
    """With the clients' caches on: they have seen the page a moment ago."""
    good, mistake = releases
    assert newest(office, "acme-mistake") == mistake
    shelf.run("yank", "acme-mistake", mistake, "--reason", "deletes the wrong files")
    assert newest(office, "acme-mistake") == good
    assert newest(office, f"acme-mistake=={mistake}") == mistake, "who has it in a lock file still gets it"
    shelf.run("unyank", "acme-mistake", mistake)
    assert newest(office, "acme-mistake") == mistake


def test_who_asks_for_a_yanked_release_is_told_why(
    office: Office, tools: None, shelf: Shelf, releases: list[str]
) -> None:
    shelf.run("yank", "acme-mistake", releases[1], "--reason", "deletes the wrong files")
    result = office.run_as(
        "ada", f"clients/pip/bin/pip install --dry-run --ignore-installed acme-mistake=={releases[1]}"
    )
    shelf.run("unyank", "acme-mistake", releases[1])
    assert "deletes the wrong files" in result.stdout + result.stderr


def test_a_removed_release_is_gone(office: Office, tools: None, gateway: Gateway, shelf: Shelf, version: str) -> None:
    wheels = [Wheel("acme_removed", f"{version}.{number}") for number in (1, 2)]
    for wheel in wheels:
        assert gateway.upload(wheel.filename, wheel.build()).status == 200
    for newest in (newest_for_pip, newest_for_uv):
        assert newest(office, "acme-removed") == wheels[1].version
    shelf.run("remove", "acme-removed", wheels[1].version, "--reason", "held a password")
    for newest in (newest_for_pip, newest_for_uv):
        assert newest(office, "acme-removed") == wheels[0].version
    for end in ("", ".metadata"):
        assert gateway.ask(f"/packages/acme-removed/{wheels[1].filename}{end}").status == 404
    assert office.run_as("ada", f"clients/pip/bin/pip install --dry-run acme-removed=={wheels[1].version}").rc != 0


def test_a_cooldown_leaves_out_the_companys_own_index(office: Office, gateway, version: str) -> None:
    """Published a moment ago, and found all the same by those who take nothing that is younger than a week."""
    wheel = Wheel("acme_cooled", version)
    assert gateway.upload(wheel.filename, wheel.build()).status == 200
    found = office.succeed_as("leo", "printf acme-cooled | uv pip compile --quiet --exclude-newer '7 days' -")
    assert f"acme-cooled=={version}" in found
    if office.run_as("leo", "test -x /opt/wheelhouse/poetry/bin/poetry").rc:
        pytest.skip("IT installs no Poetry here")
    project = '[project]\nname = "x"\nversion = "1"\nrequires-python = ">=3.9"\ndependencies = ["acme-cooled"]\n'
    locked = office.succeed_as(
        "leo",
        f"mkdir -p cooled && cd cooled && rm -f poetry.lock && printf %s {shlex.quote(project)} >pyproject.toml"
        " && POETRY_SOLVER_MIN_RELEASE_AGE=7 /usr/local/bin/poetry lock --quiet && cat poetry.lock",
    )
    assert f'version = "{version}"' in locked
