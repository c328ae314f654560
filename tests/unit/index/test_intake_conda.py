"""Runs of `wheelhouse intake` against a public conda channel on this machine, laid out like conda-forge."""

import asyncio
import json
import os
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rattler import Subdir, install
from wheelhouse import cli

from . import served
from .conda_samples import CondaPackage
from .intake import Office
from .intake_conda import add, advisory, fetched, listed, names, orange, run, solved, status
from .public import days_ago
from .public_channel import PublicChannel

pytestmark = pytest.mark.usefixtures("no_waiting")

BOTH = {"python": ["3.11", "3.12"], "platforms": ["linux-x86_64", "windows-x86_64"]}
GRANTED = {"reason": "for the course", "until": "2999-12-31"}


def test_a_line_brings_in_what_it_needs(
    office: Office, channel: PublicChannel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """For each platform and Python, the newest that fits; py-rattler solves and installs from the result."""
    orange(channel)
    office.wants(conda=["orange3 3.29.3", "orange3=3.30.1"], targets=BOTH)
    assert run(office, channel) == 0, capsys.readouterr().err
    offered = listed(office)
    assert names(office) == {"anyqt 0.2.0", "numpy 2.1.0", "orange3 3.29.3", "orange3 3.30.1"} | {
        "python 3.11.4",
        "python 3.12.4",
    }
    assert len(offered) == 2 * 2 * 2 + 2 * 2 + 2 + 1
    assert sorted(fetched(channel)) == sorted(offered)
    upstream = {one.path: one.record() for one in channel.packages}
    assert offered == {name: upstream[name] for name in offered}
    first, second = tomllib.loads((office.shelf / "reports/lock.toml").read_text())["closure"]
    assert (first["line"], first["channel"]) == ("conda: conda-forge::orange3 3.29.3", "conda-forge")
    numpy = next(release for release in second["release"] if release["project"] == "numpy")
    assert (numpy["version"], numpy["needed_by"]) == ("2.1.0", ["orange3"])
    assert numpy["targets"] == [f"{python} {platform}" for python in BOTH["python"] for platform in BOTH["platforms"]]
    assert sorted(numpy["files"]) == ["linux-64/numpy-2.1.0-0.conda", "win-64/numpy-2.1.0-0.conda"]
    records = solved(office, "orange3 ==3.29.3")
    assert {record.name.normalized for record in records} == {"orange3", "python", "numpy", "anyqt"}
    asyncio.run(install(records, tmp_path / "environment", cache_dir=tmp_path / "cache", platform=Subdir("linux-64")))
    assert (tmp_path / "environment/share/orange3.txt").read_text() == "hello\n"


def test_a_run_without_news(office: Office, channel: PublicChannel) -> None:
    """Asks whether anything has changed, for no package, and changes no byte."""
    orange(channel)
    office.publish("alpha")
    office.wants("alpha", conda=["orange3 3.29.3", "numpy"], targets=BOTH)
    assert run(office, channel) == 0
    before = office.content()
    times = {path: path.stat().st_mtime_ns for path in (office.shelf / "conda").rglob("*")}
    channel.unchanged = 0
    assert run(office, channel) == 0
    assert (fetched(channel), channel.unchanged, office.content()) == ([], 3, before)
    assert {path: path.stat().st_mtime_ns for path in (office.shelf / "conda").rglob("*")} == times
    assert [event["event"] for event in office.events()].count("publish") == len(listed(office)) + 1


def test_upstreams_patches_stay(office: Office, channel: PublicChannel, capsys: pytest.CaptureFixture[str]) -> None:
    """What upstream corrected is not in the package: it outlives the company's own packages, and a lost index."""
    patched = {"depends": ["beta <2"], "constrains": ["gamma >3"], "a_key_of_tomorrow": {"x": [1]}}
    alpha = add(channel, "alpha", depends=("beta",), says=patched)
    add(channel, "beta")
    office.wants(conda=["alpha"])
    assert run(office, channel) == 0
    directory = office.shelf / "conda/conda-forge/noarch"
    own = CondaPackage("acme-hello")
    (directory / own.filename).write_bytes(own.build_it())
    os.utime(directory / own.filename, (1_600_000_000,) * 2)
    assert cli.main(["reindex"]) == 0
    for page in directory.glob("repodata*"):
        page.unlink()
    assert cli.main(["reindex"]) == 0, capsys.readouterr().err
    assert names(office) == {"alpha 1.0", "beta 1.0", "acme-hello 1.0"}
    assert listed(office)[alpha.path] == alpha.record()
    assert cli.main(["verify"]) == 0
    assert [event["file"] for event in office.events() if event.get("channel")].count("alpha-1.0-0.conda") == 1
    alpha.says = {**patched, "depends": ["beta <3"]}
    assert run(office, channel) == 0
    assert (listed(office)[alpha.path]["depends"], fetched(channel)) == (["beta <3"], [])
    assert names(office) == {"alpha 1.0", "beta 1.0", "acme-hello 1.0"}


def test_what_moves_and_why(office: Office, channel: PublicChannel) -> None:
    add(channel, "alpha", depends=("beta",))
    add(channel, "beta")
    add(channel, "pinned")
    office.wants(conda=["alpha", "pinned 1.0"])
    assert run(office, channel) == 0
    add(channel, "beta", "1.1")
    add(channel, "pinned", "2.0")
    assert run(office, channel) == 0
    line = "conda: conda-forge::alpha"
    assert office.report()["moved"]["moves"] == [
        {"line": line, "project": "beta", "before": ["1.0"], "after": ["1.1"], "why": "needed by alpha"}
    ]
    assert fetched(channel) == ["noarch/beta-1.1-0.conda"]


def test_python_is_part_of_it_or_not(office: Office, channel: PublicChannel) -> None:
    """A package for one of the company's Pythons is for that; one for none of them brings its own."""
    for version in ("3.8.1", "3.11.4", "3.12.4"):
        add(channel, "python", version, subdir="linux-64")
    add(channel, "new", depends=("python >=3.12,<3.13.0a0",))
    add(channel, "old", depends=("python >=3.8,<3.9.0a0",))
    add(channel, "tool", depends=("__glibc >=2.17",))
    office.wants(conda=["new", "old", "tool"], targets={"python": ["3.11", "3.12"], "platforms": ["linux-x86_64"]})
    assert run(office, channel) == 0
    closures = tomllib.loads((office.shelf / "reports/lock.toml").read_text())["closure"]
    assert [[(pin["project"], pin["version"], pin["targets"]) for pin in one["release"]] for one in closures] == [
        [("new", "1.0", ["3.12 linux-x86_64"]), ("python", "3.12.4", ["3.12 linux-x86_64"])],
        [("old", "1.0", ["linux-x86_64"]), ("python", "3.8.1", ["linux-x86_64"])],
        [("tool", "1.0", ["linux-x86_64"])],
    ]


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("nothing-of-this-name", "there is no package nothing-of-this-name in conda-forge."),
        ("alpha 7", "conda-forge has alpha, the newest 1.0, and none that fits."),
        ("young", "'conda: conda-forge::young' cannot be had for linux-x86_64:"),
        ("needy", "missing *, for which no candidates were found"),
        ("confused", "it needs acme-tools, which is one of the company's own names."),
        ("hashless", "noarch/hashless-1.0-0.conda has no SHA-256 upstream"),
        ("climbing", "'../noarch/climbing-1.0-0.conda' is no name of a package"),
    ],
)
def test_what_cannot_be_had(
    office: Office, channel: PublicChannel, capsys: pytest.CaptureFixture[str], spec: str, says: str
) -> None:
    """One sentence, before anything is fetched; other lines do not wait for it."""
    add(channel, "alpha")
    add(channel, "young", says={"timestamp": int(days_ago(1).timestamp() * 1000)})
    add(channel, "needy", depends=("missing",))
    add(channel, "confused", depends=("acme-tools",))
    add(channel, "acme-tools", "99.0")
    add(channel, "hashless", says={"sha256": None})
    add(channel, "climbing", says={"subdir": "../noarch"})
    office.wants(conda=[spec, "alpha 1.0"])
    assert run(office, channel) == 1
    assert says in capsys.readouterr().err
    assert (names(office), status(office, spec)) == ({"alpha 1.0"}, "unresolved")


