"""Each attempt has its own storage key: made at dispatch, deleted after the end, so keys do not accumulate."""

import json
import time
from datetime import timedelta

import pytest
import requests
from b2sdk.v3.exception import B2Error

from tests.support.b2_sim import APP_KEY, BUCKET, RunningB2
from tests.support.events import events
from tests.support.fake_salad import problem
from tests.support.functions import PREFIX
from tests.support.salad_side import SIZE, result, webhook
from tests.support.scripted_server import Answer
from tests.support.system import System
from tests.support.upload_keys import end_the_job, job_keys, key_maker, sent_input
from tests.support.waiting import within

EXPIRES_SEC = 3600 + 1800 + 900  # the default time-outs and 15 minutes


def test_the_worker_gets_a_key_for_its_own_outputs_until_the_credentials_end(keyed: System, b2: RunningB2) -> None:
    job = keyed.submit().json
    upload = sent_input(keyed)["upload"]
    (key,) = job_keys(b2)
    assert (upload["endpoint"], upload["bucket"], upload["prefix"]) == (b2.origin, BUCKET, PREFIX)
    assert (key["id"], key["prefix"]) == (upload["key_id"], f"{PREFIX}{job['id']}.")
    assert key["capabilities"] == ["readFiles", "writeFiles"]
    opened = b2.native(upload["key_id"], upload["app_key"])
    opened.get_bucket_by_name(BUCKET).upload_bytes(b"video", f"{PREFIX}{job['id']}.mp4")
    (made,) = [one for one in b2.native().list_keys() if one.id_ == key["id"]]
    left_sec = made.expiration_timestamp_millis / 1000 - time.time()
    assert EXPIRES_SEC - 60 < left_sec <= EXPIRES_SEC


def test_the_key_is_nowhere_in_what_is_stored_shown_or_logged(
    keyed: System, b2: RunningB2, capfd: pytest.CaptureFixture[str]
) -> None:
    job = keyed.submit().json
    secret = sent_input(keyed)["upload"]["app_key"]
    stored = keyed.store().get(job["id"])
    assert stored is not None
    assert stored.job.upload_key_ids == (sent_input(keyed)["upload"]["key_id"],)
    for told in (stored.job.model_dump_json(), json.dumps(keyed.read(job["id"]).json), *capfd.readouterr()):
        assert secret not in told
        assert APP_KEY not in told


def test_while_b2_is_unavailable_a_job_stays_queued_and_the_tick_sends_it_later(keyed: System, b2: RunningB2) -> None:
    with b2.away():
        with within(8):
            reply = keyed.submit()
        assert reply.status == 202
        assert (reply.json["status"], reply.json["phase"], reply.json["attempt"]) == ("queued", "accepted", 1)
        assert keyed.salad.sent == []
    keyed.move_clock(60)
    keyed.tick()
    job = keyed.read(reply.json["id"]).json
    assert (job["status"], job["phase"], job["attempt"]) == ("queued", "dispatched", 1)
    assert len(keyed.salad.sent) == len(job_keys(b2)) == 1
    upload = sent_input(keyed)["upload"]
    bucket = b2.native(upload["key_id"], upload["app_key"]).get_bucket_by_name(BUCKET)
    bucket.upload_bytes(b"x" * SIZE, f"{PREFIX}{job['id']}.mp4")
    answer = result(job)
    answer["output"]["bucket"] = BUCKET
    assert webhook(keyed, job, answer).status == 204
    assert keyed.read(job["id"]).json["status"] == "succeeded"
    keyed.tick()
    assert job_keys(b2) == []


def test_a_refused_minting_key_is_an_alarm_and_uses_up_no_attempt(
    keyed: System, capfd: pytest.CaptureFixture[str]
) -> None:
    keyed.environment["B2_MINT_APP_KEY"] = "a-key-that-was-rotated-away"
    job = keyed.submit().json
    for _ in range(3):
        keyed.move_clock(120)
        keyed.tick()
    assert keyed.read(job["id"]).json["attempt"] == 1
    assert keyed.salad.sent == []
    written = capfd.readouterr().out
    alarms = events(written, "upload_key_not_made")
    assert len(alarms) >= 2
    assert {alarm["severity"] for alarm in alarms} == {"ERROR"}
    assert "rotated-away" not in written


