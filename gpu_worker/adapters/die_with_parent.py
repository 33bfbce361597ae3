"""Asks the kernel to be killed when the worker dies, then becomes the tool that the worker wants to run.

`python -I -S die_with_parent.py PARENT_PID COMMAND...`. As a program of its own and not as code between fork and
exec, since the worker has threads and Python code there may deadlock (subprocess documentation, `preexec_fn`).
prctl(2): the signal is bound to the thread that started the child, and survives the exec.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # from <sys/prctl.h>


def main() -> None:
    """Arms the signal and execs the command; exits with a message when it cannot."""
    parent_pid, command = int(sys.argv[1]), sys.argv[2:]
    if ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        sys.exit("cannot ask for the parent-death signal")
    if os.getppid() != parent_pid:
        sys.exit("the parent ended before its signal was armed")
    os.execv(command[0], command)  # noqa: S606  no shell: the list is ours


if __name__ == "__main__":
    main()
