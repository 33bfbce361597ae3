"""Reads jobs past records that this release cannot read: such a record never hides another. For every store."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from avatar_jobs.domain.errors import RecordUnreadableError, StorageUnavailableError
from avatar_jobs.domain.job.model import Job
from avatar_jobs.ports.jobs import (
    DUE_ROUNDS,
    LIST_ROUND_SIZE,
    LIST_ROUNDS,
    JobFilter,
    OnUnreadable,
    StoredJob,
)

Place = TypeVar("Place")  # what a store needs to write to a record that it cannot read
Unreadable = Sequence[tuple[RecordUnreadableError, Place]]
# One record of a list: the job, or why it cannot be read; created_at, None when it is damaged too; the id.
Listed = tuple[Job | RecordUnreadableError, datetime | None, str]


def due_jobs(
    read: Callable[[], tuple[Sequence[StoredJob], Unreadable[Place]]],
    move_on: Callable[[Unreadable[Place]], bool] | None,
    on_unreadable: OnUnreadable,
    limit: int,
) -> Sequence[StoredJob]:
    """Returns the due jobs, after the unreadable records among them were moved on, so that others can take their place.

    read: returns at most `limit` due records, readable and unreadable ones apart; move_on: gives unreadable records a
    later time and returns False when the store refuses, None when they stay where they are.
    """
    due: Sequence[StoredJob] = ()
    for _ in range(DUE_ROUNDS):
        due, unreadable = read()
        for error, _place in unreadable:
            on_unreadable(error, put_aside=move_on is not None)
        if move_on is None or not unreadable or not move_on(unreadable):
            break
        if len(due) + len(unreadable) < limit:  # else they may have hidden others
            break
    return due


def listed_jobs(
    read: Callable[[JobFilter, int], Sequence[Listed]], wanted: JobFilter, limit: int, on_unreadable: OnUnreadable
) -> Sequence[Job]:
    """Returns at most `limit` jobs of a list, without the records that cannot be read.

    read: returns at most that many records that match the filter. Raises StorageUnavailableError when too many of them
    cannot be read.
    """
    jobs: list[Job] = []
    asked = limit
    for _ in range(LIST_ROUNDS):
        records = read(wanted, asked)
        for job, _created_at, _id in records:
            if isinstance(job, Job):
                jobs.append(job)
            else:
                on_unreadable(job, put_aside=False)
        last_at, last_id = records[-1][1:] if records else (None, "")
        if len(jobs) >= limit or len(records) < asked or last_at is None:
            return jobs[:limit]
        wanted, asked = replace(wanted, position=(last_at, last_id)), LIST_ROUND_SIZE
    raise StorageUnavailableError("too many records of this list cannot be read")
