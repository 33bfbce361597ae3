"""The HTTP client: it dials the address that was checked, and TLS verifies the name."""

import contextlib
import datetime
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gpu_worker.adapters.http_client import FaultKind, HttpClient, HttpFault, read_chunks
from gpu_worker.domain.url_guard import UrlNotAllowed, judge_url
from tests.functional.gpu_worker.rig import Site
from tests.support.waiting import eventually, within

PUBLIC = "93.184.216.34"
NEVER: dict[str, Any] = dict(headers={}, socket_sec=5.0, stop=lambda: False)  # noqa: C408  named like the arguments


class Dialler:
    """Records every address that is dialled, and connects to a local server instead."""

    def __init__(self, port: int) -> None:
        self.dialled: list[tuple[str, int]] = []
        self._port = port

    def __call__(self, ip: str, port: int, timeout: float) -> socket.socket:
        self.dialled.append((ip, port))
        return socket.create_connection(("127.0.0.1", self._port), timeout=timeout)


class TlsServer:
    """Answers 200 to everything over TLS with a certificate for one name."""

    def __init__(self, name: str, directory: Path) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
        begin = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(1)
            .not_valid_before(begin)
            .not_valid_after(begin.replace(year=2200))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256())
        )
        pem = certificate.public_bytes(serialization.Encoding.PEM)
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        path = directory / "server.pem"
        path.write_bytes(private + pem)
        self.trusting = ssl.create_default_context(cadata=pem.decode())
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(path)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                raw, _ = self._socket.accept()
            except OSError:
                return
            try:
                with raw, self._context.wrap_socket(raw, server_side=True) as tls:
                    tls.recv(65536)
                    tls.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
            except OSError:
                continue

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()


@pytest.fixture
def tls_server(tmp_path: Path) -> Iterator[TlsServer]:
    server = TlsServer("media.example", tmp_path)
    yield server
    server.close()


def answers(*rounds: list[str]) -> Callable[[str, int], list[str]]:
    """A resolver that gives another answer each time."""
    left = list(rounds)
    return lambda host, port: left.pop(0)


def fetch(client: HttpClient, url: str, **options: Any) -> bytes:
    with client.exchange("GET", judge_url(url, rehearsal=client.rehearsal), **(NEVER | options)) as response:
        return b"".join(read_chunks(response))


def test_a_name_that_resolves_to_loopback_after_its_check_gets_no_connection(tls_server: TlsServer) -> None:
    dial = Dialler(tls_server.port)
    client = HttpClient(False, answers([PUBLIC], ["127.0.0.1"]), dial, tls_server.trusting)
    assert fetch(client, "https://media.example/") == b"hello"
    with pytest.raises(UrlNotAllowed):
        fetch(client, "https://media.example/")
    assert dial.dialled == [(PUBLIC, 443)], "only the judged address may be dialled, and each name resolved once"


def test_one_bad_address_among_good_ones_refuses_the_name(tls_server: TlsServer) -> None:
    dial = Dialler(tls_server.port)
    client = HttpClient(False, answers([PUBLIC, "10.0.0.1"]), dial, tls_server.trusting)
    with pytest.raises(UrlNotAllowed):
        fetch(client, "https://media.example/")
    assert dial.dialled == []


@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254", "::1", "fd00:ec2::254", "::ffff:10.0.0.1"])
def test_a_name_with_a_forbidden_address_is_never_dialled(tls_server: TlsServer, address: str) -> None:
    dial = Dialler(tls_server.port)
    with pytest.raises(UrlNotAllowed):
        fetch(HttpClient(False, answers([address]), dial, tls_server.trusting), "https://media.example/")
    assert dial.dialled == []


def test_the_rehearsal_never_dials_the_metadata_address(tls_server: TlsServer) -> None:
    dial = Dialler(tls_server.port)
    with pytest.raises(UrlNotAllowed):
        fetch(HttpClient(True, answers(["169.254.169.254"]), dial, tls_server.trusting), "https://media.example/")
    assert dial.dialled == []


def test_the_certificate_must_carry_the_urls_name(tls_server: TlsServer) -> None:
    client = HttpClient(False, answers([PUBLIC]), Dialler(tls_server.port), tls_server.trusting)
    with pytest.raises(HttpFault) as caught:
        fetch(client, "https://other.example/")
    assert caught.value.kind is FaultKind.CERTIFICATE


def test_an_unknown_issuer_is_refused(tls_server: TlsServer) -> None:
    client = HttpClient(False, answers([PUBLIC]), Dialler(tls_server.port))
    with pytest.raises(HttpFault) as caught:
        fetch(client, "https://media.example/")
    assert caught.value.kind is FaultKind.CERTIFICATE


