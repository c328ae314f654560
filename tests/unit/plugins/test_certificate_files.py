# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""Files with certificates that IT names: a private key in one of them goes nowhere, and odd forms are told apart."""

from __future__ import annotations

import importlib
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.file_checks import pem_file

ROOT = Path(__file__).resolve().parents[3]
FILTER = importlib.import_module("ansible_collections.wheelhouse.onboarding.plugins.filter.only_certificates")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ca.pem and ca.key, and the same certificate in other forms."""
    directory = tmp_path_factory.mktemp("certificates")
    make = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "3"]
    for command in (
        [*make, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=Acme CA"],
        ["x509", "-in", "ca.pem", "-outform", "DER", "-out", "ca.crt"],
        ["x509", "-in", "ca.pem", "-trustout", "-out", "trusted.pem"],
        ["crl2pkcs7", "-nocrl", "-certfile", "ca.pem", "-out", "ca.p7b"],
        ["crl2pkcs7", "-nocrl", "-certfile", "ca.pem", "-outform", "DER", "-out", "ca.p7c"],
    ):
        subprocess.run(["openssl", *command], cwd=directory, check=True, capture_output=True)
    return directory


@pytest.mark.parametrize("order", [("ca.key", "ca.pem"), ("ca.pem", "ca.key")])
def test_a_private_key_is_refused_and_left_out(place, order):
    both = place / "both.pem"
    both.write_text("".join((place / name).read_text() for name in order))
    told = pem_file(str(both))
    assert told == "which holds a private key, and is given to others: name a file with certificates alone"
    assert FILTER.only_certificates_filter(both.read_text()) == (place / "ca.pem").read_text()


def test_what_is_right(place):
    text = (place / "ca.pem").read_text()
    for content in (text, text * 2, text.replace("\n", "\r\n"), f"Subject: Acme CA\n{text}\n# the end\n"):
        (place / "right.pem").write_bytes(content.encode())
        assert pem_file(str(place / "right.pem")) is None


def test_what_is_damaged(place):
    text = (place / "ca.pem").read_text()
    lines = text.splitlines()
    for content in (
        "".join(f"  {line}\n" for line in lines),
        " ".join(lines),
        "\n".join([*lines[:3], "hello, world", *lines[3:]]),
        "\n".join([*lines[:3], lines[-1]]),
        "\n".join(lines[:-1]),
        text + "\n".join(lines[:-1]),
    ):
        (place / "damaged.pem").write_text(content)
        assert "a certificate in it that is damaged" in (pem_file(str(place / "damaged.pem")) or ""), content


@pytest.mark.parametrize("name", ["ca.crt", "trusted.pem", "ca.p7b", "ca.p7c"])
def test_other_forms_are_named_with_the_command_that_works(place, name):
    told = pem_file(str(place / name)) or ""
    command = re.search(r"`(openssl [^`]+)`", told)
    assert command, told
    subprocess.run(command[1].split(), cwd=place, check=True, capture_output=True)
    new = place / command[1].split()[-1]
    assert new != place / name
    assert pem_file(str(new)) is None


def test_no_task_hands_on_a_whole_file_of_certificates():
    """What is read from such a setting goes through a filter that takes certificates alone."""
    settings = r"(?:\w*_ca_bundle|ca_certificates_bundle|index_gateway_certificate)"
    found = 0
    for path in sorted(ROOT.glob("roles/*/*/*.yml")):
        text = " ".join(path.read_text(encoding="utf-8").split())
        for match in re.finditer(rf"lookup\('ansible\.builtin\.file', {settings}[^)]*\)(.{{0,60}})", text):
            found += 1
            assert re.match(r" \| (wheelhouse\.onboarding\.only_certificates|regex_findall)", match[1]), (
                path,
                match[0],
            )
        assert not re.search(rf"\bsrc: \"\{{\{{ {settings}", text), path
    assert found >= 6
    assert yaml.safe_load(FILTER.DOCUMENTATION)["name"] == "only_certificates"
