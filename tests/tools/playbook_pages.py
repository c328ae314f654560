"""Writes the reference page of the playbooks that people call, from their comments and plays.

    python tests/tools/playbook_pages.py FILE

A playbook's description is the comment above its first play: sentences, and indented lines for what is typed.
`make docs` puts the page beside what antsibull-docs writes, which knows no playbooks.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
PLAYBOOKS = ROOT / "playbooks"
INTRODUCTION = """\
# Playbooks

Call a playbook by its full name, for example:

```text
ansible-playbook -i inventories/acme --ask-vault-pass wheelhouse.onboarding.site
```

In a checkout, the playbooks are files in `playbooks/`. Each one validates the inventory first. Options are given
with `-e`; [Shared settings](../settings.md#options-of-playbooks) lists them all.

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


def page() -> str:
    sections = []
    for path in sorted(PLAYBOOKS.glob("*.yml"), key=lambda path: (path.stem != "site", path.stem)):
        text = path.read_text(encoding="utf-8")
        sections.append(f"## {path.stem}\n\n{description(text)}\n\nIts steps:\n\n" + "\n".join(steps(text)) + "\n")
    return INTRODUCTION + "\n".join(sections)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
