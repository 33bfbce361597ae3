"""Decides when a node is hopeless. Salad then keeps away from it for 48 hours: one bad job never suffices."""

from dataclasses import dataclass, replace
from enum import StrEnum

# Two poisoned GPUs within this time are the card or its driver; further apart they may be two unlucky jobs.
GPU_WINDOW_SEC = 600.0
POISONED = "the GPU failed under two jobs within 10 minutes, with no success between"
DISK_TOO_SMALL = "disk too small: it was full under two jobs in a row"


class RunEnd(StrEnum):
    """What a run's end says about the node."""

    VIDEO = "video"
    GPU_FAULT = "gpu_fault"
    DISK_FULL = "disk_full"
    HOPELESS = "hopeless"
    NOTHING = "nothing"  # a fault of the input, of the network, or of nobody


@dataclass(frozen=True)
class Strike:
    """One fault of the node. at: monotonic seconds."""

    job_id: str
    at: float


@dataclass(frozen=True)
class Record:
    """The faults since the last video that a second one would make a verdict."""

    gpu: Strike | None = None
    disk: Strike | None = None


def judge(record: Record, job_id: str, end: RunEnd, now: float) -> tuple[Record, str | None]:
    """Takes a run's end in; gives the record from now on, and why the node is hopeless, or None while it is not.

    The same job twice is one fault: the job may be what breaks the node. now: monotonic seconds.
    """
    strike = Strike(job_id, now)
    if end is RunEnd.VIDEO:
        return Record(), None
    if end is RunEnd.GPU_FAULT:
        before = record.gpu
        is_second = before is not None and before.job_id != job_id and now - before.at <= GPU_WINDOW_SEC
        return replace(record, gpu=strike), POISONED if is_second else None
    if end is RunEnd.DISK_FULL:
        is_second = record.disk is not None and record.disk.job_id != job_id
        return replace(record, disk=strike), DISK_TOO_SMALL if is_second else None
    return record, None
