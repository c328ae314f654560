# Percent-encodes bytes, given as od -An -v -tx1 writes them, for the part of a URL before the @.
BEGIN {
    for (i = 33; i < 127; i++)
        if (sprintf("%c", i) ~ /[A-Za-z0-9._~-]/)
            plain[sprintf("%02x", i)] = sprintf("%c", i)
}
{
    for (i = 1; i <= NF; i++)
        printf "%s", $i in plain ? plain[$i] : "%" toupper($i)
}
