# The corporate proxy for this account, from the one file that only the account itself can read.
if [ "$(id -u)" = 0 ]; then
    __wheelhouse_env=/etc/wheelhouse/proxy.env
else
    __wheelhouse_env=/etc/wheelhouse/people/$(id -un).env
fi
# also in a shell started by another shell, since the account or its password may have changed; but a proxy that the person set stays
if [ -r "$__wheelhouse_env" ] && [ "${HTTPS_PROXY-}" = "${__wheelhouse_proxy-}" ]; then
    set -a
    . "$__wheelhouse_env"
    __wheelhouse_proxy=${HTTPS_PROXY-}
    set +a
    case $-:${__wheelhouse_told:-}:${HTTPS_PROXY:-} in
        *i*::*://*:*@*) ;;
        *i*::*://*@*) __wheelhouse_told=1; echo "Your password at the company's proxy is not known here: run corporate-password, and then log out and in again." >&2 ;;
    esac
fi
unset __wheelhouse_env
