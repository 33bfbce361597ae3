"""Says what an app should change when a media server refuses a link, from its status and S3's error code.

Nothing of the body but a known code gets into a message: S3 repeats keys and query strings in its errors.
"""

import re
import time

from urllib3.response import BaseHTTPResponse

from gpu_worker.adapters.http_client import HttpFault, read_chunks

MAX_BODY = 8 * 1024  # bytes; S3's error documents have under 2 KB
BODY_SEC = 2.0  # the code only words the advice; no run waits for it
LIFE = "one that lives longer than start_timeout_seconds and run_timeout_seconds together"
EXPIRED = f"The link has expired. Send a fresh one, {LIFE}."
INVALID = (
    "The link's signature is not valid. Send it exactly as it was made (nothing added, cut off or encoded twice), "
    f"signed for GET without extra headers, and {LIFE}."
)
DENIED = (
    "The storage refuses access: the link has expired, or the key that signed it may not read this file. "
    f"Send a fresh link, {LIFE}."
)
PLAIN = {
    401: "Workers send no password: send a link that opens without one, such as a presigned link.",
    403: f"Access is refused: send a public link, or a presigned one that has not expired, {LIFE}.",
    404: "There is no such file: check the link, and that the file is still there.",
    410: "The file is gone: upload it again and send its new link.",
}
OTHERWISE = "Check that the link is right, public and has not expired."
# Error codes of the S3 API ("Error responses", Amazon S3 API Reference) and what they mean for who made the link
BY_CODE = {
    "SignatureDoesNotMatch": INVALID,
    "AuthorizationQueryParametersError": INVALID,
    "AuthorizationHeaderMalformed": INVALID,
    "InvalidAccessKeyId": f"The key that signed the link does not exist any more. Send a fresh link, {LIFE}.",
    "ExpiredToken": EXPIRED,
    "RequestExpired": EXPIRED,
    "TokenRefreshRequired": EXPIRED,
    "RequestTimeTooSkewed": "The link was signed with a wrong clock. Set the signer's clock and send a fresh link.",
    "AccessDenied": DENIED,
    "NoSuchKey": PLAIN[404],
    "NoSuchBucket": "There is no such bucket: check the link.",
    "InvalidObjectState": "The file is archived: restore it first, or send a copy.",
}
CODE = re.compile(rb"<Code>([A-Za-z]{1,64})</Code>")
HAS_EXPIRED = re.compile(rb"<Message>[^<]{0,40}expired", re.IGNORECASE)


def explain_refusal(status: int, response: BaseHTTPResponse) -> str:
    """Gives the advice for a 4xx (or another status without a file); reads a part of an XML body."""
    is_xml = "xml" in response.headers.get("Content-Type", "").lower()
    return advise(status, _read_begin(response) if is_xml else b"")


def advise(status: int, body: bytes) -> str:
    """Gives the advice; body: the begin of an S3 error document, or nothing."""
    found = CODE.search(body)
    code = found[1].decode() if found else ""
    if code in ("AccessDenied", "InvalidRequest") and HAS_EXPIRED.search(body):
        return EXPIRED
    return BY_CODE.get(code) or PLAIN.get(status, OTHERWISE)


def _read_begin(response: BaseHTTPResponse) -> bytes:
    """Reads up to MAX_BODY bytes in about BODY_SEC; a body that breaks off says what it said so far."""
    body, give_up = b"", time.monotonic() + BODY_SEC
    try:
        for chunk in read_chunks(response):
            body += chunk
            if len(body) >= MAX_BODY or time.monotonic() > give_up:
                break
    except HttpFault:
        return body
    return body
