"""Keeps the queue within its limits: so many open jobs in all, so many a client."""

from collections.abc import Callable
from datetime import datetime, timedelta

from avatar_jobs.domain.errors import ApiError, ApiErrorCode
from avatar_jobs.ports.jobs import JobStore
from avatar_jobs.ports.outside import Clock

MAX_OPEN = 5_000  # the contract's; some days of work for the largest fleet that the budget allows
MAX_OPEN_OF_CLIENT = 2_000  # the contract's; one app cannot fill the queue of all
# A count is good for this long, with what this instance accepted since added: two reads a submit would be most of its
# cost, and a limit of thousands need not be exact to the job.
COUNT_LIFETIME = timedelta(seconds=2)
FULL_RETRY_SEC = 30


class Admission:
    """One instance's view of how full the queue is."""

    def __init__(self, *, store: JobStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._counts: dict[str | None, tuple[datetime, int]] = {}

    def require_room(self, client: str) -> None:
        """Raises ApiError queue_full when the client, or all clients together, have too many open jobs."""
        self._require(client, MAX_OPEN_OF_CLIENT, "Your client has")
        self._require(None, MAX_OPEN, "All clients together have")

    def open_jobs(self) -> int:
        """How many unfinished jobs all clients had at the last count, and what was accepted since."""
        counted = self._counts.get(None)
        return counted[1] if counted else 0

    def accepted(self, client: str) -> None:
        """Notes one job that was accepted since the last count."""
        for of in (client, None):
            if of in self._counts:
                counted_at, count = self._counts[of]
                self._counts[of] = (counted_at, count + 1)

    def _require(self, of: str | None, limit: int, who: str) -> None:
        if self._count(of, self._store.count_open) >= limit:
            detail = f"{who} {limit} open jobs. Wait for some to finish, or cancel some, and send this request again."
            raise ApiError(ApiErrorCode.QUEUE_FULL, detail, retry_after_sec=FULL_RETRY_SEC)

    def _count(self, of: str | None, count_open: Callable[[str | None], int]) -> int:
        now = self._clock()
        counted = self._counts.get(of)
        if counted is None or now - counted[0] >= COUNT_LIFETIME:
            counted = (now, count_open(of))
            self._counts[of] = counted
        return counted[1]
