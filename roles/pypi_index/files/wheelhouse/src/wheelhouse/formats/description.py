"""What a distribution says of itself to people: its README as safe HTML, its links, licence and requirements.

Everything here was written by whoever made the distribution. A README may format its text and link to addresses, and
nothing else: it loads nothing, runs nothing, and can be mistaken for no part of the page that it is on.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email import message_from_string
from email.message import Message
from urllib.parse import urlsplit

import nh3
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from readme_renderer import markdown, rst
from readme_renderer.clean import ALLOWED_ATTRIBUTES, ALLOWED_TAGS

MAX_README = 256 * 2**10
"""Bytes of a README that is rendered; of a longer one the beginning is shown as it is."""
MAX_LINKS = 30
MAX_REQUIREMENTS = 300
MAX_TEXT = 200
"""Characters of a label, a licence or a requirement."""
TOP_LEVEL = 3
"""Of the headings in a README: the page's own are above."""
_MARKDOWN, _RST = "text/markdown", "text/x-rst"
_ID = "user-content-"
"""What every name in a README begins with, so that it is none of the page's."""
_UNKNOWN = frozenset({"", "UNKNOWN"})
_ATTRIBUTES = r"""(?:[^>"]|"[^"]*")*"""
_IMAGE = re.compile(rf"<img\b({_ATTRIBUTES})>")
_BOX = re.compile(rf"<input\b({_ATTRIBUTES})>")
_HEADING = re.compile(r"<h([1-6])\b(.*?)</h\1>", re.DOTALL)
_EMPTY_LINK = re.compile(rf"<a\b{_ATTRIBUTES}>\s*</a>")
_ALT = re.compile(r'\balt="([^"]*)"')


@dataclass(frozen=True)
class Needed:
    """One requirement."""

    name: str
    """As it is written, with the extras that are wanted of it."""
    project: str
    """The name, normalised."""
    rest: str
    """Versions, markers, an address; may be empty."""
    extra: str | None
    """The extra that it is for; None if it is always needed."""


@dataclass(frozen=True)
class Description:
    """What is shown of it."""

    html: str | None
    """The README; None if there is none, or none that can be rendered."""
    text: str | None
    """The beginning of it as it was written, if it is not rendered."""
    links: tuple[tuple[str, str], ...]
    """Label and address, http or https."""
    licence: str | None
    authors: str | None
    requires_python: str | None
    requires: tuple[Needed, ...]


def describe(metadata: bytes, *, rendered: bool = True) -> Description:
    """What core metadata say. They were accepted once, and where they are wrong all the same, that part is missing.

    `rendered=False` leaves the README as it is.
    """
    fields = message_from_string(metadata.decode(errors="replace"))
    readme = _readme(fields)
    html = None
    if readme and rendered and len(readme.encode(errors="replace")) <= MAX_README:
        html = _render(readme, str(fields.get("Description-Content-Type") or ""))
    return Description(
        html=html,
        text=readme[:MAX_README] if readme and html is None else None,
        links=tuple(_links(fields))[:MAX_LINKS],
        licence=_licence(fields),
        authors=_first(fields, "Author", "Author-email", "Maintainer", "Maintainer-email"),
        requires_python=_first(fields, "Requires-Python"),
        requires=tuple(_requires(fields))[:MAX_REQUIREMENTS],
    )


def warm_up() -> None:
    """Load what the renderers load when they are first used."""
    for content_type in (_MARKDOWN, _RST):
        _render("Title\n=====\n\ntext\n", content_type)


def _readme(fields: Message) -> str | None:
    """The description, which is the body or, as long ago, a field with its lines indented."""
    body = fields.get_payload()
    if isinstance(body, str) and body.strip():
        return body
    text = _text(fields, "Description")
    if text in _UNKNOWN:
        return None
    return "\n".join(re.sub(r"^(?: {8}\|?| {7}\|)", "", line) for line in text.splitlines())


def _render(readme: str, content_type: str) -> str | None:
    """As safe HTML; None if that cannot be done."""
    kind, _, parameters = content_type.partition(";")
    kind = kind.strip().lower()
    if kind == _MARKDOWN:
        variant = "CommonMark" if "commonmark" in parameters.lower() else "GFM"
        html = markdown.render(readme, variant=variant)
    elif kind in (_RST, "", "unknown"):
        html = rst.render(readme)
    else:
        html = None
    return _fitted(html) if html else None


