"""Relay mode: a service on the workstation logs in at the company's proxy, and everything else needs no password."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from urllib.parse import quote

import pytest
from company import Office, eventually, site, vault
from company_proxy import ACCOUNT, BASIC, BASIC_PORT, NTLM, NTLM_PORT, CompanyProxy, as_extra
from testinfra.host import Host

AWKWARD = 'a@b:c/d#e%f?&+ "q'
NEAR, NEAR_NTLM = 3127, 3126

# Asks by GET or through a tunnel, as a program would that is pointed at the relay; reads to the end.
DOWNLOAD = r"""
import socket, sys
how, into = sys.argv[1:]
connection = socket.create_connection(("127.0.0.1", 3128), timeout=600)
stream = connection.makefile("rwb")
def ask(line):
    stream.write(line + b" HTTP/1.1\r\nHost: proxy.acme.example:443\r\n\r\n")
    stream.flush()
    status = stream.readline()
    while stream.readline().strip():
        pass
    return status
if how == "tunnel":
    assert b" 200 " in ask(b"CONNECT proxy.acme.example:443")
    status = ask(b"GET /")
else:
    status = ask(b"GET http://proxy.acme.example:443/")
assert b" 200 " in status, status
with open(into, "wb", buffering=0) as file:
    for line in stream:
        file.write(line)
"""
STATUS = r"""
import socket
connection = socket.create_connection(("127.0.0.1", 3128), timeout=60)
connection.sendall(b"CONNECT proxy.acme.example:443 HTTP/1.1\r\nHost: proxy.acme.example:443\r\n\r\n")
print(connection.recv(100).split()[1].decode())
"""

Relay = Callable[..., None]


@pytest.fixture(scope="module")
def squid(proxy: Host) -> Iterator[CompanyProxy]:
    company = CompanyProxy(proxy)
    company.start_trickle()
    company.open_way(NEAR, BASIC_PORT)
    company.open_way(NEAR_NTLM, NTLM_PORT)
    yield company
    company.accept(vault()["machines_proxy"])
    company.close()


@pytest.fixture(scope="module")
def relay(squid: CompanyProxy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relay]:
    """Sets the workstation to relay mode, with what else is given; afterwards it goes directly again."""

    def switch(**variables: object) -> None:
        site(
            *LIMIT,
            "-e",
            as_extra(tmp_path_factory.mktemp("extra"), corporate_proxy_mode="relay", **variables),
            "--tags",
            "base",
        )

    yield switch
    site(*LIMIT, "--tags", "base")


LIMIT = ("--limit", "wheelhouse-workstation")


@pytest.fixture(scope="module")
def basic(relay: Relay, squid: CompanyProxy) -> dict:
    """The workstation has a relay that logs in by Basic, with a proxy that is near and one that is far."""
    settings = {
        "corporate_proxy_regions": {"far": f"proxy.acme.example:{BASIC_PORT}", "near": f"proxy.acme.example:{NEAR}"},
        "corporate_proxy_region": "near",
    }
    relay(**settings)
    return settings


@pytest.fixture(scope="module")
def ntlm(relay: Relay, squid: CompanyProxy, basic: dict) -> dict:
    """The workstation has a relay that logs in by NTLM, at a proxy that takes nothing else."""
    squid.accept(vault()["machines_proxy"])
    squid.start_second(BASIC)
    settings = {
        "corporate_proxy_regions": {
            "far": f"proxy.acme.example:{NTLM_PORT}",
            "near": f"proxy.acme.example:{NEAR_NTLM}",
        },
        "corporate_proxy_region": "near",
        "corporate_proxy_authentication": "ntlm",
    }
    relay(**settings)
    squid.bring_helper()
    squid.accept_by_ntlm(vault()["machines_proxy"])
    squid.start_second(NTLM)
    return settings


def status(workstation: Host) -> str:
    """What someone is told who asks the relay for a tunnel."""
    return workstation.check_output("python3 -c %s", STATUS)


def install(office: Office) -> None:
    """Ada installs a public package."""
    office.succeed_as(
        "ada",
        "test -d relay-venv || python3 -m venv relay-venv; "
        "relay-venv/bin/pip install --quiet --no-cache-dir --force-reinstall --no-deps idna",
    )


def comes_through(squid: CompanyProxy, workstation: Host, log: str) -> str:
    """Where the request that is made now comes from, by squid's log: `near` ways are on squid's own host."""
    before = len(squid.requests(log))
    assert status(workstation) == "200"
    # squid logs a tunnel when it ends
    eventually(lambda: any("TCP_TUNNEL/200" in line for line in squid.requests(log)[before:]), "a line in the log", 20)
    line = next(line for line in squid.requests(log)[before:] if "TCP_TUNNEL/200" in line)
    assert ACCOUNT.replace("\\", "\\\\") in line
    return "near" if line.split()[2] in ("127.0.0.1", "::1") else "far"


def the_next_proxy_is_taken(squid: CompanyProxy, workstation: Host, way: int, to: int, log: str) -> None:
    assert comes_through(squid, workstation, log) == "near"
    squid.close_way(way)
    assert comes_through(squid, workstation, log) == "far"
    squid.open_way(way, to)
    eventually(lambda: comes_through(squid, workstation, log) == "near", "the near proxy is used again", 60)


def searched(workstation: Host, password: str) -> list[str]:
    """Where the password can be read by somebody else than root and the relay, however it is spelled."""
    account = base64.b64encode(f"{ACCOUNT}:{password}".encode()).decode()
    spelled = {password, quote(password, safe=""), json.dumps(password)[1:-1], account}
    script = r"""
