"""Writes docs/settings.md and the shared settings of inventories/example from the table of settings.

The table is plugins/module_utils/settings.py.

python tests/tools/settings_pages.py            rewrites them
python tests/tools/settings_pages.py --check    says what it would change, and fails if there is anything
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path

from ansible.plugins.loader import init_plugin_loader
from generated import ROOT, settle

init_plugin_loader()
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.ldap_settings import GROUP, LDAP  # noqa: E402
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.settings import (  # noqa: E402
    BY_NAME,
    OPTIONS,
    PERSON,
    PROXY,
    SETTINGS,
    Setting,
)

WIDTH = 116
SOURCE = "tests/tools/settings_pages.py writes this from plugins/module_utils/settings.py."

COMPANY = """\
# The settings that roles share. docs/settings.md has the same as a table, and
# `ansible-doc -t role wheelhouse.onboarding.ROLE` lists further variables of each role.
"""
# Variables of roles that a company decides once for all; their argument_specs explain them.
MORE = """
# Which of uv, poetry, pipx and twine are installed on workstations and Jupyter hosts; only uv by default.
# package_client_tools: [uv, poetry, pipx, twine]

# Channels from outside, after the company's own; [] if public conda packages are admitted (index_hosts.yml) and people
# install from the index only.
# package_client_conda_other_channels: [conda-forge]

# Hosts are set up as root. Ansible's account may use sudo (with --ask-become-pass if sudo asks for a password), or is
# root, and then has to be named here.
# ansible_user: root
"""
PEOPLE = f"""\
# {BY_NAME["wheelhouse_people"].description.partition(". ")[2]}
# Keep the entry of a person who leaves. A run offboards people without an entry, or more people than
# wheelhouse_offboard_max (3), only with `-e wheelhouse_offboard=bob,eve`, which names them.
"""
MORE_PEOPLE = """
  - name: bob
    workstations: [ws-bob.acme.example]
    publishes: []
    index_password: "{{ vault_bob_index }}"
    proxy_username: "EMEA\\\\bob"
    proxy_password: "{{ vault_bob_proxy }}"

  - name: grace
    # has laptops only; their installer asks for the proxy password
    laptops: [windows, macos]
    index_password: "{{ vault_grace_index }}"
    proxy_username: "EMEA\\\\grace"

  # a CI job that publishes one project; examples/ci has the job
  - name: ci-acme-hello
    publishes: [acme-hello]
    index_password: "{{ vault_ci_acme_hello_index }}"

  - name: eve
    state: absent # offboarded from every host by the next run
"""
INTRODUCTION = f"""\
# Shared settings

<!-- {SOURCE} -->

Write these settings once, in `group_vars/all` of the inventory; `inventories/example` has each of them. Roles take them
as the defaults of their own variables, which [Roles](reference/roles.md) lists. [The inventory](inventory.md) says how
every playbook checks them. An unknown variable whose name begins with `wheelhouse_` or with the name of a role is an
error.
"""


def comment(text: str, indent: str = "") -> str:
    return textwrap.fill(text, WIDTH, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# ") + "\n"


def line(setting: Setting, indent: str = "") -> str:
    """`name: value`, over more lines where the value has some; as a comment where the example does without."""
    text = f"{setting.name}:{textwrap.indent(setting.example, '  ')}" if "\n" in setting.example else ""
    text = text or f"{setting.name}: {setting.example}"
    return textwrap.indent(text, indent if setting.given else f"{indent}# ") + "\n"


def options(found: Iterable[Setting], indent: str) -> str:
    return "".join(comment(option.description, indent) + line(option, indent) for option in found)


def company() -> str:
    parts = [COMPANY]
    for setting in SETTINGS:
        if setting.name in ("wheelhouse_people", "wheelhouse_directory_people"):
            continue
        nested = f"{setting.name}:\n{options(setting.options, '  ')}" if setting.options else line(setting)
        if setting.options and not setting.given:
            nested = textwrap.indent(nested, "# ")
        parts.append(comment(setting.description) + nested)
    return "\n".join(parts) + MORE


def people() -> str:
    name, *others = PERSON
    ada = f"wheelhouse_people:\n{comment(name.description, '  ')}  - name: {name.example}\n"
    shown = [option for option in others if option.name not in ("state", "laptops")]
    last = [option for option in others if option.name == "laptops"]
    return PEOPLE + ada + options(shown, "    ") + options(last, "    ") + MORE_PEOPLE


def kind(setting: Setting) -> str:
    if setting.elements:
        return f"list of {setting.elements}"
    return setting.type


def rows(found: Iterable[Setting]) -> Iterator[list[str]]:
    for setting in found:
        choices = f" One of {', '.join(f'`{choice}`' for choice in setting.choices)}." if setting.choices else ""
        default = "**required**" if setting.required else f"`{setting.default}`" if setting.default else ""
        example = f"`{setting.example}`" if setting.example and "\n" not in setting.example else ""
        yield [f"`{setting.name}`", kind(setting), default, setting.description + choices, example]


def table(found: Iterable[Setting]) -> str:
    header = ["setting", "type", "default", "what it is", "example"]
    lines = [header, ["---"] * len(header), *rows(found)]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n" for cells in lines)


def page() -> str:
    return (
        f"{INTRODUCTION}\n{table(SETTINGS)}\n"
        f"## Keys of `wheelhouse_proxy`\n\n{table(PROXY)}\n"
        f"## Keys of `wheelhouse_ldap`\n\n{table(LDAP)}\n"
        f"## Keys of an entry of `wheelhouse_ldap.groups`\n\n{table(GROUP)}\n"
        f"## Keys of an entry of `wheelhouse_people`\n\n{table(PERSON)}\n"
        f"## Options of playbooks\n\nOnly for the command line, with `-e`.\n\n{table(OPTIONS)}"
    )


def pages() -> dict[Path, str]:
    example = ROOT / "inventories" / "example" / "group_vars" / "all"
    return {
        ROOT / "docs" / "settings.md": page(),
        example / "company.yml": company(),
        example / "people.yml": people(),
    }


if __name__ == "__main__":
    sys.exit(settle(pages()))
