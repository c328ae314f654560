# A file as it was before: our lines are out, and what became a comment is a line again.
# unended=1 says that the last line has no end. Exits with 3 where one mark is without the other.
function put(line) {
    if (printed++)
        printf "\n"
    printf "%s", line
    last = NR
}
BEGIN { opening = "#>>>wheelhouse.onboarding>>>"; encoded = "#wheelhouse.onboarding:"; displaced = "# displaced by wheelhouse.onboarding: " }
$0 == opening || $0 == opening "in-an-empty-file" || $0 == opening " after a line without an end" {
    if (inside)
        exit bad = 3
    inside = 1
    if ($0 ~ /without an end$/)
        open_ended = last
    next
}
$0 == "#<<<wheelhouse.onboarding<<<" {
    if (!inside)
        exit bad = 3
    inside = 0
    next
}
inside { next }
index($0, displaced) == 1 { $0 = substr($0, length(displaced) + 1) }
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
