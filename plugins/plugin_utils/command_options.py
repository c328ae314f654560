# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""What is wrong with options of playbooks, those written behind `-e`, before a playbook goes by them."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from difflib import get_close_matches

from ansible_collections.wheelhouse.onboarding.plugins.module_utils.settings import OPTIONS
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.values import shown

_BY_NAME = {option.name: option for option in OPTIONS}
# What the filter `bool` takes for true or false; it takes everything else for false.
_TRUTHS = ("true", "false", "yes", "no")
_NAMES = r"\s*[a-z_][a-z0-9_.-]*\s*(,\s*[a-z_][a-z0-9_.-]*\s*)*,?\s*"
# What the text has to be, by the option's name, and what to write
_FORMS = {
    "damaged": (r"accepted", "write accepted, or leave it out"),
    "from": (r"latest|[0-9a-f]{8,64}|[0-9]{4}-[0-9]{2}-[0-9]{2}", "write latest, the id of a backup, or its day"),
    "rotate_index_tokens": (_NAMES, "write login names with commas between them, or all"),
    "rotate_jupyter_tokens": (_NAMES, "write login names with commas between them, or all"),
    "wheelhouse_max_fail_percentage": (r"[0-9]{1,2}|100", "write a whole number from 0 to 100"),
    "wheelhouse_offboard": (_NAMES, "write login names with commas between them"),
    "wheelhouse_serial": (
        r"[1-9][0-9]{0,5}|([1-9][0-9]?|100)%",
        "write a number, 1 or more, or a share from 1% to 100%",
    ),
}
# How like an option a name behind `-e` has to be, to be taken for a slip.
_ALIKE = 0.7


def option_faults(
    extra: Mapping[str, object],
    set_on: Mapping[str, str],
    settings: Collection[str],
    hosts: Collection[str],
    is_mentioned: Callable[[str], bool],
) -> Iterator[str]:
    """Yield a sentence per fault.

    extra           what was written behind `-e`
    set_on          {name of a variable: a host that has it}, with those of `extra`
    settings        shared settings and variables of roles, which may be set in an inventory as well
    hosts           names of the hosts of the inventory
    is_mentioned    whether a text of the inventory has this name in it
    """
    for name, option in _BY_NAME.items():
        if name in set_on and name not in extra and name not in settings:
            example = option.example.strip("'\"")
            yield (
                f"{name} is set in the inventory (of {set_on[name]}), where each run would go by it: take it out, and "
                f"write it on the command line of the run that is meant, as -e {name}={example}."
            )
    for name, value in extra.items():
        if name in _BY_NAME and name not in settings:
            yield from _value_faults(name, value, hosts)
        elif name not in _BY_NAME and name not in settings and not is_mentioned(name):
            near = get_close_matches(name, _BY_NAME, n=1, cutoff=_ALIKE)
            if near:
                yield f"{shown(name)}, given with -e, is no option, and nothing reads it: did you mean {near[0]}?"


def _value_faults(name: str, value: object, hosts: Collection[str]) -> Iterator[str]:
    text = str(value)
    if _BY_NAME[name].type == "bool" or name == "remove_everything":
        if text.lower() not in _TRUTHS:
            yield f"{name} is {shown(value)}: write {_BY_NAME[name].example}, or leave it out."
    elif name == "index_image_host":
        if text not in hosts and text != "localhost":
            near = get_close_matches(text, hosts, n=1)
            question = f" (did you mean {shown(near[0])}?)" if near else ""
            yield f"{name} is {shown(text)}, which is no host of the inventory{question}: correct the name."
    elif name in _FORMS and not re.fullmatch(_FORMS[name][0], text):
        yield f"{name} is {shown(value)}: {_FORMS[name][1]}."
