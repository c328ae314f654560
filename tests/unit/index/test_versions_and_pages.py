"""Versions as bytes that sort, and pages put together from pieces: each is what the libraries say it is."""

import html
import random
from dataclasses import replace
from datetime import datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from packaging.version import Version
from simple_repository.content_negotiation import Format
from simple_repository.model import File, Meta, ProjectDetail, ProjectList, ProjectListElement
from simple_repository.serializer import serialize
from wheelhouse.index import simple_pages
from wheelhouse.index.version_keys import preference, version_key

NUMBERS = st.one_of(st.integers(0, 12), st.sampled_from([99, 100, 20251126, 10**30]))
LOCAL = st.one_of(NUMBERS.map(str), st.sampled_from(["abc", "ab", "a1", "1a", "ubuntu", "zz"]))


@st.composite
def versions(draw: st.DrawFn) -> Version:
    text = f"{draw(NUMBERS)}!" if draw(st.booleans()) else ""
    text += ".".join(str(number) for number in draw(st.lists(NUMBERS, min_size=1, max_size=4)))
    if draw(st.booleans()):
        text += f"{draw(st.sampled_from(['a', 'b', 'rc']))}{draw(NUMBERS)}"
    for part in ("post", "dev"):
        if draw(st.booleans()):
            text += f".{part}{draw(NUMBERS)}"
    local = draw(st.lists(LOCAL, max_size=3))
    return Version(f"{text}+{'.'.join(local)}" if local else text)


@given(versions(), versions())
@example(Version("1.0"), Version("1.0.0"))
@example(Version("1.0.dev1"), Version("1.0a1.dev1"))
@example(Version("1.0.post1.dev2"), Version("1.0.post1"))
@example(Version("1.0+abc"), Version("1.0+1"))
@example(Version("1.0+1"), Version("1.0+1.0"))
@example(Version("1"), Version("1.1"))
@example(Version("9"), Version("10"))
def test_keys_sort_as_versions_do(one: Version, other: Version) -> None:
    keys = version_key(one), version_key(other)
    assert (keys[0] < keys[1], keys[0] == keys[1]) == (one < other, one == other)
    assert not (keys[0] != keys[1] and keys[0].startswith(keys[1])), "one may follow another in a longer key"


@given(st.lists(st.tuples(versions(), st.booleans(), st.booleans()), min_size=2, max_size=8))
def test_who_speaks_for_a_project(files: list[tuple[Version, bool, bool]]) -> None:
    by_key = max(files, key=lambda file: preference(file[0], yanked=file[1], described=file[2]))
    by_rule = max(files, key=lambda file: (not file[1], not file[0].is_prerelease, file[0], file[2]))
    assert by_key == by_rule


NEWEST = Meta(simple_pages.JSON_API_VERSION)
"""Of pages in JSON; HTML stays at the version at which it was frozen."""
TEXTS = st.one_of(st.none(), st.sampled_from([">=3.9", "<4,>=3.8", "", 'a "b" <c> & d', "ü\u2028", "~=3.1"]))
YANKED = st.one_of(st.none(), st.just(True), st.sampled_from(["x", "<script>", 'it "leaks" & </a>', "{0}", "\u2028ü"]))


@st.composite
def listed(draw: st.DrawFn) -> File:
    name = draw(st.sampled_from(["a-1.0-py3-none-any.whl", "a-1!2.0+l.tar.gz", "A_b-1.0.zip"]))
    return File(
        filename=name,
        url=f"../../packages/a/{name}",
        hashes={"sha256": f"{draw(st.integers(0, 2**64)):064x}"},
        requires_python=draw(TEXTS),
        dist_info_metadata=draw(st.one_of(st.none(), st.just({"sha256": "ab" * 32}))),
        yanked=draw(YANKED),
        size=draw(st.integers(0, 2**40)),
        upload_time=draw(st.datetimes(datetime(1980, 1, 1), datetime(2100, 1, 1))).replace(microsecond=0),
    )


@given(st.lists(listed(), max_size=5), st.lists(st.sampled_from(["1.0", "2.0", "1!0.1"]), unique=True))
def test_pieces_make_the_pages_that_the_library_makes(files: list[File], released: list[str]) -> None:
    pages = simple_pages.project_pages("acme-a", [simple_pages.pieces(file) for file in files], released)
    page = ProjectDetail(Meta("1.1"), "acme-a", tuple(files), tuple(released))  # type: ignore[arg-type]
    assert pages["index.json"].decode() == serialize(replace(page, meta=NEWEST), Format.JSON_V1)
    shown = [replace(file, yanked=html.escape(file.yanked)) if isinstance(file.yanked, str) else file for file in files]
    assert pages["index.html"].decode() == serialize(replace(page, files=tuple(shown)), Format.HTML_V1)


@pytest.mark.parametrize("count", [0, 1, 50])
def test_the_list_of_all_is_what_the_library_makes(count: int) -> None:
    names = sorted(f"acme-{number}-x" for number in random.sample(range(1000), count))
    pages = simple_pages.list_pages(names)
    page = ProjectList(Meta("1.1"), tuple(ProjectListElement(name) for name in names))  # type: ignore[arg-type]
    assert pages["index.json"].decode() == serialize(replace(page, meta=NEWEST), Format.JSON_V1)
    assert pages["index.html"].decode() == serialize(page, Format.HTML_V1)
