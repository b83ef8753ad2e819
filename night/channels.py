"""How a message leaves the house: a file, an e-mail, a POST. Each gives up in time.

Of a failure only its kind is told, in the ledger and in logs: never what a server answered, an address or a password.
"""

from __future__ import annotations

import base64
import contextlib
import csv
import datetime as dt
import email.message
import email.utils
import http.client
import ipaddress
import json
import os
import re
import smtplib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from ingestion.deadlines import LOCAL
from warehouse.settings import Settings, is_address

OPERATIONS = "operations"
_ANSWER_LIMIT = 64 * 1024


@dataclass(frozen=True)
class Letter:
    """One message to one recipient, in both languages; `part` counts the messages of the same run to them, from 1."""

    letter_id: str
    recipient: str
    run_id: str
    made_at: dt.datetime
    part: int
    subject: str
    text: str
    alerts: tuple[Mapping[str, str], ...]
    is_in_ledger: bool = True

    def as_json(self) -> dict[str, object]:
        return {
            "id": self.letter_id,
            "recipient": self.recipient,
            "run_id": self.run_id,
            "made_at": self.made_at.astimezone(LOCAL).isoformat(timespec="seconds"),
            "subject": self.subject,
            "text": self.text,
            "alerts": [dict(alert) for alert in self.alerts],
            "is_in_ledger": self.is_in_ledger,
        }


class DeliveryError(Exception):
    """A message did not go out: the kind of what failed. `ends`: the channel itself is dead, no other would go out."""

    def __init__(self, problem: str, *, ends: bool) -> None:
        super().__init__(problem)
        self.problem, self.ends = problem, ends


class NoAddressError(Exception):
    """The recipient has no address in this channel."""


class Patience:
    """Seconds that all channels have together; at their end every open connection is shut."""

    def __init__(self, seconds: float) -> None:
        self._until = time.monotonic() + seconds
        self._shutters: list[Callable[[], object]] = []
        self._lock = threading.Lock()
        self._is_ended = False

    @property
    def is_over(self) -> bool:
        return self._is_ended or time.monotonic() >= self._until

    def left(self) -> float:
        """Seconds left. Raises DeliveryError when there are none."""
        if self.is_over:
            raise DeliveryError("time-out", ends=True)
        return max(self._until - time.monotonic(), 0.01)

    def shut_with(self, shutter: Callable[[], object]) -> None:
        """Call this at the end: it shuts a connection that another thread may be waiting on."""
        with self._lock:
            self._shutters.append(shutter)

    def wait(self, thread: threading.Thread) -> None:
        """Wait for a thread, no longer than what is left."""
        thread.join(max(0.0, self._until - time.monotonic()))

    def end(self) -> None:
        """Time is up: whatever still waits for a server fails now, and nothing new is begun."""
        with self._lock:
            self._is_ended = True
            shutters = list(self._shutters)
        for shutter in shutters:
            with contextlib.suppress(Exception):
                shutter()


class Channel(Protocol):
    """A way out. `send` returns a remark worth keeping, or None; raises DeliveryError or NoAddressError."""

    @property
    def name(self) -> str: ...

    def send(self, letter: Letter) -> str | None: ...

    def close(self) -> None: ...


def remote_names(settings: Settings) -> list[str]:
    """The channels beside the file that the settings ask for."""
    configured = {"mail": settings.alert_smtp_url, "webhook": settings.alert_webhook}
    return [name for name, place in configured.items() if place is not None]


def opened(settings: Settings, name: str, patience: Patience) -> Channel:
    """A channel by its name; nothing is connected before the first message."""
    if name == "mail":
        return Mail(settings, patience)
    return Webhook(settings, patience) if name == "webhook" else Files(settings)


