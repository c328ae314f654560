# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""What remove.yml does, in sentences for the person who has to confirm it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

HostVars = Mapping[str, Mapping[str, object]]


def removal_plan(hosts: Sequence[str], hostvars: HostVars, home: str, source: str = "local") -> list[str]:
    """A sentence each.

    hosts       the hosts of the play
    hostvars    have the facts `wheelhouse_removed_users` of the hosts
    home        what happens to homes where a host has no `accounts_removed_home` of its own: 'keep' or 'remove'
    source      where accounts come from where a host has no `accounts_source` of its own: 'local' or 'directory'
    """
    sentences = [f"This removes what the collection installed on {', '.join(hosts)}."]
    for host in hosts:
        names = hostvars[host].get("wheelhouse_removed_users")
        if not isinstance(names, (list, tuple)) or not names:
            continue
        people = ", ".join(map(str, names))
        if hostvars[host].get("accounts_source", source) == "directory":
            sentences.append(
                f"{host}: takes from {people} what it gave them, and ends their processes; accounts and homes stay,"
                " which are the directory's."
            )
            continue
        if hostvars[host].get("accounts_removed_home", home) == "remove":
            homes = "deletes their homes (accounts_removed_home: remove)"
        else:
            homes = "leaves their homes where they are, for root alone"
        sentences.append(f"{host}: locks the accounts of {people}, ends their processes, and {homes}.")
    return [
        *sentences,
        "What people published stays on the index. A later site.yml restores accounts and the homes that were kept.",
        "Go on with -e remove_everything=yes. Nothing was changed.",
    ]
