"""The rules for URLs and addresses from outside: which of them this worker may connect to."""

import ipaddress
import re
import unicodedata
from dataclasses import dataclass
from urllib.parse import quote, urljoin, urlsplit

MAX_URL = 8192  # characters, the API's limit, also for the target of a redirect: presigned links are long
MAX_LOGGED = 2048  # characters of a path in a log line
HTTPS_PORT, HTTP_PORT = 443, 80
REFUSED_SUFFIXES = ("internal", "local", "localhost")
HOST_NAME = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_]([a-z0-9_-]{0,62}))*")
MAX_HOST = 253  # characters of a name
FULL_STOPS = str.maketrans("\u3002\uff0e\uff61", "...")  # RFC 3490 section 3.1: these count as dots in a name
NUMBER = re.compile(r"0x[0-9a-f]*|[0-9]+")

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

# IANA's special-purpose registries, written out because the standard library's `is_global` changes between patch
# releases of Python.
REFUSED_IPV4 = tuple(
    ipaddress.IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # unspecified, this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carrier-grade NAT
        "127.0.0.0/8",  # loopback
        "169.254.0.0/16",  # link-local, the clouds' metadata services among them
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays, withdrawn
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved and broadcast
    )
)
GLOBAL_IPV6 = ipaddress.IPv6Network("2000::/3")  # the only block from which IANA gives out global unicast
REFUSED_IPV6 = tuple(
    ipaddress.IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments: Teredo, benchmarking, ORCHID
        "2001:db8::/32",  # documentation
        "3fff::/20",  # documentation
    )
)
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
IPV4_COMPATIBLE = ipaddress.IPv6Network("::/96")
LOOPBACK_IPV4 = ipaddress.IPv4Network("127.0.0.0/8")
LOOPBACK_IPV6 = ipaddress.IPv6Address("::1")


class UrlNotAllowed(Exception):  # noqa: N818  the name says what is wrong
    """A URL or an address that this worker must not connect to; `reason` says which rule it breaks."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class JudgedUrl:
    """A URL whose text breaks no rule. host: a lower-case ASCII name, or a plain address without brackets;
    target: path and query as they stand on the request line."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        """The value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        default = HTTPS_PORT if self.scheme == "https" else HTTP_PORT
        return host if self.port == default else f"{host}:{self.port}"

    @property
    def text(self) -> str:
        """The whole URL in its plain form, against which a redirect is resolved."""
        return f"{self.scheme}://{self.authority}{self.target}"


def judge_url(url: str, *, rehearsal: bool) -> JudgedUrl:
    """Checks the text of a URL and returns its parts; raises UrlNotAllowed.

    rehearsal: also allows http, and loopback addresses and `localhost` on any port, and nothing else.
    """
    if not url or len(url) > MAX_URL:
        raise UrlNotAllowed(f"the URL must have 1-{MAX_URL} characters")
    if "\\" in url or any(character.isspace() or not character.isprintable() for character in url):
        raise UrlNotAllowed("the URL contains a backslash, a space or a control character")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise UrlNotAllowed("the URL cannot be parsed") from error
    if parts.scheme != "https" and not (rehearsal and parts.scheme == "http"):
        raise UrlNotAllowed("the URL must be https")
    if "@" in parts.netloc:
        raise UrlNotAllowed("the URL carries a user name or password")
    host, is_loopback = _judge_host(parts.hostname or "", rehearsal=rehearsal)
    default_port = HTTPS_PORT if parts.scheme == "https" else HTTP_PORT
    if port is not None and port != default_port and not is_loopback:
        raise UrlNotAllowed(f"the URL's port must be {default_port}")
    target = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    if parts.query:
        target += "?" + quote(parts.query, safe="/%:@!$&'()*+,;=~-._?[]{}|^`\"<>")
    return JudgedUrl(parts.scheme, host, default_port if port is None else port, target)


def judge_address(ip: str, *, rehearsal: bool) -> None:
    """Checks an address that a name resolved to; raises UrlNotAllowed.

    An address that carries an IPv4 address (mapped, compatible, 6to4, NAT64) is checked by that one.
    """
    try:
        address = ipaddress.ip_address(ip)
    except ValueError as error:
        raise UrlNotAllowed("the host's address cannot be parsed") from error
    if _is_loopback(address) and rehearsal:
        return
    if not _is_public(address):
        raise UrlNotAllowed("the host's address is not a public one")


