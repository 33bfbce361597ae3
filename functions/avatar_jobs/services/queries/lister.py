"""Lists the jobs of a client, newest first, one page at a time."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from avatar_jobs.domain.errors import RecordUnreadableError
from avatar_jobs.domain.job.model import Job
from avatar_jobs.ports.jobs import JobFilter, JobStore
from avatar_jobs.protocol.page_token import page_token, position_of
from avatar_jobs.protocol.times import to_optional_text


@dataclass(frozen=True)
class Page:
    """One page of jobs, and the token of the next page, None on the last page."""

    jobs: Sequence[Job]
    next_page_token: str | None


@dataclass(frozen=True, kw_only=True)
class Lister:
    """Lists jobs. token_secrets: the first one signs page tokens, all are accepted."""

    store: JobStore
    token_secrets: Sequence[str] = field(repr=False)

    def list(
        self, wanted: JobFilter, page_size: int, token: str | None = None, idempotency_key: str | None = None
    ) -> Page:
        """Returns one page. token: None for the first page; idempotency_key: lists its job alone, if the filter does.

        Raises ApiError validation_error for a token that is invalid or belongs to another list.
        """
        scope = _scope(wanted, idempotency_key)
        if token is not None:
            wanted = replace(wanted, position=position_of(self.token_secrets, scope, token))
        if wanted.statuses is not None and not wanted.statuses:
            return Page([], None)
        if idempotency_key is not None:
            return self._of_key(wanted, idempotency_key)
        found = self.store.list_jobs(wanted, page_size + 1)
        jobs = found[:page_size]
        if len(found) <= page_size:
            return Page(jobs, None)
        return Page(jobs, page_token(self.token_secrets[0], scope, (jobs[-1].created_at, jobs[-1].id)))

    def _of_key(self, wanted: JobFilter, idempotency_key: str) -> Page:
        try:
            record = self.store.find_record(wanted.client, idempotency_key)
            stored = self.store.get(record.job_id) if record else None
        except RecordUnreadableError:  # a list leaves it out; its GET says so
            stored = None
        return Page([stored.job] if stored and wanted.matches(stored.job) else [], None)


def _scope(wanted: JobFilter, idempotency_key: str | None) -> str:
    """Returns the text of a list's filters; a release that adds one must keep the text of the lists without it."""
    filters = [
        wanted.client,
        None if wanted.statuses is None else ",".join(sorted(wanted.statuses)),
        to_optional_text(wanted.created_after),
        to_optional_text(wanted.created_before),
    ]
    if wanted.request_id is not None:
        filters.append(f"request_id={wanted.request_id}")
    if idempotency_key is not None:
        filters.append(f"idempotency_key={idempotency_key}")
    return "|".join(str(part) for part in filters)
