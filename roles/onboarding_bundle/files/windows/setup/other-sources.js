// Settings by which packages come from elsewhere, or go elsewhere: in files, with their lines, and in variables. They are told
// and stay. What a setting says is not shown: it may be a password. `SOURCES` and `SOURCE_FILES` are the collection's list.

var MACHINE_VARIABLES = "HKLM\\SYSTEM\\CurrentControlSet\\Control\\Session Manager\\Environment\\";
var NO = /^(0|false|no|off|n|f|none|null|<false>)$/;

function tellOtherSources() {
    for (var i = 0; i < SOURCE_FILES.length; i += 1) {
        var place = SOURCE_FILES[i][1], files = filesLike(place);
        var whose = place.indexOf("%PROGRAMDATA%") ? " of what is your own" : "";
        for (var f = 0; f < files.length; f += 1) {
            var found = sourcesIn(SOURCE_FILES[i][0], readAsIs(files[f]));
            for (var s = 0; s < found.length; s += 1) {
                say("Look at " + files[f] + ", line " + found[s].line + whose + ": " + found[s].name + " " + found[s].does + ".");
            }
        }
    }
    var mine = variablesIn(VARIABLES), everybodys = variablesIn(MACHINE_VARIABLES);
    tellVariables(mine, "your account");
    // where both have one of a name, the account's counts
    for (var name in mine) { delete everybodys[name]; }
    tellVariables(everybodys, "this computer");
}

function tellVariables(values, whose) {
    for (var name in values) {
        var setting = settingOf(name);
        if (setting && isElsewhere(setting[0], values[name])) {
            say("Look at the variables of " + whose + ": " + name + " " + whatItDoes(setting) + ".");
        }
    }
}

// The setting that a variable is; in names of the list, `*` stands for a part.
function settingOf(name) {
    for (var pattern in SOURCES.variable) {
        if (new RegExp("^" + pattern.replace(/\*/g, "[A-Z0-9_]+") + "$").test(name)) { return SOURCES.variable[pattern]; }
    }
    return null;
}

// {name in capitals: value}. Only `reg` lists names; its output may spoil letters of values, so these are read one by one.
function variablesIn(key) {
    var lines = linesOfCommand('reg query "' + key.replace(/\\$/, "") + '"', 0), found = {};
    for (var i = 0; i < lines.length; i += 1) {
        var line = (/^ +(\S+) +REG_(EXPAND_)?SZ/).exec(lines[i]);
        if (line) { try { found[line[1].toUpperCase()] = String(shell.RegRead(key + line[1])); } catch (gone) { continue; } }
    }
    return found;
}

// What a command says; `encoding` is -1 for one of cmd's own, which then write UTF-16, and 0 for others.
function linesOfCommand(command, encoding) {
    var list = join(memory, "list.txt");
    makeFolder(memory);
    run("cmd /d " + (encoding ? "/u " : "") + '/c "' + command + ' > "' + list + '" 2>nul"');
    var lines = readAsIs(list, encoding).split(/\r?\n/);
    remove(list);
    return lines;
}

function whatItDoes(setting) { return EFFECTS[setting[1]].replace(/\{index\}/g, settings.index_url); }

// What cannot be opened is read by no tool either, or only by those of another person.
function readAsIs(path, encoding) {
    try {
        if (!fso.GetFile(path).Size) { return ""; }
        var stream = fso.OpenTextFile(path, 1, false, encoding || 0), text = stream.ReadAll();
        stream.Close();
        return text;
    } catch (closed) { return ""; }
}

// With the values of variables. (What Wine's ExpandEnvironmentStrings makes ends in a character more.)
function expanded(text) {
    return text.replace(/%(\w+)%/g, function (all, name) { return environment(name) || all; });
}

// The files that are there of a path in which `*` stands for any folder, or for the beginning of a file's name.
function filesLike(pattern) {
    var parts = expanded(pattern).split("\\"), found = [parts[0] + "\\"];
    for (var p = 1; p < parts.length; p += 1) {
        var isLast = p === parts.length - 1, next = [];
        for (var i = 0; i < found.length; i += 1) {
            next = next.concat(parts[p].indexOf("*") < 0 ? [join(found[i], parts[p])] : entriesLike(found[i], parts[p], isLast));
        }
        found = next;
    }
    var files = [];
    for (i = 0; i < found.length; i += 1) { if (fso.FileExists(found[i])) { files.push(found[i]); } }
    return files;
}

