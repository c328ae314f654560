"""What differs on a Mac, as far as it can be seen elsewhere: nothing here has ever run on one.

pip and uv are the real ones, told that this is macOS where they ask; `uname` and `security` are stand-ins.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import yaml

from .company import NAME, Company, Laptop

ROLES = Path(__file__).parents[3] / "roles"
# as pip does it when it starts, on a Mac; of the machine, sysconfig has to know the truth
CONFIGURATION = """
import sys, sysconfig
sysconfig.get_config_vars()
sys.platform = "darwin"
from pip._internal.configuration import Configuration, get_configuration_files
for kind, paths in get_configuration_files().items():
    print(kind, *paths, sep="|")
settings = Configuration(isolated=False)
settings.load()
for name, value in settings.items():
    print(name, value)
"""


def pip_on_macos(home: Path) -> str:
    command = [sys.executable, "-c", CONFIGURATION]
    return subprocess.run(command, env={"HOME": str(home)}, capture_output=True, text=True, check=True).stdout


def test_pip_reads_the_file_of_managed_macs(tmp_path: Path) -> None:
    variables = yaml.safe_load((ROLES / "package_client/vars/main.yml").read_text())
    ours = variables["__package_client_systems"]["Darwin"]["pip_conf"]
    (places,) = re.findall(r"^global\|(.*)$", pip_on_macos(tmp_path), re.M)
    assert ours in places.split("|")


@pytest.fixture
def mac(tmp_path: Path, archives: Path) -> Laptop:
    laptop = Laptop(tmp_path, archives / f"{NAME}-macos.tar.gz")
    for command, text in (
        ("uname", "echo Darwin"),
        ("security", f'echo "$1" "$(basename "$5")" >> "{tmp_path}/security"'),
    ):
        (laptop.bin / command).write_text(f"#!/bin/sh\n{text}\n")
        (laptop.bin / command).chmod(0o755)
    laptop.environ["SHELL"] = "/bin/zsh"
    return laptop


@pytest.mark.parametrize("directory", ["Library/Application Support/pip", ".config/pip"])
def test_pip_reads_the_file_of_a_laptop(mac: Laptop, company: Company, directory: str) -> None:
    if directory.startswith("Library"):
        mac.write(f"{directory}/pip.conf", "[global]\ntimeout = 9\n")
    before = mac.holds()
    mac.install(company, "bash")
    assert (mac.home / directory / "pip.conf").is_file()
    assert f"'global.index-url': '{company.url}/simple/'" in pip_on_macos(mac.home)
    assert "wheelhouse/environment" in (mac.home / ".zshrc").read_text()
    asked = (mac.home.parent / "security").read_text().splitlines()
    assert asked == ["find-certificate ", "add-trusted-cert login.keychain-db"]
    mac.uninstall("bash")
    assert mac.holds() == before
    asked = (mac.home.parent / "security").read_text().splitlines()[2:]
    assert [line.split()[0] for line in asked] == ["remove-trusted-cert", "delete-certificate"]


def test_the_archive_keeps_what_can_be_run(archives: Path) -> None:
    with tarfile.open(archives / f"{NAME}-macos.tar.gz") as packed:
        assert packed.getmember(f"{NAME}-macos/bin/jupyter-tunnel").mode & 0o111
