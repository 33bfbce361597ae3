"""Making keys while B2 is slow, unreachable, restarted or answers badly: bounded in time and number, never logged."""

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests
from b2sdk.v3.exception import B2Error

from avatar_jobs.domain.errors import ProviderError
from tests.support.b2_sim import APP_KEY, RunningB2, running_b2_sim
from tests.support.fake_salad import problem
from tests.support.functions import API_KEY
from tests.support.scripted_server import Answer, scripted_server
from tests.support.system import System
from tests.support.upload_keys import job_keys, key_maker
from tests.support.waiting import eventually, within

JOB_ID = "0" * 32


def test_a_key_expires_at_its_time(b2: RunningB2) -> None:
    keys = key_maker(b2)
    now = datetime.now(UTC)
    key = keys.mint("0" * 32, 1, now + timedelta(seconds=2), now)
    assert b2.native(key.key_id, key.app_key)
    assert key.app_key not in repr(key)
    eventually(lambda: job_keys(b2) == [], what="the end of the key")
    with pytest.raises(B2Error):
        b2.native(key.key_id, key.app_key)


def test_a_call_takes_no_longer_than_its_budget(b2: RunningB2) -> None:
    keys = key_maker(b2, mint_sec=1.0)
    now = datetime.now(UTC)
    with b2.away(), within(3), pytest.raises(ProviderError) as caught:
        keys.mint("0" * 32, 1, now + timedelta(hours=1), now)
    assert APP_KEY not in str(caught.value)


def test_many_requests_wait_for_an_unavailable_storage_no_longer_than_one(b2: RunningB2) -> None:
    keys = key_maker(b2, mint_sec=1.0)
    now = datetime.now(UTC)

    def seconds_to_fail(delay_sec: float) -> float:
        time.sleep(delay_sec)  # they come one after another, so that their times end one after another
        began = time.monotonic()
        with pytest.raises(ProviderError):
            keys.mint(JOB_ID, 1, now + timedelta(hours=1), now)
        return time.monotonic() - began

    key_maker(b2).mint(JOB_ID, 1, now + timedelta(hours=1), now)  # b2sdk is imported once, before the clock runs
    with b2.away(), ThreadPoolExecutor(12) as pool:
        assert max(pool.map(seconds_to_fail, [number / 10 for number in range(12)])) < 5.0, (
            "one after another they would take 12 s"
        )


@pytest.mark.parametrize("body", [b"<html>a proxy's page</html>", b"[]", b"{}", b'{"apiInfo": {}}'])
def test_an_answer_that_is_not_b2s_is_a_retryable_error(b2: RunningB2, body: bytes) -> None:
    now = datetime.now(UTC)
    with scripted_server(Answer(200, body)) as proxy, pytest.raises(ProviderError) as caught:
        key_maker(b2, origin=proxy.url).mint(JOB_ID, 1, now + timedelta(hours=1), now)
    assert (caught.value.retryable, proxy.received != []) == (True, True)


def test_the_authorization_is_kept_while_it_lasts_and_renewed_when_it_has_expired(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    with running_b2_sim(tmp_path / "short", also={"B2_TOKEN_SEC": "2"}) as b2:
        keys = key_maker(b2)
        first = keys.mint(JOB_ID, 1, now + timedelta(hours=1), now)
        keys.mint(JOB_ID, 2, now + timedelta(hours=1), now)
        assert b2.state()["calls"] == {"b2_authorize_account": 1, "b2_list_buckets": 1, "b2_create_key": 2}
        token = b2.native().account_info.get_account_auth_token()  # younger than the one that is kept
        eventually(lambda: status_of_call(b2, token) == 401, what="the token's end")
        keys.revoke(first.key_id)
        assert len(job_keys(b2)) == 1
        assert b2.state()["calls"]["b2_authorize_account"] == 3


def status_of_call(b2: RunningB2, token: str) -> int:
    """What B2 answers to one call with an account token."""
    with requests.Session() as session:
        session.trust_env = False
        url, headers = f"{b2.origin}/b2api/v4/b2_list_keys", {"Authorization": token}
        return session.post(url, json={}, headers=headers, timeout=10).status_code


def test_no_library_logs_a_secret_at_any_level(
    b2: RunningB2, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    now = datetime.now(UTC)
    for name in ("", *logging.root.manager.loggerDict):
        if name.partition(".")[0] in ("", "b2sdk", "urllib3", "requests"):
            caplog.set_level(logging.DEBUG, logger=name)
    keys = key_maker(b2)
    key = keys.mint(JOB_ID, 1, now + timedelta(hours=1), now)
    keys.revoke(key.key_id)
    told = caplog.text + "".join(capfd.readouterr())
    assert "b2_create_key" in told, "at this level libraries do log"
    opened = keys._opened
    assert opened is not None
    for secret in (key.app_key, APP_KEY, opened.account_info.get_account_auth_token()):
        assert secret not in told


def test_an_unavailable_storage_costs_the_tick_one_try_and_not_one_for_each_job(keyed: System, b2: RunningB2) -> None:
    with b2.away():
        ids = [keyed.submit().json["id"] for _ in range(4)]
        keyed.move_clock(60)
        with within(9):  # each try may take 5 s
            keyed.tick()
    assert keyed.salad.sent == []
    keyed.move_clock(120)
    keyed.tick()
    assert {keyed.read(job_id).json["phase"] for job_id in ids} == {"dispatched"}
    assert len(job_keys(b2)) == 4


def a_minting_key(b2: RunningB2, *capabilities: str) -> dict[str, str]:
    """Settings with a minting key of these capabilities alone."""
    made = b2.native().create_key(list(capabilities), "minting")
    return {"B2_MINT_KEY_ID": str(made.id_), "B2_MINT_APP_KEY": str(made.application_key)}


def test_a_key_that_cannot_be_deleted_at_once_is_deleted_at_the_end(keyed: System, b2: RunningB2) -> None:
    able = a_minting_key(b2, "listBuckets", "writeKeys", "deleteKeys")  # what docs/environment.md asks for
    keyed.environment |= a_minting_key(b2, "listBuckets", "writeKeys")
    keyed.salad.answers.append(problem(429))
    job = keyed.submit().json
    (key,) = job_keys(b2)
    stored = keyed.store().get(job["id"])
    assert stored is not None
    assert stored.job.upload_key_ids == (key["id"],)
    keyed.environment |= able
    delete = {"X-Internal-API-Key": API_KEY}
    keyed.function("job_status").call("DELETE", f"/v1/avatar/jobs/{job['id']}", headers=delete)
    keyed.move_clock(60)
    keyed.tick()
    keyed.tick()
    assert keyed.read(job["id"]).json["status"] == "cancelled"
    assert job_keys(b2) == []


def test_a_tick_during_a_slow_submission_makes_no_second_key(keyed: System, b2: RunningB2) -> None:
    gate = threading.Event()
    keyed.salad.answers.append(Answer(201, keyed.salad.default.body, gate=gate))
    keyed.function("scale_tick")  # loaded before, because loading swaps the environment of the whole process
    keyed.function("submit_job")
    with ThreadPoolExecutor(1) as pool:
        submitted = pool.submit(keyed.submit)
        eventually(lambda: keyed.salad.sent, what="the dispatch")
        for _ in range(3):
            assert keyed.tick().json["lease"] == "held"
        assert not submitted.done(), "the ticks came while it was under way"
        gate.set()
        assert submitted.result(10).status == 202
    assert len(keyed.salad.sent) == len(job_keys(b2)) == 1
