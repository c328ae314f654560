"""meta/argument_specs.yml is what people read, defaults/main.yml what Ansible does: they agree, in every role."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROLES = Path(__file__).resolve().parents[3] / "roles"
NAMES = sorted(path.name for path in ROLES.iterdir() if path.is_dir()) if ROLES.is_dir() else []

PYTHON_TYPES: dict[str, Any] = {
    "str": str,
    "path": str,
    "int": int,
    "float": (int, float),
    "bool": bool,
    "list": list,
    "dict": dict,
}
SECRET = re.compile(r"(password|passphrase|secret|token)$")


def load(path: Path) -> dict:
    return yaml.safe_load(path.read_text(encoding="utf-8")) or {}


def entry_points(role: str) -> dict:
    return load(ROLES / role / "meta" / "argument_specs.yml")["argument_specs"]


def options(role: str) -> dict:
    """The role's variables, of all its entry points."""
    return {name: option for entry in entry_points(role).values() for name, option in entry.get("options", {}).items()}


def defaults(role: str) -> dict:
    path = ROLES / role / "defaults" / "main.yml"
    return load(path) if path.exists() else {}


def with_nested(found: dict, prefix: str = "") -> Iterator[tuple[str, dict]]:
    """Options with a readable path, those inside dictionaries too."""
    for name, option in found.items():
        yield prefix + name, option
        yield from with_nested(option.get("options", {}), f"{prefix}{name}.")


def has_type(value: object, spec_type: str) -> bool:
    expected = PYTHON_TYPES[spec_type]
    return isinstance(value, expected) and (spec_type == "bool" or not isinstance(value, bool))


def is_computed(value: object) -> bool:
    """Whether a default is only known on the host, so that the spec describes it in words: null, or an expression."""
    return value is None or (isinstance(value, str) and ("{{" in value or "{%" in value))


@pytest.fixture(params=NAMES)
def role(request: pytest.FixtureRequest) -> str:
    return request.param


def test_there_are_roles():
    assert NAMES, f"no role found below {ROLES}"


def test_has_a_main_entry_point_that_says_what_the_role_is_for(role):
    for name, entry in {"main": {}, **entry_points(role)}.items():
        assert entry.get("short_description"), f"{name}: short_description is missing"
        assert entry.get("description"), f"{name}: description is missing"


def test_every_default_is_an_option(role):
    assert sorted(set(defaults(role)) - set(options(role))) == []


def test_every_option_has_a_default_or_is_required(role):
    required = {name for name, option in options(role).items() if option.get("required")}
    assert sorted(required ^ (set(options(role)) - set(defaults(role)))) == [], "either `required: true` or a default"


def test_literal_defaults_are_the_same(role):
    missing = object()
    for name, value in defaults(role).items():
        documented = options(role)[name].get("default", missing)
        if is_computed(value):
            assert documented is missing, f"{name}: its default is worked out, so describe it in words"
        else:
            assert documented == value, f"{name}: {value!r} in defaults/main.yml"


def test_defaults_have_the_documented_type(role):
    for name, value in defaults(role).items():
        option = options(role)[name]
        if is_computed(value) or option["type"] == "raw":
            continue
        assert has_type(value, option["type"]), f"{name}: {value!r} is no {option['type']}"
        if option["type"] == "list" and option["elements"] in PYTHON_TYPES:
            wrong = [item for item in value if not has_type(item, option["elements"])]
            assert wrong == [], f"{name}: these are no {option['elements']}"
        if "choices" in option:
            chosen = value if isinstance(value, list) else [value]
            assert set(chosen) <= set(option["choices"]), f"{name}: {value!r} is none of its choices"


def test_options_are_typed_and_described(role):
    for name, option in with_nested(options(role)):
        assert option.get("description"), f"{name}: description is missing"
        assert option.get("type") in {*PYTHON_TYPES, "raw"}, f"{name}: type is {option.get('type')}"
        if option["type"] == "list":
            assert option.get("elements") in {*PYTHON_TYPES, "raw"}, f"{name}: elements is {option.get('elements')}"
            assert option["elements"] != "dict" or option.get("options"), f"{name}: keys of its items are not described"
        assert not (option.get("required") and "default" in option), f"{name}: required, and yet it has a default"


def test_secrets_are_never_echoed_by_validation(role):
    """A failed choice or type check prints the value; a string passes every type check."""
    for name, option in with_nested(options(role)):
        if SECRET.search(name):
            assert option["type"] == "str", f"{name}: a failed check of type {option['type']} would print it"
            assert "choices" not in option, f"{name}: a failed choice would print it"
            assert not option.get("default"), f"{name}: a secret that everybody has is none"


def test_can_be_undone(role):
    state = options(role)[f"{role}_state"]
    assert (state["type"], state["choices"], state["default"]) == ("str", ["present", "absent"], "present")


def test_main_is_a_table_of_contents(role):
    lines = (ROLES / role / "tasks" / "main.yml").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 60
