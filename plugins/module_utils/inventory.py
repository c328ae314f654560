# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""Faults of an inventory, all at once, before anything is changed on any host.

Functions here yield sentences. Each names the setting, its value unless that is secret, and what to write instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches

from ansible_collections.wheelhouse.onboarding.plugins.module_utils.credentials import (
    account_faults,
    split_server,
    split_url,
)
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.hosts import is_ipv4
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.inventory_accounts import (
    header_name_faults,
    index_name_faults,
)
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.inventory_people import (
    index_password_faults,
    people_faults,
)
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.ldap_settings import ldap_faults
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.no_proxy import no_proxy
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.people import last_day, today
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.settings import BY_NAME, PASSWORD_MIN_LENGTH
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.spec_checks import key_fault, value_faults
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.values import kind, shown

INDEX_EXAMPLE = "https://packages.acme.example"
PROXY_EXAMPLE = "{regions: {europe: 'proxy.acme.example:8080'}, no_proxy: ['.acme.example']}"
PROXY_KEYS = ("regions", "no_proxy", "mode", "authentication")
PROXY_MODES = ("direct", "relay")
PROXY_AUTHENTICATION = ("basic", "ntlm")
WORKING_GROUPS = ("index_hosts", "jupyter_hosts", "workstations")
ENGINE_GROUPS = ("database_hosts", "store_hosts", "balancer_hosts")
HOST_GROUPS = (*WORKING_GROUPS, *ENGINE_GROUPS, "windows", "proxy_hosts")
KNOWN_GROUPS = (*HOST_GROUPS, "canaries", "enrolled_hosts")
"""With those whose hosts are in another one as well."""


def validate_inventory(settings: Mapping[str, object], groups: object) -> list[str]:
    """One sentence per fault; an empty list for a good inventory.

    settings    the shared settings by name, those of the table in settings.py; one that is missing or None is not set
    groups      Ansible's `groups`: {name of a group: [names of its hosts]}
    """
    hosts = _hosts_by_group(groups)
    has_proxy = settings.get("wheelhouse_proxy") not in (None, "", {})
    return [
        *_index_faults(settings.get("wheelhouse_index_url"), bool(hosts.get("index_hosts"))),
        *_index_account_faults(settings),
        *_proxy_faults(settings.get("wheelhouse_proxy")),
        *_proxy_account_faults(settings, has_proxy),
        *_relay_faults(settings),
        *people_faults(
            settings.get("wheelhouse_people"),
            workstations=hosts.get("workstations", []),
            jupyter_hosts=hosts.get("jupyter_hosts", []),
            has_proxy=has_proxy,
            min_length=_min_length(settings),
            machines=settings.get("wheelhouse_index_username"),
        ),
        *_plain_faults(settings),
        *ldap_faults(settings.get("wheelhouse_ldap")),
        *_group_faults(groups, hosts),
    ]


def inventory_warnings(settings: Mapping[str, object]) -> list[str]:
    """What works, but not as somebody will expect it to."""
    return [
        *_address_warnings(settings.get("wheelhouse_index_url")),
        *_last_day_warnings(settings.get("wheelhouse_people")),
    ]


def _last_day_warnings(people: object) -> Iterator[str]:
    for person in people if isinstance(people, list) else []:
        if not isinstance(person, dict) or person.get("state") == "absent":
            continue
        try:
            last = last_day(person)
        except ValueError:
            continue
        if last and last < today():
            name = person.get("name")
            yield (
                f"wheelhouse_people[{name}].until is {last}, which has passed: the next run offboards {name}. Write "
                "state: absent, or a later day."
            )


def _address_warnings(url: object) -> list[str]:
    try:
        _scheme, authority, _rest = split_url(url) if isinstance(url, str) else ("", "", "")
    except ValueError:
        return []
    if authority.startswith("[") or is_ipv4(authority.partition(":")[0]):
        return [
            f"wheelhouse_index_url is {shown(url)}, an IP address, and pip from 24.2 on cannot verify the certificate "
            "of one: give the index a name."
        ]
    return []


