# The passwords: asked for once, without showing them, tried before anything is saved. For install.sh.
# No password is an argument of a command: everybody on a computer can read those.
# shellcheck shell=sh disable=SC2154,SC2034

case $(command -v printf) in
    /*) stop "This shell, an unusual one, would show your passwords to others; use: bash install.sh" ;;
esac

# Ask for a password, into `answer`.
ask() {
    # before the question, which some answer faster than a command starts
    [ ! -t 0 ] || stty -echo
    printf '%s: ' "$1" >&2
    answer=
    IFS= read -r answer || [ -n "$answer" ] || { say ''; stop "No password was given; nothing was changed."; }
    if [ -t 0 ]; then
        stty echo
        echo >&2
    fi
}

# A value in quotes, as curl's configuration wants it
for_curl() {
    printf '"'
    printf '%s' "$1" | sed 's/[\\"]/\\&/g'
    printf '"\n'
}

percent_encoded() {
    printf '%s' "$1" | od -An -v -tx1 | awk -f "$here/program/percent-encode.awk"
}

# curl with a configuration from standard input; nothing but it counts
quiet_curl() {
    curl -q --silent --head --output /dev/null --connect-timeout 10 --max-time 30 ${has_ca:+--cacert "$work/ca-bundle.pem"} "$@" --config -
}

can_check() {
    command -v curl > /dev/null && return
    unchecked=yes
    return 1
}

# --- the index

# 0 when the index accepts the password, 1 when not; anything else is said, and the end
index_accepts() {
    can_check || return 0
    answered=$({
        printf 'url = '; for_curl "$index_url/simple/"
        printf 'user = '; for_curl "$name:$1"
    } | quiet_curl --noproxy '*' --write-out '%{http_code}')
    code=$?
    case $answered in
        # the list of projects is not there before something was published
        200 | 404) return 0 ;;
        401 | 403) return 1 ;;
        429) stop "There were too many wrong passwords for $index_host. Wait a minute, and run this again." ;;
        000) ;;
        *) stop "$index_host answered with HTTP status $answered. Try again later, or ask $contact." ;;
    esac
    case $code in
        35 | 51 | 60 | 77 | 83) stop \
            "$index_host showed a certificate that neither this computer nor the company vouches for. Nothing was sent." \
            "Are you in a network that looks into connections, as hotels do? Ask $contact." ;;
        *) stop "$index_host does not answer. Are you in the company's network, or on its VPN? Then run this again." ;;
    esac
}

# The password in our own line of ~/.netrc, if there is one
stored_index_password() {
    [ -r "$netrc" ] || return 0
    sed -n "/^$opening/,/^$closing/s/^machine $index_host login $name password //p" "$netrc" |
        sed '/^"/{s/^"\(.*\)" #$/\1/;s/\\\(.\)/\1/g;}'
}

is_token() {
    case $1 in
        whl_*[!a-z2-7]* | whl_) return 1 ;;
        whl_*) return 0 ;;
    esac
    return 1
}

# A token in the place of the password: it may only install, so that nothing which reads it can publish
index_token() {
    if [ -z "$has_tokens" ] || is_token "$index_password"; then return; fi
    [ -z "$unchecked" ] || stop "Without curl, no token can be made for this computer, and your password is not saved." \
        "Install curl, or make a token at $index_url/account/tokens, and type it in the place of the password."
    token_name="laptop $(uname -n | tr -cd 'A-Za-z0-9.-' | cut -c 1-60) $(date -u +%Y-%m-%dT%H:%M:%S)"
    answered=$({
        printf 'url = '; for_curl "$index_url/api/tokens"
        printf 'user = '; for_curl "$name:$index_password"
        printf 'header = "Content-Type: application/json"\n'
        printf 'data = '; for_curl "{\"name\": \"$token_name\", \"for\": \"366d\"}"
    } | curl -q --silent --connect-timeout 10 --max-time 30 ${has_ca:+--cacert "$work/ca-bundle.pem"} --noproxy '*' --config -)
    made=$(printf '%s\n' "$answered" | sed -n 's/.*"token": *"\(whl_[a-z2-7]*\)".*/\1/p')
    [ -n "$made" ] || stop "$index_host gives no token for this computer: $(printf '%s' "$answered" | tr -cd ' -~' | cut -c 1-300)" \
        "Nothing was changed. Ask $contact, and show them this sentence."
    index_password=$made
}

