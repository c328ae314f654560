"""Runs of `wheelhouse intake` against a public index on this machine, with the real uv."""

import json
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import delete
from wheelhouse import cli
from wheelhouse.index import tables
from wheelhouse.index.transaction import Index

from .intake import Office
from .public import CompanyProxy, PublicFile, days_ago, stopping
from .samples import Client, Wheel, metadata, sdist

ALPHA, BETA = "alpha-1.0-py3-none-any.whl", "beta-1.0-py3-none-any.whl"


def test_a_line_brings_in_what_it_needs(office: Office, capsys: pytest.CaptureFixture[str]) -> None:
    office.publish("alpha", needs=["beta>=1"])
    office.publish("beta")
    office.publish("beta", "2.0", uploaded=days_ago(1))
    office.publish("gamma")
    office.wants("alpha")
    assert office.run() == 0
    assert office.shelved() == {ALPHA, BETA}, "and beta 2.0 is too young"
    assert "1 lines, 2 releases: 2 files fetched, 2 published, 0 yanked." in capsys.readouterr().out
    assert [event["file"] for event in office.events()] == [BETA, ALPHA], "what is needed comes first"
    (closure,) = tomllib.loads((office.shelf / "reports/lock.toml").read_text())["closure"]
    assert [(pin["project"], pin["version"], pin["needed_by"]) for pin in closure["release"]] == [
        ("alpha", "1.0", []),
        ("beta", "1.0", ["alpha"]),
    ]
    report = office.report()
    assert report["lines"][0]["releases"] == {"alpha==1.0": "asked for", "beta==1.0": "needed by alpha"}
    assert report["releases"]["beta==1.0"]["licence"] == "MIT"
    assert office.last_run()["outcome"] == "done"


def test_a_run_without_news(office: Office) -> None:
    """Changes no byte, and asks for no file; not even for those that are kept back."""
    office.publish("alpha", needs=["beta>=1"])
    office.publish("beta")
    office.publish("tainted", says={"yanked": "it eats files"})
    office.wants("alpha", "tainted==1.0")
    assert office.run() == 1
    before = office.content()
    assert sorted(name.rpartition("/")[2] for name in before if name.startswith("quarantine/")) == [
        "tainted-1.0-py3-none-any.whl"
    ]
    assert office.run() == 1
    assert (office.fetched(), office.content()) == ([], before)
    assert [event["event"] for event in office.events()] == ["publish", "publish", "quarantine"]


def test_what_moves_and_why(office: Office) -> None:
    office.publish("alpha", needs=["beta>=1"])
    office.publish("beta")
    office.publish("pinned")
    office.wants("alpha", "pinned==1.0")
    assert office.run() == 0
    office.publish("beta", "1.1")
    office.publish("pinned", "2.0")
    assert office.run() == 0
    assert office.report()["moved"]["moves"] == [
        {"line": "pypi: alpha", "project": "beta", "before": ["1.0"], "after": ["1.1"], "why": "needed by alpha"}
    ]
    assert office.shelved() == {ALPHA, BETA, "beta-1.1-py3-none-any.whl", "pinned-1.0-py3-none-any.whl"}


def test_what_moved_by_the_report_of_an_older_program(office: Office, index: Index) -> None:
    """It was the only place that knew what people had been offered."""
    office.publish("alpha", needs=["beta>=1"])
    office.publish("beta")
    office.wants("alpha")
    assert office.run() == 0
    with index.database.change("intake") as connection:
        connection.execute(delete(tables.meta).where(tables.meta.c.key == "intake offered"))
    first = office.report()["moved"]
    assert office.run() == 0
    assert office.report()["moved"] == first, "nothing moved"
    with index.database.change("intake") as connection:
        connection.execute(delete(tables.meta).where(tables.meta.c.key == "intake offered"))
    office.publish("beta", "1.1")
    assert office.run() == 0
    assert office.report()["moved"]["moves"] == [
        {"line": "pypi: alpha", "project": "beta", "before": ["1.0"], "after": ["1.1"], "why": "needed by alpha"}
    ]


