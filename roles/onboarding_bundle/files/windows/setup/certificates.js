// The company's certificates, into the list of authorities that this account trusts. Windows asks before it adds one.

function putCertificates() {
    for (var i = 0; i < settings.certificates.length; i += 1) {
        var certificate = settings.certificates[i], mark = join(memory, "installed\\" + certificate.file);
        if (!run("certutil -user -store Root " + certificate.sha1)) { continue; }
        if (runInWindow('certutil -user -addstore Root "' + join(here, certificate.file) + '"')) {
            fail("Windows does not trust " + certificate.file + " yet. Run install.cmd again, and answer its question with Yes.");
        } else {
            makeFolder(join(memory, "installed"));
            fso.CopyFile(join(here, certificate.file), mark, true);
            say("trusted " + certificate.file);
        }
    }
}

function takeCertificates() {
    for (var i = 0; i < settings.certificates.length; i += 1) {
        var mark = join(memory, "installed\\" + settings.certificates[i].file);
        if (fso.FileExists(mark)) {
            runInWindow("certutil -user -delstore Root " + settings.certificates[i].sha1);
            remove(mark);
        }
    }
}
