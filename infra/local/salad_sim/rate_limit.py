"""Counts REST calls in a sliding minute, as Salad limits each API key."""

import threading
from collections import deque

WINDOW_SEC = 60.0


class RateLimit:
    """A limit on the calls in any minute; safe for threads."""

    def __init__(self, calls_a_minute: int) -> None:
        """calls_a_minute: Salad documents 240 for one API key, all operations together."""
        self._limit = calls_a_minute
        self._lock = threading.Lock()
        self._admitted: deque[float] = deque()

    def wait_sec(self, now: float) -> float:
        """Returns 0.0 and counts the call, or returns the seconds until a call is admitted. now: monotonic seconds."""
        with self._lock:
            while self._admitted and self._admitted[0] <= now - WINDOW_SEC:
                self._admitted.popleft()
            if len(self._admitted) < self._limit:
                self._admitted.append(now)
                return 0.0
            return self._admitted[0] + WINDOW_SEC - now

    def reset(self) -> None:
        """Removes every call from the count."""
        with self._lock:
            self._admitted.clear()
