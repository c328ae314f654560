# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""What playbooks work out from the facts of all hosts: which hosts are meant, who still waits, what a run replaced."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypedDict

from ansible_collections.wheelhouse.onboarding.plugins.module_utils.people import (
    Person,
    jupyter_host_of,
    people_today,
    users_for_host,
)

Groups = Mapping[str, Sequence[str]]
HostVars = Mapping[str, Mapping[str, object]]

MANAGED = ("index_hosts", "jupyter_hosts", "workstations", "database_hosts", "store_hosts", "balancer_hosts")
NOBODY = ("all", "!all")


class Undelivered(TypedDict):
    """A person whose key a Jupyter host has not been given."""

    name: str
    host: str
    workstations: list[str]


class DoctorSummary(TypedDict):
    """Sentences about what the doctor found: what is wrong, and what only deserves a look."""

    failures: list[str]
    warnings: list[str]


def managed_hosts(
    groups: Groups, names: Sequence[str] = MANAGED, windows: bool = False, enrolled: bool = False
) -> list[str]:
    """The pattern of the hosts in `names`, without those with Windows, or of the hosts with Windows alone.

    Canaries come first, so that with `serial` they are the first batch. Enrolled hosts, which pull, are left out unless
    `enrolled` has them in. A group that the inventory lacks is left out, since Ansible warns of it. An empty list would
    mean all hosts.
    """
    wanted = (["windows"] if "windows" in groups else []) if windows else [name for name in names if name in groups]
    if not wanted:
        return list(NOBODY)
    members = {host for name in wanted for host in groups[name]}
    pattern = [host for host in groups.get("canaries", []) if host in members] + wanted
    pattern += ["!windows"] if "windows" in groups and not windows else []
    pattern += ["!enrolled_hosts"] if "enrolled_hosts" in groups and not enrolled else []
    return pattern


def is_unreachable(facts: Mapping[str, object], unknown: bool = False) -> bool:
    """Whether a host did not answer; `unknown` where it took no part in the run."""
    answer = facts.get("wheelhouse_reachability")
    return bool(answer.get("unreachable", False)) if isinstance(answer, Mapping) else unknown


def hosts_on_old_credentials(
    changed: Sequence[str], hostvars: HostVars, groups: Groups, people: Sequence[Person], machine_account: str
) -> list[str]:
    """Client hosts that use one of the `changed` accounts and were not given its new password, unless they are off.

    A host that takes no part in the run counts as one that uses them.
    """
    jupyter_hosts = list(groups.get("jupyter_hosts", []))
    clients = [*groups.get("workstations", []), *jupyter_hosts]
    found = []
    for host in dict.fromkeys(clients):
        facts = hostvars[host]
        if host in groups.get("windows", []) or facts.get("package_client_credentials_current", False):
            continue
        names = {person["name"] for person in users_for_host(people, host, jupyter_hosts)} | {machine_account}
        if names.intersection(changed) and not is_unreachable(facts):
            found.append(host)
    return found


def _is_changed(facts: Mapping[str, object], result: str) -> bool:
    """Whether a registered result of a host says that something changed."""
    found = facts.get(result)
    return isinstance(found, Mapping) and bool(found.get("changed", False))


def _of(facts: Mapping[str, object], name: str) -> list[str]:
    """The list of words in a fact, which may not be set."""
    value = facts.get(name)
    return [str(word) for word in value] if isinstance(value, (list, tuple)) else []


