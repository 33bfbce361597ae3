"""Stage 1: downloads one media file, limited in size and time, with every redirect checked."""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin

from urllib3.response import BaseHTTPResponse

from gpu_worker.adapters.http_client import HttpClient, HttpFault, read_chunks
from gpu_worker.domain import messages
from gpu_worker.domain.control import RunControl
from gpu_worker.domain.failures import ErrorCode, JobError
from gpu_worker.domain.url_guard import JudgedUrl, UrlNotAllowed, judge_url
from gpu_worker.media.probe import Downloaded
from gpu_worker.transfer.refusals import explain_refusal

SOCKET_SEC = 20.0  # for the connection and each wait; home lines stall for seconds, dead servers for ever
TRIES = 3  # inside one run: a short interruption costs far less here than on another node
PAUSES_SEC = (0.5, 2.0)  # between the tries
MAX_REDIRECTS = 3  # shorteners and signed links need one or two
REDIRECTS = frozenset({301, 302, 303, 307, 308})
TRY_AGAIN = frozenset({408, 425, 429})  # 4xx that may pass by themselves; one that stays is reported as a 4xx
MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Source:
    """A file to fetch. field: the request's field, for messages; max_bytes: the largest size that is accepted."""

    field: str
    url: str
    target: Path
    max_bytes: int


class _Passing(Exception):  # noqa: N818  becomes a JobError when the tries are used up
    """A failure that may pass by itself, so that another try is worth while."""

    def __init__(self, failure: JobError) -> None:
        super().__init__(failure.message)
        self.failure = failure


@dataclass(frozen=True)
class Downloader:
    """Downloads the media of one run. limit_sec: for one file, all tries together."""

    client: HttpClient
    control: RunControl
    limit_sec: float

    def fetch(self, source: Source, on_bytes: Callable[[int, int | None], None]) -> Downloaded:
        """Fetches a source; on_bytes is called with (bytes so far, bytes in all or None).

        Raises JobError: input_url_not_allowed, input_download_failed (4xx and other lasting faults),
        input_too_large, input_download_timeout (time-outs, 5xx, broken connections, after TRIES tries).
        """
        give_up = time.monotonic() + self.limit_sec
        for pause in (*PAUSES_SEC, None):
            try:
                return self._follow(source, give_up, on_bytes)
            except _Passing as passing:
                if pause is None or time.monotonic() + pause > give_up:
                    raise passing.failure from passing
            self.control.pause(pause)
        raise AssertionError("the last try returns or raises")

    def _follow(self, source: Source, give_up: float, on_bytes: Callable[[int, int | None], None]) -> Downloaded:
        text = source.url
        for _ in range(MAX_REDIRECTS + 1):
            try:
                url = judge_url(text, rehearsal=self.client.rehearsal)
                outcome = self._exchange(source, url, give_up, on_bytes)
            except UrlNotAllowed as error:
                message = messages.url_refused(source.field, error.reason)
                raise JobError(ErrorCode.INPUT_URL_NOT_ALLOWED, message) from error
            except HttpFault as fault:
                raise self._translate(source, fault, give_up) from fault
            if isinstance(outcome, Downloaded):
                return outcome
            text = urljoin(url.text, outcome)
        raise JobError(ErrorCode.INPUT_DOWNLOAD_FAILED, messages.too_many_redirects(source.field, MAX_REDIRECTS))

    def _exchange(
        self, source: Source, url: JudgedUrl, give_up: float, on_bytes: Callable[[int, int | None], None]
    ) -> Downloaded | str:
        """Makes one request; returns the file, or the target of a redirect."""

        def stop() -> bool:
            return self.control.stop_reason() is not None or time.monotonic() > give_up

        headers = {"Accept": "*/*", "User-Agent": "avatar-video-worker"}
        with self.client.exchange("GET", url, headers=headers, socket_sec=SOCKET_SEC, stop=stop) as response:
            location = response.headers.get("Location")
            if response.status in REDIRECTS and location:
                return location
            _check_status(source, response)
            return _save(source, response, on_bytes)

    def _translate(self, source: Source, fault: HttpFault, give_up: float) -> Exception:
        self.control.check()
        if fault.certificate:
            message = messages.bad_certificate(source.field)
            return JobError(ErrorCode.INPUT_DOWNLOAD_FAILED, message, detail=str(fault))
        is_late = time.monotonic() > give_up
        message = (
            messages.download_late(source.field, f"{self.limit_sec:g}")
            if is_late
            else messages.download_cut(source.field)
        )
        return _Passing(JobError(ErrorCode.INPUT_DOWNLOAD_TIMEOUT, message, detail=str(fault)))


def _check_status(source: Source, response: BaseHTTPResponse) -> None:
    status = response.status
    if status == 200:
        return
    if status >= 500:
        raise _Passing(JobError(ErrorCode.INPUT_DOWNLOAD_TIMEOUT, messages.server_failed(source.field, status)))
    message = messages.link_refused(source.field, status, explain_refusal(status, response))
    failure = JobError(ErrorCode.INPUT_DOWNLOAD_FAILED, message)
    raise _Passing(failure) if status in TRY_AGAIN else failure


def _save(source: Source, response: BaseHTTPResponse, on_bytes: Callable[[int, int | None], None]) -> Downloaded:
    announced = response.headers.get("Content-Length", "")
    total = int(announced) if announced.isascii() and announced.isdigit() else None
    _check_size(source, total or 0)
    size, digest = 0, hashlib.sha256()
    with source.target.open("wb") as file:
        for chunk in read_chunks(response):
            size += len(chunk)
            _check_size(source, size)
            digest.update(chunk)
            file.write(chunk)
            on_bytes(size, total)
    if total is not None and size < total:
        raise HttpFault(f"{size} of {total} bytes arrived")
    if size == 0:
        raise JobError(ErrorCode.INPUT_DOWNLOAD_FAILED, messages.empty_file(source.field))
    return Downloaded(source.target, size, digest.hexdigest(), response.headers.get("Content-Type", ""))


def _check_size(source: Source, size: int) -> None:
    if size > source.max_bytes:
        message = messages.file_too_large(source.field, f"{source.max_bytes / MEGABYTE:g}")
        raise JobError(ErrorCode.INPUT_TOO_LARGE, message)
