"""Writes pages of the reference that antsibull-docs does not: playbooks, and lists of roles, modules and filters.

    python tests/tools/reference_pages.py DIRECTORY

`make docs` has them written beside the pages that antsibull-docs writes. A playbook's description is the comment above
its first play: sentences, and indented lines for what is typed.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping
from pathlib import Path

import yaml
from ansible.parsing.plugin_docs import read_docstring
from readme_tables import markdown, specs, table

ROOT = Path(__file__).resolve().parents[2]
PLAYBOOKS = """\
# Playbooks

Call a playbook by its full name, for example:

```text
ansible-playbook -i inventories/acme --ask-vault-pass wheelhouse.onboarding.site
```

In a checkout, the playbooks are files in `playbooks/`. Each one validates the inventory first. Options are given with
`-e`; [Shared settings](../settings.md#options-of-playbooks) lists them all.

"""
ROLES = """\
# Roles

Each role works alone when its own variables are given. Many of these have `wheelhouse_*` settings as their defaults;
[Shared settings](../settings.md) lists those. A page lists every entry point of its role: `main`, and those that
playbooks call on their own.
"""
MODULES = """\
# Modules

The roles use these modules. They are documented because some are useful elsewhere, and because error messages name
them.
"""
COMMON = """\

(common_return_values)=
## Common return values

Every module also returns what Ansible's own modules return: `changed`, `failed`, and `msg` when it fails.

(action_plugins)=
## Action plugins

A module with an action plugin of the same name runs on the controller and touches no host.
"""
FILTERS = """\
# Filters

Filters are pure functions: they read nothing from hosts and never change their input.
"""


LOOKUPS = """\
# Lookups

Lookups read files of the collection on the controller.
"""


def description(text: str) -> str:
    """The comment at the top as Markdown: indented lines are a block of code."""
    lines = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        lines.append(line[2:].rstrip())
    parts = re.split(r"\n{2,}", "\n".join(lines).strip("\n"))
    return "\n\n".join(code(part) if part.startswith("  ") else prose(part) for part in parts)


def prose(part: str) -> str:
    """A paragraph, with options and names of files as code."""
    return re.sub(r"(?<![`\w])(--[a-z][a-z-]+|[a-z_]+\.yml)(?![\w`])", r"`\1`", part)


def code(part: str) -> str:
    """A block of code without the indent that all its lines have."""
    lines = part.splitlines()
    indent = min(len(line) - len(line.lstrip()) for line in lines)
    return "\n".join(["```text", *(line[indent:] for line in lines), "```"])


def steps(text: str) -> list[str]:
    """The names of its plays, in their order, with the tags that choose them."""
    named = []
    for play in yaml.safe_load(text):
        tags = play.get("tags", [])
        tags = [tags] if isinstance(tags, str) else tags
        chosen = f" (tags: {', '.join(f'`{tag}`' for tag in tags)})" if tags else ""
        named.append(f"1. {play['name']}{chosen}")
    return named


def playbooks() -> str:
    """All of them, that for everything first."""
    sections = []
    for path in sorted((ROOT / "playbooks").glob("*.yml"), key=lambda path: (path.stem != "site", path.stem)):
        text = path.read_text(encoding="utf-8")
        sections.append(f"## {path.stem}\n\n{description(text)}\n\nSteps:\n\n" + "\n".join(steps(text)) + "\n")
    return PLAYBOOKS + "\n".join(sections)


def listed(kind: str, summaries: Mapping[str, str]) -> str:
    """A table with links to the pages, which the navigation has by their short names."""
    rows = [[f"[{name}]({name}_{kind}.rst)", markdown(summary)] for name, summary in summaries.items()]
    names = "".join(f"{name} <{name}_{kind}>\n" for name in summaries)
    return f"\n{table([kind, 'purpose'], rows)}\n:::{{toctree}}\n:hidden:\n\n{names}:::\n"


def plugins(kind: str) -> dict[str, str]:
    """Names and short descriptions of the plugins in a directory."""
    docs = [read_docstring(str(path))["doc"] for path in sorted((ROOT / "plugins" / kind).glob("[!_]*.py"))]
    return {doc.get("name") or doc["module"]: doc["short_description"] for doc in docs}


def pages() -> dict[str, str]:
    """The pages, by their file names."""
    roles = {name: entries["main"]["short_description"] for name, entries in specs()}
    return {
        "playbooks.md": playbooks(),
        "roles.md": ROLES + listed("role", roles),
        "modules.md": MODULES + listed("module", plugins("modules")) + COMMON,
        "filters.md": FILTERS + listed("filter", plugins("filter")),
        "lookups.md": LOOKUPS + listed("lookup", plugins("lookup")),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path, metavar="DIRECTORY")
    directory = parser.parse_args().directory
    for name, text in pages().items():
        (directory / name).write_text(text, encoding="utf-8")
