"""When certificates of this host end, as OpenSSL reads them."""

from __future__ import annotations

import glob
import re
import ssl
import subprocess
from collections.abc import Sequence
from pathlib import Path

from wheelhouse_monitoring import small_files
from wheelhouse_monitoring.textfile import Family

_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_MOST_BYTES, _MOST_FILES, _MOST_IN_A_FILE = 1024 * 1024, 50, 20


def collect(patterns: Sequence[str]) -> list[Family]:
    """The earliest end of the certificates in each file that fits one of the patterns. Raises OSError, ValueError."""
    ends = Family("wheelhouse_certificate_end_timestamp_seconds", "When the first certificate in a file ends.")
    files = [name for pattern in patterns for name in sorted(glob.glob(pattern))][:_MOST_FILES]
    for name in files:
        found = [end(pem) for pem in _PEM.findall(small_files.read(Path(name), _MOST_BYTES))[:_MOST_IN_A_FILE]]
        if found:
            ends.add(min(found), file=name)
    return [ends]


def end(pem: bytes) -> float:
    """When a certificate ends, in seconds since 1970. Raises OSError, ValueError."""
    command = ["openssl", "x509", "-noout", "-enddate"]
    done = subprocess.run(command, input=pem, capture_output=True, timeout=10, check=False)
    text = done.stdout.decode(errors="replace").strip()
    if done.returncode or not text.startswith("notAfter="):
        raise ValueError("openssl cannot read a certificate.")
    return float(ssl.cert_time_to_seconds(text.removeprefix("notAfter=")))
