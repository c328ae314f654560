"""What tests of the intake's conda part ask of a channel upstream, and of what comes of it on the shelf."""

import asyncio
import json
from pathlib import Path
from typing import Any

from rattler import Channel, MatchSpec, SparseRepoData, solve_with_sparse_repodata

from .conda_samples import CondaPackage
from .intake import Office
from .public_channel import PublicChannel, PublicPackage


def add(channel: PublicChannel, name: str, version: str = "1.0", **changes: Any) -> PublicPackage:
    """Have a package upstream."""
    says = changes.pop("says", {})
    package = CondaPackage(name, version, **changes)
    public = PublicPackage(package, package.build_it(), says)
    channel.packages.append(public)
    return public


def orange(channel: PublicChannel) -> None:
    """Two releases of orange3 for two Pythons and two platforms, and what they need."""
    for subdir in ("linux-64", "win-64"):
        for python in ("3.11", "3.12"):
            add(channel, "python", f"{python}.4", subdir=subdir, build="h1_0_cpython")
            for version in ("3.29.3", "3.30.1"):
                build = f"py{python.replace('.', '')}_0"
                needs = (f"python >={python},<{python[:2]}{int(python[2:]) + 1}.0a0", "numpy >=1.16", "anyqt")
                add(channel, "orange3", version, subdir=subdir, build=build, depends=needs)
        add(channel, "numpy", "1.26.4", subdir=subdir)
        add(channel, "numpy", "2.1.0", subdir=subdir)
    add(channel, "anyqt", "0.2.0", depends=("python",), suffix=".tar.bz2")
    add(channel, "unwanted", "1.0")


def listed(office: Office, channel: str = "conda-forge") -> dict[str, dict[str, Any]]:
    """What installers are offered: subdir and file name -> record."""
    found = {}
    for page in sorted((office.shelf / "conda" / channel).glob("*/repodata.json")):
        repodata = json.loads(page.read_text())
        for name, record in {**repodata["packages"], **repodata["packages.conda"]}.items():
            found[f"{page.parent.name}/{name}"] = record
    return found


def names(office: Office) -> set[str]:
    return {f"{record['name']} {record['version']}" for record in listed(office).values()}


def fetched(channel: PublicChannel) -> list[str]:
    """Packages that were asked for."""
    return sorted(path for path in channel.asked if "repodata" not in path)


def run(office: Office, channel: PublicChannel, *arguments: str) -> int:
    channel.asked.clear()
    return office.run(*arguments)


def solution(channel: Path, spec: str, subdir: str = "linux-64") -> list[Any]:
    """What py-rattler would install from a channel in a directory."""
    sparse = [
        SparseRepoData(Channel(channel.as_uri()), each, channel / each / "repodata.json") for each in (subdir, "noarch")
    ]

    async def solve() -> list[Any]:
        return await solve_with_sparse_repodata([MatchSpec(spec)], sparse)

    return asyncio.run(solve())


def solved(office: Office, spec: str) -> list[Any]:
    """The same from the company's channel."""
    return solution(office.shelf / "conda/conda-forge", spec)


def status(office: Office, line: str) -> str:
    return next(one["status"] for one in office.report()["lines"] if one["line"] == f"conda: conda-forge::{line}")


def advisory(directory: Path, project: str, fixed: str) -> None:
    directory.mkdir(exist_ok=True)
    events = [{"introduced": "0"}, {"fixed": fixed}]
    affected = [
        {"package": {"ecosystem": "PyPI", "name": project}, "ranges": [{"type": "ECOSYSTEM", "events": events}]}
    ]
    entry = {"id": f"PYSEC-2026-{project}", "modified": "2026-01-01T00:00:00Z", "affected": affected, "details": "bad"}
    (directory / f"{project}.json").write_text(json.dumps(entry))
