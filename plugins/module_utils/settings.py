# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""The one table of the settings that roles share: `wheelhouse_*` in group_vars/all.

The preflight reads an inventory by it, docs/settings.md and inventories/example are written from it
(tests/tools/settings_pages.py). A setting's `type`, `elements` and `choices` are those of a role's argument_specs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypedDict

PASSWORD_MIN_LENGTH = 12


class Option(TypedDict, total=False):
    """An option, as it stands in a role's argument_specs; `check` is ours."""

    type: str
    elements: str
    description: str | list[str]
    required: bool
    default: object
    choices: list[str]
    options: dict[str, Option]
    check: str


@dataclass(frozen=True)
class Setting:
    """One setting, or one key of an entry of `wheelhouse_people`."""

    name: str
    type: str
    description: str
    example: str  # YAML that stands behind the name; more than one line begins with a line break
    elements: str | None = None
    choices: tuple[str, ...] = ()
    check: str | None = None  # what the value has to be, a name in value_checks.CHECKS
    required: bool = False
    secret: bool = False
    default: str = ""  # in words
    given: bool = True  # whether the example inventory sets it, or only shows it in a comment
    options: tuple[Setting, ...] = field(default=())

    def spec(self) -> Option:
        """The setting in the form of a role's argument_specs."""
        spec: Option = {"type": self.type, "description": self.description, "required": self.required}
        if self.elements:
            spec["elements"] = self.elements
        if self.choices:
            spec["choices"] = list(self.choices)
        if self.options:
            spec["options"] = {option.name: option.spec() for option in self.options}
        return spec


PROXY = (
    Setting(
        "regions",
        "dict",
        "One entry a region, as host:port. A host takes the nearest unless corporate_proxy_region names one.",
        "\neurope: proxy-eu.acme.example:8080\npacific: proxy-ap.acme.example:8080",
        required=True,
    ),
    Setting(
        "no_proxy",
        "list",
        "What is reached directly: suffixes with a leading dot, hosts, addresses and networks. The index always is.",
        "\n- .acme.example\n- 192.0.2.0/24",
        elements="str",
    ),
    Setting(
        "mode",
        "str",
        "direct = programs log in at the proxy themselves, people with their own account; relay = a service on each"
        " host does it for them, with the machines' account. corporate_proxy_mode, for a group or a host, has it"
        " otherwise there.",
        "direct",
        choices=("direct", "relay"),
        default="direct",
    ),
    Setting(
        "authentication",
        "str",
        "How the relay logs in: basic, or ntlm for proxies that take nothing else.",
        "ntlm",
        choices=("basic", "ntlm"),
        default="basic",
        given=False,
    ),
)

PERSON = (
    Setting(
        "name",
        "str",
        "Login name: on workstations, on Jupyter hosts and at the index. Lower-case letters, digits, - and _.",
        "ada",
        required=True,
    ),
    Setting(
        "state",
        "str",
        "absent = offboarded: gone from every host and from the index at the next run.",
        "absent",
        choices=("present", "absent"),
        default="present",
        given=False,
    ),
    Setting(
        "workstations",
        "list",
        "The person's machines, by their names in the group workstations.",
        "[ws-ada.acme.example]",
        elements="str",
    ),
    Setting("jupyter", "bool", "Whether the person has a JupyterLab on a Jupyter host.", "true", default="false"),
    Setting(
        "jupyter_host",
        "str",
        "With several Jupyter hosts, the one it is on. Changed, the home comes along at the next run.",
        "jupyter.acme.example",
        default="the first of the group jupyter_hosts",
        given=False,
    ),
    Setting(
        "publishes",
        "list",
        "Projects this person may publish, as patterns of normalised names; [] = may only install.",
        '["acme-*"]',
        elements="str",
        default="[]",
    ),
    Setting(
        "index_password",
        "str",
        "The password at the index, as it is typed: nothing has to be percent-encoded or escaped. Printable ASCII,"
        " from wheelhouse_password_min_length to 72 characters. Without one the person has no account there.",
        '"{{ vault_ada_index }}"',
        secret=True,
    ),
    Setting("proxy_username", "str", "The person's account at the proxy.", '"EMEA\\\\ada"'),
    Setting(
        "proxy_password",
        "str",
        "Its password, as it is typed. Without one, the person types it where they work; IT need not know it.",
        '"{{ vault_ada_proxy }}"',
        secret=True,
    ),
    Setting(
        "ssh_public_key",
        "str",
        "The public half of a key the person already has; without it, one is made on the workstation.",
        '"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJqhC3KTnDrgHu0Pqvkbl9oRHxTHQXbVYzbFUC1tTcyR ada@acme.example"',
    ),
    Setting(
        "laptops",
        "list",
        "Machines of the person's own that Ansible does not reach: bundles.yml makes an archive for each.",
        "[windows, macos]",
        elements="str",
        choices=("windows", "linux", "macos"),
        default="[]",
        given=False,
    ),
)

