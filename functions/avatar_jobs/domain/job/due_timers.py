"""Which of a job's due timers the tick serves first."""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import TypeVar

from avatar_jobs.domain.job.model import Job, Timer

Item = TypeVar("Item")

# VERIFY comes before the deadlines: a finished video counts even if the deadline has passed. The deadlines come before
# DISPATCH: a job past its deadline must not be sent. CANCEL, SILENCE and DISPATCH need Salad, so they come after the
# timers that can be served when the tick has used its share of Salad's calls.
ORDER = (
    Timer.VERIFY,
    Timer.CALLBACK,
    Timer.RUN_DEADLINE,
    Timer.START_DEADLINE,
    Timer.CANCEL,
    Timer.SILENCE,
    Timer.DISPATCH,
    Timer.CLEANUP,
    Timer.REVOKE,
    Timer.PURGE,
)


class Lane(StrEnum):
    """The kinds of work that a tick does side by side, so that a burst of one delays none of the others."""

    JOBS = "jobs"  # what unfinished jobs and their apps wait for
    CALLBACKS = "callbacks"
    REMAINS = "remains"  # what finished jobs have left behind; nobody waits for it


LANES = {Timer.CALLBACK: Lane.CALLBACKS, **dict.fromkeys((Timer.CLEANUP, Timer.REVOKE, Timer.PURGE), Lane.REMAINS)}
# Within a lane these are served first: ends before beginnings, and what costs GPU time or opens a bucket before what
# only takes up space.
SOONEST = (Timer.RUN_DEADLINE, Timer.START_DEADLINE, Timer.VERIFY, Timer.CANCEL, Timer.CLEANUP, Timer.REVOKE)


def due_timer(job: Job, now: datetime) -> Timer | None:
    """Returns the due timer to serve first, None when none is due yet."""
    return next((timer for timer in ORDER if timer in job.timers and job.timers[timer] <= now), None)


def by_lane(due: Iterable[tuple[Timer, Item]], limit: int) -> dict[Lane, list[Item]]:
    """Returns what is due by lane, the most urgent first and otherwise in the given order; at most limit for each."""
    lanes: dict[Lane, list[Item]] = {lane: [] for lane in Lane}
    for timer, item in sorted(due, key=lambda one: one[0] not in SOONEST):
        lanes[LANES.get(timer, Lane.JOBS)].append(item)
    return {lane: items[:limit] for lane, items in lanes.items()}
