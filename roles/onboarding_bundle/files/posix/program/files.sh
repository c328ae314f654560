# Files that also hold what others wrote: our lines go between two marks and come out again. For install.sh.
# shellcheck shell=sh disable=SC2154

opening='#>>>wheelhouse.onboarding>>>'
closing='#<<<wheelhouse.onboarding<<<'

say() {
    printf '%s\n' "$@" >&2
}

stop() {
    say "$@"
    exit 1
}

begin() {
    make_directory "$base"
    rm -rf "$work"
    mkdir "$work" || stop "$work cannot be made. Is the disk full?"
    : > "$work/list"
    trap clean_up EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
}

clean_up() {
    [ ! -t 0 ] || stty echo 2>/dev/null
    rm -rf "$work"
    # nothing was installed, and then nothing stays
    [ -e "$base/SHA256SUMS" ] || remove_directories
}

# Make a directory and those above it, and note which were not there.
make_directory() {
    if [ ! -d "$1" ]; then
        make_directory "$(dirname -- "$1")"
        mkdir -- "$1" || stop "$1 cannot be made."
        # the first directories are noted when there is a place for the note
        made_directories="${made_directories-}$1
"
    fi
    if [ -n "${made_directories-}" ] && [ -d "$base" ]; then
        printf '%s' "$made_directories" >> "$base/directories"
        made_directories=
    fi
}

# Remove the directories that were made, deepest first, where nothing else is in them.
remove_directories() {
    [ -e "$base/directories" ] || return 0
    made=$(cat "$base/directories")
    rm -f "$base/directories"
    printf '%s\n' "$made" | awk '{ line[NR] = $0 } END { for (i = NR; i > 0; i--) print line[i] }' |
        while IFS= read -r one; do rmdir -- "$one" 2>/dev/null; done
    [ ! -d "$base" ] || printf '%s\n' "$made" > "$base/directories"
}

# The file that a path leads to, through symbolic links.
followed() {
    path=$1
    while [ -L "$path" ]; do
        link=$(readlink -- "$path")
        case $link in
            /*) path=$link ;;
            *) path=$(dirname -- "$path")/$link ;;
        esac
    done
    printf '%s\n' "$path"
}

# 1 where the last line of a file has no end, else 0
unended() {
    if [ -s "$1" ] && [ -n "$(tail -c 1 -- "$1")" ]; then echo 1; else echo 0; fi
}

# What a file holds that is not ours, into a file.
others() {
    if [ ! -e "$1" ]; then
        : > "$2"
    else
        awk -v unended="$(unended "$1")" -v stay="${3-}" -f "$here/program/take-out.awk" "$1" > "$2" || stop \
            "$1 has only one of the two marks around the company's lines. Delete that line, and run this again."
    fi
}

# Prepare that a file has the lines of standard input: put FORM PATH [private]. FORM is ini, netrc, top or bottom.
put() {
    put_path=$(followed "$2")
    cat > "$work/ours"
    others "$put_path" "$work/others"
    merge "$1" > "$work/merged" || stop "$put_path $(cat "$work/why")"
    awk -v unended="$(unended "$work/merged")" -f "$here/program/take-out.awk" "$work/merged" > "$work/back"
    cmp -s "$work/back" "$work/others" || stop "$put_path has no place for the company's lines. Move it away, or ask $contact."
    stage "$put_path" "${3-}"
}

# Prepare that a file is to be $work/merged: stage PATH [private].
stage() {
    # counted by the file, since a variable would be lost at the end of a pipe
    mv "$work/merged" "$work/staged.$(($(wc -l < "$work/list")))"
    printf '%s\n' "${2-}" "$1" >> "$work/list"
}

# Do what was prepared.
commit() {
    staged=0
    while IFS= read -r private && IFS= read -r path; do
        replace "$path" "$work/staged.$staged" "$private"
        staged=$((staged + 2))
    done < "$work/list"
}

# $work/others with $work/ours in it
merge() {
    mark=$opening
    if [ -e "$put_path" ] && { [ ! -s "$put_path" ] || grep -qxF "${opening}in-an-empty-file" "$put_path"; }; then
        mark=${opening}in-an-empty-file
    fi
    if [ ! -s "$work/others" ] || [ "$1" = top ]; then
        block "$mark"
        cat "$work/others"
    elif [ "$1" = bottom ]; then
        cat "$work/others"
        [ "$(unended "$work/others")" = 0 ] || { echo; mark="$opening after a line without an end"; }
        block "$mark"
    else
        awk -v unended="$(unended "$work/others")" -f "$here/program/$1.awk" "$work/ours" "$work/others" 2> "$work/why"
    fi
}

block() {
    printf '%s\n' "$1"
    cat "$work/ours"
    printf '%s\n' "$closing"
}

# Give a file the content of another one, whole or not at all: replace PATH OTHER [private]. Its permissions stay, except
# that nobody else may read what is private, and what is new.
replace() {
    if cmp -s "$1" "$2"; then
        [ -z "${3-}" ] || chmod go= "$1"
        return
    fi
    make_directory "$(dirname -- "$1")"
    rm -f "$1.wheelhouse-new"
    [ ! -e "$1" ] || cp -p "$1" "$1.wheelhouse-new" || stop "$1 cannot be written. Is the disk full?"
    [ -z "${3-}" ] || [ ! -e "$1" ] || chmod go= "$1.wheelhouse-new"
    if ! cat "$2" > "$1.wheelhouse-new" || ! mv -f "$1.wheelhouse-new" "$1"; then
        rm -f "$1.wheelhouse-new"
        stop "$1 cannot be written. Is the disk full?"
    fi
}

# Take our lines out of a file.
take_back() {
    taken=$(followed "$1")
    rm -f "$taken.wheelhouse-new"
    [ -e "$taken" ] || return 0
    others "$taken" "$work/others"
    ! cmp -s "$taken" "$work/others" || return 0
    if [ -s "$work/others" ] || [ -L "$1" ] || grep -qxF "${opening}in-an-empty-file" "$taken"; then
        replace "$taken" "$work/others"
    else
        rm -f "$taken"
    fi
}
