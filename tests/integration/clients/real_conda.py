"""A shell installer as Miniforge has one (`-b -p PREFIX`), whose conda is the real one that conda-lock carries.

The installers of Miniforge and Miniconda themselves cannot be had from the registries that tests may use.
"""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

from company import Office

# conda 24.7.1 is in conda-lock 4.0.3; the rest is what it imports. Its solver, pycosat, is Debian's own.
REQUIREMENTS = """
    conda-lock==4.0.3 archspec boltons certifi charset-normalizer conda-package-handling conda-package-streaming distro
    backports.zstd idna jsonpatch jsonpointer packaging platformdirs pluggy requests ruamel.yaml tqdm urllib3 zstandard
"""
BUILD = f"""
rm -rf conda-build && mkdir -p conda-build && cd conda-build
uv pip install --quiet --no-deps --python /usr/bin/python3 --target lib {" ".join(REQUIREMENTS.split())}
mv lib/conda_lock/_vendor/conda lib/conda && rm -rf lib/conda_lock lib/conda_lock-*
grep -rl conda_lock._vendor lib/conda --include=*.py | xargs sed -i s/conda_lock._vendor.//g
tar czf lib.tar.gz -C lib .
cat - lib.tar.gz >installer.sh <<'END'
"""
INSTALLER = """\
#!/bin/sh
set -eu
[ "$1 $2" = "-b -p" ] || exit 2
[ ! -e "$3" ] || { echo "ERROR: File or directory already exists: '$3'" >&2; exit 1; }
python3 -m venv --system-site-packages --without-pip "$3"
LC_ALL=C sed '1,/^__PAYLOAD__$/d' "$0" | tar xzC "$3"/lib/python3*/site-packages
cat >"$3/bin/conda" <<EOF
#!$3/bin/python3
import sys
from conda.cli import main
if __name__ == "__main__":
    sys.exit(main())
EOF
chmod 755 "$3/bin/conda"
mkdir -p "$3/conda-meta" "$3/etc/profile.d" "$HOME/.conda"
touch "$3/conda-meta/history" "$HOME/.conda/environments.txt"
echo "export CONDA_EXE='$3/bin/conda'" >"$3/etc/profile.d/conda.sh"
# as Miniforge's does
echo 'channels: [conda-forge]' >"$3/.condarc"
# this conda has no other solver, and its channel no pip
printf '%s\\n' 'solver: classic' 'add_pip_as_python_dependency: false' >"$3/condarc"
exit
__PAYLOAD__
"""


def build(office: Office, directory: Path) -> Path:
    """Have ada build the installer on her workstation, whose Python it is for, and bring it here."""
    host = office.host("workstation")
    host.check_output(
        "dpkg -s python3-pycosat >/dev/null 2>&1 || apt-get install -qq --no-install-recommends python3-pycosat"
    )
    office.succeed_as("ada", f"{BUILD}{INSTALLER}END\n")
    installer = directory / "conda-installer.sh"
    source = f"{office.access['hosts']['workstation']}:/home/ada/conda-build/installer.sh"
    subprocess.run(["docker", "cp", source, str(installer)], check=True, capture_output=True)
    return installer


def sha256(path: Path) -> str:
    """Of a file, hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
