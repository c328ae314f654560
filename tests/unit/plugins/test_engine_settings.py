"""What gateways are told of the database and the store, and which addresses balancers have."""

from __future__ import annotations

import json

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.wheelhouse.onboarding.plugins.filter.balancer_addresses import balancer_addresses
from ansible_collections.wheelhouse.onboarding.plugins.filter.database_configuration import database_configuration
from ansible_collections.wheelhouse.onboarding.plugins.filter.interface_of import interface_of
from ansible_collections.wheelhouse.onboarding.plugins.filter.store_configuration import store_configuration

SECRET = "s3cr3t-sentinel"
DATABASE = {"name": "wheelhouse", "username": "index", "password": SECRET}
STORE = {"bucket": "wheelhouse", "access_key": "key", "secret_key": SECRET}
FACTS = {
    "all_ipv4_addresses": ["192.0.2.21", "198.51.100.5"],
    "eth0": {"device": "eth0", "ipv4": {"address": "198.51.100.5", "prefix": "24"}, "ipv6": []},
    "eth1": {
        "device": "eth1",
        "ipv4": {"address": "192.0.2.21", "prefix": "25"},
        "ipv6": [{"address": "2001:db8::21", "prefix": "64"}],
    },
}


def test_the_database_is_where_the_setting_says_before_the_inventory() -> None:
    there = {**DATABASE, "host": "db.acme.example", "port": "6432"}
    said = json.loads(database_configuration(there, ["db-1", "db-2"]))
    assert said == {
        "host": "db.acme.example",
        "port": 6432,
        "name": "wheelhouse",
        "username": "index",
        "password": SECRET,
    }
    assert json.loads(database_configuration(DATABASE, ["db-1", "db-2"]))["host"] == "db-1,db-2"


def test_the_store_is_where_the_setting_says_before_the_inventory() -> None:
    said = json.loads(
        store_configuration({**STORE, "endpoint": "https://s3.acme.example/", "prefix": "/py/"}, [], "2k")
    )
    assert said == {
        "endpoint": "https://s3.acme.example",
        "bucket": "wheelhouse",
        "prefix": "py",
        "region": "us-east-1",
        "access_key": "key",
        "secret_key": SECRET,
        "cache_size": 2048,
    }
    assert json.loads(store_configuration(STORE, ["s3-1"], "2k"))["endpoint"] == "https://s3-1:8333"


@pytest.mark.parametrize("missing", ["name", "password"])
def test_what_is_missing_is_named_and_no_secret_is(missing: str) -> None:
    settings = {key: value for key, value in DATABASE.items() if key != missing}
    with pytest.raises(AnsibleFilterError, match=f"The database has no {missing}: write it") as told:
        database_configuration(settings, [])
    assert SECRET not in str(told.value)


@pytest.mark.parametrize(
    ("address", "interface"), [("192.0.2.100", "eth1"), ("198.51.100.9", "eth0"), ("2001:db8::9", "eth1")]
)
def test_the_interface_of_an_address(address: str, interface: str) -> None:
    assert interface_of(FACTS, address) == interface


def test_an_address_of_no_network() -> None:
    # in the other half of eth1's /24
    with pytest.raises(AnsibleFilterError, match=r"192\.0\.2\.200, which is in no network of this host"):
        interface_of(FACTS, "192.0.2.200")


def test_a_shared_address_is_no_network_of_the_host_that_has_it() -> None:
    """It may have it elsewhere, as a network of one host."""
    shared = {"device": "lo", "ipv4": {"address": "192.0.2.10", "prefix": "32"}}
    assert interface_of({"lo": shared, "eth1": FACTS["eth1"]}, "192.0.2.10") == "eth1"


def test_the_addresses_of_balancers_are_the_same_whichever_has_the_shared_one() -> None:
    hostvars = {
        "lb-1": {
            "index_balancer_address": "192.0.2.10",
            "ansible_facts": {
                "all_ipv4_addresses": ["192.0.2.11", "192.0.2.10"],
                "all_ipv6_addresses": ["fe80::1", "2001:db8::11"],
            },
        },
        "lb-2": {"index_balancer_address": "192.0.2.10", "ansible_facts": {"all_ipv4_addresses": ["192.0.2.12"]}},
    }
    assert balancer_addresses(["lb-1", "lb-2"], hostvars) == ["192.0.2.11", "192.0.2.12", "2001:db8::11"]
    assert balancer_addresses([], hostvars) == []


def test_a_balancer_that_does_not_answer_is_named() -> None:
    with pytest.raises(
        AnsibleFilterError, match="The addresses of lb-1 are not known, since it does not answer: start it"
    ):
        balancer_addresses(["lb-1"], {"lb-1": {"index_balancer_address": "192.0.2.10"}})
