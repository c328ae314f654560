# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""The list of settings by which packages come from elsewhere than the company's index, or are published elsewhere.

It is the only one: the module conflicting_package_sources looks for them in files, wheelhouse-doctor (which gets a
copy of this file) in the environment as well, and the bundles for laptops in the files there. Each tool's own
reference of its settings was read for it. Nothing but Python's own library is imported, and nothing of the collection.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import urlsplit

# What a setting does, as the middle of a sentence that begins with it
ELSEWHERE = "has packages come from elsewhere than {index}"
PUBLISHES = "has what is published go elsewhere than to {index}"
SHUT_OUT = "keeps packages of {index} from being found"
UNVERIFIED = "has servers trusted without a certificate"
THROUGH_PROXY = "has {index} looked for behind a proxy, whatever NO_PROXY says"
OTHER_SETTINGS = "has settings read that are not those for {index}"
PASSWORD = "has a password in the address of {index}, where IT cannot change it"


class Setting(NamedTuple):
    """A setting that is in order only with some values."""

    effect: str  # one of the above
    kind: str = "address"  # of its value: see `is_in_order`


_SOURCE = Setting(ELSEWHERE)
_PUBLISHES = Setting(PUBLISHES)
_SWITCH = Setting(SHUT_OUT, "switch")
_HOSTS = Setting(UNVERIFIED, "any")
_VERIFY = Setting(UNVERIFIED, "verify")
_PROXY = Setting(THROUGH_PROXY, "any")
_FILE = Setting(OTHER_SETTINGS, "file")
_MAP = Setting(ELSEWHERE, "map")

# Variables of the environment; `*` stands for letters, digits and underscores
VARIABLES = {
    "PIP_INDEX_URL": _SOURCE,
    "PIP_PYPI_URL": _SOURCE,
    "PIP_EXTRA_INDEX_URL": _SOURCE,
    "PIP_FIND_LINKS": _SOURCE,
    "PIP_NO_INDEX": _SWITCH,
    "PIP_TRUSTED_HOST": _HOSTS,
    "PIP_PROXY": _PROXY,
    "PIP_CONFIG_FILE": _FILE,
    "UV_INDEX": _SOURCE,
    "UV_INDEX_URL": _SOURCE,
    "UV_DEFAULT_INDEX": _SOURCE,
    "UV_EXTRA_INDEX_URL": _SOURCE,
    "UV_FIND_LINKS": _SOURCE,
    "UV_TORCH_BACKEND": Setting(ELSEWHERE, "any"),
    "UV_INDEX_STRATEGY": Setting(ELSEWHERE, "strategy"),
    "UV_NO_INDEX": _SWITCH,
    "UV_OFFLINE": _SWITCH,
    "UV_INSECURE_HOST": _HOSTS,
    "UV_CONFIG_FILE": _FILE,
    "UV_NO_CONFIG": Setting(OTHER_SETTINGS, "switch"),
    "UV_PUBLISH_URL": _PUBLISHES,
    "UV_PUBLISH_INDEX": Setting(PUBLISHES, "any"),
    "TWINE_REPOSITORY_URL": _PUBLISHES,
    "TWINE_REPOSITORY": Setting(PUBLISHES, "section"),
    "FLIT_INDEX_URL": _PUBLISHES,
    "HATCH_INDEX_REPO": _PUBLISHES,
    "HATCH_CONFIG": _FILE,
    "PDM_PYPI_URL": _SOURCE,
    "PDM_PYPI_VERIFY_SSL": _VERIFY,
    "PDM_PUBLISH_REPO": _PUBLISHES,
    "PDM_CONFIG_FILE": _FILE,
    "PIPENV_PYPI_MIRROR": _SOURCE,
    "PIPENV_TEST_INDEX": _SOURCE,
    "POETRY_PYPI_MIRROR_URL": _SOURCE,
    "POETRY_PLUGINS_PYPI_MIRROR_URL": _SOURCE,
    "POETRY_REPOSITORIES_*_URL": _PUBLISHES,
    "POETRY_CERTIFICATES_*_CERT": _VERIFY,
    "CONDARC": _FILE,
    "MAMBARC": _FILE,
    "CONDA_CHANNELS": Setting(ELSEWHERE, "channels"),
    "CONDA_DEFAULT_CHANNELS": Setting(ELSEWHERE, "channels"),
    "CONDA_CHANNEL_ALIAS": _SOURCE,
    "CONDA_CUSTOM_CHANNELS": _MAP,
    "CONDA_CUSTOM_MULTICHANNELS": _MAP,
    "CONDA_PROXY_SERVERS": _PROXY,
    "CONDA_SSL_VERIFY": _VERIFY,
    "CONDA_OFFLINE": _SWITCH,
    "MAMBA_CHANNELS": Setting(ELSEWHERE, "channels"),
    "MAMBA_DEFAULT_CHANNELS": Setting(ELSEWHERE, "channels"),
    "MAMBA_CHANNEL_ALIAS": _SOURCE,
    "MAMBA_MIRRORED_CHANNELS": _MAP,
    "MAMBA_SSL_VERIFY": _VERIFY,
    "MAMBA_OFFLINE": _SWITCH,
}

