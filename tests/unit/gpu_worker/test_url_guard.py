"""The rules for URLs: what the worker may connect to, in every notation of an address."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_worker.domain.url_guard import UrlNotAllowed, judge_address, judge_url, redact_url

REFUSED_ALWAYS = [
    "",
    "ftp://example.com/a",
    "file:///etc/passwd",
    "//example.com/a",
    "https://",
    "https:///a",
    "https://user@example.com/a",
    "https://user:password@example.com/a",
    "https://@example.com/a",
    "https://example.com\\@127.0.0.1/a",
    "https://example.com/a\nb",
    "https://example.com/a b",
    "https://exa\tmple.com/",
    "https://example.com:8443/a",
    "https://example.com:0/a",
    "https://example.com:99999/a",
    "https://example.com:x/a",
    "https://exa%6dple.com/a",
    "https://example..com/a",
    "https://metadata.google.internal/a",
    "https://METADATA.GOOGLE.INTERNAL./a",
    "https://printer.local/a",
    "https://a.localhost/a",
    "https://10.0.0.1/a",
    "https://10.1/a",
    "https://172.16.0.1/a",
    "https://192.168.1.1/a",
    "https://0xc0a80101/a",
    "https://169.254.169.254/a",
    "https://2852039166/a",
    "https://0xa9fea9fe/a",
    "https://169.254.169.254./a",
    "https://[::ffff:169.254.169.254]/a",
    "https://[::ffff:a9fe:a9fe]/a",
    "https://[fd00:ec2::254]/a",
    "https://[64:ff9b::a9fe:a9fe]/a",
    "https://[2002:a9fe:a9fe::1]/a",
    "https://100.64.0.1/a",
    "https://0.0.0.0/a",
    "https://0/a",
    "https://224.0.0.1/a",
    "https://255.255.255.255/a",
    "https://198.18.0.1/a",
    "https://192.0.2.1/a",
    "https://[::]/a",
    "https://[fe80::1]/a",
    "https://[fe80::1%25eth0]/a",
    "https://[fc00::1]/a",
    "https://[ff02::1]/a",
    "https://[2001:db8::1]/a",
    "https://[2001::1]/a",
    "https://1.2.3.4.5/a",
    "https://256.1.1.1/a",
    "https://1.2.3.0x/a/../..%2f@" + "x" * 8192,
    "https://example.com/" + "a" * 8173,
]
LOOPBACK = [
    "https://127.0.0.1/a",
    "https://127.255.255.254/a",
    "https://2130706433/a",
    "https://0x7f000001/a",
    "https://0x7f.1/a",
    "https://0177.0.0.1/a",
    "https://127.1/a",
    "https://127.0.0.1./a",
    "https://１２７.０.０.１/a",
    "https://127。0。0。1/a",
    "https://[::1]/a",
    "https://[0:0:0:0:0:0:0:1]/a",
    "https://localhost/a",
    "https://LOCALHOST/a",
    "https://localhost./a",
]


@pytest.mark.parametrize("url", REFUSED_ALWAYS)
@pytest.mark.parametrize("rehearsal", [False, True])
def test_refused_in_both_modes(url: str, rehearsal: bool) -> None:
    with pytest.raises(UrlNotAllowed) as refusal:
        judge_url(url, rehearsal=rehearsal)
    assert refusal.value.reason


@pytest.mark.parametrize("url", LOOPBACK)
def test_loopback_is_for_the_rehearsal_only(url: str) -> None:
    with pytest.raises(UrlNotAllowed):
        judge_url(url, rehearsal=False)
    judge_url(url, rehearsal=True)


@pytest.mark.parametrize(
    ("url", "host", "port", "target"),
    [
        ("https://example.com", "example.com", 443, "/"),
        ("https://EXAMPLE.com./a.mp4?x=1&y=%20#part", "example.com", 443, "/a.mp4?x=1&y=%20"),
        ("https://example.com:443/ä", "example.com", 443, "/%C3%A4"),
        ("https://münchen.example/", "xn--mnchen-3ya.example", 443, "/"),
        ("https://8.8.8.8/a", "8.8.8.8", 443, "/a"),
        ("https://[2606:4700::1111]/a", "2606:4700::1111", 443, "/a"),
    ],
)
def test_public_urls_pass_in_their_plain_form(url: str, host: str, port: int, target: str) -> None:
    judged = judge_url(url, rehearsal=False)
    assert (judged.host, judged.port, judged.target) == (host, port, target)


@pytest.mark.parametrize(
    ("url", "port"),
    [
        ("http://127.0.0.1:8123/a", 8123),
        ("http://localhost:9/a", 9),
        ("http://[::1]:99/", 99),
        ("http://a.example/", 80),
    ],
)
def test_rehearsal_takes_http_and_any_port_of_loopback(url: str, port: int) -> None:
    assert judge_url(url, rehearsal=True).port == port
    with pytest.raises(UrlNotAllowed):
        judge_url(url, rehearsal=False)


def test_rehearsal_keeps_other_hosts_on_the_default_port() -> None:
    with pytest.raises(UrlNotAllowed):
        judge_url("http://a.example:8080/", rehearsal=True)


@pytest.mark.parametrize("ip", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
def test_loopback_addresses_only_in_the_rehearsal(ip: str) -> None:
    with pytest.raises(UrlNotAllowed):
        judge_address(ip, rehearsal=False)
    judge_address(ip, rehearsal=True)


@pytest.mark.parametrize(
    "ip",
    ["10.0.0.1", "169.254.169.254", "fd00:ec2::254", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "nonsense"],
)
@pytest.mark.parametrize("rehearsal", [False, True])
def test_private_and_metadata_addresses_never(ip: str, rehearsal: bool) -> None:
    with pytest.raises(UrlNotAllowed):
        judge_address(ip, rehearsal=rehearsal)


@pytest.mark.parametrize("ip", ["8.8.8.8", "2606:4700::1111", "64:ff9b::808:808"])
def test_public_addresses_pass(ip: str) -> None:
    judge_address(ip, rehearsal=False)


@given(st.integers(min_value=0, max_value=2**32 - 1), st.sampled_from(["dotted", "decimal", "hex", "octal", "mapped"]))
def test_no_notation_changes_the_verdict_on_an_ipv4_address(value: int, notation: str) -> None:
    octets = [value >> shift & 255 for shift in (24, 16, 8, 0)]
    plain = ".".join(map(str, octets))
    written = {
        "dotted": plain,
        "decimal": str(value),
        "hex": hex(value),
        "octal": ".".join(f"0{octet:o}" for octet in octets),
        "mapped": f"[::ffff:{plain}]",
    }[notation]
    assert _passes(f"https://{written}/") == _passes(f"https://{plain}/")


def _passes(url: str) -> bool:
    try:
        judge_url(url, rehearsal=False)
    except UrlNotAllowed:
        return False
    return True


@given(st.text(max_size=60))
def test_any_url_text_is_allowed_or_refused_and_raises_nothing_else(text: Any) -> None:
    for url in (text, f"https://{text}", f"https://example.com/{text}"):
        _passes(url)


def test_redaction_drops_user_query_and_fragment() -> None:
    assert redact_url("https://u:p@example.com/a.mp4?sig=secret#x") == "https://example.com/a.mp4"
