"""One HTTP request to SaladCloud at a time: time-outs, size limits, and errors that say whether a retry helps.

Facts: Salad's public OpenAPI document and API usage page: header Salad-Api-Key, 240 calls a minute for one key, errors
may be HTML pages also behind a JSON Accept, PATCH takes application/merge-patch+json.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from time import monotonic
from typing import Any

import requests

from avatar_jobs.domain.errors import ProviderError
from avatar_jobs.protocol.http_answers import error_reason, retry_after_sec
from avatar_jobs.protocol.outside_json import JsonOverLimitError, NotJsonError, read_json

CONNECT_SEC = 2.0
DEFAULT_TIMEOUT_SEC = 10.0
MAX_BODY_BYTES = 34_000_000  # a job's output is at most 10 MB, three times as long when JSON escapes it
READ_BYTES = 65_536
MERGE_PATCH = "application/merge-patch+json"


class AnswerOverLimitError(ProviderError):
    """Salad's answer has the expected status, but nests too deep, holds too many values or is too long."""

    def __init__(self, method: str, status: int) -> None:
        text = f"Salad answered {method} with {status} and a body over the limits"
        super().__init__(text, status=status, retryable=True, may_have_happened=True)


class SaladTransport:
    """A sender of single HTTP requests with the API key.

    timeout_sec: limit of one call in seconds, with at most 2 s of it for connecting; now: the current time, to read
    dates in Retry-After. Both methods send exactly one request and raise ProviderError; the API key occurs in no
    message.
    """

    def __init__(self, *, api_key: str, now: Callable[[], datetime], timeout_sec: float = DEFAULT_TIMEOUT_SEC) -> None:
        self._now = now
        self._timeout_sec = timeout_sec
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy and no .netrc of the machine may see the key
        self._session.headers.update({"Salad-Api-Key": api_key, "Accept": "application/json"})

    def close(self) -> None:
        """Closes the kept connections."""
        self._session.close()

    def call_object(
        self,
        method: str,
        url: str,
        expected: int,
        body: Mapping[str, Any] | None = None,
        content_type: str | None = None,
    ) -> dict[str, Any]:
        """Sends one request and returns the JSON object that must come with the expected status."""
        answer = self.call(method, url, expected, body, content_type)
        if not isinstance(answer, dict):
            raise ProviderError(
                f"Salad answered {method} with something else than a JSON object",
                status=expected,
                retryable=True,
                may_have_happened=True,
            )
        return answer

    def call(
        self,
        method: str,
        url: str,
        expected: int,
        body: Mapping[str, Any] | None = None,
        content_type: str | None = None,
    ) -> Any:
        """Sends one request and returns the parsed body of the expected status (None when it is empty)."""
        timeouts = (min(CONNECT_SEC, self._timeout_sec), self._timeout_sec)
        headers = {"Content-Type": content_type} if content_type else None
        try:
            response = self._session.request(
                method, url, json=body, headers=headers, timeout=timeouts, allow_redirects=False, stream=True
            )
            with response:
                content = self._content(response, monotonic() + self._timeout_sec)
        except requests.exceptions.ConnectTimeout as error:
            raise _failed(method, "did not accept a connection", may_have_happened=False) from error
        except requests.exceptions.ConnectionError as error:
            raise _failed(method, "refused or cut the connection", may_have_happened=not _refused(error)) from error
        except (requests.exceptions.RequestException, OSError) as error:
            raise _failed(method, "gave no answer in time", may_have_happened=True) from error
        return self._read(method, expected, response, content)

    def _content(self, response: requests.Response, deadline: float) -> bytes:
        """Reads a body of at most MAX_BODY_BYTES. Raises TimeoutError when the body is longer or comes too slowly."""
        content = bytearray()
        while chunk := response.raw.read1(READ_BYTES, decode_content=True):
            content += chunk
            if len(content) > MAX_BODY_BYTES or monotonic() > deadline:
                raise TimeoutError("the body is too long or too slow")
        return bytes(content)

    def _read(self, method: str, expected: int, response: requests.Response, content: bytes) -> Any:
        status = response.status_code
        content_type = response.headers.get("Content-Type", "")
        if status != expected:
            raise ProviderError(
                f"Salad answered {method} with {status}: {error_reason(content, content_type)}",
                status=status,
                retryable=status in (401, 403, 408, 429) or status >= 500,
                may_have_happened=not 400 <= status < 500 or status == 408,
                retry_after_sec=retry_after_sec(response.headers.get("Retry-After"), self._now()),
            )
        if not content:
            return None
        try:
            return read_json(content)
        except JsonOverLimitError as error:
            raise AnswerOverLimitError(method, status) from error
        except NotJsonError as error:
            raise ProviderError(
                f"Salad answered {method} with {status} and {error_reason(content, content_type)}",
                status=status,
                retryable=True,
                may_have_happened=True,
            ) from error


def _failed(method: str, what: str, *, may_have_happened: bool) -> ProviderError:
    return ProviderError(f"Salad {what} ({method})", status=None, retryable=True, may_have_happened=may_have_happened)


def _refused(error: BaseException) -> bool:
    """True when the connection was never made, so that nothing can have been sent."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ConnectionRefusedError):
            return True
        reasons = [part for part in (*seen.args, getattr(seen, "reason", None)) if isinstance(part, BaseException)]
        seen = seen.__cause__ or (reasons[0] if reasons else None)
    return False
