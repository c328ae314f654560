"""Code run in the kernels of people's JupyterLabs."""

from __future__ import annotations

import shlex

from company import Office

# HTTP status and place of a page, without following where it leads.
STATUS = """
import http.client, sys
page = http.client.HTTPConnection(sys.argv[1], timeout=20)
page.request("GET", sys.argv[2])
answer = page.getresponse()
print(answer.status, answer.getheader("Location", "-"))
"""

# Runs cells in a kernel of the calling person's server, as the browser does, by REST and a websocket: run SPEC KERNEL CELL...
# The kernel is "new", and ends afterwards; or "kept", and its number printed last; or the number of one that was kept.
RUN_CELLS = """
import http.client, json, socket, subprocess, sys, uuid
import websocket

me = json.loads(subprocess.run(["jupyter-status"], capture_output=True, check=True).stdout)
authorization = {"Authorization": "token " + me["token"]}

def connect():
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(240)
    connection.connect(me["socket"])
    return connection

def rest(method, path, **body):
    page = http.client.HTTPConnection("localhost")
    page.sock = connect()
    page.request(method, path, body=json.dumps(body), headers=authorization)
    return json.loads(page.getresponse().read() or "null")

spec, which, *cells = sys.argv[1:]
kernel = which if which not in ("new", "kept") else rest("POST", "/api/kernels", name=spec)["id"]
try:
    channels = websocket.create_connection(
        f"ws://localhost/api/kernels/{kernel}/channels", socket=connect(), header=authorization
    )
    for code in cells:
        header = {"msg_id": uuid.uuid4().hex, "session": "test", "username": "", "msg_type": "execute_request"}
        content = {"code": code, "silent": False, "allow_stdin": False}
        channels.send(json.dumps(
            {"channel": "shell", "header": header, "parent_header": {}, "metadata": {}, "content": content}
        ))
        while True:
            message = json.loads(channels.recv())
            content = message["content"]
            if message["parent_header"].get("msg_id") != header["msg_id"]:
                continue
            if message["msg_type"] == "stream":
                print(content["text"], end="")
            if message["msg_type"] == "error":
                sys.exit("".join(content["traceback"]))
            if message["msg_type"] == "status" and content["execution_state"] == "idle":
                break
finally:
    if which == "new":
        rest("DELETE", f"/api/kernels/{kernel}")
if which == "kept":
    print(kernel)
"""


def script(code: str, *arguments: str, python: str = "python3") -> str:
    """The shell command that runs a program given as text."""
    return shlex.join([python, "-c", code, *arguments])


def run_cells(office: Office, name: str, *cells: str, kernel: str = "new", spec: str = "python3") -> str:
    """Run cells in a kernel of the person `name`, a fresh one unless told; what they print."""
    command = script(RUN_CELLS, spec, kernel, *cells, python="/opt/wheelhouse/jupyter/bin/python")
    return office.succeed_as(name, command, on="jupyter")
