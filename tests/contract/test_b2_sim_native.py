"""Holds the B2 simulator's native API to what unmodified b2sdk asks of B2."""

import hashlib
import io
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from b2sdk import v2 as b2sdk_v2
from b2sdk import v3 as b2sdk

from b2sdk.v3.exception import (  # isort: skip
    FileNotPresent,
    InvalidAuthToken,
    MaxRetriesExceeded,
    NonExistentBucket,
    Unauthorized,
)
from tests.support.b2_sim import APP_KEY, BUCKET, KEY_ID, RunningB2, running_b2_sim

NAME = "musetalk/outputs/job one+two.mp4"  # a blank and a plus: both have their own rule in B2's encoding


@pytest.fixture(scope="module")
def b2(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningB2]:
    with running_b2_sim(tmp_path_factory.mktemp("b2")) as running:
        yield running


@pytest.fixture(scope="module")
def bucket(b2: RunningB2) -> b2sdk.Bucket:
    return b2.native().get_bucket_by_name(BUCKET)


@pytest.mark.parametrize("sdk", [b2sdk_v2, b2sdk], ids=["v2 speaks API v3", "v3 speaks API v4"])
def test_both_generations_of_b2sdk_upload_and_download(b2: RunningB2, sdk: object) -> None:
    api = sdk.B2Api(sdk.InMemoryAccountInfo())  # type: ignore[attr-defined]
    api.authorize_account(application_key_id=KEY_ID, application_key=APP_KEY, realm=b2.origin)
    api.get_bucket_by_name(BUCKET).upload_bytes(b"frames", NAME)
    target = io.BytesIO()
    api.get_bucket_by_name(BUCKET).download_file_by_name(NAME).save(target)
    assert target.getvalue() == b"frames"


def test_an_uploaded_file_keeps_its_hash_type_and_info(bucket: b2sdk.Bucket) -> None:
    sent = bucket.upload_bytes(b"abc", "info.mp4", content_type="video/mp4", file_info={"job": "a b/c"})
    found = bucket.get_file_info_by_name("info.mp4")
    assert (found.id_, found.size, found.content_type) == (sent.id_, 3, "video/mp4")
    assert found.content_sha1 == hashlib.sha1(b"abc").hexdigest()
    assert {name.lower(): text for name, text in found.file_info.items()} == {"job": "a b/c"}


def test_a_stream_whose_hash_comes_at_the_end_is_stored_whole(bucket: b2sdk.Bucket) -> None:
    content = os.urandom(100_000)
    version = bucket.upload_unbound_stream(io.BytesIO(content), "stream.mp4")
    assert version.size == len(content)
    target = io.BytesIO()
    bucket.download_file_by_name("stream.mp4").save(target)
    assert target.getvalue() == content


def test_a_local_file_is_uploaded_and_a_range_of_it_downloaded(bucket: b2sdk.Bucket, tmp_path: Path) -> None:
    (tmp_path / "face.mp4").write_bytes(bytes(range(256)))
    bucket.upload_local_file(str(tmp_path / "face.mp4"), "face.mp4")
    target = io.BytesIO()
    bucket.download_file_by_name("face.mp4", range_=(10, 19)).save(target)
    assert target.getvalue() == bytes(range(10, 20))


def test_a_large_file_is_joined_from_its_parts(bucket: b2sdk.Bucket) -> None:
    content = os.urandom(11_000_000)
    version = bucket.upload(b2sdk.UploadSourceBytes(content), "large.mp4", min_part_size=5_000_000)
    assert version.size == len(content)
    target = io.BytesIO()
    bucket.download_file_by_name("large.mp4").save(target)
    assert hashlib.sha1(target.getvalue()).digest() == hashlib.sha1(content).digest()


def test_a_cancelled_large_file_leaves_nothing(b2: RunningB2, bucket: b2sdk.Bucket) -> None:
    api = bucket.api
    large = api.session.start_large_file(bucket.id_, "cancelled.mp4", "video/mp4", {})
    part = api.session.get_upload_part_url(large["fileId"])
    headers = {
        "Authorization": part["authorizationToken"],
        "X-Bz-Part-Number": "1",
        "X-Bz-Content-Sha1": hashlib.sha1(b"part").hexdigest(),
    }
    assert requests.post(part["uploadUrl"], data=b"part", headers=headers, timeout=5).status_code == 200
    assert [item.file_id for item in bucket.list_unfinished_large_files()] == [large["fileId"]]
    files_before = len(list(b2.directory.iterdir()))
    api.cancel_large_file(large["fileId"])
    assert list(bucket.list_unfinished_large_files()) == []
    assert len(list(b2.directory.iterdir())) == files_before - 1


def test_a_body_that_does_not_match_its_sha1_is_refused_and_not_stored(b2: RunningB2) -> None:
    api = b2.native()
    upload = api.session.get_upload_url(api.get_bucket_by_name(BUCKET).id_)
    headers = {
        "Authorization": upload["authorizationToken"],
        "X-Bz-File-Name": "wrong.mp4",
        "Content-Type": "video/mp4",
        "X-Bz-Content-Sha1": hashlib.sha1(b"other").hexdigest(),
    }
    answer = requests.post(upload["uploadUrl"], data=b"bytes", headers=headers, timeout=5)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    assert "Sha1 did not match" in answer.json()["message"]
    names = [item["name"] for item in requests.get(f"{b2.origin}/_sim/state", timeout=5).json()["files"]]
    assert "wrong.mp4" not in names
    assert not list(b2.directory.glob("wrong*"))


