# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""Which jobs of CI systems may publish: entries that would let in others than were meant.

The role refuses them before it writes anything; what the program refuses beyond that is what it could not use.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from urllib.parse import urlsplit

from ansible_collections.wheelhouse.onboarding.plugins.module_utils.values import shown

# Issuers that vouch for anybody's jobs, and the claims of which one has to say whose a job is. `job_workflow_ref` and
# `ci_config_ref_uri` are not among them, since others may use a company's workflow, nor is `sub`, whose form each
# repository of GitHub decides.
PUBLIC_ISSUERS: Mapping[str, tuple[str, ...]] = {
    "token.actions.githubusercontent.com": (
        "repository",
        "repository_id",
        "repository_owner",
        "repository_owner_id",
        "enterprise",
        "enterprise_id",
    ),
    "gitlab.com": ("project_path", "project_id", "namespace_path", "namespace_id"),
    "agent.buildkite.com": ("organization_id", "organization_slug"),
    "accounts.google.com": ("sub", "email"),
}
_OTHER_WILDCARDS = re.compile(r"[?!\[\]]")


def publisher_faults(given: Mapping[str, object]) -> Iterator[str]:
    """Yield a sentence per fault of `pypi_index_publishers`, beyond what each value has to look like by itself.

    given   variables of the roles, as an inventory sets them
    """
    entries, reserved = given.get("pypi_index_publishers"), given.get("pypi_index_reserved", [])
    if not isinstance(entries, list) or not isinstance(reserved, list):
        return
    names = [pattern for pattern in reserved if isinstance(pattern, str)]
    for number, entry in enumerate(entries):
        if isinstance(entry, dict):
            where = f"pypi_index_publishers[{number}]"
            yield from _claim_faults(entry.get("issuer"), entry.get("claims"), where)
            yield from _pattern_faults(entry.get("publishes"), names, where)


def _claim_faults(issuer: object, claims: object, where: str) -> Iterator[str]:
    if not isinstance(claims, dict):
        return
    if not claims:
        yield (
            f"{where}.claims is empty, and every job of the issuer could publish: write what the issuer says of the one"
            " that may, such as project_path: acme/hello."
        )
        return
    for name in (name for name, text in claims.items() if text == ""):
        yield f"{where}.claims.{name} is empty: write the text that the claim has to be."
    try:
        known = PUBLIC_ISSUERS.get(urlsplit(issuer).hostname or "") if isinstance(issuer, str) else None
    except ValueError:
        return
    if known and not any(name in claims for name in known):
        yield (
            f"{where}.claims does not say whose job it is, and anybody has jobs of {shown(issuer)}: "
            f"write one of {', '.join(known)} as well."
        )


def _pattern_faults(patterns: object, reserved: Sequence[str], where: str) -> Iterator[str]:
    if not isinstance(patterns, list):
        return
    if not patterns:
        yield f"{where}.publishes is empty: write the names of the projects, such as acme-hello."
    for pattern in patterns:
        if not isinstance(pattern, str):
            continue
        if _OTHER_WILDCARDS.search(pattern):
            yield f"{where}.publishes has {shown(pattern)} in it: write a name, or a pattern with * alone, like acme-*."
        elif not _is_within(reserved, pattern):
            yield (
                f"{where}.publishes has {shown(pattern)} in it, which is none of the company's own names "
                f"(pypi_index_reserved: {', '.join(map(shown, reserved)) or 'none'}): add it there, or write another."
            )


def right_faults(given: Mapping[str, object]) -> Iterator[str]:
    """Yield a sentence per name that a person may publish, and that the index would look for outside as well.

    given   variables of an index host, as an inventory sets them
    """
    names = _strings(given.get("pypi_index_reserved"))
    for where, pattern in _rights(given) if names else ():
        if not _is_within(names, pattern):
            yield (
                f"{where} has {shown(pattern)} in it, which is none of the company's own names (pypi_index_reserved: "
                f"{', '.join(map(shown, names))}), so that the index would look for it outside, too: add it there, or "
                "write another."
            )


def right_warnings(given: Mapping[str, object]) -> Iterator[str]:
    """Yield a sentence where people publish, and no name is the company's own."""
    asks = given.get("pypi_index_upstream", "closed") != "closed"
    if asks and given.get("pypi_index_reserved") in (None, []) and any(_rights(given)):
        yield (
            "pypi_index_reserved is empty, and people publish, so that the index looks for the company's own names "
            "outside, too, where anybody may have taken them: write the patterns of the company's names."
        )


def _rights(given: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    people = given.get("wheelhouse_people")
    for person in people if isinstance(people, list) else []:
        if isinstance(person, dict) and person.get("state", "present") == "present":
            for pattern in _strings(person.get("publishes")):
                yield f"wheelhouse_people[{person.get('name')}].publishes", pattern


def _strings(value: object) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _is_within(reserved: Sequence[str], pattern: str) -> bool:
    """Whether all names that match `pattern` are reserved."""
    wide = [one for one in reserved if "*" not in pattern or not _OTHER_WILDCARDS.search(one)]
    return any(fnmatchcase(_normalised(pattern), _normalised(one)) for one in wide)


def _normalised(text: str) -> str:
    return re.sub(r"[-_.]+", "-", text).lower()
