"""Writes the README of each role from its argument spec and its example.

    python tests/tools/readme_tables.py            rewrites roles/*/README.md
    python tests/tools/readme_tables.py --check    says what it would change, and fails if there is anything

The example is the play in tests/tools/role_examples/ROLE.yml.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from generated import ROOT, settle

EXAMPLES = ROOT / "tests" / "tools" / "role_examples"
SOURCE = "<!-- tests/tools/readme_tables.py writes this from meta/argument_specs.yml. -->"
SETTING = (
    "Run it with `inject_facts_as_vars = false` below `[defaults]` in `ansible.cfg`. Without that, what a host reports "
    "of itself counts before these options. The collection's playbooks refuse to run then; a role alone does not look."
)
REFERENCE = """\
Defaults that come from `wheelhouse_*` settings are described in [Shared settings](../../docs/settings.md). The
[documentation](../../README.md#documentation) has guides by task.
"""


def markdown(text: str) -> str:
    """Ansible's markup as Markdown, in one line: C(code), V(value), O(option), B(bold), I(italics)."""
    text = re.sub(r"\b[CVE]\(([^)]*)\)", r"`\1`", text)
    text = re.sub(r"\bO\((?:\w+:)?([^)]*)\)", r"`\1`", text)
    text = re.sub(r"\bB\(([^)]*)\)", r"**\1**", text)
    text = re.sub(r"\bI\(([^)]*)\)", r"*\1*", text)
    return " ".join(text.split())


def paragraphs(text: str | list[str]) -> list[str]:
    return [markdown(part) for part in ([text] if isinstance(text, str) else text)]


def table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def specs() -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted((ROOT / "roles").glob("*/meta/argument_specs.yml")):
        yield path.parents[1].name, yaml.safe_load(path.read_text(encoding="utf-8"))["argument_specs"]


def option_rows(options: Mapping[str, Any], prefix: str = "") -> Iterator[list[str]]:
    """A row for each option and for the keys of its entries."""
    for name, option in options.items():
        kind = f"list of {option['elements']}" if option["type"] == "list" else option["type"]
        default = f"`{json.dumps(option['default'])}`" if "default" in option else ""
        description = " ".join(paragraphs(option["description"]))
        if "choices" in option:
            description += f" One of {', '.join(f'`{choice}`' for choice in option['choices'])}."
        yield [f"`{prefix}{name}`", kind, "**required**" if option.get("required") else default, description]
        yield from option_rows(option.get("options", {}), f"{prefix}{name}{'[]' if option['type'] == 'list' else ''}.")


def entry_points(entries: Mapping[str, Any]) -> str:
    """A table of what `tasks_from` may name, where there is anything besides `main`."""
    others = {name: entry for name, entry in entries.items() if name != "main"}
    if not others:
        return ""
    rows = [[f"`{name}`", markdown(entry["short_description"])] for name, entry in others.items()]
    return "## Other entry points\n\nFor `tasks_from`:\n\n" + table(["entry point", "what it does"], rows) + "\n"


def page(name: str, entries: Mapping[str, Any]) -> str:
    rows = {row[0]: row for entry in entries.values() for row in option_rows(entry.get("options", {}))}
    example = (EXAMPLES / f"{name}.yml").read_text(encoding="utf-8")
    main = entries["main"]
    return (
        f"{SOURCE}\n# wheelhouse.onboarding.{name}\n\n{markdown(main['short_description'])}.\n\n"
        + "\n\n".join(paragraphs(main["description"]))
        + f"\n\n## Example\n\n```yaml\n{example}```\n\n{SETTING}\n\n"
        + f"## Options\n\n{table(['option', 'type', 'default', 'description'], list(rows.values()))}\n"
        + entry_points(entries)
        + REFERENCE
    )


def pages() -> dict[Path, str]:
    return {ROOT / "roles" / name / "README.md": page(name, entries) for name, entries in specs()}


if __name__ == "__main__":
    sys.exit(settle(pages()))
