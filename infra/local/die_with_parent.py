"""Becomes the command behind its first argument after asking the kernel to kill it when its parent dies.

Run as `python -I -S die_with_parent.py PARENT_PID COMMAND...`. A wrapper instead of `preexec_fn`, because the
simulators spawn from threads and forked Python code there can deadlock. The kernel's signal is tied to the
*thread* that forked: spawn from one that lives as long as the children shall (prctl(2), PR_SET_PDEATHSIG).
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # <sys/prctl.h>


def main() -> None:
    """Sets the parent-death signal, checks that the parent still lives, and execs the command."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        sys.exit("die_with_parent: prctl failed")
    if os.getppid() != parent:  # it died before the signal was armed
        sys.exit("die_with_parent: the parent is gone")
    os.execvp(command[0], command)  # noqa: S606  the wrapper exists to become its argument list


if __name__ == "__main__":
    main()