def _min_length(settings: Mapping[str, object]) -> int:
    length = settings.get("wheelhouse_password_min_length")
    if isinstance(length, str) and length.isdecimal():  # given with -e
        return int(length)
    return length if isinstance(length, int) and not isinstance(length, bool) else PASSWORD_MIN_LENGTH


# Those whose faults are found by functions of their own, since they depend on each other.
_OF_THEIR_OWN = (
    "wheelhouse_index_url",
    "wheelhouse_proxy",
    "wheelhouse_proxy_username",
    "wheelhouse_proxy_password",
    "wheelhouse_index_username",
    "wheelhouse_index_password",
    "wheelhouse_people",
)


def _plain_faults(settings: Mapping[str, object]) -> Iterator[str]:
    """Faults of the settings that stand alone, by the table."""
    for name, setting in BY_NAME.items():
        if name not in _OF_THEIR_OWN and settings.get(name) is not None:
            spec = setting.spec()
            if setting.check:
                spec["check"] = setting.check
            yield from value_faults(settings[name], spec, name)


def _index_faults(url: object, is_ours: bool) -> Iterator[str]:
    where = "wheelhouse_index_url"
    if url is None or url == "":
        yield f"{where} is not set: write the address of the index, for example {INDEX_EXAMPLE}."
        return
    if not isinstance(url, str):
        yield f"{where} is {kind(url)}, not a string: write the address of the index, for example {INDEX_EXAMPLE}."
        return
    try:
        scheme, authority, rest = split_url(url, where)
    except ValueError as exc:
        yield str(exc)
        return
    if authority.startswith("["):
        yield f"{where} is {shown(url)}, an IPv6 address, which conda and others cannot use: give the index a name."
    if scheme != "https":
        yield f"{where} is {shown(url)}: write https:// at its beginning, since passwords are sent to it."
    if re.search(r"[?#]", rest):
        yield f"{where} is {shown(url)}: write it without '?' and '#' and what follows them."
    elif rest.endswith("/"):
        yield f"{where} is {shown(url)}: write it without the '/' at its end."
    elif rest.endswith("/simple"):
        yield f"{where} is {shown(url)}: write it without '/simple', which is added for the tools that need it."
    elif rest and is_ours:
        yield f"{where} is {shown(url)}: write it without a path; the index on index_hosts has none."


def _index_account_faults(settings: Mapping[str, object]) -> Iterator[str]:
    username, password = settings.get("wheelhouse_index_username"), settings.get("wheelhouse_index_password")
    if username in (None, "") and password in (None, ""):
        return
    faults = list(account_faults(username, password, "wheelhouse_index_username", "wheelhouse_index_password"))
    if username == "__token__":
        faults.append(
            "wheelhouse_index_username is '__token__', which tools send with a token in a name's place: "
            "write another name, such as machines."
        )
    faults = faults or list(index_name_faults(username, "wheelhouse_index_username"))
    yield from faults or index_password_faults(password, "wheelhouse_index_password", _min_length(settings))


def _proxy_account_faults(settings: Mapping[str, object], has_proxy: bool) -> Iterator[str]:
    username, password = settings.get("wheelhouse_proxy_username"), settings.get("wheelhouse_proxy_password")
    if username in (None, "") and password in (None, ""):
        return
    faults = list(account_faults(username, password, "wheelhouse_proxy_username", "wheelhouse_proxy_password"))
    yield from faults or header_name_faults(username, "wheelhouse_proxy_username")
    if not has_proxy:
        yield (
            "wheelhouse_proxy_username and wheelhouse_proxy_password are of no use without wheelhouse_proxy: "
            f"write wheelhouse_proxy: {PROXY_EXAMPLE}, or take them out."
        )


