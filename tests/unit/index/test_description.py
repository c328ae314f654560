"""What a distribution says of itself on its project's page: all that is useful of it, and nothing that is not text."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from wheelhouse.formats import confined, reading
from wheelhouse.formats.description import MAX_README, Description, describe

from .samples import metadata, sdist

MARKDOWN = "Description-Content-Type: text/markdown\n"
RST = "Description-Content-Type: text/x-rst\n"


def said(readme: str = "", fields: str = "") -> Description:
    return describe(metadata(extra=fields) + b"\n" + readme.encode())


class Tags(HTMLParser):
    def __init__(self, html: str | None) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(html or "")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, name: str) -> list[str | None]:
        return [value for key, value in self.attributes if key == name]


@pytest.mark.parametrize(
    ("fields", "readme"),
    [
        (MARKDOWN, "# Tools\n\nThe **best** [tools](https://acme.example/).\n"),
        (
            "Description-Content-Type: text/markdown; charset=UTF-8; variant=CommonMark\n",
            "# Tools\n\nThe **best** [tools](https://acme.example/).\n",
        ),
        (RST, "Tools\n=====\n\nThe **best** `tools <https://acme.example/>`_.\n"),
        ("", "Tools\n=====\n\nThe **best** `tools <https://acme.example/>`_.\n"),
        ("Description-Content-Type: UNKNOWN\n", "Tools\n=====\n\nThe **best** `tools <https://acme.example/>`_.\n"),
    ],
)
def test_a_readme(fields: str, readme: str) -> None:
    found = said(readme, fields)
    tags = Tags(found.html)
    assert found.text is None and " ".join(tags.text.split()) == "Tools The best tools."
    assert ("h3" in tags.tags, "strong" in tags.tags) == (True, True)
    assert tags.all("href") == ["https://acme.example/"] and tags.all("rel") == ["nofollow noopener noreferrer"]


def test_a_readme_of_long_ago() -> None:
    found = said(fields="Description: Tools\n        =====\n        \n        The **best** of Zoë.\n")
    assert "<strong>best</strong> of Zoë" in (found.html or "")


@pytest.mark.parametrize(
    ("fields", "readme"),
    [
        (RST, "Tools\n==\n\n.. nothing:: at all\n\n`broken"),
        (RST, ".. include:: /etc/passwd\n"),
        (RST, ".. raw:: html\n\n   <script>alert(1)</script>\n"),
        ("Description-Content-Type: text/plain\n", "<b>plain</b>\n"),
        ("Description-Content-Type: image/png\n", "x"),
        (MARKDOWN, "x" * (MAX_README + 1)),
    ],
)
def test_what_cannot_be_rendered_is_shown_as_it_is(fields: str, readme: str) -> None:
    found = said(readme, fields)
    assert (found.html, found.text) == (None, readme[:MAX_README])


EVIL = """
<script>alert(1)</script><style>* {display: none}</style>
<img src="https://spy.example/x.png" onerror="alert(1)" alt="a &quot;badge&quot; <b>"> <img src=x>
<a href="javascript:alert(1)" onclick="alert(1)" id="content" name="content" target="_top">click</a>
<iframe src="https://spy.example"></iframe><object data="x"></object><form action="/search"><input name="q"></form>
<svg><script>alert(1)</script></svg><math><mtext><style><img src=x onerror=alert(1)></style></mtext></math>
<p style="position: fixed" class="x">styled</p> <h1 id="content">one</h1> <h1 id="content">two</h1>
<picture><source srcset="https://spy.example/y.png"><img src="https://spy.example/y.png" alt="there"></picture>

