"""Signatures and tokens: the published library agrees with ours both ways."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook

from avatar_jobs.domain.errors import BadSignatureError
from avatar_jobs.protocol.signatures import attempt_of_token, report_token, secret_bytes, signed_headers, verify_webhook
from tests.support.factories import NOW

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_c2Vjb25kLXNlY3JldC1mb3Itcm90YXRpb24="


@given(body=st.text().map(str.encode))
def test_the_published_library_signs_as_we_do(body: bytes) -> None:
    ours = signed_headers([SECRET], "msg_1", NOW, body)
    assert Webhook(SECRET).sign("msg_1", NOW, body.decode()) == ours["webhook-signature"]
    assert verify_webhook([SECRET], ours, body, NOW) == "msg_1"


def test_while_a_secret_rotates_both_are_signed_with_and_either_is_accepted() -> None:
    headers = signed_headers([SECRET, OTHER], "msg_1", NOW, b"{}")
    assert len(headers["webhook-signature"].split(" ")) == 2
    for secret in (SECRET, OTHER):
        assert verify_webhook([secret], headers, b"{}", NOW) == "msg_1"
        assert verify_webhook([OTHER, SECRET], signed_headers([secret], "m", NOW, b"{}"), b"{}", NOW) == "m"


@pytest.mark.parametrize(("seconds", "accepted"), [(-301, False), (-299, True), (299, True), (301, False)])
def test_the_tolerance_is_five_minutes_both_ways(seconds: int, accepted: bool) -> None:
    headers = signed_headers([SECRET], "msg_1", NOW, b"{}")
    now = NOW.replace(microsecond=0) + timedelta(seconds=seconds)
    if accepted:
        verify_webhook([SECRET], headers, b"{}", now)
    else:
        with pytest.raises(BadSignatureError):
            verify_webhook([SECRET], headers, b"{}", now)


@given(headers=st.dictionaries(st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature"]), st.text()))
def test_any_headers_are_accepted_or_refused_and_raise_nothing_else(headers: dict[str, str]) -> None:
    with pytest.raises(BadSignatureError):
        verify_webhook([SECRET], headers, b"{}", NOW)


@given(authorization=st.text() | st.text().map("Bearer rt1.".__add__))
def test_any_authorization_is_accepted_or_refused_and_raises_nothing_else(authorization: str) -> None:
    with pytest.raises(BadSignatureError):
        attempt_of_token(["s" * 32], "job", authorization)


def test_a_token_names_its_attempt_and_old_secrets_still_open_while_one_rotates() -> None:
    old, new = "o" * 32, "n" * 32
    token = report_token(old, "job-1", 2)
    assert attempt_of_token([new, old], "job-1", f"Bearer {token}") == 2
    for secrets, job_id, given_token in [
        ([new], "job-1", token),
        ([old], "job-2", token),
        ([old], "job-1", token.replace(".2.", ".3.")),
    ]:
        with pytest.raises(BadSignatureError):
            attempt_of_token(secrets, job_id, f"Bearer {given_token}")


def test_a_secret_that_is_not_base64_is_refused() -> None:
    with pytest.raises(ValueError, match="must be whsec_ followed by base64"):
        secret_bytes("whsec_***")