def _proxy_faults(proxy: object) -> Iterator[str]:
    if proxy is None or proxy == "":
        return
    if not isinstance(proxy, dict):
        yield f"wheelhouse_proxy is {kind(proxy)}, not a mapping: write {PROXY_EXAMPLE}."
        return
    for key in proxy:
        if key not in PROXY_KEYS:
            close = get_close_matches(key, PROXY_KEYS, n=1) if isinstance(key, str) else []
            advice = f"did you mean '{close[0]}'?" if close else f"write one of {', '.join(PROXY_KEYS)}."
            yield f"wheelhouse_proxy has the key {shown(key)}, which is not known: {advice}"
    yield from _choice_faults(proxy, "mode", PROXY_MODES)
    yield from _choice_faults(proxy, "authentication", PROXY_AUTHENTICATION)
    yield from _region_faults(proxy.get("regions"))
    yield from _no_proxy_faults(proxy.get("no_proxy"))


def _choice_faults(proxy: Mapping[str, object], key: str, choices: tuple[str, ...]) -> Iterator[str]:
    value = proxy.get(key)
    if value is not None and value not in choices:
        words = " or ".join(choices)
        yield f"wheelhouse_proxy.{key} is {shown(value)}: write {words}, or leave it out for {choices[0]}."


def _relay_faults(settings: Mapping[str, object]) -> Iterator[str]:
    """What a relay can't do; and what nothing but a relay can."""
    proxy = settings.get("wheelhouse_proxy")
    if not isinstance(proxy, dict):
        return
    password = settings.get("wheelhouse_proxy_password")
    if proxy.get("mode") != "relay":
        if proxy.get("authentication") == "ntlm":
            yield (
                "wheelhouse_proxy.authentication is 'ntlm', which tools can't send themselves: "
                "write mode: relay beside it, or leave it out."
            )
    elif settings.get("wheelhouse_proxy_username") in (None, "") or password in (None, ""):
        yield (
            "wheelhouse_proxy.mode is 'relay', which logs in with the machines' account: "
            "give wheelhouse_proxy_username and wheelhouse_proxy_password, or write direct."
        )
    elif proxy.get("authentication") == "ntlm" and isinstance(password, str) and not password.isascii():
        yield (
            "wheelhouse_proxy_password has a character outside ASCII in it, which px does not send right with NTLM: "
            "have it changed to letters A to Z, digits, spaces and ASCII punctuation."
        )


def _region_faults(regions: object) -> Iterator[str]:
    where = "wheelhouse_proxy.regions"
    if not isinstance(regions, dict) or not regions:
        what = "an empty mapping" if regions == {} else f"{kind(regions)}, not a mapping"
        yield f"{where} is {what}: write at least one region, for example {{europe: 'proxy.acme.example:8080'}}."
        return
    for region, server in regions.items():
        if wrong := key_fault(region):
            yield f"{where} {wrong}."
            continue
        name = f"{where}.{region}" if re.fullmatch(r"[\w-]{1,40}", str(region)) else f"{where}[{shown(region)}]"
        if not isinstance(server, str):
            yield f"{name} is {kind(server)}, not a string: write host:port, like 'proxy.acme.example:8080'."
            continue
        try:
            split_server(server, name)
        except ValueError as exc:
            yield str(exc)


def _no_proxy_faults(entries: object) -> Iterator[str]:
    where = "wheelhouse_proxy.no_proxy"
    if entries is None:
        return
    if not isinstance(entries, list):
        yield f"{where} is {kind(entries)}, not a list: write for example ['.acme.example', '192.0.2.0/24']."
        return
    _value, dropped = no_proxy(entries)
    for sentence in dropped:
        yield f"In {where}, {sentence}"


def _hosts_by_group(groups: object) -> dict[str, list[str]]:
    """The groups that are well-formed, {name: hosts}."""
    if not isinstance(groups, dict):
        return {}
    return {
        name: [host for host in hosts if isinstance(host, str)]
        for name, hosts in groups.items()
        if isinstance(name, str) and isinstance(hosts, list)
    }


