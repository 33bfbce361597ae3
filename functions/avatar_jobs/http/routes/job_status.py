"""The routes of the function job_status."""

from collections.abc import Sequence

from avatar_jobs.http.web import Call, Reply, Route
from avatar_jobs.ports.jobs import JobStore
from avatar_jobs.ports.outside import Clock
from avatar_jobs.ports.tick_state import TickState
from avatar_jobs.services.intake.canceller import Canceller
from avatar_jobs.services.queries.health import read_health
from avatar_jobs.services.queries.job_view import JobRenderer
from avatar_jobs.services.queries.read_job import read_job

JOB_PATH = "/v1/avatar/jobs/{id}"
POLL_HINT_SEC = 5  # a job takes minutes, and a phase changes every few seconds


def status_routes(
    store: JobStore, tick_state: TickState, canceller: Canceller, renderer: JobRenderer, clock: Clock
) -> Sequence[Route]:
    """Returns the routes of job_status."""

    def get(call: Call) -> Reply:
        job = read_job(store, call.client, call.params["id"])
        headers = {} if job.status.is_terminal else {"Retry-After": str(POLL_HINT_SEC)}
        return Reply(200, renderer.render(job, clock()), headers)

    def delete(call: Call) -> Reply:
        job = canceller.cancel(call.client, call.params["id"])
        return Reply(202, {"detail": "Cancellation requested", "id": job.id, "status": job.status.value})

    def health(call: Call) -> Reply:
        return Reply(200, read_health(store, tick_state, clock()))

    return [
        Route("GET", JOB_PATH, get, client_only=True),
        Route("DELETE", JOB_PATH, delete, client_only=True),
        Route("GET", "/v1/avatar/health", health, client_only=True),
    ]