# Keys of INI files: pip's in any section (one is named after each of its commands), and easy_install's
PIP = {
    "index-url": _SOURCE,
    "pypi-url": _SOURCE,
    "extra-index-url": _SOURCE,
    "find-links": _SOURCE,
    "no-index": _SWITCH,
    "trusted-host": _HOSTS,
    "proxy": _PROXY,
}
EASY_INSTALL = {"index-url": _SOURCE, "find-links": _SOURCE}
# ~/.pypirc: somebody may well maintain a public project, so what is in there is told and never removed
PYPIRC = {"repository": _PUBLISHES}

# Keys of TOML files, with the tables they are in; `*` stands for one table of any name
UV = {
    "index.*": _SOURCE,  # one [[index]]
    "index-url": _SOURCE,
    "extra-index-url": _SOURCE,
    "find-links": _SOURCE,
    "index-strategy": Setting(ELSEWHERE, "strategy"),
    "torch-backend": Setting(ELSEWHERE, "any"),
    "no-index": _SWITCH,
    "offline": _SWITCH,
    "allow-insecure-host": _HOSTS,
    "publish-url": _PUBLISHES,
    "pip.index-url": _SOURCE,
    "pip.extra-index-url": _SOURCE,
    "pip.find-links": _SOURCE,
    "pip.index-strategy": Setting(ELSEWHERE, "strategy"),
    "pip.torch-backend": Setting(ELSEWHERE, "any"),
    "pip.no-index": _SWITCH,
}
POETRY = {"plugins.pypi_mirror.url": _SOURCE, "certificates.*.cert": _VERIFY}
# where Poetry may publish is named by a person each time, and so is no stray; PDM's and hatch's have a default
PDM = {
    "pypi.url": _SOURCE,
    "pypi.*.url": _SOURCE,
    "pypi.verify_ssl": _VERIFY,
    "pypi.*.verify_ssl": _VERIFY,
    "repository.pypi.url": _PUBLISHES,
}
HATCH = {"publish.index.repo": _PUBLISHES, "publish.index.repos.main.url": _PUBLISHES}
PIXI = {
    "default-channels": Setting(ELSEWHERE, "channels"),
    "default_channels": Setting(ELSEWHERE, "channels"),
    "mirrors.*": _MAP,
    "pypi-config.index-url": _SOURCE,
    "pypi-config.extra-index-urls": _SOURCE,
    "pypi-config.allow-insecure-host": _HOSTS,
    "tls-no-verify": Setting(UNVERIFIED, "switch"),
    "tls_no_verify": Setting(UNVERIFIED, "switch"),
    "proxy-config.https": _PROXY,
    "proxy-config.http": _PROXY,
}
TOML = {"toml": UV, "poetry": POETRY, "pdm": PDM, "hatch": HATCH, "pixi": PIXI}

# Keys at the margin of a condarc
CONDARC = {
    "channels": Setting(ELSEWHERE, "channels"),
    "default_channels": Setting(ELSEWHERE, "channels"),
    "channel_alias": _SOURCE,
    "custom_channels": _MAP,
    "custom_multichannels": _MAP,
    "mirrored_channels": _MAP,
    "migrated_custom_channels": _MAP,
    "proxy_servers": _PROXY,
    "ssl_verify": _VERIFY,
    "offline": _SWITCH,
}