def contacts(settings: Settings) -> dict[str, str]:
    """Addresses by sender, from the CSV that VSS_ALERT_CONTACTS names; what is no address is left out.

    Raises DeliveryError when it cannot be read.
    """
    if settings.alert_contacts is None:
        return {}
    try:
        with settings.alert_contacts.open(encoding="utf-8-sig", newline="") as stream:
            rows = [(row.get("sender") or "", row.get("email") or "") for row in csv.DictReader(stream)]
    except (OSError, UnicodeError, csv.Error):
        raise DeliveryError("the file of VSS_ALERT_CONTACTS cannot be read", ends=False) from None
    return {sender.strip(): address.strip() for sender, address in rows if is_address(address.strip())}


def folder_of(settings: Settings, day: dt.date) -> Path:
    """Where the messages of a local date lie."""
    return settings.home / "alerts" / day.isoformat()


class Files:
    """VSS_HOME/alerts/<local date>/<recipient>-<run>.txt and .json, each whole or absent."""

    name = "file"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def send(self, letter: Letter) -> str | None:
        folder = folder_of(self._settings, letter.made_at.astimezone(LOCAL).date())
        run = re.sub(r"[^A-Za-z0-9._-]", "_", letter.run_id)[:100]
        name = f"{letter.recipient}-{run}" + (f"-{letter.part}" if letter.part > 1 else "")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o750)
            _put(folder / f"{name}.txt", f"{letter.subject}\n\n{letter.text}")
            _put(folder / f"{name}.json", json.dumps(letter.as_json(), ensure_ascii=False, indent=1) + "\n")
        except OSError as error:
            raise DeliveryError(f"not written ({os.strerror(error.errno or 0)})", ends=True) from None
        return None

    def close(self) -> None:
        """Nothing is open."""


class Mail:
    """SMTP, one session for all messages of a call.

    `smtps` is encrypted from the first byte; `smtp` as soon as the server offers it, certificates verified. A password
    is never sent in the clear, except to this machine.
    """

    name = "mail"

    def __init__(self, settings: Settings, patience: Patience) -> None:
        assert settings.alert_smtp_url is not None and settings.alert_from is not None
        self._settings = settings
        self._place = urlsplit(settings.alert_smtp_url.get_secret_value())
        self._patience = patience
        self._contacts: dict[str, str] | None = None
        self._session: smtplib.SMTP | None = None

    def send(self, letter: Letter) -> str | None:
        addresses = self._addresses(letter.recipient)
        if not addresses:
            raise NoAddressError
        mail = self._mail(letter, addresses)
        try:
            session = self._session or self._connected()
            if session.sock is not None:
                session.sock.settimeout(self._patience.left())
            refused = session.send_message(mail, self._settings.alert_from, addresses)
        except smtplib.SMTPRecipientsRefused as error:
            codes = sorted({answer[0] for answer in error.recipients.values()})
            raise DeliveryError(f"address refused ({codes[0]})", ends=codes[0] == 421) from None
        except smtplib.SMTPAuthenticationError as error:
            raise DeliveryError(f"login refused ({error.smtp_code})", ends=True) from None
        except smtplib.SMTPDataError as error:
            raise DeliveryError(f"message refused ({error.smtp_code})", ends=error.smtp_code == 421) from None
        except smtplib.SMTPResponseException as error:
            raise DeliveryError(f"server refused ({error.smtp_code})", ends=True) from None
        except (OSError, smtplib.SMTPException) as error:
            self.close()
            self._session = None
            raise DeliveryError(_kind(error, self._patience), ends=True) from None
        return f"{len(refused)} of {len(addresses)} addresses refused" if refused else None

    def close(self) -> None:
        """End the session, if there is one, without waiting for an answer that does not come."""
        with contextlib.suppress(Exception):
            if self._session is not None:
                self._session.close()

    def _addresses(self, recipient: str) -> list[str]:
        if recipient == OPERATIONS:
            return [each.strip() for each in (self._settings.alert_to or "").split(",")]
        if self._contacts is None:
            self._contacts = contacts(self._settings)
        return [self._contacts[recipient]] if recipient in self._contacts else []

    def _connected(self) -> smtplib.SMTP:
        host, port = self._place.hostname or "", self._place.port
        is_inside = _is_this_machine(host)
        context = ssl.create_default_context()
        # of the sender's domain: to ask for this machine's own name may take as long as its resolver likes
        name = (self._settings.alert_from or "").rpartition("@")[2]
        seconds = self._patience.left()
        session: smtplib.SMTP
        if self._place.scheme == "smtps":
            session = smtplib.SMTP_SSL(host, port or 465, local_hostname=name, timeout=seconds, context=context)
        else:
            session = smtplib.SMTP(host, port or 25, local_hostname=name, timeout=seconds)
        self._patience.shut_with(lambda: _shut(session.sock))
        session.ehlo_or_helo_if_needed()
        is_encrypted = self._place.scheme == "smtps"
        if not is_encrypted and not is_inside and session.has_extn("starttls"):
            session.starttls(context=context)
            session.ehlo()
            is_encrypted = True
        if self._place.username:
            if not is_encrypted and not is_inside:
                session.close()
                raise DeliveryError("the server offers no encryption, so no password is sent", ends=True)
            session.login(unquote(self._place.username), unquote(self._place.password or ""))
        self._session = session
        return session

    def _mail(self, letter: Letter, addresses: list[str]) -> email.message.EmailMessage:
        mail = email.message.EmailMessage()
        mail["From"] = self._settings.alert_from
        mail["To"] = ", ".join(addresses)
        mail["Subject"] = letter.subject
        mail["Date"] = email.utils.format_datetime(letter.made_at)
        # the same on a second attempt, so that a mail that came through twice is recognised
        mail["Message-ID"] = f"<{letter.letter_id}@vss-warehouse>"
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(letter.text)
        return mail


