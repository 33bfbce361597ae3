"""Runs a command that the kernel kills when its parent process dies.

Run as `python -I -S die_with_parent.py PARENT_PID COMMAND...`; it replaces itself by the command. It is a wrapper and
not a `preexec_fn`, because the simulators spawn from threads, where forked Python code can deadlock. The kernel sends
the signal when the *thread* that forked ends (prctl(2), PR_SET_PDEATHSIG): spawn from a thread that lives long enough.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # <sys/prctl.h>


def main() -> None:
    """Sets the parent-death signal, checks that the parent still lives, and executes the command."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        sys.exit("die_with_parent: prctl failed")
    if os.getppid() != parent:  # it died before the signal was set
        sys.exit("die_with_parent: the parent process has ended")
    os.execvp(command[0], command)  # noqa: S606  the wrapper exists to become its argument list


if __name__ == "__main__":
    main()
