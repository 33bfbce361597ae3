"""Answers for the status of one job."""

import functions_framework
from flask import Request, Response

from avatar_jobs.bootstrap.job_status import build
from avatar_jobs.settings import Environment

endpoint = build(Environment.of_process())


@functions_framework.http
def job_status(request: Request) -> Response:
    """Hands the request to the endpoint, which answers whatever happens."""
    return endpoint(request)
