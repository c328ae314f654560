# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""What conda uses, by the word of `conda config --show-sources`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from wheelhouse_doctor.commands import RUN_TIME, find, line_with, run
from wheelhouse_doctor.findings import Finding, fail, ok, skipped
from wheelhouse_doctor.redaction import shown_url
from wheelhouse_doctor.settings import Settings

CHECK = "conda"


def look(_settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    """The findings about conda, or about mamba where there is only that; both read the same files."""
    conda = find("conda", environ) or find("mamba", environ)
    if conda is None:
        yield from skipped([CHECK], "there is none on the PATH")
        return
    said = run([conda, "config", "--show-sources", "--json"], environ)
    try:
        sources = json.loads(said.output) if said else None
    except ValueError:
        sources = None
    if not isinstance(sources, dict) or not said or not said.succeeded:
        if said is None:
            why = f"it takes more than {RUN_TIME:.0f} seconds, or is no program"
        else:
            why = "it says no JSON" if said.succeeded else f"it ends with {said.code}"
        sentence = f"{conda} cannot say what its settings are: {why}."
        yield fail(CHECK, conda, sentence, f"`{conda} config --show-sources` says more.")
        return
    faults = list(_faults(conda, sources))
    yield from faults
    if not faults:
        yield ok(CHECK, conda, _channels(sources))


def _faults(conda: str, sources: Mapping[str, Mapping]) -> Iterator[Finding]:
    for path, settings in sources.items():
        if settings.get("proxy_servers"):
            yield fail(
                CHECK,
                conda,
                f"{_place(path, 'proxy_servers')} gives conda a proxy that ignores NO_PROXY, so that nothing in the "
                "company is found.",
                "Take proxy_servers out there; HTTPS_PROXY and NO_PROXY are enough.",
            )
        if settings.get("ssl_verify") in (False, "false", "False"):
            yield fail(
                CHECK,
                conda,
                f"{_place(path, 'ssl_verify')} has conda trust everybody without a certificate.",
                "Take ssl_verify out there.",
            )


def _place(source: str, key: str) -> str:
    """Where a setting stands; `source` is a file, or conda's word for where else."""
    return line_with(source, key) if "/" in source else f"CONDA_{key.upper()}"


def _channels(sources: Mapping[str, Mapping]) -> str:
    """The channels by the strongest source that names any: conda lists the sources from the weakest on."""
    for path, settings in reversed(list(sources.items())):
        if settings.get("channels"):
            names = [shown_url(str(one)) if "/" in str(one) else str(one) for one in settings["channels"]]
            return f"channels {', '.join(names)} ({_place(path, 'channels')})"
    return "its own default channels"
