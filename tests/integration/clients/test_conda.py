"""The real conda and py-rattler, in the hands of ada and leo: the company's channel, somebody else's through the proxy,
and a list of channels that is locked. Nothing about channels, proxies or certificates is on a command line.
"""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from company import INVENTORY, ROOT, STATE
from index.conda_samples import CondaPackage
from testinfra.host import Host

DROP = "/srv/wheelhouse/shelf/drop/conda/internal"
INTERNAL = "https://packages.acme.example/conda/internal"
# only the proxy's host knows the way there (demo/outside.service)
OUTSIDE = "http://conda.example.net"
PUBLIC = f"{OUTSIDE}/public"
MINE = f"channels: [{PUBLIC}, {OUTSIDE}/other]\nchannel_priority: flexible\n"

REMOVE = "rm -rf /opt/wheelhouse/conda /opt/wheelhouse/.conda.* /usr/local/bin/conda /etc/profile.d/wheelhouse-conda.sh"

Play = Callable[..., subprocess.CompletedProcess]


def put(host: Host, path: str, content: bytes) -> None:
    """Write a file as root."""
    host.check_output(
        "mkdir -p $(dirname %s) && echo %s | base64 -d >%s", path, base64.b64encode(content).decode(), path
    )


@pytest.fixture(scope="module")
def version() -> str:
    """A version that no run before has published."""
    return f"1.{int(time.time())}"


@pytest.fixture(scope="module")
def published(index: Host, version: str) -> dict[str, str]:
    """{name: version} of internal packages of both forms, copied in by root."""
    hello = CondaPackage("acme-hello", version, depends=("acme-base",), text=f"{version}\n")
    base = CondaPackage("acme-base", version, suffix=".tar.bz2")
    for package in (hello, base):
        put(index, f"{DROP}/{package.filename}", package.build_it())
    index.check_output("systemctl start wheelhouse-incoming.service")  # as its timer does twice a minute
    return {package.name: package.version for package in (hello, base)}


