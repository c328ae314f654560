"""Conda packages for the tests, good and bad."""

import bz2
import hashlib
import io
import json
import tarfile
import zipfile
from dataclasses import dataclass, field

from conda_package_streaming.package_streaming import zstd


@dataclass(frozen=True)
class CondaPackage:
    """A package with one text file. `index` are changes to its info/index.json; a value of None leaves a key out."""

    name: str = "acme-hello"
    version: str = "1.0"
    build: str = "0"
    subdir: str = "noarch"
    suffix: str = ".conda"
    depends: tuple[str, ...] = ()
    index: dict[str, object] = field(default_factory=dict)
    text: str = "hello\n"
    python: tuple[tuple[str, str], ...] = ()
    """Name and version of the Python distributions in it."""
    files: tuple[tuple[str, bytes], ...] = ()
    """What else is in it."""

    @property
    def stem(self) -> str:
        return f"{self.name}-{self.version}-{self.build}"

    @property
    def filename(self) -> str:
        return self.stem + self.suffix

    def build_it(self) -> bytes:
        """The package."""
        payload = {f"share/{self.name}.txt": self.text.encode(), **dict(self.files)}
        for name, version in self.python:
            described = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
            payload[f"site-packages/{name}-{version}.dist-info/METADATA"] = described.encode()
        info = self._info(payload)
        if self.suffix == ".tar.bz2":
            return bz2.compress(_tar(info | payload))
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
            for name, content in (
                ("metadata.json", json.dumps({"conda_pkg_format_version": 2}).encode()),
                (f"pkg-{self.stem}.tar.zst", zstd.compress(_tar(payload))),
                (f"info-{self.stem}.tar.zst", zstd.compress(_tar(info))),
            ):
                # of no time, so that the package is the same whenever it is built
                archive.writestr(zipfile.ZipInfo(name), content)
        return packed.getvalue()

    def _info(self, payload: dict[str, bytes]) -> dict[str, bytes]:
        index = {
            "name": self.name,
            "version": self.version,
            "build": self.build,
            "build_number": 0,
            "depends": list(self.depends),
            "subdir": self.subdir,
            "timestamp": 1_700_000_000_000,
            "license": "MIT",
        }
        if self.subdir == "noarch":
            index["noarch"] = "generic"
        index = {key: value for key, value in (index | self.index).items() if value is not None}
        entries = [
            {
                "_path": path,
                "path_type": "hardlink",
                "sha256": hashlib.sha256(content).hexdigest(),
                "size_in_bytes": len(content),
            }
            for path, content in payload.items()
        ]
        return {
            "info/index.json": json.dumps(index).encode(),
            "info/paths.json": json.dumps({"paths": entries, "paths_version": 1}).encode(),
            "info/files": "".join(f"{path}\n" for path in payload).encode(),
            "info/about.json": b"{}",
        }


def _tar(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()
