# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""Files as people have them, and as their editors leave them between two runs; what counts is what real tools read."""

from __future__ import annotations

import netrc as python_netrc
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.wheelhouse.onboarding.plugins.module_utils import merging_ini
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.atomic_write import decode, encode
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.managed_block import CLOSING, OPENING
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.merging import mended, merged, without

from .test_merging import NETRC, PIP, PYPIRC, SETTINGS, UV, ini

SECRET = "s3"  # begins the company's passwords in SETTINGS
OLD_NETRC = 'machine packages.acme.example login ada password "s3-of-last-year"\n'

# (form of settings, what a person has in the file)
DOTFILES: dict[str, tuple[str, bytes]] = {
    "pip of a guide": (
        "pip",
        b"[global]\ntimeout = 60\nindex-url = https://old.example/simple\n"
        b"\n[install]\nuser = true\n",
    ),
    "pip with tabs": ("pip", b"[global]\n\ttimeout\t=\t60\n\tindex-url:\thttps://old.example/simple\n"),
    "pip of Windows": ("pip", b"[global]\r\ntimeout = 60\r\ntrusted-host =\r\n    a.example\r\n    b.example\r\n"),
    "pip with a BOM": ("pip", b"\xef\xbb\xbf[global]\r\ntimeout = 60\r\n"),
    "pip with a BOM and a comment": ("pip", b"\xef\xbb\xbf; mine\n[global]\ntimeout = 60"),
    "pip in Latin-1": ("pip", b"# f\xfcr das B\xfcro\n[global]\ntimeout = 60\n; caf\xe9\r\n[list]\nformat = columns\n"),
    "pip in Latin-1, in a value's lines": (
        "pip",
        b"[global]\nextra-index-url =\n"
        b"    # d\xe9p\xf4t\n    https://x.example/\n",
    ),
    "pip in UTF-8": ("pip", "# für das Büro\n[global]\ntimeout = 60\n".encode()),
    "pip without an end": ("pip", b"[global]\ntimeout = 60"),
    "pip with nothing in it": ("pip", b"\n\n  \n"),
    "pip with a lone heading": ("pip", b"[global]"),
    "pip with underscores": ("pip", b"[GLOBAL]\nindex_url=a\n[global]\nIndex_URL=b\n"),
    "pip with percent signs": (
        "pip",
        b"[global]\nindex-url = https://u:p%40%2F@old.example/simple\n"
        b"proxy = http://%USER%:80\n",
    ),
    "pip with a section of one command": (
        "pip",
        b"[install]\nindex-url = https://old.example/\n"
        b"[wheel]\nwheel-dir=/x\n",
    ),
    "pip with comments of pip's own": ("pip", b"# [global]\n#index-url = x\n[global]\n#index-url = y\ntimeout=60\n"),
    "pypirc of a maintainer": (
        "pypirc",
        b"[distutils]\nindex-servers =\n    pypi\n"
        b"    testpypi\n\n[pypi]\nusername = __token__\npassword = pypi-AgEN%\n\n"
        b"[testpypi]\nrepository: https://test.example/legacy/\nusername = __token__\npassword = pypi-XX\n",
    ),
    "pypirc of Windows": (
        "pypirc",
        b"[distutils]\r\nindex-servers=pypi lab\r\n"
        b"\r\n[lab]\r\nrepository=https://lab.example\r\n",
    ),
    "pypirc with a BOM": ("pypirc", b"\xef\xbb\xbf[pypi]\nusername = a\npassword = b\n"),
    "pypirc with Latin-1": ("pypirc", b"# cl\xe9\n[pypi]\nusername = a\npassword = b\n"),
    "pypirc of another index": (
        "pypirc",
        b"[distutils]\nindex-servers =\n  gitlab\n"
        b"[gitlab]\nrepository = https://git.example/\n",
    ),
    "uv of a guide": (
        "uv",
        b'native-tls = true\n[[index]]\nname = "lab"\n'
        b'url = "https://lab.example/"\nexplicit = true\n',
    ),
    "uv of Windows": ("uv", b'# mine\r\nsystem-certs = false\r\n\r\n[pip]\r\nno-build = true\r\n'),
    "uv with a BOM": ("uv", b'\xef\xbb\xbfno-build = true\n'),
    "uv with a BOM and a table": ("uv", b'\xef\xbb\xbf[pip]\r\nno-build = true\r\n'),
    "uv with a Latin-1 comment": ("uv", b"# caf\xe9\nno-build = true\n"),
    "uv with an inline table": (
        "uv",
        b'index = [{ url = "https://old.example/", default = true }]\n'
        b'pip = { no-build = true }\n',
    ),
    "uv with dotted keys": ("uv", b'pip.no-build = true\npip."no-binary" = ["a"]\n'),
    "uv without an end": ("uv", b"no-build = true"),
    "netrc of git": ("netrc", b"machine git.example login ada password x protocol https\n"),
    "netrc of git, in lines": (
        "netrc",
        b"machine git.example\n\tport 443\n"
        b"\tlogin ada\n\tpassword x\n\tprotocol https\n",
    ),
    "netrc of Emacs": (
        "netrc",
        b"machine imap.example login ada password x port 993\n"
        b"machine smtp.example port smtp login a password b",
    ),
    "netrc of an FTP client": (
        "netrc",
        b"machine ftp.example method x login ada password y\n"
        b"macdef init\ncd /pub\nbin\n\n",
    ),
    "netrc with a macro and a blank behind its name": (
        "netrc",
        b"machine ftp.example login ada password y\n"
        b"macdef init \ncd /pub\n\nmachine x.example login a password b\n",
    ),
    "netrc with a macro to the end": (
        "netrc",
        b"machine ftp.example login ada password y\n"
        b"macdef init\ncd /pub\nbin\n",
    ),
    "netrc with a macro without an end": ("netrc", b"machine ftp.example login ada password y\nmacdef init\ncd /pub"),
    "netrc of Windows": (
        "netrc",
        b"machine git.example\r\n  login ada\r\n  password x\r\n"
        b"\r\n# two words\r\nmachine b.example login c password d\r\n",
    ),
    "netrc with a BOM": ("netrc", b"\xef\xbb\xbfmachine git.example login ada password x\n"),
    "netrc with a BOM and a comment": (
        "netrc",
        b"\xef\xbb\xbf# of two words\n"
        b"machine git.example login ada password x\n",
    ),
    "netrc with Latin-1": ("netrc", b"# cl\xe9 du d\xe9p\xf4t\nmachine git.example login ada password x\n"),
    "netrc with tabs": ("netrc", b"machine\tgit.example\tlogin\tada\tpassword\tx\n"),
    "netrc with quotes": ("netrc", b'machine git.example login "a b" password "c\\"d # e" port 22\n'),
    "netrc with a default": ("netrc", b"default login anonymous password a@b port 21"),
    "netrc whose password is a word": ("netrc", b"machine git.example login port password protocol\n"),
    "netrc with a comment behind": ("netrc", b"machine git.example login ada password x # mine\n"),
    "netrc with #hash": ("netrc", b"machine git.example login ada password #x\n#mine\n# mine too\n"),
    "netrc with the index's of git": ("netrc", OLD_NETRC.replace("login", "port 443 login").encode()),
    "netrc with the index's in lines": (
        "netrc",
        b"machine packages.acme.example\n"
        b"  protocol https\n  login ada\n  password s3-old\n",
    ),
    "nothing for pip": ("pip", b""),
    "nothing for twine": ("pypirc", b""),
    "nothing for uv": ("uv", b""),
    "nothing for netrc": ("netrc", b""),
}  # fmt: skip


