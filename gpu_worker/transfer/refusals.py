"""Chooses the advice for an app whose link a media server refuses, from the status and S3's error code.

Nothing of the body except a known code gets into a message: S3 repeats keys and query strings in its errors.
"""

import re
import time

from urllib3.response import BaseHTTPResponse

from gpu_worker.adapters.http_client import HttpFault, read_chunks
from gpu_worker.domain import messages

MAX_BODY = 8 * 1024  # bytes; S3's error documents have under 2 KB
BODY_SEC = 2.0  # the code only improves the advice, so that no run waits long for it
BY_STATUS = {
    401: messages.LINK_ASKS_LOGIN,
    403: messages.LINK_NOT_PUBLIC,
    404: messages.FILE_MISSING,
    410: messages.FILE_GONE,
}
# Error codes of the S3 API ("Error responses", Amazon S3 API Reference) and the advice for whoever made the link
BY_CODE = {
    "SignatureDoesNotMatch": messages.LINK_INVALID,
    "AuthorizationQueryParametersError": messages.LINK_INVALID,
    "AuthorizationHeaderMalformed": messages.LINK_INVALID,
    "InvalidAccessKeyId": messages.LINK_KEY_GONE,
    "ExpiredToken": messages.LINK_EXPIRED,
    "RequestExpired": messages.LINK_EXPIRED,
    "TokenRefreshRequired": messages.LINK_EXPIRED,
    "RequestTimeTooSkewed": messages.LINK_CLOCK_WRONG,
    "AccessDenied": messages.LINK_DENIED,
    "NoSuchKey": messages.FILE_MISSING,
    "NoSuchBucket": messages.BUCKET_MISSING,
    "InvalidObjectState": messages.FILE_ARCHIVED,
}
CODE = re.compile(rb"<Code>([A-Za-z]{1,64})</Code>")
HAS_EXPIRED = re.compile(rb"<Message>[^<]{0,40}expired", re.IGNORECASE)


def explain_refusal(status: int, response: BaseHTTPResponse) -> str:
    """Returns the advice for a 4xx (or another status without a file); reads the start of an XML body."""
    is_xml = "xml" in response.headers.get("Content-Type", "").lower()
    return advise(status, _read_begin(response) if is_xml else b"")


def advise(status: int, body: bytes) -> str:
    """Returns the advice; body: the start of an S3 error document, or nothing."""
    found = CODE.search(body)
    code = found[1].decode() if found else ""
    if code in ("AccessDenied", "InvalidRequest") and HAS_EXPIRED.search(body):
        return messages.LINK_EXPIRED
    return BY_CODE.get(code) or BY_STATUS.get(status, messages.CHECK_LINK)


def _read_begin(response: BaseHTTPResponse) -> bytes:
    """Reads up to MAX_BODY bytes in about BODY_SEC; returns what arrived when the body breaks off."""
    body, give_up = b"", time.monotonic() + BODY_SEC
    try:
        for chunk in read_chunks(response):
            body += chunk
            if len(body) >= MAX_BODY or time.monotonic() > give_up:
                break
    except HttpFault:
        return body
    return body
