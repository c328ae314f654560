"""File names and rights, over everything a client can make up."""

import re
from pathlib import PurePosixPath

from hypothesis import assume, example, given
from hypothesis import strategies as st
from packaging.utils import canonicalize_name
from wheelhouse.formats.distribution import BadDistribution, FileName, parse_filename
from wheelhouse.index.permissions import covers, why_not

NAMES = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,12}[A-Za-z0-9])?", fullmatch=True)
VERSIONS = st.from_regex(r"([1-3]!)?[0-9]{1,3}(\.[0-9]{1,3}){0,2}((a|b|rc)[0-9])?(\.dev[0-9])?", fullmatch=True)
SEPARATORS = st.sampled_from(["-", "_", ".", "--", "_.", "-_-"])
WORDS = st.lists(st.from_regex(r"[a-z0-9]{1,6}", fullmatch=True), min_size=1, max_size=4)
FILE_NAMES = st.one_of(
    st.text(),
    st.builds("{}{}".format, st.text(), st.sampled_from([".whl", ".tar.gz", ".zip", "-1.0-py3-none-any.whl"])),
    st.builds("{}-{}{}".format, NAMES, VERSIONS, st.sampled_from(["-py3-none-any.whl", ".tar.gz", ".zip", ".egg"])),
)


def parsed(filename: str) -> FileName | None:
    try:
        return parse_filename(filename)
    except BadDistribution as error:
        assert "\n" not in str(error) and str(error).isascii()
        return None


def spelling(words: list[str], separators: list[str], capitals: list[bool]) -> str:
    joined = words[0]
    for word, separator, capital in zip(words[1:], separators, capitals, strict=False):
        joined += separator + (word.upper() if capital else word)
    return joined


@given(FILE_NAMES)
@example("acme_tools-1.0-py3-none-any.whl\n")
@example("../acme_tools-1.0.tar.gz")
@example("acme_tools-1.0-py3-none-any.whl\x00.tar.gz")
def test_a_file_name_is_refused_or_is_safe_as_a_path(filename: str) -> None:
    if name := parsed(filename):
        assert PurePosixPath(filename).name == filename
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name.project)
        assert filename.isascii() and filename.isprintable() and not filename.startswith(".")
        assert name.filename == filename


@given(WORDS, st.lists(SEPARATORS, min_size=4, max_size=4), st.lists(st.booleans(), min_size=4, max_size=4), VERSIONS)
def test_every_spelling_of_a_source_distribution_is_the_same_one(
    words: list[str], separators: list[str], capitals: list[bool], version: str
) -> None:
    plain = parsed(f"{'_'.join(words)}-{version}.tar.gz")
    other = parsed(f"{spelling(words, separators, capitals)}-{version}.0.tar.gz")
    assume(plain is not None and other is not None)
    assert plain.project == "-".join(words)
    same_version = plain.version == other.version
    assert (plain.identity == other.identity) == same_version


@given(WORDS, st.lists(SEPARATORS, min_size=4, max_size=4), st.lists(st.booleans(), min_size=4, max_size=4))
def test_no_spelling_of_a_name_gains_or_loses_a_right(
    words: list[str], separators: list[str], capitals: list[bool]
) -> None:
    name = spelling(words, separators, capitals)
    for pattern in ("-".join(words), f"{words[0]}*", "acme-*", "*", name):
        assert covers([pattern], name) == covers([pattern], canonicalize_name(name))
    assert covers([name], canonicalize_name(name))


@given(NAMES)
def test_a_prefix_does_not_reach_further_than_its_dash(name: str) -> None:
    assert covers(["acme-*"], name) == canonicalize_name(name).startswith("acme-")
    assert not covers([], name)


@given(NAMES, NAMES)
def test_a_plain_name_covers_itself_alone(name: str, other: str) -> None:
    assert covers([name], other) == (canonicalize_name(name) == canonicalize_name(other))


def test_the_sentence_names_user_project_patterns_and_whom_to_ask() -> None:
    said = why_not("ada", "Requests", ("acme-*", "tools"), "ask it@acme.example")
    expected = "ada may not publish requests: ada may publish acme-*, tools; to change that, ask it@acme.example."
    assert said == expected
    assert why_not("ada", "Acme.Tools", ("acme-*",), "ask") is None
