"""Runs one tick for the scheduler."""

import functions_framework
from flask import Request, Response

from avatar_jobs import bootstrap
from avatar_jobs.settings import Environment

endpoint = bootstrap.scale_tick(Environment.of_process())


@functions_framework.http
def scale_tick(request: Request) -> Response:
    """Hands the request to the endpoint, which answers whatever happens."""
    return endpoint(request)
