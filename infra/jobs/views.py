"""Jobs as plain JSON values for operators: all that is stored but URLs' queries and apps' metadata. Pure."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import Any

from avatar_jobs.domain.job.changes import deadline_of
from avatar_jobs.domain.job.model import Job
from avatar_jobs.protocol.times import to_optional_text, to_text

# A signed link's secret is in its query; user names and fragments do not occur in accepted URLs, but in error texts.
URL = re.compile(r"(https?://)(?:[^\s/?#@]*@)?([^\s?#\"'<>]*)([?#][^\s\"'<>]*)?", re.IGNORECASE)

View = dict[str, Any]


def redacted(text: str) -> str:
    """The text with every URL in it stripped of user name, query and fragment; what was there shows as `?...`."""
    return URL.sub(lambda found: f"{found[1]}{found[2]}{'?...' if found[3] else ''}", text)


def plain(value: Any) -> Any:
    """A stored value as JSON values: times as the API writes them, enums by value, texts redacted."""
    match value:
        case datetime():
            return to_text(value)
        case Enum():
            return value.value
        case str():
            return redacted(value)
        case Mapping():
            return {str(plain(key)): plain(inner) for key, inner in value.items()}
        case list() | tuple():
            return [plain(inner) for inner in value]
        case _:
            return value


def seconds_since(moment: datetime | None, now: datetime) -> float | None:
    """Seconds from a moment to now, to a tenth; None when there was no such moment."""
    return round((now - moment).total_seconds(), 1) if moment else None


def whole_job(job: Job, now: datetime) -> View:
    """Everything stored of a job. The app's metadata is the app's own business: its keys are counted, not shown."""
    stored = plain(job.model_dump(exclude={"metadata", "timeline"}))
    deadline = None if job.status.is_terminal else deadline_of(job)
    return {
        **stored,
        "metadata_keys": len(job.metadata),
        "deadline_at": to_optional_text(deadline),
        "next_action_at": to_optional_text(job.next_action_at),
        "age_sec": seconds_since(job.created_at, now),
        "timeline_lines": len(job.timeline),
    }


def story(job: Job) -> View:
    """A job's timeline, oldest first."""
    lines = [plain(line.model_dump()) for line in job.timeline]
    return {"id": job.id, "client": job.client, "status": job.status.value, "timeline": lines}


def line_of(job: Job, now: datetime) -> View:
    """One job as one line of a list."""
    return {
        "id": job.id,
        "client": job.client,
        "status": job.status.value,
        "phase": job.phase.value if job.phase else None,
        "attempt": job.attempt.number,
        "dispatch": job.attempt.dispatch.value,
        "created_at": to_text(job.created_at),
        "age_sec": seconds_since(job.created_at, now),
        "error": job.error.code.value if job.error else None,
        "webhook": job.callback.state.value if job.callback else None,
    }


def overdue_line(job: Job, now: datetime) -> View:
    """One job that no tick took, and which of its timers are over."""
    over = {timer.value: seconds_since(at, now) for timer, at in sorted(job.timers.items()) if at <= now}
    return {
        "id": job.id,
        "client": job.client,
        "status": job.status.value,
        "overdue_sec": seconds_since(job.next_action_at, now),
        "timers": over,
    }


def several(jobs: Sequence[View], **more: Any) -> View:
    """A list of jobs as one document."""
    return {"jobs": list(jobs), **more}
