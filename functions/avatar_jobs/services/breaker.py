"""The circuit breaker for calls to other systems: one that does not answer costs one time-out, not one for each job."""

import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock
from typing import TypeVar

from avatar_jobs.domain.errors import AvatarError, NotAskedError, ProviderError
from avatar_jobs.ports.outside import Clock, EventLog

SLOW = timedelta(seconds=1)  # a call without an answer that took this long has cost a time-out; one is enough
QUICK_FAULTS = 3  # refused and cut connections cost no time, and one of many calls may meet one

Answer = TypeVar("Answer")


@dataclass
class _Line:
    """What is known about one system. lock: held by a call while the system has not answered yet."""

    lock: Lock = field(default_factory=Lock)
    has_answered: bool = False
    quick_faults: int = 0
    open_until: datetime | None = None


class Breaker:
    """Makes calls to other systems, from many threads, with one circuit breaker for each system.

    After a call without an answer (status None) further calls to this system fail at once with NotAskedError, until
    the pause has passed. The first call to a system goes alone, so that a silent system costs one time-out and not
    one for each thread. An answer, also a refusal, keeps the breaker closed. An exception that the adapter should have
    translated is logged and raised as ProviderError.
    """

    def __init__(self, clock: Clock, log: EventLog, pause: timedelta) -> None:
        self._clock = clock
        self._log = log
        self._pause = pause
        self._lines: dict[str, _Line] = {}
        self._lock = Lock()
        self._calls_end_at: datetime | None = None
        self._limit_share = 1.0

    def begin(self, calls_end_at: datetime, limit_share: float = 1.0) -> None:
        """Begins a tick: all systems are asked again, and no call is made that could end after calls_end_at.

        limit_share: how much of a call's time limit must be left; less than 1 where ticks are shorter than calls.
        """
        with self._lock:
            self._lines = {}
            self._calls_end_at = calls_end_at
            self._limit_share = limit_share

    def may_call(self, system: str, limit_sec: float) -> bool:
        """Returns whether a call that takes up to limit_sec may be made now."""
        line = self._line(system)
        return self._has_time(limit_sec) and not self._is_open(line)

    def call(
        self, system: str, limit_sec: float, work: Callable[[], Answer], quick_faults: int | None = QUICK_FAULTS
    ) -> Answer:
        """Makes one call. Raises ProviderError; NotAskedError, a kind of it, when the call was not made.

        limit_sec: the call's time limit; quick_faults: how many quick faults in a row open the breaker, None for never.
        """
        line = self._line(system)
        if not line.has_answered:
            with line.lock:
                if not line.has_answered:
                    return self._try(line, system, limit_sec, work, quick_faults)
        return self._try(line, system, limit_sec, work, quick_faults)

    def _line(self, system: str) -> _Line:
        with self._lock:
            return self._lines.setdefault(system, _Line())

    def _has_time(self, limit_sec: float) -> bool:
        end = self._calls_end_at
        return end is None or self._clock() + timedelta(seconds=limit_sec) * self._limit_share <= end

    def _is_open(self, line: _Line) -> bool:
        return line.open_until is not None and self._clock() < line.open_until

    def _try(
        self, line: _Line, system: str, limit_sec: float, work: Callable[[], Answer], quick_faults: int | None
    ) -> Answer:
        if self._is_open(line):
            raise NotAskedError(f"{system} did not answer a moment ago")
        if not self._has_time(limit_sec):
            raise NotAskedError(f"no time is left for a call to {system}")
        began = self._clock()
        try:
            answer = work()
        except ProviderError as error:
            if error.status is None and not isinstance(error, NotAskedError):
                self._no_answer(line, began, quick_faults)
            else:
                self._answered(line)
            raise
        except Exception as error:
            self._log("outside_call_broke", level="alarm", system=system, **what_broke(error))
            raise ProviderError(
                f"the answer of {system} could not be read ({type(error).__name__})",
                status=None,
                retryable=True,
                may_have_happened=True,
            ) from error
        self._answered(line)
        return answer

    def _answered(self, line: _Line) -> None:
        line.quick_faults = 0
        line.open_until = None
        line.has_answered = True

    def _no_answer(self, line: _Line, began: datetime, quick_faults: int | None) -> None:
        line.quick_faults += 1
        now = self._clock()
        if now - began >= SLOW or (quick_faults is not None and line.quick_faults >= quick_faults):
            line.quick_faults = 0
            line.has_answered = False  # after the pause one call goes alone again
            line.open_until = now + self._pause


def what_broke(error: Exception) -> dict[str, str]:
    """Returns what a log may tell of an exception: the reason when it is ours, else type and place.

    The text of any other exception may hold a secret.
    """
    if isinstance(error, AvatarError):
        return {"reason": str(error)}
    place = traceback.extract_tb(error.__traceback__)[-1:]
    where = f"{place[0].filename.rsplit('/', 1)[-1]}:{place[0].lineno}" if place else "unknown"
    return {"error": type(error).__name__, "where": where}
