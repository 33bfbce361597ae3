"""The four functions through functions-framework's own test client, each answer held against the OpenAPI document."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unittest import mock

import functions_framework
from flask.testing import FlaskClient

from tests.support.openapi import OpenApiValidator

FUNCTIONS = Path(__file__).parents[2] / "functions"
API_KEY = "key-of-studio-0123456789"
OTHER_KEY = "key-of-campaigns-0123456789"
CALLBACK_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
WEBHOOK_SECRET = "whsec_c2FsYWQtd2ViaG9vay1zZWNyZXQtZm9yLXRlc3Rz"
TOKEN_SECRET = "report-token-secret-for-tests-0123456789"
BUCKET = "videos"
PREFIX = "musetalk/outputs/"

CLIENTS = {
    "studio": {"api_keys": [API_KEY], "callback_secrets": [CALLBACK_SECRET]},
    "campaigns": {"api_keys": [OTHER_KEY], "callback_secrets": [CALLBACK_SECRET]},
}


def variables(*, store: Mapping[str, str], salad_url: str, b2_url: str, base_url: str) -> dict[str, str]:
    """The union of all four functions' environments."""
    return {
        **store,
        "REHEARSAL_MODE": "true",
        "API_CLIENTS": json.dumps(CLIENTS),
        "SALAD_API_URL": f"{salad_url}/api/public",
        "SALAD_API_KEY": "salad-key-of-tests",
        "SALAD_ORG_NAME": "acme",
        "SALAD_PROJECT_NAME": "avatars",
        "SALAD_QUEUE_NAME": "jobs",
        "SALAD_WEBHOOK_SECRETS": WEBHOOK_SECRET,
        "REPORT_TOKEN_SECRETS": TOKEN_SECRET,
        "PUBLIC_BASE_URL": base_url,
        "B2_KEY_ID": "b2-key-id",
        "B2_APP_KEY": "b2-app-key-0123456789",
        "B2_BUCKET_NAME": BUCKET,
        "B2_PREFIX": PREFIX,
        "B2_S3_ENDPOINT": b2_url,
        "B2_REGION": "us-west-004",
        "B2_DOWNLOAD_URL": b2_url,
        "WORKER_UPLOAD_KEYS": "node",  # tests of the keys say otherwise
        "TICK_PERIOD_SEC": "60",
    }


class Reply:
    """One answer, already validated."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def json(self) -> Any:
        """The parsed body."""
        return json.loads(self.body)


class FunctionClient:
    """One function, loaded as the cloud loads it."""

    def __init__(self, name: str, environment: Mapping[str, str], validator: OpenApiValidator) -> None:
        self._validator = validator
        with mock.patch.dict(os.environ, environment):
            app = functions_framework.create_app(name, str(FUNCTIONS / name / "main.py"))
        self.unchecked: FlaskClient = app.test_client()  # for answers that no operation gives

    def call(
        self,
        method: str,
        path: str,
        *,
        json_body: Any = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Sends one request and validates the answer."""
        sent = dict(headers or {})
        if json_body is not None:
            body = json.dumps(json_body).encode()
            sent.setdefault("Content-Type", "application/json")
        response = self.unchecked.open(path, method=method, data=body, headers=sent)
        reply = Reply(response.status_code, dict(response.headers), response.get_data())
        response.close()
        self._validator.check(method, path.partition("?")[0], reply.status, reply.headers, reply.body)
        return reply
