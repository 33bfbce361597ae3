"""Checks that a simulator that was killed and started again has kept everything that it had answered."""

import signal
from pathlib import Path

import requests

from tests.support.b2_sim import BUCKET, RunningB2, running_b2_sim
from tests.support.salad_sim import Receiver, Simulator, group_body, simulator
from tests.support.waiting import eventually


def kill(running: Simulator) -> None:
    running.process.send_signal(signal.SIGKILL)
    running.process.wait()


def test_b2_keeps_files_keys_tokens_and_ids(tmp_path: Path) -> None:
    with running_b2_sim(tmp_path) as b2:
        api = b2.native()
        bucket = api.get_bucket_by_name(BUCKET)
        bucket.upload_bytes(b"old", "outputs/a.mp4")
        bucket.upload_bytes(b"new", "outputs/a.mp4")
        kept = bucket.upload_bytes(b"gone", "outputs/b.mp4")
        api.delete_file_version(kept.id_, "outputs/b.mp4")
        made = api.create_key(["readFiles"], "one", bucket_ids=[bucket.id_], name_prefix="outputs/")
        before, token = b2.state(), api.account_info.get_account_auth_token()
    with running_b2_sim(tmp_path) as b2:
        assert b2.state() == before
        assert b2.s3().get_object(Bucket=BUCKET, Key="outputs/a.mp4")["Body"].read() == b"new"
        assert downloaded(b2, token).content == b"new"
        assert b2.native(made.id_, made.application_key).account_info.get_allowed() is not None


def downloaded(b2: RunningB2, token: str) -> requests.Response:
    url = f"{b2.origin}/file/{BUCKET}/outputs/a.mp4"
    return requests.get(url, headers={"Authorization": token}, timeout=10)


def test_salad_keeps_queue_group_jobs_faults_and_secret(tmp_path: Path) -> None:
    with simulator(SALAD_SIM_STATE_DIR=str(tmp_path)) as salad:
        salad.call("create_queue", {"name": "jobs"})
        salad.call("create_container_group", group_body(0))
        ids = [salad.submit({"number": number}) for number in range(5)]
        salad.call("delete_queue_job", queue_job_id=ids[1])
        fault = salad.plan_fault("get_queue_job", {"status": 503}, times=2)
        salad.call("get_queue_job", queue_job_id=ids[0], is_spoilt=True)
        secret = salad.call("get_webhook_secret_key").json()
        before = salad.state()
        kill(salad)
    with simulator(SALAD_SIM_STATE_DIR=str(tmp_path)) as salad:
        assert salad.happened(fault) == 1
        salad.call("get_queue_job", queue_job_id=ids[0], is_spoilt=True)
        assert salad.happened(fault) == 2
        assert salad.call("get_webhook_secret_key").json() == secret
        after = salad.state()
        assert (after["jobs"], after["groups"]) == (before["jobs"], before["groups"])
        salad.call("update_container_group", {"replicas": 1})
        ended = [salad.finished(one) for one in ids]
        assert [one["status"] for one in ended] == ["succeeded", "cancelled", *["succeeded"] * 3]


def test_a_job_that_ran_when_salad_was_killed_has_lost_that_attempt_and_runs_again(tmp_path: Path) -> None:
    with simulator(SALAD_SIM_STATE_DIR=str(tmp_path)) as salad:
        salad.call("create_queue", {"name": "jobs"})
        salad.call("create_container_group", group_body(1))
        job_id = salad.submit({"sleep_sec": 60})
        eventually(lambda: salad.job(job_id)["status"] == "running")
        kill(salad)
    with simulator(SALAD_SIM_STATE_DIR=str(tmp_path)) as salad:
        eventually(lambda: salad.state()["jobs"][0]["attempts"] == 2)


def test_a_webhook_that_salad_still_owed_is_sent_under_its_id_and_one_that_arrived_is_not(tmp_path: Path) -> None:
    receiver = Receiver()
    try:
        with simulator(SALAD_SIM_STATE_DIR=str(tmp_path), SALAD_SIM_WEBHOOK_RETRY_SEC="600") as salad:
            salad.call("create_queue", {"name": "jobs"})
            arrived = salad.submit({}, webhook=receiver.url)
            salad.call("delete_queue_job", queue_job_id=arrived)
            receiver.wait(1)
            eventually(lambda: salad.log("salad_sim_webhook"))
            receiver.statuses.append(503)
            owed = salad.submit({}, webhook=receiver.url)
            salad.call("delete_queue_job", queue_job_id=owed)
            receiver.wait(2)
            kill(salad)
        with simulator(SALAD_SIM_STATE_DIR=str(tmp_path)):
            receiver.wait(3)
        first, again = receiver.of_job(owed)
        assert first[0]["webhook-id"] == again[0]["webhook-id"]
        assert len(receiver.of_job(arrived)) == 1
    finally:
        receiver.close()
