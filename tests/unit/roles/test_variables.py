"""The variables in a role's tasks and templates: who they belong to is in their name, and somebody sets them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import jinja2.meta
import jinja2.nodes
import pytest
import yaml
from ansible import constants

ROOT = Path(__file__).resolve().parents[3]
ROLES = ROOT / "roles"
NAMES = sorted(path.name for path in ROLES.iterdir() if path.is_dir()) if ROLES.is_dir() else []

# No `ansible_distribution` and its kin: facts are read from `ansible_facts`.
ANSIBLES_OWN = {
    *constants.INTERNAL_STATIC_VARS,
    *constants.COMMON_CONNECTION_VARS,
    *("ansible_check_mode", "ansible_managed", "ansible_search_path", "ansible_loop", "ansible_failed_task"),
    *("ansible_failed_result", "ansible_parent_role_names", "ansible_parent_role_paths"),
    *("template_host", "template_path", "item", "omit", "lookup", "query", "q", "now", "undef", "environment"),
    *jinja2.Environment().globals,
}
# Keys whose strings are expressions without braces.
CONDITIONS = {"when", "changed_when", "failed_when", "until", "that", "break_when"}
INCLUDES = {f"ansible.builtin.{action}" for action in ("include_role", "import_role")}


class Loader(yaml.SafeLoader):
    """YAML as Ansible reads it, its tags (!unsafe, !vault) taken for their text."""


Loader.add_multi_constructor("!", lambda loader, _suffix, node: loader.construct_scalar(node))


def documents(role: str, *folders: str) -> Iterator[Any]:
    for folder in folders:
        for path in sorted((ROLES / role / folder).rglob("*.yml")):
            yield yaml.load(path.read_text(encoding="utf-8"), Loader)


def tasks(node: Any) -> Iterator[dict]:
    """Every task and block in a file of tasks or handlers."""
    for task in node or []:
        yield task
        for part in ("block", "rescue", "always"):
            yield from tasks(task.get(part))


def strings(node: object, key: str = "") -> Iterator[str]:
    """Every template in a YAML document; conditions get the braces they do without."""
    if isinstance(node, dict):
        for name, value in node.items():
            yield from strings(value, str(name))
    elif isinstance(node, list):
        for value in node:
            yield from strings(value, key)
    elif isinstance(node, str):
        yield f"{{{{ {node} }}}}" if key in CONDITIONS and "{{" not in node else node


class AnyName(dict):
    """Takes every filter and test for known: which there are is ansible-lint's affair."""

    def get(self, _name: str, _default: object = None) -> object:
        return str


def used(role: str) -> set[str]:
    environment = jinja2.Environment(extensions=["jinja2.ext.do", "jinja2.ext.loopcontrols"])
    environment.filters = environment.tests = AnyName()
    yaml_files = documents(role, "defaults", "vars", "tasks", "handlers")
    texts = [text for document in yaml_files for text in strings(document)]
    texts += [path.read_text(encoding="utf-8") for path in sorted((ROLES / role / "templates").rglob("*.j2"))]
    names: set[str] = set()
    given: set[str] = set()
    for template in map(environment.parse, texts):
        set_here = {node.name for node in template.find_all(jinja2.nodes.Name) if node.ctx == "store"}
        names |= jinja2.meta.find_undeclared_variables(template) - set_here
        given |= given_to_templates(template)
    return names - given


def given_to_templates(template: jinja2.nodes.Template) -> set[str]:
    """What a template of a list gives to those of its files: keys of `template_vars` and of what is called `values`."""
    given: list[jinja2.nodes.Node] = [
        node for node in template.find_all(jinja2.nodes.Assign) if getattr(node.target, "name", "") == "values"
    ]
    given += [node for node in template.find_all(jinja2.nodes.Keyword) if node.key == "template_vars"]
    keys = (pair.key for node in given for pair in node.find_all(jinja2.nodes.Pair))
    return {key.value for key in keys if isinstance(key, jinja2.nodes.Const)}


