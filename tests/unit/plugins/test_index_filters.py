# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""What the roles of the index write and check by way of filters and a lookup."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError, AnsibleLookupError
from ansible_collections.wheelhouse.onboarding.plugins.filter.index_configuration import index_configuration
from ansible_collections.wheelhouse.onboarding.plugins.filter.intake_files import intake_files
from ansible_collections.wheelhouse.onboarding.plugins.filter.listed_files import listed_files
from ansible_collections.wheelhouse.onboarding.plugins.filter.read_rights import read_rights
from ansible_collections.wheelhouse.onboarding.plugins.filter.setting_faults import setting_faults_filter
from ansible_collections.wheelhouse.onboarding.plugins.lookup.tree_digest import LookupModule
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.name_patterns import overlap

SIZES = {"max_file_size": "1g", "cache_size": "0", "quarantine_size": "5g"}


# --- index_configuration


def test_settings_stay_and_sizes_are_bytes() -> None:
    sizes = {"max_file_size": "2m", "cache_size": 7, "quarantine_size": "1k"}
    text = index_configuration({"index_url": "https://packages.acme.example", **sizes}, [])
    assert json.loads(text) == {
        "index_url": "https://packages.acme.example",
        "max_file_size": 2 << 20,
        "cache_size": 7,
        "quarantine_size": 1024,
        "publishes": {},
    }
    assert text.endswith("}\n")


def test_who_may_publish() -> None:
    people: list[dict[str, Any]] = [
        {"name": "ada", "index_password": "x", "publishes": ["acme-*"]},
        {"name": "leo", "index_password": "x"},
        {"name": "grace", "index_password": "x", "publishes": None, "state": "present"},
        {"name": "eve", "index_password": "x", "publishes": ["*"], "state": "absent"},
        {"name": "bob", "publishes": ["*"]},
    ]
    publishes = json.loads(index_configuration(SIZES, people))["publishes"]
    assert publishes == {"ada": ["acme-*"], "leo": [], "grace": []}


@pytest.mark.parametrize("size", ["1 apple", "", None])
def test_a_size_that_is_none_is_named(size: object) -> None:
    with pytest.raises(AnsibleFilterError, match=r"cache_size is .*write a size in bytes"):
        index_configuration({"max_file_size": "1g", "cache_size": size}, [])


def test_no_password_is_in_the_configuration() -> None:
    assert "S3ntinel" not in index_configuration(SIZES, [{"name": "ada", "index_password": "S3ntinel"}])


@pytest.mark.parametrize(("settings", "people"), [("x", []), (SIZES, "x"), (SIZES, ["x"])])
def test_wrong_types_are_refused(settings: object, people: object) -> None:
    with pytest.raises(AnsibleFilterError):
        index_configuration(settings, people)


# --- read_rights


def test_who_may_read_what() -> None:
    people: list[dict[str, Any]] = [
        {"name": "ada", "index_password": "S3ntinel", "reads": ["acme-secret-*", "plans"]},
        {"name": "leo", "index_password": "x"},
        {"name": "eve", "index_password": "x", "reads": ["*"], "state": "absent"},
        {"name": "bob", "reads": ["*"]},
    ]
    text = read_rights(["plans", "acme-secret-*"], people)
    assert text == "restricted acme-secret-*\nrestricted plans\nreads ada acme-secret-* plans\n"
    assert read_rights([], people) == ""


@pytest.mark.parametrize(("restricted", "people"), [("x", []), ([1], []), ([], "x"), ([], ["x"])])
def test_rights_of_wrong_types_are_refused(restricted: object, people: object) -> None:
    with pytest.raises(AnsibleFilterError):
        read_rights(restricted, people)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("acme-*", "acme-secret-*", True),
        ("*-secret", "acme-*", True),
        ("a*b*c", "a-b-c", True),
        ("*", "x", True),
        ("acme", "acme", True),
        ("acme-*", "acme", False),
        ("acme-sercet-*", "acme-secret-*", False),
        ("a*b", "a*c", False),
        ("*a", "b*b", False),
        pytest.param("a*" * 1000, "*a" * 1000, True, id="long"),
    ],
)
def test_whether_a_name_could_match_two_patterns(one: str, other: str, expected: bool) -> None:
    assert overlap(one, other) is overlap(other, one) is expected


# --- listed_files, intake_files

PACKAGES = [
    {"pypi": "networkx==1.10"},
    {"pypi": " file:requirements/2026/teaching.txt "},
    {"conda": "orange3 3.29.3", "channel": "conda-forge"},
    {"pypi": "file:more.txt"},
    {"pypi": "file:more.txt"},
]


def test_files_that_a_list_names() -> None:
    assert listed_files(PACKAGES) == ["requirements/2026/teaching.txt", "more.txt"]
    with pytest.raises(AnsibleFilterError):
        listed_files("file:x")


