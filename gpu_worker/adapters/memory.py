"""Samples memory from /proc: how much the worker and the tool it runs take together at most."""

import os
from pathlib import Path


class PeakMemory:
    """Remembers the largest sum it has seen, in KiB; None until anything could be read (only Linux has /proc)."""

    def __init__(self) -> None:
        self.peak_kb: int | None = None

    def sample(self, *child_pids: int) -> None:
        """Adds one observation of this process and its children; a child that is gone counts as nothing."""
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
