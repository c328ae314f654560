"""Prints a token for publishing to the company's index, in exchange for the identity of this CI job.

    python exchange-identity.py packages.acme.example

For tools that do not ask for one themselves, such as twine. `id`, which comes with twine 6 and later, finds the
identity. The token may publish for a quarter of an hour what the index grants to this job.
"""

import json
import sys
import urllib.error
import urllib.request

from id import IdentityError, detect_credential


def ask(url: str, given: dict[str, str] | None = None) -> dict[str, str]:
    body = json.dumps(given).encode() if given else None
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return dict(json.load(answer))
    except urllib.error.HTTPError as error:
        sys.exit(json.load(error).get("detail") or f"{url} answers {error.code}.")


index = f"https://{sys.argv[1]}/_/oidc"
audience = ask(f"{index}/audience")["audience"]
try:
    identity = detect_credential(audience)
except IdentityError as error:
    sys.exit(f"The CI system gives no identity: {error}")
if not identity:
    sys.exit("This is no CI job, or it has no identity for this index.")
print(ask(f"{index}/mint-token", {"token": identity})["token"])
