"""The guarded connection goes to the checked address, also when the name resolves to another one a second later."""

import socket
from typing import Any

import pytest
import urllib3

from avatar_jobs.adapters.guarded_http import guarded_pool
from avatar_jobs.domain.errors import UrlNotAllowedError
from tests.support.scripted_server import scripted_server


class FakeResolver:
    """Gives one answer a call, the last one for ever."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.calls = 0

    def __call__(self, host: str, port: int) -> list[str]:
        self.calls += 1
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class FakeDial:
    """Connects nowhere and remembers the peers it was asked for."""

    def __init__(self) -> None:
        self.peers: list[str] = []

    def __call__(self, address: str, port: int, timeout: Any) -> socket.socket:
        self.peers.append(address)
        raise ConnectionRefusedError


def test_a_name_that_turns_to_loopback_after_the_check_never_gets_a_connection() -> None:
    resolver, dial = FakeResolver(["93.184.216.34"], ["127.0.0.1"]), FakeDial()
    pool = guarded_pool(rehearsal=False, resolver=resolver, dial=dial)

    with pytest.raises((urllib3.exceptions.HTTPError, OSError)):
        pool.request("GET", "https://rebinding.example/")
    assert (dial.peers, resolver.calls) == (["93.184.216.34"], 1), "resolved once, connected to the checked address"
    with pytest.raises(UrlNotAllowedError):
        pool.request("GET", "https://rebinding.example/")
    assert dial.peers == ["93.184.216.34"], "127.0.0.1 got no connection"


@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["93.184.216.34", "10.0.0.1"], ["::ffff:169.254.169.254"], []])
def test_one_bad_address_is_enough_to_refuse(addresses: list[str]) -> None:
    dial = FakeDial()
    pool = guarded_pool(rehearsal=False, resolver=FakeResolver(addresses), dial=dial)
    with pytest.raises(UrlNotAllowedError):
        pool.request("GET", "https://example.com/")
    assert dial.peers == []


def test_the_rehearsal_reaches_loopback_for_real() -> None:
    with scripted_server() as server, guarded_pool(rehearsal=True) as pool:
        assert pool.request("GET", server.url + "/x").status == 200
        assert server.received[0].peer == "127.0.0.1"


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with scripted_server() as server, guarded_pool(rehearsal=True) as pool:
        assert pool.request("GET", server.url + "/x").status == 200
