# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""What an inventory's values are before and after templating: what they refer to, what cannot be worked out.

Values are templated one by one, each with the variables of its host, so that one that cannot be hides no other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

import jinja2
import jinja2.nodes
from ansible.template import is_trusted_as_template, trust_as_template
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.redaction import redact_credentials
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.spec_checks import SECRET, UNKNOWN
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.values import native

_JINJA = jinja2.Environment(extensions=["jinja2.ext.do", "jinja2.ext.loopcontrols"])
_MARKS = ("{{", "{%", "{#")
# Known only while a host is at work, or to Jinja alone.
_LATER = re.compile(r"ansible_.*|hostvars|vars|item|omit|role_path|role_name")
_ALWAYS = frozenset(
    {"lookup", "query", "q", "now", "undef", "groups", "group_names", "inventory_hostname", *_JINJA.globals}
)
_UNDEFINED = re.compile(r"'([A-Za-z_]\w*)' is undefined")
CANNOT = " cannot be worked out: "
# Stands for a secret that cannot be read here, so that nothing more is said of it.
PLACEHOLDER = "a secret that is not known"


def is_template(raw: object) -> bool:
    return isinstance(raw, str) and any(mark in raw for mark in _MARKS)


def names_in(text: str) -> set[str] | None:
    """The variables that a template refers to; None for one that Jinja cannot read."""
    try:
        return {node.name for node in _JINJA.parse(text).find_all(jinja2.nodes.Name)}
    except jinja2.TemplateSyntaxError:
        return None


def paths_in(text: str) -> set[tuple[str, ...]]:
    """What a template hands on: ("demo", "ada") for `{{ demo.ada }}`. Not what a lookup takes for its arguments."""
    try:
        body = _JINJA.parse(text).body
    except jinja2.TemplateSyntaxError:
        return set()
    return {path for node in body for path in _paths_of(node)}


def _paths_of(node: jinja2.nodes.Node) -> Iterator[tuple[str, ...]]:
    parts: list[jinja2.nodes.Node | None] = list(node.iter_child_nodes())
    if isinstance(node, jinja2.nodes.Name):
        yield (node.name,)
        return
    if isinstance(node, (jinja2.nodes.Getattr, jinja2.nodes.Getitem)):
        key = node.attr if isinstance(node, jinja2.nodes.Getattr) else getattr(node.arg, "value", None)
        yield from ((*path, key) if isinstance(key, str) else path for path in _paths_of(node.node))
        return
    if isinstance(node, jinja2.nodes.Call):
        return
    if isinstance(node, jinja2.nodes.Filter):
        parts = [node.node, *(node.args if node.name in ("default", "d") else ())]
    elif isinstance(node, jinja2.nodes.CondExpr):
        parts = [node.expr1, node.expr2]
    for part in parts:
        if part is not None:
            yield from _paths_of(part)


Signature = tuple[tuple[str, str], ...]  # (variable, its value or a number that stands for it)


