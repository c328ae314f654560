# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""Accounts of an inventory that the place they are for cannot take."""

from __future__ import annotations

from ansible_collections.wheelhouse.onboarding.plugins.module_utils.inventory_accounts import role_account_faults

PROXY = {"regions": {"europe": "proxy.acme.example:8080"}}
GIVEN = {
    "wheelhouse_proxy": PROXY,
    "wheelhouse_proxy_password": "100 €",
    "wheelhouse_people": [
        {"name": "ada", "proxy_password": "€uro"},
        {"name": "leo", "proxy_password": "grün"},
        {"name": "eve", "proxy_password": "€", "state": "absent"},
    ],
}


def test_passwords_that_programs_cannot_send_themselves():
    told = list(role_account_faults(GIVEN))
    assert [sentence.split()[0] for sentence in told] == [
        "wheelhouse_proxy_password",
        "wheelhouse_people[ada].proxy_password",
    ]
    assert not any("€" in sentence for sentence in told)


def test_a_relay_sends_any_password():
    """Also where only some hosts have one."""
    assert list(role_account_faults(GIVEN | {"corporate_proxy_mode": "relay"})) == []
    relay = {**PROXY, "mode": "relay"}
    assert list(role_account_faults(GIVEN | {"wheelhouse_proxy": relay})) == []
    assert len(list(role_account_faults(GIVEN | {"wheelhouse_proxy": relay, "corporate_proxy_mode": "direct"}))) == 2
