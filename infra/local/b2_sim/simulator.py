"""The state that all routes of the simulated account share: settings, keys, files and clock."""

from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from uuid import uuid4

from infra.local.b2_sim.keys import CAPABILITIES, Key, KeyRing
from infra.local.b2_sim.settings import Settings
from infra.local.b2_sim.storage import Storage
from infra.local.faults import FaultBook
from infra.local.kept import KeptFile

INDEX = "index.sqlite3"  # beside the files' contents


@dataclass(frozen=True)
class Simulator:
    """One account with one bucket. clock: returns seconds since the epoch; calls: counts native calls by name."""

    settings: Settings
    keys: KeyRing
    storage: Storage
    clock: Callable[[], float]
    account_id: str
    bucket_id: str
    calls: MutableMapping[str, int]
    faults: FaultBook

    @property
    def downloads_are_public(self) -> bool:
        """Returns whether the bucket's files are served without a token."""
        return self.settings.bucket_type == "allPublic"

    def count(self, call: str) -> None:
        """Counts a native call."""
        self.calls[call] = self.calls.get(call, 0) + 1

    def now_ms(self) -> int:
        """Returns the time in milliseconds, B2's unit for timestamps."""
        return int(self.clock() * 1000)

    def new_file_id(self) -> str:
        """Returns a unique file id in B2's form."""
        return f"4_z{self.bucket_id}_f{uuid4().hex[:16]}_u{self.now_ms()}"


def build_simulator(settings: Settings, clock: Callable[[], float], faulty: frozenset[str]) -> Simulator:
    """Returns an account with the settings' master key, and with what an earlier process left in its directory.

    faulty: the operations for which a fault may be planned.
    """
    kept = KeptFile(settings.directory / INDEX)
    ids: MutableMapping[str, str] = kept.table("ids")
    master = Key(settings.key_id, settings.app_key, "master", CAPABILITIES)
    return Simulator(
        settings=settings,
        keys=KeyRing(master, settings.token_sec, kept),
        storage=Storage(settings.directory, kept),
        clock=clock,
        account_id=ids.setdefault("account", uuid4().hex[:12]),  # B2's account ids are 12 hex digits, bucket ids 24
        bucket_id=ids.setdefault("bucket", uuid4().hex[:24]),
        calls=kept.table("calls"),
        faults=FaultBook(faulty, kept.table("faults"), {}),
    )
