// What the commands do.

function install() {
    var files = wholeFiles(), index = environment("WHEELHOUSE_INDEX_PASSWORD"), proxy = environment("WHEELHOUSE_PROXY_PASSWORD");
    for (var i = 0; i < files.length; i += 1) { attempt(files[i].path, function () { putWhole(files[i]); }); }
    if (index) { attempt(netrcPath(), function () { putLogin(tokenFor(index)); }); }
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
    attempt("Settings of your own", tellOtherSources);
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

// Comes first: without it, the index's own certificate would not be trusted when a password is tried.
function trust() { attempt("The company's certificate", putCertificates); }

var commands = {
    "trust": trust,
    "check-index": checkIndex, "check-proxy": checkProxy, "install": install, "uninstall": uninstall,
    "jupyter": writeJupyterPage, "probe": function () { return 0; }
};
var answer = commands[WScript.Arguments(0)]();
WScript.Quit(failures ? 1 : answer || 0);