def test_listings_show_newest_names_versions_and_hide_markers(bucket: b2sdk.Bucket) -> None:
    first = bucket.upload_bytes(b"1", "list/a")
    second = bucket.upload_bytes(b"22", "list/a")
    bucket.upload_bytes(b"3", "list/b")
    bucket.hide_file("list/b")
    newest = [(version.file_name, version.size) for version, _ in bucket.ls("list/")]
    assert newest == [("list/a", 2)]
    versions = [(item.file_name, item.action) for item, _ in bucket.ls("list/", latest_only=False)]
    assert versions == [("list/a", "upload"), ("list/a", "upload"), ("list/b", "hide"), ("list/b", "upload")]
    assert bucket.api.get_file_info(first.id_).size == 1
    assert [item.id_ for item in bucket.list_file_versions("list/a")] == [second.id_, first.id_]


def test_a_deleted_version_is_gone_with_its_bytes(b2: RunningB2, bucket: b2sdk.Bucket) -> None:
    version = bucket.upload_bytes(b"gone", "gone.mp4")
    before = len(list(b2.directory.iterdir()))
    bucket.api.delete_file_version(version.id_, "gone.mp4")
    assert len(list(b2.directory.iterdir())) == before - 1
    with pytest.raises(FileNotPresent):
        bucket.api.delete_file_version(version.id_, "gone.mp4")


def test_a_private_download_needs_a_token_and_a_public_one_does_not(b2: RunningB2, tmp_path: Path) -> None:
    b2.native().get_bucket_by_name(BUCKET).upload_bytes(b"mine", "private.mp4")
    refused = requests.get(f"{b2.origin}/file/{BUCKET}/private.mp4", timeout=5)
    assert (refused.status_code, refused.json()["code"]) == (401, "unauthorized")
    with running_b2_sim(tmp_path / "public", "allPublic") as public:
        public.native().get_bucket_by_name(BUCKET).upload_bytes(b"ours", "public.mp4", "video/mp4")
        answer = requests.get(f"{public.origin}/file/{BUCKET}/public.mp4", timeout=5)
        assert (answer.status_code, answer.content, answer.headers["Content-Type"]) == (200, b"ours", "video/mp4")
        assert requests.get(f"{public.origin}/file/{BUCKET}/none.mp4", timeout=5).json()["code"] == "not_found"


@pytest.mark.parametrize(("key_id", "app_key"), [(KEY_ID, "wrong"), ("004unknown", APP_KEY)])
def test_a_wrong_key_is_not_authorized(b2: RunningB2, key_id: str, app_key: str) -> None:
    with pytest.raises((InvalidAuthToken, Unauthorized)):
        b2.native(key_id, app_key)


def test_an_unknown_bucket_is_not_found(b2: RunningB2) -> None:
    with pytest.raises(NonExistentBucket):
        b2.native().get_bucket_by_name("another-bucket")


def test_a_limited_key_writes_its_prefix_and_nothing_else(b2: RunningB2) -> None:
    master = b2.native()
    capabilities = ["listBuckets", "writeFiles", "readFiles"]
    bucket_id = master.get_bucket_by_name(BUCKET).id_
    made = master.create_key(capabilities, "job-1", bucket_ids=[bucket_id], name_prefix="musetalk/outputs/job-1")
    limited = b2.native(made.id_, made.application_key).get_bucket_by_name(BUCKET)
    limited.upload_bytes(b"mine", "musetalk/outputs/job-1.mp4")
    with pytest.raises(MaxRetriesExceeded, match="may not write this file"):  # b2sdk tries 401s anew
        limited.upload_bytes(b"theirs", "musetalk/outputs/job-2.mp4")
    master.delete_key_by_id(made.id_)
    with pytest.raises((InvalidAuthToken, Unauthorized)):
        b2.native(made.id_, made.application_key)


def test_keys_are_listed_in_pages_from_a_key_on_which_may_be_gone(b2: RunningB2) -> None:
    api = b2.native()
    made = sorted(api.create_key(["readFiles"], f"listed-{number}").id_ for number in range(5))
    account_id = api.account_info.get_account_id()

    def page(start: str | None) -> tuple[list[str], str | None]:
        answer = api.session.list_keys(account_id, max_key_count=2, start_application_key_id=start)
        return [key["applicationKeyId"] for key in answer["keys"]], answer["nextApplicationKeyId"]

    listed, start = [], made[0]
    while start is not None:
        ids, start = page(start)
        assert len(ids) <= 2
        listed += ids
    assert [key_id for key_id in listed if key_id in made] == made
    api.delete_key_by_id(made[0])
    assert page(made[0])[0][0] == listed[1]
    assert set(made[1:]) <= {key.id_ for key in api.list_keys()}
