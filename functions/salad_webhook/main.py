"""The function salad_webhook: accepts Salad's webhooks and the workers' reports."""

from avatar_jobs.cold_start import without_garbage_collection

with without_garbage_collection():
    import functions_framework
    from flask import Request, Response, current_app

    from avatar_jobs.bootstrap.salad_webhook import build
    from avatar_jobs.http.framework import serve
    from avatar_jobs.settings import Environment

    endpoint = build(Environment.of_process())
    serve(current_app, endpoint)


@functions_framework.http
def salad_webhook(request: Request) -> Response:
    """Passes the request to the endpoint, which always returns an answer."""
    return endpoint(request)
