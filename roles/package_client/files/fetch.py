"""Fetch a file by the environment's proxy variables, which no module of Ansible's can be given without showing them.

python3 -c PROGRAM URL PATH
"""

import shutil
import sys
import urllib.error
import urllib.request

url, path = sys.argv[1:]
try:
    with urllib.request.urlopen(url, timeout=60) as answer, open(path, "wb") as file:
        shutil.copyfileobj(answer, file, 2**20)
except urllib.error.HTTPError as error:
    sys.exit(f"{url} is answered with {error.code} {error.reason}.")
except OSError as error:
    sys.exit(f"{url} cannot be fetched: {getattr(error, 'reason', error)}.")
