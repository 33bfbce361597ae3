"""A small program that runs a command in its own process group and kills the whole group when its owner dies.

`python -I -S group_guard.py OWNER_FD COMMAND...`, started as the leader of a new session. OWNER_FD: the read end of a
pipe whose other end only the owner has open, so that end of file means that the owner is gone, however it ended. The
parent-death signal alone is not enough: it reaches the command, but not the processes that the command started.
"""

import os
import select
import signal
import subprocess
import sys

KILLED = 128  # a command that a signal ended gives the exit status 128 + signal, as in a shell


def main() -> int:
    """Returns the command's exit status; does not return when the owner is gone."""
    owner, command = int(sys.argv[1]), sys.argv[2:]
    os.set_inheritable(owner, False)
    wake_read, wake_write = os.pipe()
    for end in (wake_read, wake_write):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(wake_write)
    signal.signal(signal.SIGCHLD, lambda *_: None)  # the signal only has to wake select
    child = subprocess.Popen(command)
    while child.poll() is None:
        ready, _, _ = select.select([owner, wake_read], [], [])
        if owner in ready:
            os.killpg(0, signal.SIGKILL)
        os.read(wake_read, 64)
    return child.returncode if child.returncode >= 0 else KILLED - child.returncode


if __name__ == "__main__":
    sys.exit(main())