def test_an_own_package_never_comes_from_outside(office: Office, channel: PublicChannel) -> None:
    """Also one whose name is not reserved, in whichever channel."""
    assert cli.main(["channel", "internal"]) == 0
    own = CondaPackage("homegrown")
    path = office.shelf / "conda/internal" / own.filename
    path.write_bytes(own.build_it())
    os.utime(path, (1_600_000_000,) * 2)
    assert cli.main(["reindex"]) == 0
    add(channel, "homegrown", "99.0")
    add(channel, "alpha", depends=("homegrown",))
    office.wants(conda=["alpha"])
    assert run(office, channel) == 1
    assert (names(office), fetched(channel)) == (set(), [])
    assert "homegrown, which is one of the company's own names" in office.last_run()["problems"][0]


def test_a_name_that_is_reserved_later(office: Office, channel: PublicChannel, configure: Callable[..., None]) -> None:
    """What was chosen before is no excuse."""
    beta = add(channel, "beta")
    add(channel, "alpha", depends=("beta",))
    beta.sends = b"damaged"
    office.wants(conda=["alpha"])
    assert run(office, channel) == 1
    beta.sends = None
    configure(reserved=["beta"])
    assert run(office, channel) == 1
    assert (names(office), fetched(channel)) == (set(), [])
    assert "needs beta, which is one of the company's own names" in office.last_run()["problems"][0]


