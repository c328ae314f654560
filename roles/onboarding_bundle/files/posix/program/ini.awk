# Our sections in an INI file, as pip.conf and .pypirc are: awk -f ini.awk OURS THEIRS. Lines of theirs that set the same
# become comments. Lines are told from continuations as Python's configparser does it, by their indentation.
function say_nothing(line) { return line ~ /^[ \t\r\f\v]*([#;].*)?$/ }
function indentation(line) { match(line, /^[ \t\r\f\v]*/); return substr(line, 1, RLENGTH) }
function put(line) {
    if (printed++)
        printf "\n"
    printf "%s", line
}
# Read a line: `section` and `key` are what it belongs to, `is` says what it is itself.
function read_line(line,   bare) {
    if (say_nothing(line)) {
        is = "nothing"
        return
    }
    bare = substr(line, length(indentation(line)) + 1)
    if (key != "" && length(indentation(line)) > depth) {
        is = "continuation"
        return
    }
    depth = length(indentation(line))
    if (match(bare, /^\[.+\]/)) {
        is = "heading"
        section = substr(bare, 2, RLENGTH - 2)
        key = ""
        return
    }
    is = "option"
    key = bare
    sub(/[ \t]*[=:].*/, "", key)
    key = tolower(key)
    gsub(/_/, "-", key)
}
# Our lines of a section, as far in as what follows them, which would be taken for a continuation otherwise.
function put_block(name, indent, mark,   i, n, part) {
    put(mark)
    for (i = 1; i <= length_of[name]; i++) {
        put(indent our_line[name, i])
        if ((name, i) in list_at) {
            n = split(more[name, list_at[name, i]], part, " ")
            for (k = 1; k <= n; k++)
                put(indent "    " part[k])
        }
    }
    put("#<<<wheelhouse.onboarding<<<")
}
NR == FNR {
    read_line($0)
    if (is == "heading") {
        order[++sections] = section
        heading[section] = $0
        length_of[section] = 0
    } else if (section != "") {
        our_line[section, ++length_of[section]] = $0
        if (is == "option") {
            ours[section, key] = 1
            # a list of names, to which theirs are added
            if (key == "index-servers") {
                our_list[section] = $0
                list_at[section, length_of[section]] = key
            }
        }
    }
    next
}
FNR == 1 { section = key = "" }
{
    theirs[FNR] = $0
    lines = FNR
    read_line($0)
    kind[FNR] = is
    if (is == "heading" && section in heading && !(section in found)) {
        found[section] = FNR
        block_at[FNR] = section
    }
    displaced[FNR] = (is == "option" || is == "continuation") && (section, key) in ours
    if (displaced[FNR] && key == "index-servers") {
        names = $0
        if (is == "option")
            sub(/^[^=:]*[=:]/, "", names)
        count = split(names, part, /[ \t\r\f\v]+/)
        for (i = 1; i <= count; i++)
            if (part[i] != "" && index(" " our_list[section] " ", " " part[i] " ") == 0)
                more[section, key] = more[section, key] " " part[i]
    }
}
END {
    for (i = 1; i <= lines; i++) {
        put((displaced[i] ? "# displaced by wheelhouse.onboarding: " : "") theirs[i])
        if (i in block_at) {
            for (j = i + 1; j <= lines && (kind[j] == "nothing" || displaced[j]); j++)
                ;
            put_block(block_at[i], j <= lines ? indentation(theirs[j]) : "", "#>>>wheelhouse.onboarding>>>" \
                (i == lines && unended == 1 ? " after a line without an end" : ""))
            if (i == lines)
                unended = 0
        }
    }
    for (i = 1; i <= sections; i++)
        if (!(order[i] in found)) {
            for (j = length_of[order[i]]; j >= 1; j--)
                our_line[order[i], j + 1] = our_line[order[i], j]
            our_line[order[i], 1] = heading[order[i]]
            length_of[order[i]]++
            put_block(order[i], "", "#>>>wheelhouse.onboarding>>>" (unended == 1 ? " after a line without an end" : ""))
            unended = 0
        }
    if (unended != 1)
        printf "\n"
}
