"""Notices a queue worker that may have stopped asking for jobs, and cures it by a turn of the readiness.

Salad's queue worker stops for good when the queue answers NOT_FOUND to its stream; its process lives on, and only a
readiness that goes and comes back starts it again. From here a queue without jobs looks the same, so the cure is due
after a long time without a job, and costs an idle instance a quarter of a minute.
"""

from dataclasses import dataclass

# Between the turn of the metadata service and the end of the cure. The queue worker asks the service every 5 s: two of
# its looks, and time for the second to be answered.
SEEN_SEC = 12.0
# A probe turns after its period times its failure threshold, 30 s as Salad's examples set them. Where the service does
# not say within this time that the instance is not ready there is no readiness probe, or no service.
UNSEEN_SEC = 120.0


@dataclass(frozen=True)
class Watching:
    """Nothing is wrong. since: when there last was a sign of life, or a cure; monotonic seconds."""

    since: float


@dataclass(frozen=True)
class Curing:
    """The health check says not ready. began, seen: monotonic seconds; seen: when the service said so too."""

    began: float
    seen: float | None = None


WatchState = Watching | Curing


@dataclass(frozen=True)
class Observation:
    """What is known. now, last_job: monotonic seconds, last_job: when a job was last in the run slot, now while one is;
    is_able: whether the health check would say ready; told_ready: what the metadata service says, None if unknown."""

    now: float
    last_job: float
    is_able: bool
    told_ready: bool | None


def step(state: WatchState, seen: Observation, idle_sec: float, seen_sec: float = SEEN_SEC) -> WatchState:
    """Gives the next state; idle_sec: how long without a job is too long."""
    if not seen.is_able:  # not ready for another reason: the queue worker gets its turn from that
        return Watching(seen.now)
    if isinstance(state, Watching):
        since = max(state.since, seen.last_job)
        return Curing(seen.now) if seen.now - since >= idle_sec else Watching(since)
    if seen.last_job > state.began:
        return Watching(seen.last_job)
    if state.seen is not None:
        return Watching(seen.now) if seen.now - state.seen >= seen_sec else state
    if seen.told_ready is False:
        return Curing(state.began, seen.now)
    return Watching(seen.now) if seen.now - state.began >= UNSEEN_SEC else state


def outcome(state: Curing, seen: Observation) -> str:
    """Names a cure's end for the log: `seen`, `unseen`, `job` (one arrived) or `not_ready` (for another reason)."""
    if not seen.is_able:
        return "not_ready"
    if seen.last_job > state.began:
        return "job"
    return "unseen" if state.seen is None else "seen"