def resolve_redirect(base: JudgedUrl, location: str) -> str:
    """Returns the URL that a redirect leads to, still to be judged; raises UrlNotAllowed when it cannot be read.

    location: the header's value, a character for each byte. Many servers write raw UTF-8 and spaces into it, which RFC
    3986 forbids and browsers follow.
    """
    text = _read_utf8(location).strip(" ")
    if len(text) > MAX_URL:
        raise UrlNotAllowed(f"the URL must have 1-{MAX_URL} characters")
    if any(ord(character) < 32 for character in text):
        raise UrlNotAllowed("the URL contains a backslash, a space or a control character")
    try:
        parts = urlsplit(urljoin(base.text, text))
    except ValueError as error:
        raise UrlNotAllowed("the URL cannot be parsed") from error
    return parts._replace(path=_without_spaces(parts.path), query=_without_spaces(parts.query), fragment="").geturl()


def _without_spaces(text: str) -> str:
    """Returns a part of a URL with its spaces, also the invisible ones of Unicode, percent-encoded."""
    return "".join(char if char.isprintable() and char != " " else quote(char) for char in text)


def _read_utf8(location: str) -> str:
    """Returns a header's value read as UTF-8; where it is none, the bytes that are not ASCII percent-encoded."""
    try:
        return location.encode("latin-1").decode()
    except UnicodeError:
        return "".join(char if char.isascii() else f"%{ord(char):02X}" for char in location)


def redact_url(url: str) -> str:
    """Returns scheme, host and path of a URL for a log line, without user, query and fragment."""
    bare = re.split(r"[?#]", url, maxsplit=1)[0]
    return re.sub(r"//[^/@]*@", "//", bare)[:MAX_LOGGED]


def _judge_host(raw: str, *, rehearsal: bool) -> tuple[str, bool]:
    """Returns the host's plain form, and whether it is a loopback host that the rehearsal allows."""
    host = unicodedata.normalize("NFKC", raw).translate(FULL_STOPS).lower()
    if host.endswith("."):
        host = host[:-1]
    address = _parse_address(host)
    if address is not None:
        judge_address(str(address), rehearsal=rehearsal)
        return str(address), _is_loopback(address)
    if host == "localhost" and rehearsal:
        return host, True
    if host.rsplit(".", maxsplit=1)[-1] in REFUSED_SUFFIXES:
        raise UrlNotAllowed("the host is a name of a private network")
    try:
        host = host if host.isascii() else host.encode("idna").decode("ascii")
    except UnicodeError as error:
        raise UrlNotAllowed("the host is not a valid name") from error
    if len(host) > MAX_HOST or not HOST_NAME.fullmatch(host):
        raise UrlNotAllowed("the host is not a valid name")
    return host, False


def _parse_address(host: str) -> IPAddress | None:
    """Reads an address in any notation that a resolver accepts; returns None for a name."""
    if ":" in host:
        try:
            return ipaddress.IPv6Address("" if "%" in host else host)  # no zone ids: they name local interfaces
        except ValueError as error:
            raise UrlNotAllowed("the host is not a valid address") from error
    labels = host.split(".")
    if not NUMBER.fullmatch(labels[-1]):
        return None
    if len(labels) > 4 or not all(NUMBER.fullmatch(label) for label in labels):
        raise UrlNotAllowed("the host is not a valid address")
    return _from_numbers([_read_number(label) for label in labels])


def _read_number(label: str) -> int:
    try:
        if label.startswith("0x"):
            return int(label[2:] or "0", 16)
        return int(label, 8) if label.startswith("0") else int(label)
    except ValueError as error:
        raise UrlNotAllowed("the host is not a valid address") from error


def _from_numbers(numbers: list[int]) -> ipaddress.IPv4Address:
    """Reads 1-4 numbers as inet_aton does: the last one fills the remaining bytes."""
    *leading, last = numbers
    if any(number > 255 for number in leading) or last >= 256 ** (4 - len(leading)):
        raise UrlNotAllowed("the host is not a valid address")
    value = last + sum(number << (24 - 8 * place) for place, number in enumerate(leading))
    return ipaddress.IPv4Address(value)


def _carried_ipv4(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address in NAT64 or (address in IPV4_COMPATIBLE and int(address) > 1):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return None


def _is_loopback(address: IPAddress) -> bool:
    if isinstance(address, ipaddress.IPv4Address):
        return address in LOOPBACK_IPV4
    carried = address.ipv4_mapped
    return address == LOOPBACK_IPV6 or (carried is not None and carried in LOOPBACK_IPV4)


def _is_public(address: IPAddress) -> bool:
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in network for network in REFUSED_IPV4)
    carried = _carried_ipv4(address)
    if carried is not None:
        return _is_public(carried)
    return address in GLOBAL_IPV6 and not any(address in network for network in REFUSED_IPV6)
