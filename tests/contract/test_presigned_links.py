"""Holds the tests' own verifier of presigned links to the B2 simulator's verdict, and our links to both."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import pytest
import requests

from avatar_jobs.adapters.b2_outputs import LINK_LIFETIME_SEC, B2Outputs
from tests.support.b2_sim import APP_KEY, BUCKET, KEY_ID, REGION, RunningB2, running_b2_sim
from tests.support.presigned import LinkRefusedError, PresignedLink, opened

NAME = "musetalk/outputs/job one+two=ü.mp4"
OTHER = "musetalk/outputs/another.mp4"
CONTENT = b"a video"


@pytest.fixture(scope="module")
def b2(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningB2]:
    with running_b2_sim(tmp_path_factory.mktemp("b2")) as running:
        bucket = running.native().get_bucket_by_name(BUCKET)
        bucket.upload_bytes(CONTENT, NAME)
        bucket.upload_bytes(b"another video", OTHER)
        yield running


def our_link(
    b2: RunningB2,
    *,
    key_id: str = KEY_ID,
    app_key: str = APP_KEY,
    region: str = REGION,
    name: str = NAME,
    signed_at: datetime | None = None,
) -> str:
    """A link as the API gives it to an app."""
    outputs = B2Outputs(
        endpoint=b2.origin, region=region, key_id=key_id, app_key=app_key, bucket=BUCKET,
        download_url=b2.origin, public=False,
    )  # fmt: skip
    return outputs.link(name, signed_at or datetime.now(UTC))


def judged(url: str) -> PresignedLink:
    return opened(url, {KEY_ID: APP_KEY}, REGION, datetime.now(UTC))


def own_verdict(url: str) -> str:
    """OK, or the reason of our verifier."""
    try:
        judged(url)
    except LinkRefusedError as error:
        return str(error)
    return "OK"


def simulators_verdict(url: str) -> str:
    """OK, or the reason of the simulator: its message for a wrong time, its code for everything else."""
    answer = requests.get(url, timeout=5)
    if answer.ok:
        return "OK"
    message = answer.text.partition("<Message>")[2].partition("</Message>")[0]
    code = answer.text.partition("<Code>")[2].partition("</Code>")[0]
    return message if message.startswith("Request ") else code


def with_query(url: str, **changes: str | None) -> str:
    """The link with other values in its query (X-Amz- is put before the name); None takes one out."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query)) | {f"X-Amz-{name}": value for name, value in changes.items()}
    left = {name: value for name, value in query.items() if value is not None}
    return urlunsplit(parts._replace(query=urlencode(left)))


def test_our_link_opens_its_file_for_75_minutes(b2: RunningB2) -> None:
    url = our_link(b2)
    link = judged(url)
    assert (link.bucket, link.key) == (BUCKET, NAME)
    assert link.expires_at - link.signed_at == timedelta(seconds=LINK_LIFETIME_SEC) == timedelta(minutes=75)
    assert abs(link.signed_at - datetime.now(UTC)) < timedelta(minutes=1)
    assert requests.get(url, timeout=5).content == CONTENT


@pytest.mark.parametrize(
    ("tamper", "verdict"),
    [
        (lambda url: url, "OK"),
        (lambda url: url.replace("job%20one%2Btwo%3D%C3%BC", "another"), "SignatureDoesNotMatch"),
        (lambda url: url.replace(f"/{BUCKET}/", "/another-bucket/"), "SignatureDoesNotMatch"),
        (lambda url: with_query(url, Expires="7200"), "SignatureDoesNotMatch"),
        (lambda url: with_query(url, Signature="0" * 64), "SignatureDoesNotMatch"),
        (lambda url: with_query(url, Expires="604801"), "AuthorizationQueryParametersError"),
        (lambda url: with_query(url, Expires="0"), "AuthorizationQueryParametersError"),
        (lambda url: with_query(url, Expires=None), "AuthorizationQueryParametersError"),
        (lambda url: with_query(url, Date="tomorrow"), "AuthorizationQueryParametersError"),
        (lambda url: with_query(url, Algorithm="AWS4-HMAC-SHA1"), "AuthorizationQueryParametersError"),
        (lambda url: url.replace(KEY_ID, "004somebodyelse"), "InvalidAccessKeyId"),
        (lambda url: url + "&response-content-type=text/html", "SignatureDoesNotMatch"),
        (lambda url: url.replace("127.0.0.1", "localhost"), "SignatureDoesNotMatch"),
    ],
    ids=[
        "as it is", "another file", "another bucket", "a longer life", "another signature", "eight days", "no life",
        "no expiry", "no date", "another algorithm", "another key id", "an added override", "another host",
    ],
)  # fmt: skip
def test_both_verifiers_say_the_same_of_a_tampered_link(
    b2: RunningB2, tamper: Callable[[str], str], verdict: str
) -> None:
    url = tamper(our_link(b2))
    assert (own_verdict(url), simulators_verdict(url)) == (verdict, verdict)


@pytest.mark.parametrize(
    ("key", "verdict"),
    [
        ({"app_key": "K004anothersecret"}, "SignatureDoesNotMatch"),
        ({"region": "eu-central-003"}, "AuthorizationQueryParametersError"),
    ],
)
def test_both_verifiers_refuse_a_link_signed_with_another_key_or_for_another_region(
    b2: RunningB2, key: dict[str, str], verdict: str
) -> None:
    url = our_link(b2, app_key=key.get("app_key", APP_KEY), region=key.get("region", REGION))
    assert (own_verdict(url), simulators_verdict(url)) == (verdict, verdict)


@pytest.mark.parametrize(
    ("ago", "verdict"),
    [
        (timedelta(seconds=LINK_LIFETIME_SEC), "Request has expired"),
        (timedelta(days=30), "Request has expired"),
        (timedelta(seconds=LINK_LIFETIME_SEC - 60), "OK"),
        (timedelta(minutes=-14), "OK"),
        (timedelta(minutes=-16), "Request is not yet valid"),
    ],
)
def test_both_verifiers_agree_when_a_link_begins_and_ends(b2: RunningB2, ago: timedelta, verdict: str) -> None:
    url = our_link(b2, signed_at=datetime.now(UTC) - ago)
    assert (own_verdict(url), simulators_verdict(url)) == (verdict, verdict)


def test_a_link_ends_to_the_second(b2: RunningB2) -> None:
    url = our_link(b2)
    end = judged(url).expires_at
    assert opened(url, {KEY_ID: APP_KEY}, REGION, end - timedelta(seconds=1)).key == NAME
    with pytest.raises(LinkRefusedError, match="expired"):
        opened(url, {KEY_ID: APP_KEY}, REGION, end)


@pytest.mark.parametrize("name", ["musetalk/outputs/0a.mp4", NAME, "a b/~-._!*'()&=+?#%25/ü€😀.mp4"])
def test_our_link_is_the_one_that_amazons_own_library_makes(
    b2: RunningB2, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda **_: moment)
    theirs = b2.s3().generate_presigned_url("get_object", {"Bucket": BUCKET, "Key": name}, LINK_LIFETIME_SEC)
    assert our_link(b2, name=name, signed_at=moment) == theirs
