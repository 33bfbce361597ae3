"""Reads answers of other systems: the pause that they ask for, and the reason in an error body."""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from avatar_jobs.protocol.outside_json import JsonOverLimitError, NotJsonError, read_json

REASON_LENGTH = 200  # enough for a problem's title, too short for a page of HTML
DATE_LENGTH = 64  # twice the longest HTTP date


def retry_after_sec(value: str | None, now: datetime) -> float | None:
    """Returns the seconds that a Retry-After header asks for (a number or an HTTP date), None when it asks for none.

    Never raises: a date at the end of the calendar, or any other text, is no pause.
    """
    if value is None:
        return None
    text = value.strip()
    if re.fullmatch(r"[0-9]{1,9}", text):
        return float(text)
    if len(text) > DATE_LENGTH:
        return None
    try:
        moment = parsedate_to_datetime(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return max(0.0, (moment - now).total_seconds())
    except Exception:  # noqa: BLE001  the library promises no list; seen: ValueError, TypeError, OverflowError
        return None


def error_reason(body: bytes, content_type: str) -> str:
    """Returns the reason in an error body: a problem's detail or title; for other bodies, what kind of body it is."""
    if "html" in content_type.lower() or body.lstrip()[:1] == b"<":
        return "an HTML page"
    try:
        document = read_json(body)
    except NotJsonError:
        return "a body that is not JSON"
    except JsonOverLimitError:
        return "a JSON body over the limits"
    if not isinstance(document, dict):
        return "a JSON body that is no problem document"
    reason = document.get("detail") or document.get("title") or "no reason given"
    return " ".join(str(reason).split())[:REASON_LENGTH]
