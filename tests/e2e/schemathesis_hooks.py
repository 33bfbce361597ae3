"""Hooks that schemathesis loads: they sign what must be signed, and keep every callback on this machine.

Settings in the environment: HOOK_WEBHOOK_SECRET (`whsec_...`), HOOK_JOB_ID and HOOK_REPORT_TOKEN of an open job,
HOOK_CALLBACK_URL.
"""

import json
import os
from datetime import UTC, datetime
from typing import Any

import requests
import schemathesis
from schemathesis.generation import GenerationMode
from standardwebhooks.webhooks import Webhook


class SaladSignature(requests.auth.AuthBase):
    """Signs a webhook as Salad does, over the bytes that are sent; one whose id was left out stays unsigned."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Puts timestamp and signature into the headers."""
        webhook_id = request.headers.get("webhook-id")
        body = request.body or b""
        if webhook_id and "webhook-signature" in request.headers and "webhook-timestamp" in request.headers:
            now = datetime.now(UTC)
            text = body if isinstance(body, str) else body.decode("utf-8", "surrogateescape")
            request.headers["webhook-timestamp"] = str(int(now.timestamp()))
            request.headers["webhook-signature"] = Webhook(os.environ["HOOK_WEBHOOK_SECRET"]).sign(
                str(webhook_id), now, text
            )
        return request


class ReportToken(requests.auth.AuthBase):
    """Authenticates a worker's report."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Puts the token into the headers."""
        request.headers["Authorization"] = f"Bearer {os.environ['HOOK_REPORT_TOKEN']}"
        return request


class LocalCallback(requests.auth.AuthBase):
    """Puts a receiver on this machine in the place of whatever webhook_url was generated, as the bytes go out."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Writes the body anew where it is JSON with a webhook_url."""
        body = json.loads(request.body) if request.body else None
        if isinstance(body, dict) and body.get("webhook_url"):
            text = json.dumps({**body, "webhook_url": os.environ["HOOK_CALLBACK_URL"]})
            request.prepare_body(text.encode(), None)
        return request


@schemathesis.hook
def before_call(context: schemathesis.HookContext, case: "schemathesis.Case[Any]", kwargs: dict[str, Any]) -> None:
    """Makes requests that are right in every other way authentic."""
    operation = case.operation.definition.raw["operationId"]
    is_positive = case.meta is not None and case.meta.generation.mode is GenerationMode.POSITIVE
    if operation == "salad_webhook" and is_positive:
        kwargs["auth"] = SaladSignature()
    elif operation == "worker_report" and is_positive:
        case.path_parameters = {"id": os.environ["HOOK_JOB_ID"]}
        kwargs["auth"] = ReportToken()
    elif operation == "submit_job" and is_positive:
        kwargs["auth"] = LocalCallback()