def _group_faults(groups: object, hosts: dict[str, list[str]]) -> Iterator[str]:
    if not isinstance(groups, dict):
        yield f"The groups are {kind(groups)}, not a mapping: pass Ansible's variable `groups`."
        return
    for name, members in groups.items():
        if not isinstance(name, str) or not isinstance(members, list):
            yield f"The group {shown(name)} is no list of hosts: pass Ansible's variable `groups`."
    if not any(hosts.get(group) for group in WORKING_GROUPS):
        yield f"There is no host in any of the groups {', '.join(WORKING_GROUPS)}: put one in."
    for group in ("index_hosts", "jupyter_hosts", *ENGINE_GROUPS):
        for host in hosts.get(group, []):
            if host in hosts.get("windows", []):
                yield (
                    f"Host {shown(host)} is in the groups windows and {group}, which are hosts with Debian: take it "
                    "out of one of them."
                )
    # An entry for localhost only says how to reach the controller.
    for host in hosts.get("ungrouped", []):
        if host != "localhost":
            yield f"Host {shown(host)} is in no group: put it in one of {', '.join(HOST_GROUPS)}."
    for host in hosts.get("windows", []):
        if host not in hosts.get("workstations", []):
            yield f"Host {shown(host)} is in the group windows, but not in workstations: put it in both."
    for host in hosts.get("canaries", []):
        if host not in hosts.get("workstations", []) + hosts.get("jupyter_hosts", []):
            yield (
                f"Host {shown(host)} is in the group canaries, but not in workstations or jupyter_hosts: put it in "
                "one of them."
            )
    for host in hosts.get("enrolled_hosts", []):
        if host not in hosts.get("workstations", []):
            yield (
                f"Host {shown(host)} is enrolled, but not in the group workstations: put it there, or take it out of "
                "enrolled.generated.yml, run fleet.yml, and change the secrets that it had."
            )
        others = [group for group in ("windows", "jupyter_hosts", "index_hosts") if host in hosts.get(group, [])]
        if others:
            yield (
                f"Host {shown(host)} is enrolled, and in the group {others[0]}, whose hosts are managed by push: run "
                "enroll.yml for it with -e fleet_state=absent."
            )
    yield from _unknown_group_faults(hosts)


def _meant(group: str) -> str | None:
    """The known group that one is probably a slip of: in other case, with `-` for `_`, or with a letter less."""
    folded = re.sub(r"[^a-z0-9]+", "_", group.lower())
    near = get_close_matches(folded, KNOWN_GROUPS, n=1, cutoff=0.9)
    return near[0] if near and group not in KNOWN_GROUPS else None


def _unknown_group_faults(hosts: dict[str, list[str]]) -> Iterator[str]:
    """Groups with hosts on which nothing would be done; further groups of hosts in known groups are fine."""
    known = {host for group in KNOWN_GROUPS for host in hosts.get(group, [])}
    for group, members in hosts.items():
        if group in KNOWN_GROUPS or group in ("all", "ungrouped"):
            continue
        idle = [host for host in members if host not in known]
        meant = _meant(group)
        left_out = [host for host in members if meant and host not in hosts.get(meant, [])]
        if not idle and left_out:
            yield (
                f"Group {shown(group)} ({'host' if len(left_out) == 1 else 'hosts'} {', '.join(left_out)}) does "
                f"nothing by itself; did you mean {shown(meant)}? Correct its name, or give it one that is less alike."
            )
        if not idle:
            continue
        close = get_close_matches(group, KNOWN_GROUPS, n=1)
        question = f"; did you mean {shown(close[0])}?" if close else "."
        yield (
            f"Group {shown(group)} ({'host' if len(idle) == 1 else 'hosts'} {', '.join(idle)}) "
            f"is not one this collection uses{question} Put its hosts in one of {', '.join(HOST_GROUPS)}."
        )
