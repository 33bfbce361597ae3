"""Keeps the queue within its limits: the open jobs of all clients together, and of each client."""

from collections.abc import Callable
from datetime import datetime, timedelta

from avatar_jobs.domain import texts
from avatar_jobs.domain.errors import ApiError, ApiErrorCode
from avatar_jobs.ports.jobs import JobStore
from avatar_jobs.ports.outside import Clock

MAX_OPEN = 5_000  # some days of work for the largest fleet that the budget allows (docs/architecture.md)
MAX_OPEN_OF_CLIENT = 2_000  # so that one app cannot fill the queue of all
# How long a count is used; the jobs that this instance has accepted since are added to it. Two reads for each submit
# would be most of its cost, and a limit of thousands need not be exact to the job.
COUNT_LIFETIME = timedelta(seconds=2)
FULL_RETRY_SEC = 30


class Admission:
    """The counts of open jobs, as one instance knows them, and the limits that it applies to them."""

    def __init__(self, *, store: JobStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._counts: dict[str | None, tuple[datetime, int]] = {}

    def require_room(self, client: str) -> None:
        """Raises ApiError queue_full when the client, or all clients together, have too many open jobs."""
        self._require(client, MAX_OPEN_OF_CLIENT, texts.client_queue_full)
        self._require(None, MAX_OPEN, texts.queue_full)

    def open_jobs(self) -> int:
        """Returns the number of unfinished jobs of all clients: the last count and the jobs accepted since."""
        counted = self._counts.get(None)
        return counted[1] if counted else 0

    def accepted(self, client: str) -> None:
        """Adds one accepted job to the counts."""
        for of in (client, None):
            if of in self._counts:
                counted_at, count = self._counts[of]
                self._counts[of] = (counted_at, count + 1)

    def _require(self, of: str | None, limit: int, full: Callable[[int], str]) -> None:
        if self._count(of, self._store.count_open) >= limit:
            raise ApiError(ApiErrorCode.QUEUE_FULL, full(limit), retry_after_sec=FULL_RETRY_SEC)

    def _count(self, of: str | None, count_open: Callable[[str | None], int]) -> int:
        now = self._clock()
        counted = self._counts.get(of)
        if counted is None or now - counted[0] >= COUNT_LIFETIME:
            counted = (now, count_open(of))
            self._counts[of] = counted
        return counted[1]
