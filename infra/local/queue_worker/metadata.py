"""Asks the instance metadata service whether the instance is ready and who it is."""

import json
from typing import Any

import urllib3

TIMEOUT_SEC = 10.0  # as in Salad's own client of the service
MAX_BODY_BYTES = 64 * 1024  # both answers are a few hundred bytes


class InstanceNotFoundError(Exception):
    """The metadata service no longer knows the instance, so the program can end."""


class MetadataError(Exception):
    """The metadata service gave no usable answer; a later request may succeed."""


class Metadata:
    """A client of the instance metadata service, for readiness and token."""

    def __init__(self, uri: str) -> None:
        """uri: base URL of the service without a trailing slash."""
        self._uri = uri
        self._http = urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(total=TIMEOUT_SEC))

    def is_ready(self) -> bool:
        """Returns whether the readiness probe passes. Raises InstanceNotFoundError or MetadataError."""
        return bool(self._get("/v1/status", "ready"))

    def token(self) -> str:
        """Returns the token that identifies the instance. Raises InstanceNotFoundError or MetadataError."""
        return str(self._get("/v1/token", "jwt"))

    def _get(self, path: str, field: str) -> Any:
        headers = {"Metadata": "true"}
        try:
            answer = self._http.request("GET", self._uri + path, headers=headers, redirect=False, preload_content=False)
            body = answer.read(MAX_BODY_BYTES)
            answer.release_conn()
        except urllib3.exceptions.HTTPError as error:
            raise MetadataError(type(error).__name__) from error
        if answer.status == 404:
            raise InstanceNotFoundError
        try:
            return json.loads(body)[field]
        except (ValueError, KeyError, TypeError) as error:
            raise MetadataError(f"status {answer.status} without {field}") from error
