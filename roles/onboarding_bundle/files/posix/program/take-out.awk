# A file as it was before: our lines are out, and what became a comment is a line again.
# Marks are known by their words: an editor may have changed the ends of lines, or put a byte order mark before the first.
# unended=1 says that the last line has no end, stay=displaced that comments stay comments. Exits with 3 where one mark is without the other.
function put(line) {
    if (printed++)
        printf "\n"
    printf "%s", line
    last = NR
}
function words(line) {
    sub(/^\357\273\277/, "", line)
    gsub(/[ \t\r\f\v]+/, " ", line)
    sub(/^ /, "", line)
    sub(/ $/, "", line)
    return line
}
BEGIN { opening = "#>>>wheelhouse.onboarding>>>"; encoded = "#wheelhouse.onboarding:"; displaced = "# displaced by wheelhouse.onboarding:" }
{ mark = words($0) }
mark == opening || mark == opening "in-an-empty-file" || mark == opening " after a line without an end" {
    if (inside)
        exit bad = 3
    inside = 1
    if (mark ~ /without an end$/)
        open_ended = last
    next
}
mark == "#<<<wheelhouse.onboarding<<<" {
    if (!inside)
        exit bad = 3
    inside = 0
    next
}
inside { next }
stay != "displaced" && index($0, displaced) == 1 {
    $0 = substr($0, length(displaced) + 1)
    sub(/^ /, "")
}
index($0, encoded) == 1 {
    $0 = substr($0, length(encoded) + 1)
    gsub(/%20/, " "); gsub(/%09/, "\t"); gsub(/%0B/, "\v"); gsub(/%0C/, "\f"); gsub(/%0D/, "\r"); gsub(/%25/, "%")
}
{ put($0) }
END {
    if (bad || inside)
        exit 3
    # a line that had no end gets it back only where nothing was written behind it since
    if (printed && !(open_ended && open_ended == last) && !(unended == 1 && last == NR))
        printf "\n"
}
