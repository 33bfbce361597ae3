"""Tells a full disk from everything that it looks like: a tool that fails, a file cut short, a fault of our own."""

import errno
import shutil
from collections.abc import Iterator
from pathlib import Path

from gpu_worker.domain.failures import DiskFullError, ErrorCode, JobError, disk_is_full

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
SAID = "No space left on device"  # the C library's words, with which ffmpeg ends
# A run that fails with less than this left failed for it: encoders lose their last buffer without a word, and ffmpeg
# may then end well. 64 KiB is one write of theirs.
NO_ROOM = 64 * 1024
# What a file that was cut short by a full disk looks like to the stages after it.
LOOKS_LIKE = frozenset(
    {ErrorCode.MEDIA_CORRUPT, ErrorCode.OUTPUT_VERIFICATION_FAILED, ErrorCode.INTERNAL, ErrorCode.GPU_FAULT}
)


def require_free(directory: Path, min_bytes: int) -> None:
    """Returns when a directory's disk has that much room; raises DiskFullError."""
    directory.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(directory).free
    if free < min_bytes:
        raise disk_is_full(f"{free} bytes are free, a run needs {min_bytes}")


def explain(error: Exception, directory: Path) -> DiskFullError | None:
    """Gives the failure of a full disk when that is what an error comes from, else None; call it before the run's
    directory is emptied. directory: on the disk in question."""
    if isinstance(error, DiskFullError):
        return error
    if any(_says_full(one) for one in _chain(error)):
        return disk_is_full(_words(error))
    is_suspect = not isinstance(error, JobError) or error.code in LOOKS_LIKE
    if is_suspect and directory.exists() and shutil.disk_usage(directory).free < NO_ROOM:
        return disk_is_full(_words(error))
    return None


def _says_full(error: BaseException) -> bool:
    if isinstance(error, OSError):
        return error.errno in FULL
    text = error.detail if isinstance(error, JobError) else str(getattr(error, "tail", ""))
    return SAID in text


def _words(error: Exception) -> str:
    detail = error.detail if isinstance(error, JobError) else ""
    return detail or f"{type(error).__name__}: {error}"


def _chain(error: BaseException) -> Iterator[BaseException]:
    link: BaseException | None = error
    while link is not None:
        yield link
        link = link.__cause__ or link.__context__
