// What the .cmd files have done here: cscript //nologo setup.js check-index|check-proxy|install|uninstall|jupyter
//
// Passwords come in variables of this process, never as arguments, which other programs can read. This is JScript, which
// every Windows has: nothing has to be installed first. `settings` stands above this line in the bundle.

var fso = new ActiveXObject("Scripting.FileSystemObject");
var shell = new ActiveXObject("WScript.Shell");
var environment = shell.Environment("Process");
var OPENING = "#>>>wheelhouse.onboarding>>>\n", CLOSING = "#<<<wheelhouse.onboarding<<<\n";
var ENCODED = "#wheelhouse.onboarding:";
var VARIABLES = "HKCU\\Environment\\";
var OPENSSH_INCLUDE = "Include wheelhouse_config\n";

var here = fso.GetParentFolderName(WScript.ScriptFullName);
var home = environment("USERPROFILE"), roaming = environment("APPDATA");
var memory = join(environment("LOCALAPPDATA"), "wheelhouse-onboarding");
var failures = 0;

function join(folder, name) { return fso.BuildPath(folder, name); }
function say(text) { WScript.Echo(text); }
function fail(text) { failures += 1; say("FAILED  " + text); }

// Files. Their bytes are taken for characters of the machine's code page, and are the same when they are written back.

function read(path) {
    if (!fso.FileExists(path)) { return ""; }
    var size = fso.GetFile(path).Size;
    if (!size) { return ""; }
    var stream = fso.OpenTextFile(path, 1);
    var text = stream.ReadAll();
    stream.Close();
    // a code page in which characters have several bytes may not give the same bytes back
    if (text.length !== size) {
        throw new Error("has other characters in it than plain letters, digits and signs; take those out");
    }
    return text;
}

function write(path, text) {
    makeFolder(fso.GetParentFolderName(path));
    var partial = path + ".wheelhouse-partial";
    var stream = fso.CreateTextFile(partial, true, false);
    stream.Write(text);
    stream.Close();
    fso.CopyFile(partial, path, true);
    fso.DeleteFile(partial);
}

function makeFolder(path) {
    if (fso.FolderExists(path)) { return; }
    makeFolder(fso.GetParentFolderName(path));
    fso.CreateFolder(path);
}

function remove(path) { if (fso.FileExists(path)) { fso.DeleteFile(path, true); } }

function removeIfEmpty(path) {
    if (fso.FolderExists(path) && !fso.GetFolder(path).Files.Count && !fso.GetFolder(path).SubFolders.Count) {
        fso.DeleteFolder(path);
    }
}

// Does one thing; what goes wrong with it is told, and keeps nothing else from being done.
function attempt(what, action) {
    try { action(); } catch (problem) { fail(what + " " + (problem.message || "cannot be changed; is it open elsewhere?")); }
}

// Files that are the company's alone. What a person had in their place is kept, and comes back.

function wholeFiles() {
    return [
        {name: "pip.ini", path: join(roaming, "pip\\pip.ini")},
        {name: "uv.toml", path: join(roaming, "uv\\uv.toml")},
        {name: "condarc", path: join(home, ".condarc")},
        {name: "ssh_config", path: join(home, ".ssh\\wheelhouse_config")},
        {name: "known_hosts", path: join(home, ".ssh\\wheelhouse_known_hosts")}
    ];
}

function keepAside(file) {
    var before = join(memory, "before\\" + file.name), installed = join(memory, "installed\\" + file.name);
    if (!fso.FileExists(installed) && fso.FileExists(file.path)) {
        makeFolder(join(memory, "before"));
        fso.CopyFile(file.path, before, true);
        say("kept    " + file.path + " as it was, in " + before);
    }
}

function putWhole(file) {
    var source = join(here, file.name), installed = join(memory, "installed\\" + file.name);
    if (!fso.FileExists(source)) { takeWhole(file); return; }
    keepAside(file);
    // what is written first says that a file of the person's, if any, is kept aside by now
    makeFolder(join(memory, "installed"));
    fso.CopyFile(source, installed, true);
    makeFolder(fso.GetParentFolderName(file.path));
    fso.CopyFile(source, file.path, true);
    say("wrote   " + file.path);
}

function takeWhole(file) {
    var before = join(memory, "before\\" + file.name), installed = join(memory, "installed\\" + file.name);
    if (!fso.FileExists(installed)) { return; }
    if (fso.FileExists(file.path) && read(file.path) !== read(installed)) {
        fso.CopyFile(file.path, file.path + ".changed", true);
        say("kept    " + file.path + ".changed, what you wrote into it since");
    }
    remove(file.path);
    if (fso.FileExists(before)) {
        fso.CopyFile(before, file.path, true);
        say("back    " + file.path);
    } else {
        say("removed " + file.path);
        removeIfEmpty(fso.GetParentFolderName(file.path));
    }
    remove(before);
    remove(installed);
}

// Files that hold other things, too: the company's lines stand first, between marks.

function linesOf(text) { return text.match(/[^\n]*\n|[^\n]+/g) || []; }