def test_young_packages(office: Office, channel: PublicChannel) -> None:
    """An older one is chosen instead, unless an exception lets the young one through."""
    add(channel, "alpha")
    add(channel, "alpha", "2.0", says={"timestamp": int(days_ago(1).timestamp() * 1000)})
    office.wants(conda=["alpha"])
    assert run(office, channel) == 0
    assert names(office) == {"alpha 1.0"}
    office.wants(conda=["alpha"], exceptions=[{"package": "alpha==2.0", "advisory": "age", **GRANTED}])
    assert run(office, channel) == 0
    assert names(office) == {"alpha 1.0", "alpha 2.0"}
    assert listed(office)["noarch/alpha-2.0-0.conda"]["timestamp"] > 1_700_000_000_000, "upstream's own record"
    assert office.report()["releases"]["conda-forge::alpha==2.0"]["verdict"] == "warn"


@pytest.mark.parametrize(
    ("changes", "policy", "check"),
    [
        ({"says": {"license": "AGPL-3.0-only"}}, {"licences": ["MIT"]}, "licence"),
        ({"says": {"license": "see file"}}, {"licences": ["MIT"]}, "licence"),
        ({"says": {"version": "1.0", "build": "other"}}, {}, "archive"),
    ],
)
def test_what_keeps_a_closure_back(
    office: Office, channel: PublicChannel, changes: dict[str, Any], policy: dict[str, Any], check: str
) -> None:
    add(channel, "beta", **changes)
    add(channel, "alpha", depends=("beta",))
    office.wants(conda=["alpha"], **policy)
    assert run(office, channel) == 1
    assert (names(office), status(office, "alpha")) == (set(), "blocked")
    (finding,) = office.report()["releases"]["conda-forge::beta==1.0"]["findings"]
    assert (finding["check"], finding["verdict"]) == (check, "block")
    assert [event["file"] for event in office.events() if event["event"] == "quarantine"] == ["beta-1.0-0.conda"]
    assert run(office, channel) == 1
    assert fetched(channel) == []
    assert len(office.events()) == 1


def test_a_lookalike(office: Office, channel: PublicChannel) -> None:
    add(channel, "acme_tools_")
    office.wants(conda=["acme_tools_"])
    assert run(office, channel) == 1
    assert names(office) == set()


