# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""The htpasswd file of the index: everybody's password as a bcrypt hash."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

from ansible_collections.wheelhouse.onboarding.plugins.module_utils.credentials import check_printable_ascii
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.values import kind, shown

try:
    import bcrypt
except ImportError:
    bcrypt = None  # type: ignore[assignment]  # which `htpasswd` asks for

LONGEST = 72  # bytes that bcrypt looks at
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._@+-]*")
_LINE = re.compile(r"(?P<name>[^:]+):(?P<hash>\$2[aby]\$[0-9]{2}\$[./A-Za-z0-9]{53})")


def htpasswd(people: list[dict[str, object]], existing: str = "", rounds: int = 10) -> str:
    """The content of the file: one line per person who has a password, sorted by name; "" for nobody.

    people      shaped like `wheelhouse_people`; only `name`, `index_password` and `state` are looked at
    existing    the file's content so far; a line that still fits the person's password is kept byte for byte
    rounds      the cost of new hashes, 4 to 31: each step doubles the time of every check of a password

    Who is absent, has no password or is not among the people is not in the result.
    """
    if bcrypt is None:
        raise ValueError("The Python library bcrypt is missing: install it beside Ansible (pip install bcrypt).")
    if isinstance(rounds, bool) or not isinstance(rounds, int) or not 4 <= rounds <= 31:
        raise ValueError(f"rounds is {shown(rounds)}: write a whole number from 4 to 31.")
    passwords = _passwords(people)
    hashes = _hashes(existing)

    def line(name: str) -> str:
        password, known = passwords[name].encode("ascii"), hashes.get(name)
        if known and _verifies(password, known):
            return f"{name}:{known}\n"
        return f"{name}:{bcrypt.hashpw(password, bcrypt.gensalt(rounds)).decode('ascii')}\n"

    # bcrypt lets other threads run while it works; with hundreds of people that is most of the time of a run.
    with ThreadPoolExecutor() as pool:
        return "".join(pool.map(line, sorted(passwords)))


def superseded_credentials(current: str, existing: str = "", previous: str = "") -> str:
    """The former lines of accounts that have another one in `current`: logins that clients may still have.

    current     the content of the htpasswd file to be
    existing    its content so far
    previous    what this returned when the file was changed before, as long as those logins are not withdrawn

    At most one line an account: where a password is changed once more, the one before the last counts no longer.
    """
    accounts = _hashes(current)
    former = _hashes(previous) | {
        name: known for name, known in _hashes(existing).items() if known != accounts.get(name)
    }
    return "".join(f"{name}:{former[name]}\n" for name in sorted(former.keys() & accounts.keys()))


def check_index_password(password: object, what: str) -> str:
    """The password; refused is one that not every client of the index would send alike, or bcrypt would cut off."""
    checked = check_printable_ascii(password, what)
    if not checked:
        raise ValueError(f"{what} is empty: give a password, or leave it out for no account at the index.")
    if len(checked) > LONGEST:
        raise ValueError(f"{what} is longer than the {LONGEST} bytes that bcrypt looks at: use a shorter one.")
    return checked


def _passwords(people: list[dict[str, object]]) -> dict[str, str]:
    """{name: password} of those who have an account."""
    passwords = {}
    for number, person in enumerate(people):
        name, state = person.get("name"), person.get("state", "present")
        if state not in ("present", "absent"):
            raise ValueError(f"people[{number}].state is {shown(state)}: write present or absent.")
        if state == "absent" or person.get("index_password") is None:
            continue
        if not isinstance(name, str) or not NAME.fullmatch(name):
            raise ValueError(
                f"people[{number}].name is {shown(name) if isinstance(name, str) else kind(name)}: "
                "write a name of letters, digits, '.', '_', '-', '@' and '+', beginning with a letter or digit."
            )
        if name in passwords:
            raise ValueError(f"people[{number}].name is {shown(name)}, which another entry has too: give it once.")
        passwords[name] = check_index_password(person["index_password"], f"people[{number}].index_password (of {name})")
    return passwords


def _hashes(existing: str) -> dict[str, str]:
    """{name: bcrypt hash} of the well-formed lines of a file."""
    lines = (_LINE.fullmatch(line) for line in existing.split("\n"))
    return {line["name"]: line["hash"] for line in lines if line}


def _verifies(password: bytes, known: str) -> bool:
    """Whether the hash is that of the password; one that bcrypt can't read is not."""
    try:
        return bcrypt.checkpw(password, known.encode("ascii"))
    except ValueError:
        return False