def made_by_tasks(role: str) -> set[str]:
    """Names that tasks of the role set for the role itself: registers, facts, `vars` and loop variables."""
    names: set[str] = set()
    for document in documents(role, "tasks", "handlers"):
        for task in tasks(document):
            loop = task.get("loop_control", {})
            names |= {task["register"]} if "register" in task else set()
            names |= {loop[key] for key in ("loop_var", "index_var") if key in loop}
            names |= set(task.get("ansible.builtin.set_fact", {})) - {"cacheable"}
            if not INCLUDES & set(task):
                names |= set(task.get("vars", {}))
    return names


@cache
def variables_of(role: str) -> frozenset[str]:
    """What a user may set: the options of the role's entry points."""
    specs = yaml.safe_load((ROLES / role / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))["argument_specs"]
    return frozenset(name for entry in specs.values() for name in entry.get("options", {}))


@cache
def shared() -> frozenset[str]:
    """The collection's own variables: those explained where people set them, and facts of roles for each other."""
    manual = [path for path in (ROOT / "inventories" / "example").rglob("*") if path.is_file()]
    manual.append(ROOT / "docs" / "settings.md")  # those of a run, too
    explained = {name for path in manual for name in re.findall(r"\bwheelhouse_\w+", path.read_text(encoding="utf-8"))}
    facts = {name for role in NAMES for name in made_by_tasks(role) if not name.startswith("__")}
    return frozenset(explained | facts)


# Roles of one host that go by each other's variables; tests/unit/roles/test_index_settings.py has their defaults.
DERIVED = {
    "backup": ("pypi_index", "index_gateway"),
    "conda_channel": ("pypi_index",),
    "fleet": ("pypi_index",),
    "index_database": ("pypi_index",),
    "index_gateway": ("pypi_index",),
    "index_store": ("pypi_index",),
    "monitoring": ("index_gateway", "pypi_index"),
    "package_intake": ("pypi_index",),
    "package_transfer": ("package_intake", "pypi_index"),
    "pypi_index": ("package_intake",),
}


@pytest.fixture(params=NAMES)
def role(request: pytest.FixtureRequest) -> str:
    return request.param


def test_there_are_roles():
    assert NAMES, f"no role found below {ROLES}"


def test_names_say_whose_they_are(role):
    names = made_by_tasks(role) | variables_of(role)
    names |= {name for document in documents(role, "defaults", "vars") for name in document or {}}
    assert sorted(name for name in names if not name.startswith((f"{role}_", f"__{role}_", "wheelhouse_"))) == []


def test_public_names_are_documented(role):
    """What begins with `__` is the role's own; anything else is an option, or a fact that the spec tells of."""
    made = made_by_tasks(role) | {name for document in documents(role, "vars") for name in document or {}}
    spec = (ROLES / role / "meta" / "argument_specs.yml").read_text(encoding="utf-8")
    assert sorted(name for name in made if not name.startswith("__") and f"C({name})" not in spec) == []


def test_roles_are_included_with_options_they_have(role):
    for document in documents(role, "tasks", "handlers"):
        for task in tasks(document):
            for action in INCLUDES & set(task):
                included = task[action]["name"].rpartition(".")[2]
                given = {name for name in task.get("vars", {}) if not name.startswith(f"__{role}_")}
                assert sorted(given - variables_of(included)) == [], f"no options of {included}"


@pytest.mark.filterwarnings("ignore:invalid escape sequence")  # Jinja's view of regular expressions
def test_every_variable_is_set_somewhere(role):
    known = ANSIBLES_OWN | shared() | variables_of(role) | made_by_tasks(role)
    known |= {name for document in documents(role, "vars") for name in document or {}}
    known |= {name for other in DERIVED.get(role, ()) for name in variables_of(other)}
    assert sorted(used(role) - known) == []


def test_every_option_does_something(role):
    folders = (ROLES / role / name for name in ("defaults", "vars", "tasks", "handlers", "templates"))
    text = "".join(path.read_text(encoding="utf-8") for folder in folders for path in folder.rglob("*.*"))
    # its own line in defaults/main.yml is no use of it
    assert [name for name in variables_of(role) if not re.search(rf"(?<!\w){name}\b(?!:)", text)] == []
