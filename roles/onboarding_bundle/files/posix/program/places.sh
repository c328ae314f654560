# Where the tools of this computer look for their settings. For install.sh.
# shellcheck shell=sh disable=SC2154

config=${XDG_CONFIG_HOME:-$HOME/.config}
pip_conf=$config/pip/pip.conf
if [ "$system" = Darwin ]; then
    # pip's own rule there: the first one where its directory exists
    pip_conf=$HOME/.config/pip/pip.conf
    [ ! -d "$HOME/Library/Application Support/pip" ] || pip_conf="$HOME/Library/Application Support/pip/pip.conf"
fi
uv_toml=$config/uv/uv.toml
# conda, mamba and micromamba read all files in this directory, so that ~/.condarc needs no line of ours
condarc=$HOME/.conda/condarc.d/wheelhouse.yml
netrc=$HOME/.netrc
pypirc=$HOME/.pypirc
ssh_config=$HOME/.ssh/config
zshrc=${ZDOTDIR:-$HOME}/.zshrc

# The files that shells read, one a line: those that are there, and those of this computer's usual shells.
profiles() {
    found=
    # bash reads the first of these at login, and none of the others
    for one in "$HOME/.bash_profile" "$HOME/.bash_login" "$HOME/.profile"; do
        [ ! -e "$one" ] || { found=yes; printf '%s\n' "$one"; }
    done
    [ -n "$found" ] || printf '%s\n' "$HOME/.profile"
    printf '%s\n' "$HOME/.bashrc"
    case $system:${SHELL-}:$(ls "$zshrc" 2>/dev/null) in
        Darwin:* | *zsh:* | *zshrc) printf '%s\n' "$zshrc" ;;
    esac
}

# Run a command with every file that may hold lines of ours.
each_place() {
    for one in .profile .bash_profile .bash_login .bashrc; do
        "$1" "$HOME/$one"
    done
    for one in "$zshrc" "$ssh_config" "$pypirc" "$netrc" "$condarc" "$uv_toml" "$config/pip/pip.conf" \
        "$HOME/.config/pip/pip.conf" "$HOME/Library/Application Support/pip/pip.conf"; do
        "$1" "$one"
    done
}

# The file with the certificates that this computer trusts.
system_store() {
    for one in /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/ca-bundle.pem /etc/ssl/cert.pem; do
        if [ -s "$one" ]; then
            printf '%s\n' "$one"
            return
        fi
    done
    stop "No certificates that this computer trusts were found; install its package ca-certificates first."
}

# Settings of the person's own that have packages come from elsewhere, or go elsewhere, with file and line.
tell_strays() {
    for one in "$pip_conf" "$HOME/.pip/pip.conf"; do
        stray pip "$one"
    done
    stray pypirc "$pypirc"
    stray uv "$uv_toml"
    for one in .profile .bash_profile .bash_login .bashrc .bash_aliases .zshenv .zprofile .zshrc .cshrc .tcshrc \
        .config/fish/config.fish .config/environment.d/packages.conf; do
        stray variable "$HOME/$one"
    done
    stray conda "$HOME/.condarc"
}

stray() {
    [ -r "$2" ] && [ -f "$2" ] || return 0
    others "$(followed "$2")" "$work/others" displaced
    awk -v form="$1" -v index_url="$index_url" -v channels="$conda_channels" -f "$here/program/sources.awk" \
        "$here/program/sources" "$work/others" | while read -r number does; do
        say "Look at $2, line $number of what is your own: $does."
    done
}
