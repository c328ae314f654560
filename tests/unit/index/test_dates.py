"""Times on the pages: upstream's for what comes from outside, that of its publication for what is the company's own."""

import json
import os
import shutil
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from wheelhouse import cli
from wheelhouse.store import foreign

from . import seaweed, served
from .conda_samples import CondaPackage
from .intake import Office
from .journal import journal
from .public import days_ago
from .public_channel import PublicChannel, PublicPackage
from .samples import Client, Wheel, sdist

ALPHA = "alpha-1.0-py3-none-any.whl"


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foreign, "QUIET", 0.0)


def times(root: Path, project: str = "alpha") -> dict[str, str]:
    page = json.loads((root / "simple" / project / "index.json").read_text())
    return {file["filename"]: file["upload-time"] for file in page["files"]}


def shown(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def test_what_comes_from_outside_has_upstreams(office: Office) -> None:
    at = days_ago(40)
    office.publish("alpha", uploaded=at)
    office.wants("alpha")
    assert office.run() == 0
    assert times(office.shelf) == {ALPHA: shown(at)}
    (event,) = [event for event in office.events() if event["event"] == "publish"]
    assert event["uploaded"] == at.isoformat(timespec="microseconds").replace("+00:00", "Z")
    assert datetime.fromisoformat(event["time"]) > days_ago(1), "and when it was let in is known all the same"
    assert served.content(office.shelf, f"packages/alpha/{ALPHA}")
    assert int((office.shelf / "packages/alpha" / ALPHA).stat().st_mtime) == int(at.timestamp())
    before = office.content()
    assert cli.main(["reindex"]) == 0
    assert cli.main(["verify"]) == 0
    after = office.content()
    assert {name for name in before | after if before.get(name) != after.get(name)} <= {
        "rows of events",
        "rows of meta",
    }


@seaweed.ON_A_DISK
def test_what_was_let_in_before_gets_it_at_the_next_run(office: Office) -> None:
    at = days_ago(40)
    office.publish("alpha", uploaded=at)
    office.wants("alpha")
    assert office.run() == 0
    older = journal(office.shelf)
    for event in older:
        event.pop("uploaded", None)
    # a shelf of the older form, which is taken over
    (office.shelf / "journal.jsonl").write_text("".join(json.dumps(event) + "\n" for event in older))
    shutil.rmtree(office.shelf / "state")
    shutil.rmtree(office.shelf / "blobs")
    assert cli.main(["reindex"]) == 0
    assert times(office.shelf)[ALPHA] > shown(days_ago(1)), "as it was"
    assert office.run() == 0
    assert times(office.shelf) == {ALPHA: shown(at)}
    (event,) = [event for event in office.events() if event["event"] == "date"]
    assert (event["who"], event["file"]) == ("intake", ALPHA)
    assert office.run() == 0
    assert len([event for event in office.events() if event["event"] == "date"]) == 1, "once"
    for page in (office.shelf / "simple").glob("*/*"):
        page.unlink()
    assert cli.main(["reindex"]) == 0
    assert times(office.shelf) == {ALPHA: shown(at)}
    assert cli.main(["verify"]) == 0


def test_where_upstream_says_nothing_it_is_when_it_came(office: Office) -> None:
    office.publish("alpha", uploaded=None)
    office.wants("alpha", minimum_age=0)
    assert office.run() == 0
    assert times(office.shelf)[ALPHA] > shown(days_ago(1))


def test_a_set_that_is_put_back_goes_by_when_files_were_let_in(office: Office) -> None:
    office.publish("alpha", uploaded=days_ago(40))
    office.wants("alpha")
    assert office.run() == 0
    (first,) = [row["name"] for row in office.rows()["intake_sets"]]
    time.sleep(max(0.0, datetime.strptime(first, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp() - time.time() + 1.1))
    office.publish("alpha", "1.1", uploaded=days_ago(39))
    assert office.run() == 0
    office.run("--rollback", first)
    assert office.yanked() == {"alpha-1.1-py3-none-any.whl"}


def test_a_conda_package_has_its_records(office: Office, channel: PublicChannel) -> None:
    package = CondaPackage("hello")
    channel.packages = [PublicPackage(package, package.build_it())]
    office.wants(conda=["hello"])
    assert office.run() == 0
    page = json.loads((office.shelf / "conda/conda-forge/noarch/repodata.json").read_text())
    assert page["packages.conda"][package.filename]["timestamp"] == 1_600_000_000_000
    (event,) = [event for event in office.events() if event["event"] == "publish"]
    assert event["uploaded"] == "2020-09-13T12:26:40.000000Z"


def test_the_companys_own_have_that_of_their_publication(client: Client, root: Path) -> None:
    wheel = Wheel()
    assert client.upload(wheel.filename, wheel.build()).status == 200
    dropped = root / "drop/acme_tools-1.0.tar.gz"
    dropped.write_bytes(sdist())
    os.utime(dropped, (1_600_000_000,) * 2)
    assert cli.main(["reindex"]) == 0
    assert set(times(root, "acme-tools")) == {wheel.filename, dropped.name}
    assert all(at > shown(days_ago(1)) for at in times(root, "acme-tools").values())


def test_a_project_of_the_companys_own_is_never_dated_by_upstream(
    office: Office, client: Client, configure: Callable[..., None]
) -> None:
    configure(publishes={"ada": ["acme-*", "alpha"]})
    content = office.publish("alpha", uploaded=days_ago(40)).content
    assert client.upload(ALPHA, content).status == 200
    office.publish("beta")
    office.wants("beta")
    assert office.run() == 0
    assert times(office.shelf)[ALPHA] > shown(days_ago(1))
