"""What a job's storage keys cost: two writes and one read after the end, and one call of B2 to make, one to delete."""

from tests.support.b2_sim import RunningB2
from tests.support.system import System
from tests.support.upload_keys import end_the_job, job_keys


def test_a_key_costs_one_call_to_make_and_one_to_delete_beside_the_authorization_of_an_instance(
    keyed: System, b2: RunningB2
) -> None:
    for _ in range(3):
        keyed.submit()
    submitting = {"b2_authorize_account": 1, "b2_list_buckets": 1, "b2_create_key": 3}
    assert b2.state()["calls"] == submitting
    end_the_job(keyed)
    keyed.tick()
    assert b2.state()["calls"] == submitting | {
        "b2_authorize_account": 2,  # the tick is an instance of its own
        "b2_create_key": 4,
        "b2_delete_key": 1,
    }


def test_the_deletion_of_a_jobs_keys_takes_two_writes_and_no_read_beside_the_due_timers(
    keyed: System, b2: RunningB2
) -> None:
    end_the_job(keyed)
    with keyed.watch.counting() as counted:
        keyed.tick()
    assert job_keys(b2) == []
    assert (counted["write"], counted["get"], counted["create"]) == (2, 0, 0)
