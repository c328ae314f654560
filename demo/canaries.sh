#!/bin/sh
# Things of root's and of a colleague's that adversaries are after (tests/integration/adversaries.py looks at them afterwards).
set -eu

put() { # put OWNER MODE FILE TEXT
    [ -e "$3" ] || printf '%s\n' "$4" >"$3"
    chown "$1" "$3"
    chmod "$2" "$3"
}

put root:root 0600 /root/canary "canary-of-root"
put ada:ada 0600 /home/ada/canary "canary-of-ada"
getent group team >/dev/null || groupadd team
usermod --append --groups team ada
mkdir -p /srv/team
chown ada:team /srv/team
chmod 2770 /srv/team
put ada:team 0660 /srv/team/results.csv "canary-of-the-team"
