"""A client app of a running rehearsal; every answer is checked against the OpenAPI document."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import requests

from tests.support.functions import Reply
from tests.support.openapi import OpenApiValidator
from tests.support.waiting import eventually

JOB_SEC = 60.0  # a preview of the samples takes two seconds; a busy machine and Salad's slow poll take many more


class App:
    """One client of the rehearsal. ready: its ready line; client: its name, None for the first one."""

    def __init__(self, ready: Mapping[str, Any], validator: OpenApiValidator, client: str | None = None) -> None:
        self.ready = ready
        self._validator = validator
        self._key = ready["api_keys"][client or next(iter(ready["api_keys"]))]

    def call(self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **arguments: Any) -> Reply:
        """Sends one request through the gateway and returns the checked answer."""
        sent = {"X-Internal-API-Key": self._key, **(headers or {})}
        with requests.Session() as session:
            session.trust_env = False
            answer = session.request(method, self.ready["api"] + path, headers=sent, timeout=30, **arguments)
        self._validator.check(method, urlsplit(path).path, answer.status_code, answer.headers, answer.content)
        return Reply(answer.status_code, answer.headers, answer.content)

    def submit(self, headers: Mapping[str, str] | None = None, **changes: Any) -> dict[str, Any]:
        """Submits a job on the samples and returns it; the answer must be a 202. changes: fields of the request."""
        media = self.ready["media"]
        body = {"video_url": f"{media}/face.mp4", "audio_url": f"{media}/speech.wav", **changes}
        reply = self.call("POST", "/v1/avatar/jobs", json=body, headers=headers)
        assert reply.status == 202, reply.body
        job: dict[str, Any] = reply.json
        return job

    def read(self, job_id: str) -> dict[str, Any]:
        """Returns the job; the answer must be a 200."""
        reply = self.call("GET", f"/v1/avatar/jobs/{job_id}")
        assert reply.status == 200, reply.body
        job: dict[str, Any] = reply.json
        return job

    def finished(self, job_id: str, limit_sec: float = JOB_SEC) -> dict[str, Any]:
        """Polls until the job is done and returns it."""
        return eventually(
            lambda: job if (job := self.read(job_id))["done"] else None, limit_sec, f"the end of {job_id}"
        )
