"""The relay's units: root writes nothing where the running service can put links."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import jinja2
import pytest

TEMPLATES = Path(__file__).resolve().parents[3] / "roles" / "corporate_proxy" / "templates"
UNITS = ("wheelhouse-relay.service.j2", "wheelhouse-relay-ntlm.service.j2")
UID = 2_000_000_401


def unit(name: str) -> str:
    # as Ansible renders it
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(TEMPLATES), trim_blocks=True)
    variables = {"ansible_managed": "", "__corporate_proxy_px_program": "/opt/px/bin/px"}
    return environment.get_template(name).render(variables)


def commands(name: str) -> list[tuple[str, str]]:
    """(setting, command of the shell) of all that root runs, as systemd hands it over."""
    found = re.findall(r"^(Exec\w+)=\+(.*)$", unit(name), re.MULTILINE)
    for _setting, line in found:
        assert re.fullmatch(r"/bin/sh -c '[^']*'", line) and "${" not in line
    return [(setting, line[len("/bin/sh -c '") : -1].replace("%%", "%")) for setting, line in found]


@pytest.fixture
def office(tmp_path: Path) -> Path:
    """Root's files in etc/, the service's directory run/, and a file of root's that the service would like to have."""
    for name in ("etc", "run"):
        (tmp_path / name).mkdir()
    for name in ("haproxy.cfg", "px.ini", "password"):
        (tmp_path / "etc" / name).write_text(f"{name} of root\n")
        (tmp_path / "etc" / name).chmod(0o600)
    (tmp_path / "shadow").write_text("root's\n")
    (tmp_path / "shadow").chmod(0o600)
    os.chown(tmp_path / "run", UID, UID)
    (tmp_path / "run").chmod(0o700)
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    return tmp_path


def give(office: Path, command: str) -> subprocess.CompletedProcess[str]:
    text = command.replace("/etc/wheelhouse/relay", str(office / "etc"))
    environment = {"PATH": os.environ["PATH"], "RUNTIME_DIRECTORY": str(office / "run")}
    return subprocess.run(["/bin/sh", "-c", text], env=environment, capture_output=True, text=True, check=False)


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="handing files over takes root")


@needs_root
@pytest.mark.parametrize("name", UNITS)
def test_the_service_gets_its_files(office: Path, name: str) -> None:
    assert [setting for setting, _command in commands(name)].count("ExecReload") == 1
    for _round in range(2):  # a start and a reload
        for _setting, command in commands(name):
            assert give(office, command).returncode == 0
    given = sorted((office / "run").iterdir())
    assert [path.name for path in given] == (["haproxy.cfg"] if "ntlm" not in name else ["password", "px.ini"])
    for path in given:
        assert path.read_text() == f"{path.name} of root\n"
        status = path.stat()
        assert (status.st_uid, status.st_gid, status.st_mode & 0o777) == (UID, UID, 0o600)


@needs_root
@pytest.mark.parametrize("name", UNITS)
def test_no_link_gets_the_service_anything(office: Path, name: str) -> None:
    """At whichever moment it puts one there: every program of root's sees one under each name that it could use."""
    victim = office / "shadow"
    for _setting, command in commands(name):
        for place in ("new", "haproxy.cfg", "px.ini", "password"):
            (office / "run" / place).unlink(missing_ok=True)
            (office / "run" / place).symlink_to(victim)
        give(office, command)
        # a link that comes back after it was taken away: `rm` and `install` do nothing more here
        programs = office / "programs"
        programs.mkdir(exist_ok=True)
        real = shutil.which("rm")
        (programs / "rm").write_text(f'#!/bin/sh\n{real} "$@"\nln -sf {victim} new\n')
        (programs / "rm").chmod(0o755)
        text = command.replace("/etc/wheelhouse/relay", str(office / "etc"))
        environment = {"PATH": f"{programs}:{os.environ['PATH']}", "RUNTIME_DIRECTORY": str(office / "run")}
        subprocess.run(["/bin/sh", "-c", text], env=environment, capture_output=True, check=False)
        status = victim.stat()
        assert (victim.read_text(), status.st_uid, status.st_mode & 0o777) == ("root's\n", 0, 0o600)


@pytest.mark.parametrize("name", UNITS)
def test_root_changes_no_owner_there(name: str) -> None:
    for _setting, command in commands(name):
        assert not re.search(r"\b(chown|install|chmod)\b", command)
        assert command.startswith("cd $RUNTIME_DIRECTORY && exec setpriv --reuid ")
