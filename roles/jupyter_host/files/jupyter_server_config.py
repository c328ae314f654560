# Settings of all servers, read through JUPYTER_CONFIG_PATH. They win over a person's own in ~/.jupyter.
import hashlib
import json
import os
import pwd
import re
from typing import Any

from jupyter_server.auth.identity import PasswordIdentityProvider

c = get_config()  # type: ignore[name-defined]  # noqa: F821  which Jupyter puts there

PERSON = pwd.getpwuid(os.getuid()).pw_name
TOKEN = f"/etc/wheelhouse/jupyter/tokens/{PERSON}"


class TokenFromFile(PasswordIdentityProvider):  # type: ignore[misc]  # JupyterLab is on the Jupyter host alone
    """Reads the token from its file each time, so that a new one counts at once, and no kernel ends for it."""

    @property
    def token(self) -> str:
        with open(TOKEN, encoding="ascii") as stream:
            return stream.read(128).strip()

    async def get_user_token(self, handler: Any) -> Any:
        """Opening the page with the token logs in for another day, however much is left of the day before."""
        user = await super().get_user_token(handler)
        if user and "token" in handler.request.arguments:
            self.set_login_cookie(handler, user)
        return user


c.ServerApp.identity_provider_class = TokenFromFile
# A browser stays logged in for a day, across restarts of the server, and until the first one after the token was
# replaced. The cookie has a name of this person's, since browsers send those of one address to all servers at it,
# whatever their ports.
with open(TOKEN, "rb") as stream:
    c.ServerApp.cookie_secret = hashlib.sha256(b"cookie " + stream.read(128).strip()).digest()
c.IdentityProvider.cookie_name = "jupyter-" + re.sub(r"[^a-z0-9]", "-", PERSON)
c.IdentityProvider.cookie_options = {"expires_days": 1, "samesite": "Strict"}
c.IdentityProvider.get_secure_cookie_kwargs = {"max_age_days": 1}

# What is idle stops, and starts again with the next connection. A server with a kernel or a terminal is not idle, and
# neither is a kernel that computes or that a browser shows.
with open("/etc/wheelhouse/jupyter/idle.json", encoding="ascii") as settings:
    IDLE = json.load(settings)
c.ServerApp.shutdown_no_activity_timeout = 60 * IDLE["server_minutes"]
c.MappingKernelManager.cull_idle_timeout = 60 * IDLE["kernel_minutes"]
c.MappingKernelManager.cull_interval = 60
c.MappingKernelManager.cull_busy = False
c.MappingKernelManager.cull_connected = False

c.ServerApp.root_dir = os.path.expanduser("~")
c.ServerApp.open_browser = False

# Kernels on loopback ports would be within reach of everyone on the host, and their output channel asks for no key.
c.KernelManager.transport = "ipc"

# Terminals in JupyterLab: with today's proxy, and no login shell, which would forget the virtualenv of the notebooks.
CORPORATE_ENV = "/usr/local/bin/corporate-env"
c.ServerApp.terminado_settings = {
    "shell_command": [
        *([CORPORATE_ENV] if os.access(CORPORATE_ENV, os.X_OK) else []),
        os.environ.get("SHELL") or "/bin/bash",
    ]
}

# No calls to servers outside, and no buttons for what a person cannot change.
c.LabApp.news_url = None
c.LabApp.check_for_updates_class = "jupyterlab.NeverCheckForUpdate"
c.LabApp.extension_manager = "readonly"
