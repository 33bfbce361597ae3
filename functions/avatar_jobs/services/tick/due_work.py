"""Serves the due jobs of one tick in parallel lanes, and then what several of them share. Each piece is fenced."""

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime

from avatar_jobs.domain.errors import AvatarError, SaladUnavailableError, StorageUnavailableError
from avatar_jobs.domain.job.due_timers import Lane, by_lane, due_timer
from avatar_jobs.domain.job.model import Timer
from avatar_jobs.ports.jobs import JobStore, StoredJob
from avatar_jobs.ports.outside import Clock, EventLog
from avatar_jobs.services.breaker import what_broke
from avatar_jobs.services.callbacks.batch import CallbackBatch
from avatar_jobs.services.tick.housekeeper import Housekeeper, TickContext
from avatar_jobs.services.tick.reconciler import Reconciler

LANES_SHARE = 0.8  # of the work's time; the rest is for the scan and the callbacks of the jobs that ended in this tick
DUE_LIMIT = 500  # due jobs that one tick reads
BACKLOG_LIMIT = 3000  # read when there are more: behind a burst's purges, the jobs of today must be found
LANE_LIMIT = 500  # due jobs that one tick serves in each lane
# Calls and writes take about 100 ms each, and a job some of them: 500 jobs take 15 s. A thread waits most of the time.
THREADS = {Lane.JOBS: 10, Lane.CALLBACKS: 4, Lane.REMAINS: 4}
SENDING_THREADS = 1  # waits until the callbacks are claimed, and then sends them


@dataclass(frozen=True, kw_only=True)
class DueWork:
    """Serves the jobs whose timers are due; a fault in one is stored with it, and does not stop the others."""

    store: JobStore
    housekeeper: Housekeeper
    reconciler: Reconciler
    callbacks: CallbackBatch
    clock: Clock
    log: EventLog

    def work_off(self, began: datetime, context: TickContext) -> Sequence[StoredJob]:
        """Serves the jobs whose timers are due, in parallel lanes, until their time is over. Returns what was due."""
        due = self._due(began)
        timers = [(due_timer(stored.job, began), stored) for stored in due]
        lanes = by_lane(((timer, stored) for timer, stored in timers if timer), LANE_LIMIT)
        lanes_end = began + (context.stop_at - began) * LANES_SHARE
        with ThreadPoolExecutor(sum(THREADS.values()) + SENDING_THREADS) as pool:
            for lane, jobs in lanes.items():
                queue = deque(jobs)
                threads = [
                    pool.submit(self._drain, queue, lanes_end, context) for _ in range(min(THREADS[lane], len(jobs)))
                ]
                if lane is Lane.CALLBACKS and threads:
                    pool.submit(self._send_after, threads, lanes_end, context)
        self._finish(context)
        return due

    def _due(self, began: datetime) -> Sequence[StoredJob]:
        """Returns the due jobs, the longest due first. Behind a backlog it looks further, for what must not wait."""
        due = self.store.due(began, DUE_LIMIT, put_aside=True)
        if len(due) < DUE_LIMIT:
            return due
        try:
            return self.store.due(began, BACKLOG_LIMIT, put_aside=True)
        except StorageUnavailableError as error:
            self.log("backlog_not_read", level="warning", reason=str(error))
            return due

    def _drain(self, queue: deque[StoredJob], end: datetime, context: TickContext) -> None:
        """Serves the jobs of one lane, together with other threads, until none is left or the lanes' time is over."""
        while queue:
            try:
                stored = queue.popleft()
            except IndexError:  # another thread was faster
                return
            if self.clock() >= end:
                context.count("left_for_the_next_tick")
            else:
                self._serve(stored, context)

    def _send_after(self, claiming: Sequence[Future[None]], end: datetime, context: TickContext) -> None:
        """Sends the due callbacks as soon as they are claimed, beside the other lanes."""
        wait(claiming)
        self._send_callbacks(end, context)

    def _serve(self, stored: StoredJob, context: TickContext) -> None:
        """Serves one due timer of one job; a failure is counted and logged, not raised."""
        timer = due_timer(stored.job, self.clock())
        if timer is None:
            return
        job_id, request_id = stored.job.id, stored.job.request_id
        try:
            context.count(self.housekeeper.act(timer, stored, context))
        except SaladUnavailableError as error:
            context.count("waits_for_salad")
            self.log("due_job_waits", job_id=job_id, timer=timer.value, reason=str(error))
        except AvatarError as error:
            context.count("failed")
            self.log(
                "due_job_failed",
                level="error",
                job_id=job_id,
                request_id=request_id,
                timer=timer.value,
                reason=str(error),
            )
        except Exception as error:  # noqa: BLE001  a fault in one job must not stop the others, in this tick and later
            context.count("failed")
            self.log(
                "due_job_broke",
                level="alarm",
                job_id=job_id,
                request_id=request_id,
                timer=timer.value,
                **what_broke(error),
            )
            self._put_off(timer, stored, error)

    def _put_off(self, timer: Timer, stored: StoredJob, error: Exception) -> None:
        try:
            self.housekeeper.put_off(timer, stored, error)
        except Exception as second:  # noqa: BLE001  then the job comes back with the next tick
            self.log("due_job_not_put_off", level="error", job_id=stored.job.id, **what_broke(second))

    def _finish(self, context: TickContext) -> None:
        """Does what several jobs share: asks Salad for lost dispatches, and sends the callbacks in parallel."""
        try:
            context.count("failed", self.reconciler.scan(context.unknown, context.share))
        except AvatarError as error:
            context.count("failed")
            self.log("salad_scan_not_stored", level="error", reason=str(error))
        except Exception as error:  # noqa: BLE001  a fault in the search must not stop the callbacks
            context.count("failed")
            self.log("scan_broke", level="alarm", jobs=len(context.unknown), **what_broke(error))
            for stored in context.unknown:
                self._put_off(Timer.DISPATCH, stored, error)
        self._send_callbacks(context.stop_at, context)

    def _send_callbacks(self, end: datetime, context: TickContext) -> None:
        try:
            sent = self.callbacks.deliver_all(end)
        except Exception as error:  # noqa: BLE001  the leases expire, and a later tick tries again
            context.count("failed")
            self.log("callbacks_broke", level="alarm", **what_broke(error))
        else:
            context.count("failed", sent["failed"])
            context.count("callbacks_left", sent["not_tried"])
