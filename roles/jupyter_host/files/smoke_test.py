"""Try a new build of JupyterLab before it comes into use: its page answers, and a kernel computes.

The role virtualenv runs this with the build's own Python; what it says last is why the build is not used.
"""

import http.client
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import time

from jupyter_client.manager import KernelManager

place = tempfile.mkdtemp(prefix="jupyterlab-")
if os.geteuid() == 0:
    nobody = pwd.getpwnam("nobody")
    os.chown(place, nobody.pw_uid, nobody.pw_gid)
    os.setgroups([])
    os.setgid(nobody.pw_gid)
    os.setuid(nobody.pw_uid)
os.chdir(place)
for name in [name for name in os.environ if name.startswith(("JUPYTER", "IPYTHON"))]:
    del os.environ[name]
os.environ.update(HOME=place, JUPYTER_TOKEN="trial", PATH=os.path.dirname(sys.executable) + ":/usr/bin:/bin")


def page_answers(path: str) -> bool:
    connection = http.client.HTTPConnection("localhost")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.settimeout(20)
    try:
        connection.sock.connect(path)
        connection.request("GET", "/lab?token=trial")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def try_server() -> None:
    """Start a server, and wait until its page answers."""
    address = os.path.join(place, "s")
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", f"--ServerApp.sock={address}"]
    with open("log", "w+", encoding="utf-8") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            end = time.monotonic() + 120
            while not page_answers(address):
                if server.poll() is not None or time.monotonic() > end:
                    log.seek(0)
                    sys.exit("Its page does not answer. " + " ".join(log.read().split()[-60:]))
                time.sleep(0.3)
        finally:
            server.terminate()
            server.wait()


def try_kernel() -> None:
    """Compute something in a kernel; its channels are sockets here, not ports."""
    manager = KernelManager(transport="ipc")
    manager.start_kernel()
    client = manager.blocking_client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=60)
        answer = client.execute_interactive("assert 6 * 7 == 42", timeout=60)
        if answer["content"]["status"] != "ok":
            sys.exit("Its kernel cannot compute.")
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


try:
    try_server()
    try_kernel()
finally:
    shutil.rmtree(place, ignore_errors=True)
