# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""What conda uses, by the word of `conda config --show-sources`."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.wheelhouse.onboarding.plugins.module_utils import conflicting_settings, package_sources

from wheelhouse_doctor.commands import Slow, find, line_with, run
from wheelhouse_doctor.findings import FAIL, Finding, fail, ok, skipped, warn
from wheelhouse_doctor.redaction import shown_url
from wheelhouse_doctor.settings import Settings

CHECK = "conda"


def look(settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    """The findings about conda, or about mamba where there is only that; both read the same files."""
    conda = find("conda", environ) or find("mamba", environ)
    if conda is None:
        yield from skipped([CHECK], "there is none on the PATH")
        return
    try:
        said = run([conda, "config", "--show-sources", "--json"], environ)
    except Slow as problem:
        yield problem.finding(CHECK, conda)
        return
    try:
        sources = json.loads(said.output) if said else None
    except ValueError:
        sources = None
    if not isinstance(sources, dict) or not said or not said.succeeded:
        if said is None:
            why = "it is no program"
        else:
            why = "it says no JSON" if said.succeeded else f"it ends with {said.code}"
        sentence = f"{conda} cannot say what its settings are: {why}."
        yield fail(CHECK, conda, sentence, f"`{conda} config --show-sources` says more.")
        return
    faults = list(_faults(settings, conda, sources))
    yield from faults
    if not any(fault.verdict == FAIL for fault in faults):
        yield ok(CHECK, conda, _channels(sources))


def _faults(settings: Settings, conda: str, sources: Mapping[str, Any]) -> Iterator[Finding]:
    for path, told in sources.items():
        # where the file that IT's playbook wrote leads is no conflict
        if os.path.basename(path) == "wheelhouse.yml" or not isinstance(told, dict):
            continue
        for key, value in told.items():
            setting = package_sources.CONDARC.get(key)
            if setting is None:
                continue
            does = package_sources.judged(setting, _words(value), settings.index_url, settings.conda_channels)
            if not does:
                continue
            place = _place(path, key)
            sentence, remedy = (
                f"{conflicting_settings.sentence(place, does, settings.index_url)} ({key}).",
                f"Take {key} out there.",
            )
            if key == "proxy_servers":
                sentence = (
                    f"{place} gives conda a proxy that ignores NO_PROXY, so that nothing in the company is found."
                )
                remedy = "Take proxy_servers out there; HTTPS_PROXY and NO_PROXY are enough."
            elif key == "ssl_verify":
                sentence = f"{place} has conda trust everybody without a certificate."
            # a person may ask other channels, too, where IT has not locked the list
            tell = warn if setting.effect == package_sources.ELSEWHERE else fail
            yield tell(CHECK, conda, sentence, remedy)


def _words(value: object) -> list[str]:
    """The values in a setting of conda's; of a map, where it leads to."""
    if isinstance(value, dict):
        return [word for one in value.values() for word in _words(one)]
    if isinstance(value, (list, tuple)):
        return [word for one in value for word in _words(one)]
    return [] if value is None else [str(value)]


def _place(source: str, key: str) -> str:
    """Where a setting stands; `source` is a file, or conda's word for where else."""
    return line_with(source, key) if "/" in source else f"CONDA_{key.upper()}"


def _channels(sources: Mapping[str, Any]) -> str:
    """The channels by the strongest source that names any: conda lists the sources from the weakest on."""
    for path, settings in reversed(list(sources.items())):
        channels = settings.get("channels") if isinstance(settings, dict) else None
        if isinstance(channels, list) and channels:
            names = [shown_url(str(one)) if "/" in str(one) else str(one) for one in channels]
            return f"channels {', '.join(names)} ({_place(path, 'channels')})"
    return "its own default channels"
