# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""The keys of the setting `wheelhouse_ldap`, what is wrong with their values, and what the index's program reads."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TypedDict, cast
from urllib.parse import urlsplit

from ansible_collections.wheelhouse.onboarding.plugins.module_utils.read_rights import reads_faults
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.setting import Setting

GROUP = (
    Setting(
        "name",
        "str",
        "The group: the value of group_attribute, or the whole DN. Members of groups in it count as its members.",
        "python-authors",
        required=True,
    ),
    Setting(
        "publishes",
        "list",
        "Projects that the group's members may publish, as patterns of normalised names; [] = they may only install.",
        '["acme-*"]',
        elements="str",
        default="[]",
    ),
    Setting(
        "reads",
        "list",
        "Restricted projects (pypi_index_restricted) that its members may read, as patterns of normalised names.",
        '["acme-secret-*"]',
        elements="str",
        default="[]",
        given=False,
    ),
    Setting(
        "jupyter",
        "bool",
        "Whether directory.yml gives the group's members a JupyterLab.",
        "true",
        default="false",
    ),
)

LDAP = (
    Setting(
        "url",
        "str",
        "Where the directory is: ldaps://host, or ldap://host with start_tls. wheelhouse_ca_bundle has its CA.",
        "ldaps://ad.acme.example",
        required=True,
    ),
    Setting(
        "start_tls",
        "bool",
        "Whether a connection to ldap:// is encrypted before anything is sent on it (StartTLS). Without it, ldap:// is"
        " refused.",
        "true",
        default="false",
        given=False,
    ),
    Setting(
        "bind_dn",
        "str",
        "The account that searches for people and groups.",
        '"CN=svc-wheelhouse,OU=Services,DC=acme,DC=example"',
        required=True,
    ),
    Setting(
        "bind_password",
        "str",
        "The password of that account.",
        '"{{ vault_ldap_bind }}"',
        required=True,
        secret=True,
    ),
    Setting("user_base", "str", "Where people are.", '"OU=People,DC=acme,DC=example"', required=True),
    Setting(
        "user_filter",
        "str",
        "Which entries there are people. In an Active Directory, users that are not disabled by default.",
        '"(objectClass=person)"',
        default="(objectClass=person)",
        given=False,
    ),
    Setting(
        "user_attribute",
        "str",
        "The attribute with the login name. In an Active Directory, sAMAccountName by default.",
        "uid",
        default="uid",
        given=False,
    ),
    Setting("group_base", "str", "Where groups are.", '"OU=Groups,DC=acme,DC=example"', required=True),
    Setting(
        "group_filter",
        "str",
        "Which entries there are groups. In an Active Directory, (objectClass=group) by default.",
        '"(objectClass=groupOfNames)"',
        default="(objectClass=*)",
        given=False,
    ),
    Setting("group_attribute", "str", "The attribute with a group's name.", "cn", default="cn", given=False),
    Setting(
        "active_directory",
        "bool",
        "Whether it is an Active Directory, which finds nested groups itself.",
        "true",
        default="false",
    ),
    Setting(
        "groups",
        "list",
        "The groups whose members have an account at the index, and what they may publish.",
        '\n- name: python-users\n- name: python-authors\n  publishes: ["acme-*"]',
        elements="dict",
        required=True,
        options=GROUP,
    ),
    Setting(
        "cache_minutes",
        "int",
        "How long an answer of the directory counts. Whoever leaves a group, is disabled or gets another password there"
        " is refused at most so many minutes later, and one more.",
        "2",
        default="2",
        given=False,
    ),
    Setting(
        "outage_hours",
        "int",
        "How long it counts while the directory does not answer.",
        "8",
        default="8",
        given=False,
    ),
    Setting(
        "tries",
        "int",
        "How many wrong passwords of one person the directory is asked about in half an hour. It has to be less than"
        " what locks an account there.",
        "3",
        default="3",
        given=False,
    ),
)
_NUMBERS = ("cache_minutes", "outage_hours", "tries")
_OTHERS = {"user_filter": "(objectClass=person)", "user_attribute": "uid", "group_filter": "(objectClass=*)"}
_ACTIVE_DIRECTORY = {
    # 2 in the flags is a disabled account
    "user_filter": "(&(objectCategory=person)(objectClass=user)(!(userAccountControl:1.2.840.113556.1.4.803:=2)))",
    "user_attribute": "sAMAccountName",
    "group_filter": "(objectClass=group)",
}


