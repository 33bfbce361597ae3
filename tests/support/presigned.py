"""Judges presigned S3 links by AWS's published algorithm, because test doubles like moto take any signature.

Source: "Authenticating Requests: Using Query Parameters (AWS Signature Version 4)", Amazon S3 API Reference. It shares
no code with what signs (botocore) nor with the B2 simulator, which verifies on its own.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, quote, unquote, urlsplit

ALGORITHM = "AWS4-HMAC-SHA256"
LONGEST_SEC = 7 * 24 * 3600  # AWS: seven days
CLOCK_SKEW = timedelta(minutes=15)  # AWS: how far in the future a signer's clock may be
UNRESERVED = "-._~"  # beside letters and digits: what the algorithm's UriEncode leaves as it is


class LinkRefusedError(Exception):
    """The link opens nothing; the message is AWS's error code or, for a wrong time, its message."""


@dataclass(frozen=True)
class PresignedLink:
    """What an authentic link gives: which file, until when; signed_at and expires_at are aware."""

    bucket: str
    key: str
    signed_at: datetime
    expires_at: datetime


def opened(url: str, secrets: Mapping[str, str], region: str, now: datetime, method: str = "GET") -> PresignedLink:
    """Returns what a path-style link opens at `now` (aware); secrets: key id -> secret. Raises LinkRefusedError."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    key_id, day, signed_region, service, terminator = _scope(query)
    signed_at, lifetime = _times(query)
    if (signed_region, service, terminator, day) != (region, "s3", "aws4_request", query["X-Amz-Date"][:8]):
        raise LinkRefusedError("AuthorizationQueryParametersError")
    if signed_at - now > CLOCK_SKEW:
        raise LinkRefusedError("Request is not yet valid")
    if now >= signed_at + lifetime:
        raise LinkRefusedError("Request has expired")
    if key_id not in secrets:
        raise LinkRefusedError("InvalidAccessKeyId")
    if query.get("X-Amz-SignedHeaders") != "host":  # a link is opened without any header but this one
        raise LinkRefusedError("AccessDenied")
    given = query.pop("X-Amz-Signature", "")
    text = _text_to_sign(method, parts.netloc, parts.path, query, [day, signed_region, service, terminator])
    expected = hmac.new(_signing_key(secrets[key_id], day, region), text.encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected.encode(), given.encode()):
        raise LinkRefusedError("SignatureDoesNotMatch")
    bucket, _, key = unquote(parts.path).removeprefix("/").partition("/")
    return PresignedLink(bucket, key, signed_at, signed_at + lifetime)


def _scope(query: Mapping[str, str]) -> list[str]:
    parts = query.get("X-Amz-Credential", "").split("/")
    if query.get("X-Amz-Algorithm") != ALGORITHM or len(parts) != 5:
        raise LinkRefusedError("AuthorizationQueryParametersError")
    return parts


def _times(query: Mapping[str, str]) -> tuple[datetime, timedelta]:
    """When the link was signed and how long it is valid."""
    try:
        signed_at = datetime.strptime(query["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        seconds = int(query["X-Amz-Expires"])
    except (KeyError, ValueError) as error:
        raise LinkRefusedError("AuthorizationQueryParametersError") from error
    if not 1 <= seconds <= LONGEST_SEC:
        raise LinkRefusedError("AuthorizationQueryParametersError")
    return signed_at, timedelta(seconds=seconds)


def _text_to_sign(method: str, host: str, path: str, query: Mapping[str, str], scope: list[str]) -> str:
    encoded = sorted((quote(name, safe=UNRESERVED), quote(value, safe=UNRESERVED)) for name, value in query.items())
    canonical_request = [
        method,
        quote(unquote(path), safe="/" + UNRESERVED),
        "&".join(f"{name}={value}" for name, value in encoded),
        f"host:{host}",
        "",
        "host",
        "UNSIGNED-PAYLOAD",
    ]
    digest = hashlib.sha256("\n".join(canonical_request).encode()).hexdigest()
    return "\n".join([ALGORITHM, query["X-Amz-Date"], "/".join(scope), digest])


def _signing_key(secret: str, day: str, region: str) -> bytes:
    key = ("AWS4" + secret).encode()
    for part in (day, region, "s3", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key
