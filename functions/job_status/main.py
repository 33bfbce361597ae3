"""Answers for the status of one job, cancels it, and tells how the system stands."""

from avatar_jobs.cold_start import without_garbage_collection

with without_garbage_collection():
    import functions_framework
    from flask import Request, Response

    from avatar_jobs.bootstrap.job_status import build
    from avatar_jobs.settings import Environment

    endpoint = build(Environment.of_process())


@functions_framework.http
def job_status(request: Request) -> Response:
    """Hands the request to the endpoint, which answers whatever happens."""
    return endpoint(request)
