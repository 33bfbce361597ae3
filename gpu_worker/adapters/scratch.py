"""Private scratch directories, one for each run, and the removal of those that were left behind."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PREFIX = "run-"  # only directories with this prefix are ever removed: WORK_DIR may hold other things


@contextmanager
def run_directory(work_dir: Path) -> Iterator[Path]:
    """Yields a new empty directory that only this user may enter; it is removed afterwards, whatever happens."""
    work_dir.mkdir(parents=True, exist_ok=True)
    path = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=work_dir))
    try:
        yield path
    finally:
        shutil.rmtree(path)


def sweep(work_dir: Path) -> int:
    """Removes the directories of runs whose process is gone, and returns their number. Call it at the start.

    Directories of other live workers on the same machine stay. This process has no run yet, so a directory with its id
    is left over from before a restart: in a container process ids repeat.
    """
    found = [path for path in work_dir.glob(f"{PREFIX}*-*") if path.is_dir() and not path.is_symlink()]
    left_behind = [path for path in found if not _is_in_use(path.name)]
    for path in left_behind:
        shutil.rmtree(path)
    return len(left_behind)


def _is_in_use(name: str) -> bool:
    owner = name.split("-")[1]
    if not owner.isdigit() or int(owner) == os.getpid():
        return False
    return Path("/proc", owner).exists()
