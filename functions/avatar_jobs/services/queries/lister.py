"""Lists the jobs of a client, newest first, one page at a time."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

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

    def list(self, wanted: JobFilter, page_size: int, token: str | None) -> Page:
        """Returns one page. token: None for the first page.

        Raises ApiError validation_error for a token that is invalid or belongs to another list.
        """
        scope = _scope(wanted)
        if token is not None:
            wanted = replace(wanted, position=position_of(self.token_secrets, scope, token))
        found = self.store.list_jobs(wanted, page_size + 1)
        jobs = found[:page_size]
        if len(found) <= page_size:
            return Page(jobs, None)
        return Page(jobs, page_token(self.token_secrets[0], scope, (jobs[-1].created_at, jobs[-1].id)))


def _scope(wanted: JobFilter) -> str:
    filters = [
        wanted.client,
        wanted.status,
        to_optional_text(wanted.created_after),
        to_optional_text(wanted.created_before),
    ]
    return "|".join(str(part) for part in filters)
