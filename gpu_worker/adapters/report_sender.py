"""Sends a run's reports over HTTP and reads the answers."""

import json
import time
from typing import Any

from gpu_worker.adapters.http_client import HttpClient, HttpFault, read_chunks
from gpu_worker.domain.url_guard import UrlNotAllowed, judge_url
from gpu_worker.ports import ReportFault
from gpu_worker.wire import ReportAnswer, read_report_answer

SOCKET_SEC = 3.0  # a cloud function answers in well under a second once it is warm
TOTAL_SEC = 4.0  # under the 5 s between reports, so that reports cannot pile up
MAX_ANSWER = 16 * 1024  # bytes; the answer has two small fields


class HttpReportSender:
    """Sends the reports of one run to its URL, with its token."""

    def __init__(self, client: HttpClient, url: str, token: str) -> None:
        self._client = client
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def __call__(self, report: dict[str, Any]) -> ReportAnswer:
        """Sends one report; raises ReportFault unless the answer is a 200 with a valid body."""
        give_up = time.monotonic() + TOTAL_SEC
        try:
            url = judge_url(self._url, rehearsal=self._client.rehearsal)
            with self._client.exchange(
                "POST",
                url,
                headers=self._headers,
                body=json.dumps(report).encode(),
                socket_sec=SOCKET_SEC,
                stop=lambda: time.monotonic() > give_up,
            ) as response:
                if response.status != 200:
                    raise ReportFault(f"the report was answered with {response.status}")
                body = b""
                for chunk in read_chunks(response):
                    body += chunk
                    if len(body) > MAX_ANSWER:
                        raise ReportFault("the answer to the report is too large")
        except UrlNotAllowed as error:
            raise ReportFault(f"the report URL is not allowed: {error.reason}") from error
        except HttpFault as error:
            raise ReportFault(str(error)) from error
        try:
            return read_report_answer(body)
        except ValueError as error:
            raise ReportFault(str(error)) from error
