"""Finds the processes of this machine that belong to one that a test started."""

import os
from collections.abc import Collection
from pathlib import Path

from tests.support.waiting import PATIENCE_SEC, eventually


def descendants(pid: int) -> list[int]:
    """Returns the pids of all processes below this one."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found, waiting = [], [pid]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


def group_members(process_group: int) -> list[int]:
    """Returns the pids of the living processes of a process group."""
    members = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and is_alive(int(entry.name)):
            try:
                if os.getpgid(int(entry.name)) == process_group:
                    members.append(int(entry.name))
            except ProcessLookupError:
                continue
    return members


def is_alive(pid: int) -> bool:
    """Says whether the process still runs; a zombie does not."""
    fields = _stat(pid)
    return fields is not None and fields[0] not in {"Z", "X"}


def command_of(pid: int) -> str:
    """Returns the command line of a process, empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def await_end(pids: Collection[int], timeout_sec: float = PATIENCE_SEC) -> None:
    """Waits until none of these processes runs; fails with the command lines of those that still do."""
    try:
        eventually(lambda: not any(map(is_alive, pids)), timeout_sec)
    except AssertionError:
        living = [command_of(pid) for pid in pids if is_alive(pid)]
        raise AssertionError(f"still running after {timeout_sec} s: {living}") from None


def _stat(pid: int) -> list[str] | None:
    """Returns /proc/PID/stat from the state on (proc(5)), None when the process is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