var listed = {};

// Asked of `dir`, once a folder: the script engine of Wine cannot go through a folder itself.
function entriesLike(folder, pattern, areFiles) {
    var found = [], ending = pattern.substring(1).toLowerCase(), key = folder + (areFiles ? "|files" : "|folders");
    if (!fso.FolderExists(folder)) { return found; }
    if (!listed.hasOwnProperty(key)) {
        listed[key] = linesOfCommand("dir /b /a:" + (areFiles ? "-d" : "d") + ' "' + folder + '"', -1).sort();
    }
    for (var i = 0; i < listed[key].length; i += 1) {
        var name = listed[key][i];
        if (name && name.toLowerCase().substring(name.length - ending.length) === ending) { found.push(join(folder, name)); }
    }
    return found;
}

// Whether an address is on the index, whichever account is in it; a port that goes without saying is none.
function isOnIndex(address) {
    var base = settings.index_url.toLowerCase().replace(/\/$/, "") + "/";
    address = address.toLowerCase().replace(/^([a-z]+:\/\/)[^\/]*@/, "$1");
    if (!address.indexOf("https:")) { address = address.replace(/:443(\/|$)/, "/"); }
    return (address + "/").indexOf(base) === 0 && address.indexOf("/..") < 0;
}

function isChannel(word) {
    for (var i = 0; i < settings.conda_channels.length; i += 1) { if (settings.conda_channels[i] === word) { return true; } }
    return isOnIndex(word);
}

