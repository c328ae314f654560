#!/bin/sh
# Install conda: -b -p PREFIX. What comes after the last line is packed (see demo/conda).
set -eu
[ "$1 $2" = "-b -p" ] || exit 2
[ ! -e "$3" ] || { echo "ERROR: File or directory already exists: '$3'" >&2; exit 1; }
python3 -m venv --without-pip "$3"
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
printf '%s\n' 'solver: classic' 'sat_solver: pysat' 'add_pip_as_python_dependency: false' >"$3/condarc"
exit
__PAYLOAD__
