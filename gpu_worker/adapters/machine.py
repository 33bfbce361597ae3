"""Reads what the container may use of the machine."""

from pathlib import Path

CGROUP_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)  # v2, v1
KIB = 1024


def memory_bytes() -> int | None:
    """Gives the smaller of the container's limit and the machine's memory; None where neither can be read."""
    found = [limit for limit in map(_limit, CGROUP_LIMITS) if limit is not None]
    total = _total()
    return min([*found, total] if total is not None else found, default=None)


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
