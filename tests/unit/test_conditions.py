"""Conditions are true or false. From ansible-core 2.19 on, a list, a text or nothing in one is an error of the run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import jinja2
import pytest
import yaml
from jinja2 import nodes

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(
    [*ROOT.glob("roles/*/tasks/*.yml"), *ROOT.glob("roles/*/handlers/*.yml"), *ROOT.glob("playbooks/**/*.yml")]
)
CONDITIONS = ("when", "changed_when", "failed_when", "until", "break_when")
ASSERTS = ("ansible.builtin.assert", "assert")
BOOLEAN_FILTERS = {"bool"}
# keys of what modules return
BOOLEAN_KEYS = {
    "changed",
    "failed",
    "skipped",
    "unreachable",
    "exists",
    "isdir",
    "islnk",
    "isreg",
    "finished",
    "renewal",
    "can_talk_to_docker",
}
BOOLEAN_NAMES = {"ansible_check_mode", "ansible_diff_mode"}
BOOLEAN_METHODS = {"startswith", "endswith", "isascii", "isdigit"}


class Loader(yaml.SafeLoader):
    """YAML as Ansible reads it, its tags (!unsafe, !vault) taken for their text."""


Loader.add_multi_constructor("!", lambda loader, _suffix, node: loader.construct_scalar(node))


class AnyName(dict):
    """Takes every filter and test for known."""

    def get(self, _name: str, _default: object = None) -> object:
        return str


ENVIRONMENT = jinja2.Environment()
ENVIRONMENT.filters = ENVIRONMENT.tests = AnyName()


def tasks(node: object) -> Iterator[dict]:
    """Every task, block and role in a file of tasks or a playbook."""
    for task in node if isinstance(node, list) else []:
        if isinstance(task, dict):
            yield task
            for part in ("block", "rescue", "always", "tasks", "pre_tasks", "post_tasks", "handlers", "roles"):
                yield from tasks(task.get(part))


def conditions(task: dict) -> Iterator[str]:
    for key in CONDITIONS:
        value = task.get(key, [])
        yield from (str(item) for item in (value if isinstance(value, list) else [value]))
    for key in ASSERTS:
        if key in task:
            that = task[key]["that"]
            yield from (str(item) for item in (that if isinstance(that, list) else [that]))


@cache
def expressions() -> dict[str, str]:
    """{variable: template} of what roles and plays define, for names that stand in conditions."""
    found: dict[str, str] = {}
    for path in [*ROOT.glob("roles/*/vars/**/*.yml"), *ROOT.glob("roles/*/defaults/*.yml")]:
        found |= {str(name): str(value) for name, value in (yaml.load(path.read_text(), Loader) or {}).items()}
    for path in FILES:
        for task in tasks(yaml.load(path.read_text(encoding="utf-8"), Loader)):
            found |= {str(name): str(value) for name, value in (task.get("vars") or {}).items()}
            found |= {str(name): str(value) for name, value in (task.get("ansible.builtin.set_fact") or {}).items()}
    return found


@cache
def boolean_options() -> frozenset[str]:
    specs = (yaml.safe_load(path.read_text(encoding="utf-8")) for path in ROOT.glob("roles/*/meta/argument_specs.yml"))
    return frozenset(
        name
        for spec in specs
        for entry in spec["argument_specs"].values()
        for name, option in (entry.get("options") or {}).items()
        if option["type"] == "bool"
    )


def is_boolean(text: str, seen: frozenset[str] = frozenset()) -> bool:
    """Whether an expression, or a template that is nothing but one, gives true or false."""
    whole = re.fullmatch(r"\s*\{\{(.*)\}\}\s*", text, re.DOTALL)
    text = whole[1] if whole else text
    if text.strip().lower() in ("true", "false"):
        return True
    output = ENVIRONMENT.parse(f"{{{{ {text} }}}}").body[0]
    return isinstance(output, nodes.Output) and _boolean(output.nodes[0], seen)


def _boolean(node: nodes.Node, seen: frozenset[str]) -> bool:
    match node:
        case nodes.Compare() | nodes.Not() | nodes.Test():
            return True
        case nodes.And() | nodes.Or():
            return _boolean(node.left, seen) and _boolean(node.right, seen)
        case nodes.CondExpr():
            return _boolean(node.expr1, seen) and node.expr2 is not None and _boolean(node.expr2, seen)
        case nodes.Const():
            return isinstance(node.value, bool)
        case nodes.Filter() if node.name in BOOLEAN_FILTERS:
            return True
        case nodes.Filter() if node.name == "default":
            return (
                node.node is not None and _boolean(node.node, seen) and bool(node.args) and _boolean(node.args[0], seen)
            )
        case nodes.Getattr():
            return node.attr in BOOLEAN_KEYS
        case nodes.Call(node=nodes.Getattr(attr=method)):
            return method in BOOLEAN_METHODS
        case nodes.Name():
            if node.name in BOOLEAN_NAMES | boolean_options():
                return True
            template = expressions().get(node.name)
            return template is not None and node.name not in seen and is_boolean(template, seen | {node.name})
    return False


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_conditions_are_true_or_false(path):
    document = yaml.load(path.read_text(encoding="utf-8"), Loader)
    wrong = [text for task in tasks(document) for text in conditions(task) if not is_boolean(text)]
    assert wrong == [], "write `| length > 0`, `is defined`, a comparison or `| bool`"


@pytest.mark.parametrize(
    ("text", "boolean"),
    [
        ("people", False),
        ("people | default([])", False),
        ("people | length", False),
        ("people | length > 0", True),
        ("x is defined and y", False),
        ("x is defined and not y", True),
        ("answer is changed or answer.changed", True),
        ("answer.results", False),
        ("a == 1 if b else c", False),
        ("{{ 'a' in b }}", True),
        ("rotate_certificate | default(false) | bool", True),
    ],
)
def test_what_counts_as_one(text, boolean):
    assert is_boolean(text) is boolean
