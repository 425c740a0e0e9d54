"""The way mails leave: an SMTP server, or a folder on this machine (the demo's)."""

from __future__ import annotations

import smtplib
import ssl
from email.message import EmailMessage
from email.utils import formatdate
from pathlib import Path
from urllib.parse import unquote, urlsplit

from portal.errors import PortalError
from portal.settings import BadSetting

PATIENCE = 20  #: seconds


class MailNotSent(PortalError):
    """The mail server did not take it; the mail waits."""

    def __init__(self) -> None:
        super().__init__("The mail server cannot be reached at the moment.", permanent=False)


class Mailer:
    """`smtp://user:password@host:port` (STARTTLS), `smtps://…`, or `file:///folder`."""

    def __init__(self, url: str, *, sender: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"smtp", "smtps", "file"}:
            raise BadSetting("MAIL_URL must begin with smtp://, smtps:// or file:///.")
        self._parts, self._sender = parts, sender

    @property
    def folder(self) -> Path | None:
        """Where mails lie when they do not leave this machine."""
        return Path(unquote(self._parts.path)) if self._parts.scheme == "file" else None

    def send(self, *, mail_id: str, to: str, subject: str, text: str) -> None:
        """Hand one mail over. Sending the same id again gives the same Message-ID. Errors: MailNotSent."""
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = self._sender, to, subject
        message["Date"], message["Message-ID"] = formatdate(), f"<{mail_id}@{self._sender.rpartition('@')[2]}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(text)
        if self.folder is not None:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            (self.folder / f"{mail_id}.eml").write_bytes(message.as_bytes())
            return
        try:
            self._by_smtp(message)
        except (OSError, smtplib.SMTPException) as error:
            raise MailNotSent from error

    def _by_smtp(self, message: EmailMessage) -> None:
        host, context = self._parts.hostname or "localhost", ssl.create_default_context()
        if self._parts.scheme == "smtps":
            server: smtplib.SMTP = smtplib.SMTP_SSL(host, self._parts.port or 465, timeout=PATIENCE, context=context)
        else:
            server = smtplib.SMTP(host, self._parts.port or 587, timeout=PATIENCE)
        with server:
            if self._parts.username:
                if self._parts.scheme == "smtp":
                    server.starttls(context=context)
                server.login(unquote(self._parts.username), unquote(self._parts.password or ""))
            server.send_message(message)
