"""Two gateways are one index: whichever of them a request reaches."""

from __future__ import annotations

import hashlib
import time

import pytest
from company import eventually
from hosts import ADDRESS, BALANCERS, DATABASES, GATEWAYS, Project, fetched, files_of, links_of, on, status_of

pytestmark = pytest.mark.proof


def version() -> str:
    return f"1.{time.time_ns()}"


def test_what_is_published_is_on_both_gateways_when_the_publisher_knows(office):
    project = Project("acme-both")
    wheel = project.build(version())
    office.publish_as("ada", f"uv publish {wheel}")
    for address in GATEWAYS.values():
        assert wheel.rpartition("/")[2] in files_of(address, project.name)


def test_both_gateways_give_the_file(office):
    project = Project("acme-bytes")
    wheel = project.build(version())
    office.publish_as("ada", f"uv publish {wheel}")
    digest = office.succeed_as("ada", f"sha256sum {wheel}").split()[0]
    name = wheel.rpartition("/")[2]
    for address in GATEWAYS.values():
        answer = fetched(address, links_of(address, project.name)[name])
        assert hashlib.sha256(answer.content).hexdigest() == digest


def test_people_install_through_the_balancer(office):
    project = Project("acme-install")
    number = version()
    office.publish_as("ada", f"uv publish {project.build(number)}")
    office.succeed_as("leo", f"rm -rf v && uv venv -q v && uv pip install -q --no-cache -p v acme-install=={number}")
    assert (
        office.succeed_as("leo", "v/bin/python -c 'import acme_install; print(acme_install.VERSION)'").strip() == number
    )


def test_a_gateway_knows_whose_connection_a_balancer_passes_on(office):
    marked = f"/simple/acme-{time.time_ns()}/"
    fetched(ADDRESS, marked)

    def logged() -> str:
        return "".join(on(host, f"grep -F {marked} /var/log/nginx/access.log", check=False) for host in GATEWAYS)

    eventually(lambda: bool(logged()), "the request is in a log")
    assert logged().startswith("198.51.100.51 ")


def test_the_standby_follows_and_each_change_waits_for_it(office):
    states = [on(host, "wheelhouse-database state") for host in DATABASES]
    primary = DATABASES[0 if '"here": "primary"' in states[0] else 1]
    said = on(primary, "su postgres -c \"psql -XAtc 'SELECT state, sync_state FROM pg_stat_replication'\"").strip()
    assert said == "streaming|quorum"


def holders() -> list[str]:
    return [host for host in BALANCERS if ADDRESS in on(host, "ip -brief address")]


def test_the_address_goes_to_the_other_balancer(office):
    # after another test, one that has just started may still think that it is alone
    eventually(lambda: len(holders()) == 1, "one balancer has the address", seconds=30)
    [holder] = holders()
    on(holder, "systemctl stop haproxy")
    try:
        other = next(host for host in BALANCERS if host != holder)
        eventually(lambda: ADDRESS in on(other, "ip -brief address"), "the other balancer has the address", seconds=30)
        eventually(lambda: status_of(ADDRESS, "/health") == 200, "the index answers at it", seconds=30)
    finally:
        on(holder, "systemctl start haproxy")