def _fitted(html: str) -> str:
    """The HTML, which is safe, as a part of a page: nothing that is loaded, names and headings of its own."""
    html = _IMAGE.sub(_alternative, html)
    html = _BOX.sub(lambda found: "\N{BALLOT BOX WITH CHECK}" if "checked" in found[1] else "\N{BALLOT BOX}", html)
    html = _HEADING.sub(_heading(), _EMPTY_LINK.sub("", html))
    return nh3.clean(
        _EMPTY_LINK.sub("", html),
        tags=ALLOWED_TAGS - {"img", "input", "picture"},
        attributes={tag: set(names) for tag, names in ALLOWED_ATTRIBUTES.items() if tag not in ("img", "input")},
        attribute_filter=_attribute_filter(),
        url_schemes={"http", "https", "mailto"},
        set_tag_attribute_values={"pre": {"tabindex": "0"}},  # so that the keyboard scrolls it
        link_rel="nofollow noopener noreferrer",
    )


def _alternative(image: re.Match[str]) -> str:
    """An image would be loaded from somewhere else, and tell who looks at what."""
    alt = _ALT.search(image[1])
    return f'<span class="picture">{alt[1]}</span>' if alt and alt[1].strip() else ""


def _heading() -> Callable[[re.Match[str]], str]:
    """Gives headings levels that follow each other, from `TOP_LEVEL` on."""
    above: list[int] = []

    def levelled(heading: re.Match[str]) -> str:
        level = int(heading[1])
        while above and above[-1] >= level:
            above.pop()
        above.append(level)
        shown = min(6, TOP_LEVEL - 1 + len(above))
        return f"<h{shown}{heading[2]}</h{shown}>"

    return levelled


def _attribute_filter() -> Callable[[str, str, str], str | None]:
    """Gives names a beginning of their own, each once, and takes away links that lead nowhere from here."""
    seen: set[str] = set()

    def kept(_: str, attribute: str, value: str) -> str | None:
        if attribute == "id":
            name = _ID + value.removeprefix(_ID)
            if name in seen or not value.strip():
                return None
            seen.add(name)
            return name
        if attribute == "href" and value.startswith("#"):
            return f"#{_ID}{value[1:].removeprefix(_ID)}"
        if attribute == "href" and not re.match(r"(?i)(https?://|mailto:)", value):
            return None
        return value

    return kept


def _links(fields: Message) -> Iterator[tuple[str, str]]:
    """Those that are addresses, each once, the home page first."""
    pairs = [("Homepage", _text(fields, "Home-page"))]
    for value in fields.get_all("Project-URL") or []:
        label, _, address = _one_line(str(value)).partition(",")
        pairs.append((label.strip(), address.strip()))
    pairs.append(("Download", _text(fields, "Download-URL")))
    seen: set[str] = set()
    for label, address in pairs:
        if address not in seen and _is_address(address):
            seen.add(address)
            yield label[:MAX_TEXT] or address, address


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return (
            parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc and len(text) < 2000
        )
    except ValueError:
        return False


def _licence(fields: Message) -> str | None:
    """The expression, or what older metadata say: a classifier, or a text that may be the whole licence."""
    if expression := _first(fields, "License-Expression"):
        return expression
    classified = [
        str(value).rpartition("::")[2].strip()
        for value in fields.get_all("Classifier") or []
        if str(value).startswith("License ::") and str(value).count("::") > 1
    ]
    if classified:
        return ", ".join(dict.fromkeys(classified))[:MAX_TEXT]
    return _first(fields, "License")


def _requires(fields: Message) -> Iterator[Needed]:
    for value in fields.get_all("Requires-Dist") or []:
        text = _one_line(str(value))
        try:
            found = Requirement(text)
        except InvalidRequirement:
            continue
        marker = str(found.marker or "")
        extra = re.search(r"""\bextra\s*==\s*["']([A-Za-z0-9._-]+)["']""", marker)
        told = re.sub(r"""\s*(?:\band\s+)?\bextra\s*==\s*["'][A-Za-z0-9._-]+["']""", "", marker)
        extras = f"[{', '.join(sorted(found.extras))}]" if found.extras else ""
        address = f" @ {found.url}" if found.url else ""
        rest = f"{found.specifier}{address}{f' ; {told}' if told else ''}".strip()
        yield Needed(
            f"{found.name}{extras}", canonicalize_name(found.name), rest[:MAX_TEXT], extra[1] if extra else None
        )


def _first(fields: Message, *names: str) -> str | None:
    """The first line of the first of these fields that says something."""
    for name in names:
        text = _one_line(_text(fields, name).strip().partition("\n")[0])
        if text not in _UNKNOWN:
            return text[:MAX_TEXT]
    return None


def _text(fields: Message, name: str) -> str:
    return str(fields.get(name) or "")


def _one_line(text: str) -> str:
    return " ".join(text.split())
