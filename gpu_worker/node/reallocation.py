"""Decides when a node is hopeless. Salad then does not use it for 48 hours, so one bad job is never enough."""

from dataclasses import dataclass, replace
from enum import StrEnum

# Two GPU faults within this time come from the card or its driver; further apart they may be two unlucky jobs.
GPU_WINDOW_SEC = 600.0
GPU_BROKEN = "the GPU failed under two jobs within 10 minutes, with no success between"
DISK_TOO_SMALL = "disk too small: it was full under two jobs in a row"


class RunEnd(StrEnum):
    """The end of a run, by what it says about the node."""

    VIDEO = "video"
    GPU_FAULT = "gpu_fault"
    DISK_FULL = "disk_full"
    HOPELESS = "hopeless"
    NOTHING = "nothing"  # nothing about the node: a fault of the input or the network, or none


@dataclass(frozen=True)
class Strike:
    """One fault of the node. at: monotonic seconds."""

    job_id: str
    at: float


@dataclass(frozen=True)
class Record:
    """The latest fault of each kind since the last video; a second one gives the node up."""

    gpu: Strike | None = None
    disk: Strike | None = None


def judge(record: Record, job_id: str, end: RunEnd, now: float) -> tuple[Record, str | None]:
    """Records a run's end; returns the new record, and why the node is hopeless, or None while it is not.

    The same job twice counts as one fault, because the job may cause it. now: monotonic seconds.
    """
    strike = Strike(job_id, now)
    if end is RunEnd.VIDEO:
        return Record(), None
    if end is RunEnd.GPU_FAULT:
        before = record.gpu
        is_second = before is not None and before.job_id != job_id and now - before.at <= GPU_WINDOW_SEC
        return replace(record, gpu=strike), GPU_BROKEN if is_second else None
    if end is RunEnd.DISK_FULL:
        is_second = record.disk is not None and record.disk.job_id != job_id
        return replace(record, disk=strike), DISK_TOO_SMALL if is_second else None
    return record, None
