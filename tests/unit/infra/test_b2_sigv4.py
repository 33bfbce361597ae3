"""Holds the signature check to the worked examples of AWS's documentation (Amazon S3 API Reference, SigV4)."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from infra.local.b2_sim.errors import S3Error
from infra.local.b2_sim.sigv4 import Request, verify

KEY_ID, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
SENT_AT = datetime(2013, 5, 24, tzinfo=UTC)
HOST = "examplebucket.s3.amazonaws.com"
EMPTY_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
PRESIGNED = Request(
    "GET",
    "/test.txt",
    "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
    "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
    "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404",
    {"host": HOST},
)
IN_HEADER = Request(
    "GET",
    "/test.txt",
    "",
    {
        "host": HOST,
        "range": "bytes=0-9",
        "x-amz-date": "20130524T000000Z",
        "x-amz-content-sha256": EMPTY_SHA256,
        "authorization": "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
        "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,"
        "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
    },
)


def check(request: Request, now: datetime = SENT_AT) -> str:
    return verify(request, {KEY_ID: SECRET}.get, "us-east-1", now)


@pytest.mark.parametrize("request_", [PRESIGNED, IN_HEADER], ids=["presigned", "in the header"])
def test_the_documented_examples_verify(request_: Request) -> None:
    assert check(request_) == KEY_ID


@pytest.mark.parametrize("request_", [PRESIGNED, IN_HEADER], ids=["presigned", "in the header"])
def test_another_path_does_not_verify(request_: Request) -> None:
    with pytest.raises(S3Error) as refused:
        check(replace(request_, path="/test2.txt"))
    assert (refused.value.status, refused.value.code) == (403, "SignatureDoesNotMatch")


@pytest.mark.parametrize(
    ("seconds", "message"),
    [(86_399, None), (86_400, "Request has expired"), (-901, "Request is not yet valid"), (-900, None)],
)
def test_a_link_is_valid_from_its_date_to_its_last_second(seconds: int, message: str | None) -> None:
    now = SENT_AT + timedelta(seconds=seconds)
    if message is None:
        assert check(PRESIGNED, now) == KEY_ID
        return
    with pytest.raises(S3Error) as refused:
        check(PRESIGNED, now)
    assert (refused.value.code, refused.value.message) == ("AccessDenied", message)


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("86400", "604801", "AuthorizationQueryParametersError"),
        ("86400", "0", "AuthorizationQueryParametersError"),
        ("86400", "-5", "AuthorizationQueryParametersError"),
        ("20130524T000000Z", "yesterday", "AuthorizationQueryParametersError"),
        ("20130524%2F", "20130523%2F", "AuthorizationQueryParametersError"),
        ("us-east-1", "us-east-2", "AuthorizationQueryParametersError"),
        ("%2Fs3%2F", "%2Fec2%2F", "AuthorizationQueryParametersError"),
        ("AWS4-HMAC-SHA256", "AWS4-NONE", "AuthorizationQueryParametersError"),
        ("SignedHeaders=host", "SignedHeaders=range", "AccessDenied"),
        ("AKIAIOSFODNN7EXAMPLE", "AKIAOTHER", "InvalidAccessKeyId"),
    ],
)
def test_a_malformed_or_foreign_query_has_its_own_error(old: str, new: str, code: str) -> None:
    assert old in PRESIGNED.query
    with pytest.raises(S3Error) as refused:
        check(replace(PRESIGNED, query=PRESIGNED.query.replace(old, new)))
    assert refused.value.code == code


@pytest.mark.parametrize("authorization", ["", "Basic abc", "AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host"])
def test_a_malformed_header_is_an_error_of_its_own(authorization: str) -> None:
    with pytest.raises(S3Error) as refused:
        check(replace(IN_HEADER, headers=dict(IN_HEADER.headers) | {"authorization": authorization}))
    assert refused.value.code == "AuthorizationHeaderMalformed"
