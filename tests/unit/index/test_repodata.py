"""The index of a conda subdir: the same bytes for the same records, and back."""

import json

import pytest
from wheelhouse.formats import repodata

RECORDS = {
    "b-1.0-0.conda": {"name": "b", "version": "1.0", "license": "Ärger"},
    "a-1.0-0.tar.bz2": {"name": "a", "version": "1.0"},
}


def test_the_index_lists_each_package_where_clients_look_for_it() -> None:
    content = repodata.render("noarch", RECORDS)
    assert json.loads(content) == {
        "info": {"subdir": "noarch"},
        "packages": {"a-1.0-0.tar.bz2": RECORDS["a-1.0-0.tar.bz2"]},
        "packages.conda": {"b-1.0-0.conda": RECORDS["b-1.0-0.conda"]},
        "removed": [],
        "repodata_version": 1,
    }
    assert repodata.render("noarch", dict(reversed(RECORDS.items()))) == content
    assert content.isascii() and content.endswith(b"}\n") and b": " not in content
    assert repodata.parse(content) == RECORDS


@pytest.mark.parametrize(
    "broken", [b"", b"{}", b"[]", b'{"packages": [], "packages.conda": {}}', b"{", b"\xff", b"null"]
)
def test_what_is_no_index(broken: bytes) -> None:
    assert repodata.parse(broken) is None


def test_a_name_that_is_no_packages() -> None:
    with pytest.raises(ValueError, match=r"README\.md"):
        repodata.render("noarch", {"README.md": {}})
