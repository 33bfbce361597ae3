"""The shares of Salad's 240 calls a minute, so that no part of the system uses up the calls of another.

All instances of submit_job together have 120, each an equal part; the tick has 100, 5 of them for its scan for lost
dispatches; operators have the other 20.
"""

from collections.abc import Callable
from datetime import datetime
from threading import Lock

SUBMIT_CALLS_A_MINUTE = 120
TICK_CALLS_A_MINUTE = 95
SCAN_CALLS_A_MINUTE = 5  # of the tick: a burst of other work must not put the scan for lost dispatches off for ever


class CallBucket:
    """A token bucket of calls, refilled evenly over a minute. Not safe for threads."""

    def __init__(self, calls_a_minute: float) -> None:
        self._capacity = max(1.0, calls_a_minute)
        self._left = self._capacity
        self._refilled_at: datetime | None = None

    def take(self, now: datetime) -> bool:
        """Takes one call. Returns False when none is left."""
        if self._refilled_at is not None:
            elapsed = max(0.0, (now - self._refilled_at).total_seconds())
            self._left = min(self._capacity, self._left + elapsed * self._capacity / 60)
        self._refilled_at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class CallShare:
    """The calls that one tick may make, safe for threads: those in the buckets, none after the share was closed.

    scan_bucket: the calls of the scan for lost dispatches; may_call: returns False while Salad must not be asked,
    because it does not answer or no time is left.
    """

    def __init__(
        self, bucket: CallBucket, scan_bucket: CallBucket, now: datetime, may_call: Callable[[], bool]
    ) -> None:
        self._bucket = bucket
        self._scan_bucket = scan_bucket
        self._now = now
        self._may_call = may_call
        self._closed = False
        self._lock = Lock()

    def close(self) -> None:
        """Allows no more calls in this tick, because Salad gives no usable answers."""
        self._closed = True

    def take(self) -> bool:
        """Takes one call. Returns False when none is left."""
        return self._take(self._bucket)

    def take_for_scan(self) -> bool:
        """Takes one call for the scan for lost dispatches. Returns False when none is left."""
        return self._take(self._scan_bucket)

    def _take(self, bucket: CallBucket) -> bool:
        with self._lock:
            return not self._closed and self._may_call() and bucket.take(self._now)
