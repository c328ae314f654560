// Files that are the company's alone. What a person had in their place is kept, and comes back.

function wholeFiles() {
    return [
        {name: "pip.ini", path: join(roaming, "pip\\pip.ini")},
        {name: "uv.toml", path: join(roaming, "uv\\uv.toml")},
        {name: "condarc", path: join(home, ".condarc")},
        {name: "ca-bundle.pem", path: join(memory, "ca-bundle.pem")},
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