// One that is for the whole computer is IT's, and the company's own may be named.
function isKnownFile(path) {
    var lower = expanded(path).replace(/\//g, "\\").toLowerCase();
    if (!lower.indexOf(environment("PROGRAMDATA").toLowerCase() + "\\")) { return lower.indexOf("\\..") < 0; }
    for (var i = 0, files = wholeFiles(); i < files.length; i += 1) { if (files[i].path.toLowerCase() === lower) { return true; } }
    return false;
}

function isElsewhere(kind, value) {
    // a file's name may have blanks in it
    var words = kind === "file" ? [value] : value.replace(/["'\[\]{}()\r]/g, " ").split(/[ \t,;]+/);
    for (var i = 0; i < words.length; i += 1) {
        var word = words[i], lower = word.toLowerCase();
        if (!word || word === "-" || word === "null" || word === "~") { continue; }
        switch (kind) {
        case "address": if (!isOnIndex(word.replace(/^[\w\-]+=([a-z]+:\/\/)/i, "$1"))) { return true; } break;
        case "channels": if (!isChannel(word)) { return true; } break;
        case "map": if (!(/:$/).test(word) && !isChannel(word)) { return true; } break;
        case "switch": if (!NO.test(lower)) { return true; } break;
        case "verify": if (NO.test(lower)) { return true; } break;
        case "strategy": if (!lower.indexOf("unsafe")) { return true; } break;
        case "section": if (word !== "pypi") { return true; } break;
        case "file": if (!isKnownFile(word)) { return true; } break;
        default: return true;
        }
    }
    return false;
}

// [{line, name, does}] of a file in one of the forms of `SOURCES`
function sourcesIn(form, text) {
    var readers = {pip: iniSettings, pypirc: iniSettings, uv: tomlSettings, conda: yamlSettings};
    var found = [], statements = readers[form](linesFrom(text));
    for (var i = 0; i < statements.length; i += 1) {
        var one = statements[i], setting = SOURCES[form].hasOwnProperty(one.key) ? SOURCES[form][one.key] : null;
        if (setting && isElsewhere(setting[0], one.value)) {
            var name = form === "pypirc" ? "[" + one.section + "] " + one.key : one.key;
            found.push({line: one.line, name: name, does: whatItDoes(setting)});
        } else if (form === "pypirc" && one.leads) {
            // twine, and all that read this file after it, know where a section of this name leads to
            found.push({line: one.line, name: "[" + one.section + "]", does: whatItDoes(SOURCES.pypirc.repository)});
        }
    }
    return found;
}

// Without a byte order mark, whose bytes are characters here. Split by an expression, JScript would leave empty lines out.
function linesFrom(text) { return text.replace(/^[^\x00-\x7f]{1,3}/, "").replace(/\r\n?/g, "\n").split("\n"); }

// [{section, key, value, line}], continuations told by their indentation, as Python's configparser does it; and
// {section, line, leads: true} for a section that names an account at a public index, and no address.
function iniSettings(lines) {
    var found = [], section = "", depth = 0, current = null, accounts = {};
    for (var i = 0; i < lines.length; i += 1) {
        var line = lines[i], indent = (/^[ \t]*/).exec(line)[0].length;
        if ((/^\s*([#;].*)?$/).test(line)) { continue; }
        if (current && indent > depth) { current.value += " " + line; continue; }
        var heading = (/^\s*\[(.+)\]/).exec(line), parts = (/^\s*([^=:]+)[=:]?(.*)$/).exec(line);
        depth = indent;
        current = null;
        if (heading) {
            section = heading[1];
            if (section === "pypi" || section === "testpypi") {
                accounts[section] = {section: section, line: i + 1, leads: false, has: false};
            }
        } else if (parts) {
            var key = parts[1].replace(/\s+$/, "").toLowerCase().replace(/_/g, "-");
            current = {section: section, key: key, value: parts[2], line: i + 1};
            found.push(current);
            if (accounts.hasOwnProperty(section)) {
                accounts[section].has = accounts[section].has || current.key === "repository";
                accounts[section].leads = !accounts[section].has;
            }
        }
    }
    for (var name in accounts) { found.push(accounts[name]); }
    return found.sort(function (one, other) { return one.line - other.line; });
}

// [{key, value, line}] of what stands at the margin
function yamlSettings(lines) {
    var found = [], current = null;
    for (var i = 0; i < lines.length; i += 1) {
        var line = lines[i].replace(/(^|[ \t])#.*/, ""), parts = (/^(["']?)([^:"']+)\1\s*:(.*)$/).exec(line);
        if (!(/\S/).test(line)) { continue; }
        if ((/^[ \t\-\]}]/).test(line)) {
            if (current) { current.value += " " + line; }
        } else {
            current = parts ? {key: parts[2], value: parts[3], line: i + 1} : null;
            if (current) { found.push(current); }
        }
    }
    return found;
}

// [{key, value, line}]: keys with their tables, a value over more lines at its first; [[index]] with its address, unless it is
// asked for by name alone.
function tomlSettings(lines) {
    var found = [], table = "", index = null, current = null, open = 0;
    for (var i = 0; i < lines.length; i += 1) {
        var line = withoutComment(lines[i]);
        if (!(/\S/).test(line)) { continue; }
        if (open > 0) {
            current.value += " " + line;
        } else if ((/^\s*\[/).test(line)) {
            index = (/^\s*\[\[\s*index\s*\]\]/).test(line) ? {key: "[[index]]", value: "", line: i + 1} : null;
            if (index) { found.push(index); }
            table = line.replace(/[\[\]"' \t]/g, "") + ".";
            continue;
        } else {
            var parts = (/^([^=]*)=(.*)$/).exec(line) || ["", line, ""], key = parts[1].replace(/["' \t]/g, "");
            current = {key: index ? "" : table + key, value: parts[2], line: i + 1};
            if (index && key === "url" && index.value !== null) { index.value = parts[2]; }
            if (index && key === "explicit" && (/true/).test(parts[2])) { index.value = null; }
            found.push(current);
        }
        var bare = line.replace(/"[^"]*"|'[^']*'/g, "");
        open = Math.max(0, open + bare.replace(/[^\[]/g, "").length - bare.replace(/[^\]]/g, "").length);
    }
    var statements = [];
    for (i = 0; i < found.length; i += 1) {
        if (found[i].key === "index") { found[i] = {key: "[[index]]", value: addressesOf(found[i].value), line: found[i].line}; }
        if (found[i].value !== null) { statements.push(found[i]); }
    }
    return statements;
}

function withoutComment(line) { return line.replace(/^((?:"[^"]*"|'[^']*'|[^"'#])*)#.*$/, "$1"); }

// Of tables in one line: the addresses of those that are not asked for by name alone.
function addressesOf(tables) {
    var found = [], each = tables.match(/\{[^}]*\}/g) || [];
    for (var i = 0; i < each.length; i += 1) {
        var url = (/\burl\s*=\s*("[^"]*"|'[^']*')/).exec(each[i]);
        if (url && !(/explicit\s*=\s*true/).test(each[i])) { found.push(url[1]); }
    }
    return found.join(" ");
}
