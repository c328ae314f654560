# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""What IT says of this machine: the file that the role package_client writes. It holds no secret.

{"index_url": "https://packages.acme.example", "ca_store": PATH, "company_ca": [PEM, ...], "poetry": PATH,
 "conda_channels": [NAME, ...]}
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from urllib.parse import urlsplit

FILE = "/etc/wheelhouse/doctor.json"


class Missing(Exception):
    """The file is not there or not as the role writes it; the text is a sentence."""


@dataclass(frozen=True)
class Settings:
    """
    index_url       the one index, without a path: `https://packages.acme.example`
    ca_store        the file with all certificates that this machine trusts
    company_ca      the company's own CA certificates in PEM form; empty where it has none
    poetry          the program with which IT has told Poetry of the index; empty where it has installed none
    environments    the directory with the proxy environment that IT has set for each person; the machine's is beside it
    conda_channels  names and addresses of conda channels that are in order besides those on the index
    """

    index_url: str
    ca_store: str = "/etc/ssl/certs/ca-certificates.crt"
    company_ca: str = ""
    poetry: str = ""
    environments: str = "/etc/wheelhouse/people"
    conda_channels: tuple[str, ...] = ()

    @property
    def index_host(self) -> str:
        return urlsplit(self.index_url).hostname or ""

    @property
    def index_port(self) -> int:
        parts = urlsplit(self.index_url)
        return parts.port or (443 if parts.scheme == "https" else 80)

    @property
    def simple_url(self) -> str:
        """The address that installers are given."""
        return f"{self.index_url}/simple/"


def read(path: str = FILE) -> Settings:
    """The settings; raises `Missing`."""
    try:
        with open(path, encoding="utf-8") as stream:
            told = json.load(stream)
        lists = {"company_ca": "\n".join(told.get("company_ca", []))}
        settings = Settings(**{**told, **lists, "conda_channels": tuple(told.get("conda_channels", []))})
    except FileNotFoundError:
        raise Missing(f"{path} is not there, so IT has not set this machine up, or took it back.") from None
    except OSError as error:
        raise Missing(f"{path} cannot be read: {error.strerror}.") from None
    except (ValueError, TypeError, AttributeError):
        raise Missing(f"{path} is not as IT's playbook writes it.") from None
    if not settings.index_host:
        raise Missing(f"{path} names no index.")
    return settings
