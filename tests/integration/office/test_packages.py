"""Installing and publishing, by the people concerned, with the tools they use and no option that IT should have set."""

from __future__ import annotations

import time

import pytest

PUBLIC = "idna"


class Project:
    """An internal project that ada writes, in a version of its own for each run."""

    name = "acme-greeting"

    def __init__(self, office, number: int) -> None:
        self.office = office
        self.version = f"1.{int(time.time())}.{number}"
        self.directory = f"work/{self.name}-{self.version}"

    def build(self, author: str) -> None:
        self.office.succeed_as(
            author,
            f"""
            mkdir -p {self.directory}/src/acme_greeting && cd {self.directory}
            echo 'GREETING = "{self.version}"' >src/acme_greeting/__init__.py
            printf '%s\\n' '[project]' 'name = "{self.name}"' 'version = "{self.version}"' 'requires-python = ">=3.9"' \
                '[build-system]' 'requires = ["hatchling"]' 'build-backend = "hatchling.build"' >pyproject.toml
            uv build --quiet
            """,
        )

    @property
    def requirement(self) -> str:
        return f"{self.name}=={self.version}"


@pytest.fixture(scope="module")
def published(office) -> Project:
    """A project that ada has published with uv."""
    project = Project(office, 1)
    project.build("ada")
    office.publish_as("ada", f"cd {project.directory} && uv publish")
    return project


def greeting(office, name: str, python: str) -> str:
    return office.succeed_as(
        name, f"{python} -c 'import acme_greeting, {PUBLIC}; print(acme_greeting.GREETING)'"
    ).strip()


@pytest.mark.parametrize("name", [pytest.param("ada", marks=pytest.mark.proof), "leo"])
def test_pip_installs_public_and_internal_packages_into_one_virtualenv(office, published, name) -> None:
    office.succeed_as(
        name,
        f"rm -rf venv-pip && python3 -m venv venv-pip && venv-pip/bin/pip install --no-cache-dir {PUBLIC} {published.requirement}",
    )
    assert greeting(office, name, "venv-pip/bin/python") == published.version


@pytest.mark.parametrize("name", ["ada", pytest.param("leo", marks=pytest.mark.proof)])
def test_uv_installs_public_and_internal_packages_into_one_virtualenv(office, published, name) -> None:
    office.succeed_as(
        name,
        f"rm -rf venv-uv && uv venv -q venv-uv && uv pip install --no-cache --python venv-uv/bin/python {PUBLIC} {published.requirement}",
    )
    assert greeting(office, name, "venv-uv/bin/python") == published.version


@pytest.mark.proof
def test_twine_publishes_and_the_other_person_installs(office) -> None:
    project = Project(office, 2)
    project.build("ada")
    office.publish_as("ada", f"cd {project.directory} && uvx twine upload --non-interactive dist/*")
    office.succeed_as(
        "leo",
        f"uv venv -q --clear venv-twine && uv pip install --no-cache --python venv-twine/bin/python {PUBLIC} {project.requirement}",
    )
    assert greeting(office, "leo", "venv-twine/bin/python") == project.version


@pytest.mark.parametrize(
    "command",
    [pytest.param("uv publish", marks=pytest.mark.proof), "uvx twine upload --non-interactive --verbose dist/*"],
)
def test_who_may_only_install_is_told_so(office, index, command) -> None:
    project = Project(office, 3)
    project.build("leo")
    result = office.run_as("leo", f"{office.publishing('leo')}cd {project.directory} && {command}")
    assert result.rc != 0
    said = result.stdout + result.stderr
    assert "leo may not publish anything; to change that, ask it@acme.example." in " ".join(said.split()), said
    assert (
        not index.file("/srv/wheelhouse/shelf/packages/acme-greeting").exists
        or project.version not in index.run("ls /srv/wheelhouse/shelf/packages/acme-greeting").stdout
    )


@pytest.mark.parametrize(
    "command",
    [
        pytest.param("UV_PUBLISH_USERNAME=ada UV_PUBLISH_PASSWORD=wrong uv publish", marks=pytest.mark.proof),
        "uvx twine upload --non-interactive -u ada -p wrong dist/*",
    ],
)
def test_a_wrong_password_publishes_nothing(office, index, command) -> None:
    project = Project(office, 4)
    project.build("ada")
    result = office.run_as("ada", f"cd {project.directory} && {command}")
    assert result.rc != 0
    assert "40" in result.stdout + result.stderr, result.stdout + result.stderr
    assert project.version not in index.run("ls /srv/wheelhouse/shelf/packages/acme-greeting").stdout


@pytest.mark.proof
def test_a_reserved_name_never_comes_from_outside(office) -> None:
    result = office.run_as(
        "ada",
        "uv venv -q --clear venv-none && uv pip install --no-cache --python venv-none/bin/python acme-nothing-of-this-name",
    )
    assert result.rc != 0
    assert "acme-nothing-of-this-name" in result.stderr


@pytest.mark.proof
def test_reading_takes_a_password(office) -> None:
    fetch = f"import urllib.request; urllib.request.urlopen('{office.index_url}/simple/')"
    result = office.run_as("ada", f'python3 -c "{fetch}"')
    assert "401" in result.stderr
