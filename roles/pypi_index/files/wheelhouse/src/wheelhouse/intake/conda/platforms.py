"""The company's machines, as conda calls them, and what their systems have."""

from collections.abc import Iterable

from rattler import BuildString, GenericVirtualPackage, PackageName, Version

from wheelhouse.intake.targets import GLIBC, Target

NOARCH = "noarch"
_SUBDIRS = {
    "linux-x86_64": "linux-64",
    "linux-aarch64": "linux-aarch64",
    "windows-x86_64": "win-64",
    "macos-arm64": "osx-arm64",
    "macos-x86_64": "osx-64",
}
_LINUX = {"__unix": "0", "__linux": "5.10", "__glibc": f"2.{GLIBC}"}
_SYSTEMS = {
    "linux": _LINUX,
    "windows": {"__win": "10.0.17763"},
    "macos": {"__unix": "0", "__osx": "13.0"},
}
_PROCESSORS = {"x86_64": "x86_64", "aarch64": "aarch64", "arm64": "m1"}


def subdir(platform: str) -> str:
    """Where a channel has the packages for a platform (`linux-x86_64`)."""
    return _SUBDIRS[platform]


def virtual_packages(platform: str) -> list[GenericVirtualPackage]:
    """What the solver takes for given there."""
    system, _, processor = platform.partition("-")
    given = [(name, version, "0") for name, version in _SYSTEMS[system].items()]
    given.append(("__archspec", "1", _PROCESSORS[processor]))
    return [
        GenericVirtualPackage(PackageName(name), Version(version), BuildString(build)) for name, version, build in given
    ]


def by_platform(targets: Iterable[Target]) -> dict[str, list[str]]:
    """Platform -> versions of Python wanted there."""
    found: dict[str, list[str]] = {}
    for target in targets:
        found.setdefault(target.platform, []).append(target.python)
    return found
