"""A thief who has everything on one node reaches that node's job only. Each refusal is checked with a control."""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from b2sdk.v3 import B2Api
from b2sdk.v3.exception import B2Error
from botocore.exceptions import ClientError
from standardwebhooks.webhooks import Webhook

from infra.local.stack.environments import worker_environment
from infra.local.stack.plan import Plan, choose_ports, draw_credentials
from infra.local.stack.settings import read_settings
from tests.support.b2_sim import APP_KEY, BUCKET, KEY_ID, RunningB2
from tests.support.functions import API_KEY, OTHER_KEY, PREFIX, WEBHOOK_SECRET, Reply
from tests.support.salad_side import report
from tests.support.system import System
from tests.support.upload_keys import end_the_job, key_maker, sent_input
from tests.support.waiting import eventually


@dataclass
class Loot:
    """What the thief has: the input of the job as Salad gave it to the node. other: a job on another node."""

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

    def with_the_accounts_key(self) -> "Loot":
        """The same thief with a key that opens everything: shows that only the missing right stops the thief."""
        return replace(self, own=self.own | {"upload": self.key | {"key_id": KEY_ID, "app_key": APP_KEY}})

    def ask_b2(self, operation: str, body: dict[str, Any]) -> int:
        """One call of B2's native API with the stolen key's token and no SDK in between; returns the HTTP status."""
        info = self.storage().account_info
        with requests.Session() as session:
            session.trust_env = False
            return session.post(
                f"{info.get_api_url()}/b2api/v4/{operation}",
                json={"accountId": info.get_account_id(), **body},
                headers={"Authorization": info.get_account_auth_token()},
                timeout=10,
            ).status_code

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


def test_a_thief_can_do_what_the_job_could_do(loot: Loot) -> None:
    bucket = loot.storage().get_bucket_by_name(BUCKET)
    name = name_of(loot.own["job_id"])
    bucket.upload_bytes(b"his video", name)
    assert bucket.get_file_info_by_name(name).size == len(b"his video")
    s3 = loot.b2.s3(loot.key["key_id"], loot.key["app_key"])
    assert s3.head_object(Bucket=BUCKET, Key=name)["ContentLength"] == len(b"his video")
    assert loot.report(loot.own["job_id"], 1, loot.own["report_token"]).status == 200