def test_no_keys_accumulate_while_salad_refuses(keyed: System, b2: RunningB2) -> None:
    keyed.salad.answers.extend([problem(429)] * 3)
    job = keyed.submit().json
    for _ in range(3):
        keyed.move_clock(120)
        keyed.tick()
    assert len(keyed.salad.sent) == 4
    assert keyed.read(job["id"]).json["phase"] == "dispatched"
    assert [key["id"] for key in job_keys(b2)] == [sent_input(keyed)["upload"]["key_id"]]


def test_a_lost_answer_keeps_its_key_since_a_worker_may_have_it(keyed: System, b2: RunningB2) -> None:
    keyed.salad.answers.append(Answer(cut=True))
    job = keyed.submit().json
    stored = keyed.store().get(job["id"])
    assert stored is not None
    assert stored.job.upload_key_ids == tuple(key["id"] for key in job_keys(b2))
    assert len(stored.job.upload_key_ids) == 1


def test_the_key_is_deleted_at_the_end_of_its_job(keyed: System, b2: RunningB2) -> None:
    job = end_the_job(keyed)
    upload = sent_input(keyed)["upload"]
    keyed.tick()
    assert job_keys(b2) == []
    with pytest.raises(B2Error):
        b2.native(upload["key_id"], upload["app_key"])
    stored = keyed.store().get(job["id"])
    assert stored is not None
    assert stored.job.upload_key_ids == ()
    assert "revoke" not in {timer.value for timer in stored.job.timers}
    assert [line.event for line in stored.job.timeline][-1] == "keys_revoked"


def test_an_unavailable_storage_at_the_end_is_asked_again(keyed: System, b2: RunningB2) -> None:
    end_the_job(keyed)
    with b2.away():
        keyed.tick()
    assert len(job_keys(b2)) == 1
    keyed.move_clock(121)
    keyed.tick()
    assert job_keys(b2) == []


def test_deleting_a_missing_key_is_no_error(keyed: System, b2: RunningB2) -> None:
    job = end_the_job(keyed)
    b2.native().delete_key_by_id(sent_input(keyed)["upload"]["key_id"])
    keyed.tick()
    stored = keyed.store().get(job["id"])
    assert stored is not None
    assert stored.job.upload_key_ids == ()


def test_keys_that_have_expired_are_forgotten_without_a_call(keyed: System, b2: RunningB2) -> None:
    job = end_the_job(keyed)
    keyed.move_clock(EXPIRES_SEC + 60)
    with b2.away():
        keyed.tick()
    stored = keyed.store().get(job["id"])
    assert stored is not None
    assert stored.job.upload_key_ids == ()


def test_without_keys_for_jobs_nothing_is_asked_of_b2(system: System) -> None:
    system.submit()
    assert sent_input(system)["upload"] is None
    assert system.bucket.received == []


def test_a_key_that_cannot_be_deleted_does_not_keep_the_jobs_other_keys(keyed: System, b2: RunningB2) -> None:
    job = end_the_job(keyed)
    now = keyed.clock()
    second = key_maker(b2).mint(job["id"], 2, now + timedelta(hours=1), now).key_id
    first = sent_input(keyed)["upload"]["key_id"]
    keyed.store().update(job["id"], lambda old: old.model_copy(update={"upload_key_ids": (first, second)}))
    fault = {"operation": "b2_delete_key", "fault": {"status": 403}, "times": 1}
    planned = requests.post(f"{b2.origin}/_sim/faults", json=fault, timeout=10)
    assert planned.status_code == 201, planned.text
    keyed.tick()
    assert [key["id"] for key in job_keys(b2)] == [first]
    assert requests.get(f"{b2.origin}/_sim/faults/{planned.json()['id']}", timeout=10).json()["happened"] == 1
    keyed.move_clock(200)
    keyed.tick()
    assert job_keys(b2) == []
