"""The one way to change a stored job: read, change, write if nobody was faster, else again."""

from collections.abc import Callable

from avatar_jobs.domain.errors import StorageUnavailableError
from avatar_jobs.domain.job.model import Job
from avatar_jobs.domain.retry_policy import conflict_delay
from avatar_jobs.ports.jobs import StoredJob, Updated

# 20 writers at once on the emulator need about 8 rounds; past 30 something else than a race is wrong.
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
    """Applies a pure change to one job; None when the job does not exist.

    read: reads it afresh; write: writes a job if the version still stands, None on conflict; known: saves the first
    read; pause: sleeps seconds; jitter: draws 0.0 to 1.0. Raises StorageUnavailableError after MAX_ROUNDS conflicts.
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
    raise StorageUnavailableError(f"{MAX_ROUNDS} writers in a row were faster")
