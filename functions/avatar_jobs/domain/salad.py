"""The contents of Salad's answers as plain values: the queue, its container groups and jobs, prices and quotas.

The adapter makes them from Salad's answers (protocol/salad_queue.py, protocol/salad_job.py). A count that is missing or
absurd is None: unknown. Each class checks its counts when it is made, so readers need not check them again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

INSTANCE_STATES = ("allocating", "creating", "running", "stopping")
ABSURD = 1_000_000  # more than any real queue or fleet has: a broken answer must not raise the fleet


def valid_count(value: Any) -> int | None:
    """Returns the value when it is a plausible count, else None."""
    is_count = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= ABSURD
    return value if is_count else None


@dataclass(frozen=True)
class GroupCounts:
    """The size of one container group: replicas asked for, and instances by state (None: unknown)."""

    replicas: int
    allocating: int | None = None
    creating: int | None = None
    running: int | None = None
    stopping: int | None = None

    def __post_init__(self) -> None:
        """Makes absurd counts of instances unknown."""
        for state in INSTANCE_STATES:
            object.__setattr__(self, state, valid_count(getattr(self, state)))


@dataclass(frozen=True)
class GroupView:
    """One container group that is attached to the queue.

    is_stopped: stopped or stopping; has_autoscaler: Salad's own autoscaler is on; gpu_class_ids: the classes that the
    group may get; priority: the priority at which its instances are billed.
    """

    counts: GroupCounts
    is_stopped: bool = False
    has_autoscaler: bool = False
    gpu_class_ids: Sequence[str] = ()
    priority: str = "high"


@dataclass(frozen=True)
class QueueView:
    """The queue and its fleet at one moment.

    length: jobs in the queue, None when unknown; groups: by name, those whose replicas are known; instances: of all
    groups together by state, where an unknown count is taken as 0.
    """

    length: int | None
    groups: Mapping[str, GroupView]
    instances: Mapping[str, int]


@dataclass(frozen=True)
class GpuClass:
    """One kind of GPU. prices: US dollars an hour by priority."""

    id: str
    prices: Mapping[str, float]

    def price_at(self, priority: str) -> float:
        """Returns US dollars an hour at this priority; 0 when Salad names no price for it."""
        return self.prices.get(priority, 0.0)


@dataclass(frozen=True)
class Quotas:
    """The organisation's quotas. container_replicas: replicas of all groups together, None when unknown."""

    container_replicas: int | None


@dataclass(frozen=True)
class QueueJob:
    """One job in Salad's queue. status: Salad's own word; output: the worker's answer as parsed JSON."""

    id: str
    status: str
    output: Any

    @property
    def is_over(self) -> bool:
        """Returns whether Salad will not run the job any more."""
        return self.status in ("succeeded", "failed", "cancelled")


@dataclass(frozen=True)
class SaladJob(QueueJob):
    """A queue job that belongs to one attempt of one of our jobs.

    job_id and attempt: our job and the number of its attempt; request_id: the request that created our job.
    """

    job_id: str
    attempt: int
    request_id: str


@dataclass(frozen=True)
class JobPage:
    """One page of the queue's history. ours: the jobs on it that are ours; is_last: no page follows."""

    ours: Sequence[SaladJob]
    is_last: bool
