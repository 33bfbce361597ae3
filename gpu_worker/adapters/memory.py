"""Reads memory from the kernel: what the container may use, and what the worker and its tools take together at most."""

import os
from pathlib import Path

CGROUP_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)  # v2, v1
KIB = 1024


def memory_bytes() -> int | None:
    """Returns the smaller of the container's limit and the machine's memory; None where neither can be read."""
    found = [limit for limit in map(_limit, CGROUP_LIMITS) if limit is not None]
    total = _total()
    return min([*found, total] if total is not None else found, default=None)


class PeakMemory:
    """The largest memory that was sampled, in KiB; None until anything could be read (only Linux has /proc)."""

    def __init__(self) -> None:
        self.peak_kb: int | None = None

    def sample(self, *child_pids: int) -> None:
        """Samples this process and its children once; a child that is gone counts as 0."""
        own = _resident_kb(os.getpid())
        if own is not None:
            children = sum(_resident_kb(pid) or 0 for pid in child_pids)
            self.peak_kb = max(self.peak_kb or 0, own + children)


def _resident_kb(pid: int) -> int | None:
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    sizes = [line.split()[1] for line in lines if line.startswith("VmRSS:")]
    return int(sizes[0]) if sizes else None


def _limit(path: Path) -> int | None:
    try:
        text = path.read_text(encoding="ascii").strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None


def _total() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    sizes = [int(line.split()[1]) * KIB for line in lines if line.startswith("MemTotal:")]
    return sizes[0] if sizes else None
