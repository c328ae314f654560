"""The conda channels on a file share: a real conda installs from them by their path, without a login."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from company import Office, eventually
from index.conda_samples import CondaPackage
from shelf import PLACE
from testinfra.host import Host

SHARE = "/srv/share"
UNITS = "ls /etc/systemd/system/wheelhouse-conda-mirror.* /usr/local/sbin/wheelhouse-conda-mirror"


@pytest.fixture(scope="module", autouse=True)
def mirrored(index: Host, workstation: Host, settings) -> Iterator[None]:
    index.check_output(f"mkdir {SHARE}")
    settings.apply(conda_channel_mirror=SHARE)
    yield
    settings.apply()
    assert index.run(UNITS).stdout == ""
    assert index.run("systemctl is-active wheelhouse-conda-mirror.timer").stdout.strip() == "inactive"
    for host in (index, workstation):
        host.check_output(f"rm -rf {SHARE}")


def copy(source: str, target: str) -> None:
    """Between a host and this machine."""
    subprocess.run(["docker", "cp", source, target], check=True, capture_output=True)


def test_what_is_published_can_be_installed_from_the_share(
    index: Host, workstation: Host, office: Office, version: str, tmp_path: Path
) -> None:
    package = CondaPackage("acme-shared", version, text="by its path\n")
    (tmp_path / package.filename).write_bytes(package.build_it())
    copy(f"{tmp_path / package.filename}", f"{index.backend.name}:{PLACE}/drop/conda/internal/")
    mirrored = index.file(f"{SHARE}/internal/noarch/{package.filename}")
    eventually(lambda: mirrored.exists, "it is checked, listed and mirrored", 150)
    # as if the workstation had mounted the same share
    copy(f"{index.backend.name}:{SHARE}", str(tmp_path))
    copy(f"{tmp_path}/share", f"{workstation.backend.name}:/srv")
    create = f"conda create -qy -p ~/shared --override-channels -c file://{SHARE}/internal acme-shared={version}"
    office.succeed_as("leo", f"{create} && cat ~/shared/share/acme-shared.txt && rm -rf ~/shared")


def test_its_service_does_its_work_and_nothing_else(index: Host) -> None:
    assert index.check_output("systemctl show --property=Result --value wheelhouse-conda-mirror") == "success"
    exposure = index.run("systemd-analyze security --threshold=25 wheelhouse-conda-mirror")
    assert exposure.rc == 0, exposure.stdout[-300:]
