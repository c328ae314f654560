# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""What the way to a Jupyter host needs: host keys, and rules that keep a person's tunnel to that person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

# must be the addresses that roles/jupyter_tunnel/files/jupyter-tunnel derives
_NETWORKS = 4194304

_RULES = """\
# Managed by Ansible (wheelhouse.onboarding.jupyter_tunnel). Each person has an address on this machine, which jupyter-tunnel derives
# from their user ID. Only that person and root can connect to it, and only their programs can answer there, so that a browser
# sends its login nowhere else. Loaded by wheelhouse-tunnels.service.
table inet wheelhouse_tunnels
delete table inet wheelhouse_tunnels

table inet wheelhouse_tunnels {{
    set addresses {{
        type ipv4_addr
{addresses}    }}
    set owners {{
        type ipv4_addr . uid
{owners}    }}
    chain output {{
        type filter hook output priority filter; policy accept;
        ip daddr @addresses ip daddr . meta skuid != @owners reject with icmpx admin-prohibited
        ip saddr @addresses ip saddr . meta skuid != @owners drop
    }}
}}
"""  # noqa: E501


def ssh_host_keys(
    hosts: Sequence[str], hostvars: Mapping[str, Mapping[str, object]], given: Mapping[str, str]
) -> dict[str, str]:
    """The public host key of each host as its type and the key, empty where it is neither given nor among the facts."""
    keys = {}
    for name in hosts:
        key = str(given.get(name) or "").strip()
        facts = hostvars[name].get("ansible_facts") if not key and name in hostvars else None
        if isinstance(facts, Mapping) and facts.get("ssh_host_key_ed25519_public"):
            kind = facts.get("ssh_host_key_ed25519_public_keytype") or "ssh-ed25519"
            key = f"{kind} {facts['ssh_host_key_ed25519_public']}"
        keys[name] = key
    return keys


def tunnel_address(uid: int) -> str:
    """The loopback address of an account's tunnel."""
    number = uid % _NETWORKS
    return f"127.{64 + number // 65536}.{number // 256 % 256}.{number % 256}"


def tunnel_rules(people: Sequence[str], accounts: Mapping[str, Sequence[str]]) -> str:
    """Rules of nftables for those of `people` with an account.

    accounts    by login name, what `getent passwd` says after the name
    """
    uids = [int(accounts[name][1]) for name in sorted(set(people)) if name in accounts]
    owners = [(tunnel_address(uid), uid) for uid in uids]
    addresses = list(dict.fromkeys(address for address, _uid in owners))
    if not owners:
        return _RULES.format(addresses="", owners="")
    lines = [f"\t\t\t{address} . {uid},\n" for address, uid in owners]
    lines += [f"\t\t\t{address} . 0,\n" for address in addresses]
    lines[-1] = lines[-1].replace(",", "")
    return _RULES.format(
        addresses=f"\t\telements = {{ {', '.join(addresses)} }}\n",
        owners=f"\t\telements = {{\n{''.join(lines)}\t\t}}\n",
    )


def laptop_hosts(
    hosts: Mapping[str, Mapping[str, str]], hostvars: Mapping[str, Mapping[str, object]]
) -> dict[str, dict[str, str]]:
    """{name: {address, host_key}} of Jupyter hosts as laptops reach them; a key is empty where none is known.

    hosts   by inventory name, with an `address` and a `host_key` where IT gives them
    """
    keys = ssh_host_keys(list(hosts), hostvars, {name: host.get("host_key") or "" for name, host in hosts.items()})
    found = {}
    for name, host in hosts.items():
        known = hostvars[name].get("ansible_host") if name in hostvars else None
        found[name] = {"address": str(host.get("address") or known or name), "host_key": keys[name]}
    return found