def trailing(text: str, blanks: str) -> str:
    return re.sub(r"(?=\r?\n)(?<!\r)", blanks, text)


# what happens to files between two runs
EDITED: dict[str, Callable[[str], str]] = {
    "CRLF": lambda text: re.sub(r"\r?\n", "\r\n", text),
    "blanks at the ends": lambda text: trailing(text, "  "),
    "tabs at the ends": lambda text: trailing(text, "\t"),
    "blanks trimmed": lambda text: re.sub(r"(?m)[ \t]+$", "", text),
    "no final line feed": lambda text: text.removesuffix("\n"),
    "a BOM": lambda text: text if text.startswith("\ufeff") else "\ufeff" + text,
    "CRLF and a BOM": lambda text: "\ufeff" + re.sub(r"\r?\n", "\r\n", text.removeprefix("\ufeff")),
}
MARK = re.compile(r"#(?:>>>|<<<)wheelhouse\.onboarding(?:>>>|<<<).*\n")
# and to our marks in them
BROKEN: dict[str, Callable[[str], str]] = {
    "first mark away": lambda text: MARK.sub("", text, count=1),
    "last mark away": lambda text: text[::-1].replace(CLOSING[::-1], "", 1)[::-1],
    "first closing away": lambda text: text.replace(CLOSING, "", 1),
    "all opening away": lambda text: re.sub(r"(?m)^#>>>.*\n", "", text),
    "all closing away": lambda text: text.replace(CLOSING, ""),
    "all marks away": lambda text: MARK.sub("", text),
    "marks twice": lambda text: re.sub(MARK, lambda found: found[0] * 2, text),
}
CASES = pytest.mark.parametrize("name", DOTFILES)


def reads(tmp_path: Path, form: str, content: bytes, run) -> str:
    """What the real tool reads of the company's in a file: its index, or its password."""
    path = tmp_path / {"pip": "pip.conf", "pypirc": "pypirc", "uv": "uv.toml", "netrc": "netrc"}[form]
    path.write_bytes(content)
    if form == "netrc":
        return str((python_netrc.netrc(path).authenticators("packages.acme.example") or [""])[-1])
    if form == "pypirc":
        return ini(content.decode()).get("pypi", "password", fallback="")
    if form == "pip":
        said = run(["pip", "config", "list"], {"PIP_CONFIG_FILE": str(path)})
        assert said.returncode == 0, said.stderr
        return said.stdout
    said = run(["uv", "--config-file", str(path), "cache", "dir"])
    assert said.returncode == 0, said.stderr
    return content.decode()


