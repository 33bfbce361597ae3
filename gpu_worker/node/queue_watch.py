"""Recognises a queue worker that may have stopped asking for jobs, and restarts it by turning readiness off and on.

After the queue answers NOT_FOUND to its stream, Salad's queue worker asks for no more jobs. Its process stays alive,
and asks again only after readiness was lost and came back. From inside the container a queue without jobs looks the
same, so this cure is due after a long time without a job; it costs an idle instance a quarter of a minute.
"""

from dataclasses import dataclass

# From the metadata service's first "not ready" to the end of the cure. The queue worker asks it every 5 s: time for two
# requests and the second answer.
SEEN_SEC = 12.0
# A probe changes after its period times its failure threshold, 30 s in Salad's examples. Where the service does not say
# "not ready" within this time, there is no readiness probe, or no service.
UNSEEN_SEC = 120.0


@dataclass(frozen=True)
class Watching:
    """State: nothing is wrong. since: when the last job or the last cure ended, monotonic seconds."""

    since: float


@dataclass(frozen=True)
class Curing:
    """State: the health check says not ready. began, seen: monotonic seconds; seen: when the service said so too."""

    began: float
    seen: float | None = None


WatchState = Watching | Curing


@dataclass(frozen=True)
class Observation:
    """The facts at one moment.

    now, last_job: monotonic seconds; last_job: when a job was last in the run slot, equal to now while one is there;
    is_able: whether the health check would say ready; told_ready: what the metadata service says, None if unknown.
    """

    now: float
    last_job: float
    is_able: bool
    told_ready: bool | None


def step(state: WatchState, seen: Observation, idle_sec: float, seen_sec: float = SEEN_SEC) -> WatchState:
    """Returns the next state; idle_sec: how long without a job is too long."""
    if not seen.is_able:  # not ready for another reason: that restarts the queue worker as well
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
    """Returns how a cure ended, for the log: `seen`, `unseen`, `job` (one arrived) or `not_ready` (another reason)."""
    if not seen.is_able:
        return "not_ready"
    if seen.last_job > state.began:
        return "job"
    return "unseen" if state.seen is None else "seen"
