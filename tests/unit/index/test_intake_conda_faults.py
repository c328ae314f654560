"""Runs of `wheelhouse intake` while the channel upstream, the disk or the network fails: nothing partial is offered."""

from pathlib import Path

import pytest
from wheelhouse import cli
from wheelhouse.index import conda_changes
from wheelhouse.store.downloads import Received

from . import seaweed, served
from .intake import Office
from .intake_conda import add, fetched, listed, names, run, status
from .public import CompanyProxy, certificates, stopping
from .public_channel import PublicChannel

pytestmark = pytest.mark.usefixtures("no_waiting")


def test_bytes_that_do_not_match(office: Office, channel: PublicChannel) -> None:
    add(channel, "alpha", depends=("beta",))
    beta = add(channel, "beta")
    beta.sends = beta.content[:-1] + b"x"
    office.wants(conda=["alpha"])
    assert run(office, channel) == 1
    assert (names(office), status(office, "alpha")) == (set(), "blocked")
    beta.sends = None
    assert run(office, channel) == 0
    assert fetched(channel) == [beta.path]
    assert names(office) == {"alpha 1.0", "beta 1.0"}


def test_upstream_stops_in_the_middle(office: Office, channel: PublicChannel) -> None:
    """What came stays, and the next run asks for the rest."""
    add(channel, "alpha", depends=("beta",))
    beta = add(channel, "beta", text="0123456789" * 500)
    beta.stops_after = 0
    office.wants(conda=["alpha"])
    assert run(office, channel) == 1
    assert (names(office), status(office, "alpha")) == (set(), "waiting")
    beta.stops_after = 100
    assert run(office, channel) == 0
    assert set(fetched(channel)) == {beta.path}
    assert names(office) == {"alpha 1.0", "beta 1.0"}


def test_upstream_is_down(office: Office, channel: PublicChannel) -> None:
    add(channel, "alpha")
    office.publish("gamma")
    office.wants("gamma", conda=["alpha"])
    assert run(office, channel) == 0
    before = office.content()
    channel.stop()
    assert run(office, channel) == 1
    after = office.content()
    assert {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)} == {
        "reports/index.html",
        "reports/intake.json",
    }
    (problem,) = office.last_run()["problems"]
    assert problem.startswith("'conda: conda-forge::alpha' cannot be resolved: the channel conda-forge upstream fails:")


@pytest.mark.parametrize("broken", [b"", b"{", b"\x28\xb5\x2f\xfd", b"PK"])
@pytest.mark.parametrize("form", ["repodata.json.zst", "repodata.json"])
def test_an_index_that_cannot_be_read(office: Office, channel: PublicChannel, form: str, broken: bytes) -> None:
    add(channel, "alpha")
    channel.has_zst = form.endswith(".zst")
    office.wants(conda=["alpha"])
    channel.broken = {f"noarch/{form}": broken}
    assert run(office, channel) == 1
    assert "the channel conda-forge upstream fails" in office.last_run()["problems"][0]
    channel.broken = {}
    assert run(office, channel) == 0
    assert names(office) == {"alpha 1.0"}


def test_an_address_without_a_channel(office: Office, channel: PublicChannel) -> None:
    office.channels = {"conda-forge": channel.url.replace("conda-forge", "elsewhere")}
    office.wants(conda=["alpha"])
    assert run(office, channel) == 1
    assert "there is no channel at its address" in office.last_run()["problems"][0]


def test_the_disk_is_full(office: Office, channel: PublicChannel, monkeypatch: pytest.MonkeyPatch) -> None:
    add(channel, "alpha", depends=("beta",))
    add(channel, "beta")
    office.wants(conda=["alpha"])

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "/shelf")

    with monkeypatch.context() as patched:
        patched.setattr(Received, "write", full)
        assert run(office, channel) == 1
    assert office.last_run()["problems"] == [
        "/shelf: No space left on device; the next run goes on where this one stopped."
    ]
    assert names(office) == set()
    assert run(office, channel) == 0
    assert names(office) == {"alpha 1.0", "beta 1.0"}


def test_bytes_in_the_store_are_not_published(
    office: Office, channel: PublicChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until rows name all of them: `reindex`, in the middle of it, takes none for a package that was copied in."""
    add(channel, "alpha", depends=("beta",))
    add(channel, "beta")
    office.wants(conda=["alpha"])

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "/shelf")

    with monkeypatch.context() as patched:
        patched.setattr(conda_changes, "_published", full)
        assert run(office, channel) == 1
    assert cli.main(["reindex"]) == 0
    assert (listed(office), office.events()) == ({}, [])
    assert run(office, channel) == 0
    assert (names(office), fetched(channel)) == ({"alpha 1.0", "beta 1.0"}, [])
    assert [event["event"] for event in office.events()] == ["publish", "publish"]


@seaweed.ON_A_DISK
def test_a_file_that_was_replaced_or_taken_away(office: Office, channel: PublicChannel) -> None:
    """One that was taken away is put back; one that was written over is listed no more, and fetched again."""
    alpha, beta = add(channel, "alpha"), add(channel, "beta")
    office.wants(conda=["alpha", "beta"])
    assert run(office, channel) == 0
    (office.shelf / "conda/conda-forge" / alpha.path).unlink()
    (office.shelf / "conda/conda-forge" / beta.path).write_bytes(b"something else")
    assert cli.main(["reindex"]) == 1
    assert names(office) == {"alpha 1.0"}
    assert run(office, channel) == 0
    assert (names(office), fetched(channel)) == ({"alpha 1.0", "beta 1.0"}, [beta.path])
    assert served.disagreements(office.shelf) == []


def test_through_the_proxy_with_the_companys_ca(
    office: Office, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    ca, server = certificates(tmp_path)
    (office.directory / "ca.pem").write_bytes(ca.read_bytes())
    with stopping(CompanyProxy("EMEA\\ada", "s3n:tinel@")) as proxy, stopping(PublicChannel(server)) as channel:
        url = f"http://EMEA%5Cada:s3n%3Atinel%40@127.0.0.1:{proxy.port}"
        (office.directory / "proxy.env").write_text(f"HTTPS_PROXY='{url}'\n")
        add(channel, "alpha")
        office.channels = {"conda-forge": channel.url}
        office.wants(conda=["alpha"])
        assert run(office, channel) == 0
        assert proxy.forwarded
        assert set(proxy.forwarded) == {f"127.0.0.1:{channel.port}"}
    told = capfd.readouterr()
    everything = told.err + told.out + "".join(repr(content) for content in office.content().values())
    assert "s3n" not in everything
