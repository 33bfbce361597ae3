"""Decides whether a download is tried again in the same run, and after which wait."""

import email.utils
from collections.abc import Mapping
from datetime import UTC, datetime

from gpu_worker.domain.failures import JobError

TRIES = 3  # in a row that bring no byte more: a short interruption costs far less here than on another node
PAUSES_SEC = (0.5, 2.0)  # between these tries, unless the server asks for longer ones
MAX_RESUMES = 20  # a server that cuts each transfer is given up some time
DAY_SEC = 86_400.0  # a `Retry-After` beyond it is a mistake


class Passing(Exception):  # noqa: N818  becomes a JobError when the tries are used up
    """A failure that may pass by itself, so that another try is worth while.

    failure: what ends the run when no try helps; wait_sec: what the server asked for;
    ended_at: the byte at which the server ended the transfer too early, None for other failures.
    """

    def __init__(self, failure: JobError, *, wait_sec: float = 0.0, ended_at: int | None = None) -> None:
        super().__init__(failure.message)
        self.failure = failure
        self.wait_sec = wait_sec
        self.ended_at = ended_at


class Tries:
    """The tries of one download."""

    def __init__(self) -> None:
        self._in_a_row: list[int | None] = []  # where each ended
        self._furthest = 0
        self._resumes = 0

    def pause_after(self, passing: Passing, kept: int) -> float | None:
        """Returns the seconds until the next try, None when there is none. kept: bytes that it need not fetch again."""
        if kept > self._furthest:
            self._furthest, self._resumes, self._in_a_row = kept, self._resumes + 1, []
        self._in_a_row.append(passing.ended_at)
        if len(self._in_a_row) >= TRIES or self._resumes > MAX_RESUMES:
            return None
        return max(PAUSES_SEC[len(self._in_a_row) - 1], passing.wait_sec)

    def verdict(self, passing: Passing) -> JobError:
        """Returns the failure of the run. A transfer that ends at the same byte each time does so on every node."""
        failure = passing.failure
        is_same = len(self._in_a_row) >= TRIES and len(set(self._in_a_row)) == 1
        if passing.ended_at is not None and is_same:
            failure.retryable = False
        return failure


def asked_wait_sec(headers: Mapping[str, str], now: float) -> float:
    """Returns the seconds that `Retry-After` asks for, 0.0 without one and for what makes no sense.

    A date is compared with the server's own clock, and only without a `Date` with now, the seconds since 1970.
    """
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        seconds = float(text) if len(text) <= 9 else DAY_SEC + 1
    else:
        until, since = read_date(text), read_date(headers.get("Date", ""))
        seconds = until.timestamp() - (since.timestamp() if since else now) if until else 0.0
    return seconds if 0.0 < seconds <= DAY_SEC else 0.0


def read_date(text: str) -> datetime | None:
    """Returns the time of a date in a header, None when it is none."""
    try:
        read = email.utils.parsedate_to_datetime(text[:64])
        return read if read.tzinfo else read.replace(tzinfo=UTC)
    except (ValueError, TypeError, IndexError, OverflowError, AttributeError):
        return None
