"""The callbacks of one tick: collected while the tick works, then sent in parallel, a few at a time for each host."""

from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from threading import Lock
from urllib.parse import urlsplit

from avatar_jobs.domain.errors import AvatarError
from avatar_jobs.ports.jobs import StoredJob
from avatar_jobs.ports.outside import Clock, EventLog
from avatar_jobs.services.callbacks.deliverer import CallbackDeliverer

PARALLEL = 16  # tries at a time; with 15 s for each, a tick still reaches about fifty slow apps
PARALLEL_A_HOST = 2  # one slow app must not occupy all of them, and must not be flooded


class CallbackBatch:
    """A CallbackTrier that collects callbacks and delivers them together in deliver_all."""

    def __init__(self, *, deliverer: CallbackDeliverer, clock: Clock, log: EventLog) -> None:
        self._deliverer = deliverer
        self._clock = clock
        self._log = log
        self._waiting: list[tuple[StoredJob, float]] = []
        self._lock = Lock()

    def deliver(self, leased: StoredJob, timeout_sec: float) -> bool:
        """Adds one leased callback to the batch. Returns False: it is not delivered yet."""
        with self._lock:
            self._waiting.append((leased, timeout_sec))
        return False

    def deliver_all(self, stop_at: datetime) -> int:
        """Tries all collected callbacks in parallel lanes, two for each host. Returns how many the apps accepted.

        stop_at: after this time only the first callback of each lane is tried; the leases of the others expire, and a
        later tick tries them.
        """
        with self._lock:
            waiting, self._waiting = self._waiting, []
        lanes: defaultdict[tuple[str, int], list[tuple[StoredJob, float]]] = defaultdict(list)
        for number, (leased, timeout_sec) in enumerate(waiting):
            lanes[_host(leased), number % PARALLEL_A_HOST].append((leased, timeout_sec))
        with ThreadPoolExecutor(PARALLEL) as pool:
            return sum(pool.map(lambda lane: self._run(lane, stop_at), lanes.values()))

    def _run(self, lane: Iterable[tuple[StoredJob, float]], stop_at: datetime) -> int:
        """Tries the callbacks of one lane one after the other, so that a slow host occupies one thread for each lane.

        Returns how many the app accepted.
        """
        accepted = 0
        for number, (leased, timeout_sec) in enumerate(lane):
            if number > 0 and self._clock() >= stop_at:
                break
            accepted += self._try(leased, timeout_sec)
        return accepted

    def _try(self, leased: StoredJob, timeout_sec: float) -> bool:
        try:
            return self._deliverer.deliver(leased, timeout_sec)
        except AvatarError as error:
            self._log("callback_not_stored", level="error", job_id=leased.job.id, reason=str(error))
            return False


def _host(leased: StoredJob) -> str:
    return urlsplit(leased.job.input.webhook_url or "").hostname or ""
