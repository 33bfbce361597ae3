"""Times as the contract writes them: UTC, milliseconds, a Z."""

from datetime import UTC, datetime


def to_text(moment: datetime) -> str:
    """Returns `YYYY-MM-DDTHH:MM:SS.mmmZ`; moment must be aware."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def to_optional_text(moment: datetime | None) -> str | None:
    """The same for a moment that may not have come."""
    return to_text(moment) if moment else None