@pytest.fixture(scope="module")
def outside(proxy: Host, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Two channels of other people, with a package of the company's name in a version higher than any, by rattler's index."""
    place = tmp_path_factory.mktemp("outside")
    for channel in ("public", "other"):
        (place / channel / "noarch").mkdir(parents=True)
        for package in (
            CondaPackage("acme-hello", "99999999999.0", text="not the company's\n"),
            CondaPackage(f"{channel}-thing"),
        ):
            (place / channel / "noarch" / package.filename).write_bytes(package.build_it())
        # rattler may crash while the interpreter ends
        code = f"import asyncio, os; from rattler.index import index_fs; asyncio.run(index_fs({str(place / channel)!r}, write_shards=False)); os._exit(0)"
        subprocess.run(["python", "-c", code], check=True)
    subprocess.run(
        ["docker", "cp", f"{place}/.", f"{proxy.backend.name}:/srv/outside"], check=True, capture_output=True
    )
    yield place
    proxy.check_output("cd /srv/outside && rm -rf public other newer.sh")


@pytest.fixture(scope="module")
def play(tmp_path_factory: pytest.TempPathFactory) -> Play:
    """Run the role's part about conda with these settings."""

    def run(*, check: bool = True, **settings: object) -> subprocess.CompletedProcess:
        file = tmp_path_factory.mktemp("settings") / "settings.json"
        file.write_text(json.dumps({f"package_client_conda_{name}": value for name, value in settings.items()}))
        command: list[str | Path] = [
            "ansible-playbook",
            "-i",
            INVENTORY,
            "-e",
            f"@{file}",
            Path(__file__).with_name("conda.yml"),
        ]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert not check or done.returncode == 0, done.stdout[-4000:]
        return done

    return run


@pytest.fixture(scope="module")
def conda(office, workstation: Host, play: Play, outside: Path, published) -> Iterator[dict[str, object]]:
    """Everybody's conda, installed from a file on the controller; ada has settings of her own. The role's settings."""
    settings: dict[str, object] = {"channels": ["internal"], "other_channels": [PUBLIC]}
    workstation.check_output(REMOVE)
    play(**settings)
    office.succeed_as("ada", f"rm -rf .conda; cat >.condarc <<'END'\n{MINE}END\n")
    office.succeed_as("leo", "rm -rf .conda")
    yield settings
    office.succeed_as("ada", "rm -rf .conda .condarc")
    office.succeed_as("leo", "rm -rf .conda")
    workstation.check_output(REMOVE)
    play()


def channels_of(office, name: str, environment: str) -> dict[str, tuple[str, str]]:
    """{package: (version, the channel's address)} of what is in an environment."""
    listed = json.loads(office.succeed_as(name, f"conda list --json -n {environment}"))
    return {one["name"]: (one["version"], one["base_url"]) for one in listed}


@pytest.mark.parametrize("name", ["ada", "leo"])
def test_conda_installs_from_the_companys_channel_and_anothers(office, conda, published, version, name) -> None:
    office.succeed_as(name, "conda create --yes --quiet -n work acme-hello public-thing")
    assert channels_of(office, name, "work") == {
        "acme-hello": (version, INTERNAL),
        "acme-base": (version, INTERNAL),
        "public-thing": ("1.0", PUBLIC),
    }
    assert office.succeed_as(name, "cat .conda/envs/work/share/acme-hello.txt").strip() == version


@pytest.mark.parametrize("name", ["ada", "leo"])
def test_no_password_is_left_behind(office, workstation: Host, conda, name) -> None:
    person = office.person(name)
    secrets = [
        form(secret) for secret in (person.index_password, person.proxy_password) for form in (str, quote, quote_plus)
    ]
    patterns = "".join(f"{secret}\n" for secret in secrets)
    put(workstation, "/run/patterns", patterns.encode())
    found = workstation.run("grep -rlaFf /run/patterns /home/%s/.conda /opt/wheelhouse /etc/conda", name)
    workstation.check_output("rm /run/patterns")
    assert (found.rc, found.stdout) == (1, ""), found
    assert workstation.check_output("ls /home/%s/.conda/pkgs/cache", name)


def test_a_persons_own_settings_stay_and_come_second(office, conda, published, version) -> None:
    shown = json.loads(office.succeed_as("ada", "conda config --show channels channel_priority --json"))
    assert shown == {"channels": ["internal", PUBLIC, f"{OUTSIDE}/other"], "channel_priority": "strict"}
    assert office.succeed_as("ada", "cat .condarc") == MINE
    office.succeed_as("ada", f"conda create --yes --quiet -n theirs -c {OUTSIDE}/other acme-hello other-thing")
    found = channels_of(office, "ada", "theirs")
    assert found["acme-hello"] == (version, INTERNAL)
    assert found["other-thing"] == ("1.0", f"{OUTSIDE}/other")


@pytest.mark.long
def test_who_wants_another_channel_alone_gets_it_where_nothing_is_locked(office, conda) -> None:
    office.succeed_as("ada", f"conda create --yes --quiet -n named --override-channels -c {OUTSIDE}/other acme-hello")
    assert channels_of(office, "ada", "named")["acme-hello"] == ("99999999999.0", f"{OUTSIDE}/other")


def test_the_outside_was_reached_through_the_proxy_as_oneself(office, proxy: Host, conda) -> None:
    log = proxy.check_output("grep conda.example.net /var/log/squid/access.log")
    assert "leo" in log and "noarch/public-thing-1.0-0.conda" in log
    assert "packages.acme.example" not in proxy.check_output(
        "tail -n 500 /var/log/squid/access.log | grep conda || true"
    )


RATTLER = """
import asyncio, os, sys, traceback
from rattler import Channel, Client, Gateway, install, solve
from rattler.networking import AuthenticationMiddleware

async def main():
    client = Client([AuthenticationMiddleware()])
    gateway = Gateway(client=client)
    channel = Channel(sys.argv[1])
    records = await solve([channel], ["acme-hello"], gateway=gateway, platforms=["linux-64", "noarch"])
    await install(records, sys.argv[2], client=client, show_progress=False)

try:
    asyncio.run(main())
except BaseException:
    traceback.print_exc()
    os._exit(1)
os._exit(0)
"""


@pytest.mark.parametrize("name", ["ada", "leo"])
def test_rattler_installs_from_the_companys_channel(office, workstation: Host, published, version, name) -> None:
    """rattler, and pixi with it, gives up on a ~/.netrc with a comment or a quoted password in it; it has a file of its own."""
    login = {"BasicHTTP": {"username": name, "password": office.person(name).index_password}}
    put(workstation, "/run/rattler.json", json.dumps({"packages.acme.example": login}).encode())
    workstation.check_output(
        "install -m 0600 -o %s /run/rattler.json /home/%s/rattler.json; rm /run/rattler.json", name, name
    )
    command = f"uv run --quiet --no-project --with py-rattler==0.28.0 python - {INTERNAL} rattler"
    office.succeed_as(name, f"rm -rf rattler; RATTLER_AUTH_FILE=~/rattler.json {command} <<'END'\n{RATTLER}END\n")
    assert office.succeed_as(name, "cat rattler/share/acme-hello.txt; rm -r rattler*").strip() == version


def test_the_doctor_says_what_conda_uses_and_what_is_wrong_with_it(office, conda) -> None:
    (finding,) = [
        f
        for f in json.loads(office.run_as("leo", "wheelhouse-doctor --json").stdout)["findings"]
        if f["check"] == "conda"
    ]
    assert finding["verdict"] == "ok", finding
    assert finding["sentence"].startswith("channels internal, "), finding
    spoilt = "printf '%s\\n' 'proxy_servers:' '  https: http://proxy.acme.example:3128' 'ssl_verify: false' >.condarc"
    result = office.run_as("leo", f"{spoilt}; wheelhouse-doctor --json; rm .condarc")
    said = [f["sentence"] for f in json.loads(result.stdout)["findings"] if f["check"] == "conda"]
    assert len(said) == 2
    assert said[0].startswith("/home/leo/.condarc:1 gives conda a proxy that ignores NO_PROXY")
    assert said[1].startswith("/home/leo/.condarc:3 has conda trust everybody")


@pytest.mark.long
def test_another_installer_is_installed_beside_the_first(
    office, workstation: Host, play: Play, conda, tmp_path: Path, proxy: Host
) -> None:
    before = workstation.check_output("readlink -f /opt/wheelhouse/conda")
    assert not workstation.file(f"{before}/.condarc").exists
    newer = tmp_path / "newer.sh"
    installer = Path(json.loads((STATE / "conda.json").read_text())["installer"])
    newer.write_bytes(installer.read_bytes().replace(b"# as Miniforge's does", b"# as Miniforge's did!"))
    subprocess.run(
        ["docker", "cp", str(newer), f"{proxy.backend.name}:/srv/outside/newer.sh"], check=True, capture_output=True
    )
    settings = {**conda, "installer": f"{OUTSIDE}/newer.sh"}
    refused = play(**settings | {"installer_sha256": "0" * 64}, check=False)
    assert refused.returncode and "It was not run." in " ".join(refused.stdout.split()), refused.stdout
    assert workstation.check_output("readlink -f /opt/wheelhouse/conda") == before
    assert workstation.check_output("ls -A /opt/wheelhouse").count(".conda.") == 1

    settings["installer_sha256"] = hashlib.sha256(newer.read_bytes()).hexdigest()
    play(**settings)
    after = workstation.check_output("readlink -f /opt/wheelhouse/conda")
    assert after != before and workstation.file(f"{before}/bin/conda").exists
    assert "acme-hello" in channels_of(office, "ada", "work")
    assert "changed=0 " in play(**settings).stdout


LOCKED_OUT = {
    "-c": f"conda create --yes --quiet -n none -c {OUTSIDE}/other other-thing",
    "a name": "conda create --yes --quiet -n none -c other other-thing",
    "a channel before a package": f"conda create --yes --quiet -n none {OUTSIDE}/other::other-thing",
    "a variable": f"CONDA_CHANNELS={OUTSIDE}/other conda create --yes --quiet -n none other-thing",
    "an alias": f"CONDA_CHANNEL_ALIAS={OUTSIDE} conda create --yes --quiet -n none -c other other-thing",
    "another list": f"CONDA_ALLOWLIST_CHANNELS={OUTSIDE}/other conda create --yes --quiet -n none -c {OUTSIDE}/other other-thing",
    "--override-channels": f"conda create --yes --quiet -n none --override-channels -c {OUTSIDE}/other other-thing",
}


@pytest.fixture(scope="module")
def locked(office, play: Play, conda) -> None:
    play(channels=["internal"], locked=True)


@pytest.mark.parametrize(
    "way",
    [
        pytest.param(way, marks=pytest.mark.long) if way in ("a name", "an alias", "another list") else way
        for way in LOCKED_OUT
    ],
)
def test_a_locked_list_is_not_got_around(office, locked, way) -> None:
    result = office.run_as("ada", LOCKED_OUT[way])
    assert result.rc != 0
    words = (
        "not available from current channels",
        "not included in allowlist",
        "Overriding channels has been disabled",
    )
    assert any(word in result.stdout + result.stderr for word in words), result


def test_a_locked_list_still_gives_what_is_on_it(office, locked, version) -> None:
    office.succeed_as("ada", "conda create --yes --quiet -n locked acme-hello")
    assert channels_of(office, "ada", "locked")["acme-hello"] == (version, INTERNAL)
