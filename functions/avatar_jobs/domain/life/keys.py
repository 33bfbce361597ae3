"""The storage keys of a job: remembered with each dispatch, and put on the agenda for deletion when the job is over."""

from avatar_jobs.domain import events as ev
from avatar_jobs.domain.jobs import Job, Timer
from avatar_jobs.domain.life.common import noted, timers_with, with_revocation
from avatar_jobs.domain.upload_keys import remembered


def with_key(job: Job, key_id: str | None) -> Job:
    """The job that knows one more key; the same when there is none, or it was known."""
    keys = remembered(job.upload_key_ids, key_id)
    return job if keys == job.upload_key_ids else job.model_copy(update={"upload_key_ids": keys})


def late_key(job: Job, event: ev.DispatchSent | ev.DispatchUnsent | ev.DispatchUnknown) -> Job:
    """A dispatch whose outcome comes after the job's end leaves a key to delete, and changes nothing else."""
    known = with_key(job, event.upload_key_id)
    return job if known is job else with_revocation(known, event.at)


def keys_revoked(job: Job, event: ev.KeysRevoked) -> Job:
    left = tuple(key_id for key_id in job.upload_key_ids if key_id not in event.key_ids)
    if left == job.upload_key_ids:
        return job
    due = job.timers.get(Timer.REVOKE) if left else None
    changed = job.model_copy(update={"upload_key_ids": left, "timers": timers_with(job, revoke=due)})
    return noted(changed, event.at, "keys_revoked", str(len(event.key_ids)))