def test_files_for_the_targets_alone(office: Office) -> None:
    tags = ["cp311-cp311-manylinux_2_17_x86_64", "cp311-cp311-win_amd64", "cp311-cp311-macosx_11_0_arm64"]
    tags += [
        "cp312-cp312-manylinux_2_17_x86_64",
        "cp311-cp311-manylinux_2_34_x86_64",
        "cp311-cp311-musllinux_1_2_x86_64",
    ]
    content = office.publish("alpha").content
    office.public.projects["alpha"] = [PublicFile(f"alpha-1.0-{tag}.whl", content) for tag in tags]
    office.wants("alpha", targets={"python": ["3.11"], "platforms": ["linux-x86_64", "windows-x86_64"]})
    assert office.run() == 0
    assert office.shelved() == {f"alpha-1.0-{tags[0]}.whl", f"alpha-1.0-{tags[1]}.whl"}


def test_internal_projects_come_from_the_shelf(
    office: Office, client: Client, configure: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    """Dependency confusion: a higher version of the same name upstream, reserved or only published here."""
    configure(publishes={"ada": ["*"]})
    for name in ("acme_tools", "homegrown"):
        ours = Wheel(name, "1.0")
        assert client.upload(ours.filename, ours.build()).status == 200
        office.publish(name.replace("_", "-"), "99.0")
    office.publish("alpha", needs=["acme-tools", "homegrown"])
    office.publish("beta", needs=["acme-secret"])
    office.publish("acme-secret")
    office.wants("alpha", "beta")
    assert office.run() == 1
    assert office.shelved() == {ALPHA, "acme_tools-1.0-py3-none-any.whl", "homegrown-1.0-py3-none-any.whl"}
    assert (
        "acme-secret is one of the company's own names, and nothing of it is on the shelf." in capsys.readouterr().err
    )
    assert not [path for path in office.public.asked if "acme" in path or "homegrown" in path]


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("nothing-of-this-name", "There is no project nothing-of-this-name upstream."),
        ("alpha==7", "there is no version of alpha==7"),
        ("young", "young-1.0-py3-none-any.whl from "),
        ("source", "source-1.0.tar.gz is a source distribution, which runs its author's code when installed."),
    ],
)
def test_what_cannot_be_had(office: Office, capsys: pytest.CaptureFixture[str], spec: str, says: str) -> None:
    """One sentence, before anything is fetched; other lines do not wait for it."""
    office.publish("alpha")
    office.publish("young", uploaded=days_ago(1))
    office.public.projects["source"] = [PublicFile("source-1.0.tar.gz", sdist("source"))]
    office.wants(spec, "alpha==1.0")
    assert office.run() == 1
    told = capsys.readouterr().err
    assert f"'pypi: {spec}' cannot be had for 3.11 linux-x86_64:" in told
    assert says in told
    assert office.shelved() == {ALPHA}
    assert office.status(spec) == "unresolved"


def test_a_source_distribution_is_never_run(office: Office, tmp_path: Path) -> None:
    """Its needs are read where it states them, and a release that hides them is not let in."""
    touch = f"import pathlib; pathlib.Path({str(tmp_path / 'it ran')!r}).touch()\n".encode()
    for name, requires in (("source", {"source.egg-info/requires.txt": b"beta>=1\n"}), ("sphinx", {})):
        top = f"{name}-1.0"
        members = {"PKG-INFO": metadata(name), "setup.py": touch, **requires}
        members |= {"source.egg-info/PKG-INFO": b""} if requires else {}
        content = sdist(name, members={f"{top}/{path}": body for path, body in members.items()})
        office.public.projects[name] = [PublicFile(f"{top}.tar.gz", content)]
    office.publish("beta")
    granted = [
        {"package": name, "advisory": "sdist", "reason": "no wheel", "until": "2999-12-31"}
        for name in ("source", "sphinx")
    ]
    office.wants("source", "sphinx", exceptions=granted)
    assert office.run() == 1
    assert office.shelved() == {"source-1.0.tar.gz", BETA}
    assert "sphinx-1.0.tar.gz does not say what it needs without being run" in office.last_run()["problems"][0]
    assert not (tmp_path / "it ran").exists()
    assert office.report()["releases"]["source==1.0"]["verdict"] == "warn"


