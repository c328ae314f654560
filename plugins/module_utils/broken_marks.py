# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""Which lines of a file are ours, also where somebody has deleted one of our marks, or has it twice. For merging.py.

Where a mark has lost its other half, only lines that read as ours do are taken for them, so that nothing of the
person's own is lost. What must never be left behind is a password.
"""

from __future__ import annotations

import re

from ansible_collections.wheelhouse.onboarding.plugins.module_utils.managed_block import closes, opens, was_theirs

_ENTRY = re.compile(r"[ \t]*machine[ \t]+\S+[ \t]+login[ \t]+\S.*[ \t]password[ \t]+\S")
# what the role package_client and the bundles write, or ever wrote, in files of other forms
_SETTING = re.compile(
    r"""[ \t]*(?:
        (?:index-url|cert|index|index-servers|repository|username|password)[ \t]*=
      | (?:system-certs|publish-url|trusted-publishing|url|default|authenticate|exclude-newer)[ \t]*=
      | \[\[index\]\]
      | \#[ ](?:One[ ]index,|releases[ ]before[ ]|without[ ]a[ ]slash|a[ ]plain[ ])
      | \#[ ](?:The[ ]CAs[ ]of|the[ ]index[ ]knows|at[ ]once,)
    )""",
    re.VERBOSE,
)
_HEADING = re.compile(r"[ \t]*\[(?:global|search|distutils|pypi)\][ \t\n]*\Z")
# a name in the list `index-servers`
_NAME = re.compile(r"[ \t]+[\w.-]+[ \t\r\n]*\Z")


def ours(lines: list[str], settings: str = "") -> set[int]:
    """The numbers of the marks and of what they enclose, counted from 0. A line of `settings` is known as ours."""
    known = {line.strip() for line in settings.splitlines()}
    found: set[int] = set()
    opened = -1
    for number, line in enumerate(lines):
        if opens(line):
            if opened >= 0:
                found |= _run(lines, known, opened, range(opened + 1, number))
            opened = number
        elif closes(line):
            if opened >= 0:
                found.update(range(opened, number + 1))
            else:
                found |= _run(lines, known, number, range(number - 1, max(found, default=-1), -1))
            opened = -1
    if opened >= 0:
        found |= _run(lines, known, opened, range(opened + 1, len(lines)))
    return found


def _run(lines: list[str], known: set[str], mark: int, numbers: range) -> set[int]:
    """The lines of ours from a mark without its other half on, and the mark itself."""
    last = 0  # how many of `numbers` are ours
    upwards, under_heading = numbers.step < 0, False
    for count, number in enumerate(numbers, 1):
        line = lines[number].replace("\r", "")
        bare = line.strip()
        if was_theirs(line) or opens(line) or closes(line):
            break
        if _ENTRY.match(line):  # ours is always one
            last = count
            break
        if _HEADING.match(line):
            # of ours where what follows it is
            if upwards and count == last + 1:
                last = count
            under_heading = True
        elif (
            (bare and bare in known)
            or (_SETTING.match(line) and not (upwards and under_heading))
            or (_NAME.match(line) and not upwards)
        ):
            last = count
        elif bare and not _NAME.match(line):
            break
    return {mark, *numbers[:last]}
