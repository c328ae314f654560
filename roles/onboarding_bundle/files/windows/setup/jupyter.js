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