function without(text) {
    var lines = linesOf(text), kept = [], inside = false;
    for (var i = 0; i < lines.length; i += 1) {
        var line = lines[i].replace(/\r\n$/, "\n");
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

// The registry: variables of the account, and PuTTY's session. What variables were before is kept in a file.

function variable(name) { try { return shell.RegRead(VARIABLES + name); } catch (missing) { return null; } }

function setVariable(name, value) {
    shell.RegWrite(VARIABLES + name, value, (/%[A-Za-z_]\w*%/).test(value) ? "REG_EXPAND_SZ" : "REG_SZ");
}

function run(command) { return shell.Run(command, 0, true); }

function deleteVariable(name) {
    if (variable(name) !== null && run("reg delete HKCU\\Environment /v " + name + " /f")) { fail("The variable " + name + " cannot be deleted."); }
}

function notes() { return join(memory, "before\\environment.txt"); }

function rememberVariables() {
    if (fso.FileExists(notes())) { return; }
    makeFolder(join(memory, "before"));
    var stream = fso.CreateTextFile(notes(), true, true);
    for (var name in settings.environment) {
        if (variable(name) !== null) { stream.WriteLine(name + "=" + variable(name)); }
    }
    stream.Close();
}

function takeVariables() {
    if (!fso.FileExists(notes())) { return; }
    var before = {};
    var stream = fso.OpenTextFile(notes(), 1, false, -1);
    while (!stream.AtEndOfStream) {
        var line = stream.ReadLine();
        before[line.substring(0, line.indexOf("="))] = line.substring(line.indexOf("=") + 1);
    }
    stream.Close();
    for (var name in settings.environment) {
        if (before.hasOwnProperty(name)) { setVariable(name, before[name]); } else { deleteVariable(name); }
    }
    remove(notes());
    say("cleared the variables of your account");
}

function importFile(name) {
    if (fso.FileExists(join(here, name)) && run('reg import "' + join(here, name) + '"')) {
        throw new Error("cannot be imported");
    }
}

// `reg import` leaves out what it does not understand, and says nothing of it.
function verifyVariables() {
    for (var name in settings.environment) {
        if (variable(name) !== settings.environment[name]) { fail("The variable " + name + " did not become " + settings.environment[name] + "."); }
    }
}

function percentEncoded(text) {
    return encodeURIComponent(text).replace(/[!'()*]/g, function (sign) { return "%" + sign.charCodeAt(0).toString(16).toUpperCase(); });
}

function proxyUrl(password) {
    return settings.proxy.replace("://", "://" + percentEncoded(settings.proxy_username) + ":" + percentEncoded(password) + "@");
}

function putProxyLogin(password, before) {
    var url = password ? proxyUrl(password) : before;
    if (!url) { return; }
    setVariable("HTTP_PROXY", url);
    setVariable("HTTPS_PROXY", url);
    say("wrote   your login at the proxy");
}

// The company's certificates, into the list of authorities that this account trusts. Windows asks before it adds one.

function putCertificates() {
    for (var i = 0; i < settings.certificates.length; i += 1) {
        var certificate = settings.certificates[i], mark = join(memory, "installed\\" + certificate.file);
        if (!run("certutil -user -store Root " + certificate.sha1)) { continue; }
        if (run('certutil -user -addstore Root "' + join(here, certificate.file) + '"')) {
            fail("Windows does not trust " + certificate.file + " yet. Run install.cmd again, and answer its question with Yes.");
        } else {
            fso.CopyFile(join(here, certificate.file), mark, true);
            say("trusted " + certificate.file);
        }
    }
}

function takeCertificates() {
    for (var i = 0; i < settings.certificates.length; i += 1) {
        var mark = join(memory, "installed\\" + settings.certificates[i].file);
        if (fso.FileExists(mark)) {
            run("certutil -user -delstore Root " + settings.certificates[i].sha1);
            remove(mark);
        }
    }
}

// Passwords are tried before they are saved. 0: accepted; 2: refused; 3: nobody could be asked.

function base64(text) {
    var letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", bytes = unescape(encodeURIComponent(text)), result = "";
    for (var i = 0; i < bytes.length; i += 3) {
        var three = (bytes.charCodeAt(i) << 16) | ((bytes.charCodeAt(i + 1) || 0) << 8) | (bytes.charCodeAt(i + 2) || 0);
        for (var j = 0; j < 4; j += 1) {
            result += i + j > bytes.length ? "=" : letters.charAt((three >> (18 - 6 * j)) & 63);
        }
    }
    return result;
}

function answerOf(url, proxy, header, login) {
    var request = new ActiveXObject("WinHttp.WinHttpRequest.5.1");
    try {
        request.SetTimeouts(10000, 10000, 10000, 10000);
        request.SetProxy(proxy ? 2 : 1, proxy);
        request.Open("GET", url, false);
        request.SetRequestHeader(header, "Basic " + base64(login));
        request.Send();
        return request.Status;
    } catch (unreachable) {
        return 0;
    }
}

function checkIndex() {
    var password = environment("WHEELHOUSE_INDEX_PASSWORD");
    if ((/[^\x20-\x7e]/).test(password)) { say("The index takes no other characters than plain letters, digits and signs."); return 2; }
    var status = answerOf(settings.index_url + "/simple/", "", "Authorization", settings.name + ":" + password);
    if (status === 401 || status === 403) { say("The index does not accept this password."); return 2; }
    if (status === 0 || status >= 500) { say("The index does not answer just now, so the password could not be tried."); return 3; }
    return 0;
}

// The proxy asks who it is before it looks where the request goes; its own name is not looked up anywhere else.
function checkProxy() {
    var server = settings.proxy.replace(/^\w+:\/\//, "");
    var login = settings.proxy_username + ":" + environment("WHEELHOUSE_PROXY_PASSWORD");
    var status = answerOf("http://" + settings.index_host + "/", server, "Proxy-Authorization", login);
    if (status === 407) { say("The proxy does not accept this password."); return 2; }
    if (status === 0) { say("The proxy does not answer just now, so the password could not be tried."); return 3; }
    return 0;
}

// A page that waits for the tunnel and then leads to JupyterLab. The token comes in a file and stays in one: everybody could
// read a browser's arguments.

function writeJupyterPage() {
    var answer = read(environment("WHEELHOUSE_JUPYTER_ANSWER"));
    var state = (/"state": "([^"]*)"/).exec(answer), token = (/"token": "([0-9A-Za-z_-]+)"/).exec(answer);
    if (!state || state[1] === "none" || !token) { say("There is no JupyterLab for you on that host."); return 1; }
    if (state[1] !== "active") { say("JupyterLab is not ready there (" + state[1] + "). Wait a minute; the page opens when it is."); }
    var address = "http://127.0.0.1:" + settings.jupyter_port;
    write(environment("WHEELHOUSE_JUPYTER_PAGE"), '<!doctype html><meta charset="utf-8"><title>JupyterLab</title><p>Connecting to JupyterLab ...\n'
        + "<script>(function look() { fetch('" + address + "/api', {mode: 'no-cors'}).then("
        + "function () { location.replace('" + address + "/lab?token=" + token[1] + "'); }, function () { setTimeout(look, 500); }); }());</script>\n");
    return 0;
}

// What the commands do.

function install() {
    var files = wholeFiles(), index = environment("WHEELHOUSE_INDEX_PASSWORD"), proxy = environment("WHEELHOUSE_PROXY_PASSWORD");
    for (var i = 0; i < files.length; i += 1) { attempt(files[i].path, function () { putWhole(files[i]); }); }
    if (index) { attempt(netrcPath(), function () { putLogin(index); }); }
    if (fso.FileExists(join(here, "ssh_config"))) {
        attempt(join(home, ".ssh\\config"), function () { putFirst(join(home, ".ssh\\config"), OPENSSH_INCLUDE, unchanged); });
    }
    attempt("The list of variables", rememberVariables);
    // only one of ours is kept when the password is not given again
    var installed = join(memory, "installed\\proxy"), before = fso.FileExists(installed) ? variable("HTTP_PROXY") : null;
    attempt("env.reg", function () { importFile("env.reg"); verifyVariables(); });
    attempt("putty.reg", function () { importFile("putty.reg"); });
    if (settings.proxy_username) { attempt("The proxy's login", function () { putProxyLogin(proxy, before); write(installed, ""); }); }
    // tells programs that are running of the new variables, which the registry alone does not
    run("setx WHEELHOUSE_INDEX_URL " + settings.index_url);
    attempt("The company's certificate", putCertificates);
}

function uninstall() {
    var files = wholeFiles();
    for (var i = 0; i < files.length; i += 1) { attempt(files[i].path, function () { takeWhole(files[i]); }); }
    var shared = [join(home, ".netrc"), join(home, "_netrc"), join(home, ".ssh\\config")];
    for (i = 0; i < shared.length; i += 1) { attempt(shared[i], function () { takeOut(shared[i]); }); }
    removeIfEmpty(join(home, ".ssh"));
    attempt("The list of variables", takeVariables);
    for (i = 0; i < settings.sessions.length; i += 1) {
        run('reg delete "HKCU\\Software\\SimonTatham\\PuTTY\\Sessions\\' + settings.sessions[i] + '" /f');
    }
    attempt("The company's certificate", takeCertificates);
    remove(join(memory, "installed\\proxy"));
    remove(join(memory, "jupyter.html"));
    removeIfEmpty(join(memory, "before"));
    removeIfEmpty(join(memory, "installed"));
    removeIfEmpty(memory);
}

var commands = {
    "check-index": checkIndex, "check-proxy": checkProxy, "install": install, "uninstall": uninstall,
    "jupyter": writeJupyterPage, "probe": function () { return 0; }
};
var answer = commands[WScript.Arguments(0)]();
WScript.Quit(failures ? 1 : answer || 0);
