"""The text form of times in every answer and message: UTC, milliseconds, Z."""

from datetime import UTC, datetime


def to_text(moment: datetime) -> str:
    """Returns `YYYY-MM-DDTHH:MM:SS.mmmZ`. moment: an aware datetime."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def to_optional_text(moment: datetime | None) -> str | None:
    """Returns the same, None when moment is None."""
    return to_text(moment) if moment else None
