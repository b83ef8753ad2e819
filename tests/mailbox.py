"""Servers on 127.0.0.1 that alerts are sent to: one that takes mail, one that takes JSON, one that never answers."""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import email
import email.message
import email.policy
import http.server
import ipaddress
import json
import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class MailServer:
    """What came in, and what it is to refuse."""

    def __init__(self) -> None:
        self.mails: list[tuple[list[str], email.message.EmailMessage]] = []
        self.logins: list[str] = []
        self.refused: set[str] = set()
        self.port = 0
        self.tls: ssl.SSLContext | None = None

    def to(self, address: str) -> list[email.message.EmailMessage]:
        return [mail for addresses, mail in self.mails if address in addresses]


class _Session(socketserver.StreamRequestHandler):
    """As much of RFC 5321 as a client needs."""

    server: _MailListener

    def handle(self) -> None:
        box = self.server.box
        addresses: list[str] = []
        self._say("220 here")
        while line := self.rfile.readline().decode().strip():
            verb = line.upper().partition(" ")[0]
            if verb == "EHLO":
                self._say("250-here", "250 AUTH PLAIN")
            elif verb == "AUTH":
                box.logins.append(base64.b64decode(line.split()[2]).decode().replace("\0", " ").strip())
                self._say("235 welcome")
            elif verb == "RCPT":
                address = line.partition("<")[2].partition(">")[0]
                if address in box.refused:
                    self._say("550 nobody of this name")
                else:
                    addresses.append(address)
                    self._say("250 ok")
            elif verb == "DATA":
                self._say("354 go on")
                content = b"".join(iter(self.rfile.readline, b".\r\n"))
                parsed = email.message_from_bytes(content, policy=email.policy.default)
                box.mails.append((addresses, parsed))
                addresses = []
                self._say("250 taken")
            elif verb == "QUIT":
                self._say("221 bye")
                return
            else:
                self._say("250 ok")

    def _say(self, *lines: str) -> None:
        self.wfile.write("".join(f"{line}\r\n" for line in lines).encode())


class _MailListener(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, box: MailServer, port: int) -> None:
        self.box = box
        super().__init__(("127.0.0.1", port), _Session)

    def get_request(self) -> tuple[Any, Any]:
        connected, address = super().get_request()
        if self.box.tls is None:
            return connected, address
        try:
            return self.box.tls.wrap_socket(connected, server_side=True), address
        except OSError:
            connected.close()
            raise

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is no news."""


@contextlib.contextmanager
def mail_server(
    *, port: int = 0, tls: ssl.SSLContext | None = None, box: MailServer | None = None
) -> Iterator[MailServer]:
    """A server that takes mail; `port` may be one that was closed before, `box` what an earlier one took."""
    taken = box or MailServer()
    taken.tls = tls
    with _MailListener(taken, port) as listener:
        taken.port = listener.server_address[1]
        with _served(listener):
            yield taken


class WebServer:
    """What was posted, and the answers it gives: the first ones, then 200."""

    def __init__(self) -> None:
        self.posts: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        self.answers: list[int] = []
        self.port = 0


@contextlib.contextmanager
def web_server() -> Iterator[WebServer]:
    """A server that takes JSON by POST."""
    box = WebServer()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            status = box.answers.pop(0) if box.answers else 200
            if status < 300:
                box.posts.append((self.path, dict(self.headers), json.loads(content)))
            self.send_response(status)
            if status in (301, 302):
                self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            """Nothing on the terminal."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listener:
        box.port = listener.server_address[1]
        with _served(listener):
            yield box


@contextlib.contextmanager
def silent_server() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield int(listener.getsockname()[1])


def closed_port() -> int:
    """A port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def own_certificate(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """A certificate for 127.0.0.1 that nobody but its own file vouches for: the file, and a server's context."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(tz=dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    public, private = folder / "certificate.pem", folder / "key.pem"
    public.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    return public, context


@contextlib.contextmanager
def _served(listener: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        listener.shutdown()
        thread.join()
