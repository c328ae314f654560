# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""Options behind `-e`: a slip in one is told before a playbook does something else than what was meant."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.settings import OPTIONS
from ansible_collections.wheelhouse.onboarding.plugins.plugin_utils.command_options import option_faults

ROOT = Path(__file__).resolve().parents[3]
ROLES = ("package_transfer_apply", "package_transfer_since")


def told(extra: dict[str, Any], set_on: dict[str, str] | None = None, mentioned: str = "") -> list[str]:
    every = {**(set_on or {}), **dict.fromkeys(extra, "index.acme.example")}
    return list(option_faults(extra, every, ROLES, {"index.acme.example", "ws-1"}, lambda name: name in mentioned))


@pytest.mark.parametrize("option", [option for option in OPTIONS if option.name not in ROLES], ids=lambda one: one.name)
def test_options_of_the_command_line_are_refused_in_an_inventory(option):
    [fault] = told({}, {option.name: "index.acme.example"})
    assert fault.startswith(f"{option.name} is set in the inventory (of index.acme.example)")
    assert f"-e {option.name}={option.example}" in fault
    assert told({option.name: option.example}) == []


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("rotate_immediately", "ture", "rotate_immediately is 'ture': write true, or leave it out."),
        ("rotate_certificate", "1", "rotate_certificate is '1': write true"),
        ("remove_everything", "yse", "remove_everything is 'yse': write yes"),
        *(("wheelhouse_serial", value, "write a number, 1 or more, or a share") for value in ("abc", "0", "-1", "0%")),
        *(("wheelhouse_max_fail_percentage", value, "from 0 to 100") for value in ("abc", "101", "-1", "20%")),
        ("wheelhouse_offboard", "bob;eve", "wheelhouse_offboard is 'bob;eve': write login names with commas"),
        ("rotate_index_tokens", "Ada Lovelace", "write login names with commas between them, or all"),
        ("from", "yesterday", "from is 'yesterday': write latest, the id of a backup, or its day."),
        ("damaged", "yes", "damaged is 'yes': write accepted"),
        ("index_image_host", "indx.acme.example", "no host of the inventory (did you mean 'index.acme.example'?)"),
        ("form", "latest", "'form', given with -e, is no option, and nothing reads it: did you mean from?"),
        ("demaged", "accepted", "did you mean damaged?"),
        ("rotate_imediately", "true", "did you mean rotate_immediately?"),
    ],
)
def test_slips(name, value, said):
    [fault] = told({name: value})
    assert said in fault and fault.endswith((".", "?"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("rotate_immediately", value) for value in ("true", "False", "yes", True)),
        *(("wheelhouse_serial", value) for value in ("10", 10, "20%", "100%")),
        *(("wheelhouse_max_fail_percentage", value) for value in ("0", 20, "100")),
        *(("from", value) for value in ("latest", "2026-03-07", "0a1b2c3d")),
        *(("rotate_jupyter_tokens", value) for value in ("all", "ada, leo", "ada.l")),
        ("index_image_host", "localhost"),
        ("region", "europe"),
    ],
)
def test_what_is_right(name, value):
    assert told({name: value}) == []


def test_a_variable_of_the_inventory_is_no_slip():
    assert told({"form": "x"}, mentioned="corporate_proxy_region: '{{ form }}'") == []


def test_every_option_that_a_playbook_reads_is_in_the_table():
    """Names that are not ours by their prefix would otherwise be told to nobody."""
    known = {option.name for option in OPTIONS}
    found = set()
    for path in ROOT.glob("playbooks/**/*.yml"):
        text = path.read_text(encoding="utf-8")
        found |= set(re.findall(r"-e ([a-z_]+)=", text))
        yaml.safe_load(text)
    assert {"from", "damaged", "wheelhouse_serial"} <= found
    of_roles = {"pypi_index_image_archive", "fleet_state", "index_database_promoted"}
    assert found - known - of_roles == set()