STORAGE_CRIMES = {
    "list the files": lambda loot: list(loot.storage().get_bucket_by_name(BUCKET).ls()),
    "list below his own name": lambda loot: list(
        loot.storage().get_bucket_by_name(BUCKET).ls(name_of(loot.own["job_id"]))
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
def test_a_thiefs_key_opens_no_file_of_another_job(loot: Loot, crime: str) -> None:
    files, keys = loot.b2.state()["files"], loot.b2.state()["keys"]
    with pytest.raises((B2Error, ClientError)):
        STORAGE_CRIMES[crime](loot)
    assert (loot.b2.state()["files"], loot.b2.state()["keys"]) == (files, keys)
    STORAGE_CRIMES[crime](loot.with_the_accounts_key())  # the control


# What b2sdk refuses by itself, or words in one way only, sent as a thief would: operation and body.
NATIVE_CRIMES: dict[str, Callable[[Loot, str], dict[str, Any]]] = {
    "b2_list_buckets": lambda loot, bucket_id: {"bucketId": bucket_id},
    "b2_list_keys": lambda loot, bucket_id: {},
    "b2_create_key": lambda loot, bucket_id: {"capabilities": ["readFiles"], "keyName": "mine"},
    "b2_delete_key": lambda loot, bucket_id: {"applicationKeyId": loot.other["upload"]["key_id"]},
    "b2_list_file_names": lambda loot, bucket_id: {"bucketId": bucket_id, "prefix": name_of(loot.own["job_id"], "")},
    "b2_list_file_versions": lambda loot, bucket_id: {"bucketId": bucket_id},
    "b2_list_unfinished_large_files": lambda loot, bucket_id: {"bucketId": bucket_id},
    "b2_get_file_info": lambda loot, bucket_id: {"fileId": loot.other_file_id},
    "b2_hide_file": lambda loot, bucket_id: {"bucketId": bucket_id, "fileName": name_of(loot.other["job_id"])},
    "b2_start_large_file": lambda loot, bucket_id: {
        "bucketId": bucket_id, "fileName": name_of(loot.other["job_id"]), "contentType": "video/mp4",
    },
    "b2_delete_file_version": lambda loot, bucket_id: {
        "fileId": loot.other_file_id, "fileName": name_of(loot.other["job_id"]),
    },
}  # fmt: skip


@pytest.mark.parametrize("operation", NATIVE_CRIMES)
def test_b2_itself_refuses_a_thief_and_not_only_its_sdk(loot: Loot, operation: str) -> None:
    body = NATIVE_CRIMES[operation](loot, loot.b2.state()["bucket"]["id"])
    files, keys = loot.b2.state()["files"], loot.b2.state()["keys"]
    assert loot.ask_b2(operation, body) == 401
    assert (loot.b2.state()["files"], loot.b2.state()["keys"]) == (files, keys)
    assert loot.with_the_accounts_key().ask_b2(operation, body) == 200, "the control"


@pytest.mark.parametrize("finished", [True, False])
def test_a_thief_cannot_learn_whether_another_job_has_a_video(loot: Loot, finished: bool) -> None:
    name = name_of(loot.other["job_id"] if finished else "f" * 32)
    token = loot.storage().account_info.get_account_auth_token()
    urls = {"native": f"{loot.b2.origin}/file/{BUCKET}/{name}", "own": f"{loot.b2.origin}/file/{BUCKET}/"}
    with requests.Session() as session:
        session.trust_env = False
        session.headers["Authorization"] = token
        assert session.head(urls["native"], timeout=10).status_code == 401
        own = session.head(urls["own"] + name_of(loot.own["job_id"]), timeout=10)
        assert own.status_code == 404, "the control: for the own job the answer says that there is none"
    with pytest.raises(ClientError, match="403"):
        loot.b2.s3(loot.key["key_id"], loot.key["app_key"]).head_object(Bucket=BUCKET, Key=name)


def test_a_thiefs_token_reports_for_no_other_job_or_attempt(loot: Loot) -> None:
    token = loot.own["report_token"]
    assert loot.report(loot.other["job_id"], 1, token).status == 401
    assert loot.report(loot.own["job_id"], 2, token).status == 401
    assert loot.report(loot.own["job_id"], 2, token.replace(".1.", ".2.", 1)).status == 401, "a number is not a proof"
    assert loot.system.read(loot.other["job_id"], key=OTHER_KEY).json["status"] == "queued"
    assert loot.report(loot.other["job_id"], 1, loot.other["report_token"]).status == 200, "the control"


@pytest.mark.parametrize("secret", ["report_token", "app_key", "key_id"])
def test_nothing_that_a_thief_has_is_an_api_key(loot: Loot, secret: str) -> None:
    stolen = loot.own[secret] if secret in loot.own else loot.key[secret]
    status = loot.system.function("job_status")
    for job_id, right_key in ((loot.own["job_id"], API_KEY), (loot.other["job_id"], OTHER_KEY)):
        path = f"/v1/avatar/jobs/{job_id}"
        assert status.call("GET", path, headers={"X-Internal-API-Key": stolen}).status == 401
        assert status.call("DELETE", path, headers={"X-Internal-API-Key": stolen}).status == 401
        assert status.call("GET", path, headers={"X-Internal-API-Key": right_key}).status == 200, "the control"
    submit = loot.system.function("submit_job")
    assert submit.call("GET", "/v1/avatar/jobs", headers={"X-Internal-API-Key": stolen}).status == 401
    assert submit.call("GET", "/v1/avatar/jobs", headers={"X-Internal-API-Key": API_KEY}).status == 200, "the control"
    assert loot.system.submit(key=stolen).status == 401


def test_a_thief_cannot_forge_salads_webhook(loot: Loot) -> None:
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
        function = loot.system.function("salad_webhook")
        return function.call("POST", "/v1/webhooks/salad", body=body, headers=headers).status

    assert post("whsec_" + base64.b64encode(loot.key["app_key"].encode()).decode()) == 401
    assert loot.system.read(loot.other["job_id"], key=OTHER_KEY).json["attempt"] == 1
    assert post(WEBHOOK_SECRET) == 204, "the control"


def test_a_node_has_no_callback_secret_no_other_jobs_input_and_no_secret_of_ours(loot: Loot) -> None:
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


def test_a_thiefs_access_ends_with_the_job(keyed: System, b2: RunningB2) -> None:
    job = end_the_job(keyed)
    stolen = sent_input(keyed)
    assert report(keyed, job, seq=5).json["cancel"] is True, "the job is over, and the answer says so"
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


def test_a_thiefs_key_and_its_tokens_expire_at_expires_at(loot: Loot) -> None:
    now = datetime.now(UTC)
    life = timedelta(seconds=8)  # long enough for the control on a loaded machine
    short = key_maker(loot.b2).mint(loot.own["job_id"], 1, now + life, now)
    name = name_of(loot.own["job_id"])
    opened = loot.b2.native(short.key_id, short.app_key).get_bucket_by_name(BUCKET)
    opened.upload_bytes(b"in time", name)
    s3 = loot.b2.s3(short.key_id, short.app_key)
    assert s3.head_object(Bucket=BUCKET, Key=name)["ContentLength"] == len(b"in time"), "the control"
    eventually(lambda: short.key_id not in {key["id"] for key in loot.b2.state()["keys"]}, what="the key's end")
    assert datetime.now(UTC) - now > life - timedelta(seconds=1), "the token was valid until its time"
    with pytest.raises(B2Error):
        opened.upload_bytes(b"too late", name)
    with pytest.raises(B2Error):
        opened.get_file_info_by_name(name)
    with pytest.raises(B2Error):
        loot.b2.native(short.key_id, short.app_key)
    with pytest.raises(ClientError):
        s3.head_object(Bucket=BUCKET, Key=name)
