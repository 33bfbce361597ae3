"""Changes a stored job: read, change, write; after a conflict with another writer, again. Both stores use it."""

from collections.abc import Callable

from avatar_jobs.domain.errors import StorageUnavailableError
from avatar_jobs.domain.job.model import Job
from avatar_jobs.domain.retry_policy import conflict_delay
from avatar_jobs.ports.jobs import StoredJob, Updated

# 20 writers at once on the emulator need about 8 rounds; after 30 something other than a race is wrong.
MAX_ROUNDS = 30


def update_optimistically(
    *,
    read: Callable[[], StoredJob | None],
    write: Callable[[Job, str], StoredJob | None],
    change: Callable[[Job], Job],
    known: StoredJob | None,
    pause: Callable[[float], None],
    jitter: Callable[[], float],
    on_conflict: Callable[[], None],
) -> Updated | None:
    """Applies a pure change to one job. Returns None when the job does not exist.

    read: reads the job; write: writes a job when the stored version is still the given one, returns None otherwise;
    change: may run several times; known: the job as the caller has just read it, which saves the first read; pause:
    sleeps for some seconds; jitter: returns 0.0 to 1.0; on_conflict: is called after each conflict. Raises
    StorageUnavailableError after MAX_ROUNDS conflicts.
    """
    stored = known or read()
    for tries in range(MAX_ROUNDS):
        if stored is None:
            return None
        changed = change(stored.job)
        if changed is stored.job:
            return Updated(stored.job, stored)
        written = write(changed, stored.version)
        if written:
            return Updated(stored.job, written)
        on_conflict()
        pause(conflict_delay(tries, jitter()))
        stored = read()
    raise StorageUnavailableError(f"{MAX_ROUNDS} writes in a row conflicted with another writer")
