"""Reads the state of the whole system, for apps and dashboards."""

from datetime import datetime, timedelta
from typing import Any

from avatar_jobs.ports.jobs import JobStore
from avatar_jobs.ports.tick_state import TickState
from avatar_jobs.protocol.times import to_optional_text

FINISHED_WINDOW = timedelta(days=1)  # finished jobs count when they were created within it, which keeps the query cheap


def read_health(store: JobStore, tick_state: TickState, now: datetime) -> dict[str, Any]:
    """Returns the jobs by status, the oldest wait, the fleet as the last tick observed it, and that tick's age.

    Times are in seconds. Raises StorageUnavailableError.
    """
    overview = store.overview(now - FINISHED_WINDOW)
    state = tick_state.fleet_state()
    oldest = overview.oldest_queued_at
    return {
        "jobs": {status.value: count for status, count in overview.by_status.items()},
        "oldest_wait_seconds": max(0.0, round((now - oldest).total_seconds(), 3)) if oldest else None,
        "fleet": state.fleet.get("instances"),
        "queue_length": state.fleet.get("queue_length"),
        "scaling": state.fleet.get("scaling"),
        "last_tick_at": to_optional_text(state.last_tick_at),
        "last_tick_age_seconds": max(0.0, round((now - state.last_tick_at).total_seconds(), 3))
        if state.last_tick_at
        else None,
    }
