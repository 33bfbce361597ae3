"""One table over both URL guards, the functions' and the worker's: they follow the same rules and share no code."""

from collections.abc import Callable
from typing import Any

import pytest

from avatar_jobs.domain import url_guard as functions_guard
from avatar_jobs.domain.errors import UrlNotAllowedError
from gpu_worker.domain import url_guard as worker_guard

GUARDS: list[Any] = [
    pytest.param((functions_guard.judge_url, functions_guard.judge_address, UrlNotAllowedError), id="functions"),
    pytest.param((worker_guard.judge_url, worker_guard.judge_address, worker_guard.UrlNotAllowed), id="worker"),
]
Guard = tuple[Callable[..., Any], Callable[..., None], type[Exception]]

REFUSED_ALWAYS = [
    "ftp://example.com/a", "file:///etc/passwd", "//example.com/a", "example.com/a", "https://", "https:///a", "",
    "https://user@example.com/", "https://user:pw@example.com/", "https://@example.com/",
    "https://example.com:8443/", "https://example.com:0/", "https://example.com:99999/", "https://example.com:x/",
    "https://10.0.0.1/", "https://172.16.0.1/", "https://192.168.1.1/", "https://169.254.169.254/latest/meta-data",
    "https://100.64.0.1/", "https://0.0.0.0/", "https://224.0.0.1/", "https://240.0.0.1/", "https://255.255.255.255/",
    "https://192.0.0.8/", "https://198.18.0.1/", "https://203.0.113.5/",
    "https://167772161/", "https://0xa000001/", "https://0x0a.0.0.1/", "https://012.0.0.1/", "https://10.1/",
    "https://0251.0376.0251.0376/", "https://2852039166/", "https://0xa9fea9fe/",
    "https://\uff11\uff10.0.0.1/", "https://10\u30020\u30020\u30021/",
    "https://[::]/", "https://[fe80::1]/", "https://[fc00::1]/", "https://[fd00:ec2::254]/", "https://[ff02::1]/",
    "https://[::ffff:10.0.0.1]/", "https://[::ffff:a9fe:a9fe]/", "https://[64:ff9b::a9fe:a9fe]/",
    "https://[2002:a9fe:a9fe::1]/", "https://[fe80::1%25eth0]/", "https://[::1", "https://::1/",
    "https://metadata.google.internal/", "https://x.internal/", "https://printer.local/", "https://a.localhost/",
    "https://x.internal./", "https://X.INTERNAL/", "https://exa mple.com/", "https://example.com/a b",
    "https://example.com\\@10.0.0.1/", "https://example.com/\r\nX: y", "https://example.com/\t",
    "https://exam\x00ple.com/",
    "https://example..com/", "https://" + "a" * 64 + ".com/", "https://.example.com/", "https://-/", "https://%31%30.0.0.1/",
    "https://example.com/" + "a" * 8173,
]  # fmt: skip

LOOPBACK = [
    "http://127.0.0.1/a", "http://127.0.0.1:8080/a", "http://127.9.9.9:1/", "http://localhost:8080/a", "http://[::1]:80/",
    "https://127.0.0.1:9/", "https://localhost/",
]  # fmt: skip

LOOPBACK_IN_DISGUISE = [
    "http://2130706433/", "http://0x7f000001/", "http://0177.0.0.1/", "http://127.1/", "http://\uff11\uff12\uff17.0.0.1/",
]  # fmt: skip

ALLOWED_ALWAYS = [
    "https://example.com/a.mp4?X-Amz-Signature=abc&x=%20", "https://example.com:443/", "https://EXAMPLE.com/",
    "https://example.com./", "https://xn--bcher-kva.example/", "https://93.184.216.34/", "https://a-b_c.example.com/",
    "https://[2606:4700:4700::1111]/", "https://example.com/" + "a" * 8172,
]  # fmt: skip

PRIVATE_ADDRESSES = [
    "10.0.0.1", "172.31.255.255", "192.168.0.1", "169.254.169.254", "100.127.255.255", "0.0.0.0", "224.0.0.1",
    "240.0.0.1", "255.255.255.255", "::", "fe80::1", "fc00::1",
    "fd00:ec2::254", "ff02::1", "::ffff:10.0.0.1", "64:ff9b::10.0.0.1",
    "2002:0a00:0001::1", "fe80::1%eth0", "not-an-address", "",
]  # fmt: skip


@pytest.fixture(params=GUARDS)
def guard(request: pytest.FixtureRequest) -> Guard:
    """One of the two guards."""
    return request.param


@pytest.mark.parametrize("url", REFUSED_ALWAYS)
@pytest.mark.parametrize("rehearsal", [False, True])
def test_a_url_that_no_mode_allows_is_refused(guard: Guard, url: str, rehearsal: bool) -> None:
    judge_url, _, error = guard
    with pytest.raises(error) as caught:
        judge_url(url, rehearsal=rehearsal)
    assert str(caught.value)


@pytest.mark.parametrize("url", LOOPBACK)
def test_loopback_is_for_the_rehearsal_alone(guard: Guard, url: str) -> None:
    judge_url, _, error = guard
    judge_url(url, rehearsal=True)
    with pytest.raises(error):
        judge_url(url, rehearsal=False)


@pytest.mark.parametrize("url", LOOPBACK_IN_DISGUISE)
def test_loopback_in_another_notation_is_refused_in_production(guard: Guard, url: str) -> None:
    judge_url, _, error = guard
    with pytest.raises(error):
        judge_url(url.replace("http://", "https://"), rehearsal=False)


@pytest.mark.parametrize("url", ALLOWED_ALWAYS)
@pytest.mark.parametrize("rehearsal", [False, True])
def test_a_public_https_url_is_allowed(guard: Guard, url: str, rehearsal: bool) -> None:
    judge_url, _, _ = guard
    judged = judge_url(url, rehearsal=rehearsal)
    assert judged.port == 443
    assert judged.host == judged.host.lower()


@pytest.mark.parametrize("address", PRIVATE_ADDRESSES)
@pytest.mark.parametrize("rehearsal", [False, True])
def test_a_resolved_address_that_is_not_public_is_refused(guard: Guard, address: str, rehearsal: bool) -> None:
    _, judge_address, error = guard
    with pytest.raises(error):
        judge_address(address, rehearsal=rehearsal)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
def test_a_resolved_loopback_is_for_the_rehearsal_alone(guard: Guard, address: str) -> None:
    _, judge_address, error = guard
    judge_address(address, rehearsal=True)
    with pytest.raises(error):
        judge_address(address, rehearsal=False)


@pytest.mark.parametrize("address", ["93.184.216.34", "8.8.8.8", "2606:4700:4700::1111"])
def test_a_resolved_public_address_is_allowed(guard: Guard, address: str) -> None:
    _, judge_address, _ = guard
    judge_address(address, rehearsal=False)
