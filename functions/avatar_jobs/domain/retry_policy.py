"""Computes delays before the next try. Pure: the random number, from 0.0 to 1.0, is an argument."""

from datetime import timedelta

# Waits before the 2nd, 3rd, ... callback try, in seconds. An app that is down for a weekend still gets its callbacks.
CALLBACK_SCHEDULE_SEC = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
CALLBACK_RETRY_AFTER_CAP_SEC = 86_400  # the longest pause that an app can ask for
JITTER_SHARE = 0.1  # added to the wait, so that jobs that ended together do not all call at once

DISPATCH_BASE_SEC = 5.0  # the tick's shortest period in the rehearsal; in the cloud the tick rounds up to its minute
DISPATCH_CAP_SEC = 300.0  # five minutes: after an outage of Salad jobs are sent again soon

BROKEN_TIMER_BASE_SEC = 30.0  # under a tick's period: at a deadline the next tick ends the job
BROKEN_TIMER_CAP_SEC = 3600.0  # a deploy that mends the fault is noticed within an hour

CONFLICT_BASE_SEC = 0.01  # a conflict means that another writer was faster: the next try comes soon, at a random moment
CONFLICT_CAP_SEC = 0.5
# A record that cannot be read: the first pause is about the length of a deploy, after which it usually can be. The cap
# keeps an alarm a day, and 500 damaged records cost a tick nothing.
PUT_ASIDE_BASE_SEC = 60.0
PUT_ASIDE_CAP_SEC = 86_400.0


def with_jitter(wait_sec: float, jitter: float) -> timedelta:
    """Returns wait_sec plus up to JITTER_SHARE of it."""
    return timedelta(seconds=wait_sec * (1 + JITTER_SHARE * jitter))


def callback_delay(tries: int, retry_after_sec: float | None, jitter: float) -> timedelta | None:
    """Returns the wait after the given number of failed tries, or None when the schedule is used up.

    retry_after_sec: the pause that the app asked for; it can only lengthen the wait, up to a day.
    """
    if tries > len(CALLBACK_SCHEDULE_SEC):
        return None
    wait = float(CALLBACK_SCHEDULE_SEC[tries - 1])
    if retry_after_sec is not None:
        wait = max(wait, min(retry_after_sec, CALLBACK_RETRY_AFTER_CAP_SEC))
    return with_jitter(wait, jitter)


def dispatch_delay(tries: int, retry_after_sec: float | None, jitter: float) -> timedelta:
    """Returns the wait before an unsent attempt is sent again; it grows with the tries up to five minutes."""
    wait = min(DISPATCH_BASE_SEC * 2 ** min(tries, 16), DISPATCH_CAP_SEC)
    if retry_after_sec is not None:
        wait = max(wait, min(retry_after_sec, DISPATCH_CAP_SEC))
    return with_jitter(wait, jitter)


def put_aside_delay(times: int) -> timedelta:
    """Returns for how long a record that cannot be read is put aside; the pause doubles with each time, up to a cap.

    times: how often it was put aside before.
    """
    return timedelta(seconds=min(PUT_ASIDE_BASE_SEC * 2 ** min(max(times, 0), 16), PUT_ASIDE_CAP_SEC))


def broken_timer_delay(failures: int) -> timedelta:
    """Returns the wait after a timer failed in a way that nobody expects, for the given number of failures."""
    return timedelta(seconds=min(BROKEN_TIMER_BASE_SEC * 2 ** min(failures - 1, 16), BROKEN_TIMER_CAP_SEC))


def conflict_delay(tries: int, jitter: float) -> float:
    """Returns the wait in seconds after a store conflict: full jitter over a doubling window."""
    return jitter * min(CONFLICT_BASE_SEC * float(2 ** min(tries, 16)), CONFLICT_CAP_SEC)
