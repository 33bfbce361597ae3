"""Holds the B2 simulator's S3 calls to what unmodified boto3 asks, and its signatures to being verified."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest
import requests
from botocore.exceptions import ClientError

from tests.support.b2_sim import APP_KEY, BUCKET, KEY_ID, RunningB2, running_b2_sim

NAME = "musetalk/outputs/job one+two.mp4"
CONTENT = bytes(range(256)) * 40


@pytest.fixture(scope="module")
def b2(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningB2]:
    with running_b2_sim(tmp_path_factory.mktemp("b2")) as running:
        running.native().get_bucket_by_name(BUCKET).upload_bytes(CONTENT, NAME, "video/mp4", {"job": "1"})
        yield running


def presigned(b2: RunningB2, expires_sec: int = 3600, **parameters: str) -> str:
    return str(b2.s3().generate_presigned_url("get_object", {"Bucket": BUCKET, "Key": NAME, **parameters}, expires_sec))


def refusal(answer: requests.Response) -> tuple[int, str]:
    return answer.status_code, answer.text.partition("<Code>")[2].partition("</Code>")[0]


def test_head_returns_size_type_and_metadata(b2: RunningB2) -> None:
    head = b2.s3().head_object(Bucket=BUCKET, Key=NAME)
    assert (head["ContentLength"], head["ContentType"]) == (len(CONTENT), "video/mp4")
    assert {name.lower(): text for name, text in head["Metadata"].items()} == {"job": "1"}
    assert head["VersionId"]


def test_get_gives_the_bytes_and_ranges_of_them(b2: RunningB2) -> None:
    client = b2.s3()
    assert client.get_object(Bucket=BUCKET, Key=NAME)["Body"].read() == CONTENT
    part = client.get_object(Bucket=BUCKET, Key=NAME, Range="bytes=5-9")
    assert (part["Body"].read(), part["ContentRange"]) == (CONTENT[5:10], f"bytes 5-9/{len(CONTENT)}")
    with pytest.raises(ClientError, match="InvalidRange"):
        client.get_object(Bucket=BUCKET, Key=NAME, Range="bytes=99999999-")


def test_a_missing_file_or_bucket_is_404(b2: RunningB2) -> None:
    with pytest.raises(ClientError) as missing:
        b2.s3().head_object(Bucket=BUCKET, Key="none.mp4")
    assert missing.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404
    with pytest.raises(ClientError, match="NoSuchKey"):
        b2.s3().get_object(Bucket=BUCKET, Key="none.mp4")
    with pytest.raises(ClientError, match="NoSuchBucket"):
        b2.s3().get_object(Bucket="another-bucket", Key=NAME)


def test_delete_hides_and_delete_of_a_version_removes(b2: RunningB2) -> None:
    bucket, client = b2.native().get_bucket_by_name(BUCKET), b2.s3()
    version = bucket.upload_bytes(b"old", "old.mp4")
    assert client.delete_object(Bucket=BUCKET, Key="old.mp4")["DeleteMarker"] is True
    with pytest.raises(ClientError, match="NoSuchKey"):
        client.get_object(Bucket=BUCKET, Key="old.mp4")
    assert client.get_object(Bucket=BUCKET, Key="old.mp4", VersionId=version.id_)["Body"].read() == b"old"
    client.delete_object(Bucket=BUCKET, Key="old.mp4", VersionId=version.id_)
    assert [item.action for item in bucket.list_file_versions("old.mp4")] == ["hide"]


def test_a_presigned_link_works_without_any_header_and_takes_overrides(b2: RunningB2) -> None:
    plain = requests.get(presigned(b2), timeout=5)
    assert (plain.status_code, plain.content, plain.headers["Content-Type"]) == (200, CONTENT, "video/mp4")
    disposition = 'attachment; filename="a b.mp4"'
    named = requests.get(presigned(b2, ResponseContentDisposition=disposition), timeout=5)
    assert (named.status_code, named.headers["Content-Disposition"]) == (200, disposition)


@pytest.mark.parametrize(
    "change",
    [
        lambda url: url.replace("job%20one", "job%20two"),
        lambda url: url.replace("X-Amz-Expires=3600", "X-Amz-Expires=7200"),
        lambda url: url[:-1] + ("0" if url[-1] != "0" else "1"),
        lambda url: url + "&response-content-type=text/html",
        lambda url: url.replace("127.0.0.1", "localhost"),
    ],
    ids=["another object", "a longer life", "another signature", "an added override", "another host"],
)
def test_a_tampered_link_is_refused(b2: RunningB2, change: object) -> None:
    url = presigned(b2)
    tampered = change(url)  # type: ignore[operator]
    assert tampered != url
    assert refusal(requests.get(tampered, timeout=5)) == (403, "SignatureDoesNotMatch")


def test_a_link_is_for_its_method_alone(b2: RunningB2) -> None:
    assert refusal(requests.delete(presigned(b2), timeout=5)) == (403, "SignatureDoesNotMatch")


def test_a_link_ends_when_it_says(b2: RunningB2, monkeypatch: pytest.MonkeyPatch) -> None:
    an_hour_ago = datetime.now(UTC) - timedelta(hours=1)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda **_: an_hour_ago)
    expired = requests.get(presigned(b2, expires_sec=3599), timeout=5)
    assert refusal(expired) == (403, "AccessDenied")
    assert "<Message>Request has expired</Message>" in expired.text
    assert requests.get(presigned(b2, expires_sec=4000), timeout=5).status_code == 200


def test_a_link_from_the_future_is_refused(b2: RunningB2, monkeypatch: pytest.MonkeyPatch) -> None:
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda **_: tomorrow)
    assert refusal(requests.get(presigned(b2), timeout=5)) == (403, "AccessDenied")


def test_a_signed_header_that_is_too_old_is_refused(b2: RunningB2, monkeypatch: pytest.MonkeyPatch) -> None:
    long_ago = datetime.now(UTC) - timedelta(minutes=16)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda **_: long_ago)
    with pytest.raises(ClientError, match="RequestTimeTooSkewed"):
        b2.s3().get_object(Bucket=BUCKET, Key=NAME)


@pytest.mark.parametrize(
    ("key_id", "app_key", "code"),
    [(KEY_ID, "wrong", "SignatureDoesNotMatch"), ("004unknown", APP_KEY, "InvalidAccessKeyId")],
)
def test_wrong_keys_are_refused(b2: RunningB2, key_id: str, app_key: str, code: str) -> None:
    with pytest.raises(ClientError, match=code):
        b2.s3(key_id, app_key).get_object(Bucket=BUCKET, Key=NAME)


def test_a_link_signed_for_another_region_is_refused(b2: RunningB2) -> None:
    elsewhere = b2.s3(region="eu-central-003")
    url = elsewhere.generate_presigned_url("get_object", {"Bucket": BUCKET, "Key": NAME})
    assert refusal(requests.get(url, timeout=5)) == (400, "AuthorizationQueryParametersError")


def test_a_private_object_without_a_signature_is_refused(b2: RunningB2) -> None:
    answer = requests.get(f"{b2.origin}/{BUCKET}/{quote(NAME)}", timeout=5)
    assert refusal(answer) == (403, "AccessDenied")


def test_a_limited_key_signs_only_for_its_own_files(b2: RunningB2) -> None:
    master = b2.native()
    made = master.create_key(["readFiles"], "reader", name_prefix="musetalk/outputs/")
    reader = b2.s3(made.id_, made.application_key)
    assert reader.head_object(Bucket=BUCKET, Key=NAME)["ContentLength"] == len(CONTENT)
    with pytest.raises(ClientError, match="AccessDenied"):
        reader.get_object(Bucket=BUCKET, Key="elsewhere.mp4")
    with pytest.raises(ClientError, match="AccessDenied"):
        reader.delete_object(Bucket=BUCKET, Key=NAME)
