# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""What several gateways need in common, and hosts of engines that nothing would use: faults over all hosts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ansible_collections.wheelhouse.onboarding.plugins.module_utils.engine_settings import (
    DATABASE,
    DATABASE_EXAMPLE,
    STORE,
    STORE_EXAMPLE,
)
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.spec_checks import UNKNOWN
from ansible_collections.wheelhouse.onboarding.plugins.plugin_utils.inventory_templates import Values

_EXAMPLES = {DATABASE: DATABASE_EXAMPLE, STORE: STORE_EXAMPLE}
_PLACES = {DATABASE: ("host", "database_hosts"), STORE: ("endpoint", "store_hosts")}


def gateway_faults(values: Values, groups: Mapping[str, list[str]]) -> Iterator[str]:
    """Yield a sentence per fault.

    values  the variables of all hosts
    groups  Ansible's `groups`
    """
    gateways = groups.get("index_hosts", [])
    given = {host: {name: _value(values, host, name) for name in (DATABASE, STORE)} for host in gateways}
    for name in (DATABASE, STORE):
        found = [given[host][name] for host in gateways]
        if len(gateways) > 1 and not all(found):
            yield (
                f"index_hosts has {len(gateways)} hosts ({', '.join(gateways)}), and {name} is not set for "
                f"{_first_without(given, name)}: write {name}: {_EXAMPLES[name]} into group_vars/all, so that they are "
                "gateways of one index, or leave one of the hosts."
            )
        elif any(value not in (found[0], UNKNOWN) for value in found[1:]) and found[0] is not UNKNOWN:
            yield (
                f"{name} is not the same on all of {', '.join(gateways)}, which have one index: write it once, into "
                "group_vars/all."
            )
        yield from _place_faults(name, found[0] if found else None, groups)
    if len(gateways) > 1:
        yield from _certificate_faults(values, gateways)
    if groups.get("balancer_hosts") and not gateways:
        yield "There are balancer_hosts, and no host in index_hosts whose requests they would pass on: put one in."
    if len(groups.get("store_hosts", [])) > 1:
        yield (
            f"store_hosts has {len(groups['store_hosts'])} hosts, and the role index_store runs a store on one, for "
            "trying it out: leave one of them, or write the endpoint of a store of your own into pypi_index_store."
        )


def _value(values: Values, host: str, name: str) -> object:
    if name not in values.raw.get(host, {}):
        return None
    return values.worked_out(host, values.raw[host][name], name, [])


def _first_without(given: Mapping[str, Mapping[str, object]], name: str) -> str:
    return next(host for host, settings in given.items() if not settings[name])


def _place_faults(name: str, value: object, groups: Mapping[str, list[str]]) -> Iterator[str]:
    """Where an engine is: a key says so, or a group that a role sets up."""
    key, group = _PLACES[name]
    hosts = groups.get(group, [])
    if hosts and not value:
        yield (
            f"There are hosts in {group}, and {name} is not set, so that nothing would use them: write {name}: "
            f"{_EXAMPLES[name]} without {key} into group_vars/all."
        )
    elif isinstance(value, Mapping) and not hosts and not value.get(key):
        yield (
            f"{name}.{key} is missing: write where it is, or put a host into {group}, which a role of this collection "
            "sets up."
        )


def _certificate_faults(values: Values, gateways: list[str]) -> Iterator[str]:
    for host in gateways:
        if _value(values, host, "index_gateway_certificate_source") == "self_signed":
            yield (
                "index_gateway_certificate_source is 'self_signed', so that each gateway would have a CA of its own, "
                "and clients know one of them: write given or company_ca."
            )
            return
