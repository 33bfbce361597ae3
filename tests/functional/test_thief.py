"""A thief has everything that lies on one node: its job is his, and nothing else is. Each refusal has its control."""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from b2sdk.v3 import B2Api
from b2sdk.v3.exception import B2Error
from botocore.exceptions import ClientError
from standardwebhooks.webhooks import Webhook

from infra.local.stack.credentials import draw_credentials
from infra.local.stack.environments import worker_environment
from infra.local.stack.plan import Plan
from infra.local.stack.ports import choose_ports
from infra.local.stack.settings import read_settings
from tests.contract.b2_sim_server import BUCKET, RunningB2, running_b2_sim
from tests.functional.conftest import System
from tests.functional.salad_side import report
from tests.functional.test_upload_keys import end_the_job, keyed, sent_input
from tests.support.functions import API_KEY, OTHER_KEY, PREFIX, WEBHOOK_SECRET, Reply

__all__ = ["keyed"]  # the fixture


@pytest.fixture
def b2(tmp_path: Path) -> Iterator[RunningB2]:
    """A storage account."""
    with running_b2_sim(tmp_path / "b2") as running:
        yield running


@dataclass
class Loot:
    """What the thief has: the input of his job as Salad gave it to the node. other: a job on another node."""

    system: System
    b2: RunningB2
    own: dict[str, Any]
    other: dict[str, Any]
    other_file_id: str

    @property
    def key(self) -> dict[str, str]:
        """The stolen storage key."""
        key: dict[str, str] = self.own["upload"]
        return key

    def storage(self) -> B2Api:
        """B2 as the thief sees it."""
        return self.b2.native(self.key["key_id"], self.key["app_key"])

    def report(self, job_id: str, attempt: int, token: str) -> Reply:
        """Sends a report with any token."""
        body = {
            "schema_version": 1, "attempt": attempt, "run_id": "thief", "seq": 9, "phase": "starting",
            "progress": 0.1, "stage_times": {}, "error": None,
        }  # fmt: skip
        headers = {"Authorization": f"Bearer {token}"}
        path = f"/v1/worker/jobs/{job_id}/reports"
        return self.system.function("salad_webhook").call("POST", path, json_body=body, headers=headers)


def name_of(job_id: str, kind: str = "mp4") -> str:
    return f"{PREFIX}{job_id}.{kind}"


@pytest.fixture
def loot(keyed: System, b2: RunningB2) -> Loot:
    """Two jobs at Salad; the other one's video is in the bucket already."""
    other = keyed.submit(key=OTHER_KEY).json
    keyed.submit()
    bucket = b2.native().get_bucket_by_name(BUCKET)
    version = bucket.upload_bytes(b"the other's video", name_of(other["id"]))
    bucket.upload_bytes(b"{}", name_of(other["id"], "json"))
    return Loot(keyed, b2, sent_input(keyed), sent_input(keyed, 0), version.id_)


def test_he_can_do_what_his_job_could_do(loot: Loot) -> None:
    bucket = loot.storage().get_bucket_by_name(BUCKET)
    name = name_of(loot.own["job_id"])
    bucket.upload_bytes(b"his video", name)
    assert bucket.get_file_info_by_name(name).size == len(b"his video")
    s3 = loot.b2.s3(loot.key["key_id"], loot.key["app_key"])
    assert s3.head_object(Bucket=BUCKET, Key=name)["ContentLength"] == len(b"his video")
    assert loot.report(loot.own["job_id"], 1, loot.own["report_token"]).status == 200


STORAGE_CRIMES = {
    "list the files": lambda loot: next(iter(loot.storage().get_bucket_by_name(BUCKET).ls())),
    "list below his own name": lambda loot: next(
        iter(loot.storage().get_bucket_by_name(BUCKET).ls(name_of(loot.own["job_id"])))
    ),
    "list the buckets": lambda loot: loot.storage().list_buckets(),
    "list the keys": lambda loot: list(loot.storage().list_keys()),
    "make a key": lambda loot: loot.storage().create_key(["readFiles"], "mine"),
    "delete a key": lambda loot: loot.storage().delete_key_by_id(loot.other["upload"]["key_id"]),
    "read a video by its name": lambda loot: (
        loot.storage().get_bucket_by_name(BUCKET).get_file_info_by_name(name_of(loot.other["job_id"]))
    ),
    "read a sidecar": lambda loot: (
        loot.storage().get_bucket_by_name(BUCKET).download_file_by_name(name_of(loot.other["job_id"], "json"))
    ),
    "read a video by its id": lambda loot: loot.storage().download_file_by_id(loot.other_file_id),
    "ask for a file by its id": lambda loot: loot.storage().get_file_info(loot.other_file_id),
    "overwrite a video": lambda loot: (
        loot.storage().get_bucket_by_name(BUCKET).upload_bytes(b"forged", name_of(loot.other["job_id"]))
    ),
    "write beside his own name": lambda loot: (
        loot.storage().get_bucket_by_name(BUCKET).upload_bytes(b"x", f"{PREFIX}{loot.own['job_id']}x.mp4")
    ),
    "climb out of the folder": lambda loot: (
        loot.storage().get_bucket_by_name(BUCKET).upload_bytes(b"x", f"{PREFIX}../{loot.own['job_id']}.mp4")
    ),
    "hide a video": lambda loot: loot.storage().get_bucket_by_name(BUCKET).hide_file(name_of(loot.other["job_id"])),
    "delete a video": lambda loot: loot.storage().delete_file_version(
        loot.other_file_id, name_of(loot.other["job_id"])
    ),
    "start a large file": lambda loot: loot.storage().session.start_large_file(
        loot.storage().get_bucket_by_name(BUCKET).id_, name_of(loot.other["job_id"]), "video/mp4", {}
    ),
    "read over S3": lambda loot: loot.b2.s3(loot.key["key_id"], loot.key["app_key"]).get_object(
        Bucket=BUCKET, Key=name_of(loot.other["job_id"])
    ),
    "delete over S3": lambda loot: loot.b2.s3(loot.key["key_id"], loot.key["app_key"]).delete_object(
        Bucket=BUCKET, Key=name_of(loot.other["job_id"])
    ),
}


