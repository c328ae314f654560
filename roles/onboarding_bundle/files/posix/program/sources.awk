# Settings by which packages come from elsewhere, or go elsewhere: awk -v form=FORM -v index_url=URL -v channels="NAME ..."
# -f sources.awk SOURCES FILE. SOURCES is the collection's list, a line each: form, name, kind of value, and what it does.
# For each that is found: its line, its name and what it does. What it says is not shown: it may be a password.
function clean(text) {
    gsub(/["'\[\]{}()\r]/, " ", text)
    return text
}
# Whether an address is on the index, whichever account is in it.
function same(address,   base) {
    address = tolower(address)
    base = tolower(index_url)
    sub(/^[a-z]+:\/\/[^\/]*@/, substr(address, 1, index(address, "://") + 2), address)
    if (address ~ /^https:/)
        sub(/:443(\/|$)/, "/", address)
    return index(address "/", base "/") == 1
}
function judge(kind, value,   n, part, i, word) {
    n = split(clean(value), part, /[ \t,;]+/)
    for (i = 1; i <= n; i++) {
        word = part[i]
        if (word == "" || word == "-" || word == "null" || word == "~")
            continue
        if (kind == "address" && word ~ /^[A-Za-z0-9_-]+=[a-z]+:\/\//)
            sub(/^[^=]*=/, "", word)
        if (kind == "address" && !same(word))
            return 1
        if (kind == "channels" && !same(word) && index(" " channels " ", " " word " ") == 0)
            return 1
        if (kind == "map" && word !~ /:$/ && !same(word) && index(" " channels " ", " " word " ") == 0)
            return 1
        if (kind == "switch" && tolower(word) !~ no)
            return 1
        if (kind == "verify" && tolower(word) ~ no)
            return 1
        if (kind == "strategy" && tolower(word) ~ /^unsafe/)
            return 1
        if (kind == "section" && word != "pypi")
            return 1
        # one that is for the whole machine is IT's
        if (kind == "file" && word !~ /^\/etc\//)
            return 1
        if (kind == "any")
            return 1
    }
    return 0
}
function tell(line, name, entry) {
    printf "%d %s %s\n", line, name, does[entry]
}
# What was gathered of a setting is complete.
function flush(   entry) {
    entry = form SUBSEP key
    if (key != "" && entry in kind_of && judge(kind_of[entry], value))
        tell(line_of_key, (form == "pypirc" ? "[" section "] " : "") key, entry)
    key = value = ""
}
# twine, and all that read this file after it, know where a section of this name leads to; in [pypi] stands the company's
function flush_section() {
    if (form == "pypirc" && section == "testpypi" && keys > 0 && !has_address)
        tell(line_of_section, "[" section "]", form SUBSEP "repository")
    keys = has_address = 0
}
function flush_index() {
    if (in_index && !explicit && judge("address", index_value))
        tell(line_of_index, "[[index]]", form SUBSEP "[[index]]")
    in_index = explicit = 0
    index_value = ""
}
function without_quotes(text) {
    gsub(/["' \t]/, "", text)
    return text
}
BEGIN { no = "^(0|false|no|off|n|f|none|null|<false>)$" }
NR == FNR {
    entry = $1 SUBSEP $2
    kind_of[entry] = $3
    text = $0
    sub(/^[^ ]+ [^ ]+ [^ ]+ /, "", text)
    gsub(/\{index\}/, index_url, text)
    does[entry] = text
    if ($1 == "variable")
        variables[++number_of_variables] = $2
    next
}
FNR == 1 { sub(/^\357\273\277/, "") }
form == "variable" {
    if ($0 ~ /^[ \t]*(#|: #)/)
        next
    for (i = 1; i <= number_of_variables; i++) {
        name = variables[i]
        gsub(/\*/, "[A-Z0-9_]+", name)
        # NAME=value, and fish's and csh's ways to say so
        if (match($0, "(^|[ \t;&|({\"'])" name "=") || match($0, "(^|[ \t;&|])(set[ \t]+-[^;=]*|setenv[ \t]+)" name "[ \t]+")) {
            shown = substr($0, RSTART, RLENGTH)
            rest = substr($0, RSTART + RLENGTH)
            sub(/[ \t=]+$/, "", shown)
            sub(/.*[^A-Z0-9_]/, "", shown)
            if (rest ~ /^"/) { sub(/^"/, "", rest); sub(/".*/, "", rest) }
            else if (rest ~ /^'/) { sub(/^'/, "", rest); sub(/'.*/, "", rest) }
            else sub(/[ \t;&|)}].*/, "", rest)
            if (judge(kind_of["variable", variables[i]], rest))
                tell(FNR, shown, "variable" SUBSEP variables[i])
        }
    }
    next
}
/^[ \t\r]*(#.*)?$/ { next }
(form == "pip" || form == "pypirc") && /^[ \t]*;/ { next }
form == "pip" || form == "pypirc" {
    match($0, /^[ \t]*/)
    if (key != "" && RLENGTH > depth)
        value = value " " $0
    else {
        flush()
        depth = RLENGTH
        if ($0 ~ /^[ \t]*\[/) {
            flush_section()
            section = $0
            gsub(/^[ \t]*\[|\].*/, "", section)
            line_of_section = FNR
        } else {
            key = tolower($0)
            sub(/[=:].*/, "", key)
            gsub(/_/, "-", key)
            key = without_quotes(key)
            value = $0
            sub(/^[^=:]*[=:]/, "", value)
            line_of_key = FNR
            keys++
            if (key == "repository")
                has_address = 1
        }
    }
}
form == "conda" {
    if ($0 ~ /^[ \t-]/)
        value = value " " $0
    else {
        flush()
        key = $0
        sub(/:.*/, "", key)
        key = without_quotes(key)
        value = $0
        sub(/^[^:]*:/, "", value)
        sub(/(^|[ \t])#.*/, "", value)
        line_of_key = FNR
    }
}
form == "uv" {
    if (open_brackets > 0)
        value = value " " $0
    else if ($0 ~ /^[ \t]*\[\[index\]\]/) {
        flush()
        flush_index()
        in_index = 1
        line_of_index = FNR
        table = ""
        next
    } else if ($0 ~ /^[ \t]*\[/) {
        flush()
        flush_index()
        table = $0
        gsub(/[][ \t\r]/, "", table)
        sub(/#.*/, "", table)
        table = table "."
        next
    } else {
        flush()
        key = $0
        sub(/=.*/, "", key)
        key = without_quotes(key)
        value = $0
        sub(/^[^=]*=/, "", value)
        if (in_index) {
            if (key == "url") index_value = index_value " " value
            if (key == "explicit" && value ~ /true/) explicit = 1
            key = ""
            next
        }
        key = table key
        line_of_key = FNR
    }
    bare = $0
    opened = gsub(/\[/, "", bare)
    closed = gsub(/\]/, "", bare)
    open_brackets += opened - closed
    if (key == "index" && open_brackets <= 0) {
        # tables in one line
        bare = value
        while (match(bare, /url *= *["'][^"']*["']/)) {
            address = substr(bare, RSTART, RLENGTH)
            sub(/^url *= */, "", address)
            if (value !~ /explicit *= *true/ && judge("address", address)) {
                tell(line_of_key, "index", form SUBSEP "[[index]]")
                break
            }
            bare = substr(bare, RSTART + RLENGTH)
        }
        key = ""
    }
}
END {
    flush()
    flush_section()
    flush_index()
}