def test_proxies_of_the_environment_are_ignored(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    site.files["/x"] = b"direct"
    assert fetch(HttpClient(True), f"{site.url}/x") == b"direct"


def test_a_name_without_address_and_a_refused_port_are_faults(site: Site) -> None:
    with pytest.raises(HttpFault):
        fetch(HttpClient(True, answers([])), "http://media.example/")
    with pytest.raises(HttpFault):
        fetch(HttpClient(True), "http://127.0.0.1:9/")


def test_the_next_address_is_tried_when_the_first_is_dead(site: Site) -> None:
    site.files["/x"] = b"second"
    port = site.url.rsplit(":", 1)[1]
    assert fetch(HttpClient(True, answers(["::1", "127.0.0.1"])), f"http://localhost:{port}/x") == b"second"


def test_stop_ends_an_answer_that_never_comes(site: Site) -> None:
    site.files["/x"] = lambda handler: site.closing.wait(60)
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    with pytest.raises(HttpFault):
        fetch(HttpClient(True), f"{site.url}/x", stop=stop.is_set)


class Silent:
    """A server that accepts a connection, sends `begin`, and then `drip` again and again, never an answer."""

    def __init__(self, begin: bytes, drip: bytes) -> None:
        self._begin, self._drip = begin, drip
        self._closing = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            raw, _ = self._socket.accept()
            with raw, contextlib.suppress(OSError):
                raw.sendall(self._begin)
                while not self._closing.wait(0.05):
                    raw.sendall(self._drip)

    def close(self) -> None:
        self._closing.set()
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()


@pytest.fixture(params=[(b"", b""), (b"\x16\x03\x03\x3f\xff\x02\x00\x3f\xfb", b"\x03")], ids=["silent", "dripping"])
def silent(request: pytest.FixtureRequest) -> Iterator[Silent]:
    """A server that never comes to an end with its side of TLS."""
    server = Silent(*request.param)
    yield server
    server.close()


def soon() -> Callable[[], bool]:
    """A stop condition that comes true in half a second."""
    ends_at = time.monotonic() + 0.5
    return lambda: time.monotonic() > ends_at


def test_stop_ends_a_tls_handshake_that_never_ends(silent: Silent) -> None:
    client = HttpClient(False, answers([PUBLIC]), Dialler(silent.port))
    with within(4), pytest.raises(HttpFault):
        fetch(client, "https://media.example/", socket_sec=20.0, stop=soon())


@pytest.mark.parametrize("stuck", ["resolver", "connection"])
def test_stop_ends_a_wait_for_the_network(stuck: str) -> None:
    release = threading.Event()

    def never(*_args: Any) -> Any:
        release.wait(60)
        raise OSError("too late")

    client = HttpClient(False, never if stuck == "resolver" else answers([PUBLIC]), never)
    try:
        with within(4), pytest.raises(HttpFault):
            fetch(client, "https://media.example/", socket_sec=20.0, stop=soon())
    finally:
        release.set()


def test_a_dead_address_beside_a_living_one_costs_no_time(site: Site) -> None:
    site.files["/x"] = b"alive"
    release = threading.Event()
    late: list[socket.socket] = []

    def dial(ip: str, port: int, timeout: float) -> socket.socket:
        if ip != "127.0.0.1":
            release.wait(60)
            late.append(socket.create_connection(("127.0.0.1", port)))
            return late[-1]
        return socket.create_connection((ip, port), timeout=timeout)

    port = site.url.rsplit(":", 1)[1]
    client = HttpClient(True, answers(["::1", "127.0.0.2", "127.0.0.3", "127.0.0.1"]), dial)
    try:
        with within(4):
            assert fetch(client, f"http://localhost:{port}/x", socket_sec=20.0) == b"alive"
    finally:
        release.set()
    eventually(
        lambda: len(late) >= 2 and all(one.fileno() == -1 for one in late), what="connections that come too late"
    )


def test_a_crowd_of_addresses_is_not_dialled_one_by_one() -> None:
    dialled: list[str] = []

    def refuse(ip: str, port: int, timeout: float) -> socket.socket:
        dialled.append(ip)
        raise ConnectionRefusedError(111, "refused")

    crowd = [f"93.184.216.{number}" for number in range(200)]
    with pytest.raises(HttpFault):
        fetch(HttpClient(False, answers([*crowd, "2606:4700::1111"]), refuse), "https://media.example/")
    assert (len(dialled), dialled[:2]) == (8, [crowd[0], "2606:4700::1111"])


@pytest.mark.parametrize(
    "error", [UnicodeError("label too long"), ValueError("x"), TimeoutError(), RuntimeError("x"), OverflowError()]
)
@pytest.mark.parametrize("where", ["resolve", "dial"])
def test_each_exception_of_the_network_is_a_fault(error: Exception, where: str) -> None:
    def fail(*_args: Any) -> Any:
        raise error

    client = HttpClient(False, fail if where == "resolve" else answers([PUBLIC]), fail)
    with pytest.raises(HttpFault):
        fetch(client, "https://media.example/")


def test_a_server_without_tls_has_its_own_kind_of_fault(site: Site) -> None:
    port = int(site.url.rsplit(":", 1)[1])
    with pytest.raises(HttpFault) as caught:
        fetch(HttpClient(False, answers([PUBLIC]), Dialler(port)), "https://media.example/")
    assert caught.value.kind is FaultKind.TLS


@pytest.mark.parametrize(
    "answer",
    [
        b"GET /x?secret HTTP/1.1\r\n\r\n",
        b"HTTP/1.1 secret\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5, secret\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nsecret\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nsecret",
    ],
)
def test_a_fault_repeats_nothing_that_a_server_wrote(site: Site, answer: bytes) -> None:
    def send(handler: Any) -> None:
        handler.wfile.write(answer)
        handler.close_connection = True

    site.files["/x"] = send
    with pytest.raises(HttpFault) as caught:
        fetch(HttpClient(True), f"{site.url}/x?secret")
    assert "secret" not in str(caught.value)


def test_a_local_file_error_is_no_fault_of_the_network(site: Site) -> None:
    site.files["/x"] = b"x"
    client = HttpClient(True)
    with (
        pytest.raises(OSError, match="disk full"),
        client.exchange("GET", judge_url(f"{site.url}/x", rehearsal=True), **NEVER),
    ):
        raise OSError("disk full")
