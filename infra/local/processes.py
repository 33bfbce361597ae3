"""Starts and kills the rehearsal's child processes, so that none outlives its parent."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

NEW_GROUP = 0
WRAPPER = Path(__file__).with_name("die_with_parent.py")


def spawn(
    command: Sequence[str], env: Mapping[str, str], cwd: Path | None = None, *, process_group: int
) -> subprocess.Popen[bytes]:
    """Starts a child that the kernel kills when the calling thread ends; its output goes to our standard error.

    command: argument list; env: the child's whole environment; cwd: its working directory (ours if None);
    process_group: the group to join, or NEW_GROUP to lead a new one. Call it from a thread that lives as long as the
    child should (see die_with_parent.py).
    """
    wrapped = [sys.executable, "-I", "-S", str(WRAPPER), str(os.getpid()), *command]
    return subprocess.Popen(
        wrapped,
        env=dict(env),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        process_group=process_group,
    )


def kill_group(process_group: int) -> None:
    """Sends SIGKILL to a process group; does nothing when it has ended already."""
    try:
        os.killpg(process_group, signal.SIGKILL)
    except ProcessLookupError:
        return
