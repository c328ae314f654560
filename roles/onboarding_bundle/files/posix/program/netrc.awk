# Our entry at the top of a netrc file: awk -f netrc.awk OURS THEIRS. What is there for the same machine becomes a comment.
# A comment has to be one word: Python, and so pip and uv, stumble over others where they do not expect them, and then
# ignore the whole file (CPython's issue 104306).
function one_word(line) {
    gsub(/%/, "%25", line); gsub(/ /, "%20", line); gsub(/\t/, "%09", line)
    gsub(/\v/, "%0B", line); gsub(/\f/, "%0C", line); gsub(/\r/, "%0D", line)
    return "#wheelhouse.onboarding:" line
}
function next_word() {
    sub(/^[ \t\r\f\v]+/, "", rest)
    if (!match(rest, /^"(\\.|[^"\\])*"/))
        match(rest, /^[^ \t\r\f\v]+/)
    word = RLENGTH > 0 ? substr(rest, 1, RLENGTH) : ""
    rest = substr(rest, length(word) + 1)
    return word != ""
}
function new_entry(machine) { entries++; machine_of[entries] = machine }
function note(line) { if (entries) { words++; entry_of[words] = entries; line_of[words] = line } }
# which entry the words of a line belong to; `keyword` is one whose value comes next
function read_line(number) {
    if (in_macro) {
        in_macro = theirs[number] ~ /[^ \t\r\f\v]/
        return
    }
    rest = theirs[number]
    while (next_word()) {
        if (keyword == "machine") {
            gsub(/"/, "", word)
            machine_of[entries] = tolower(word)
        }
        if (keyword != "")
            keyword = ""
        else if (word ~ /^#/)
            return
        else if (word in foreign) {
            why = sprintf("has the word %s in line %d, which pip and uv do not know, and then they ignore the whole file. %s, and run this again.", \
                word, number, foreign[word])
            failed = 1
            return
        } else if (word == "macdef") {
            macro_at = number
            new_entry("")
            note(number)
            in_macro = 1
            return
        } else {
            if (word == "machine" || word == "default")
                new_entry("")
            keyword = word == "default" ? "" : word
        }
        note(number)
    }
}
function put(line,   bare, comment) {
    bare = line
    sub(/^[ \t\r\f\v]+/, "", bare)
    comment = bare ~ /^#[^ \t\r\f\v]*[ \t\r\f\v]+[^ \t\r\f\v]/
    if (comment && !(expected && (in_entry || bare ~ /^#[ \t\r\f\v]/)))
        line = one_word(line)
    in_entry = in_entry || bare ~ /^(machine|default)/
    expected = comment || bare ~ /[^" \t\r\f\v]$/
    if (printed++)
        printf "\n"
    printf "%s", line
}
BEGIN {
    count = split("port protocol method scheme path force host ssl security", name, " ")
    for (i = 1; i <= count; i++)
        foreign[name[i]] = "Take it and what follows it out"
    foreign["username"] = foreign["email"] = "Write login instead"
    foreign["passwd"] = foreign["pass"] = foreign["pwd"] = "Write password instead"
}
NR == FNR { ours[NR] = $0; if (NR == 1) machine = tolower($2); number_of_ours = NR; next }
{ theirs[FNR] = $0; lines = FNR; if (!failed) read_line(FNR) }
END {
    for (i = 1; i <= words; i++)
        if (machine_of[entry_of[i]] == machine)
            dropped[line_of[i]] = 1
    for (i = 1; i <= words; i++)
        if (machine_of[entry_of[i]] != machine && line_of[i] in dropped) {
            printf "has the index's entry and another one in line %d; write each on a line of its own.\n", line_of[i] > "/dev/stderr"
            exit 4
        }
    if (in_macro && lines) {
        why = sprintf("has a macro in line %d that goes on to the end, for which pip and uv ignore the whole file. Write an empty line behind it, and run this again.", macro_at)
        failed = 1
    }
    if (failed) {
        print why > "/dev/stderr"
        exit 4
    }
    expected = 1
    put("#>>>wheelhouse.onboarding>>>")
    for (i = 1; i <= number_of_ours; i++)
        put(ours[i])
    put("#<<<wheelhouse.onboarding<<<")
    for (i = 1; i <= lines; i++)
        put(i in dropped ? one_word(theirs[i]) : theirs[i])
    if (unended != 1)
        printf "\n"
}
