# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""Whether a host's request for a certificate says what the role had asked the host for, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import ip_network

_OIDS = {
    "subject_alt_name": "2.5.29.17",
    "basic_constraints": "2.5.29.19",
    "key_usage": "2.5.29.15",
    "extended_key_usage": "2.5.29.37",
    "name_constraints_permitted": "2.5.29.30",
}


def request_faults(info: Mapping[str, object], asked: Mapping[str, object]) -> list[str]:
    """A sentence for each part of a request that is not as asked.

    info    what community.crypto.openssl_csr_info says of the request
    asked   `common_name`, and what the request is to have of: subject_alt_name, basic_constraints, key_usage,
            extended_key_usage, name_constraints_permitted; lists of words as in `info`

    What root of the host adds would be signed with the company's key: another name, the right to sign, or a CA without
    constraints.
    """
    faults = []
    if info.get("signature_valid") is not True:
        faults.append("Its signature is not by its own key.")
    subject = info.get("subject_ordered")
    if subject != [["commonName", asked["common_name"]]]:
        faults.append(f"Its subject is {subject}.")
    for part in _OIDS:
        has = info.get(part)
        if _words(has) != _words(asked.get(part)):
            faults.append(f"Its {part} is {has}.")
    if info.get("name_constraints_excluded"):
        faults.append(f"Its name_constraints_excluded is {info['name_constraints_excluded']}.")
    if asked.get("basic_constraints"):
        faults += [
            f"Its {part} is not critical."
            for part in ("basic_constraints", "key_usage", "name_constraints")
            if info.get(f"{part}_critical") is not True
        ]
    extensions = info.get("extensions_by_oid")
    known = {oid for part, oid in _OIDS.items() if asked.get(part)}
    others = sorted({*extensions} - known) if isinstance(extensions, Mapping) else ["unknown"]
    if others:
        faults.append(f"It has extensions that were not asked for: {', '.join(map(str, others))}.")
    return faults


def _words(value: object) -> set[str]:
    """Words in one spelling: names of hosts in small letters, addresses as networks."""
    return {_spelling(str(word)) for word in value} if isinstance(value, Iterable) else set()


def _spelling(word: str) -> str:
    kind, _colon, rest = word.partition(":")
    if kind == "IP":
        try:
            return f"IP:{ip_network(rest)}"
        except ValueError:
            return word
    return word.lower()