SETTINGS = (
    Setting(
        "wheelhouse_index_url",
        "str",
        "The address of the index, for pip, uv, Poetry and conda alike: https, a host name, and nothing behind it.",
        "https://packages.acme.example",
        required=True,
    ),
    Setting(
        "wheelhouse_contact",
        "str",
        "Whom people are told to ask, for example for a package that is not there.",
        "it@acme.example",
        check="contact",
    ),
    Setting(
        "wheelhouse_proxy",
        "dict",
        "The corporate proxy; leave it out where there is none. Names and passwords do not belong here, see below.",
        "",
        options=PROXY,
    ),
    Setting(
        "wheelhouse_proxy_username",
        "str",
        "The machines' own account at the proxy, for Debian packages and container images.",
        '"EMEA\\\\svc-linux"',
    ),
    Setting(
        "wheelhouse_proxy_password",
        "str",
        "Its password, as it is typed.",
        '"{{ vault_machines_proxy }}"',
        secret=True,
    ),
    Setting(
        "wheelhouse_index_username",
        "str",
        "The machines' own account at the index, which may only install.",
        "machines",
    ),
    Setting(
        "wheelhouse_index_password",
        "str",
        "Its password, as it is typed.",
        '"{{ vault_machines_index }}"',
        secret=True,
    ),
    Setting(
        "wheelhouse_password_min_length",
        "int",
        "How many characters a password of the index needs.",
        str(PASSWORD_MIN_LENGTH),
        check="password_length",
        default=str(PASSWORD_MIN_LENGTH),
        given=False,
    ),
    Setting(
        "wheelhouse_ca_bundle",
        "str",
        "The company's CA, as a PEM file beside this inventory; leave it out where certificates come from a public CA.",
        '"{{ inventory_dir }}/../files/acme-ca.pem"',
        check="pem_file",
        given=False,
    ),
    Setting(
        "wheelhouse_conda_channels",
        "list",
        "The company's own conda channels on the index, the strongest first; [] = none.",
        "[internal]",
        elements="str",
        check="channel",
        default="[internal]",
        given=False,
    ),
    Setting(
        "wheelhouse_leavers_max",
        "int",
        "How many people a run may offboard. One that would offboard more, or somebody without an entry, stops before"
        " any host is touched, and says who it is.",
        "3",
        check="not_negative",
        default="3",
        given=False,
    ),
    Setting(
        "wheelhouse_skipped_people",
        "str",
        "How a run ends that could not serve somebody, for example because of odd files in the home: fail, or"
        " report, which names them and succeeds.",
        "report",
        choices=("fail", "report"),
        default="fail",
        given=False,
    ),
    Setting(
        "wheelhouse_people",
        "list",
        "Who works here. Onboarding is an entry and a run of site.yml; offboarding is `state: absent` and a run.",
        "",
        elements="dict",
        required=True,
        options=PERSON,
    ),
)

# What playbooks take with -e, and nothing else reads.
OPTIONS = (
    Setting(
        "rotate_jupyter_tokens",
        "str",
        "rotate.yml: login names of people whose JupyterLabs get new tokens, with commas between, or all.",
        "ada,leo",
    ),
    Setting(
        "rotate_certificate",
        "bool",
        "rotate.yml: a new key and certificate for the index, where the role index_gateway makes them.",
        "true",
        default="false",
    ),
    Setting(
        "rotate_immediately",
        "bool",
        "rotate.yml: the index refuses superseded passwords immediately, whoever still uses them.",
        "true",
        default="false",
    ),
    Setting(
        "wheelhouse_serial",
        "str",
        "site.yml and people.yml: how many clients are configured at a time, as a number or a share such as 20%.",
        "10",
        default="100%",
    ),
    Setting(
        "wheelhouse_max_fail_percentage",
        "int",
        "site.yml and people.yml: stop where a larger share of the clients in a batch fails.",
        "20",
        default="100",
    ),
    Setting(
        "wheelhouse_offboard",
        "str",
        "site.yml and people.yml: who is meant to leave although they have no entry, or are many; commas between.",
        "bob,eve",
    ),
    Setting("remove_everything", "str", "remove.yml: yes = it is meant. Without it, it says what it would do.", "yes"),
)

# Facts that playbooks set for each other; those of roles are in the roles' own argument_specs, as C(name).
FACTS = frozenset({"wheelhouse_reachability", "wheelhouse_hosts_on_old_credentials", "wheelhouse_people_skipped"})

BY_NAME = {setting.name: setting for setting in SETTINGS}
