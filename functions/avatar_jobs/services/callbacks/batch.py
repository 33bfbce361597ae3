"""The callbacks of one tick: collected while the tick works, then sent in parallel, a few at a time for each host."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from threading import Lock

from avatar_jobs.domain.errors import AvatarError, NotAskedError
from avatar_jobs.ports.jobs import StoredJob
from avatar_jobs.ports.outside import Clock, EventLog
from avatar_jobs.services.breaker import what_broke
from avatar_jobs.services.callbacks.deliverer import CallbackDeliverer
from avatar_jobs.services.guarded import host_of

PARALLEL = 16  # tries at a time; with 15 s for each, a tick still reaches about fifty slow apps
SHORTEST_TRY_SEC = 0.5  # with less time left a callback waits for the next tick, which gives it a fair try
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

    def deliver_all(self, stop_at: datetime) -> Counter[str]:
        """Tries all collected callbacks in parallel lanes, two for each host.

        stop_at: when the last try ends. What is not tried by then, or has a receiver that just gave no answer, is left
        to a later tick, which takes over when the lease expires. Returns how many were accepted, refused, not_tried,
        and failed because their outcome could not be stored.
        """
        with self._lock:
            waiting, self._waiting = self._waiting, []
        lanes: defaultdict[tuple[str, int], list[tuple[StoredJob, float]]] = defaultdict(list)
        for number, (leased, timeout_sec) in enumerate(waiting):
            lanes[host_of(leased.job.input.webhook_url or ""), number % PARALLEL_A_HOST].append((leased, timeout_sec))
        counts: Counter[str] = Counter()
        with ThreadPoolExecutor(PARALLEL) as pool:
            for lane in pool.map(lambda lane: self._run(lane, stop_at), lanes.values()):
                counts.update(lane)
        return counts

    def _run(self, lane: Sequence[tuple[StoredJob, float]], stop_at: datetime) -> Counter[str]:
        """Tries the callbacks of one lane one after the other, so that a slow host occupies one thread a lane."""
        return Counter(self._try(leased, timeout_sec, stop_at) for leased, timeout_sec in lane)

    def _try(self, leased: StoredJob, timeout_sec: float, stop_at: datetime) -> str:
        left_sec = (stop_at - self._clock()).total_seconds()
        if left_sec < SHORTEST_TRY_SEC:
            return "not_tried"
        try:
            return "accepted" if self._deliverer.deliver(leased, min(timeout_sec, left_sec)) else "refused"
        except NotAskedError:
            return "not_tried"
        except AvatarError as error:
            self._log("callback_not_stored", level="error", job_id=leased.job.id, reason=str(error))
        except Exception as error:  # noqa: BLE001  a fault in one callback must not stop the others
            self._log("callback_broke", level="alarm", job_id=leased.job.id, **what_broke(error))
        return "failed"
