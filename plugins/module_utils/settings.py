# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""The one table of the settings that roles share: `wheelhouse_*` in group_vars/all.

The preflight reads an inventory by it, docs/settings.md and inventories/example are written from it
(tests/tools/settings_pages.py). A setting's `type`, `elements` and `choices` are those of a role's argument_specs.
"""

from __future__ import annotations

from ansible_collections.wheelhouse.onboarding.plugins.module_utils.ldap_settings import LDAP
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.setting import Option, Setting

__all__ = ["BY_NAME", "FACTS", "OPTIONS", "PASSWORD_MIN_LENGTH", "PERSON", "PROXY", "SETTINGS", "Option", "Setting"]

PASSWORD_MIN_LENGTH = 12

PROXY = (
    Setting(
        "regions",
        "dict",
        "One proxy for each region, as host:port. A host uses the nearest, unless corporate_proxy_region names one.",
        "\neurope: proxy-eu.acme.example:8080\npacific: proxy-ap.acme.example:8080",
        required=True,
    ),
    Setting(
        "no_proxy",
        "list",
        "What hosts reach without the proxy: domain suffixes with a leading dot, hosts, addresses and networks. The"
        " index is always among them.",
        "\n- .acme.example\n- 192.0.2.0/24",
        elements="str",
    ),
    Setting(
        "mode",
        "str",
        "direct = each program logs in at the proxy, with the person's account; relay = a service on each host logs in,"
        " with the machines' account. corporate_proxy_mode sets it for a group or a host.",
        "direct",
        choices=("direct", "relay"),
        default="direct",
    ),
    Setting(
        "authentication",
        "str",
        "How the relay logs in: basic, or ntlm if the proxy accepts nothing else.",
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
        "absent = offboard the person: the next run removes their access from every host and from the index.",
        "absent",
        choices=("present", "absent"),
        default="present",
        given=False,
    ),
    Setting(
        "until",
        "str",
        "The person's last day (UTC). From the next day on, the hosts and the index refuse them without a run, and the"
        " next run offboards them.",
        "2026-12-31",
        check="date",
        default="none",
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
        "The Jupyter host; needed where there are several. When it changes, the next run moves the home.",
        "jupyter.acme.example",
        default="the only one of the group jupyter_hosts",
        given=False,
    ),
    Setting(
        "publishes",
        "list",
        "Projects that this person may publish, as patterns of normalised names; [] = the person may only install.",
        '["acme-*"]',
        elements="str",
        default="[]",
    ),
    Setting(
        "reads",
        "list",
        "Restricted projects (pypi_index_restricted) that this person may read, as patterns of normalised names. All"
        " others, everyone may read.",
        '["acme-secret-*"]',
        elements="str",
        default="[]",
        given=False,
    ),
    Setting(
        "index_password",
        "str",
        "The password at the index, as the person types it; nothing is percent-encoded or escaped. Printable ASCII,"
        " from wheelhouse_password_min_length to 72 characters. Without it, the person has no account at the index.",
        '"{{ vault_ada_index }}"',
        secret=True,
    ),
    Setting("proxy_username", "str", "The person's account at the proxy.", '"EMEA\\\\ada"'),
    Setting(
        "proxy_password",
        "str",
        "The password of that account, as the person types it. Without it, the person runs corporate-password and keeps"
        " it themselves.",
        '"{{ vault_ada_proxy }}"',
        secret=True,
    ),
    Setting(
        "ssh_public_key",
        "str",
        "The public half of a key that the person has already. Without it, a key pair is generated on the workstation.",
        '"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJqhC3KTnDrgHu0Pqvkbl9oRHxTHQXbVYzbFUC1tTcyR ada@acme.example"',
    ),
    Setting(
        "laptops",
        "list",
        "Laptops of the person that Ansible does not reach: bundles.yml writes an archive for each.",
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
        "The address of the index for pip, uv, Poetry and conda: https and a host name, without a path.",
        "https://packages.acme.example",
        required=True,
    ),
    Setting(
        "wheelhouse_contact",
        "str",
        "Whom people should ask, for example for a package that the index does not have.",
        "it@acme.example",
        check="contact",
    ),
    Setting(
        "wheelhouse_proxy",
        "dict",
        "The corporate proxy; leave it out if there is none. Accounts and passwords have settings of their own.",
        "",
        options=PROXY,
    ),
    Setting(
        "wheelhouse_proxy_username",
        "str",
        "The machines' account at the proxy, for Debian packages and container images.",
        '"EMEA\\\\svc-linux"',
    ),
    Setting(
        "wheelhouse_proxy_password",
        "str",
        "The password of that account, as one types it.",
        '"{{ vault_machines_proxy }}"',
        secret=True,
    ),
    Setting(
        "wheelhouse_index_username",
        "str",
        "The machines' account at the index, which may only install.",
        "machines",
    ),
    Setting(
        "wheelhouse_index_password",
        "str",
        "The password of that account, as one types it.",
        '"{{ vault_machines_index }}"',
        secret=True,
    ),
    Setting(
        "wheelhouse_store_index_passwords",
        "bool",
        "Whether people's passwords at the index are stored on their machines, so that all programs of theirs can"
        " publish. By default, a token that may only install is stored, and publishing asks for the password.",
        "true",
        default="false",
        given=False,
    ),
    Setting(
        "wheelhouse_password_min_length",
        "int",
        "The least number of characters of a password at the index.",
        str(PASSWORD_MIN_LENGTH),
        check="password_length",
        default=str(PASSWORD_MIN_LENGTH),
        given=False,
    ),
    Setting(
        "wheelhouse_ca_bundle",
        "str",
        "The company's CA certificates, a PEM file beside this inventory; leave it out if all certificates come from a"
        " public CA.",
        '"{{ inventory_dir }}/../files/acme-ca.pem"',
        check="pem_file",
        given=False,
    ),
    Setting(
        "wheelhouse_ldap",
        "dict",
        "The company's directory (LDAP, Active Directory), whose people log in at the index with the directory's"
        " password. Leave it out if there is none.",
        "",
        given=False,
        options=LDAP,
    ),
    Setting(
        "wheelhouse_conda_channels",
        "list",
        "The company's conda channels on the index, in order of priority; [] = none.",
        "[internal]",
        elements="str",
        check="channel",
        default="[internal]",
        given=False,
    ),
    Setting(
        "wheelhouse_audits",
        "bool",
        "Whether the index answers uv audit and pip-audit, from the advisories that you put into"
        " /srv/wheelhouse/intake/osv, and pip-audit on workstations asks it.",
        "true",
        default="false",
        given=False,
    ),
    Setting(
        "wheelhouse_offboard_max",
        "int",
        "How many people a run may offboard. A run that would offboard more, or a person without an entry, stops before"
        " it changes anything, and names them.",
        "3",
        check="not_negative",
        default="3",
        given=False,
    ),
    Setting(
        "wheelhouse_skipped_people",
        "str",
        "How a run ends if it could not serve a person, for example because of odd files in the home: fail, or"
        " report, which names the person and succeeds.",
        "report",
        choices=("fail", "report"),
        default="fail",
        given=False,
    ),
    Setting(
        "wheelhouse_monitoring",
        "bool",
        "Whether each host has metrics for Prometheus: the index, requests, jobs, certificates, the proxy, Jupyter.",
        "true",
        default="false",
        given=False,
    ),
    Setting(
        "wheelhouse_directory_people",
        "list",
        "What directory.yml writes: the members of the groups of wheelhouse_ldap, as entries for wheelhouse_people.",
        "[{name: ada, jupyter: true}]",
        elements="dict",
        given=False,
    ),
    Setting(
        "wheelhouse_people",
        "list",
        "Everyone who works here. To onboard a person, add an entry and run the playbook; to offboard one, write"
        " `state: absent` and run it.",
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
        "rotate.yml: login names of people whose JupyterLabs get new tokens, separated by commas, or all.",
        "ada,leo",
    ),
    Setting(
        "rotate_index_tokens",
        "str",
        "rotate.yml: login names of people whose machines get new tokens for the index, separated by commas, or all.",
        "ada,leo",
    ),
    Setting(
        "rotate_certificate",
        "bool",
        "rotate.yml: make a new key and certificate for the index, if the role index_gateway makes them.",
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
        "site.yml, people.yml, fleet.yml: how many clients are configured at a time, a number or a share such as 20%.",
        "10",
        default="100%",
    ),
    Setting(
        "wheelhouse_max_fail_percentage",
        "int",
        "site.yml, people.yml, fleet.yml (there 10): stop where a larger share of the clients in a batch fails.",
        "20",
        default="100",
    ),
    Setting(
        "wheelhouse_offboard",
        "str",
        "site.yml, people.yml and directory.yml: the people to offboard although they have no entry or are many,"
        " separated by commas.",
        "bob,eve",
    ),
    Setting(
        "status_file",
        "str",
        "status.yml: also write the report to this file on the controller, as one JSON document for programs.",
        "status.json",
    ),
    Setting(
        "remove_everything",
        "str",
        "remove.yml: yes = remove everything. Without it, the playbook says what it would remove.",
        "yes",
    ),
    Setting(
        "migrate_store_back",
        "bool",
        "migrate_store.yml: move the index back onto the first host.",
        "true",
        default="false",
    ),
    Setting("from", "str", "restore.yml: the backup: latest, its id or day. Without it, they are listed.", "latest"),
    Setting("damaged", "str", "restore.yml: accepted = also what there is of a damaged backup.", "accepted"),
    Setting(
        "index_image_host",
        "str",
        "index_image.yml: the host that builds the image.",
        "index.acme.example",
        default="localhost",
    ),
    Setting(
        "package_transfer_apply",
        "bool",
        "import.yml: bring what the bundles have; without it, the playbook reports it.",
        "true",
        default="false",
    ),
    Setting("package_transfer_since", "str", "export.yml: the bundle that the new one follows.", "3", default="LAST"),
)

# Facts that playbooks set for each other; those of roles are in the roles' own argument_specs, as C(name).
FACTS = frozenset({"wheelhouse_reachability", "wheelhouse_hosts_on_old_credentials", "wheelhouse_people_skipped"})

BY_NAME = {setting.name: setting for setting in SETTINGS}
