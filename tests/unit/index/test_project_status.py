"""Projects that are archived or deprecated (PEP 792): their pages say so, and what is archived takes no new files."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from simple_repository.parser import parse_json_project_page
from wheelhouse import cli
from wheelhouse.index.opening import open_index

from .journal import journal
from .samples import Client, Wheel
from .served import disagreements
from .test_provenance import served

FIRST, SECOND = Wheel(), Wheel(version="2.0")


@pytest.fixture
def published(client: Client) -> Client:
    assert client.upload(FIRST.filename, FIRST.build()).status == 200
    return client


def page(root: Path) -> Any:
    return json.loads((root / "simple/acme-tools/index.json").read_text())


def test_pages_say_so(published: Client, root: Path) -> None:
    assert page(root)["meta"]["api-version"] == "1.4" and "project-status" not in page(root)
    assert cli.main(["mark", "Acme_Tools", "archived", "--reason", "use acme-next"]) == 0
    assert page(root)["project-status"] == {"status": "archived", "reason": "use acme-next"}
    assert [file["filename"] for file in page(root)["files"]] == [FIRST.filename]
    assert parse_json_project_page(json.dumps(page(root))).files[0].filename == FIRST.filename
    assert "archived" not in (root / "simple/acme-tools/index.html").read_text()
    assert disagreements(root) == []
    assert "This project is archived: use acme-next" in published.send("GET", "/projects/acme-tools/").text
    assert (journal(root)[-1]["event"], journal(root)[-1]["reason"]) == ("status", "archived: use acme-next")
    assert open_index(root).render_all() == 0
    cli.main(["mark", "acme-tools", "deprecated"])
    assert page(root)["project-status"] == {"status": "deprecated"}
    cli.main(["mark", "acme-tools", "active"])
    assert "project-status" not in page(root)


def test_what_is_archived_takes_no_new_files(published: Client, root: Path) -> None:
    cli.main(["mark", "acme-tools", "archived", "--reason", "use acme-next"])
    answer = published.upload(SECOND.filename, SECOND.build())
    assert answer.status == 409
    assert answer.text == "acme-tools is archived and takes no new files: use acme-next.\n"
    assert published.upload(FIRST.filename, FIRST.build()).status == 200  # heals, and changes nothing
    cli.main(["mark", "acme-tools", "deprecated"])
    assert published.upload(SECOND.filename, SECOND.build()).status == 200
    assert disagreements(root) == []


def test_there_has_to_be_something(client: Client, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["mark", "acme-none", "archived"]) == 1
    assert "acme-none is not on the shelf" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        cli.main(["mark", "acme-none", "quarantined"])


def lock(directory: Path, index: str) -> None:
    """A project that has acme-tools locked from this index."""
    project = '[project]\nname = "demo"\nversion = "1"\nrequires-python = ">=3.11"\ndependencies = ["acme-tools"]\n'
    (directory / "pyproject.toml").write_text(project)
    (directory / "uv.lock").write_text(
        f"""version = 1
requires-python = ">=3.11"

[[package]]
name = "acme-tools"
version = "1.0"
source = {{ registry = "{index}" }}

[[package]]
name = "demo"
version = "1"
source = {{ virtual = "." }}
dependencies = [{{ name = "acme-tools" }}]
"""
    )


def test_uv_audit_says_what_is_deprecated(published: Client, root: Path, tmp_path: Path, configure: Any) -> None:
    cli.main(["mark", "acme-tools", "deprecated", "--reason", "use acme-next"])
    entry = {
        "id": "PYSEC-2026-1",
        "modified": "2026-01-02T03:04:05Z",
        "affected": [{"package": {"name": "idna", "ecosystem": "PyPI"}, "versions": ["1"]}],
    }
    (tmp_path / "osv").mkdir()
    (tmp_path / "osv/one.json").write_text(json.dumps(entry))
    configure(advisories=str(tmp_path / "osv"))

    def application(environ: Any, start_response: Any) -> Any:
        """With the pages that the gateway serves."""
        if environ["PATH_INFO"] == "/simple/acme-tools/":
            start_response("200 OK", [("Content-Type", "application/vnd.pypi.simple.v1+json")])
            return [(root / "simple/acme-tools/index.json").read_bytes()]
        return published.application(environ, start_response)

    with served(Client(application)) as url:
        lock(tmp_path, f"{url}simple/")
        done = subprocess.run(
            [
                "uv",
                "audit",
                "--frozen",
                "--no-cache",
                "--service-url",
                f"{url}osv/",
                "--default-index",
                f"{url}simple/",
            ],
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert "deprecated" in done.stdout + done.stderr, done
