"""Hands out private scratch directories, one a run, and removes what was left behind."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PREFIX = "run-"  # only directories with this prefix are ever removed: WORK_DIR may hold other things


@contextmanager
def run_directory(work_dir: Path) -> Iterator[Path]:
    """Gives a new empty directory that only this user may enter; it is gone afterwards, whatever happens."""
    work_dir.mkdir(parents=True, exist_ok=True)
    path = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=work_dir))
    try:
        yield path
    finally:
        shutil.rmtree(path)


def sweep(work_dir: Path) -> int:
    """Removes the directories of runs whose process is gone, to be called at start; gives their number.

    Those of other live workers on the same machine stay. Our own process id cannot have a run yet: a directory
    with it comes from before a restart, as in a container, where process ids repeat.
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
