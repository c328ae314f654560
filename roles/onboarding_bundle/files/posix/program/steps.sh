# What install.sh does, a step each. Files are prepared, and written all at once by `finish`.
# shellcheck shell=sh disable=SC2154

# The bundle is as IT's playbook made it.
whole_bundle() {
    if command -v sha256sum > /dev/null; then
        (cd "$here" && sha256sum -c SHA256SUMS) > /dev/null 2>&1
    elif command -v shasum > /dev/null; then
        (cd "$here" && shasum -a 256 -c SHA256SUMS) > /dev/null 2>&1
    fi || stop "Something in this bundle is damaged or was changed. Unpack the archive again, or ask $contact for a new one."
}

# Nothing is begun that could not be ended: every file that may change can be read, and written.
look_at_files() {
    each_place look_at
}

look_at() {
    looked_at=$(followed "$1")
    [ -e "$looked_at" ] || return 0
    [ -f "$looked_at" ] || stop "$1 is not a file. Move it away, or ask $contact."
    # shellcheck disable=SC2015
    [ -r "$looked_at" ] && [ -w "$looked_at" ] && [ -w "$(dirname -- "$looked_at")" ] || stop "$looked_at does not belong to you; ask $contact."
    tr -d '\000' < "$looked_at" | cmp -s - "$looked_at" || stop "$1 is no text. Move it away, or ask $contact."
    others "$looked_at" "$work/others"
}

# Tools give up a whole file over a letter that they cannot read, and say so much later, or never.
look_at_letters() {
    for one in "$pip_conf" "$pypirc" "$netrc"; do
        look_at_letters_of "$one"
    done
}

look_at_letters_of() {
    looked_at=$(followed "$1")
    [ -s "$looked_at" ] || return 0
    [ "$(head -c 3 -- "$looked_at" | od -An -tx1 | tr -d ' ')" != efbbbf ] || stop \
        "$1 begins with a byte order mark, which pip and uv cannot read. Save it as UTF-8 without one, and run this again."
    command -v iconv > /dev/null || return 0
    iconv -f UTF-8 -t UTF-8 "$looked_at" > /dev/null 2>&1 || stop \
        "$1 has letters that are not in UTF-8, in line $(not_utf8 "$looked_at"), which pip and uv cannot read. Save it as UTF-8, and run this again."
}

# The first line with letters of another encoding.
not_utf8() {
    number=0
    while IFS= read -r line || [ -n "$line" ]; do
        number=$((number + 1))
        printf '%s' "$line" | iconv -f UTF-8 -t UTF-8 > /dev/null 2>&1 || break
    done < "$1"
    echo "$number"
}

# The certificates that this computer trusts, and the company's: tools are told of one file, which has to hold all.
trusted_certificates() {
    [ -n "$has_ca" ] || return 0
    store=$(system_store) || exit 1
    { cat "$store"; echo; cat "$here/ca.pem"; } > "$work/ca-bundle.pem"
}

# The bundle stays on this computer, to be run again or taken back without the archive.
keep_bundle() {
    [ "$here" != "$base" ] || return 0
    { sed 's/^[0-9a-f]*  *//' "$here/SHA256SUMS"; echo SHA256SUMS; } > "$work/names"
    while IFS= read -r one; do
        cp "$here/$one" "$work/merged" || stop "$here/$one cannot be copied. Is the disk full?"
        stage "$base/$one"
    done < "$work/names"
}

write_certificates() {
    [ -n "$has_ca" ] || return 0
    cp "$work/ca-bundle.pem" "$work/merged"
    stage "$base/ca-bundle.pem"
}

write_environment() {
    {
        echo "# Written by install.sh, which also takes it away: sh ~/.config/wheelhouse/uninstall.sh"
        if [ -n "$proxy" ]; then
            url=$(proxy_url "$proxy_password")
            for variable in HTTP_PROXY HTTPS_PROXY http_proxy https_proxy; do
                printf "export %s='%s'\n" "$variable" "$url"
            done
            for variable in NO_PROXY no_proxy; do
                printf "export %s='%s'\n" "$variable" "$no_proxy_value"
            done
        fi
        if [ -n "$has_ca" ]; then
            for variable in SSL_CERT_FILE REQUESTS_CA_BUNDLE CURL_CA_BUNDLE; do
                printf 'export %s="$HOME/.config/wheelhouse/ca-bundle.pem"\n' "$variable"
            done
        fi
        others "$(followed "$uv_toml")" "$work/others"
        if [ -s "$work/others" ]; then
            # an uv.toml of the person's own stays as it is: these say the same as ours, and win
            printf "export UV_DEFAULT_INDEX='%s/simple/'\nexport UV_PUBLISH_URL='%s/'\n" "$index_url" "$index_url"
            printf "export UV_SYSTEM_CERTS='true'\nexport UV_TRUSTED_PUBLISHING='never'\n"
        fi
        if [ -n "$has_jupyter" ]; then
            # shellcheck disable=SC2016
            printf 'case ":$PATH:" in *":$HOME/.config/wheelhouse/bin:"*) ;; *) export PATH="$PATH:$HOME/.config/wheelhouse/bin" ;; esac\n'
        fi
    } > "$work/merged"
    stage "$base/environment" private
}

