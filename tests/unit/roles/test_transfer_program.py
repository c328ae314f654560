"""What `wheelhouse-transfer` asks Docker for, and what it writes down of the run."""

from __future__ import annotations

import json
import os
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

import pytest
from host_programs import install

# stands in for Docker: notes what it is asked, and says what the program in the container would
DOCKER = """\
#!/bin/sh
case "$1" in
inspect) echo sha256:image ;;
rm) ;;
run)
    printf '%s\\n' "$@" >"$0.asked"
    for one in "$@"; do
        case "$one" in
        --volume=*:/receipt.json:ro) source=${one#--volume=}; cat "${source%:/receipt.json:ro}" >"$0.receipt" ;;
        esac
    done
    cat "$0.says"
    ;;
esac
"""


class Host:
    """A host with the program, its settings, and Docker."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.docker = directory / "bin/docker"
        self.docker.parent.mkdir()
        self.docker.write_text(DOCKER)
        self.docker.chmod(0o755)
        for name in ("index/transfer", "bundles"):
            (directory / name).mkdir(parents=True)
        self.program = self._program()
        self.set(job="export")
        self.says({"outcome": "ok", "problems": [], "facts": {"number": 1}})

    def _program(self) -> ModuleType:
        program = install("package_transfer/files/wheelhouse-transfer", self.directory)
        loader = SourceFileLoader("wheelhouse_transfer", str(program))
        spec = spec_from_loader(loader.name, loader)
        assert spec
        module = module_from_spec(spec)
        loader.exec_module(module)
        module.SETTINGS = str(self.directory / "settings.json")  # type: ignore[attr-defined]
        module.RUNS = str(self.directory / "runs")  # type: ignore[attr-defined]
        return module

    def set(self, **changes: object) -> None:
        """Write the settings."""
        said = {
            "job": "export",
            "index": str(self.directory / "index"),
            "bundles": str(self.directory / "bundles"),
            "container": "wheelhouse-index",
            "internal": [],
            "part_size": "",
        }
        (self.directory / "settings.json").write_text(json.dumps(said | changes))

    def says(self, outcome: object) -> None:
        """What the container says."""
        self.docker.with_name("docker.says").write_text(outcome if isinstance(outcome, str) else json.dumps(outcome))

    def run(self, *arguments: str) -> int:
        return int(self.program.main(list(arguments)))

    def asked(self) -> list[str]:
        return self.docker.with_name("docker.asked").read_text().splitlines()

    def record(self, job: str = "export") -> dict[str, object]:
        return dict(json.loads((self.directory / "runs" / f"{job}.json").read_text()))


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    return Host(tmp_path)


def test_the_container_has_no_network(host: Host) -> None:
    assert host.run("--since", "LAST") == 0
    asked = host.asked()
    assert asked[asked.index("--network") + 1] == "none"
    assert asked[-2:] == ["--since", "LAST"]
    assert f"--volume={host.directory}/bundles:{host.directory}/bundles" in asked


def test_an_import_cannot_write_to_the_medium(host: Host) -> None:
    host.set(job="import")
    assert host.run("--apply") == 0
    assert f"--volume={host.directory}/bundles:{host.directory}/bundles:ro" in host.asked()


def test_a_run_is_written_down_with_the_last_good_one(host: Host) -> None:
    host.run()
    good = host.record()
    assert (good["job"], good["outcome"], good["facts"]) == ("export", "ok", {"number": 1})
    assert good["last_ok"] == good["ended"]
    host.says({"outcome": "problems", "problems": ["A file is missing."], "facts": {}})
    assert host.run() == 1
    assert host.record()["problems"] == ["A file is missing."]
    assert host.record()["last_ok"] == good["ended"]
    assert (host.directory / "runs/export.json").stat().st_mode & 0o777 == 0o644
    assert [path.name for path in (host.directory / "runs").iterdir()] == ["export.json"]


def test_a_dry_run_is_no_run(host: Host) -> None:
    host.set(job="import")
    host.run("--dry-run")
    assert not (host.directory / "runs").exists()


@pytest.mark.parametrize("said", ["", "Killed\n", '{"outcome": "ok"}'])
def test_a_container_that_says_nothing_has_failed(host: Host, said: str) -> None:
    host.says(said)
    assert host.run() == 1
    assert host.record()["outcome"] == "failed"


def test_a_medium_that_is_not_there_is_said(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    host.set(bundles=str(host.directory / "nowhere"))
    assert host.run() == 1
    assert "mount the medium there" in capsys.readouterr().err


@pytest.mark.parametrize("spelled", [["--since", "{}"], ["--since={}"]])
def test_a_receipt_is_given_to_the_program(host: Host, spelled: list[str]) -> None:
    if not os.access("/run", os.W_OK):
        pytest.skip("needs to write to /run")
    receipt = host.directory / "receipt.json"
    receipt.write_text("{}")
    receipt.chmod(0o600)
    assert host.run(*(one.format(receipt) for one in spelled)) == 0
    assert host.docker.with_name("docker.receipt").read_text() == "{}"
    assert host.asked()[-1].endswith("/receipt.json")


def test_a_receipt_that_is_no_file_is_said(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(host.directory / "receipt.json")
    assert host.run("--since", str(host.directory / "receipt.json")) == 1
    assert "it is no file" in capsys.readouterr().err
