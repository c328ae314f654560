"""What the world installs comes in, and what does not is known, with the reason."""

from collections import Counter

import pytest
from wheelhouse.formats import reading
from wheelhouse.formats.distribution import BadDistribution
from wheelhouse.formats.validation import Claims, Origin

from .public_files import RealFile, real_files

FILES = real_files()


@pytest.mark.parametrize(
    "file",
    [
        pytest.param(file, id=file.filename, marks=() if file.is_daily else pytest.mark.long)
        for file in sorted(FILES, key=lambda file: not file.is_daily)
    ],
)
def test_a_real_file(file: RealFile) -> None:
    try:
        checked = reading.check(file.path(), file.filename, Claims(digests={"sha256": file.sha256}), Origin.OUTSIDE)
    except BadDistribution as error:
        assert file.refused, error
        assert str(error).startswith(file.refused)
        return
    assert not file.refused, "it passes now"
    found = {name for name in ("record", "scripts") if getattr(checked, name)}
    if any(warning.startswith(("METADATA ", "PKG-INFO ")) for warning in checked.warnings):
        found.add("metadata")
    assert found == file.found, checked.warnings
    with file.path().open("rb") as stream:
        assert reading.metadata(file.path(), file.filename) == checked.distribution.metadata, stream.name


def test_there_is_of_everything() -> None:
    """Old and new, for all systems, in every format, and few that are refused."""
    kinds = Counter(
        kind
        for file in FILES
        for kind, is_one in {
            "daily": file.is_daily,
            "refused": bool(file.refused),
            "Windows": "-win" in file.filename,
            "macOS": "macosx" in file.filename,
            "tar.gz": file.filename.endswith(".tar.gz"),
            "zip": file.filename.endswith(".zip"),
            "wheel": file.filename.endswith(".whl"),
            **dict.fromkeys(file.found, False),
        }.items()
        if is_one
    )
    assert len(FILES) == len({file.sha256 for file in FILES}) >= 290
    assert kinds["refused"] <= 0.05 * len(FILES)
    assert 25 <= kinds["daily"] <= 40
    assert min(kinds[kind] for kind in ("Windows", "macOS", "zip")) >= 15
    assert sum(file.size for file in FILES) < 300e6
    assert sum(file.size for file in FILES if file.is_daily) < 5e6
