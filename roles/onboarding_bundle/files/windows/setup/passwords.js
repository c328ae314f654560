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

function send(method, url, proxy, header, login, body) {
    var request = new ActiveXObject("WinHttp.WinHttpRequest.5.1");
    request.SetTimeouts(10000, 10000, 10000, 10000);
    request.SetProxy(proxy ? 2 : 1, proxy);
    request.Open(method, url, false);
    request.SetRequestHeader(header, "Basic " + base64(login));
    if (body) { request.SetRequestHeader("Content-Type", "application/json"); }
    request.Send(body);
    return request;
}

function answerOf(url, proxy, header, login) {
    try {
        return send("GET", url, proxy, header, login, "").Status;
    } catch (unreachable) {
        return 0;
    }
}

// A token in the place of the password: it may only install, so that nothing which reads it can publish.
function tokenFor(password) {
    if (!settings.tokens || (/^whl_[a-z2-7]{47}$/).test(password)) { return password; }
    var computer = environment("COMPUTERNAME").replace(/[^A-Za-z0-9.-]/g, "").substr(0, 60), answer, token;
    var wanted = '{"name": "laptop ' + computer + " " + new Date().getTime() + '", "for": "366d"}';
    try {
        answer = send("POST", settings.index_url + "/api/tokens", "", "Authorization", settings.name + ":" + password, wanted);
    } catch (unreachable) {
        throw new Error("the index does not answer just now, so there is no token for this computer; run this again");
    }
    token = (/"token": *"(whl_[a-z2-7]+)"/).exec(answer.ResponseText);
    if (!token) { throw new Error("the index gives no token for this computer: " + answer.ResponseText.replace(/[^ -~]/g, "").substr(0, 300)); }
    return token[1];
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
