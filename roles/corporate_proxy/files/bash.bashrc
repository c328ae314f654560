# where a login shell has not set the corporate proxy already, or somebody for themselves
[ -n "${HTTPS_PROXY-}${https_proxy-}" ] || ! [ -r /etc/profile.d/wheelhouse.sh ] || . /etc/profile.d/wheelhouse.sh