def test_a_file_that_is_not_what_was_promised(office: Office) -> None:
    """Nothing of its line is published, and the next run asks again."""
    office.publish("alpha", needs=["beta"])
    good = office.publish("beta")
    good.sends = good.content[:-1] + b"x"
    office.wants("alpha")
    assert office.run() == 1
    assert (office.shelved(), office.status("alpha")) == (set(), "blocked")
    (finding,) = office.report()["releases"]["beta==1.0"]["findings"]
    assert finding["evidence"] == f"The bytes of {BETA} do not have the SHA-256 that upstream's index promises."
    good.sends = None
    assert office.run() == 0
    assert (office.shelved(), office.fetched()) == ({ALPHA, BETA}, [BETA])


def test_a_cut_is_continued(office: Office) -> None:
    """In the same run where some of it comes each time; else in the next, from where it stopped."""
    alpha = office.publish("alpha", continues=True, after=100, stops=True)
    alpha.go_on.set()
    office.wants("alpha")
    assert office.run() == 0
    assert office.shelved() == {ALPHA}
    assert len(office.fetched()) == -(-len(alpha.content) // 100) + 1, "each time 100 bytes, and the metadata"


def test_upstream_stops_in_the_middle(office: Office) -> None:
    """What there is stays, and the next run fetches the rest alone."""
    office.publish("alpha", needs=["beta"])
    beta = office.publish("beta", continues=True, after=0, stops=True)
    beta.go_on.set()
    office.wants("alpha")
    assert office.run() == 1
    assert (office.shelved(), office.status("alpha")) == (set(), "waiting")
    assert f"waits for {BETA}, which did not come" in office.last_run()["problems"][0]
    beta.stops = False
    beta.after = None
    assert office.run() == 0
    assert (office.fetched(), office.shelved()) == ([BETA], {ALPHA, BETA})


def test_upstream_is_down(office: Office) -> None:
    office.publish("alpha")
    office.wants("alpha")
    assert office.run() == 0
    before = office.content()
    office.public.stop()
    assert office.run() == 1
    after = office.content()
    assert {name: after[name] for name in before if "reports/" not in name} == {
        name: content for name, content in before.items() if "reports/" not in name
    }
    assert "upstream fails" in office.last_run()["problems"][0]


def test_one_run_at_a_time(office: Office, index: Index, capsys: pytest.CaptureFixture[str]) -> None:
    office.wants("alpha")
    with index.database.alone("intake"):
        assert office.run() == 1
    assert "Another run of intake is under way" in capsys.readouterr().err
    assert office.public.asked == []


def test_through_the_proxy(office: Office, capfd: pytest.CaptureFixture[str]) -> None:
    """All of it, uv's questions among them; and the password is nowhere."""
    office.publish("alpha", needs=["beta"])
    office.publish("beta")
    with stopping(CompanyProxy("EMEA\\ada", "s3n:tinel@")) as proxy:
        url = f"http://EMEA%5Cada:s3n%3Atinel%40@127.0.0.1:{proxy.port}"
        (office.directory / "proxy.env").write_text(f"HTTP_PROXY='{url}'\n")
        office.wants("alpha")
        assert office.run() == 0
        assert len(proxy.forwarded) >= len(office.public.asked) > 0
        proxy.password = "changed"
        office.wants("alpha", "beta==1.0")
        assert office.run() == 1
    told = capfd.readouterr()
    assert "upstream fails: it answers 407" in told.err
    everything = told.err + told.out + "".join(repr(content) for content in office.content().values())
    assert "s3n" not in everything


def test_a_bad_list_starts_nothing(office: Office, capsys: pytest.CaptureFixture[str]) -> None:
    office.wants("alpha==", "acme-tools", targets={"python": ["3.11"], "platforms": ["beos"]})
    assert office.run() == 1
    assert len(capsys.readouterr().err.splitlines()) == 3
    assert (office.public.asked, office.last_run()["outcome"]) == ([], "failed")
    assert len(office.last_run()["problems"]) == 3


def test_lines_that_share_a_project(office: Office) -> None:
    """What one line brings in is there for the other, and a line that is kept back keeps nothing of the other's."""
    office.publish("alpha", needs=["beta"])
    office.publish("beta")
    office.publish("tainted", needs=["beta", "extra-thing"], says={"yanked": True})
    office.publish("extra-thing".replace("-", "_"))
    office.public.projects["extra-thing"] = office.public.projects.pop("extra_thing")
    office.wants("alpha", "tainted==1.0", "beta<2")
    assert office.run() == 1
    assert office.shelved() == {ALPHA, BETA}
    assert [office.status(line) for line in ("alpha", "tainted==1.0", "beta<2")] == [
        "on the shelf",
        "blocked",
        "on the shelf",
    ]


def test_what_is_told_is_text(office: Office) -> None:
    """On the page, what a stranger wrote is no markup."""
    office.publish("alpha", says={"yanked": "<script>alert(1)</script>"})
    office.wants("alpha==1.0")
    assert office.run() == 1
    page = (office.shelf / "reports/index.html").read_text()
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page
    bom = json.loads((office.shelf / "reports/intake.cdx.json").read_text())
    assert (bom["bomFormat"], "components" in bom) == ("CycloneDX", False), "it is not on the shelf"


def test_uv_reads_what_is_here(office: Office) -> None:
    """Upstream without metadata of its own makes uv read whole files: once each, and none that is on the shelf."""
    for name, needs in (("alpha", ["beta"]), ("beta", [])):
        office.publish(name, needs=needs).says = {"core-metadata": False}
    office.wants("alpha", "alpha>0", "alpha<2", "beta")
    assert office.run() == 0
    assert sorted(office.fetched()) == [ALPHA, BETA]
    office.publish("gamma", needs=["alpha"])
    office.wants("alpha", "gamma")
    assert office.run() == 0
    assert {name.removesuffix(".metadata") for name in office.fetched()} == {"gamma-1.0-py3-none-any.whl"}


def test_a_file_that_uv_needs_and_that_is_too_big(office: Office, configure: Callable[..., None]) -> None:
    configure(max_file_size=100)
    alpha = office.publish("alpha")
    alpha.says = {"core-metadata": False}
    office.wants("alpha")
    assert office.run() == 1
    (problem,) = office.last_run()["problems"]
    assert f"{ALPHA} has {len(alpha.content)} bytes, more than the 100 that the index takes." in problem


def test_the_report_on_a_terminal(office: Office, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["report"]) == 1
    assert "No run of intake has come to its end yet." in capsys.readouterr().err
    office.publish("alpha", needs=["beta"])
    office.publish("beta")
    office.publish("tainted", says={"yanked": "it eats files"})
    office.wants("alpha")
    office.run()
    assert cli.main(["report"]) == 0
    assert "pypi: alpha: on the shelf" in capsys.readouterr().out.splitlines()
    office.wants("alpha", "tainted==1.0")
    office.run()
    capsys.readouterr()
    assert cli.main(["report"]) == 1
    said = capsys.readouterr().out
    assert "something is kept back." in said.splitlines()[0]
    assert [line.split() for line in said.splitlines() if line.startswith("  beta")] == [
        ["beta==1.0", "MIT", "needed", "by", "alpha"]
    ]
    assert "    blocked: " in said and "it eats files" in said
    assert cli.main(["report", "--json"]) == 1
    assert json.loads(capsys.readouterr().out) == {"last_run": office.last_run(), **office.report()}


def test_a_report_after_a_list_that_could_not_be_read(office: Office, capsys: pytest.CaptureFixture[str]) -> None:
    office.wants("not a name!")
    assert office.run() == 1
    capsys.readouterr()
    assert cli.main(["report"]) == 1
    assert "failed." in capsys.readouterr().out.splitlines()[0]
