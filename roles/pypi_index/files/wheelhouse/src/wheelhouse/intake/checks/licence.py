"""Is the licence one that the company has said yes to?"""

from collections.abc import Iterator

from license_expression import get_spdx_licensing
from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

from wheelhouse.formats import metadata as core_metadata
from wheelhouse.formats.metadata import BadMetadata
from wheelhouse.intake.checks.release import Finding, Release, World

_CLASSIFIERS = {
    "Apache Software License": ("Apache-2.0",),
    "BSD License": ("BSD-3-Clause", "BSD-2-Clause"),
    "Boost Software License 1.0 (BSL-1.0)": ("BSL-1.0",),
    "CC0 1.0 Universal (CC0 1.0) Public Domain Dedication": ("CC0-1.0",),
    "Eclipse Public License 2.0 (EPL-2.0)": ("EPL-2.0",),
    "European Union Public Licence 1.2 (EUPL 1.2)": ("EUPL-1.2",),
    "GNU Affero General Public License v3": ("AGPL-3.0-only",),
    "GNU Affero General Public License v3 or later (AGPLv3+)": ("AGPL-3.0-or-later",),
    "GNU General Public License v2 (GPLv2)": ("GPL-2.0-only",),
    "GNU General Public License v2 or later (GPLv2+)": ("GPL-2.0-or-later",),
    "GNU General Public License v3 (GPLv3)": ("GPL-3.0-only",),
    "GNU General Public License v3 or later (GPLv3+)": ("GPL-3.0-or-later",),
    "GNU Lesser General Public License v2 or later (LGPLv2+)": ("LGPL-2.1-or-later", "LGPL-2.0-or-later"),
    "GNU Lesser General Public License v3 (LGPLv3)": ("LGPL-3.0-only",),
    "GNU Lesser General Public License v3 or later (LGPLv3+)": ("LGPL-3.0-or-later",),
    "Historical Permission Notice and Disclaimer (HPND)": ("HPND",),
    "ISC License (ISCL)": ("ISC",),
    "MIT License": ("MIT",),
    "MIT No Attribution License (MIT-0)": ("MIT-0",),
    "Mozilla Public License 2.0 (MPL 2.0)": ("MPL-2.0",),
    "Python Software Foundation License": ("PSF-2.0", "Python-2.0"),
    "The Unlicense (Unlicense)": ("Unlicense",),
    "Zope Public License": ("ZPL-2.1",),
    "zlib/libpng License": ("Zlib",),
}
"""The end of a classifier -> what it may mean; any of these will do."""
_SPDX = get_spdx_licensing()


def check(release: Release, world: World) -> Iterator[Finding]:
    """At most one finding."""
    allowed = frozenset(world.policy.licences)
    if not allowed or not release.is_described:
        return
    if release.licences is None:
        yield Finding("licence", "It names no licence in a form that can be compared with the list of allowed ones.")
    elif not any(_is_covered(expression, allowed) for expression in release.licences):
        yield Finding("licence", f"Its licence, {' or '.join(release.licences)}, is not among the allowed ones.")


def says(metadata: bytes) -> tuple[str, ...] | None:
    """SPDX expressions, of which any will do; None if the metadata name no licence in a form that can be read."""
    try:
        fields = core_metadata.fields(metadata)
    except BadMetadata:
        return None
    for text in (fields.get("license_expression"), fields.get("license")):
        if found := spdx(text):
            return (found,)
    ends = [
        classifier.rpartition(" :: ")[2]
        for classifier in fields.get("classifiers", [])
        if classifier.startswith("License :: ")
    ]
    known = tuple(licence for end in ends for licence in _CLASSIFIERS.get(end, ()))
    # Two classifiers say that it has both licences, or either: nobody can tell.
    return (known if len(ends) == 1 else (" AND ".join(known),)) if known and _all_known(ends) else None


def _all_known(ends: list[str]) -> bool:
    return all(end in _CLASSIFIERS for end in ends)


def spdx(text: str | None) -> str | None:
    """The SPDX expression that a text is; None if it is none."""
    try:
        return str(canonicalize_license_expression(text)) if text and len(text) < 300 else None
    except InvalidLicenseExpression:
        return None


def _is_covered(expression: str, allowed: frozenset[str]) -> bool:
    """Whether everything that an expression demands is allowed."""

    def covered(node: object) -> bool:
        if isinstance(node, _SPDX.AND):
            return all(covered(part) for part in node.args)
        if isinstance(node, _SPDX.OR):
            return any(covered(part) for part in node.args)
        text = str(node)
        return text in allowed or text.split(" WITH ", maxsplit=1)[0] in allowed

    return covered(_SPDX.parse(expression))
