"""The text form of times: written in UTC with milliseconds and Z, read in every form of RFC 3339."""

import re
from datetime import UTC, date, datetime, timedelta

FORM = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt]([01][0-9]|2[0-3]):([0-5][0-9]):([0-5][0-9]|60)(?:\.([0-9]{1,9}))?"
    r"(?:[Zz]|([ +-])([01][0-9]|2[0-3]):([0-5][0-9]))"
)
CYCLE_YEARS = 400  # the calendar repeats; with it the year 0, which RFC 3339 has and Python has not, can be counted
CYCLE_DAYS = 146_097
DAY_SEC = 86_400
EARLIEST, LATEST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
LATEST_MS = (LATEST - EARLIEST) // timedelta(milliseconds=1)


def to_text(moment: datetime) -> str:
    """Returns `YYYY-MM-DDTHH:MM:SS.mmmZ`. moment: an aware datetime."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def to_optional_text(moment: datetime | None) -> str | None:
    """Returns the same, None when moment is None."""
    return to_text(moment) if moment else None


def from_text(text: str, *, round_up: bool = False) -> datetime | None:
    """Returns the time in an RFC 3339 text of at most nine fraction digits, None when it is no such text.

    Our times have milliseconds: a finer one becomes the millisecond that it lies in, or with round_up the next one. A
    time before the year 1 or after 9999 in UTC becomes the nearest time that can be told. A space is read as the plus
    sign that it was before the query was decoded.
    """
    found = FORM.fullmatch(text)
    if not found:
        return None
    year, month, day, hour, minute, second = (int(part) for part in found.groups()[:6])
    nanoseconds = int((found[7] or "").ljust(9, "0"))
    sign = -1 if found[8] == "-" else 1
    offset_sec = sign * (int(found[9] or 0) * 3600 + int(found[10] or 0) * 60)
    try:
        days = date(year or CYCLE_YEARS, month, day).toordinal() - (0 if year else CYCLE_DAYS)
    except ValueError:  # no such day
        return None
    minutes_sec = hour * 3600 + minute * 60 - offset_sec
    if second == 60 and minutes_sec % DAY_SEC != DAY_SEC - 60:  # a leap second ends a day of UTC
        return None
    since_year_1_ms = ((days - 1) * DAY_SEC + minutes_sec + second) * 1000
    since_year_1_ms += -(-nanoseconds // 1_000_000) if round_up else nanoseconds // 1_000_000
    return EARLIEST + timedelta(milliseconds=min(max(0, since_year_1_ms), LATEST_MS))
