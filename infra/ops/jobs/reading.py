"""Reads jobs and the system's health from the store, in reads of a bounded size. Writes nothing."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice

from avatar_jobs.domain.job.model import JOB_ID_FORM, Job, JobStatus
from avatar_jobs.ports.jobs import JobFilter, JobStore
from avatar_jobs.ports.tick_state import TickState
from avatar_jobs.services.queries.health import read_health
from infra.ops.jobs import views
from infra.ops.jobs.arguments import MAX_LISTED, OVERDUE_SEC
from infra.ops.jobs.views import View

PAGE = 100  # jobs in one query, as in the API's largest page: about 200 kB


class NotPossibleError(Exception):
    """The request cannot be fulfilled; the message is one sentence for the operator."""


class Reader:
    """Answers the commands that only read. store: the jobs; now: the time of the call (UTC)."""

    def __init__(self, store: JobStore, now: datetime) -> None:
        self._store = store
        self._now = now

    def job(self, job_id: str) -> Job:
        """Returns one job. Raises NotPossibleError, also for a text that does not have the form of a job id."""
        stored = self._store.get(job_id) if JOB_ID_FORM.fullmatch(job_id) else None
        if stored is None:
            raise NotPossibleError(f"There is no job {job_id!r}. A record is removed 30 days after its job finished.")
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
        """Returns the newest jobs of some clients; `after` and `before` bound created_at."""
        wanted = [
            JobFilter(client, [JobStatus(status)] if status else None, created_after=after, created_before=before)
            for client in clients
        ]
        found = [job for one in wanted for job in self._store.list_jobs(one, limit)]
        newest = sorted(found, key=lambda job: (job.created_at, job.id), reverse=True)[:limit]
        return views.several([views.line_of(job, self._now) for job in newest])

    def of_key(self, clients: Sequence[str], key: str) -> View:
        """Returns each client's job of an idempotency key. Raises NotPossibleError when no client has one."""
        records = [record for client in clients if (record := self._store.find_record(client, key))]
        if not records:
            raise NotPossibleError(f"No job has the key {key!r}. A refused request does not use up its key.")
        return views.several([views.line_of(self.job(record.job_id), self._now) for record in records])

    def of_request(self, clients: Sequence[str], request_id: str, limit: int) -> View:
        """Returns the jobs of one request among the newest `limit` jobs of each client. Raises NotPossibleError."""
        searched, found = 0, []
        for client in clients:
            for job in islice(self._newest_first(client), limit):
                searched += 1
                if job.request_id == request_id:
                    found.append(views.line_of(job, self._now))
        if not found:
            raise NotPossibleError(
                f"None of the {searched} newest jobs has this request id; --look-at N searches more."
            )
        return views.several(found, looked_at=searched)

    def _newest_first(self, client: str) -> Iterator[Job]:
        position = None
        while page := self._store.list_jobs(JobFilter(client, position=position), PAGE):
            yield from page
            position = (page[-1].created_at, page[-1].id)

    def overdue(self, seconds: int, limit: int) -> View:
        """Returns the jobs whose next action has been due for more than `seconds`."""
        due = self._store.due(self._now - timedelta(seconds=seconds), limit)
        return views.several([views.overdue_line(stored.job, self._now) for stored in due])

    def unreadable(self, limit: int) -> View:
        """Returns the records that were put aside and that this release cannot read."""
        return views.several([views.unreadable_line(record) for record in self._store.unreadable(limit)])

    def health(self, tick_state: TickState) -> View:
        """Returns what `GET /v1/avatar/health` shows, and how many jobs have been overdue for over two ticks."""
        overdue = self._store.due(self._now - timedelta(seconds=OVERDUE_SEC), MAX_LISTED)
        known = f"{len(overdue)}{' or more' if len(overdue) == MAX_LISTED else ''}"
        return {**read_health(self._store, tick_state, self._now), "overdue_jobs": known}