write_pip() {
    put ini "$pip_conf" < "$here/pip.conf"
}

write_uv() {
    uv_path=$(followed "$uv_toml")
    others "$uv_path" "$work/others"
    if [ ! -s "$work/others" ]; then
        put top "$uv_toml" < "$here/uv.toml"
    elif [ -e "$uv_path" ]; then
        mv "$work/others" "$work/merged"
        stage "$uv_path"
    fi
}

write_conda() {
    [ ! -r "$here/condarc.yml" ] || put top "$condarc" < "$here/condarc.yml"
}

write_credentials() {
    token=$index_password
    case $index_password in
        # a comment behind a quoted value, since Python's parser misreads one in the next line
        *[\ \"\\#]*) token="\"$(printf '%s' "$index_password" | sed 's/[\\"]/\\&/g')\" #" ;;
    esac
    printf 'machine %s login %s password %s\n' "$index_host" "$name" "$token" | put netrc "$netrc" private || exit 1
    {
        printf '[distutils]\nindex-servers = pypi\n\n[pypi]\n# a plain "twine upload" goes to the section of this name\n'
        printf 'repository = %s/\nusername = %s\n' "$index_url" "$name"
        # twine asks, where there is a token that may only install
        is_token "$index_password" || printf 'password = %s\n' "$index_password"
    } | put ini "$pypirc" private || exit 1
}

write_ssh() {
    [ -n "$has_jupyter" ] || return 0
    echo 'Include ~/.config/wheelhouse/ssh_config' | put top "$ssh_config" || exit 1
}

write_profiles() {
    # shellcheck disable=SC2016
    printf '[ ! -r "$HOME/.config/wheelhouse/environment" ] || . "$HOME/.config/wheelhouse/environment"\n' > "$work/line"
    profiles > "$work/profiles"
    while IFS= read -r one; do
        put bottom "$one" < "$work/line"
    done < "$work/profiles"
}

finish() {
    commit
    [ -z "$has_jupyter" ] || chmod u+x "$base/bin/jupyter-tunnel"
    [ -z "$has_ca" ] || [ "$system" != Darwin ] || trust_in_keychain
}

# Browsers on a Mac look into the keychain; the computer itself asks whether that is wanted.
trust_in_keychain() {
    keychain=$HOME/Library/Keychains/login.keychain-db
    split_certificates
    for one in "$work"/certificate.*; do
        ! security find-certificate -a -Z "$keychain" | grep -qi "$(fingerprint "$one")" || continue
        security add-trusted-cert -r trustRoot -k "$keychain" "$one" ||
            say "The company's certificate is not in your keychain. Browsers will warn of $index_host; pip, uv and conda work."
    done
}

forget_certificates() {
    [ "$system" = Darwin ] && [ -r "$here/ca.pem" ] || return 0
    split_certificates
    for one in "$work"/certificate.*; do
        security remove-trusted-cert "$one" 2>/dev/null
        security delete-certificate -Z "$(fingerprint "$one")" "$HOME/Library/Keychains/login.keychain-db" 2>/dev/null
    done
}

split_certificates() {
    awk -v stem="$work/certificate." '/-BEGIN CERTIFICATE-/ { n++; on = 1 } on { print > (stem n) } /-END CERTIFICATE-/ { on = 0 }' "$here/ca.pem"
}

fingerprint() {
    openssl x509 -in "$1" -noout -fingerprint -sha1 | sed 's/.*=//; s/://g'
}

leave_nothing() {
    for one in "$base"/* "$base"/.[!.]*; do
        [ "$one" = "$base/directories" ] || rm -rf "$one"
    done
    cd / || exit 1
}

tell_what_now() {
    say '' "Done. Open a new terminal window, and then, for example:" '' \
        "    python3 -m venv venv && venv/bin/pip install idna"
    if [ -n "$has_jupyter" ]; then
        say "    jupyter-tunnel"
        ls "$HOME"/.ssh/id_*.pub > /dev/null 2>&1 || say '' "For Jupyter, make an SSH key with" '' "    ssh-keygen -t ed25519" '' \
            "and send the file ~/.ssh/id_ed25519.pub to $contact."
    fi
    say ''
    [ -z "${unchecked-}" ] || say "There is no curl on this computer, so your passwords were saved without being tried."
    case ${SHELL-} in
        */bash | */zsh | */sh | */dash | '') ;;
        *) say "Your shell, $SHELL, does not read ~/.profile: have it read ~/.config/wheelhouse/environment." ;;
    esac
    tell_strays
    say "After a change of a password: sh ~/.config/wheelhouse/install.sh" \
        "To take everything back:      sh ~/.config/wheelhouse/uninstall.sh"
}
