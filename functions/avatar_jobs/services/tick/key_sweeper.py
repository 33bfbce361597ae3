"""Deletes storage keys that no finished job remembers: their maker died before it could write them down."""

from datetime import datetime, timedelta

from avatar_jobs.domain.errors import ProviderError, RecordUnreadableError
from avatar_jobs.domain.job.model import Job
from avatar_jobs.domain.upload_keys import ListedKey
from avatar_jobs.ports.jobs import JobStore
from avatar_jobs.ports.outside import Clock, EventLog
from avatar_jobs.ports.storage import UploadKeys

EVERY = timedelta(minutes=3)  # how often keys are listed: B2 bills this call, 1,000 keys each
MIN_AGE = timedelta(minutes=2)  # a key is written down within seconds; only its maker's death keeps it unknown for long
PAGES = 3  # of one sweep, and the jobs that it reads; the next sweep goes on where this one stopped
READS = 50


class KeySweeper:
    """Lists storage keys now and then, and deletes those of finished and of unknown jobs.

    A key's name holds its job, so it is found also when nobody wrote it down. A job is always written before its first
    key is made: a key of an unknown job belongs to a job whose record has been removed. upload_keys: None where no
    keys are made.
    """

    def __init__(self, *, store: JobStore, upload_keys: UploadKeys | None, clock: Clock, log: EventLog) -> None:
        self._store = store
        self._keys = upload_keys
        self._clock = clock
        self._log = log
        self._next_at: datetime | None = None  # an instance that has just begun waits, so that restarts cost nothing
        self._start: str | None = None  # the first key of the next sweep; a new instance begins with the first of all

    def sweep(self, stop_at: datetime) -> int:
        """Does one sweep if EVERY has passed since the last one. Returns the number of deleted keys.

        stop_at: no job is read afterwards. Raises StorageUnavailableError.
        """
        if self._keys is None or not self._is_due(self._clock()):
            return 0
        deleted = 0
        try:
            for key in self._orphaned(self._keys, stop_at):
                deleted += self._revoked(self._keys, key)
        except ProviderError as error:
            self._log("upload_keys_not_swept", level="warning", reason=str(error))
        return deleted

    def _revoked(self, keys: UploadKeys, key: ListedKey) -> bool:
        """Deletes one key. One that the storage refuses to delete must not keep those behind it alive.

        Raises ProviderError when the storage does not answer.
        """
        try:
            keys.revoke(key.key_id)
        except ProviderError as error:
            if error.status is None:
                raise
            self._log("orphaned_key_not_deleted", level="warning", job_id=key.job_id, reason=str(error))
            return False
        self._log("orphaned_key_deleted", job_id=key.job_id, attempt=key.attempt, key_id=key.key_id)
        return True

    def _is_due(self, now: datetime) -> bool:
        due = self._next_at is not None and now >= self._next_at
        if due or self._next_at is None:
            self._next_at = now + EVERY
        return due

    def _orphaned(self, keys: UploadKeys, stop_at: datetime) -> list[ListedKey]:
        """Returns the keys to delete among those of this sweep, and remembers where the next one begins."""
        found: list[ListedKey] = []
        jobs: dict[str, Job | RecordUnreadableError | None] = {}
        for _ in range(PAGES):
            page = keys.list_keys(self._start)
            for key in page.keys:
                if key.job_id not in jobs:
                    if len(jobs) >= READS or self._clock() >= stop_at:
                        self._start = key.key_id
                        return found
                    jobs[key.job_id] = self._job(key.job_id)
                if self._is_orphaned(key, jobs[key.job_id]):
                    found.append(key)
            self._start = page.next_start
            if page.next_start is None:
                break
        return found

    def _job(self, job_id: str) -> Job | RecordUnreadableError | None:
        try:
            stored = self._store.get(job_id)
        except RecordUnreadableError as error:  # one such record must not end every sweep
            return error
        return stored.job if stored else None

    def _is_orphaned(self, key: ListedKey, job: Job | RecordUnreadableError | None) -> bool:
        now = self._clock()
        if isinstance(job, RecordUnreadableError):  # the job may be running: its key expires with its credentials
            return False
        if key.made_at is not None and now - key.made_at < MIN_AGE:
            return False
        return job is None or (job.finished_at is not None and now - job.finished_at >= MIN_AGE)
