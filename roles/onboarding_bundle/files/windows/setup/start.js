// What the .cmd files have done here: cscript //nologo setup.js trust|check-index|check-proxy|install|uninstall|jupyter
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
