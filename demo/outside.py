"""Make what stands for the world outside, where the demo cannot ask the real one: a channel laid out like conda-forge.

    python outside.py DIRECTORY

Writes DIRECTORY/conda-forge: packages that have the names and versions of real ones and a text file in them, and the
channel's index. Every byte is the same each time: the index host refuses files that change under their names.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from index.conda_samples import CondaPackage
from index.public_channel import PublicPackage, repodata

PACKAGES = (
    CondaPackage("orange3", "3.29.3", depends=("anyqt >=0.0.13", "orange-widget-base >=4.14"), text="3.29.3\n"),
    CondaPackage("orange3", "3.30.1", depends=("anyqt >=0.0.13", "orange-widget-base >=4.15"), text="3.30.1\n"),
    CondaPackage("orange-widget-base", "4.15.1", depends=("anyqt >=0.0.13",)),
    CondaPackage("anyqt", "0.0.13", suffix=".tar.bz2"),
)


def main(directory: Path) -> None:
    """Make the channel."""
    place = directory / "conda-forge" / "noarch"
    place.mkdir(parents=True, exist_ok=True)
    packages = [PublicPackage(package, package.build_it()) for package in PACKAGES]
    for one in packages:
        (place / one.package.filename).write_bytes(one.content)
    (place / "repodata.json").write_bytes(repodata(packages, "noarch"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path, metavar="DIRECTORY")
    main(parser.parse_args().directory)
