"""The shares of Salad's 240 calls a minute, so that no part of the system uses up the calls of another.

All instances of submit_job together have 120, each an equal part; the tick has 100; operators have the other 20.
"""

from datetime import datetime

SUBMIT_CALLS_A_MINUTE = 120
TICK_CALLS_A_MINUTE = 100


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
    """The calls that one tick may make: those in the bucket, none after the share was closed."""

    def __init__(self, bucket: CallBucket, now: datetime) -> None:
        self._bucket = bucket
        self._now = now
        self._closed = False

    def close(self) -> None:
        """Allows no more calls in this tick, because Salad gives no usable answers."""
        self._closed = True

    def take(self) -> bool:
        """Takes one call. Returns False when none is left."""
        return not self._closed and self._bucket.take(self._now)
