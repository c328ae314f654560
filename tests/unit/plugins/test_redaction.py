# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""redact_credentials: no password gets through, nothing else is lost."""

from __future__ import annotations

import pytest
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.credentials import proxy_url, with_credentials
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.redaction import redact_credentials
from hypothesis import given
from hypothesis import strategies as st

from .strategies import passwords, texts, usernames


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("http://u:p@host/", "http://u:***@host/"),
        ("http://u:p@ss@host/", "http://u:***@host/"),
        ("http://u:p:q@host:80/a@b", "http://u:***@host:80/a@b"),
        ("http://u:@host", "http://u:***@host"),
        ("http://:p@host", "http://:***@host"),
        ("http://u@host/", "http://u@host/"),
        ("http://host:80/a@b", "http://host:80/a@b"),
        ("http://[2001:db8::1]:80/a@b", "http://[2001:db8::1]:80/a@b"),
        ("http://u:p@[2001:db8::1]:80", "http://u:***@[2001:db8::1]:80"),
        ("http://u:p/w@host/", "http://u:***@host/"),
        ("http://u:p?w#x@host/", "http://u:***@host/"),
        ("http://u:p@h1,https://v:q@h2", "http://u:***@h1,https://v:***@h2"),
        ("'http://h1','http://v:q@h2'", "'http://h1','http://v:***@h2'"),
        (
            "HTTP_PROXY=http://u:p@h:1\nNO_PROXY=a@b\nftp+x://v:q@h",
            "HTTP_PROXY=http://u:***@h:1\nNO_PROXY=a@b\nftp+x://v:***@h",
        ),
        ("line one http://u:p@h\ttwo http://v:q@h\r\nthree", "line one http://u:***@h\ttwo http://v:***@h\r\nthree"),
        ("http://EMEA\\u:ü€\x00\x1b[0m@h/", "http://EMEA\\u:***@h/"),
        ("ada:x@host without a scheme", "ada:x@host without a scheme"),
        ("://", "://"),
        ("", ""),
    ],
)
def test_redact_credentials(text, redacted):
    assert redact_credentials(text) == redacted


@given(st.text(), usernames, passwords, st.text())
def test_encoded_passwords_vanish_from_any_text(before, username, password, after):
    url = proxy_url("proxy.acme:8080", username, password)
    bare = proxy_url("proxy.acme:8080", username, "").replace(":@", ":***@")
    assert bare in redact_credentials(f"{before}\n{url}\n{after}")
    assert redact_credentials(f"{url}\n{url}") == f"{bare}\n{bare}"


@given(texts(exclude="/?# @", min_size=1).filter(lambda text: not any(c.isspace() for c in text)), usernames)
def test_passwords_that_were_not_encoded_vanish(password, username):
    url = with_credentials("https://host/x", username, "").replace(":@", f":{password}@{password}@")
    assert redact_credentials(url) == with_credentials("https://host/x", username, "").replace(":@", ":***@")


@given(
    st.one_of(
        st.text(), st.lists(st.sampled_from(["http", "://", "u", ":", "p", "@", "/", " ", "\n", "[", "]"])).map("".join)
    )
)
def test_any_text_is_redacted_once_and_for_all(text):
    once = redact_credentials(text)
    assert redact_credentials(once) == once


def test_long_texts_take_linear_time():
    """A quadratic pattern would take minutes here, and pytest would seem to hang."""
    for part in ("a", "://", ":", "@", "http://u:p@h "):
        redact_credentials("http://" + part * 300_000)
