"""Accepts a job: one write for the job, its idempotency record and the claimed dispatch, then one try at Salad."""

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
    """One accepted request: who sends it, under which ids, and its parsed body."""

    client: str
    request_id: str
    idempotency_key: str | None
    job_input: JobInput
    metadata: dict[str, Any]


@dataclass(frozen=True)
class Accepted:
    """The job as it is now, and whether an earlier request with the same key made it."""

    job: Job
    replayed: bool


@dataclass(frozen=True, kw_only=True)
class Submitter:
    """Accepts new jobs.

    tick_trigger: has the tick called when a job comes into an idle system; draw_id: draws 128 random bits as text;
    retention: from a job's end until its file and record are removed.
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
        """Returns the new job, or the one that the key stands for. Raises StorageUnavailableError (nothing was
        written) and ApiError idempotency_key_reused, queue_full."""
        now = self.clock()
        body = {"input": submission.job_input.model_dump(), "metadata": submission.metadata}
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
                fingerprint=fingerprint(body),
                created_at=now,
            )
        try:
            self.admission.require_room(job.client)
        except ApiError:
            known = self.store.find_record(record.client, record.key) if record else None
            if known:  # a repeated request is not a new job, however full the queue is
                return self._replay(known, fingerprint(body))
            raise
        created = self.store.create(job, record)
        if isinstance(created, AlreadyCreated):
            return self._replay(created.record, fingerprint(body))
        self.tick_trigger.job_came(self.admission.open_jobs())
        self.admission.accepted(job.client)
        self.log("job_accepted", job_id=job.id, client=job.client, request_id=job.request_id, attempt=1)
        try:
            return Accepted(self.dispatcher.send(created.stored).job, replayed=False)
        except StorageUnavailableError as error:  # the job stands; the tick finds its claim run out
            self.log("dispatch_outcome_not_stored", level="warning", job_id=job.id, reason=str(error))
            return Accepted(job, replayed=False)

    def _replay(self, record: IdempotencyRecord, body_fingerprint: str) -> Accepted:
        require_same_body(record, body_fingerprint)
        stored = self.store.get(record.job_id)
        if stored is None:  # both are written together and go together
            raise StorageUnavailableError("the key's job is gone")
        return Accepted(stored.job, replayed=True)
