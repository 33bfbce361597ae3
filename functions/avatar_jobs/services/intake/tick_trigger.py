"""Starts a tick at once when a job arrives in an idle system, instead of up to a minute later."""

from collections.abc import Callable
from datetime import datetime, timedelta
from threading import Lock

from avatar_jobs.domain.errors import ProviderError
from avatar_jobs.ports.outside import Clock, EventLog, TickScheduler

PAUSE = timedelta(seconds=20)  # between two requests of one instance; a burst of jobs starts one tick


class TickTrigger:
    """Asks the scheduler for a tick when a job arrives in an idle system.

    scheduler: None where there is none; start: runs a call in parallel, so that the request does not wait.
    """

    def __init__(
        self,
        *,
        scheduler: TickScheduler | None,
        clock: Clock,
        log: EventLog,
        start: Callable[[Callable[[], None]], None],
    ) -> None:
        self._scheduler = scheduler
        self._clock = clock
        self._log = log
        self._start = start
        self._lock = Lock()
        self._asked_at: datetime | None = None

    def job_came(self, open_before: int) -> None:
        """Starts a tick when the system was idle and none was requested within PAUSE; never raises.

        open_before: the number of unfinished jobs before this one.
        """
        if self._scheduler is None or open_before > 0 or not self._is_time():
            return
        self._start(self._run_tick)

    def _is_time(self) -> bool:
        now = self._clock()
        with self._lock:
            if self._asked_at is not None and now - self._asked_at < PAUSE:
                return False
            self._asked_at = now
            return True

    def _run_tick(self) -> None:
        if self._scheduler is None:
            return
        try:
            self._scheduler.run_tick()
        except ProviderError as error:
            self._log("tick_not_woken", level="warning", reason=str(error))
        else:
            self._log("tick_woken")
