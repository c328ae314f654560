"""What the documentation says of settings, files and links is true of this repository."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.wheelhouse.onboarding.plugins.module_utils import settings
from documented_commands import FENCE, SPAN, documents

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(path for path in (ROOT / "docs").glob("*.md"))
MARKDOWN = [path for path in documents() if path.suffix == ".md"]
ROLES = sorted(path.parents[1].name for path in (ROOT / "roles").glob("*/meta/argument_specs.yml"))
EXAMPLES = ROOT / "tests" / "tools" / "role_examples"
LINK = re.compile(r"(?<!!)\[[^\]]*\]\((?P<target>[^)\s]+)\)|!\[[^\]]*\]\((?P<image>[^)\s]+)\)")
INVENTED = {"pypi_index_reservd", "package_client_example"}
"""Examples of a name that the check of the inventory corrects, and of a fragment of the changelog."""
BUILT = "reference/"
"""What `make docs` writes; Sphinx checks links to it."""


@cache
def metrics() -> frozenset[str]:
    """Names of what hosts and the index's program give Prometheus."""
    sources = [*(ROOT / "roles/monitoring/files/collector/wheelhouse_monitoring").glob("*.py")]
    program = ROOT / "roles/pypi_index/files/wheelhouse/src/wheelhouse/metrics.py"
    names = {
        name for path in [*sources, program] for name in re.findall(r'"(wheelhouse_\w+)"', path.read_text("utf-8"))
    }
    # tables of the program, whose rows begin with a key and the rest of the name
    for part in re.findall(
        r'^    \("\w+", "(\w+)", ".+", "(?:gauge|counter)"\),$', program.read_text("utf-8"), re.MULTILINE
    ):
        names |= {f"wheelhouse_{part}", f"wheelhouse_store_{part}"}
    return frozenset(names)


def prose(text: str) -> str:
    """Markdown without its blocks of code."""
    return FENCE.sub("", text)


def anchors(text: str) -> set[str]:
    """The anchors that a page's headings get."""
    found = re.findall(r"^#+ (.*)$", prose(text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found}


@cache
def specs(role: str) -> dict[str, Any]:
    text = (ROOT / "roles" / role / "meta" / "argument_specs.yml").read_text(encoding="utf-8")
    return yaml.safe_load(text)["argument_specs"]


def options(role: str) -> dict[str, Any]:
    return {name: option for entry in specs(role).values() for name, option in entry.get("options", {}).items()}


@cache
def variables() -> dict[str, Any]:
    """All that may stand in an inventory, or after -e."""
    shared: dict[str, Any] = {setting.name: setting.spec() for setting in (*settings.SETTINGS, *settings.OPTIONS)}
    return shared | {name: option for role in ROLES for name, option in options(role).items()}


def facts() -> set[str]:
    """Names that roles and playbooks give facts, which their documentation speaks of."""
    text = " ".join(str(specs(role)) for role in ROLES)
    return set(re.findall(r"C\((\w+)\)", text)) | getattr(settings, "FACTS", set())


def is_name_of_a_setting(word: str) -> bool:
    prefixes = ("wheelhouse", "rotate", "index_image", *ROLES)
    return any(re.fullmatch(rf"{prefix}_[a-z_]+", word) for prefix in prefixes)


def test_there_is_documentation() -> None:
    assert len(PAGES) > 20
    assert len(MARKDOWN) > len(PAGES) + len(ROLES)
    assert {"wheelhouse_people", "pypi_index_upstream", "rotate_certificate"} <= variables().keys()


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


@pytest.mark.parametrize("path", MARKDOWN, ids=lambda path: str(path.relative_to(ROOT)))
def test_settings_that_are_named_exist(path: Path) -> None:
    known = {*variables(), *facts(), *ROLES, "index_image_host", *INVENTED, *metrics()}
    files = {file.stem for file in (ROOT / "plugins").rglob("*.py")} | {
        file.stem for file in (ROOT / "playbooks").rglob("*.yml")
    }
    words = [
        word
        for span in SPAN.finditer(path.read_text(encoding="utf-8"))
        for word in re.findall(r"(?<![\w/~.-])\w+(?![\w/.-])", span[2])
    ]
    assert [word for word in words if is_name_of_a_setting(word) and word not in known | files] == []


@pytest.mark.parametrize("path", MARKDOWN, ids=lambda path: str(path.relative_to(ROOT)))
def test_examples_of_settings_are_right(path: Path) -> None:
    """Their names, and the keys of their entries."""
    for block in FENCE.finditer(path.read_text(encoding="utf-8")):
        if block["language"] != "yaml":
            continue
        content = yaml.safe_load(re.sub(rf"^{block[1]}", "", block["text"], flags=re.MULTILINE))
        plays = content if isinstance(content, list) else []
        given = content if isinstance(content, dict) else {}
        for role in (role for play in plays for role in play.get("roles", [])):
            given |= {name: value for name, value in role.items() if name != "role"}
        for name, value in given.items():
            if not is_name_of_a_setting(name):  # hosts, a fragment of the changelog, another program's file
                continue
            assert name in variables(), name
            keys = variables()[name].get("options", {})
            entries = value if isinstance(value, list) else [value]
            # what a template makes of other variables is not known here
            known = [entry for entry in entries if not isinstance(entry, str)]
            assert [key for entry in known if keys for key in entry if key not in keys] == []


@pytest.mark.parametrize("path", MARKDOWN, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    broken = []
    for link in LINK.finditer(prose(path.read_text(encoding="utf-8"))):
        target = link["target"] or link["image"]
        if "://" in target or target.startswith(BUILT):
            continue
        name, _, anchor = target.partition("#")
        file = path.parent / name if name else path
        text = file.read_text(encoding="utf-8") if file.is_file() else None
        if text is None or (anchor and anchor not in anchors(text)):
            broken.append(target)
    assert broken == []


def test_every_page_is_in_the_navigation() -> None:
    """Sphinx says so of what nothing lists; this says so of what is listed twice, too."""
    listed = [
        line
        for page in PAGES
        for tree in re.findall(
            r"^:::\{toctree\}\n(.*?)^:::$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
        )
        for line in tree.splitlines()
        if line and not line.startswith((":", "reference/"))
    ]
    assert sorted(listed) == sorted(path.stem for path in PAGES if path.stem != "index")


@pytest.mark.parametrize("role", ROLES)
def test_the_example_of_a_role_is_right(role: str) -> None:
    """Its variables are the role's, and none is missing that the role needs."""
    (play,) = yaml.safe_load((EXAMPLES / f"{role}.yml").read_text(encoding="utf-8"))
    given = {entry.pop("role").rpartition(".")[2]: entry for entry in play["roles"]}
    assert role in given
    for name, values in given.items():
        assert [variable for variable in values if variable not in options(name)] == []
        required = {variable for variable, option in options(name).items() if option.get("required")}
        assert required <= values.keys()


def test_every_example_has_its_role() -> None:
    assert sorted(path.stem for path in EXAMPLES.iterdir()) == ROLES


def test_every_scenario_is_described() -> None:
    """docs/tested.md says what each proves."""
    page = (ROOT / "docs" / "tested.md").read_text(encoding="utf-8")
    described = re.findall(r"^\| `([a-z-]+)` \|", page, re.MULTILINE)
    scenarios = [path.parent.name for path in (ROOT / "molecule").glob("*/molecule.yml")]
    assert sorted(described) == sorted(scenarios)
