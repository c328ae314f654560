"""Writes the README's tables of roles, their variables, filters and modules from the documentation that Ansible reads.

    python tests/tools/readme_tables.py            rewrites README.md
    python tests/tools/readme_tables.py --check    says what it would change, and fails if there is anything

A table stands between `<!-- generated: NAME -->` and `<!-- /generated -->`.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from typing import Any

import yaml
from ansible.parsing.plugin_docs import read_docstring
from generated import ROOT, settle

README = ROOT / "README.md"
SECTION = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- /generated -->)", re.DOTALL)


def markdown(text: str | list[str]) -> str:
    """Ansible's markup as Markdown, in one line: C(code), V(value), O(option), B(bold), I(italics)."""
    text = " ".join(text) if isinstance(text, list) else text
    text = re.sub(r"\b[CVE]\(([^)]*)\)", r"`\1`", text)
    text = re.sub(r"\bO\((?:\w+:)?([^)]*)\)", r"`\1`", text)
    text = re.sub(r"\bB\(([^)]*)\)", r"**\1**", text)
    text = re.sub(r"\bI\(([^)]*)\)", r"*\1*", text)
    return " ".join(text.split())


def table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def specs() -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted((ROOT / "roles").glob("*/meta/argument_specs.yml")):
        yield path.parents[1].name, yaml.safe_load(path.read_text(encoding="utf-8"))["argument_specs"]


def option_rows(options: dict[str, Any], prefix: str = "") -> Iterator[list[str]]:
    for name, option in options.items():
        kind = f"list of {option['elements']}" if option["type"] == "list" else option["type"]
        default = f"`{json.dumps(option['default'])}`" if "default" in option else ""
        description = markdown(option["description"])
        if "choices" in option:
            description += f" One of {', '.join(f'`{choice}`' for choice in option['choices'])}."
        yield [f"`{prefix}{name}`", kind, "**required**" if option.get("required") else default, description]
        yield from option_rows(option.get("options", {}), f"{prefix}{name}{'[]' if option['type'] == 'list' else ''}.")


def roles() -> str:
    rows = [[f"`{name}`", markdown(entries["main"]["short_description"])] for name, entries in specs()]
    return table(["role", "what for"], rows)


def variables() -> str:
    parts = []
    for name, entries in specs():
        rows = {row[0]: row for entry in entries.values() for row in option_rows(entry.get("options", {}))}
        parts.append(
            f"<details><summary><code>{name}</code>: {markdown(entries['main']['short_description'])}</summary>\n\n"
            f"{markdown(entries['main']['description'])}\n\n"
            f"{table(['variable', 'type', 'default', 'description'], list(rows.values()))}\n</details>\n"
        )
    return "\n".join(parts)


def plugins(kind: str) -> str:
    docs = [read_docstring(str(path))["doc"] for path in sorted((ROOT / "plugins" / kind).glob("[!_]*.py"))]
    rows = [[f"`{doc.get('name') or doc['module']}`", markdown(doc["short_description"])] for doc in docs]
    return table(["filter" if kind == "filter" else "module", "what for"], rows)


GENERATORS: dict[str, Callable[[], str]] = {
    "roles": roles,
    "variables": variables,
    "filters": lambda: plugins("filter"),
    "modules": lambda: plugins("modules"),
}


def main() -> int:
    old = README.read_text(encoding="utf-8")
    missing = GENERATORS.keys() - {name for _, name, _ in SECTION.findall(old)}
    if missing:
        print(f"README.md has no place (<!-- generated: NAME -->) for: {', '.join(sorted(missing))}")
        return 1
    new = SECTION.sub(lambda found: f"{found[1]}\n{GENERATORS[found[2]]()}\n{found[3]}", old)
    return settle({README: new})


if __name__ == "__main__":
    sys.exit(main())
