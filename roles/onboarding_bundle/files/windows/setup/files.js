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
