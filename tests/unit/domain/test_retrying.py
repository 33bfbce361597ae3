"""When to try again, as tables."""

from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from avatar_jobs.domain.retry_policy import CALLBACK_SCHEDULE_SEC, callback_delay, conflict_delay, dispatch_delay
from avatar_jobs.protocol.http_answers import error_reason, retry_after_sec

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("tries", "retry_after", "jitter", "seconds"),
    [
        (1, None, 0.0, 5),
        (1, None, 1.0, 5.5),
        (2, None, 0.0, 300),
        (1, 60.0, 0.0, 60),
        (2, 60.0, 0.0, 300),
        (1, 1e12, 0.0, 86_400),
        (9, None, 0.0, 86_400),
        (10, None, 0.0, None),
        (10, 5.0, 0.0, None),
    ],
)
def test_callbacks_follow_the_schedule_and_retry_after_only_lengthens_it(
    tries: int, retry_after: float | None, jitter: float, seconds: float | None
) -> None:
    wait = callback_delay(tries, retry_after, jitter)
    assert (wait.total_seconds() if wait else None) == seconds


def test_the_schedule_reaches_beyond_a_weekend() -> None:
    assert sum(CALLBACK_SCHEDULE_SEC) > 72 * 3600


@pytest.mark.parametrize(
    ("tries", "retry_after", "seconds"), [(1, None, 10), (2, None, 20), (50, None, 300), (1, 40.0, 40), (1, 1e9, 300)]
)
def test_unsent_dispatches_back_off_up_to_five_minutes(tries: int, retry_after: float | None, seconds: float) -> None:
    assert dispatch_delay(tries, retry_after, 0.0).total_seconds() == seconds


@pytest.mark.parametrize(
    ("tries", "jitter", "seconds"), [(0, 1.0, 0.01), (3, 0.5, 0.04), (99, 1.0, 0.5), (9, 0.0, 0.0)]
)
def test_conflicts_back_off_with_full_jitter(tries: int, jitter: float, seconds: float) -> None:
    assert conflict_delay(tries, jitter) == seconds


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("7", 7.0),
        (" 7 ", 7.0),
        ("Thu, 01 Jan 2026 00:00:30 GMT", 30.0),
        ("Wed, 31 Dec 2025 23:59:00 GMT", 0.0),
        ("soon", None),
        ("-5", None),
        ("", None),
        ("9" * 40, None),
        ("999999999", 999_999_999.0),
        ("inf", None),
        ("nan", None),
        ("1e9", None),
        ("١٢", None),
        ("²", None),
        ("7, 9", None),
        ("Sat, 01 Jan 0001 00:00:00 +2359", 0.0),  # no calendar holds it in UTC
        ("Mon, 01 Jan 2026 00:00:00 +9999999999999", None),
        ("Mon, 99 Foo 2026 99:99:99 GMT", None),
        ("Thu, 01 Jan 2026 00:00:30 GMT" + " " * 100 + "x", None),
    ],
)
def test_retry_after_is_a_number_or_a_date_or_nothing(header: str | None, seconds: float | None) -> None:
    assert retry_after_sec(header, NOW) == seconds


@given(
    st.text(max_size=80)
    | st.text(st.sampled_from("0123456789:,-+ GMTJanFriDec"), max_size=60)
    | st.builds(
        "{}, {} Dec {} {}:{}:59 {}{}".format,
        *[st.sampled_from(["Fri", "Thu", ""]), st.integers(-1, 40), st.integers(-1, 10_001), st.integers(-1, 99)],
        *[st.integers(-1, 99), st.sampled_from(["", "-", "+"]), st.integers(0, 10**12)],
    )
)
@example("Fri, 31 Dec 9999 23:59:59 -2359")
def test_no_retry_after_raises_and_each_pause_is_one_that_a_schedule_can_use(header: str) -> None:
    pause = retry_after_sec(header, NOW)
    assert pause is None or 0 <= pause < float("inf")
    assert callback_delay(1, pause, 0.5)
    assert dispatch_delay(1, pause, 0.5)


@pytest.mark.parametrize(
    ("body", "content_type", "reason"),
    [
        (b'{"title": "T", "detail": "the detail"}', "application/problem+json", "the detail"),
        (b'{"title": "T"}', "application/json", "T"),
        (b"{}", "application/json", "no reason given"),
        (b"<!doctype html><title>Bad gateway</title>", "text/html", "an HTML page"),
        (b"  <html>", "application/json", "an HTML page"),
        (b"", "", "a body that is not JSON"),
        (b"[1]", "application/json", "a JSON body that is no problem document"),
        (b"[" * 100_000, "application/json", "a JSON body over the limits"),
        (b'{"detail": ' + b"9" * 5000 + b"}", "application/json", "no reason given"),
        (b'{"detail": "' + b"x" * 999 + b'"}', "application/json", "x" * 200),
    ],
)
def test_error_bodies_give_one_short_reason(body: bytes, content_type: str, reason: str) -> None:
    assert error_reason(body, content_type) == reason
