"""Saves a body to a file, and goes on where an earlier transfer of the same file was cut."""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from urllib3.response import BaseHTTPResponse

from gpu_worker.adapters.http_client import FaultKind, HttpFault, read_chunks
from gpu_worker.domain import messages
from gpu_worker.domain.failures import ErrorCode, JobError
from gpu_worker.media.probe import Downloaded
from gpu_worker.transfer.gunzip import CannotDecodeError, Gunzip, Plain, decoder_for
from gpu_worker.transfer.tries import read_date

MEGABYTE = 1_000_000
BEYOND_ANY_LIMIT = 10**18  # bytes; stands for lengths with more digits
CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)", re.ASCII | re.IGNORECASE)
STRONG_ETAG = re.compile(r'"[!#-~]{0,1024}"')
# A time of change is a strong validator when it is so old that no later change has the same (RFC 9110 8.8.2.2)
SURE_AGE = timedelta(seconds=60)

OnBytes = Callable[[int, int | None], None]


@dataclass(frozen=True)
class Source:
    """A file to fetch. field: the request's field, for messages; max_bytes: the largest size that is accepted."""

    field: str
    url: str
    target: Path
    max_bytes: int


class AnotherFileError(Exception):
    """An answer to a request for the rest of a file that does not continue what is there."""


class PartialFile:
    """A file that arrives in one or more transfers."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.size = 0  # bytes in the file
        self._total: int | None = None  # bytes of the whole body, when the server has said so
        self._digest = hashlib.sha256()
        self._decoder: Plain | Gunzip = Plain()
        self._validator = ""
        self._content_type = ""

    @property
    def kept(self) -> int:
        """The bytes that need not be fetched again."""
        return self.size if self._validator else 0

    def request_headers(self) -> dict[str, str]:
        """Returns the headers that ask for the rest, if it is still the same file; empty ones ask for the whole."""
        return {"Range": f"bytes={self.size}-", "If-Range": self._validator} if self.kept else {}

    def forget(self) -> None:
        """Lets the next transfer begin anew."""
        self.size, self._validator = 0, ""

    def receive_whole(self, response: BaseHTTPResponse, on_bytes: OnBytes) -> Downloaded:
        """Saves a body from its start; raises JobError, HttpFault."""
        self.forget()
        self._digest = hashlib.sha256()
        self._total = _length_of(response)
        self._content_type = response.headers.get("Content-Type", "")
        self._check_size(self._total or 0)
        try:
            self._decoder = decoder_for(response.headers.get("Content-Encoding", ""))
        except CannotDecodeError as error:
            raise self._undecodable() from error
        if isinstance(self._decoder, Plain):
            self._validator = _validator_of(response)
        return self._receive(response, self._total, on_bytes)

    def receive_rest(self, response: BaseHTTPResponse, on_bytes: OnBytes) -> Downloaded:
        """Appends the rest of a file; raises JobError, HttpFault, AnotherFileError."""
        found = CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
        if found is None:
            raise AnotherFileError
        begin, last, total = int(found[1]), int(found[2]), None if found[3] == "*" else int(found[3])
        known = self._total if self._total is not None else total
        etag = response.headers.get("ETag", self._validator)
        is_same = not self._validator.startswith('"') or etag == self._validator
        is_plain = isinstance(_decoder_or_none(response), Plain)
        if begin != self.size or total not in (None, known) or not is_same or not is_plain:
            raise AnotherFileError
        if last < begin or (known is not None and last >= known):
            raise AnotherFileError
        self._total = known
        self._check_size(known or 0)
        return self._receive(response, last + 1 - begin, on_bytes)

    def _receive(self, response: BaseHTTPResponse, expected: int | None, on_bytes: OnBytes) -> Downloaded:
        """Appends a body. expected: its bytes; what comes after them does not count."""
        arrived, before = 0, self.size
        with self._source.target.open("ab" if before else "wb") as file:
            for chunk in read_chunks(response):
                data = chunk if expected is None else chunk[: expected - arrived]
                arrived += len(data)
                try:
                    for piece in self._decoder.feed(data):
                        self.size += len(piece)
                        self._check_size(self.size)
                        self._digest.update(piece)
                        file.write(piece)
                except CannotDecodeError as error:
                    raise self._undecodable() from error
                on_bytes(before + arrived, self._total)
                if arrived == expected:
                    break
        if arrived < (expected or 0) or (self._total is not None and before + arrived < self._total):
            raise HttpFault(f"{before + arrived} of {self._total} bytes arrived", FaultKind.ENDED_EARLY)
        if not self._decoder.is_complete():
            if expected is not None:
                raise self._undecodable()
            raise HttpFault("the compressed body has no end", FaultKind.ENDED_EARLY)
        if self.size == 0:
            raise JobError(ErrorCode.INPUT_DOWNLOAD_FAILED, messages.empty_file(self._source.field))
        return Downloaded(self._source.target, self.size, self._digest.hexdigest(), self._content_type)

    def _check_size(self, size: int) -> None:
        if size > self._source.max_bytes:
            message = messages.file_too_large(self._source.field, f"{self._source.max_bytes / MEGABYTE:g}")
            raise JobError(ErrorCode.INPUT_TOO_LARGE, message)

    def _undecodable(self) -> JobError:
        return JobError(ErrorCode.INPUT_DOWNLOAD_FAILED, messages.badly_compressed(self._source.field))


def _decoder_or_none(response: BaseHTTPResponse) -> Plain | Gunzip | None:
    try:
        return decoder_for(response.headers.get("Content-Encoding", ""))
    except CannotDecodeError:
        return None


def _length_of(response: BaseHTTPResponse) -> int | None:
    """Returns the announced length of the body, None when there is none that can be read."""
    if "Transfer-Encoding" in response.headers:
        return None
    texts = {text.strip() for text in response.headers.get("Content-Length", "").split(",")}
    text = texts.pop()
    if texts or not (text.isascii() and text.isdigit()):
        return None
    return int(text) if len(text.lstrip("0")) <= 18 else BEYOND_ANY_LIMIT


def _validator_of(response: BaseHTTPResponse) -> str:
    """Returns what tells this file from a changed one, empty when nothing does for sure."""
    if response.headers.get("Accept-Ranges", "").strip().lower() == "none":
        return ""
    etag = response.headers.get("ETag", "").strip()
    if STRONG_ETAG.fullmatch(etag):
        return etag
    text = response.headers.get("Last-Modified", "").strip()
    changed, now = read_date(text), read_date(response.headers.get("Date", ""))
    return text if changed and now and now - changed >= SURE_AGE else ""
