// The login at the index, for pip, uv, conda and git. Of the two names, pip and uv read the one with the dot first, and
// git and older releases of curl know only the other.

function netrcPath() {
    var dotted = join(home, ".netrc");
    return fso.FileExists(dotted) ? dotted : join(home, "_netrc");
}

function quoted(value) {
    return (/[ "\\#]/).test(value) ? '"' + value.replace(/\\/g, "\\\\").replace(/"/g, '\\"') + '"' : value;
}

function netrcEntry(host, login, password) {
    var line = "machine " + host + " login " + quoted(login) + " password " + quoted(password);
    return line + (line.charAt(line.length - 1) === '"' ? " #\n" : "\n");
}

// What other programs write into entries, and pip and uv do not know: then they ignore the whole file, and say nothing.
var FOREIGN = {
    port: "take it and what follows it out", protocol: "take it and what follows it out",
    method: "take it and what follows it out", scheme: "take it and what follows it out",
    path: "take it and what follows it out", force: "take it and what follows it out",
    host: "take it and what follows it out", ssl: "take it and what follows it out",
    security: "take it and what follows it out", username: "write login instead", email: "write login instead",
    passwd: "write password instead", pass: "write password instead", pwd: "write password instead"
};

// [{machine, lines: {number: true}}] of the entries in their order
function entriesOf(lines) {
    var entries = [], keyword = "", inMacro = false;
    for (var number = 0; number < lines.length; number += 1) {
        if (inMacro) { inMacro = (/\S/).test(lines[number]); continue; }
        var words = lines[number].match(/"(?:\\.|[^"\\])*"|\S+/g) || [];
        for (var w = 0; w < words.length; w += 1) {
            var word = words[w], last = entries[entries.length - 1];
            if (keyword === "machine") { last.machine = word.replace(/^"+|"+$/g, "").toLowerCase(); }
            if (keyword) {
                keyword = "";
            } else if (word.charAt(0) === "#") {
                break;
            } else if (FOREIGN.hasOwnProperty(word)) {
                throw new Error("has the word " + word + " in line " + (number + 1) + ", which pip and uv do not know, and then they ignore "
                    + "the whole file; " + FOREIGN[word] + ", and run this again");
            } else if (word === "macdef") {
                last = {machine: "", lines: {}};
                last.lines[number] = true;
                entries.push(last);
                inMacro = true;
                break;
            } else {
                if (word === "machine" || word === "default") { entries.push({machine: "", lines: {}}); }
                keyword = word === "default" ? "" : word;
            }
            if (entries.length) { entries[entries.length - 1].lines[number] = true; }
        }
    }
    return entries;
}

// Without older entries for the host, whose password may be one that was withdrawn.
function withoutHost(text, host) {
    var lines = linesOf(text), entries = entriesOf(lines), dropped = {}, kept = [], i, number;
    for (i = 0; i < entries.length; i += 1) {
        for (number in entries[i].lines) {
            if (entries[i].machine === host) { dropped[number] = true; }
        }
    }
    for (i = 0; i < entries.length; i += 1) {
        for (number in entries[i].lines) {
            if (entries[i].machine !== host && dropped[number]) {
                throw new Error("has the index's entry and another one in one line; write each on a line of its own");
            }
        }
    }
    for (i = 0; i < lines.length; i += 1) { if (!dropped[i]) { kept.push(lines[i]); } }
    return kept;
}

// Comments of several words make pip and uv ignore the whole file; each is made one word, and `decoded` undoes it.
function withReadableComments(lines, expected, inEntry) {
    var readable = [];
    for (var i = 0; i < lines.length; i += 1) {
        var line = lines[i], words = line.match(/\S+/g) || [];
        var isComment = words.length > 1 && words[0].charAt(0) === "#";
        readable.push(isComment && !(expected && (inEntry || words[0] === "#")) ? ENCODED + line.replace(/[%\s]/g, encodedSpace) : line);
        inEntry = inEntry || (/^\s*(machine|default)/).test(line);
        expected = isComment || (/[^\s"]\n$/).test(line);
    }
    return readable.join("");
}

function encodedSpace(space) {
    return space === "\n" ? space : "%" + (space.charCodeAt(0) < 16 ? "0" : "") + space.charCodeAt(0).toString(16).toUpperCase();
}

function putLogin(password) {
    var entry = netrcEntry(settings.index_host, settings.name, password);
    putFirst(netrcPath(), entry, function (theirs) {
        // the mark that ends our lines is what stands before theirs
        return withReadableComments(withoutHost(theirs, settings.index_host), true, true);
    });
}
