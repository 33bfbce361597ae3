"""A small program that asks the kernel to kill it when the worker dies, then runs a tool in its place.

`python -I -S die_with_parent.py PARENT_PID COMMAND...`. It is a separate program because the worker has threads, and
Python code between fork and exec may deadlock there (subprocess documentation, `preexec_fn`). prctl(2): the signal
belongs to the thread that started the child, and survives the exec.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # from <sys/prctl.h>


def main() -> None:
    """Sets the signal and execs the command; exits with a message when it cannot."""
    parent_pid, command = int(sys.argv[1]), sys.argv[2:]
    if ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        sys.exit("cannot ask for the parent-death signal")
    if os.getppid() != parent_pid:
        sys.exit("the parent ended before its signal was set")
    os.execv(command[0], command)  # noqa: S606  an argument list, no shell


if __name__ == "__main__":
    main()
