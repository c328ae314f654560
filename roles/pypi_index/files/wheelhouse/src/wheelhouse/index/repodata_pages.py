"""The index of a subdir of a conda channel, repodata.json: a pure function of rows."""

import json
from collections.abc import Iterable

NAME = "repodata.json"
_GROUPS = (("packages", ".tar.bz2"), ("packages.conda", ".conda"))
"""Where in repodata.json a file is listed, by how its name ends."""


def repodata(subdir: str, records: Iterable[tuple[str, str]]) -> bytes:
    """The index of packages: file name and record, as JSON with sorted keys and without blanks.

    The records are put in as they are, because a large channel has many of them.
    """
    by_name = sorted(records)
    groups = (
        f'"{group}":{{{",".join(f"{_text(name)}:{record}" for name, record in by_name if name.endswith(suffix))}}}'
        for group, suffix in _GROUPS
    )
    return f'{{"info":{{"subdir":{_text(subdir)}}},{",".join(groups)},"removed":[],"repodata_version":1}}\n'.encode()


def _text(text: str) -> str:
    return json.dumps(text)
