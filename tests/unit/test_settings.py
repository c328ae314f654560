"""The table of settings is the one place that says what there is: code, documentation and the example agree with it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from ansible_collections.wheelhouse.onboarding.plugins.action.inventory_check import role_specs
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.inventory_names import facts_of, role_options
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.settings import BY_NAME, OPTIONS
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.spec_checks import (
    _BY_PATH,
    SECRET,
    value_faults,
)
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.value_checks import CHECKS
from ansible_collections.wheelhouse.onboarding.plugins.plugin_utils.inventory_files import EXAMPLE_PASSWORDS

ROOT = Path(__file__).resolve().parents[2]
SPECS = role_specs()
ROLE_OPTIONS = role_options(SPECS)
# Files, modules and containers of the collection that are called so, and are no variables.
NO_VARIABLES = re.compile(r"wheelhouse_(backup|doctor|index|index_once|onboarding|keyring)(?!\w)")


def with_nested(options: dict, prefix: str = ""):
    """(path, option), those inside dictionaries and lists too."""
    for name, option in options.items():
        yield prefix + name, option
        mark = "[]" if option["type"] == "list" else ""
        yield from with_nested(option.get("options", {}), f"{prefix}{name}{mark}.")


NESTED = dict(with_nested(ROLE_OPTIONS))


def test_every_shared_name_that_code_reads_is_known():
    known = {*BY_NAME, *(option.name for option in OPTIONS), *facts_of(spec["text"] for spec in SPECS.values())}
    used: dict[str, str] = {}
    paths = [*ROOT.glob("playbooks/**/*.yml"), *ROOT.glob("roles/*/*/*.yml"), *ROOT.glob("roles/*/templates/*.j2")]
    for path in paths:
        text = re.sub(r"(^|\s)#.*", "", path.read_text(encoding="utf-8"))
        if path.suffix == ".j2":
            text = " ".join(re.findall(r"\{[{%].*?[}%]\}", text, re.DOTALL))
        for name in re.findall(r"(?<![\w/.$-])wheelhouse_[a-z_]+(?![\w/])", text):
            if not NO_VARIABLES.match(name):
                used.setdefault(name, str(path.relative_to(ROOT)))
    assert {"wheelhouse_people", "wheelhouse_reachability"} <= used.keys()
    assert {name: path for name, path in used.items() if name not in known} == {}, "plugins/module_utils/settings.py"


def test_the_pages_are_up_to_date():
    command: list[str | Path] = [sys.executable, ROOT / "tests" / "tools" / "settings_pages.py", "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_examples_passwords_are_known():
    vault = yaml.safe_load((ROOT / "inventories/example/group_vars/all/vault.yml").read_text(encoding="utf-8"))
    assert set(vault.values()) == EXAMPLE_PASSWORDS


@pytest.mark.parametrize("setting", BY_NAME.values(), ids=lambda setting: setting.name)
def test_examples_of_settings_are_right(setting):
    """Their files are not there; all else fits the table."""
    if setting.check == "pem_file" or "{{" in setting.example or not setting.example:
        return
    value = yaml.safe_load(setting.example)
    assert list(value_faults(value, setting.spec() | {"check": setting.check}, setting.name)) == []


def test_checks_are_of_options_that_there_are():
    assert sorted(set(_BY_PATH) - set(NESTED)) == []
    assert {check for check in _BY_PATH.values() if check} <= set(CHECKS)


def test_defaults_pass_their_checks():
    for path, option in NESTED.items():
        if option.get("default") not in (None, ""):
            assert list(value_faults(option["default"], option, path)) == [], path


def test_a_secret_is_never_shown():
    """Whatever is wrong with it, and wherever it stands."""
    secret = "S3ntinel"
    options = {path: option for path, option in NESTED.items() if SECRET.search(path) and not path.endswith("_key")}
    assert options
    for path, option in options.items():
        for value in ([secret], {"x": secret}, 5.5, True, f"{secret}\n", [[secret]], {secret: {"y": secret}}):
            for fault in value_faults(value, option, path):
                assert secret not in fault and "5.5" not in fault, fault
