"""The agent that tells Salad about this instance: readiness, deletion cost, and the request for another node."""

import threading
from collections.abc import Callable

from gpu_worker.adapters.event_log import EventLog
from gpu_worker.adapters.imds import Imds, ImdsFault
from gpu_worker.domain.progress import Phase, RunProgress
from gpu_worker.node.deletion_cost import DeletionCost, cost_of
from gpu_worker.node.queue_watch import Curing, Observation, Watching, WatchState, outcome, step
from gpu_worker.node.reallocation import Record, RunEnd, judge

CHECK_SEC = 1.0  # between two checks of the idle time, and of the metadata service during a cure
ANSWER_SEC = 1.0  # before the first call, so that the run's answer is sent before Salad ends this instance
ASK_AGAIN_SEC = 30.0  # between calls: a never-ready instance costs money until one succeeds
STORING = frozenset({Phase.UPLOADING, Phase.VERIFYING})  # the video exists, and the rest takes little time


class NodeAgent:
    """The agent of this instance towards Salad. Every method returns at once; slow work has its own threads.

    imds: None where there is no Salad; clock: returns monotonic seconds; is_engine_ready: whether the engine accepts a
    job; idle_cure_sec: seconds without a job after which the queue worker is assumed to have stopped asking.
    """

    def __init__(
        self,
        imds: Imds | None,
        clock: Callable[[], float],
        is_engine_ready: Callable[[], bool],
        idle_cure_sec: float,
        log: EventLog,
    ) -> None:
        self._imds = imds
        self._clock = clock
        self._is_engine_ready = is_engine_ready
        self._idle_cure_sec = idle_cure_sec
        self._log = log
        self._lock = threading.Lock()
        self._jobs = 0
        self._last_job = clock()
        self._progress: RunProgress | None = None
        self._record = Record()
        self._watch: WatchState = Watching(clock())
        self._is_stopping = False
        self._given_up: str | None = None
        self.on_given_up: Callable[[], None] = _no_listener
        self._stopped = threading.Event()
        self._cost = DeletionCost(imds.set_deletion_cost, self._cost_now, log) if imds is not None else None

    def start(self) -> None:
        """Starts the threads, where there is a metadata service."""
        if self._cost is not None:
            self._cost.start()
            threading.Thread(target=self._watch_queue, name="queue-watch", daemon=True).start()

    def stop(self) -> None:
        """Marks the worker as stopping: it is not ready from now on."""
        self._is_stopping = True
        self._stopped.set()
        if self._cost is not None:
            self._cost.stop()

    def is_ready(self) -> bool:
        """Returns what the health check answers; a job in the run slot keeps it ready until the worker ends."""
        if self._is_stopping:
            return False
        if self._progress is not None:
            return True
        if self._given_up is not None:
            return False
        return self._jobs > 0 or (self._is_engine_ready() and isinstance(self._watch, Watching))

    def is_storing(self) -> bool:
        """Returns whether a run is putting its finished video into storage."""
        progress = self._progress
        return progress is not None and progress.snapshot().phase in STORING

    def job_came(self) -> None:
        """Called when a job enters the run slot, where it runs or waits."""
        with self._lock:
            self._jobs += 1
        self._refresh()

    def job_left(self) -> None:
        """Called when a job has its answer."""
        with self._lock:
            self._jobs -= 1
            self._last_job = self._clock()
        self._refresh()

    def run_began(self, progress: RunProgress) -> None:
        """Called when a run has begun."""
        self._progress = progress

    def run_ended(self, job_id: str, end: RunEnd, why: str) -> None:
        """Called when a run has ended; gives the node up after too many faults. why: the run's last messages."""
        self._record, reason = judge(self._record, job_id, end, self._clock())
        if end is RunEnd.HOPELESS:
            reason = why
        if reason is not None:
            self.give_up(reason)
        self._progress = None

    def give_up(self, reason: str) -> bool:
        """Asks Salad once for another node and accepts no more jobs; an exit would only restart the worker here.

        Returns False, and changes nothing, where there is no metadata service that could take the node away.
        """
        imds = self._imds
        self._log.event("node_hopeless", reason=reason, is_given_up=imds is not None)
        if imds is None:
            return False
        with self._lock:
            is_first = self._given_up is None
            self._given_up = self._given_up or reason
        if is_first:
            self.on_given_up()
            arguments = (imds, reason)
            threading.Thread(target=self._ask_for_another, args=arguments, name="reallocation", daemon=True).start()
        return True

    def _refresh(self) -> None:
        if self._cost is not None:
            self._cost.refresh()

    def _cost_now(self) -> int:
        progress = self._progress
        is_busy = progress is not None or (self._jobs > 0 and self._given_up is None)
        return cost_of(is_busy, progress.snapshot().progress if progress is not None else 0.0)

    def _ask_for_another(self, imds: Imds, reason: str) -> None:
        self._stopped.wait(ANSWER_SEC)
        while not self._stopped.is_set():
            try:
                imds.reallocate(reason)
            except ImdsFault as fault:
                self._log.event("imds_call_failed", operation="reallocate", reason=str(fault))
            else:
                self._log.event("reallocation_asked_for", reason=reason)
                return
            self._stopped.wait(ASK_AGAIN_SEC)

    def _watch_queue(self) -> None:
        while not self._stopped.wait(CHECK_SEC):
            seen = self._observe()
            before, self._watch = self._watch, step(self._watch, seen, self._idle_cure_sec)
            if isinstance(before, Watching) and isinstance(self._watch, Curing):
                self._log.event("readiness_cure_started", idle_sec=round(seen.now - before.since, 1))
            if isinstance(before, Curing) and isinstance(self._watch, Watching):
                took_sec = round(seen.now - before.began, 1)
                self._log.event("readiness_cure_ended", outcome=outcome(before, seen), took_sec=took_sec)

    def _observe(self) -> Observation:
        is_asked = isinstance(self._watch, Curing) and self._watch.seen is None
        told_ready = self._ask_ready() if is_asked else None
        with self._lock:
            now = self._clock()
            last_job = now if self._jobs else self._last_job
        is_able = self._is_engine_ready() or self._jobs > 0
        return Observation(now, last_job, is_able and self._given_up is None, told_ready)

    def _ask_ready(self) -> bool | None:
        if self._imds is None:
            return None
        try:
            return self._imds.is_ready()
        except ImdsFault as fault:
            self._log.event("imds_call_failed", operation="get_status", reason=str(fault))
            return None


def _no_listener() -> None:
    """Does nothing, until on_given_up is set."""
