# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
module: proxy_auth_check
short_description: Ask a proxy whether it accepts some logins
version_added: 0.1.0
author: The wheelhouse.onboarding contributors (!UNKNOWN)
description:
  - Asks the proxy once for a way out with each login. A wrong password counts as one wrong try, and locks nobody out.
  - Writes nothing, and nothing of a password is in a command line or in the result.
options:
  proxy:
    description: The proxy, as C(host:port), C(http://host:port) or C(https://host:port).
    type: str
    required: true
  logins:
    description: The logins.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Whose it is, for the answer.
        type: str
        required: true
      username:
        description: The account at the proxy.
        type: str
        required: true
      password:
        description: Its password, as it is typed.
        type: str
        required: true
attributes:
  check_mode:
    description: It only asks.
    support: full
  diff_mode:
    description: It only asks.
    support: none
"""

EXAMPLES = r"""
- name: The proxy accepts ada's new password
  wheelhouse.onboarding.proxy_auth_check:
    proxy: proxy.acme.example:8080
    logins:
      - name: ada
        username: "EMEA\\ada"
        password: "{{ vault_ada_proxy }}"
"""

RETURN = r"""
refused:
  description: Whose login the proxy refuses.
  type: list
  elements: str
  returned: always
  sample: [ada]
unasked:
  description: Why the proxy could not be asked, a sentence. Empty where it could be.
  type: str
  returned: always
  sample: The proxy proxy.acme.example:8080 does not answer this host.
"""

import base64
import http.client
import ssl
from concurrent.futures import ThreadPoolExecutor
from typing import TypedDict

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.hosts import host_and_port

TIMEOUT = 20  # seconds for an answer
AT_ONCE = 8
# A name that is nowhere, as RFC 6761 promises: a proxy that lets the login in goes no further than its name server.
TARGET = "outside.invalid:443"


class Login(TypedDict):
    """A login, as the module is told it."""

    name: str
    username: str
    password: str


def answer(proxy: str, login: Login | None = None) -> tuple[int, set[str]]:
    """(status, schemes of authentication that are offered) for a way out.

    Raises OSError, HTTPException, and ValueError for what is no address of a proxy.
    """
    host, port = host_and_port(proxy)
    connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT)
    if proxy.lower().startswith("https://"):
        connection = http.client.HTTPSConnection(host, port, timeout=TIMEOUT, context=ssl.create_default_context())
    headers = {"Host": TARGET}
    if login:
        account = f"{login['username']}:{login['password']}".encode()
        headers["Proxy-Authorization"] = "Basic " + base64.b64encode(account).decode()
    try:
        connection.request("CONNECT", TARGET, headers=headers)
        response = connection.getresponse()
        offers = response.headers.get_all("Proxy-Authenticate", [])
        return response.status, {offer.split(None, 1)[0].lower() for offer in offers if offer.strip()}
    finally:
        connection.close()


def look(proxy: str, logins: list[Login]) -> tuple[list[str], str]:
    """(names that are refused, why the proxy could not be asked)."""
    try:
        # without a login first: only where that is refused does an answer to a login mean something
        status, schemes = answer(proxy)
        if status != 407:
            return [], f"The proxy {proxy} asks for no login (it answers {status})."
        if "basic" not in schemes:
            return [], f"The proxy {proxy} takes no password as Basic, the one way in which it can be asked."
        with ThreadPoolExecutor(AT_ONCE) as pool:
            statuses = list(pool.map(lambda login: answer(proxy, login)[0], logins))
    except ValueError as exc:
        raise ConnectionError(f"The proxy {proxy} cannot be asked: {exc}.") from exc
    except (OSError, http.client.HTTPException) as exc:
        raise ConnectionError(f"The proxy {proxy} does not answer this host: {exc}.") from exc
    return [login["name"] for login, status in zip(logins, statuses) if status == 407], ""


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "proxy": {"type": "str", "required": True},
            "logins": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "name": {"type": "str", "required": True},
                    "username": {"type": "str", "required": True},
                    "password": {"type": "str", "required": True, "no_log": True},
                },
            },
        },
        supports_check_mode=True,
    )
    try:
        refused, unasked = look(module.params["proxy"], module.params["logins"])
    except ConnectionError as exc:
        module.fail_json(msg=str(exc), refused=[], unasked="")
    module.exit_json(changed=False, refused=refused, unasked=unasked)


if __name__ == "__main__":
    main()
