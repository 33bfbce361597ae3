"""Finds jobs in the store and says how the system stands; reads alone, each of a bounded size."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice

from avatar_jobs.domain.job.model import JOB_ID_FORM, Job, JobStatus
from avatar_jobs.ports.jobs import JobFilter, JobStore
from avatar_jobs.ports.tick_state import TickState
from avatar_jobs.services.queries.health import read_health
from infra.jobs import views
from infra.jobs.arguments import MAX_LISTED, OVERDUE_SEC
from infra.jobs.views import View

PAGE = 100  # jobs a query: the API's own page, some 200 kB


class NotPossibleError(Exception):
    """What was asked cannot be had; the message is one sentence for the operator."""


class Reader:
    """store: the jobs; now: the moment of the question (UTC)."""

    def __init__(self, store: JobStore, now: datetime) -> None:
        self._store = store
        self._now = now

    def job(self, job_id: str) -> Job:
        """Reads one job. Raises NotPossibleError; only the form of our own ids is ever looked up."""
        stored = self._store.get(job_id) if JOB_ID_FORM.fullmatch(job_id) else None
        if stored is None:
            raise NotPossibleError(f"There is no job {job_id!r}; 30 days after its end a job's record is removed.")
        return stored.job

    def listed(
        self,
        clients: Sequence[str],
        *,
        status: str | None,
        after: datetime | None,
        before: datetime | None,
        limit: int,
    ) -> View:
        """The newest jobs of some clients; times bound created_at."""
        wanted = [
            JobFilter(client, JobStatus(status) if status else None, created_after=after, created_before=before)
            for client in clients
        ]
        found = [job for one in wanted for job in self._store.list_jobs(one, limit)]
        newest = sorted(found, key=lambda job: (job.created_at, job.id), reverse=True)[:limit]
        return views.several([views.line_of(job, self._now) for job in newest])

    def of_key(self, clients: Sequence[str], key: str) -> View:
        """The job that an idempotency key stands for, of each client that used it. Raises NotPossibleError."""
        records = [record for client in clients if (record := self._store.find_record(client, key))]
        if not records:
            raise NotPossibleError(f"No job stands for the key {key!r}; a refused request does not use up its key.")
        return views.several([views.line_of(self.job(record.job_id), self._now) for record in records])

    def of_request(self, clients: Sequence[str], request_id: str, look_at: int) -> View:
        """The jobs of one request, among the newest look_at of each client. Raises NotPossibleError when none is."""
        looked_at, found = 0, []
        for client in clients:
            for job in islice(self._newest_first(client), look_at):
                looked_at += 1
                if job.request_id == request_id:
                    found.append(views.line_of(job, self._now))
        if not found:
            raise NotPossibleError(f"None of the {looked_at} newest jobs looked at; --look-at N looks further back.")
        return views.several(found, looked_at=looked_at)

    def _newest_first(self, client: str) -> Iterator[Job]:
        position = None
        while page := self._store.list_jobs(JobFilter(client, position=position), PAGE):
            yield from page
            position = (page[-1].created_at, page[-1].id)

    def overdue(self, seconds: int, limit: int) -> View:
        """The jobs whose next action lies back by more than so many seconds."""
        due = self._store.due(self._now - timedelta(seconds=seconds), limit)
        return views.several([views.overdue_line(stored.job, self._now) for stored in due])

    def health(self, tick_state: TickState) -> View:
        """What the API's health says, and how many jobs no tick took."""
        overdue = self._store.due(self._now - timedelta(seconds=OVERDUE_SEC), MAX_LISTED)
        known = f"{len(overdue)}{' or more' if len(overdue) == MAX_LISTED else ''}"
        return {**read_health(self._store, tick_state, self._now), "overdue_jobs": known}
