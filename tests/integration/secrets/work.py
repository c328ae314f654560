"""People at work on the workstation: what they run in loops, and what came of each turn."""

from __future__ import annotations

import subprocess
import tarfile
import time
from io import BytesIO

from company import Office, eventually
from index.samples import Wheel
from testinfra.host import Host

DIRECTORY = "/tmp/rotation"
OVER = f"{DIRECTORY}/over"
TOKEN = "/home/ada/publishing-token"
NAME = "acme-rotation"

# One turn each: `turn` ends with 0 when all went well.
INSTALL_WITH_PIP = f"""
[ -d loop-pip ] || python3 -m venv loop-pip
turn() {{ loop-pip/bin/pip install -q --no-cache-dir --force-reinstall --no-deps {NAME}; }}
"""
INSTALL_WITH_UV = f"""
[ -d loop-uv ] || uv venv -q loop-uv
turn() {{ uv pip install -q --no-cache --reinstall --no-deps --python loop-uv/bin/python {NAME}; }}
"""
PUBLISH = f"""
number=0
export UV_PUBLISH_USERNAME=__token__ UV_PUBLISH_PASSWORD=$(cat {TOKEN})
turn() {{ number=$((number + 1)); uv publish -q {DIRECTORY}/acme_rotation-2.*.$number-*.whl; }}
"""
"""With a token of the person's own, which a rotation of passwords leaves alone."""
# A hundred requests on one connection, as a browser or a mirror does, with the login of the moment it was made. As HTTP has it
# (RFC 9112, 9.3.1), what a connection that was closed meanwhile did not answer is asked once more.
READ = f"""
cat >loop-read.py <<'EOF'
import base64, http.client, netrc
name = "packages.acme.example"
login, _, password = netrc.netrc().authenticators(name)
headers = {{"Authorization": "Basic " + base64.b64encode(f"{{login}}:{{password}}".encode()).decode()}}

def ask(connection):
    connection.request("GET", "/simple/{NAME}/", headers=headers)
    answer = connection.getresponse()
    answer.read()
    return answer.status

connection = http.client.HTTPSConnection(name, timeout=60)
for _ in range(100):
    try:
        status = ask(connection)
    except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
        connection.close()
        status = ask(connection)
    assert status == 200, status
EOF
turn() {{ python3 loop-read.py; }}
"""
JOBS = {
    "pip": ("leo", INSTALL_WITH_PIP),
    "uv": ("ada", INSTALL_WITH_UV),
    "publish": ("ada", PUBLISH),
    "read": ("leo", READ),
}


class Work:
    """The loops, from `start` to `finish`."""

    def __init__(self, workstation: Host, office: Office) -> None:
        self.workstation = workstation
        self.office = office
        self._running: list[subprocess.Popen[bytes]] = []

    def prepare(self, uploads: int = 1500) -> None:
        """Bring what is published meanwhile, and publish what is installed."""
        self.workstation.check_output(f"rm -rf {DIRECTORY} && install -d -m 1777 {DIRECTORY}")
        archive = BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            run = int(time.time())  # versions that no run before has published
            for version in [f"1.{run}", *(f"2.{run}.{number}" for number in range(1, uploads))]:
                wheel = Wheel("acme_rotation", version, {"acme_rotation/__init__.py": b""})
                info = tarfile.TarInfo(wheel.filename)
                content = wheel.build()
                info.size = len(content)
                tar.addfile(info, BytesIO(content))
        name = self.workstation.backend.name
        subprocess.run(["docker", "cp", "-", f"{name}:{DIRECTORY}"], input=archive.getvalue(), check=True)
        self.office.publish_as("ada", f"uv publish -q {DIRECTORY}/acme_rotation-1.*.whl")
        create = f"wheelhouse token create ada 'rotation {run}' --publish {NAME} --no-install --for 1d"
        made = self.office.host("index").check_output(f"docker exec wheelhouse-index {create}")
        self.workstation.check_output("install -o ada -m 600 /dev/null %s && echo %s >%s", TOKEN, made, TOKEN)

    def start(self) -> None:
        """Returns when each job has had a turn that went well."""
        for job, (person, script) in JOBS.items():
            loop = f"""
            {script}
            while [ ! -e {OVER} ]; do
                if turn >{DIRECTORY}/{job}.said 2>&1; then echo good; else echo BAD "$(date +%T)"; cat {DIRECTORY}/{job}.said; fi
                sleep 1 # so that something of the machine is left for the run
            done >{DIRECTORY}/{job}.log 2>&1
            """
            command = ["docker", "exec", self.workstation.backend.name, "su", "-", person, "-c", loop]
            self._running.append(subprocess.Popen(command))
        self.a_turn_of_each()

    def a_turn_of_each(self) -> None:
        """Wait until each job has had a whole turn from now on."""
        before = {job: self.turns(job) for job in JOBS}
        eventually(lambda: all(self.turns(job) >= before[job] + 2 for job in JOBS), "a turn of each job", 300)

    def turns(self, job: str) -> int:
        return sum(line.startswith(("good", "BAD ")) for line in self.log(job).splitlines())

    def log(self, job: str) -> str:
        return str(self.workstation.run(f"cat {DIRECTORY}/{job}.log").stdout)

    def finish(self) -> dict[str, str]:
        """End the loops; what each job wrote besides that all was well."""
        self.workstation.check_output(f"touch {OVER}")
        for process in self._running:
            process.wait(120)
        self._running.clear()
        return {job: "\n".join(line for line in self.log(job).splitlines() if line != "good") for job in JOBS}
