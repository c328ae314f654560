"""For squid's `auth_param ntlm program`: NTLM with a real check of the password, by pyspnego against NTLM_USER_FILE.

squid asks with `YR` (begin) and `KK` (the client's answer), each with a token in base64, and is told `TT` (a token for the
client), `AF` (who it is) or `NA` (no).
"""

from __future__ import annotations

import base64
import sys
from typing import Any

import spnego

context: Any = None
for line in sys.stdin:
    kind, _, token = line.strip().partition(" ")
    try:
        if kind == "YR":
            context = spnego.server(protocol="ntlm", options=spnego.NegotiateOptions.use_ntlm)
        answer = context.step(base64.b64decode(token) or None)
        if context.complete:
            print("AF", context.client_principal.replace(" ", "_"), flush=True)
        else:
            print("TT", base64.b64encode(answer).decode(), flush=True)
    except Exception as exc:
        print("NA", type(exc).__name__, flush=True)
