"""The function submit_job: accepts and lists jobs."""

from avatar_jobs.cold_start import without_garbage_collection

with without_garbage_collection():
    import functions_framework
    from flask import Request, Response, current_app

    from avatar_jobs.bootstrap.submit_job import build
    from avatar_jobs.http.framework import serve
    from avatar_jobs.settings import Environment

    endpoint = build(Environment.of_process())
    serve(current_app, endpoint)


@functions_framework.http
def submit_job(request: Request) -> Response:
    """Passes the request to the endpoint, which always returns an answer."""
    return endpoint(request)