class Configuration(TypedDict):
    """What the program is given: a mapping, and the text of two files."""

    settings: dict[str, object]
    password: str
    removed: str


def ldap_faults(ldap: object, where: str = "wheelhouse_ldap") -> Iterator[str]:
    """A sentence per fault, beyond those of types and keys."""
    if not isinstance(ldap, Mapping):
        return
    url = ldap.get("url")
    if isinstance(url, str):
        yield from _url_faults(url, ldap.get("start_tls") is True, where)
    if ldap.get("bind_password") == "":
        yield f"{where}.bind_password is empty: write the password of {where}.bind_dn, in the vault."
    groups = ldap.get("groups")
    for position, group in enumerate(groups if isinstance(groups, list) else []):
        if isinstance(group, Mapping) and isinstance(group.get("reads"), list):
            yield from reads_faults(group.get("reads"), f"{where}.groups[{position}].reads")
    if groups == []:
        yield f"{where}.groups is empty, so nobody could log in: write the name of a group of the directory."
    for key in ("user_filter", "group_filter"):
        text = ldap.get(key)
        if isinstance(text, str) and not (re.fullmatch(r"\(.+\)", text) and text.count("(") == text.count(")")):
            yield f"{where}.{key} is {text!r}: write an LDAP filter in parentheses, such as (objectClass=person)."
    for key in ("user_attribute", "group_attribute"):
        text = ldap.get(key)
        if isinstance(text, str) and not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]*", text):
            yield f"{where}.{key} is {text!r}: write the name of an attribute, such as uid or cn."
    for key in ("bind_dn", "user_base", "group_base"):
        text = ldap.get(key)
        if isinstance(text, str) and "=" not in text:
            yield f"{where}.{key} is {text!r}: write a DN, such as OU=People,DC=acme,DC=example."
    for key in _NUMBERS:
        number = ldap.get(key)
        if isinstance(number, int) and not isinstance(number, bool) and number < 1:
            yield f"{where}.{key} is {number}: write a whole number, 1 or more."


def _url_faults(url: str, start_tls: bool, where: str) -> Iterator[str]:
    example = "ldaps://ad.acme.example"
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("ldap", "ldaps") and parts.hostname and (parts.port or True)
        is_more = "@" in parts.netloc or parts.path.strip("/") or parts.query or parts.fragment
    except ValueError:
        usable, is_more = None, None
    if not usable or is_more or re.search(r"\s", url):
        yield f"{where}.url is not the address of a directory: write it like {example}, without an account."
    elif parts.scheme == "ldap" and not start_tls:
        yield (
            f"{where}.url is {url!r}, and passwords would be sent unencrypted: write ldaps://, or start_tls: true"
            " beside it."
        )
    elif parts.scheme == "ldaps" and start_tls:
        yield f"{where}.start_tls is true, and ldaps:// is encrypted already: take start_tls out, or write ldap://."


def ldap_configuration(ldap: Mapping[str, object], removed: list[str], gateways: int) -> Configuration:
    """What the program reads.

    ldap        wheelhouse_ldap, without faults
    removed     people whom the inventory says have left
    gateways    hosts of the index, each of which counts wrong passwords by itself; the directory counts them all
    """
    given = {key: value for key, value in ldap.items() if value is not None}
    settings: dict[str, object] = {**(_ACTIVE_DIRECTORY if given.get("active_directory") else _OTHERS), **given}
    password = str(settings.pop("bind_password"))
    groups = cast("list[Mapping[str, object]]", settings["groups"])
    settings["groups"] = [_group(group) for group in groups]
    settings["cache"] = int(str(settings.pop("cache_minutes", 2))) * 60
    settings["outage"] = int(str(settings.pop("outage_hours", 8))) * 3600
    settings["tries"] = max(1, int(str(settings.get("tries", 3))) // gateways)
    return {"settings": settings, "password": password, "removed": "".join(f"{name}\n" for name in sorted(removed))}


def _group(group: Mapping[str, object]) -> dict[str, object]:
    rights = {"name": group["name"], "publishes": group.get("publishes") or []}
    # only where it is used, since earlier versions of the program do not know it
    return {**rights, "reads": group["reads"]} if group.get("reads") else rights
