"""The rows of the table: each tool, how it installs or publishes, and how to see that it did.

Commands run in a new directory in the person's home. None says anything of an index, a proxy, a certificate or a
password: that is what is tested.
"""

from __future__ import annotations

from dataclasses import dataclass

PUBLIC = "cowsay"
"""A public package with a command and without dependencies, which the demo's IT has not brought in."""
INTERNAL = "acme-clients"
"""The company's own, with a command of the same name."""


@dataclass(frozen=True)
class Tool:
    """
    name        as the table shows it
    install     installs {package}, or publishes what is in dist/
    python      the interpreter in which {package} is afterwards
    prepare     what comes before, once for both packages
    shell       where it runs: one of `SHELLS` in work.py; or `kernel`, a notebook's on the Jupyter host; or `docker`, a
                build with examples/docker/Dockerfile on the index host
    """

    name: str
    install: str
    python: str = ""
    prepare: str = ""
    shell: str = "login"
    publishes: bool = False


VENV = ".venv/bin/python"
# seconds faster than Python's own venv, and it comes with the newest pip; cron's PATH ends before /usr/local/bin
NEW_PIP = "/usr/local/bin/uv venv --seed"
PIP = ".venv/bin/pip install {package}"
POETRY_PROJECT = r"""printf '[project]\nname = "consumer"\nversion = "1"\nrequires-python = ">=3.11"\n' >pyproject.toml
printf '[tool.poetry]\npackage-mode = false\n' >>pyproject.toml
export POETRY_VIRTUALENVS_IN_PROJECT=true"""

TOOLS = [
    Tool("pip of Debian", PIP, VENV, "python3 -m venv .venv"),
    Tool("pip, current", PIP, VENV, NEW_PIP),
    Tool("pip, virtualenv", PIP, VENV, "uvx virtualenv .venv"),
    Tool("pip, non-login shell", PIP, VENV, NEW_PIP, shell="non-login"),
    Tool("pip, cron", PIP, VENV, NEW_PIP, shell="cron"),
    Tool("pip, service", PIP, VENV, NEW_PIP, shell="service"),
    Tool("pip, Jupyter kernel", "%pip install {package}", shell="kernel"),
    Tool("pip, Docker build", "{package}", shell="docker"),
    Tool("uv pip", "uv pip install {package}", VENV, "uv venv"),
    Tool("uv add", "uv add {package}", VENV, "uv init --bare"),
    Tool("uv tool", "uv tool install {package}", "tools/{package}/bin/python", "export UV_TOOL_DIR=$PWD/tools UV_TOOL_BIN_DIR=$PWD/bin"),
    Tool("Poetry", "poetry add --no-interaction {package}", VENV, POETRY_PROJECT),
    Tool("pipx", "pipx install {package}", "pipx/venvs/{package}/bin/python", "export PIPX_HOME=$PWD/pipx PIPX_BIN_DIR=$PWD/bin"),
    Tool("uv publish", "uv publish", publishes=True),
    Tool("twine", "twine upload --non-interactive dist/*", publishes=True),
    Tool("Poetry publish", "poetry publish --no-interaction", publishes=True),
]  # fmt: skip
