"""Judges URLs from outside: their text when a job is submitted, their addresses when a connection is made.

A name can resolve to any address, and to another one a second later, so judging the text is not enough. The code that
connects must resolve the name once, judge every address with judge_address, and connect to an address it has judged.
"""

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from avatar_jobs.domain import texts
from avatar_jobs.domain.errors import UrlNotAllowedError

MAX_URL_LENGTH = 8192  # presigned URLs are long: some carry a whole session token
HTTPS_PORT = 443
PRIVATE_SUFFIXES = ("internal", "local", "localhost")
# The well-known prefix that carries an IPv4 address in its last 32 bits (RFC 6052).
NAT64 = ipaddress.ip_network("64:ff9b::/96")
# Reserved by IANA's special-purpose registries, and missing in the tables of some supported Python releases.
ALSO_RESERVED = tuple(ipaddress.ip_network(net) for net in ("192.0.0.0/24", "192.88.99.0/24", "3fff::/20"))
# The URL standard reads a host whose last label looks like this as an IPv4 address, in any notation.
NUMERIC_LABEL = re.compile(r"(0[xX][0-9a-fA-F]*|[0-9]+)")
HOST_NAME = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_]([a-z0-9_-]{0,62}))*")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True)
class JudgedUrl:
    """A URL whose text is acceptable. host: in lower case, without brackets."""

    scheme: str
    host: str
    port: int


def judge_url(url: str, *, rehearsal: bool) -> JudgedUrl:
    """Judges the text of a URL and returns its parts. Raises UrlNotAllowedError, which says what to change.

    rehearsal: also allows http, and loopback hosts on any port.
    """
    if len(url) > MAX_URL_LENGTH:
        raise UrlNotAllowedError(texts.url_too_long(MAX_URL_LENGTH))
    if not url.isascii() or any(ord(character) <= 32 or character in "\\\x7f" for character in url):
        raise UrlNotAllowedError(texts.URL_NOT_ASCII)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise UrlNotAllowedError(texts.URL_MALFORMED) from error
    if parts.scheme not in (("https", "http") if rehearsal else ("https",)):
        raise UrlNotAllowedError(texts.URL_NOT_HTTPS)
    if "@" in parts.netloc:
        raise UrlNotAllowedError(texts.URL_WITH_USER)
    host = (parts.hostname or "").removesuffix(".")
    local = _judge_host(host, bracketed=parts.netloc.startswith("["), rehearsal=rehearsal)
    port = port if port is not None else (HTTPS_PORT if parts.scheme == "https" else 80)
    if port != HTTPS_PORT and not rehearsal:
        raise UrlNotAllowedError(texts.URL_PORT)
    if rehearsal and not local and port not in (HTTPS_PORT, 80):
        raise UrlNotAllowedError(texts.URL_PORT_IN_REHEARSAL)
    return JudgedUrl(parts.scheme, host, port)


def _judge_host(host: str, *, bracketed: bool, rehearsal: bool) -> bool:
    """Returns whether the host is loopback (allowed in the rehearsal only). Raises UrlNotAllowedError."""
    if bracketed:
        return _judge_literal(host, rehearsal=rehearsal)
    last_label = host.rsplit(".", 1)[-1]
    if NUMERIC_LABEL.fullmatch(last_label):
        return _judge_literal(host, rehearsal=rehearsal)
    if rehearsal and host == "localhost":
        return True
    if last_label in PRIVATE_SUFFIXES:
        raise UrlNotAllowedError(texts.URL_PRIVATE_NAME)
    if len(host) > 253 or not HOST_NAME.fullmatch(host):
        raise UrlNotAllowedError(texts.URL_HOST_MALFORMED)
    return False


def _judge_literal(host: str, *, rehearsal: bool) -> bool:
    try:
        address = ipaddress.ip_address(host)  # accepts the one canonical notation only
    except ValueError as error:
        raise UrlNotAllowedError(texts.URL_HOST_NOTATION) from error
    judge_address(str(address), rehearsal=rehearsal)
    return address.is_loopback


def judge_address(address: str, *, rehearsal: bool) -> None:
    """Judges one resolved address. Raises UrlNotAllowedError unless it is public (or, in the rehearsal, loopback)."""
    try:
        plain = _unwrapped(ipaddress.ip_address(address))
    except ValueError as error:
        raise UrlNotAllowedError(texts.URL_HOST_UNRESOLVED) from error
    if rehearsal and plain.is_loopback:
        return
    special = plain.is_multicast or plain.is_reserved or any(plain in network for network in ALSO_RESERVED)
    if special or not plain.is_global:
        raise UrlNotAllowedError(texts.URL_HOST_PRIVATE)


def _unwrapped(address: Address) -> Address:
    """Returns the IPv4 address inside an IPv6 one that a gateway would connect to, else the address itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.scope_id is not None:
        raise UrlNotAllowedError(texts.URL_HOST_WITH_ZONE)
    if address in NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None) or address