# Options of commands, as aliases and functions of shells have them
_PIP_OPTIONS = {
    "-i": ELSEWHERE,
    "--index-url": ELSEWHERE,
    "--extra-index-url": ELSEWHERE,
    "-f": ELSEWHERE,
    "--find-links": ELSEWHERE,
    "--no-index": SHUT_OUT,
    "--trusted-host": UNVERIFIED,
    "--proxy": THROUGH_PROXY,
}
OPTIONS = {
    "pip": _PIP_OPTIONS,
    "pipx": {name: effect for name, effect in _PIP_OPTIONS.items() if name != "-f"},
    "uv": {
        "--index": ELSEWHERE,
        "--default-index": ELSEWHERE,
        "-i": ELSEWHERE,
        "--index-url": ELSEWHERE,
        "--extra-index-url": ELSEWHERE,
        "-f": ELSEWHERE,
        "--find-links": ELSEWHERE,
        "--no-index": SHUT_OUT,
        "--offline": SHUT_OUT,
        "--allow-insecure-host": UNVERIFIED,
        "--trusted-host": UNVERIFIED,
        "--no-config": OTHER_SETTINGS,
        "--config-file": OTHER_SETTINGS,
        "--publish-url": PUBLISHES,
    },
    "conda": {
        "-c": ELSEWHERE,
        "--channel": ELSEWHERE,
        "--override-channels": ELSEWHERE,
        "-k": UNVERIFIED,
        "--insecure": UNVERIFIED,
        "--offline": SHUT_OUT,
    },
    "twine": {"-r": PUBLISHES, "--repository": PUBLISHES, "--repository-url": PUBLISHES},
    "pipenv": {"-i": ELSEWHERE, "--index": ELSEWHERE, "--pypi-mirror": ELSEWHERE, "--extra-pip-args": ELSEWHERE},
    "flit": {"--index-url": PUBLISHES, "--repository": PUBLISHES},
}
# those that have no value
FLAGS = {"--no-index", "--offline", "--no-config", "--override-channels", "-k", "--insecure"}
# what other words call the same program
COMMANDS = {
    r"pip(?:3(?:\.\d+)?)?": "pip",
    "pipx": "pipx",
    "uvx?": "uv",
    "conda|mamba|micromamba": "conda",
    "twine": "twine",
    "pipenv": "pipenv",
    "flit": "flit",
}

# Where such settings are, {form: patterns}: for a whole machine below /, and for a person below the home. `*` as the
# first part is any directory there.
_CONDARC_NAMES = [".condarc", "condarc", "condarc.d/*.yml", "condarc.d/*.yaml", ".mambarc"]
MACHINE_FILES = {
    "ini": ["etc/xdg/pip/pip.conf", "etc/pip.conf"],
    "toml": ["etc/xdg/uv/uv.toml", "etc/uv/uv.toml"],
    "pdm": ["etc/xdg/pdm/config.toml"],
    "poetry": ["etc/xdg/pypoetry/config.toml"],
    "pixi": ["etc/pixi/config.toml"],
    "condarc": [f"{place}/conda/{name}" for place in ("etc", "var/lib") for name in _CONDARC_NAMES],
    "shell": [
        "etc/profile",
        "etc/profile.d/*.sh",
        "etc/bash.bashrc",
        "etc/bashrc",
        "etc/zsh/zshenv",
        "etc/zsh/zprofile",
        "etc/zsh/zshrc",
        "etc/zshenv",
        "etc/zprofile",
        "etc/zshrc",
        "etc/fish/config.fish",
        "etc/fish/conf.d/*.fish",
        "etc/csh.cshrc",
        "etc/csh.login",
        "etc/profile.d/*.csh",
    ],
    "environment": ["etc/environment", "etc/environment.d/*.conf"],
}
INSTALLATION_FILES = {"condarc": [".condarc", ".mambarc"]}  # below /opt/*
HOME_FILES = {
    "ini": [".config/pip/pip.conf", ".pip/pip.conf", "Library/Application Support/pip/pip.conf"],
    "pypirc": [".pypirc"],
    "easy_install": [".pydistutils.cfg"],
    "toml": [".config/uv/uv.toml"],
    "poetry": [".config/pypoetry/config.toml", "Library/Application Support/pypoetry/config.toml"],
    "pdm": [".config/pdm/config.toml", "Library/Application Support/pdm/config.toml"],
    "hatch": [".config/hatch/config.toml", "Library/Application Support/hatch/config.toml"],
    "pixi": [".config/pixi/config.toml", ".pixi/config.toml"],
    "pipx": [f"{place}/venvs/*/pipx_metadata.json" for place in (".local/share/pipx", ".local/pipx")],
    # and those of installations in the home
    "condarc": [
        *(f"{place}/{name}" for place in (".conda", ".config/conda", "*") for name in _CONDARC_NAMES),
        ".condarc",
        ".mambarc",
    ],
    "shell": [
        ".profile",
        ".bash_profile",
        ".bash_login",
        ".bashrc",
        ".bash_aliases",
        ".zshenv",
        ".zprofile",
        ".zshrc",
        ".zlogin",
        ".config/fish/config.fish",
        ".config/fish/conf.d/*.fish",
        ".config/fish/functions/*.fish",
        ".config/fish/fish_variables",
        ".cshrc",
        ".tcshrc",
        ".login",
        ".kshrc",
        ".aliases",
        ".xprofile",
        ".xsessionrc",
        ".envrc",
    ],
    "environment": [".config/environment.d/*.conf", ".pam_environment", ".ssh/environment"],
}