class Webhook:
    """One POST of JSON a message; any answer but 2xx is a failure, and no redirection is followed."""

    name = "webhook"

    def __init__(self, settings: Settings, patience: Patience) -> None:
        assert settings.alert_webhook is not None
        self._place = urlsplit(settings.alert_webhook.get_secret_value())
        self._patience = patience

    def send(self, letter: Letter) -> str | None:
        place = self._place
        kind = http.client.HTTPSConnection if place.scheme == "https" else http.client.HTTPConnection
        body = json.dumps(letter.as_json(), ensure_ascii=False).encode("utf-8")
        path = (place.path or "/") + (f"?{place.query}" if place.query else "")
        headers = {"Content-Type": "application/json; charset=utf-8", "Idempotency-Key": letter.letter_id}
        if place.username:
            word = f"{unquote(place.username)}:{unquote(place.password or '')}"
            headers["Authorization"] = "Basic " + base64.b64encode(word.encode()).decode("ascii")
        try:
            connection = kind(place.hostname or "", place.port, timeout=self._patience.left())
            self._patience.shut_with(lambda: _shut(connection.sock))
            with contextlib.closing(connection):
                connection.request("POST", path, body, headers)
                answer = connection.getresponse()
                answer.read(_ANSWER_LIMIT)
        except (OSError, http.client.HTTPException) as error:
            raise DeliveryError(_kind(error, self._patience), ends=True) from None
        if not 200 <= answer.status < 300:
            raise DeliveryError(f"answered {answer.status}", ends=answer.status >= 500)
        return None

    def close(self) -> None:
        """Nothing stays open."""


def _kind(error: Exception, patience: Patience) -> str:
    # smtplib says of every socket that failed that it was disconnected
    cause = error.__context__ if isinstance(error.__context__, OSError) else error
    if isinstance(cause, TimeoutError) or patience.is_over:
        return "time-out"
    if isinstance(cause, ssl.SSLError):
        return "certificate or encryption refused"
    if isinstance(cause, ConnectionRefusedError):
        return "connection refused"
    if isinstance(cause, socket.gaierror):
        return "unknown host"
    return f"connection lost ({type(cause).__name__})"


def _shut(connected: socket.socket | None) -> None:
    if connected is not None:
        connected.shutdown(socket.SHUT_RDWR)


def _is_this_machine(host: str) -> bool:
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def _put(path: Path, text: str) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        part.write_text(text, encoding="utf-8")
        part.chmod(0o640)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