import glob, json, os, stat, subprocess, sys
needles = [needle.encode() for needle in json.load(sys.stdin)]
found = []
def look(where, content):
    found.extend([where] if any(needle in content for needle in needles) else [])
for process in glob.glob("/proc/[0-9]*"):
    for name in ("cmdline", "environ"):
        try:
            content = open(f"{process}/{name}", "rb").read()
        except OSError:
            continue
        if process != f"/proc/{os.getpid()}":
            look(f"{process}/{name} {open(process + '/comm').read()}", content)
for unit in ("wheelhouse-relay", "wheelhouse-relay-ntlm"):
    look(f"systemctl show {unit}", subprocess.run(["systemctl", "show", unit], capture_output=True).stdout)
    look(f"journal of {unit}", subprocess.run(["journalctl", "--no-pager", "-u", unit], capture_output=True).stdout)
for top in ("/etc", "/run", "/opt", "/usr/local", "/home", "/root", "/tmp", "/var/tmp", "/var/lib"):
    for directory, subdirectories, files in os.walk(top):
        for name in files:
            path = os.path.join(directory, name)
            status = os.lstat(path)
            if stat.S_ISREG(status.st_mode) and status.st_size < 5_000_000:
                look(f"{path} {stat.S_IMODE(status.st_mode):04o}", open(path, "rb").read())