# The same on Windows, for what the bundles there look at. A variable between % stands for its value.
_IN_HOME, _IN_PROGRAM_DATA = "%USERPROFILE%\\", "%PROGRAMDATA%\\"
_WINDOWS_CONDARC_NAMES = [name.replace("/", "\\") for name in _CONDARC_NAMES]
WINDOWS_FILES = {
    "pip": [_IN_PROGRAM_DATA + "pip\\pip.ini", _IN_HOME + "pip\\pip.ini", "%APPDATA%\\pip\\pip.ini"],
    "pypirc": [_IN_HOME + ".pypirc"],
    "uv": [_IN_PROGRAM_DATA + "uv\\uv.toml", "%APPDATA%\\uv\\uv.toml"],
    "conda": [
        *(
            f"{place}\\{name}"
            # and those of installations, for one person and for all
            for place in (
                _IN_PROGRAM_DATA + "*",
                "%LOCALAPPDATA%\\*",
                _IN_HOME + "*",
                _IN_HOME + ".config\\conda",
            )
            for name in _WINDOWS_CONDARC_NAMES
        ),
        _IN_HOME + ".condarc",
        _IN_HOME + ".mambarc",
    ],
}

_MACHINES_OWN = {path for paths in MACHINE_FILES.values() for path in paths}
_NO = {"", "0", "false", "no", "off", "n", "f", "none", "null", "<false>"}
_ADDRESS = re.compile(r"""[a-z][a-z0-9+.-]*://[^\s"',\]\}]+""", re.IGNORECASE)
_PORTS = {"http": 80, "https": 443}


def variable(name: str) -> Setting | None:
    """The setting that a variable of the environment is, or None."""
    return next((setting for pattern, setting in VARIABLES.items() if _matches(pattern, name)), None)


def _matches(pattern: str, name: str) -> bool:
    return re.fullmatch(pattern.replace("*", "[A-Z0-9_]+"), name) is not None


def in_table(settings: dict[str, Setting], path: tuple[str, ...]) -> Setting | None:
    """The setting of TOML that a key with its tables is, or None."""
    for pattern, setting in settings.items():
        parts = pattern.split(".")
        if len(parts) == len(path) and all(part in ("*", key) for part, key in zip(parts, path)):
            return setting
    return None


def same_place(address: str, index_url: str) -> bool:
    """Whether an address is on the index, whichever account is in it; a port that goes without saying is none."""
    ours, theirs = _place(index_url), _place(address)
    return ours is not None and theirs is not None and ours[:2] == theirs[:2] and _below(theirs[2], ours[2])


def _place(address: str) -> tuple[str, tuple[str | None, int | None], str] | None:
    try:
        parts = urlsplit(address.strip())
        return parts.scheme.lower(), (parts.hostname, parts.port or _PORTS.get(parts.scheme.lower())), parts.path
    except ValueError:
        return None


def _below(path: str, base: str) -> bool:
    return (path + "/").startswith(base.rstrip("/") + "/") and "/.." not in path


def addresses(text: str) -> list[str]:
    """The addresses in a text."""
    return _ADDRESS.findall(text)


def judged(setting: Setting, words: list[str], index_url: str, channels: tuple[str, ...] = ()) -> str:
    """What a setting with this value does; empty where it is in order.

    words       its value, or the values that it lists; of a map, where its names lead to
    channels    names and addresses of conda channels that are in order besides those on the index
    """
    values = [word.strip() for word in words if word.strip()]
    lower = [value.lower() for value in values]
    if setting.kind == "address":
        if not values or not all(same_place(value, index_url) for value in values):
            return setting.effect if values else ""
        return PASSWORD if any(_has_password(value) for value in values) else ""
    if setting.kind in ("channels", "map"):
        others = [one for one in values if not same_place(one, index_url) and one.rstrip("/") not in channels]
        return setting.effect if others else ""
    in_order = {
        "switch": all(value in _NO for value in lower),
        "verify": not any(value in _NO for value in lower),
        "strategy": not any(value.startswith("unsafe") for value in lower),
        "section": lower in ([], ["pypi"]),
        "file": all(value.lstrip("/") in _MACHINES_OWN for value in values),
        "any": not values,
    }[setting.kind]
    return "" if in_order else setting.effect


def _has_password(address: str) -> bool:
    return "@" in urlsplit(address).netloc
