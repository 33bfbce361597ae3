"""Keys that nobody wrote down, because their maker died first, are listed now and then and deleted."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

import pytest

from avatar_jobs.domain.errors import ProviderError
from avatar_jobs.domain.upload_keys import KeyPage, ListedKey, UploadKey, read_key
from avatar_jobs.services.tick import key_sweeper
from avatar_jobs.services.tick.key_sweeper import KeySweeper
from tests.support.b2_sim import BUCKET, RunningB2
from tests.support.events import events
from tests.support.functions import PREFIX
from tests.support.scripted_server import Answer
from tests.support.stores import overwrite
from tests.support.system import System
from tests.support.upload_keys import end_the_job, job_keys, key_maker


def a_forgotten_key(system: System, b2: RunningB2, job_id: str, prefix: str = PREFIX) -> str:
    """A key that was made for a job and that no record knows."""
    now = system.clock()
    keys = key_maker(b2, prefix=prefix)
    return keys.mint(job_id, 1, now + key_sweeper.EVERY * 100, now).key_id


def swept(system: System, times: int = 3) -> None:
    """Lets enough time pass for some sweeps; the first tick of an instance does none."""
    for _ in range(times + 1):
        system.move_clock(key_sweeper.EVERY.total_seconds() + 1)
        assert system.tick().json["lease"] == "held"


def test_a_key_whose_maker_died_is_deleted_when_its_job_has_ended(keyed: System, b2: RunningB2) -> None:
    ended = end_the_job(keyed)
    keyed.tick()
    assert job_keys(b2) == []
    a_forgotten_key(keyed, b2, ended["id"])
    a_forgotten_key(keyed, b2, "f" * 32)
    swept(keyed)
    assert job_keys(b2) == []


def test_the_keys_of_open_jobs_and_of_other_systems_stay(
    keyed: System, b2: RunningB2, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyed.submit(keyed.body(start_timeout_seconds=86_400))
    a_forgotten_key(keyed, b2, "f" * 32, prefix="staging/outputs/")
    b2.native().create_key(["readFiles"], "avatar-of-a-person")
    b2.native().create_key(
        ["readFiles"], f"avatar-{'e' * 32}-1", bucket_ids=[b2.native().get_bucket_by_name(BUCKET).id_]
    )
    before = b2.state()["keys"]
    monkeypatch.setattr("avatar_jobs.adapters.b2_upload_keys.PAGE_SIZE", 2)
    swept(keyed)
    assert b2.state()["keys"] == before


def test_a_young_key_stays_because_its_maker_may_still_be_at_work(keyed: System, b2: RunningB2) -> None:
    keyed.tick()
    old = a_forgotten_key(keyed, b2, "f" * 32)
    keyed.move_clock(key_sweeper.EVERY.total_seconds() + 1)
    young = a_forgotten_key(keyed, b2, "e" * 32)
    keyed.tick()
    assert old not in [key["id"] for key in job_keys(b2)]
    assert young in [key["id"] for key in job_keys(b2)]


def test_a_sweep_reads_few_jobs_and_the_next_one_goes_on_where_it_stopped(
    keyed: System, b2: RunningB2, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_sweeper, "READS", 2)
    monkeypatch.setattr("avatar_jobs.adapters.b2_upload_keys.PAGE_SIZE", 3)
    for number in range(7):
        a_forgotten_key(keyed, b2, f"{number}" * 32)
    reads = []
    keyed.tick()
    for _ in range(4):
        with keyed.watch.counting() as counted:
            keyed.move_clock(key_sweeper.EVERY.total_seconds() + 1)
            keyed.tick()
            reads.append(counted["get"])
    assert (job_keys(b2), reads) == ([], [2, 2, 2, 1])


def test_a_minting_key_that_may_not_list_costs_a_warning(
    keyed: System, b2: RunningB2, capfd: pytest.CaptureFixture[str]
) -> None:
    made = b2.native().create_key(["listBuckets", "writeKeys", "deleteKeys"], "minting")
    keyed.environment |= {"B2_MINT_KEY_ID": str(made.id_), "B2_MINT_APP_KEY": str(made.application_key)}
    swept(keyed, times=1)
    assert events(capfd.readouterr().out, "upload_keys_not_swept", severity="WARNING")


def test_a_storage_that_is_away_costs_the_sweep_and_nothing_else(keyed: System, b2: RunningB2) -> None:
    keyed.salad.answers.append(Answer(429, b""))
    with b2.away():
        swept(keyed, times=1)
    swept(keyed, times=1)


@pytest.mark.parametrize(
    ("name", "job_id", "attempt"),
    [
        ("avatar-0123456789abcdef0123456789abcdef-2-1764000000", "0123456789abcdef0123456789abcdef", 2),
        ("avatar-0123456789abcdef0123456789abcdef-3", "0123456789abcdef0123456789abcdef", 3),
        ("avatar-of-a-person", None, None),
        ("someone-else", None, None),
        ("avatar-0123456789abcdef0123456789abcdef-1-99999999999999", None, None),
    ],
)
def test_a_keys_name_holds_its_job_and_attempt(name: str, job_id: str | None, attempt: int | None) -> None:
    key = read_key("id", name)
    assert (key.job_id if key else None, key.attempt if key else None) == (job_id, attempt)


class FakeKeys:
    """Storage keys in a list, some of which the storage refuses to delete."""

    def __init__(self, keys: Sequence[ListedKey], refused: Collection[str] = ()) -> None:
        self.keys = list(keys)
        self.refused = refused
        self.deleted: list[str] = []

    def mint(self, job_id: str, attempt: int, expires_at: datetime, now: datetime) -> UploadKey:
        raise NotImplementedError

    def revoke(self, key_id: str) -> None:
        if key_id in self.refused:
            raise ProviderError("refused", status=400, retryable=True, may_have_happened=False)
        self.deleted.append(key_id)

    def list_keys(self, start: str | None) -> KeyPage:
        return KeyPage(self.keys, None)


def sweeper_over(system: System, keys: FakeKeys) -> KeySweeper:
    """A sweeper whose instance is old enough for a sweep."""
    sweeper = KeySweeper(store=system.store(), upload_keys=keys, clock=system.clock, log=lambda *_, **__: None)
    sweeper.sweep(system.clock())
    system.move_clock(key_sweeper.EVERY.total_seconds() + 1)
    return sweeper


def test_a_key_that_cannot_be_deleted_does_not_keep_the_next_ones_alive(system: System) -> None:
    keys = FakeKeys([ListedKey(f"key-{n}", f"{n}" * 32, 1, None) for n in range(3)], refused=("key-0",))
    sweeper = sweeper_over(system, keys)
    assert sweeper.sweep(system.clock() + timedelta(seconds=9)) == 2
    assert keys.deleted == ["key-1", "key-2"]


def test_a_record_that_cannot_be_read_keeps_its_key_and_ends_no_sweep(system: System) -> None:
    damaged: str = system.submit().json["id"]
    overwrite(("sqlite", system.environment["SQLITE_PATH"]), damaged, "{")
    keys = FakeKeys([ListedKey("of-damaged", damaged, 1, None), ListedKey("orphaned", "f" * 32, 1, None)])
    sweeper = sweeper_over(system, keys)
    assert sweeper.sweep(system.clock() + timedelta(seconds=9)) == 1
    assert keys.deleted == ["orphaned"]
