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

    @property
    def stem(self) -> str:
        return f"{self.name}-{self.version}-{self.build}"

    @property
    def filename(self) -> str:
        return self.stem + self.suffix

    def build_it(self) -> bytes:
        """The package."""
        path = f"share/{self.name}.txt"
        info = self._info(path)
        payload = {path: self.text.encode()}
        if self.suffix == ".tar.bz2":
            return bz2.compress(_tar(info | payload))
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr("metadata.json", json.dumps({"conda_pkg_format_version": 2}))
            archive.writestr(f"pkg-{self.stem}.tar.zst", zstd.compress(_tar(payload)))
            archive.writestr(f"info-{self.stem}.tar.zst", zstd.compress(_tar(info)))
        return packed.getvalue()

    def _info(self, path: str) -> dict[str, bytes]:
        content = self.text.encode()
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
        entry = {
            "_path": path,
            "path_type": "hardlink",
            "sha256": hashlib.sha256(content).hexdigest(),
            "size_in_bytes": len(content),
        }
        return {
            "info/index.json": json.dumps(index).encode(),
            "info/paths.json": json.dumps({"paths": [entry], "paths_version": 1}).encode(),
            "info/files": f"{path}\n".encode(),
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
