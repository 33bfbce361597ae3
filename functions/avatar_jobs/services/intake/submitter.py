"""Accepts a job: stores it, its idempotency record and its claimed dispatch in one write, then sends it to Salad."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from avatar_jobs.domain.errors import ApiError, StorageUnavailableError
from avatar_jobs.domain.idempotency import IdempotencyRecord, fingerprint, require_same_body
from avatar_jobs.domain.job.model import Job, JobInput
from avatar_jobs.domain.job.new_job import new_job
from avatar_jobs.ports.jobs import AlreadyCreated, JobStore
from avatar_jobs.ports.outside import Clock, EventLog
from avatar_jobs.services.dispatch.dispatcher import Dispatcher
from avatar_jobs.services.intake.admission import Admission
from avatar_jobs.services.intake.tick_trigger import TickTrigger


@dataclass(frozen=True)
class Submission:
    """A valid request to submit a job: its client, its ids and its parsed body."""

    client: str
    request_id: str
    idempotency_key: str | None
    job_input: JobInput
    metadata: dict[str, Any]


@dataclass(frozen=True)
class Accepted:
    """The result of a submission.

    job: as it is now; replayed: True when an earlier request with the same idempotency key created it.
    """

    job: Job
    replayed: bool


@dataclass(frozen=True, kw_only=True)
class Submitter:
    """Accepts new jobs.

    tick_trigger: starts a tick when a job arrives in an idle system; draw_id: returns 128 random bits as text;
    retention: time from a job's end until its file and record are deleted.
    """

    store: JobStore
    dispatcher: Dispatcher
    admission: Admission
    tick_trigger: TickTrigger
    clock: Clock
    log: EventLog
    draw_id: Callable[[], str]
    retention: timedelta

    def submit(self, submission: Submission) -> Accepted:
        """Creates a job and sends it to Salad. Returns it, or the job that the idempotency key already names.

        Raises ApiError idempotency_key_reused or queue_full; StorageUnavailableError when the job is not stored or,
        with may_have_written, when that is unknown.
        """
        now = self.clock()
        body_fingerprint = fingerprint(submission.job_input, submission.metadata)
        job = new_job(
            job_id=self.draw_id(),
            client=submission.client,
            request_id=submission.request_id,
            idempotency_key=submission.idempotency_key,
            job_input=submission.job_input,
            metadata=submission.metadata,
            now=now,
            retention_sec=int(self.retention.total_seconds()),
        )
        record = None
        if submission.idempotency_key:
            record = IdempotencyRecord(
                client=submission.client,
                key=submission.idempotency_key,
                job_id=job.id,
                fingerprint=body_fingerprint,
                created_at=now,
            )
        try:
            self.admission.require_room(job.client)
        except ApiError:
            known = self.store.find_record(record.client, record.key) if record else None
            replayed = self._replay(known, body_fingerprint) if known else None
            if replayed:  # a repeated request is not a new job, however full the queue is
                return replayed
            raise
        created = self.store.create(job, record)
        if isinstance(created, AlreadyCreated):
            replayed = self._replay(created.record, body_fingerprint)
            if replayed:
                return replayed
            self.store.forget_key(created.record)
            created = self.store.create(job, record)
        if isinstance(created, AlreadyCreated):
            raise StorageUnavailableError(
                "another request has just taken over the idempotency key of a job that is gone"
            )
        self.tick_trigger.job_came(self.admission.open_jobs())
        self.admission.accepted(job.client)
        self.log("job_accepted", job_id=job.id, client=job.client, request_id=job.request_id, attempt=1)
        try:
            return Accepted(self.dispatcher.send(created.stored).job, replayed=False)
        except StorageUnavailableError as error:  # the job is stored; the tick finds its claim expired
            self.log("dispatch_outcome_not_stored", level="warning", job_id=job.id, reason=str(error))
            return Accepted(job, replayed=False)

    def _replay(self, record: IdempotencyRecord, body_fingerprint: str) -> Accepted | None:
        """Returns the job of a key, None when it is gone: its key has ended too, though its record is still there."""
        stored = self.store.get(record.job_id)
        if stored is None:
            return None
        require_same_body(record, body_fingerprint)
        return Accepted(stored.job, replayed=True)
