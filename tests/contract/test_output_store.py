"""The OutputStore contract, over the B2 simulator and over moto's S3 server, and what each storage fault raises."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import pytest
import requests
from botocore.config import Config

from avatar_jobs.adapters.b2_outputs import LINK_LIFETIME_SEC, MAX_VERSIONS, B2Outputs
from avatar_jobs.domain.errors import ProviderError
from avatar_jobs.ports.storage import OutputStore
from tests.contract.moto_server import running_moto
from tests.support.b2_sim import APP_KEY, BUCKET, KEY_ID, REGION, running_b2_sim
from tests.support.presigned import opened
from tests.support.scripted_server import Answer, ScriptedServer, scripted_server
from tests.support.waiting import within

Put = Callable[[str, bytes], None]
WEBHOOK_PATIENCE_SEC = 10.0  # what Salad waits for the webhook that looks at the file


@dataclass(frozen=True)
class Storage:
    """One double: where it listens, how a worker puts a file there, and who is let in."""

    origin: str
    put: Put
    checking_keys: Callable[[], AbstractContextManager[None]]
    versions: Callable[[str], int]  # how many versions of a file there are, hide markers included

    def outputs(self, *, key_id: str = KEY_ID, app_key: str = APP_KEY, public: bool = False) -> OutputStore:
        """The adapter under test."""
        return b2_outputs(self.origin, key_id=key_id, app_key=app_key, public=public)


def b2_outputs(origin: str, *, key_id: str = KEY_ID, app_key: str = APP_KEY, public: bool = False) -> B2Outputs:
    return B2Outputs(
        endpoint=origin, region=REGION, key_id=key_id, app_key=app_key, bucket=BUCKET,
        download_url=f"{origin}/", public=public,
    )  # fmt: skip


@pytest.fixture(scope="module", params=["b2_sim", "moto", "moto without versions"])
def storage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Storage]:
    """Each double with an empty bucket."""
    directory = tmp_path_factory.mktemp("storage")
    if request.param == "b2_sim":
        yield from _b2_sim(directory)
    else:
        yield from _moto(directory, keeps_versions=request.param == "moto")


def _b2_sim(directory: Path) -> Iterator[Storage]:
    with running_b2_sim(directory) as b2:
        bucket = b2.native().get_bucket_by_name(BUCKET)

        def put(key: str, content: bytes) -> None:
            bucket.upload_bytes(content, key)

        def versions(key: str) -> int:
            return len(list(bucket.list_file_versions(key)))

        yield Storage(b2.origin, put, nullcontext, versions)


def _moto(directory: Path, *, keeps_versions: bool) -> Iterator[Storage]:
    with running_moto(directory) as moto:
        client = boto3.client(
            "s3", endpoint_url=moto.origin, region_name=REGION, aws_access_key_id=KEY_ID,
            aws_secret_access_key=APP_KEY, config=Config(s3={"addressing_style": "path"}),
        )  # fmt: skip
        client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})  # type: ignore[typeddict-item]
        if keeps_versions:  # as B2's buckets do, always
            client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})

        def put(key: str, content: bytes) -> None:
            client.put_object(Bucket=BUCKET, Key=key, Body=content)

        def versions(key: str) -> int:
            listed: Any = client.list_object_versions(Bucket=BUCKET, Prefix=key)
            return len(listed.get("Versions", [])) + len(listed.get("DeleteMarkers", []))

        yield Storage(moto.origin, put, moto.refusing_unknown_keys, versions)
        client.close()


@pytest.fixture
def key() -> str:
    """A fresh name, as the worker makes them."""
    return f"musetalk/outputs/{uuid4().hex}.mp4"


def test_find_returns_the_size(storage: Storage, key: str) -> None:
    storage.put(key, b"x" * 12_345)
    found = storage.outputs().find(key)
    assert found is not None
    assert found.size_bytes == 12_345


def test_find_returns_the_size_of_the_newest_version(storage: Storage, key: str) -> None:
    storage.put(key, b"the first run's")
    storage.put(key, b"the second")
    found = storage.outputs().find(key)
    assert found is not None
    assert found.size_bytes == len(b"the second")


def test_find_of_a_missing_file_is_none(storage: Storage, key: str) -> None:
    storage.put(key, b"x")
    assert storage.outputs().find(key.removesuffix(".mp4")) is None


def test_delete_removes_a_file_with_all_its_versions_and_no_other(storage: Storage, key: str) -> None:
    sidecar = key.replace(".mp4", ".json")
    for content in (b"one", b"two", b"three"):
        storage.put(key, content)
    storage.put(sidecar, b"{}")

    storage.outputs().delete(key)

    assert storage.outputs().find(key) is None
    assert storage.versions(key) == 0, "hidden is not deleted: the bytes would stay, and be paid for"
    assert storage.outputs().find(sidecar) is not None


def test_deleting_a_missing_file_repeatedly_is_no_error(storage: Storage, key: str) -> None:
    storage.outputs().delete(key)
    storage.put(key, b"x")
    storage.outputs().delete(key)
    storage.outputs().delete(key)
    assert storage.versions(key) == 0


def test_a_deleted_name_can_be_used_again(storage: Storage, key: str) -> None:
    storage.put(key, b"old")
    storage.outputs().delete(key)
    storage.put(key, b"newer")
    found = storage.outputs().find(key)
    assert found is not None
    assert found.size_bytes == 5


def test_a_signed_link_gives_the_file_for_its_lifetime(storage: Storage, key: str) -> None:
    storage.put(key, b"the video")
    url = storage.outputs().link(key, datetime.now(UTC))
    answer = requests.get(url, timeout=5)
    assert (answer.status_code, answer.content) == (200, b"the video")
    link = opened(url, {KEY_ID: APP_KEY}, REGION, datetime.now(UTC))
    assert (link.bucket, link.key) == (BUCKET, key)
    assert (link.expires_at - link.signed_at).total_seconds() == LINK_LIFETIME_SEC


def test_a_public_link_is_the_plain_file_address(storage: Storage, key: str) -> None:
    url = storage.outputs(public=True).link(key, datetime.now(UTC))
    assert url == f"{storage.origin}/file/{BUCKET}/{key}"


def test_a_link_costs_no_call() -> None:
    with scripted_server() as nobody:
        b2_outputs(nobody.url).link("musetalk/outputs/x.mp4", datetime.now(UTC))
        assert nobody.received == []


def test_a_public_link_opens_a_public_bucket(tmp_path: Path) -> None:
    name = "musetalk/outputs/job one+two.mp4"
    with running_b2_sim(tmp_path, bucket_type="allPublic") as b2:
        b2.native().get_bucket_by_name(BUCKET).upload_bytes(b"the video", name)
        url = b2_outputs(b2.origin, public=True).link(name, datetime.now(UTC))
        assert requests.get(url, timeout=5).content == b"the video"


@pytest.mark.parametrize("call", ["find", "delete"])
def test_a_refused_key_is_a_retryable_fault_of_the_system(storage: Storage, key: str, call: str) -> None:
    storage.put(key, b"x")
    with storage.checking_keys(), pytest.raises(ProviderError) as caught:
        getattr(storage.outputs(key_id="004stranger", app_key="K004wrong"), call)(key)
    error = caught.value
    assert (error.status, error.retryable, error.may_have_happened) == (403, True, False)
    assert "K004wrong" not in str(error)
    assert storage.outputs().find(key) is not None


@pytest.fixture
def broken() -> Iterator[ScriptedServer]:
    """Storage that is down in the way that a test says."""
    with scripted_server() as server:
        yield server


@pytest.mark.parametrize("call", ["find", "delete"])
@pytest.mark.parametrize(
    ("answer", "status", "tries"),
    [
        (Answer(500, b"oops"), 500, 2),
        (Answer(503, b"<Error><Code>SlowDown</Code></Error>"), 503, 2),
        (Answer(cut=True), None, 2),
        (Answer(delay_sec=30), None, 2),
    ],
    ids=["500", "503", "cut", "silent"],
)
def test_unavailable_storage_is_a_retryable_fault_within_its_time_limit(
    broken: ScriptedServer, answer: Answer, status: int | None, tries: int, call: str
) -> None:
    broken.default = answer

    with within(WEBHOOK_PATIENCE_SEC), pytest.raises(ProviderError) as caught:
        getattr(b2_outputs(broken.url), call)("musetalk/outputs/x.mp4")

    assert (caught.value.status, caught.value.retryable) == (status, True)
    assert APP_KEY not in str(caught.value)
    assert len(broken.received) == tries


def test_storage_that_refuses_connections_is_a_retryable_fault() -> None:
    with pytest.raises(ProviderError) as caught:
        b2_outputs("http://127.0.0.1:9").find("musetalk/outputs/x.mp4")
    assert (caught.value.status, caught.value.retryable) == (None, True)


def test_a_file_that_cannot_be_deleted_is_an_error_after_bounded_tries(broken: ScriptedServer) -> None:
    stands, deleted = Answer(200, b"", {"x-amz-version-id": "v"}), Answer(204, b"")
    broken.answers.extend([stands, deleted] * 100)
    with pytest.raises(ProviderError) as caught:
        b2_outputs(broken.url).delete("musetalk/outputs/x.mp4")
    assert caught.value.retryable
    assert [one.method for one in broken.received] == ["HEAD", "DELETE"] * MAX_VERSIONS


def test_a_version_that_was_deleted_in_the_meantime_is_no_error(broken: ScriptedServer) -> None:
    gone = Answer(404, b"<Error><Code>NoSuchVersion</Code></Error>", {"Content-Type": "application/xml"})
    broken.answers.extend([Answer(200, b"x", {"x-amz-version-id": "v"}), gone])
    broken.default = Answer(404, b"")
    b2_outputs(broken.url).delete("musetalk/outputs/x.mp4")
    assert [one.method for one in broken.received] == ["HEAD", "DELETE", "HEAD"]
