"""Reads replicas, waiting and running jobs and means from the snapshots. Pure."""

from collections.abc import Iterable, Sequence

from avatar_jobs.domain.salad import QueueView
from avatar_jobs.domain.scaling.model import HISTORY_SEC, GroupConfig, ScalingConfig, Snapshot

MEANS_SEC = (900.0, 3600.0)  # the windows of the rule `windowed`


def snapshot_of(at: float, queue: QueueView | None, running_jobs: int | None) -> Snapshot:
    """Returns what is known at one moment. at: seconds since the epoch; queue: None when Salad gave no answer."""
    if queue is None:
        return Snapshot(at, None, running_jobs, None)
    groups = {name: group.counts for name, group in queue.groups.items()}
    return Snapshot(at, queue.length, running_jobs, groups or None)


def recent(now: float, history: Iterable[Snapshot], seconds: float) -> list[Snapshot]:
    """Returns the snapshots of the last seconds, oldest first, without those that are later than now."""
    found = [snapshot for snapshot in history if now - seconds <= snapshot.at <= now]
    return sorted(found, key=lambda snapshot: snapshot.at)


def replicas_now(history: Sequence[Snapshot], group: GroupConfig) -> int | None:
    """Returns the replicas in the newest snapshot that has the group, None when none has it."""
    for snapshot in reversed(history):
        counts = snapshot.counts(group)
        if counts is not None:
            return counts.replicas
    return None


def running_instances(snapshot: Snapshot, groups: Iterable[GroupConfig]) -> int:
    """Returns the running instances of the groups; a group whose count is unknown counts with its replicas."""
    total = 0
    for group in groups:
        counts = snapshot.counts(group)
        if counts is not None:
            total += counts.replicas if counts.running is None else counts.running
    return total


def work_of(snapshot: Snapshot, config: ScalingConfig) -> tuple[int, int] | None:
    """Returns (running jobs, waiting jobs), None when the queue's length is unknown."""
    queue, running = snapshot.queue_length, snapshot.running_jobs
    if queue is None:
        return None
    instances = running_instances(snapshot, config.groups)
    if config.queue_includes_running:
        running = min(queue, instances) if running is None else running
        return running, max(0, queue - running)
    if running is None:
        running = instances if queue > 0 else 0
    return running, queue


def need_of(snapshot: Snapshot, config: ScalingConfig) -> float | None:
    """Returns the scaled replicas that a snapshot needs: one per running job, and enough to empty the queue within
    drain_sec, at most one per waiting job. None when the queue's length is unknown."""
    work = work_of(snapshot, config)
    if work is None:
        return None
    running, waiting = work
    warm_sec = config.scaled[0].warm_sec if config.scaled else 0.0
    return running * (1 + config.slack) + waiting * min(1.0, warm_sec / config.drain_sec) - config.always_on


def mean_queue(now: float, history: Iterable[Snapshot], seconds: float) -> float | None:
    """Returns the mean of the queue's length over the last seconds, None when it was never known."""
    lengths = [snapshot.queue_length for snapshot in recent(now, history, seconds)]
    known = [length for length in lengths if length is not None]
    return sum(known) / len(known) if known else None


def mean_need(now: float, history: Iterable[Snapshot], config: ScalingConfig, tick_sec: float) -> float:
    """Returns the mean need of the last hour; time without a snapshot counts as no need."""
    needs = [need_of(snapshot, config) for snapshot in recent(now, history, HISTORY_SEC)]
    return sum(max(0.0, need) for need in needs if need is not None) * tick_sec / HISTORY_SEC
