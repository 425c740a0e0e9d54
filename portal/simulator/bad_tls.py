"""The same service behind a certificate that nobody signed, for as long as the fault is armed."""

from __future__ import annotations

import ssl
import threading
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from tempfile import TemporaryDirectory

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from portal.simulator.server import Server, Wsgi, listen


class BadTls:
    """At most one such service a simulator."""

    def __init__(self) -> None:
        self._server: Server | None = None

    def open(self, app: Wsgi) -> str:
        """Start it, unless it runs; its address."""
        if self._server is None:
            self._server = listen(app, 0)
            self._server.socket = _context().wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
            threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return f"https://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        """End it."""
        if self._server is not None:
            server, self._server = self._server, None
            server.shutdown()
            server.server_close()


def _context() -> ssl.SSLContext:
    """A server's context with a key and a certificate made a moment ago."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with TemporaryDirectory() as folder:  # the only way in is by files
        path = Path(folder, "both.pem")
        path.write_bytes(
            key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        context.load_cert_chain(path)
    return context