[a](javascript:alert(1)) [b](data:text/html,x) [c](docs/other.md) [d](//spy.example/) [e](#content) ![f](https://spy.example/z)
[![badge](https://spy.example/badge.svg)](https://ci.acme.example/) [![](https://spy.example/badge.svg)](https://ci.acme.example/)

- [x] done
- [ ] not done
"""


@pytest.mark.parametrize("fields", [MARKDOWN, f"{MARKDOWN[:-1]}; variant=CommonMark\n"])
def test_nothing_in_it_runs_or_loads_or_looks_like_ours(fields: str) -> None:
    html = said(EVIL, fields).html
    tags = Tags(html)
    assert not {"script", "style", "img", "iframe", "object", "form", "input", "svg", "math", "source", "picture"} & {
        *tags.tags
    }
    assert not {"onerror", "onclick", "style", "src", "srcset", "name", "target", "action"} & {
        key for key, _ in tags.attributes
    }
    assert set(tags.all("href")) <= {
        "#user-content-content",
        "https://ci.acme.example/",
        *(f"#{one}" for one in tags.all("id")),
    }
    assert all(str(name).startswith("user-content-") for name in tags.all("id"))
    assert len(tags.all("id")) == len(set(tags.all("id")))
    assert "spy.example" not in re.sub(r"&lt;.*?&gt;", "", html or "")
    for text in ('a "badge" <b>', "there", "badge", "f", "click", "styled"):
        assert text in tags.text
    assert "<a" not in re.sub(r"<a\b[^>]*>.*?</a>", "", html or "", flags=re.DOTALL)
    assert not re.search(r"<a\b[^>]*>\s*</a>", html or "")


def test_boxes_are_signs() -> None:
    assert re.findall("[☐☑] \\w+", Tags(said("- [x] done\n- [ ] not\n", MARKDOWN).html).text) == ["☑ done", "☐ not"]


def test_headings_follow_each_other() -> None:
    readme = "# a\n\n#### b\n\n###### c\n\n## d\n\n# e\n\n###### f\n\n##### g\n"
    assert re.findall(r"<(h[1-6])", said(readme, MARKDOWN).html or "") == ["h3", "h4", "h5", "h4", "h3", "h4", "h4"]
    assert re.findall(r"<(h[1-6])", said("Top\n###\n\nText\n\nDeep\n====\n\nText\n\nTop\n###\n", RST).html or "") == [
        "h3",
        "h4",
        "h3",
    ]


@pytest.mark.parametrize(
    ("fields", "licence"),
    [
        ("License-Expression: MIT OR Apache-2.0\nLicense: x\n", "MIT OR Apache-2.0"),
        ("License: BSD\nClassifier: License :: OSI Approved :: MIT License\n", "MIT License"),
        ("Classifier: License :: OSI Approved\nLicense: The licence\n        and its whole text\n", "The licence"),
        ("License: UNKNOWN\n", None),
        ("", None),
    ],
)
def test_the_licence(fields: str, licence: str | None) -> None:
    assert said(fields=fields).licence == licence


def test_links() -> None:
    fields = (
        "Home-page: https://acme.example/tools\nDownload-URL: UNKNOWN\n"
        "Project-URL: Documentation, https://docs.acme.example/a?b=1\nProject-URL: Again, https://acme.example/tools\n"
        "Project-URL: Evil, javascript:alert(1)\nProject-URL: Fishy, https://pypi.example@evil.example/\n"
        "Project-URL: Broken, https://[x\nProject-URL: Odd\nProject-URL: , https://only.example/\n"
    )
    assert said(fields=fields).links == (
        ("Homepage", "https://acme.example/tools"),
        ("Documentation", "https://docs.acme.example/a?b=1"),
        ("https://only.example/", "https://only.example/"),
    )


def test_requirements() -> None:
    fields = (
        "Requires-Dist: Num_Py (>=1.26,<3)\nRequires-Dist: requests[socks] ; python_version > '3' and extra == 'net'\n"
        'Requires-Dist: pytest ; extra == "test"\nRequires-Dist: tools @ https://acme.example/t\nRequires-Dist: ~~~\n'
    )
    assert [(one.name, one.project, one.rest, one.extra) for one in said(fields=fields).requires] == [
        ("Num_Py", "num-py", "<3,>=1.26", None),
        ("requests[socks]", "requests", '; python_version > "3"', "net"),
        ("pytest", "pytest", "", "test"),
        ("tools", "tools", "@ https://acme.example/t", None),
    ]


# in a process of its own


def test_it_is_read_from_metadata_and_from_an_archive(tmp_path: Path) -> None:
    content = metadata(extra=f"Author: Zoë\n{MARKDOWN}") + b"\n# Tools\n"
    for name, written in (
        ("x-1.0-py3-none-any.whl.metadata", content),
        ("acme_tools-1.0.tar.gz", sdist(pkg_info=content)),
    ):
        (tmp_path / name).write_bytes(written)
        found = reading.describe(tmp_path / name, name)
        assert (found.authors, found.html) == ("Zoë", describe(content).html)


def test_one_that_takes_too_long_is_shown_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = tmp_path / "slow.py"
    slow.write_text(
        "import time\nfrom wheelhouse.formats import description, reading\n"
        "description.warm_up = lambda: None\n"
        "description._render = lambda *_: late() or '<p>late</p>'\n"
        "def late():\n"
        "    while time.process_time() < 4: pass\n"
        "reading.SECONDS_TO_DESCRIBE = 1\n"
        "serve = reading.serve\n"
    )
    serve = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import slow; slow.serve"
    monkeypatch.setattr(confined, "_helper", confined._Helper(serve))
    path = tmp_path / "x.metadata"
    path.write_bytes(metadata(extra=f"License: MIT\n{MARKDOWN}") + b"\n# Tools\n")
    found = reading.describe(path, "x-1.0-py3-none-any.whl.metadata")
    assert (found.html, found.text, found.licence) == (None, "# Tools\n", "MIT")