def rotation_report(hostvars: HostVars, index: str, hosts: Iterable[str]) -> list[str]:
    """Sentences about the secrets that a run replaced."""
    facts = [hostvars[host] for host in hosts]
    of_index = hostvars[index] if index else {}
    accounts = _of(of_index, "pypi_index_changed_accounts")
    waiting = _of(of_index, "wheelhouse_hosts_on_old_credentials")
    logins = dict.fromkeys(name for one in facts for name in _of(one, "corporate_proxy_changed_accounts"))
    tokens = dict.fromkeys(name for one in facts for name in _of(one, "jupyter_host_rotated"))
    machines = dict.fromkeys(name for one in facts for name in _of(one, "package_client_new_tokens"))
    off = [str(one["inventory_hostname"]) for one in facts if is_unreachable(one)]
    said = []
    if accounts:
        said.append(f"New at the index: the passwords of {', '.join(accounts)}.")
        said.append(
            "The index still accepts the old ones, since these hosts were not given the new ones: "
            f"{', '.join(waiting)}. Run this again for them."
            if waiting
            else "The index refuses the old ones."
        )
    if logins:
        said.append(f"New at the proxy: the logins of {', '.join(logins)}.")
    if tokens:
        said.append(f"New tokens for the JupyterLabs of {', '.join(tokens)}.")
    if machines:
        said.append(f"New tokens for the index: {', '.join(machines)}.")
    if any(_is_changed(of_index, f"index_gateway_{how}_certificate") for how in ("given", "created")):
        said.append("The index has a new certificate.")
    if off:
        said.append(f"Off, and caught up by their next run: {', '.join(off)}.")
    return said or ["Nothing had to be replaced."]


def rotation_faults(
    tokens: str, certificate: bool, people: Sequence[Person], certificate_source: str, index_tokens: str = ""
) -> list[str]:
    """Why rotate.yml cannot do what its options say."""
    faults = []
    names = [person["name"] for person in people]
    strangers = [name for name in names_in(index_tokens) if name not in (*names, "all")]
    if strangers:
        faults.append(
            f"rotate_index_tokens has {', '.join(strangers)}, not in wheelhouse_people; write login names of people, "
            "with commas between, or all."
        )
    with_jupyter = [person["name"] for person in people if person.get("jupyter", False)]
    unknown = [name for name in names_in(tokens) if name not in (*with_jupyter, "all")]
    if unknown:
        faults.append(
            f"rotate_jupyter_tokens has {', '.join(unknown)}, without a JupyterLab; write login names of people with "
            "`jupyter: true`, with commas between, or all."
        )
    if certificate and not certificate_source:
        faults.append("rotate_certificate is true, but there is no host in index_hosts: leave it out.")
    if certificate and certificate_source == "given":
        faults.append(
            "rotate_certificate is true, but the certificate is given by index_gateway_certificate: put other files "
            "there and leave rotate_certificate out."
        )
    return faults


def names_in(text: str) -> list[str]:
    """The names in a text with commas between them."""
    return [name.strip() for name in text.split(",") if name.strip()]


def doctor_summary(findings: Iterable[Mapping[str, str]], people_skipped: Iterable[Mapping[str, str]]) -> DoctorSummary:
    """Sentences about the findings of the module doctor_reports, by how bad they are."""
    said: DoctorSummary = {"failures": [], "warnings": []}
    for finding in findings:
        sentence = "{name}, {check}: {sentence} {remedy}".format(**finding)
        said["failures" if finding["verdict"] == "fail" else "warnings"].append(sentence)
    for one in people_skipped:
        said["failures"].append("{name}: the doctor did not run here: {reason}.".format(**one))
    return said


def undelivered_ssh_keys(
    people: Sequence[Person], hostvars: HostVars, groups: Groups, play_hosts: Sequence[str]
) -> list[Undelivered]:
    """People with a key that a workstation of this run has, while their Jupyter host took no part in the run."""
    jupyter_hosts = list(groups.get("jupyter_hosts", []))
    found: list[Undelivered] = []
    for person in people_today(people):
        host = jupyter_host_of(person, jupyter_hosts)
        mine = [name for name in person.get("workstations") or [] if name in play_hosts]
        if person.get("state", "present") != "present" or person.get("ssh_public_key") or not host or not mine:
            continue
        if host in groups.get("jupyter_hosts", []) and is_unreachable(hostvars[host], unknown=True):
            found.append({"name": person["name"], "host": host, "workstations": mine})
    return found


def skipped_people(skipped: Iterable[Mapping[str, str]], host: str) -> list[str]:
    """Sentences about the people who were skipped on a host, each once."""
    return list(dict.fromkeys(f"{one['name']} on {host}: {one['reason']}." for one in skipped))
