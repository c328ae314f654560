"""What an intake has refused, and what therefore may not be had by another way either."""

from collections.abc import Iterable
from datetime import date

from packaging.version import Version

from wheelhouse.formats.validation import Verdict
from wheelhouse.intake.policy import CHECKS, Policy
from wheelhouse.intake.result import Denied, Result


def denied(result: Result, before: Denied, policy: Policy, today: date) -> Denied:
    """Of this run, and of earlier ones that looked at other releases, which denied what was so `before`."""
    found: Denied = {}
    for project, versions in before.items():
        for version, (sentence, about) in versions.items():
            if (project, Version(version)) in result.opinions:
                continue
            if _is_still(policy, today, project, version, about):
                found.setdefault(project, {})[version] = sentence, about
    for key in result.opinions:
        if result.blocks(key) and key not in result.shelved:
            found.setdefault(key[0], {})[str(key[1])] = result.reasons(key), result.lasting(key)
    return found


def _is_still(policy: Policy, today: date, project: str, version: str, about: Iterable[str]) -> bool:
    """Whether something is left to hold against a release that no line comes to any more."""
    return any(
        not policy.exception(project, version, frozenset({one}), today)
        and (one not in CHECKS or policy.verdict(one) is Verdict.BLOCK)
        for one in about
    )
