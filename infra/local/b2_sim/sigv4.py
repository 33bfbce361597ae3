"""Verifies AWS Signature Version 4 of S3 requests, in the Authorization header or in a presigned query.

Written from AWS's published algorithm ("Authenticating Requests (AWS Signature Version 4)", Amazon S3 API
Reference). No I/O: the request, the time and the secrets are arguments.
"""

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, unquote

from infra.local.b2_sim.errors import S3Error

ALGORITHM = "AWS4-HMAC-SHA256"
MAX_SKEW = timedelta(minutes=15)  # AWS: a request's time may differ from the server's by 15 minutes
MAX_EXPIRES_SEC = 604_800  # AWS: a presigned link is valid for at most 7 days
CREDENTIAL = re.compile(r"(?P<key_id>[^/]+)/(?P<date>\d{8})/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request")
HEADER = re.compile(
    rf"{ALGORITHM} +Credential=(?P<credential>[^,\s]+), *SignedHeaders=(?P<signed>[^,\s]+), *Signature=(?P<sig>\w+)"
)


@dataclass(frozen=True)
class Request:
    """A request as it was sent: path and query percent-encoded, header names in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]


@dataclass(frozen=True)
class _Claim:
    """The signed facts that a request claims. sent_at: timezone-aware."""

    key_id: str
    date: str
    region: str
    service: str
    signed_headers: tuple[str, ...]
    signature: str
    sent_at: datetime
    payload_hash: str
    expires_sec: int | None  # None: signed in the header


def is_signed(request: Request) -> bool:
    """Returns whether the request has a signature, valid or not."""
    return "authorization" in request.headers or "X-Amz-Signature" in _parameters(request.query)


def verify(request: Request, secret_of: Callable[[str], str | None], region: str, now: datetime) -> str:
    """Returns the id of the key that signed the request.

    secret_of: the secret for a key id, None when unknown; region: the only one that is served; now: aware.
    Raises S3Error with AWS's codes: InvalidAccessKeyId, SignatureDoesNotMatch, AccessDenied, RequestTimeTooSkewed,
    AuthorizationHeaderMalformed, AuthorizationQueryParametersError.
    """
    parameters = _parameters(request.query)
    claim = _presigned_claim(parameters) if "X-Amz-Signature" in parameters else _header_claim(request.headers)
    _check_scope(claim, region)
    _check_time(claim, now)
    secret = secret_of(claim.key_id)
    if secret is None:
        raise S3Error(403, "InvalidAccessKeyId", "The key does not exist.", AWSAccessKeyId=claim.key_id)
    if "host" not in claim.signed_headers:
        raise S3Error(403, "AccessDenied", "The host header must be signed.")
    if not hmac.compare_digest(_signature(request, claim, secret), claim.signature.lower()):
        raise S3Error(403, "SignatureDoesNotMatch", "The signature does not match the request.")
    return claim.key_id


def _presigned_claim(parameters: Mapping[str, str]) -> _Claim:
    expires = parameters.get("X-Amz-Expires", "")
    credential = CREDENTIAL.fullmatch(parameters.get("X-Amz-Credential", ""))
    sent_at = _moment(parameters.get("X-Amz-Date", ""))
    expires_sec = int(expires) if expires.isascii() and expires.isdigit() else 0
    wrong = parameters.get("X-Amz-Algorithm") != ALGORITHM or not 1 <= expires_sec <= MAX_EXPIRES_SEC
    if wrong or credential is None or sent_at is None:
        raise S3Error(400, "AuthorizationQueryParametersError", "The presigned query is malformed.")
    signed_headers = tuple(parameters.get("X-Amz-SignedHeaders", "").split(";"))
    return _Claim(
        **credential.groupdict(),
        signed_headers=signed_headers,
        signature=parameters["X-Amz-Signature"],
        sent_at=sent_at,
        payload_hash="UNSIGNED-PAYLOAD",
        expires_sec=expires_sec,
    )


def _header_claim(headers: Mapping[str, str]) -> _Claim:
    match = HEADER.fullmatch(headers.get("authorization", "").strip())
    credential = CREDENTIAL.fullmatch(match["credential"]) if match else None
    sent_at = _moment(headers.get("x-amz-date", ""))
    if not match or not credential or not sent_at:
        raise S3Error(400, "AuthorizationHeaderMalformed", "The authorization header is malformed.")
    payload_hash = headers.get("x-amz-content-sha256")
    if payload_hash is None:
        raise S3Error(400, "InvalidRequest", "Missing required header for this request: x-amz-content-sha256")
    return _Claim(
        **credential.groupdict(),
        signed_headers=tuple(match["signed"].split(";")),
        signature=match["sig"],
        sent_at=sent_at,
        payload_hash=payload_hash,
        expires_sec=None,
    )


def _check_scope(claim: _Claim, region: str) -> None:
    code = "AuthorizationHeaderMalformed" if claim.expires_sec is None else "AuthorizationQueryParametersError"
    if claim.region != region:
        raise S3Error(400, code, f"the region '{claim.region}' is wrong; expecting '{region}'", Region=region)
    if claim.service != "s3" or claim.date != f"{claim.sent_at:%Y%m%d}":
        raise S3Error(400, code, "The credential's scope does not fit the request.")


def _check_time(claim: _Claim, now: datetime) -> None:
    if claim.expires_sec is None:
        if abs(now - claim.sent_at) > MAX_SKEW:
            raise S3Error(403, "RequestTimeTooSkewed", "The request's time is too far from the server's.")
        return
    if claim.sent_at - now > MAX_SKEW:
        raise S3Error(403, "AccessDenied", "Request is not yet valid")
    expires_at = claim.sent_at + timedelta(seconds=claim.expires_sec)
    if now >= expires_at:
        raise S3Error(
            403, "AccessDenied", "Request has expired", Expires=f"{expires_at:%Y-%m-%dT%H:%M:%SZ}",
            ServerTime=f"{now:%Y-%m-%dT%H:%M:%SZ}",
        )  # fmt: skip


def _signature(request: Request, claim: _Claim, secret: str) -> str:
    canonical = "\n".join(
        (
            request.method,
            quote(unquote(request.path), safe="/-_.~"),
            _canonical_query(request.query),
            *(f"{name}:{' '.join(request.headers.get(name, '').split())}" for name in claim.signed_headers),
            "",
            ";".join(claim.signed_headers),
            claim.payload_hash,
        )
    )
    scope = f"{claim.date}/{claim.region}/{claim.service}/aws4_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    signed_text = f"{ALGORITHM}\n{claim.sent_at:%Y%m%dT%H%M%SZ}\n{scope}\n{digest}"
    key = f"AWS4{secret}".encode()
    for step in (claim.date, claim.region, claim.service, "aws4_request"):
        key = hmac.digest(key, step.encode(), "sha256")
    return hmac.digest(key, signed_text.encode(), "sha256").hex()


def _canonical_query(query: str) -> str:
    encoded = ((quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, value in _pairs(query))
    return "&".join(f"{name}={value}" for name, value in sorted(encoded) if name != "X-Amz-Signature")


def _parameters(query: str) -> dict[str, str]:
    return dict(_pairs(query))


def _pairs(query: str) -> list[tuple[str, str]]:
    parts = (part.partition("=") for part in query.split("&") if part)
    return [(unquote(name), unquote(value)) for name, _, value in parts]


def _moment(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None