def test_files_of_an_intake() -> None:
    request = {"packages": PACKAGES, "targets": {"python": ["3.13"]}, "policy": {}, "channels": {}}
    made = intake_files(request, ["a\n", "b\n"], "/srv/intake", "wheelhouse")
    paths = ["/srv/intake", "/srv/intake/requirements", "/srv/intake/requirements/2026"]
    assert [directory["path"] for directory in made["directories"]] == paths
    contents = {file["path"]: file["content"] for file in made["files"]}
    assert json.loads(str(contents.pop("/srv/intake/intake.json"))) == request
    assert contents == {"/srv/intake/requirements/2026/teaching.txt": "a\n", "/srv/intake/more.txt": "b\n"}
    assert {(entry["group"], entry["mode"]) for entry in made["files"]} == {("wheelhouse", "0640")}
    assert {(entry["group"], entry["mode"]) for entry in made["directories"]} == {("wheelhouse", "0750")}


def test_each_file_needs_its_content() -> None:
    with pytest.raises(AnsibleFilterError, match="contents has 1 texts, and the request names 2 files"):
        intake_files({"packages": PACKAGES}, ["a\n"], "/srv/intake", "wheelhouse")


# --- setting_faults


def test_right_settings_have_no_faults() -> None:
    settings = {
        "pypi_index_url": "https://packages.acme.example",
        "pypi_index_upload_limit": "1g",
        "pypi_index_cache_size": "0",
        "pypi_index_minimum_age": 3,
        "pypi_index_contact": "",
    }
    assert setting_faults_filter(settings, "pypi_index", ["pypi_index_url"]) == []


@pytest.mark.parametrize(
    ("role", "settings", "said"),
    [
        ("pypi_index", {"pypi_index_url": None}, "pypi_index_url is not set: write the address of the index"),
        ("pypi_index", {"pypi_index_url": "http://x.example"}, "pypi_index_url is 'http://x.example': write"),
        ("pypi_index", {"pypi_index_upload_limit": "1 GB"}, "pypi_index_upload_limit is '1 GB': write a size"),
        ("pypi_index", {"pypi_index_image_source": "archive"}, "pypi_index_image_archive is not set"),
        ("index_gateway", {"index_gateway_certificate_source": "given"}, "index_gateway_certificate is not set"),
        ("index_gateway", {"index_gateway_certificate_days": 30}, "index_gateway_certificate_days is 30: write more"),
        ("conda_channel", {"conda_channel_names": ["Internal"]}, "conda_channel_names[0] is 'Internal': write names"),
        (
            "conda_channel",
            {"conda_channel_mirror": "/data/shelf/x", "pypi_index_directory": "/data"},
            "conda_channel_mirror is '/data/shelf/x': write the absolute path of a directory that is not on the shelf",
        ),
        ("package_intake", {"package_intake_packages": [{"pypi": "x", "conda": "y"}]}, "has both pypi and conda"),
        ("package_intake", {"package_intake_calendar": "every Sunday"}, "package_intake_calendar is 'every Sunday'"),
        (
            "package_intake",
            {"package_intake_packages": [{"pypi": "acme-x"}], "pypi_index_reserved": ["acme-*"]},
            "one of the company's own names",
        ),
        ("package_transfer", {"package_transfer_signers": ["ada"]}, "package_transfer_signers[0] is 'ada': write one"),
        ("package_transfer", {"package_transfer_internal": ["acme *"]}, "package_transfer_internal[0] is 'acme *'"),
        ("package_transfer", {"package_transfer_directory": "medium"}, "package_transfer_directory is 'medium'"),
        ("package_transfer", {"package_transfer_part_size": "4 GB"}, "package_transfer_part_size is '4 GB': write"),
    ],
)
def test_wrong_settings_are_named(role: str, settings: dict[str, object], said: str) -> None:
    faults = setting_faults_filter(settings, role, ["pypi_index_url"])
    assert any(said in fault for fault in faults), faults


def test_a_role_hears_of_its_own_settings_alone() -> None:
    """The default of the certificate's source is no fault of another role."""
    assert setting_faults_filter({"pypi_index_url": "x", "conda_channel_names": ["internal"]}, "conda_channel") == []
    with pytest.raises(AnsibleFilterError, match="no role nothing"):
        setting_faults_filter({}, "nothing")


# --- tree_digest


def test_a_tree_is_what_its_files_are(tmp_path: Path) -> None:
    for name, text in {"b/c.py": "c", "b.py": "b", "B.py": "B"}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    command = "find . -type f | LC_ALL=C sort | xargs sha256sum"
    listed = subprocess.run(command, shell=True, cwd=tmp_path, check=True, capture_output=True).stdout
    digest = hashlib.sha256(listed).hexdigest()
    assert LookupModule().run([str(tmp_path)]) == [digest]
    (tmp_path / "b/__pycache__").mkdir()
    (tmp_path / "b/__pycache__/c.pyc").touch()
    assert LookupModule().run([str(tmp_path)]) == [digest]
    (tmp_path / "b/c.py").write_text("d")
    assert LookupModule().run([str(tmp_path)]) != [digest]


def test_a_tree_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(AnsibleLookupError, match="none"):
        LookupModule().run([str(tmp_path / "none")])
