"""Samples memory from /proc: how much the worker and the tool it runs take together at most."""

import os
from pathlib import Path


class PeakMemory:
    """Remembers the largest sum it has seen, in KiB; None until anything could be read (only Linux has /proc)."""

    def __init__(self) -> None:
        self.peak_kb: int | None = None

    def sample(self, child_pid: int) -> None:
        """Adds one observation of this process and a child; a child that is gone counts as nothing."""
        own, child = _resident_kb(os.getpid()), _resident_kb(child_pid)
        if own is not None:
            self.peak_kb = max(self.peak_kb or 0, own + (child or 0))


def _resident_kb(pid: int) -> int | None:
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    sizes = [line.split()[1] for line in lines if line.startswith("VmRSS:")]
    return int(sizes[0]) if sizes else None
