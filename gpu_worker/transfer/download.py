"""Stage 1: downloads one media file, limited in size and time, with every redirect checked."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from urllib3.response import BaseHTTPResponse

from gpu_worker.adapters.http_client import FaultKind, HttpClient, HttpFault
from gpu_worker.domain import messages
from gpu_worker.domain.control import RunControl
from gpu_worker.domain.failures import ErrorCode, JobError
from gpu_worker.domain.url_guard import JudgedUrl, UrlNotAllowed, judge_url, resolve_redirect
from gpu_worker.media.probe import Downloaded
from gpu_worker.transfer.cookies import Cookies
from gpu_worker.transfer.partial_file import AnotherFileError, OnBytes, PartialFile, Source
from gpu_worker.transfer.refusals import explain_refusal
from gpu_worker.transfer.tries import Passing, Tries, asked_wait_sec

SOCKET_SEC = 20.0  # for the connection and each wait; home lines stall for seconds, dead servers for ever
MAX_REDIRECTS = 10  # shorteners and signed links need one or two, file hosts with logins of their own up to seven
REFUSAL_SEC = 3.0  # for the body of an answer without a file, which only improves the advice
REDIRECTS = frozenset({301, 302, 303, 307, 308})
BUSY = frozenset({408, 425, 429})  # 4xx that may pass by themselves


@dataclass(frozen=True)
class Downloader:
    """Downloads the media of one run.

    limit_sec: for one file, all tries and waits together; now: returns the seconds since 1970.
    """

    client: HttpClient
    control: RunControl
    limit_sec: float
    now: Callable[[], float]

    def fetch(self, source: Source, on_bytes: OnBytes) -> Downloaded:
        """Fetches a source; on_bytes is called with (bytes so far, bytes in all or None).

        Raises JobError: input_url_not_allowed, input_download_failed (4xx and other lasting faults), input_too_large,
        input_download_timeout (time-outs, 5xx, 429, cut transfers, after several tries). It says that another node may
        do better only when the fault may lie in this node's network.
        """
        give_up = time.monotonic() + self.limit_sec
        file, tries = PartialFile(source), Tries()
        while True:
            try:
                return self._follow(source, file, give_up, on_bytes)
            except Passing as passing:
                pause = tries.pause_after(passing, file.kept)
                left = min(give_up - time.monotonic(), self.control.remaining_sec())
                if pause is None or pause > left:
                    raise tries.verdict(passing) from passing
            self.control.pause(pause)

    def _follow(self, source: Source, file: PartialFile, give_up: float, on_bytes: OnBytes) -> Downloaded:
        text, cookies = source.url, Cookies()
        refused = messages.url_refused
        for _ in range(MAX_REDIRECTS + 1):
            try:
                url = judge_url(text, rehearsal=self.client.rehearsal)
                outcome = self._exchange(source, url, cookies, file, give_up, on_bytes)
                if isinstance(outcome, Downloaded):
                    return outcome
                refused = messages.redirect_refused
                text = resolve_redirect(url, outcome)
            except UrlNotAllowed as error:
                raise JobError(ErrorCode.INPUT_URL_NOT_ALLOWED, refused(source.field, error.reason)) from error
            except HttpFault as fault:
                raise self._translate(source, file, fault, give_up) from fault
        raise JobError(ErrorCode.INPUT_DOWNLOAD_FAILED, messages.too_many_redirects(source.field, MAX_REDIRECTS))

    def _exchange(
        self,
        source: Source,
        url: JudgedUrl,
        cookies: Cookies,
        file: PartialFile,
        give_up: float,
        on_bytes: OnBytes,
    ) -> Downloaded | str:
        """Makes one request; returns the file, or the target of a redirect."""
        ends_at = give_up

        def stop() -> bool:
            return self.control.stop_reason() is not None or time.monotonic() > ends_at

        asked = file.request_headers()
        headers = {"Accept": "*/*", "User-Agent": "avatar-video-worker", **asked, **cookies.headers_for(url)}
        with self.client.exchange("GET", url, headers=headers, socket_sec=SOCKET_SEC, stop=stop) as response:
            location = next((text for text in response.headers.getlist("Location") if text.strip()), None)
            if response.status in REDIRECTS and location:
                cookies.keep(url, response.headers.getlist("Set-Cookie"))
                return location
            try:
                if asked and response.status == 206:
                    return file.receive_rest(response, on_bytes)
                if asked and response.status in (412, 416):
                    raise AnotherFileError
            except AnotherFileError as error:
                file.forget()
                cut = JobError(ErrorCode.INPUT_DOWNLOAD_TIMEOUT, messages.download_cut(source.field))
                raise Passing(cut) from error
            if response.status != 200:
                ends_at = min(give_up, time.monotonic() + REFUSAL_SEC)
                raise _refusal(source, response, self.now)
            return file.receive_whole(response, on_bytes)

    def _translate(self, source: Source, file: PartialFile, fault: HttpFault, give_up: float) -> Exception:
        self.control.check()
        detail, late, lasting = str(fault), ErrorCode.INPUT_DOWNLOAD_TIMEOUT, ErrorCode.INPUT_DOWNLOAD_FAILED
        if fault.kind is FaultKind.CERTIFICATE:
            return JobError(lasting, messages.bad_certificate(source.field), detail=detail)
        if time.monotonic() > give_up:
            return Passing(JobError(late, messages.download_late(source.field, f"{self.limit_sec:g}"), detail=detail))
        if fault.kind is FaultKind.TLS:
            return Passing(JobError(lasting, messages.no_encryption(source.field), detail=detail))
        if fault.kind is FaultKind.NOT_HTTP:
            return Passing(JobError(lasting, messages.not_http(source.field), detail=detail))
        ended_at = file.size if fault.kind is FaultKind.ENDED_EARLY else None
        return Passing(JobError(late, messages.download_cut(source.field), detail=detail), ended_at=ended_at)


def _refusal(source: Source, response: BaseHTTPResponse, now: Callable[[], float]) -> JobError | Passing:
    """Returns the failure for an answer without a file; Passing for what may pass, but not sooner on another node."""
    status = response.status
    if status >= 500 or status in BUSY:
        text = messages.server_busy if status in BUSY else messages.server_failed
        failure = JobError(ErrorCode.INPUT_DOWNLOAD_TIMEOUT, text(source.field, status), retryable=False)
        return Passing(failure, wait_sec=asked_wait_sec(response.headers, now()))
    message = messages.link_refused(source.field, status, explain_refusal(status, response))
    return JobError(ErrorCode.INPUT_DOWNLOAD_FAILED, message)
