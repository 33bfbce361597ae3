"""Runs a command in this process's own group and takes the whole group down when its owner dies.

`python -I -S group_guard.py OWNER_FD COMMAND...`, started as the leader of a new session. OWNER_FD: the read end of a
pipe whose other end only the owner holds, so that its end of file means that the owner is gone, however it ended. The
parent-death signal alone would not do: it reaches the command, and not what the command has started itself.
"""

import os
import select
import signal
import subprocess
import sys

KILLED = 128  # a command that a signal ended is told as 128 + signal, as shells do


def main() -> int:
    """Gives the command's exit status; does not return when the owner is gone."""
    owner, command = int(sys.argv[1]), sys.argv[2:]
    os.set_inheritable(owner, False)
    wake_read, wake_write = os.pipe()
    for end in (wake_read, wake_write):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(wake_write)
    signal.signal(signal.SIGCHLD, lambda *_: None)  # only to be woken by it
    child = subprocess.Popen(command)
    while child.poll() is None:
        ready, _, _ = select.select([owner, wake_read], [], [])
        if owner in ready:
            os.killpg(0, signal.SIGKILL)
        os.read(wake_read, 64)
    return child.returncode if child.returncode >= 0 else KILLED - child.returncode


if __name__ == "__main__":
    sys.exit(main())