COUNTS = {"pip": "global.index-url='https://packages.acme.example/simple/'", "pypirc": "s3#cret", "netrc": 's3"c ret'}


def once(content: bytes, name: str) -> bytes:
    settings, form = SETTINGS[name]
    return encode(merged(decode(content), settings, form))


def assert_no_secret(content: bytes) -> None:
    assert SECRET.encode() not in content, content


@CASES
def test_it_counts_for_the_real_tool_and_comes_out_to_the_byte(name: str, tmp_path: Path, run) -> None:
    form, theirs = DOTFILES[name]
    after = once(theirs, form)
    assert COUNTS.get(form, "packages.acme.example") in reads(tmp_path, form, after, run)
    assert once(after, form) == after, "a second run changes nothing"
    back = encode(without(decode(after)))
    assert_no_secret(back)
    if "index's" not in name:  # whose entry was the company's
        assert back == theirs


@pytest.mark.parametrize("edit", EDITED)
@CASES
def test_what_an_editor_does_to_it_is_seen_through(name: str, edit: str) -> None:
    form, theirs = DOTFILES[name]
    edited = encode(EDITED[edit](decode(once(theirs, form))))
    again = once(edited, form)
    assert once(again, form) == again, "a second run changes nothing"
    settings = SETTINGS[form][0].splitlines()
    for line in filter(None, settings):
        assert len(re.findall(rf"(?m)^{re.escape(line)}\s*$", decode(again))) <= max(settings.count(line), 1)
    for content in (edited, again):
        back = encode(without(decode(content)))
        assert_no_secret(back)
        assert b"wheelhouse" not in back and b"packages.acme.example" not in back
        if "index's" not in name:
            assert (
                re.sub(rb"[ \t\r\n]+|\xef\xbb\xbf", b" ", back).strip()
                == re.sub(rb"[ \t\r\n]+|\xef\xbb\xbf", b" ", theirs).strip()
            )


@pytest.mark.parametrize("damage", BROKEN)
@CASES
def test_broken_marks_leave_no_password_and_lose_nothing(name: str, damage: str, tmp_path: Path) -> None:
    form, theirs = DOTFILES[name]
    settings = SETTINGS[form]
    broken = BROKEN[damage](decode(once(theirs, form)))
    again = merged(broken, *settings)
    assert merged(again, *settings) == again, "a second run changes nothing"
    if form in ("netrc", "pypirc"):
        assert reads(tmp_path, form, encode(again), None) == COUNTS[form]
        assert_no_secret(encode(without(broken, *settings)))
    assert_no_secret(encode(without(again, *settings)))
    if damage != "all marks away":  # then nobody but who knows the index can tell that they are the company's
        assert_no_secret(encode(without(broken)))
    if "index's" not in name:
        left, own = (said(form, text) for text in (without(again, *settings), decode(theirs)))
        assert own.items() <= left.items(), "what the person wrote is all there"


def said(form: str, text: str) -> dict:
    """What a person's file says, by words where no parser reads it."""
    return {key: value for key, value in _PARSERS[form](text.removeprefix("\ufeff")).items() if value != ""}


def words(text: str) -> dict:
    return dict.fromkeys(text.split(), True)


_PARSERS = {"pip": merging_ini.read, "pypirc": merging_ini.read, "uv": words, "netrc": words}


def test_what_was_mended_is_told_by_word_and_line_and_once() -> None:
    theirs = "\ufeffmachine git.example\n  port 443\n  login S3ntinel\n  password S3ntinel\n# caf\udce9\n"
    told = mended(theirs, "netrc")
    assert [re.findall(r"byte order mark|word \w+ in line \d+|line \d+", line)[0] for line in told] == [
        "byte order mark",
        "word port in line 2",
        "line 5",
    ]
    assert "S3ntinel" not in "".join(told)
    assert mended(merged(theirs, NETRC, "netrc"), "netrc") == []
    for settings, form in ((PIP, "ini"), (PYPIRC, "ini"), (UV, "toml"), (NETRC, "netrc")):
        assert mended(settings, form) == mended(OPENING + settings + CLOSING, form) == []


@pytest.mark.parametrize("word", ["port", "protocol", "method"])
def test_uv_ignores_a_file_with_such_a_word_until_it_is_mended(tmp_path: Path, ask_with_uv, server, word: str) -> None:
    path = tmp_path / "netrc"
    theirs = f"machine git.example {word} x login ada password y\nmachine 127.0.0.1 login bob password theirs\n"
    path.write_text(theirs)
    server.taken()
    asked = ask_with_uv(f"{server.url}/simple", {"NETRC": str(path)})
    assert {request.account for request in server.taken()} == {None}, asked
    path.write_text(merged(theirs, NETRC, "netrc"))
    asked = ask_with_uv(f"{server.url}/simple", {"NETRC": str(path)})
    assert b"bob:theirs" in {request.account for request in server.taken()}, asked