print(json.dumps(sorted(found)))
"""
    command = ["docker", "exec", "-i", workstation.backend.name, "python3", "-c", script]
    done = subprocess.run(command, input=json.dumps(sorted(spelled)), capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def is_there(host: Host, file: str) -> bool:
    return bool(host.file(file).exists and host.file(file).size > 0)


def is_complete(host: Host, file: str) -> bool:
    return bool(host.file(file).content_string.count("complete") == 1)


def changed_during_downloads(squid: CompanyProxy, workstation: Host, change: Callable[[], None]) -> None:
    """`change()` while two downloads go on; neither is cut off."""
    squid.host.check_output("rm -f /run/enough")
    files = {how: f"/run/download-{how}" for how in ("get", "tunnel")}
    for how, file in files.items():
        workstation.run(f"systemctl stop download-{how}; rm -f {file}")
        workstation.check_output("systemd-run --quiet --unit=download-%s python3 -c %s %s %s", how, DOWNLOAD, how, file)
    for file in files.values():
        eventually(partial(is_there, workstation, file), file, 30)
    change()
    squid.host.check_output("touch /run/enough")
    for file in files.values():
        eventually(partial(is_complete, workstation, file), f"{file} is complete", 30)


def test_a_public_package_comes_through_the_relay(office: Office, squid: CompanyProxy, basic: dict) -> None:
    before = len(squid.requests())
    install(office)
    tunnels = [line for line in squid.requests()[before:] if "CONNECT" in line]
    assert tunnels and all(ACCOUNT.replace("\\", "\\\\") in line for line in tunnels), tunnels


def test_apt_comes_through_the_relay(workstation: Host, basic: dict) -> None:
    workstation.check_output("cd /tmp && apt-get -qq download netbase && rm netbase_*")


def test_nobody_else_can_read_the_password(workstation: Host, basic: dict) -> None:
    assert searched(workstation, vault()["machines_proxy"]) == [
        "/etc/wheelhouse/relay/haproxy.cfg 0600",
        "/run/wheelhouse-relay/haproxy.cfg 0600",
    ]
    assert workstation.run("su - ada -c 'ls /run/wheelhouse-relay /etc/wheelhouse/relay'").stdout == ""


def test_people_need_no_account(office: Office, workstation: Host, basic: dict) -> None:
    assert "HTTPS_PROXY=http://127.0.0.1:3128\n" in workstation.file("/etc/wheelhouse/people/ada.env").content_string
    found = searched(workstation, office.person("ada").proxy_password)
    # what ran before keeps what it was started with
    assert [place for place in found if not place.startswith("/proc/")] == []


def test_the_next_proxy_is_taken_while_the_nearest_is_down(squid: CompanyProxy, workstation: Host, basic: dict) -> None:
    the_next_proxy_is_taken(squid, workstation, NEAR, BASIC_PORT, "access")


def test_a_wrong_password_is_refused(squid: CompanyProxy, workstation: Host, basic: dict) -> None:
    squid.accept("another")
    squid.forget()
    eventually(lambda: status(workstation) == "407", "the relay is refused", 20)
    squid.accept(vault()["machines_proxy"])
    eventually(lambda: status(workstation) == "200", "the relay is let through", 20)


def test_a_password_changes_and_no_download_is_cut_off(
    squid: CompanyProxy, workstation: Host, relay: Relay, basic: dict
) -> None:
    new = AWKWARD + " \u00fc\u2603"

    def change() -> None:
        squid.accept(new)
        relay(**basic, wheelhouse_proxy_password=new)

    changed_during_downloads(squid, workstation, change)
    squid.forget()
    eventually(lambda: status(workstation) == "200", "the new password is used", 20)


def test_by_ntlm(office: Office, squid: CompanyProxy, workstation: Host, ntlm: dict) -> None:
    before = len(squid.requests("ntlm"))
    install(office)
    tunnels = [line for line in squid.requests("ntlm")[before:] if "TCP_TUNNEL/200" in line]
    assert tunnels and all(ACCOUNT.replace("\\", "\\\\") in line for line in tunnels), tunnels
    assert searched(workstation, vault()["machines_proxy"]) == [
        "/etc/wheelhouse/relay/password 0600",
        "/run/wheelhouse-relay-ntlm/password 0600",
    ]


def test_both_services_can_be_looked_at(workstation: Host, ntlm: dict) -> None:
    said = workstation.check_output("systemctl status wheelhouse-relay wheelhouse-relay-ntlm")
    assert said.count("active (running)") == 2


def test_by_ntlm_the_next_proxy_is_taken(squid: CompanyProxy, workstation: Host, ntlm: dict) -> None:
    the_next_proxy_is_taken(squid, workstation, NEAR_NTLM, NTLM_PORT, "ntlm")


def test_by_ntlm_a_wrong_password_is_refused(squid: CompanyProxy, workstation: Host, ntlm: dict) -> None:
    squid.accept_by_ntlm("another")
    assert status(workstation) in ("401", "407")
    squid.accept_by_ntlm(vault()["machines_proxy"])
    assert status(workstation) == "200"


@pytest.mark.long
def test_by_ntlm_a_password_changes_and_no_download_is_cut_off(
    squid: CompanyProxy, workstation: Host, relay: Relay, ntlm: dict
) -> None:
    def change() -> None:
        squid.accept_by_ntlm(AWKWARD)
        relay(**ntlm, wheelhouse_proxy_password=AWKWARD)

    changed_during_downloads(squid, workstation, change)
    eventually(lambda: status(workstation) == "200", "the new password is used", 20)


def test_back_to_direct_nothing_of_the_relay_is_left(workstation: Host, squid: CompanyProxy, ntlm: dict) -> None:
    """Last: the relay is taken away by the same run with which IT would do it."""
    squid.accept(vault()["machines_proxy"])
    site(*LIMIT, "--tags", "base")
    left = workstation.run(
        "ls -d /etc/wheelhouse/relay /usr/local/lib/wheelhouse-relay /opt/wheelhouse/relay /opt/wheelhouse/.relay* "
        "/run/wheelhouse-relay* /etc/systemd/system/*wheelhouse-relay* /etc/systemd/system/*/wheelhouse-relay* /etc/haproxy /usr/sbin/haproxy"
    )
    assert left.stdout == ""
    assert workstation.run("ss -Hltn sport = :3128").stdout == ""
    assert workstation.run("su - ada -c 'env | grep -i ^http'").stdout.count("proxy.acme.example:3128") == 4
