"""The only way out is the proxy, with somebody's own name and password."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

# Where pip goes when nobody tells it otherwise.
PUBLIC_INDEX = "from pip._internal.models.index import PyPI; print(PyPI.simple_url + '/idna/')"
CONNECT = "import socket, sys; socket.create_connection((sys.argv[1], 443), timeout=3)"
FETCH = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=20).status)"


@pytest.fixture(scope="module")
def public_page(office) -> str:
    office.succeed_as("ada", "test -d venv-net || python3 -m venv venv-net")
    return office.succeed_as("ada", f'venv-net/bin/python -c "{PUBLIC_INDEX}"').strip()


@pytest.mark.proof
@pytest.mark.parametrize("role", ["workstation", "jupyter", "index"])
def test_there_is_no_direct_route_out(office, proxy, role, public_page) -> None:
    address = proxy.run("getent ahostsv4 %s", urlsplit(public_page).hostname).stdout.split()[0]
    assert proxy.run("python3 -c %s %s", CONNECT, address).rc == 0
    direct = office.host(role).run("python3 -c %s %s", CONNECT, address)
    assert direct.rc != 0 and "Error" in direct.stderr, direct.stderr


def test_names_outside_are_not_known_inside(workstation, public_page) -> None:
    direct = workstation.run("python3 -c %s %s", FETCH, public_page)
    assert direct.rc != 0 and "name resolution" in direct.stderr, direct.stderr


@pytest.mark.proof
def test_a_person_gets_out_through_the_proxy(office, public_page) -> None:
    assert office.succeed_as("ada", f'python3 -c "{FETCH}" {public_page}').strip() == "200"


def test_the_proxy_refuses_who_has_no_password(office, public_page) -> None:
    command = f"""HTTPS_PROXY=http://proxy.acme.example:3128 https_proxy=http://proxy.acme.example:3128 python3 -c "{FETCH}" {public_page}"""
    result = office.run_as("ada", command)
    assert result.rc != 0
    assert "407" in result.stderr


def test_the_proxy_saw_each_person_under_their_own_name(office, proxy, public_page) -> None:
    for name in office.people:
        office.succeed_as(name, f'python3 -c "{FETCH}" {public_page}')
    log = proxy.file("/var/log/squid/access.log").content_string
    for person in office.people.values():
        seen_as = person.proxy_username.replace("\\", "\\\\")
        assert any(seen_as in line and "CONNECT" in line and " HIER_DIRECT/" in line for line in log.splitlines()), (
            seen_as
        )


@pytest.mark.proof
def test_the_index_is_reached_directly(office, proxy) -> None:
    office.succeed_as("ada", f"""python3 -c "{FETCH}" {office.index_url}/ || true""")
    log = proxy.file("/var/log/squid/access.log").content_string
    assert [line for line in log.splitlines() if "packages.acme.example" in line] == []


def test_a_cron_job_has_the_proxy_too(office, public_page) -> None:
    """No login shell, no environment: `corporate-env` brings it."""
    result = office.host("workstation").run(
        f"runuser -u ada -- env -i PATH=/usr/bin:/bin /usr/local/bin/corporate-env python3 -c '{FETCH}' {public_page}"
    )
    assert result.stdout.strip() == "200", result.stderr
