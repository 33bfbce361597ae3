"""The readers of Salad's answers: a whole answer in full, and no answer that makes them fail."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from avatar_jobs.domain.salad import GpuClass, GroupCounts, GroupView, QueueView, Quotas
from avatar_jobs.protocol.salad_job import read_job_page, read_queue_job
from avatar_jobs.protocol.salad_queue import read_gpu_classes, read_queue, read_quotas

GROUP: dict[str, Any] = {
    "name": "gpu",
    "replicas": 3,
    "queue_autoscaler": None,
    "current_state": {"status": "stopping", "instance_status_counts": {"running_count": 2, "creating_count": -1}},
    "container": {"resources": {"gpu_classes": ["a", "b"]}, "priority": "low"},
}
VIEW = GroupView(GroupCounts(3, running=2), is_stopped=True, gpu_class_ids=("a", "b"), priority="low")

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


def odd(*names: str) -> st.SearchStrategy[dict[str, Any]]:
    """Objects with these fields, each of any type or the right shape."""
    return st.fixed_dictionaries({}, optional=dict.fromkeys(names, JSON))


ODD_STATE = odd("status", "instance_status_counts")
ODD_CONTAINER = st.fixed_dictionaries({"resources": odd("gpu_classes") | JSON, "priority": JSON})
ODD_GROUP = st.fixed_dictionaries(
    {"name": JSON, "replicas": JSON | st.just(2), "current_state": ODD_STATE | JSON, "container": ODD_CONTAINER | JSON}
)


def test_a_whole_queue_is_read_in_full() -> None:
    answer = {"current_queue_length": 4, "container_groups": [GROUP]}
    instances = {"allocating": 0, "creating": 0, "running": 2, "stopping": 0}
    assert read_queue(answer) == QueueView(4, {"gpu": VIEW}, instances)


def test_a_group_without_plausible_replicas_is_left_out_but_its_instances_count() -> None:
    queue = read_queue({"container_groups": [{**GROUP, "replicas": 10**9}, 7, None]})
    assert (queue.length, queue.groups, queue.instances["running"]) == (None, {}, 2)


def test_prices_are_dollars_an_hour_and_an_unreadable_price_is_nothing() -> None:
    prices = [{"priority": "high", "price": "0.30"}, {"priority": "low", "price": "cheap"}, {"priority": "batch"}]
    (read,) = read_gpu_classes({"items": [{"id": "a", "prices": prices}]})
    assert read == GpuClass("a", {"high": 0.3, "low": 0.0, "batch": 0.0})
    assert (read.price_at("high"), read.price_at("medium")) == (0.3, 0.0)


def test_a_page_that_is_not_full_is_the_last_whoever_owns_its_jobs() -> None:
    foreign = {"id": "x", "status": "pending", "metadata": {}}
    ours = {"id": "y", "status": "running", "metadata": {"job_id": "job-00001", "attempt": 2}}
    full, short = read_job_page({"items": [foreign, ours]}, 2), read_job_page({"items": [foreign]}, 2)
    assert ([job.attempt for job in full.ours], full.is_last) == ([2], False)
    assert (short.ours, short.is_last) == ((), True)
    assert read_queue_job({"status": "running"}) is None


@given(odd("current_queue_length") | st.fixed_dictionaries({"container_groups": st.lists(ODD_GROUP) | JSON}))
def test_no_queue_makes_the_reader_fail(answer: dict[str, Any]) -> None:
    queue = read_queue(answer)
    assert all(group.counts.replicas >= 0 for group in queue.groups.values())


@given(JSON)
def test_no_other_answer_makes_a_reader_fail(value: Any) -> None:
    for answer in ({"items": value}, {"items": [{"id": value, "prices": value}]}, {"items": [{"prices": [value]}]}):
        read_gpu_classes(answer)
        assert read_job_page(answer, 100).is_last
    assert isinstance(read_quotas({"container_groups_quotas": value}), Quotas)
