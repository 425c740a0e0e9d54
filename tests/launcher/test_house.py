"""Programs are kept running, and nobody is left behind: real processes, really killed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from portal import keeper, launcher
from portal.launcher import CannotStart, House, free_port, is_free, only_one

ROOT = Path(__file__).resolve().parent.parent.parent

#: a part as nasty as ours: a child in a process group of its own (like a work horse) and one that ignores SIGTERM
NASTY = """
import os, signal, subprocess, sys, time
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"], process_group=0)
subprocess.Popen([sys.executable, "-c", "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(300)"])
print("up", flush=True)
time.sleep(300)
"""
DRIVER = """
import sys, time
from pathlib import Path
from portal.launcher import House
house = House(Path(sys.argv[1]), {"PATH": "/usr/bin:/bin"}, print)
house.open()
for name in ("one", "two"):
    house.start(name, [sys.executable, "-c", sys.argv[2]])
while any("up" not in part.log.read_text() for part in house.parts):
    time.sleep(0.02)
print(*sorted(house.sessions), flush=True)
time.sleep(300)
"""


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path, dict(os.environ), lambda _line: None)
    made.open()
    yield made
    made.close()


def _until(is_so: Callable[[], bool], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def _sleeper(house: House, name: str = "part", program: str = "import time; time.sleep(300)") -> launcher.Part:
    return house.start(name, [sys.executable, "-c", program])


def test_a_part_that_died_is_started_again(house: House) -> None:
    part = _sleeper(house)
    assert part.process
    first = part.process.pid
    os.kill(first, signal.SIGKILL)
    _until(lambda: house.tend() or (part.process is not None and part.process.pid != first and part.process.poll() is None))
    assert first not in house.sessions


def test_an_errand_is_run_until_it_is_done(house: House, tmp_path: Path) -> None:
    done = tmp_path / "tried"
    program = f"import pathlib, sys; one = pathlib.Path({str(done)!r}); sys.exit(0 if one.exists() else one.touch() or 1)"
    part = house.start("errand", [sys.executable, "-c", program], is_errand=True)
    _until(lambda: house.tend() or part not in house.parts)
    assert part.deaths == 1
    assert house.sessions == set()


def test_what_a_dead_part_left_is_ended_before_it_starts_again(house: House) -> None:
    part = _sleeper(house, program=NASTY)
    assert part.process
    first = part.process.pid
    _until(lambda: len(keeper.members({first})) == 3)
    os.kill(first, signal.SIGKILL)
    _until(lambda: house.tend() or first not in house.sessions)
    assert keeper.members({first}) == []


def test_a_part_that_keeps_dying_is_given_time_and_told_of(tmp_path: Path) -> None:
    told: list[str] = []
    house = House(tmp_path, dict(os.environ), told.append)
    house.open()
    try:
        part = _sleeper(house, program="raise SystemExit(7)")
        _until(lambda: house.tend() or part.deaths >= 3)
        assert len(told) == 1  # not once a death
        assert "exit 7" in told[0]
        with pytest.raises(CannotStart, match="does not start"):
            house.check_alive(part)
    finally:
        house.close()


def test_stopping_asks_first_and_leaves_nobody(house: House, tmp_path: Path) -> None:
    polite = "import signal, sys, time, pathlib\nsignal.signal(15, lambda *_: (pathlib.Path(sys.argv[1]).write_text('asked'), sys.exit(0)))\nprint('up', flush=True)\ntime.sleep(300)"
    part = house.start("polite", [sys.executable, "-c", polite, str(tmp_path / "asked")])
    nasty = _sleeper(house, "nasty", NASTY)
    _until(lambda: all("up" in started.log.read_text() for started in (part, nasty)))
    sessions = set(house.sessions)
    assert house.close() == []
    assert (tmp_path / "asked").read_text() == "asked"
    assert keeper.members(sessions) == []


def test_who_does_not_listen_is_killed_in_time(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launcher, "GRACE", 0.5)
    part = _sleeper(
        house, program="import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(300)"
    )
    _until(lambda: "up" in part.log.read_text())
    assert house.close() == []


@pytest.mark.chaos
def test_after_a_kill_of_the_launcher_nobody_survives(tmp_path: Path) -> None:
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(tmp_path), NASTY], stdout=subprocess.PIPE, text=True, cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert driver.stdout
    sessions = {int(number) for number in driver.stdout.readline().split()}
    assert len(keeper.members(sessions)) == 6
    driver.kill()
    driver.wait()
    driver.stdout.close()
    _until(lambda: keeper.members(sessions) == [], 5)


@pytest.mark.chaos
def test_nobody_survives_a_kill_in_the_middle_of_starting(tmp_path: Path) -> None:
    mark = f"HOUSE_TEST={tmp_path}"
    for point in range(12):
        driver = subprocess.Popen(
            [sys.executable, "-c", DRIVER.replace('{"PATH": "/usr/bin:/bin"}', f'{{"HOUSE_TEST": "{tmp_path}"}}'), str(tmp_path), NASTY],
            stdout=subprocess.DEVNULL, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        time.sleep(0.15 + 0.02 * point)
        driver.kill()
        driver.wait()
        _until(lambda: keeper.marked(mark.encode()) == [], 5)


def test_a_failing_step_is_shown_with_its_last_words(house: House) -> None:
    with pytest.raises(CannotStart, match=r"(?s)schema failed \(exit 3\).*no such table"):
        house.run("schema", [sys.executable, "-c", "import sys; print('no such table', file=sys.stderr); sys.exit(3)"])
    assert house.run("fine", [sys.executable, "-c", "print('seeded')"]) == "seeded\n"


def test_only_one_launcher_in_a_folder(tmp_path: Path) -> None:
    with only_one(tmp_path), pytest.raises(CannotStart, match=f"process {os.getpid()}"), only_one(tmp_path):
        pass
    with only_one(tmp_path):
        pass


def test_what_a_killed_launcher_and_keeper_left_is_ended(tmp_path: Path) -> None:
    left = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"], env={"BELEGFLUSS_HOUSE": str(tmp_path)})
    _until(lambda: keeper.marked(f"BELEGFLUSS_HOUSE={tmp_path}".encode()) == [left.pid])
    with only_one(tmp_path):
        assert left.wait(5) == -signal.SIGKILL


def test_a_taken_port_is_seen() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert not is_free(server.getsockname()[1])
    assert is_free(free_port())


def test_redis_is_private(house: House) -> None:
    """A password nobody sees in the process list, nothing evicted, everything written down."""
    house.environment.pop("REDIS_URL", None)
    launcher.start_redis(house)
    from redis import Redis
    from redis.exceptions import AuthenticationError

    url = house.environment["REDIS_URL"]
    with Redis.from_url(url) as redis:
        assert redis.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert redis.config_get("appendonly") == {"appendonly": "yes"}
        assert redis.config_get("bind") == {"bind": "127.0.0.1"}
    port = int(url.rpartition(":")[2].partition("/")[0])
    with Redis(port=port) as stranger, pytest.raises(AuthenticationError):
        stranger.ping()
    password = url.split(":")[2].partition("@")[0]
    [part] = house.parts
    assert part.process
    assert password not in Path(f"/proc/{part.process.pid}/cmdline").read_text()
    assert (house.data_dir / "run" / "redis.conf").stat().st_mode & 0o777 == 0o600


def test_unreadable_files_of_redis_are_set_aside(house: House) -> None:
    store = house.data_dir / "redis" / "appendonlydir"
    store.mkdir(parents=True)
    (store / "appendonly.aof.manifest").write_text("file of another world\n")
    house.environment.pop("REDIS_URL", None)
    launcher.start_redis(house)
    assert list(house.data_dir.glob("redis.unreadable-*"))
    assert len(house.parts) == 1


def test_a_check_does_not_touch_ones_own_servers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "DATABASE_URL",
        "REDIS_URL",
        "DOCUMENTS_URL",
        "MAIL_URL",
        "SECRET_KEY",
        "TOKEN_KEYS_FILE",
        "TIMING_SCALE",
        "CLOCK_OFFSET_FILE",
    ):
        monkeypatch.setenv(name, "mine")
    told = launcher.environment_for(tmp_path, 1, 2, is_alone=True)
    assert "mine" not in told.values()
    assert launcher.environment_for(tmp_path, 1, 2, is_alone=False)["DATABASE_URL"] == "mine"


def test_fresh_forgets_only_what_is_ours(tmp_path: Path) -> None:
    (tmp_path / "belegfluss.db").touch()
    (tmp_path / "documents").mkdir()
    (tmp_path / "letters.txt").touch()
    launcher._forget(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["letters.txt"]