@pytest.mark.parametrize("crime", STORAGE_CRIMES)
def test_his_key_opens_nothing_of_others(loot: Loot, crime: str) -> None:
    files, keys = loot.b2.state()["files"], loot.b2.state()["keys"]
    with pytest.raises((B2Error, ClientError)):
        STORAGE_CRIMES[crime](loot)
    assert (loot.b2.state()["files"], loot.b2.state()["keys"]) == (files, keys)
    bucket = loot.b2.native().get_bucket_by_name(BUCKET)  # the control: there was something to steal
    assert bucket.get_file_info_by_name(name_of(loot.other["job_id"])).size == len(b"the other's video")


def test_his_token_reports_for_no_other_job_and_no_other_attempt(loot: Loot) -> None:
    token = loot.own["report_token"]
    assert loot.report(loot.other["job_id"], 1, token).status == 401
    assert loot.report(loot.own["job_id"], 2, token).status == 401
    assert loot.system.read(loot.other["job_id"], key=OTHER_KEY).json["status"] == "queued"
    assert loot.report(loot.other["job_id"], 1, loot.other["report_token"]).status == 200, "the control"


@pytest.mark.parametrize("secret", ["report_token", "app_key", "key_id"])
def test_nothing_he_has_is_a_key_of_the_api(loot: Loot, secret: str) -> None:
    stolen = loot.own[secret] if secret in loot.own else loot.key[secret]
    status = loot.system.function("job_status")
    for job_id, right_key in ((loot.own["job_id"], API_KEY), (loot.other["job_id"], OTHER_KEY)):
        path = f"/v1/avatar/jobs/{job_id}"
        assert status.call("GET", path, headers={"X-Internal-API-Key": stolen}).status == 401
        assert status.call("DELETE", path, headers={"X-Internal-API-Key": stolen}).status == 401
        assert status.call("GET", path, headers={"X-Internal-API-Key": right_key}).status == 200, "the control"
    assert loot.system.submit(key=stolen).status == 401


def test_he_cannot_forge_salads_webhook(loot: Loot) -> None:
    body = json.dumps(
        {"type": "queue.job.failed", "timestamp": "2026-01-01T00:00:00.0Z",
         "data": {"id": "x", "status": "failed", "metadata": {"job_id": loot.other["job_id"], "attempt": 1}}}
    ).encode()  # fmt: skip
    now = loot.system.clock()

    def post(secret: str) -> int:
        signature = Webhook(secret).sign("msg_thief", now, body.decode())
        headers = {
            "webhook-id": "msg_thief", "webhook-timestamp": str(int(now.timestamp())), "webhook-signature": signature,
        }  # fmt: skip
        return (
            loot.system.function("salad_webhook").call("POST", "/v1/webhooks/salad", body=body, headers=headers).status
        )

    assert post("whsec_" + base64.b64encode(loot.key["app_key"].encode()).decode()) == 401
    assert loot.system.read(loot.other["job_id"], key=OTHER_KEY).json["attempt"] == 1
    assert post(WEBHOOK_SECRET) == 204, "the control"


def test_a_node_knows_no_callback_secret_no_other_input_and_no_secret_of_ours(loot: Loot) -> None:
    settings = read_settings({})
    credentials = draw_credentials(settings.clients)
    node = worker_environment(Plan(settings, credentials, choose_ports(0), Path("state")))
    assert set(node) == {"ENGINE", "REHEARSAL_MODE"}
    told = json.dumps(loot.own)
    for secret in ("whsec_", loot.other["job_id"], loot.other["report_token"], "salad-key-of-tests", API_KEY):
        assert secret not in told
    assert set(loot.own) == {
        "schema_version", "job_id", "attempt", "request_id", "video_url", "audio_url", "aspect_ratio", "resolution",
        "report_url", "report_token", "run_timeout_seconds", "expires_at", "upload", "params",
    }  # fmt: skip


def test_after_the_end_of_his_job_he_has_nothing(keyed: System, b2: RunningB2) -> None:
    job = end_the_job(keyed)
    stolen = sent_input(keyed)
    assert report(keyed, job, seq=5).json["cancel"] is True, "his job is over, and he is told so"
    opened = b2.native(stolen["upload"]["key_id"], stolen["upload"]["app_key"])
    upload_url = opened.get_bucket_by_name(BUCKET)
    upload_url.upload_bytes(b"late", name_of(job["id"]))
    keyed.tick()
    with pytest.raises(B2Error):
        b2.native(stolen["upload"]["key_id"], stolen["upload"]["app_key"])
    with pytest.raises(B2Error):
        upload_url.upload_bytes(b"later", name_of(job["id"]))  # with the token that he got in time
    keyed.move_clock(3600 + 1800 + 900 + 60)
    assert report(keyed, job, seq=6).status == 401
