"""Decides which function serves a path; scale_tick is not among them."""

from typing import Final, Literal

Upstream = Literal["submit_job", "job_status", "salad_webhook"]
UPSTREAMS: Final[tuple[Upstream, ...]] = ("submit_job", "job_status", "salad_webhook")


def function_for(raw_path: str) -> Upstream:
    """Gives the function for a path as it came (still percent-encoded, no query).

    What nobody serves goes to job_status, whose own 404 is the API's: the gateway has no words of its own for it.
    """
    if raw_path == "/v1/avatar/jobs":
        return "submit_job"
    if raw_path.startswith(("/v1/webhooks/", "/v1/worker/")):
        return "salad_webhook"
    return "job_status"
