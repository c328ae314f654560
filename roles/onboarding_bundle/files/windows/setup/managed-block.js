// Files that hold other things, too: the company's lines stand first, between marks.

function linesOf(text) { return text.match(/[^\n]*\n|[^\n]+/g) || []; }

function without(text) {
    var lines = linesOf(text), kept = [], inside = false;
    for (var i = 0; i < lines.length; i += 1) {
        // an editor may have put blanks behind it, or a byte order mark before the first, whose bytes are three characters here
        var line = lines[i].replace(/^\xef\xbb\xbf/, "").replace(/[ \t\r]+\n$/, "\n");
        if (line === OPENING) {
            if (inside) { throw unbalanced(); }
            inside = true;
        } else if (line === CLOSING) {
            if (!inside) { throw unbalanced(); }
            inside = false;
        } else if (!inside) {
            kept.push(decoded(lines[i]));
        }
    }
    if (inside) { throw unbalanced(); }
    return kept.join("");
}

function unbalanced() { return new Error("has one of the company's marks without the other; delete that line"); }

function decoded(line) {
    if (line.indexOf(ENCODED) !== 0) { return line; }
    return line.substring(ENCODED.length).replace(/%([0-9A-F]{2})/g, function (all, hex) {
        return String.fromCharCode(parseInt(hex, 16));
    });
}

function putFirst(path, lines, prepare) {
    var before = read(path);
    var after = OPENING + lines + CLOSING + prepare(without(before));
    if (before !== after) { write(path, after); }
    say("wrote   " + path);
}

function takeOut(path) {
    var before = read(path), after = without(before);
    if (before === after) { return; }
    if (after) { write(path, after); } else { remove(path); }
    say("cleared " + path);
}

function unchanged(text) { return text; }
