"""Runs calls that cannot be interrupted in threads of their own, so that a wait for them has an end."""

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Result = TypeVar("Result")
LOOK_SEC = 0.05  # how often the stop condition is checked
HEAD_START_SEC = 0.3  # before the next call is started beside the ones that run; RFC 8305 says 0.25 s


def first_result(
    calls: Sequence[Callable[[], Result]],
    *,
    limit_sec: float,
    stop: Callable[[], bool],
    discard: Callable[[Result], object] = lambda result: None,
) -> Result:
    """Returns the first result of several calls. A later one starts when the earlier ones failed or take long.

    discard: is given the results that come too late. Raises OSError: TimeoutError after limit_sec and when stop returns
    True; when all calls failed, what the last of them raised, which becomes an OSError if it is none.
    """
    race = _Race(discard)
    waiting, running = deque(calls), 0
    began = next_start = time.monotonic()
    failure: Exception = OSError("there is nothing to call")
    try:
        while waiting or running:
            now = time.monotonic()
            if now - began > limit_sec or stop():
                raise TimeoutError(f"no answer within {now - began:.1f} s")
            if waiting and now >= next_start:
                race.start(waiting.popleft())
                running, next_start = running + 1, now + HEAD_START_SEC
            outcome = race.next_outcome(LOOK_SEC)
            if isinstance(outcome, _Failed):
                running, next_start, failure = running - 1, now, outcome.error
            elif outcome is not None:
                return outcome.value
        if isinstance(failure, OSError):
            raise failure
        raise OSError(type(failure).__name__) from failure
    finally:
        race.end()


class _Failed:
    def __init__(self, error: Exception) -> None:
        self.error = error


class _Done(Generic[Result]):
    def __init__(self, value: Result) -> None:
        self.value = value


class _Race(Generic[Result]):
    """The calls that run, and what came of them. Safe between threads."""

    def __init__(self, discard: Callable[[Result], object]) -> None:
        self._discard = discard
        self._outcomes: queue.SimpleQueue[_Done[Result] | _Failed] = queue.SimpleQueue()
        self._is_over = False
        self._lock = threading.Lock()

    def start(self, call: Callable[[], Result]) -> None:
        threading.Thread(target=self._run, args=(call,), daemon=True).start()

    def next_outcome(self, timeout_sec: float) -> "_Done[Result] | _Failed | None":
        try:
            return self._outcomes.get(timeout=timeout_sec)
        except queue.Empty:
            return None

    def end(self) -> None:
        """Discards the results that nobody took, also those that are still to come."""
        with self._lock:
            self._is_over = True
        while isinstance(outcome := self.next_outcome(0), _Done | _Failed):
            if isinstance(outcome, _Done):
                self._discard(outcome.value)

    def _run(self, call: Callable[[], Result]) -> None:
        outcome: _Done[Result] | _Failed
        try:
            outcome = _Done(call())
        except Exception as error:  # noqa: BLE001  it is raised in the thread that waits
            outcome = _Failed(error)
        with self._lock:
            if not self._is_over:
                self._outcomes.put(outcome)
            elif isinstance(outcome, _Done):
                self._discard(outcome.value)
