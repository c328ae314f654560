# The corporate proxy for this account, from the one file that only the account itself can read.
if [ "$(id -u)" = 0 ]; then
    __wheelhouse_env=/etc/wheelhouse/proxy.env
else
    __wheelhouse_env=/etc/wheelhouse/people/$(id -un).env
fi
if [ -r "$__wheelhouse_env" ]; then
    set -a
    . "$__wheelhouse_env"
    set +a
fi
unset __wheelhouse_env
