"""Times: every form of RFC 3339 is read, everything else is refused, and nothing raises at the ends of the calendar."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avatar_jobs.protocol.times import EARLIEST, LATEST, from_text, to_text


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("2026-01-31T09:30:00Z", "2026-01-31T09:30:00.000Z"),
        ("2026-01-31t09:30:00z", "2026-01-31T09:30:00.000Z"),
        ("2026-01-31T09:30:00+00:00", "2026-01-31T09:30:00.000Z"),
        ("2026-01-31T09:30:00-00:00", "2026-01-31T09:30:00.000Z"),
        ("2026-01-31T10:30:00 01:00", "2026-01-31T09:30:00.000Z"),
        ("2026-01-31T09:30:00.1Z", "2026-01-31T09:30:00.100Z"),
        ("2026-01-31T09:30:00.1234567+05:30", "2026-01-31T04:00:00.123Z"),
        ("2026-01-31T09:30:00.123999999Z", "2026-01-31T09:30:00.123Z"),
        ("2024-02-29T23:59:59.999999999-23:59", "2024-03-01T23:58:59.999Z"),
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00.000Z"),
        ("1990-12-31T15:59:60.5-08:00", "1991-01-01T00:00:00.500Z"),
        ("0000-01-01T00:00:00Z", "0001-01-01T00:00:00.000Z"),
        ("0000-02-29T00:00:00Z", "0001-01-01T00:00:00.000Z"),
        ("0001-01-01T00:00:00+23:59", "0001-01-01T00:00:00.000Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000Z"),
        ("0999-06-01T00:00:00Z", "0999-06-01T00:00:00.000Z"),
        ("9999-12-31T23:59:59.999999999Z", "9999-12-31T23:59:59.999Z"),
        ("9999-12-31T23:59:60Z", "9999-12-31T23:59:59.999Z"),
        ("9999-12-31T23:59:59-23:59", "9999-12-31T23:59:59.999Z"),
    ],
)
def test_a_time_is_read_in_every_form(text: str, read: str) -> None:
    moment = from_text(text)
    assert moment is not None
    assert to_text(moment) == read


@pytest.mark.parametrize(
    "text",
    [
        "", "yesterday", "2026-01-31", "2026-01-31T09:30Z", "2026-01-31T09:30:00", "2026-1-31T09:30:00Z",
        "2026-02-30T00:00:00Z", "2023-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z",
        "2026-01-31T24:00:00Z", "2026-01-31T09:60:00Z", "2026-01-31T09:30:61Z", "2026-01-31T09:30:60Z",
        "2016-12-31T23:59:60+01:00", "2026-01-31T09:30:00.Z", "2026-01-31T09:30:00.1234567890Z",
        "2026-01-31T09:30:00+24:00", "2026-01-31T09:30:00+01", "2026-01-31T09:30:00+0100", "2026-01-31T09:30:00Z\n",
        "\uff12026-01-31T09:30:00Z", "12026-01-31T09:30:00Z", "-2026-01-31T09:30:00Z", "1769852400",
    ],
)  # fmt: skip
def test_everything_else_is_no_time(text: str) -> None:
    assert from_text(text) is None


@given(st.text(alphabet="0123456789-+:.TtZz ") | st.text())
def test_no_text_raises(text: str) -> None:
    for round_up in (False, True):
        moment = from_text(text, round_up=round_up)
        assert moment is None or EARLIEST <= moment <= LATEST


@given(
    st.datetimes(timezones=st.just(UTC)),
    st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes))),
    st.booleans(),
)
def test_what_another_program_writes_is_read_to_the_millisecond(moment: datetime, zone: timezone, up: bool) -> None:
    try:
        text = moment.astimezone(zone).isoformat()
    except OverflowError:
        text = moment.isoformat()
    read = from_text(text, round_up=up)
    assert read is not None
    assert to_text(read).endswith("Z")
    gap = read - moment if up else moment - read
    assert timedelta(0) <= gap < timedelta(milliseconds=1) or read == LATEST - timedelta(microseconds=999)