def test_removed_upstream(office: Office, channel: PublicChannel) -> None:
    """What is on the shelf may stay, as the policy says; it is told."""
    alpha = add(channel, "alpha")
    add(channel, "beta")
    office.wants(conda=["alpha", "beta"])
    assert run(office, channel) == 0
    alpha.listed = False
    assert run(office, channel) == 1, "the list still asks for it"
    assert names(office) == {"alpha 1.0", "beta 1.0"}
    findings = office.report()["releases"]["conda-forge::alpha==1.0"]["findings"]
    assert [(one["check"], one["verdict"]) for one in findings] == [("removed", "warn")]


def test_the_python_in_it(office: Office, channel: PublicChannel, tmp_path: Path) -> None:
    """Is looked up: before it is let in, and again in each run; what is vulnerable is in no index, and comes back."""
    advisory(tmp_path / "osv", "something", "1")
    vulnerable = add(channel, "pillow-simd", "9.0", python=(("Pillow", "9.0"), ("leaf", "1.0")))
    add(channel, "alpha", depends=("pillow-simd",))
    add(channel, "strange", python=(("not a name!", "x.y"),))
    policy: dict[str, Any] = {"verdicts": {"vulnerability": "block"}, "advisories": str(tmp_path / "osv")}
    office.wants(conda=["alpha", "strange"], **policy)
    assert run(office, channel) == 1
    assert names(office) == {"alpha 1.0", "pillow-simd 9.0"}
    (finding,) = office.report()["releases"]["conda-forge::strange==1.0"]["findings"]
    assert "in it is no release that could be looked up" in finding["evidence"]
    office.wants(conda=["alpha"], **policy)
    advisory(tmp_path / "osv", "pillow", "9.1")
    assert run(office, channel) == 1
    assert names(office) == {"alpha 1.0"}
    assert served.content(office.shelf, f"conda/conda-forge/{vulnerable.path}")
    release = office.report()["releases"]["conda-forge::pillow-simd==9.0"]
    assert release["yanked"]
    assert release["findings"][0]["evidence"].startswith("pillow 9.0 in it: PYSEC-2026-pillow: bad.")
    assert [event["event"] for event in office.events()][-1] == "yank"
    assert cli.main(["reindex"]) == 0
    assert cli.main(["verify"]) == 0
    assert names(office) == {"alpha 1.0"}
    granted = [{"package": "pillow-simd", "advisory": "PYSEC-2026-pillow", **GRANTED}]
    office.wants(conda=["alpha"], **policy, exceptions=granted)
    assert run(office, channel) == 0
    assert names(office) == {"alpha 1.0", "pillow-simd 9.0"}
    (tmp_path / "osv/pillow.json").write_text("{")
    office.wants(conda=["alpha"], **policy)
    assert run(office, channel) == 1
    assert "could not be looked up" in office.last_run()["problems"][0]


def test_a_report_without_withdrawing(office: Office, channel: PublicChannel, tmp_path: Path) -> None:
    add(channel, "alpha", python=(("alpha", "1.0"),))
    office.wants(conda=["alpha"])
    assert run(office, channel) == 0
    advisory(tmp_path / "osv", "alpha", "2")
    policy: dict[str, Any] = {"verdicts": {"vulnerability": "block"}, "advisories": str(tmp_path / "osv")}
    office.wants(conda=["alpha"], **policy, on_shelf="report")
    assert run(office, channel) == 1
    assert names(office) == {"alpha 1.0"}
    assert "take it off the list, or grant an exception" in office.last_run()["problems"][0]


def test_the_bill_of_materials(office: Office, channel: PublicChannel) -> None:
    alpha = add(channel, "alpha", depends=("beta",))
    add(channel, "beta")
    office.wants(conda=["alpha"])
    assert run(office, channel) == 0
    bom = json.loads((office.shelf / "reports/intake.cdx.json").read_text())
    found = {one["name"]: one for one in bom["components"]}
    assert found["alpha"]["purl"] == "pkg:conda/alpha@1.0?channel=conda-forge"
    assert found["alpha"]["externalReferences"][0]["url"].endswith(f"/conda/conda-forge/{alpha.path}")
    assert {"ref": "conda-forge::alpha==1.0", "dependsOn": ["conda-forge::beta==1.0"]} in bom["dependencies"]
    assert "conda: conda-forge::alpha" in (office.shelf / "reports/index.html").read_text()


