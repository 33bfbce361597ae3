"""The metrics in log lines, which feed the dashboards. Unknown values are omitted, never logged as 0. Pure."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from avatar_jobs.domain.job.model import Job, JobStatus, Timer


def job_metrics(job: Job) -> dict[str, float]:
    """Returns how long a finished job waited and ran, in seconds.

    A job that failed before it started waited until its end. A job that was cancelled before it started is left out:
    its wait says nothing about the queue.
    """
    if job.finished_at is None:
        return {}
    if job.started_at is not None:
        waited, ran = job.started_at - job.created_at, job.finished_at - job.started_at
        return {"wait_seconds": _seconds(waited), "run_seconds": _seconds(ran)}
    if job.status is JobStatus.CANCELLED:
        return {}
    return {"wait_seconds": _seconds(job.finished_at - job.created_at)}


def due_metrics(due: Iterable[Job], now: datetime) -> dict[str, float]:
    """Returns how many jobs a tick found due, how many of them for a callback, and the seconds for which the oldest
    callback has been due. A backlog shows as many callbacks, or as one that has been due for several ticks."""
    jobs = list(due)
    late = [now - at for job in jobs if (at := job.timers.get(Timer.CALLBACK)) is not None and at <= now]
    return {
        "due_jobs": len(jobs),
        "callbacks_due": len(late),
        "callback_overdue_seconds": _seconds(max(late, default=timedelta(0))),
    }


def gap_metrics(gap: timedelta | None, period: timedelta) -> dict[str, float]:
    """Returns the seconds since the last tick ended and the ticks missed in them. gap: None before the first tick."""
    if gap is None:
        return {}
    return {"gap_seconds": _seconds(gap), "ticks_missed": max(0, round(gap / period) - 1)}


def fleet_metrics(seen: Mapping[str, Any]) -> dict[str, float]:
    """Returns jobs, the oldest wait, the replicas of all groups and US dollars from a tick's archived record.

    A group without a decision (a fixed one, or any when nothing is scaled) counts with its present replicas as wanted.
    """
    groups: Mapping[str, Any] | None = seen.get("groups")
    planned = (seen.get("scaling") or {}).get("groups") or {}
    oldest = seen.get("oldest_wait_sec")
    known = {
        "jobs_queued": seen.get("queued_jobs"),
        "jobs_running": seen.get("running_jobs"),
        "oldest_wait_seconds": 0.0 if oldest is None and seen.get("queued_jobs") == 0 else oldest,
        "replicas_wanted": _wanted(groups, planned) if groups else None,
        "replicas_running": sum(one["running"] or 0 for one in groups.values()) if groups else None,
        "spend_today_usd": seen.get("spend_usd"),
        "spend_added_usd": seen.get("spend_added_usd"),
    }
    return {name: value for name, value in known.items() if value is not None}


def _wanted(groups: Mapping[str, Any], planned: Mapping[str, Any]) -> int:
    return sum(planned[name]["target"] if name in planned else one["replicas"] for name, one in groups.items())


def _seconds(time: timedelta) -> float:
    return max(0.0, round(time.total_seconds(), 3))  # not below 0: the clocks of two instances may differ a little