class Values:
    """The variables of all hosts. `template(host, raw)` is Ansible's templating with the variables of that host."""

    def __init__(
        self,
        raw: Mapping[str, Mapping[str, Any]],
        template: Callable[[str, object], object],
        options: frozenset[str] = frozenset(),
    ) -> None:
        self.raw = raw
        self._template = template
        self._options = options  # variables of roles, whose defaults the preflight does not know
        self._needed: dict[int, set[str]] = {}
        self._names: dict[str, set[str] | None] = {}

    def signature(self, host: str, names: Iterable[str]) -> Signature:
        """Equal for hosts on which these variables, and all that they refer to, are the same."""
        found, wanted = {}, list(names)
        while wanted:
            name = wanted.pop()
            if name in found:
                continue
            raw = self.raw[host].get(name)
            found[name] = raw if isinstance(raw, (str, int, bool, type(None))) else id(raw)
            if name in ("hostvars", "vars", "ansible_facts"):
                found[name] = host
            wanted += self._needs(raw)
        return tuple(sorted((name, str(value)) for name, value in found.items()))

    def worked_out(self, host: str, raw: Any, where: str, faults: list[str], secret: bool = False) -> Any:
        """`raw` in Python's own types; what cannot be worked out becomes UNKNOWN, with a fault where it should be."""
        if isinstance(raw, Mapping):
            return {
                native(key): self.worked_out(host, item, f"{where}.{key}", faults, bool(SECRET.search(str(key))))
                for key, item in raw.items()
            }
        if isinstance(raw, (list, tuple)):
            return [
                self.worked_out(host, item, f"{where}[{self._label(item, number)}]", faults, secret)
                for number, item in enumerate(raw)
            ]
        try:
            text = native(raw)  # decrypts what the vault holds
        except Exception as error:
            faults.append(
                f"{where} cannot be decrypted ({_first_line(error)}): give the vault's password, or write it anew."
            )
            return UNKNOWN
        # `!vault` before a single value keeps it from being a template, as `!unsafe` does
        if not is_template(text) or not isinstance(raw, str):
            return text
        if secret and (reason := self._why_eaten(host, raw, text)):
            faults.append(f"{where} {reason}")
            return PLACEHOLDER
        try:
            value = native(self._template(host, raw))
        except Exception as error:
            fault = self._template_fault(host, text, where, str(error), secret)
            faults += [fault] if fault else []
            return PLACEHOLDER if secret else UNKNOWN
        if secret and value is not None:
            for reason in self._eaten_behind(host, text, set()):
                faults.append(f"{where} comes from {reason}")
                return PLACEHOLDER
        return value

    def expression(self, host: str, text: str) -> object:
        """The value of an expression in a template, None where it cannot be worked out."""
        try:
            return native(self._template(host, trust_as_template("{{ " + text + " }}")))
        except Exception:
            return None

    def sources(
        self, host: str, raw: object, seen: set[tuple[str, ...]] | None = None
    ) -> Iterator[tuple[tuple[str, ...], str]]:
        """(path, text) of all that a value comes from: ("demo", "ada") for what stands behind `ada` in `demo`."""
        seen = set() if seen is None else seen
        for text in _templates(raw):
            for path in paths_in(text) - seen:
                seen.add(path)
                if path[0] not in self.raw[host] or _LATER.fullmatch(path[0]):
                    continue
                found, rest = self.raw[host][path[0]], path[1:]
                while rest and isinstance(found, Mapping) and rest[0] in found:
                    found, rest = found[rest[0]], rest[1:]
                yield from ((path[: len(path) - len(rest)], item) for item in _texts(found))
                yield from self.sources(host, found, seen)

    def _needs(self, raw: object) -> set[str]:
        """The variables that a value refers to itself. Those of a group are looked at once."""
        if isinstance(raw, str):
            return (is_template(raw) and self._names_of(raw)) or set()
        if id(raw) not in self._needed:
            self._needed[id(raw)] = {name for text in _templates(raw) for name in self._names_of(text) or ()}
        return self._needed[id(raw)]

    def _names_of(self, text: str) -> set[str] | None:
        if text not in self._names:
            self._names[text] = names_in(text)
        return self._names[text]

    @staticmethod
    def _label(item: object, number: int) -> str | int:
        name = item.get("name") if isinstance(item, Mapping) else None
        return name if isinstance(name, str) and re.fullmatch(r"[a-z_][a-z0-9_-]{0,31}", name) else number

    def _known(self, host: str, name: str) -> bool:
        return name in self.raw[host] or name in _ALWAYS or bool(_LATER.fullmatch(name)) or name in self._options

    def _why_eaten(self, host: str, raw: object, text: str) -> str | None:
        """Why a secret is no template that anybody meant: its braces are part of it, and Jinja takes them away."""
        if type(raw).__name__ in ("AnsibleUnsafeText", "NativeJinjaUnsafeText") or _is_untrusted(raw):
            return None
        names = self._names_of(text)
        mark = next(mark for mark in _MARKS if mark in text)
        advice = (
            f"has '{mark}' in it, which Ansible takes for the beginning of a template: "
            f"write !unsafe before it, as in `!unsafe 'a{mark}b'`."
        )
        if names is None:
            return advice
        tokens = [(kind, value) for _line, kind, value in _JINJA.lex(text)]
        if any(kind == "comment_begin" for kind, _value in tokens):
            return advice
        beside = any(kind == "data" and value.strip() for kind, value in tokens) or any(
            kind == "block_begin" for kind, _value in tokens
        )
        if beside and not any(self._known(host, name) for name in names):
            return advice
        return None if names else advice

    def _eaten_behind(self, host: str, text: str, seen: set[str]) -> Iterator[str]:
        for name in self._names_of(text) or ():
            raw = self.raw[host].get(name)
            if name in seen or raw is None or _LATER.fullmatch(name):
                continue
            seen.add(name)
            if not isinstance(raw, str):
                continue  # decrypted, which is no template; or a mapping, of which only a part is meant
            try:
                inner = native(raw)
            except Exception:
                continue
            if is_template(inner):
                if reason := self._why_eaten(host, raw, inner):
                    yield f"{name}, which {reason}"
                else:
                    yield from self._eaten_behind(host, inner, seen)

    def _template_fault(self, host: str, text: str, where: str, message: str, secret: bool) -> str | None:
        names = self._names_of(text)
        if names is None:
            return (
                f"{where} has braces in it that are no template: "
                "write !unsafe before it if they belong to it, or correct them."
            )
        for behind in sorted(self._behind(host, text)):
            name, inner = behind
            if names_in(inner) is None:
                return (
                    f"{where} comes from {name}, which has braces in it that are no template: "
                    f"write !unsafe before it, as in {name}: !unsafe '...'."
                )
        undefined = _UNDEFINED.search(message)
        if undefined:
            name = undefined[1]
            if _LATER.fullmatch(name) or name in self._options:
                return None
            close = get_close_matches(
                name, [known for known in self.raw[host] if not known.startswith("ansible_")], n=1
            )
            question = f" (did you mean {close[0]}?)" if close else ""
            return f"{where} refers to {name}, which is not defined{question}: define it, or correct the name."
        if any(_LATER.fullmatch(name) or name in self._options for name in self._all_names(host, text)):
            return None  # facts, and what roles know
        return f"{where}{CANNOT}{_first_line(message)}."

    def _behind(self, host: str, text: str) -> Iterator[tuple[str, str]]:
        for name in self._all_names(host, text):
            for inner in _templates(self.raw[host].get(name)):
                yield name, inner

    def _all_names(self, host: str, text: str) -> set[str]:
        """The variables that a template refers to, and those that these refer to."""
        found: set[str] = set()
        wanted = list(self._names_of(text) or ())
        while wanted:
            name = wanted.pop()
            if name not in found:
                found.add(name)
                for inner in _templates(self.raw[host].get(name)):
                    wanted += self._names_of(inner) or ()
        return found


def _is_untrusted(raw: object) -> bool:
    """Whether `!unsafe` stands before it."""
    return isinstance(raw, str) and not is_trusted_as_template(raw)


def _texts(raw: object) -> Iterator[str]:
    """All texts in a value that no vault holds."""
    if isinstance(raw, Mapping):
        for item in raw.values():
            yield from _texts(item)
    elif isinstance(raw, (list, tuple)):
        for item in raw:
            yield from _texts(item)
    elif isinstance(raw, str):
        yield str(raw)


def _templates(raw: object) -> Iterator[str]:
    return (text for text in _texts(raw) if is_template(text))


def _first_line(error: object) -> str:
    line = next((line.strip() for line in str(error).splitlines() if line.strip()), "no reason given")
    return redact_credentials(re.sub(r"\. Use -v+ .*", "", line)[:200]).rstrip(".")
