#!/bin/sh
# Set this computer up for the company's packages and Jupyter.
#
#     sh install.sh                 sets it up; once more, after a password has changed, asks for the new one
#     sh install.sh --uninstall     takes everything back, so that your files are as they were before
#
# Needs no administrator, and changes files in your home only. What is already in them stays.
#
# exit codes:
#   0  done       1  not done; nothing was saved, or the next run goes on from there       2  wrong use

# shellcheck disable=SC2034 # the files below use what is set here
# written for any /bin/sh: dash, busybox, zsh, and the bash 3.2 of macOS
[ -z "${ZSH_VERSION-}" ] || emulate sh
set -u
umask 077
LC_ALL=C
export LC_ALL
unset CDPATH http_proxy https_proxy no_proxy all_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY ALL_PROXY
here=$(cd -- "$(dirname -- "$0")" && pwd) || exit 1
base=$HOME/.config/wheelhouse
work=$base/work
system=$(uname -s)

usage() {
    sed -n '2,/^$/s/^# \{0,1\}//p' "$here/install.sh"
}
case ${1-} in -h | --help) usage; exit ;; esac

# what `settings`, written by IT's playbook, says
name='' index_url='' index_host='' proxy='' proxy_username='' no_proxy_value='' conda_channels='' contact='' has_tokens='' has_ca='' has_jupyter='' unchecked=''
for part in settings program/files.sh program/places.sh program/logins.sh program/steps.sh; do
    if [ ! -r "$here/$part" ]; then
        echo "$here/$part is missing. Unpack the whole archive, and run install.sh in the folder that it makes." >&2
        exit 1
    fi
    # shellcheck source=/dev/null
    . "$here/$part"
done

install() {
    whole_bundle
    begin
    look_at_files
    look_at_letters
    trusted_certificates
    index_login
    proxy_login
    index_token
    # from here on, files change; each is whole at any moment, and the next run goes on where this one ended
    keep_bundle
    write_certificates
    write_environment
    write_pip
    write_uv
    write_conda
    write_credentials
    write_ssh
    write_profiles
    finish
    tell_what_now
}

uninstall() {
    begin
    look_at_files
    each_place take_back
    forget_certificates
    leave_nothing
    say "Everything is as it was before."
}

if [ -n "${SUDO_USER-}" ] && [ "$(id -u)" = 0 ]; then
    echo "Run this as yourself, without sudo: it is about your own files." >&2
    exit 2
fi
case ${1-} in
    '') install ;;
    --uninstall) uninstall ;;
    *) usage >&2; exit 2 ;;
esac