index_login() {
    index_password=$(stored_index_password)
    if [ -n "$index_password" ]; then
        ! index_accepts "$index_password" || return 0
        say "The login for $index_host that was saved on this computer is no longer accepted."
    fi
    for _ in 1 2 3; do
        ask "Your password for packages ($name at $index_host)"
        index_password=$answer
        case $answer in
            '') say "That was empty." ;;
            *[!\ -~]*) say "That has a letter which passwords for $index_host never have. Try again." ;;
            *)
                ! index_accepts "$answer" || return 0
                say "$index_host does not accept that for $name. Try again."
                ;;
        esac
    done
    stop "Nothing was changed. If you are sure of the password, ask $contact."
}

# --- the proxy

# The proxy's address with a login in it, if one is needed: proxy_url PASSWORD, as it stands in URLs
proxy_url() {
    case $proxy in
        *://*) proxy_scheme=${proxy%%://*} proxy_server=${proxy#*://} ;;
        *) proxy_scheme=http proxy_server=$proxy ;;
    esac
    printf '%s://' "$proxy_scheme"
    [ -z "$proxy_username" ] || printf '%s:%s@' "$(percent_encoded "$proxy_username")" "$1"
    printf '%s\n' "$proxy_server"
}

# 0 when the proxy accepts this password, as it stands in URLs, 1 when not; anything else is said, and the end
proxy_accepts() {
    can_check || return 0
    # whether it then reaches the index is another matter
    headers=$({
        printf 'url = '; for_curl "$index_url/"
        printf 'proxy = '; for_curl "$(proxy_url "$1")"
    } | quiet_curl --proxytunnel --noproxy '' --dump-header - --write-out '\nstatus: %{http_connect}\n' | tr -d '\r')
    case $(printf '%s\n' "$headers" | sed -n 's/^status: //p') in
        407) ;;
        000) stop "The proxy ${proxy#*://} does not answer. Are you in the company's network, or on its VPN? Then run this again." ;;
        *) return 0 ;;
    esac
    printf '%s\n' "$headers" | grep -qiE '^proxy-authenticate: *basic' || stop \
        "The proxy ${proxy#*://} takes no password of the kind that pip, uv and conda can send (Basic)." \
        "Ask $contact for a relay that can, and show them this sentence."
    [ -n "$proxy_username" ] || stop \
        "The proxy ${proxy#*://} wants a login, and this bundle has none for you. Ask $contact for another one."
    return 1
}

# The proxy password that was saved, as it stands in URLs
stored_proxy_password() {
    [ -r "$base/environment" ] || return 0
    sed -n "s|^export HTTPS_PROXY='[a-z]*://[^:@]*:\([^@]*\)@.*|\1|p" "$base/environment"
}

proxy_login() {
    [ -n "$proxy" ] || return 0
    proxy_password=
    if [ -z "$proxy_username" ]; then
        proxy_accepts ''
        return
    fi
    proxy_password=$(stored_proxy_password)
    if [ -n "$proxy_password" ]; then
        ! proxy_accepts "$proxy_password" || return 0
        say "The proxy's password that was saved on this computer is no longer accepted."
    fi
    for _ in 1 2 3; do
        ask "Your password for the proxy ($proxy_username at ${proxy#*://})"
        case $answer in
            '')
                say "That was empty."
                continue
                ;;
            *[!\ -~]*) say "This password has a letter, like an umlaut or a currency sign, that pip may not be able to send. If pip fails, change it." ;;
        esac
        proxy_password=$(percent_encoded "$answer")
        ! proxy_accepts "$proxy_password" || return 0
        say "The proxy does not accept that for $proxy_username: it is wrong, or has expired. Try again."
    done
    stop "Nothing was changed. If you are sure of the password, ask $contact."
}
