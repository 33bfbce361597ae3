"""Checks that a claimed file is in the bucket. Only then does a job succeed."""

from dataclasses import dataclass

from avatar_jobs.domain import texts
from avatar_jobs.domain.errors import ProviderError
from avatar_jobs.domain.job.events import Event, OutputAbsent, OutputVerified
from avatar_jobs.domain.job.model import ClaimedResult
from avatar_jobs.domain.job.transition import transition
from avatar_jobs.ports.jobs import JobStore, StoredJob, Updated
from avatar_jobs.ports.outside import Clock, EventLog
from avatar_jobs.ports.storage import OutputStore
from avatar_jobs.services.queries.job_view import output_name


@dataclass(frozen=True, kw_only=True)
class Verifier:
    """Checks claimed files. prefix: the bucket's folder for videos."""

    store: JobStore
    outputs: OutputStore
    clock: Clock
    log: EventLog
    prefix: str

    def verify(self, claimed: StoredJob) -> Updated | None:
        """Checks the claimed file once and stores the outcome. Returns the changed job.

        Returns None when there is no claim, and when the storage gave no answer; then the job's verify timer repeats
        the check. Raises StorageUnavailableError.
        """
        job, claim = claimed.job, claimed.job.claimed_result
        if claim is None:
            return None
        try:
            verdict = self._verdict(job.id, claim)
        except ProviderError as error:
            self.log("output_not_looked_at", level="warning", job_id=job.id, reason=str(error))
            return None
        self.log("output_looked_at", job_id=job.id, attempt=claim.attempt, outcome=type(verdict).__name__)
        return self.store.update(job.id, lambda current: transition(current, verdict), known=claimed)

    def _verdict(self, job_id: str, claim: ClaimedResult) -> Event:
        found = self.outputs.find(output_name(self.prefix, job_id))
        now = self.clock()
        if found is None:
            return OutputAbsent(at=now, attempt=claim.attempt, detail=texts.OUTPUT_MISSING)
        if found.size_bytes != claim.output.size_bytes:
            detail = texts.output_of_another_size(found.size_bytes, claim.output.size_bytes)
            return OutputAbsent(at=now, attempt=claim.attempt, detail=detail)
        return OutputVerified(at=now, attempt=claim.attempt)
