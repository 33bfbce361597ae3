"""Builds the answers of `./ops jobs` as JSON values, without the queries of URLs and the apps' metadata. Pure."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import Any

from avatar_jobs.domain.job.changes import deadline_of
from avatar_jobs.domain.job.model import Job
from avatar_jobs.ports.jobs import PutAside
from avatar_jobs.protocol.times import to_optional_text, to_text

# The secret of a signed link is in its query. Error texts may hold URLs with user names and fragments; no accepted
# URL has these.
URL = re.compile(r"(https?://)(?:[^\s/?#@]*@)?([^\s?#\"'<>]*)([?#][^\s\"'<>]*)?", re.IGNORECASE)

View = dict[str, Any]


def redacted(text: str) -> str:
    """Returns the text without the user names, queries and fragments of its URLs; `?...` marks what was removed."""
    return URL.sub(lambda found: f"{found[1]}{found[2]}{'?...' if found[3] else ''}", text)


def plain(value: Any) -> Any:
    """Returns a stored value as JSON values: times as the API writes them, enums by value, texts redacted."""
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
    """Returns the seconds from a moment to now, to a tenth; None for no moment."""
    return round((now - moment).total_seconds(), 1) if moment else None


def whole_job(job: Job, now: datetime) -> View:
    """Returns everything that is stored about a job; of the app's metadata, which may be private, only the count."""
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
    """Returns a job's timeline, the oldest line first."""
    lines = [plain(line.model_dump()) for line in job.timeline]
    return {"id": job.id, "client": job.client, "status": job.status.value, "timeline": lines}


def line_of(job: Job, now: datetime) -> View:
    """Returns one job as a line of a list."""
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
    """Returns an overdue job as a line of a list, with the seconds since each of its timers was due."""
    over = {timer.value: seconds_since(at, now) for timer, at in sorted(job.timers.items()) if at <= now}
    return {
        "id": job.id,
        "client": job.client,
        "status": job.status.value,
        "overdue_sec": seconds_since(job.next_action_at, now),
        "timers": over,
    }


def unreadable_line(record: PutAside) -> View:
    """Returns a record that was put aside as a line of a list; only what stands outside of its body is known."""
    return {
        "id": record.id,
        "client": record.client,
        "status": record.status,
        "put_aside_at": to_optional_text(record.since),
        "times": record.times,
        "next_try_at": to_optional_text(record.next_try_at),
        "reason": record.reason,
    }


def several(jobs: Sequence[View], **more: Any) -> View:
    """Returns a list of jobs as one document."""
    return {"jobs": list(jobs), **more}