@pytest.mark.parametrize("count", [100, pytest.param(1000, marks=pytest.mark.long)])
def test_many_packages(office: Office, channel: PublicChannel, capsys: pytest.CaptureFixture[str], count: int) -> None:
    """Each is fetched, checked and indexed once; the next run does none of it."""
    for number in range(count):
        needs = tuple(f"package{other}" for other in range(max(number - 2, 0), number))
        add(channel, f"package{number}", depends=needs)
    office.wants(conda=[f"package{count - 1}"])
    start = time.monotonic()
    assert run(office, channel) == 0
    assert len(fetched(channel)) == len(listed(office)) == count
    between = time.monotonic()
    assert run(office, channel) == 0
    assert fetched(channel) == []
    with capsys.disabled():
        print(f"{count} packages: {between - start:.1f} s, the run without news: {time.monotonic() - between:.1f} s")


def test_py_rattler_is_loaded_for_intake_alone() -> None:
    """It takes memory that the server has no use for."""
    code = "import sys, wheelhouse.web.app, wheelhouse.cli; sys.exit('rattler' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": os.pathsep.join(sys.path)}, check=True)


def test_the_process_ends_at_once(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """py-rattler may crash when the interpreter ends, and a run that went well would count as failed."""
    ended: list[int] = []
    monkeypatch.setattr(os, "_exit", ended.append)
    monkeypatch.setattr(sys, "argv", ["wheelhouse", "intake", "--sets"])
    monkeypatch.setattr(cli, "main", lambda: 7)
    with pytest.raises(SystemExit):
        cli.run()
    assert ended == [7]


def test_scripts_are_told(office: Office, channel: PublicChannel) -> None:
    """What runs by itself, and that it is new where the channel has another release without."""
    activation = {"files": (("etc/conda/activate.d/alpha.sh", b"echo hello"),)}
    add(channel, "alpha")
    add(channel, "always", **activation)
    office.wants(conda=["alpha 1.0", "always 1.0"])
    assert run(office, channel) == 0
    told = "'etc/conda/activate.d/alpha.sh' runs code whenever somebody activates its environment."
    (finding,) = office.report()["releases"]["conda-forge::always==1.0"]["findings"]
    assert (finding["check"], finding["verdict"], finding["evidence"]) == ("scripts", "warn", told)
    assert "new" not in finding

    add(channel, "alpha", "2.0", **activation)
    office.wants(conda=["alpha 2.0"], verdicts={"vulnerability": "off", "scripts": "block"})
    assert run(office, channel) == 1
    assert "alpha 2.0" not in names(office)
    office.wants(conda=["alpha 2.0"])
    assert run(office, channel) == 0
    (finding,) = office.report()["releases"]["conda-forge::alpha==2.0"]["findings"]
    assert (finding["check"], finding["verdict"], finding["new"]) == ("scripts", "warn", True)
    assert finding["evidence"].startswith(f"New: {told}")


def test_a_package_that_leads_out_is_kept_back(office: Office, channel: PublicChannel) -> None:
    """Whatever the policy says."""
    add(channel, "alpha", files=(("../../home/ada/.bashrc", b"x"),))
    granted = {"package": "alpha", "advisory": "archive", **GRANTED}
    office.wants(conda=["alpha"], verdicts={"vulnerability": "off", "record": "off"}, exceptions=[granted])
    assert run(office, channel) != 0
    assert listed(office) == {}
    office.wants(conda=["alpha"])
    assert run(office, channel) == 1
    (finding,) = office.report()["releases"]["conda-forge::alpha==1.0"]["findings"]
    assert (finding["check"], finding["verdict"]) == ("archive", "block")
    assert "would be unpacked outside its place" in finding["evidence"]
