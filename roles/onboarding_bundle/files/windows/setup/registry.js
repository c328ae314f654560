// The registry: variables of the account, and PuTTY's session. What variables were before is kept in a file.

function variable(name) { try { return shell.RegRead(VARIABLES + name); } catch (missing) { return null; } }

function setVariable(name, value) {
    shell.RegWrite(VARIABLES + name, value, (/%[A-Za-z_]\w*%/).test(value) ? "REG_EXPAND_SZ" : "REG_SZ");
}

function run(command) { return shell.Run(command, 0, true); }

// A program that is started without a window may not show a question either.
function runInWindow(command) { return shell.Run(command, 1, true); }

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
