"""Writes the list of settings by which packages come from or go elsewhere for the bundles, which know no Python.

The list is plugins/module_utils/package_sources.py.

python tests/tools/source_lists.py            rewrites what the bundles for Linux, macOS and Windows read
python tests/tools/source_lists.py --check    says what it would change, and fails if there is anything
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from ansible.plugins.loader import init_plugin_loader
from generated import ROOT, settle

init_plugin_loader()
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.package_sources import (  # noqa: E402
    CONDARC,
    PIP,
    PYPIRC,
    UV,
    VARIABLES,
    WINDOWS_FILES,
    Setting,
)

FILES = ROOT / "roles" / "onboarding_bundle" / "files"


def forms() -> dict[str, dict[str, Setting]]:
    """{form: {name of a setting: the setting}} of what the bundles look at."""
    of_uv = {key.replace("index.*", "[[index]]"): setting for key, setting in UV.items()}
    return {"variable": VARIABLES, "pip": PIP, "pypirc": PYPIRC, "uv": of_uv, "conda": CONDARC}


def lines() -> str:
    """For sources.awk, a line each: form, name, kind of value, and what it does."""
    return "".join(
        f"{form} {name} {setting.kind} {setting.effect}\n"
        for form, settings in forms().items()
        for name, setting in settings.items()
    )


def script() -> str:
    """For setup.js: the same, and where such settings are on Windows."""
    effects = list(dict.fromkeys(setting.effect for settings in forms().values() for setting in settings.values()))
    parts = [
        "// tests/tools/source_lists.py writes this from plugins/module_utils/package_sources.py.\n",
        "// What a setting does; {index} stands for the index.\n",
        f"var EFFECTS = {json.dumps(effects, indent=4)};\n\n",
        "// {form: {name: [kind of value, number of what it does]}}; `*` stands for letters, digits and underscores\n",
        "var SOURCES = {\n",
    ]
    for form, settings in forms().items():
        entries = (
            f"        {json.dumps(name)}: {json.dumps([setting.kind, effects.index(setting.effect)])}"
            for name, setting in settings.items()
        )
        parts.append(f"    {json.dumps(form)}: {{\n" + ",\n".join(entries) + "\n    },\n")
    parts[-1] = parts[-1].replace("},\n", "}\n")  # the script engine takes no comma behind the last
    places = (
        f"    [{json.dumps(form)}, {json.dumps(path)}]" for form, paths in WINDOWS_FILES.items() for path in paths
    )
    return "".join(parts) + "};\n\n// [form, path]\nvar SOURCE_FILES = [\n" + ",\n".join(places) + "\n];\n"


def files() -> dict[Path, str]:
    return {
        FILES / "posix" / "program" / "sources": lines(),
        FILES / "windows" / "setup" / "sources.js": script(),
    }


if __name__ == "__main__":
    sys.exit(settle(files()))
