"""Recognises a full disk behind an error that looks like a failed tool, a damaged file or an internal error."""

import errno
import shutil
from collections.abc import Iterator
from pathlib import Path

from gpu_worker.domain.failures import DiskFullError, ErrorCode, JobError, disk_is_full

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
MESSAGE = "No space left on device"  # the C library's message, with which ffmpeg ends
# A run that fails with less room than this failed because of it: encoders lose their last buffer without a message, and
# ffmpeg may still end with 0. One of their writes has 64 KiB.
NO_ROOM = 64 * 1024
# How a file that a full disk cut short fails in the stages after it.
SUSPECTS = frozenset(
    {ErrorCode.MEDIA_CORRUPT, ErrorCode.OUTPUT_VERIFICATION_FAILED, ErrorCode.INTERNAL, ErrorCode.GPU_FAULT}
)


def require_free(directory: Path, min_bytes: int) -> None:
    """Checks that a directory's disk has so much free room; raises DiskFullError."""
    directory.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(directory).free
    if free < min_bytes:
        raise disk_is_full(f"{free} bytes are free, a run needs {min_bytes}")


def explain(error: Exception, directory: Path) -> DiskFullError | None:
    """Returns the failure of a full disk when an error comes from one, else None; call it before the run's directory is
    removed. directory: on the disk in question."""
    if isinstance(error, DiskFullError):
        return error
    if any(_says_full(one) for one in _chain(error)):
        return disk_is_full(_detail(error))
    is_suspect = not isinstance(error, JobError) or error.code in SUSPECTS
    if is_suspect and directory.exists() and shutil.disk_usage(directory).free < NO_ROOM:
        return disk_is_full(_detail(error))
    return None


def _says_full(error: BaseException) -> bool:
    if isinstance(error, OSError):
        return error.errno in FULL
    text = error.detail if isinstance(error, JobError) else str(getattr(error, "tail", ""))
    return MESSAGE in text


def _detail(error: Exception) -> str:
    detail = error.detail if isinstance(error, JobError) else ""
    return detail or f"{type(error).__name__}: {error}"


def _chain(error: BaseException) -> Iterator[BaseException]:
    link: BaseException | None = error
    while link is not None:
        yield link
        link = link.__cause__ or link.__context__
