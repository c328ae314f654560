# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""Work in people's homes with their own rights, for modules that run as root: a link leads no further."""

from __future__ import annotations

import json
import os
import pwd


class PersonError(Exception):
    """What went wrong with somebody's files, in a sentence."""


def account(name):
    """The passwd entry of `name`, or None."""
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def as_person(owner, work):
    """What `work()` returns, called in a process that has become `owner`, a passwd entry; it has to fit into JSON.

    Raises PersonError.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        answer = {"fault": "the process was stopped"}
        try:
            os.initgroups(owner.pw_name, owner.pw_gid)
            os.setgid(owner.pw_gid)
            os.setuid(owner.pw_uid)
            os.umask(0o077)
            answer = {"result": work()}
        except OSError as exc:
            answer = {"fault": f"{exc.filename}: {exc.strerror}"}
        except BaseException as exc:
            answer = {"fault": f"{type(exc).__name__}: {exc}"}
        finally:
            with os.fdopen(writer, "wb") as stream:
                stream.write(json.dumps(answer).encode())
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        answer = json.loads(stream.read() or b'{"fault": "the process ended without a word"}')
    os.waitpid(child, 0)
    if "fault" in answer:
        raise PersonError("As {}: {}".format(owner.pw_name, answer["fault"]))
    return answer["result"]
