"""Nobody is left behind: what the launcher starts dies with it, even when it is killed without warning.

Run as a program of its own (`python -I -S keeper.py …`), in two roles that share a pipe:

* `run FD COMMAND…`: write our session's number into the pipe, then become the command. Every process it ever starts stays in
  that session, whatever process group it moves to (work horses do that).
* `watch FD`: collect the numbers (`-N` takes one back: the session has ended and its number may be given to a stranger).
  When the launcher's end of the pipe closes, kill everything in those sessions.

The number is written before the command begins, so there is no moment at which a child is alive and unknown.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Collection
from pathlib import Path

PATIENCE = 3.0  #: seconds for the killed to disappear


def members(sessions: Collection[int]) -> list[int]:
    """The living processes of these sessions."""
    return [pid for pid in _all_processes() if _session_of(pid) in sessions and not _is_dead(pid)]


def kill(sessions: Collection[int]) -> list[int]:
    """Kill every process of these sessions, also those that start meanwhile; who is left after a while."""
    until = time.monotonic() + PATIENCE
    while left := members(sessions):
        for pid in left:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() > until:
            break
        time.sleep(0.02)
    return left


def marked(mark: bytes) -> list[int]:
    """The living processes, ourselves excepted, whose environment holds `mark` (Linux; elsewhere none are found)."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark in (folder / "environ").read_bytes().split(b"\0") and int(folder.name) != os.getpid():
                found.append(int(folder.name))
    return found


def _all_processes() -> list[int]:
    if folders := [int(folder.name) for folder in Path("/proc").glob("[0-9]*")]:
        return folders
    listed = subprocess.run(["/bin/ps", "-axo", "pid="], capture_output=True, text=True, check=True)
    return [int(pid) for pid in listed.stdout.split()]


def _session_of(pid: int) -> int:
    try:
        return os.getsid(pid)
    except OSError:
        return -1


def _is_dead(pid: int) -> bool:
    """Dead and not yet fetched by its parent."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return False


def _watch(pipe: int) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # our end comes with the pipe's
    sessions: set[int] = set()
    with os.fdopen(pipe, "rb") as lines:
        for session in map(int, lines):
            (sessions.add if session > 0 else sessions.discard)(abs(session))
    kill(sessions)


def _run(pipe: int, command: list[str]) -> None:
    os.write(pipe, f"{os.getsid(0)}\n".encode())
    os.close(pipe)
    os.execvp(command[0], command)  # noqa: S606 -- the command is the launcher's own


if __name__ == "__main__":
    if sys.argv[1] == "watch":
        _watch(int(sys.argv[2]))
    else:
        _run(int(sys.argv[2]), sys.argv[3:])
