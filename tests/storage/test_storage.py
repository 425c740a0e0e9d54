"""Documents are kept under the hash of their bytes: once, for good, per client."""

from __future__ import annotations

import hashlib
import io
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import obstore
import pytest
from obstore.store import MemoryStore

from portal.db import new_id
from portal.errors import DocumentCorrupt, DocumentMissing, StorageError
from portal.storage import PIECE, Storage

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage(f"file://{tmp_path}/documents")


def _files(folder: Path) -> list[Path]:
    return [path for path in (folder / "documents").rglob("*") if path.is_file()]


def test_bytes_come_back_as_they_went_in(storage: Storage) -> None:
    client = new_id()
    for content in (b"", b"x", os.urandom(100_000)):
        key = storage.put(client, content)
        assert key == hashlib.sha256(content).hexdigest()
        assert storage.get(client, key) == content


def test_nobody_may_write_to_what_is_stored(storage: Storage, tmp_path: Path) -> None:
    storage.put(new_id(), b"original")
    [path] = _files(tmp_path)
    assert path.stat().st_mode & 0o777 == 0o440
    assert path.stat().st_nlink == 1  # the name it was started under is gone
    assert not [name for name in dir(storage) if any(word in name for word in ("delete", "remove", "update", "overwrite"))]


def test_the_same_again_changes_nothing(storage: Storage, tmp_path: Path) -> None:
    client = new_id()
    storage.put(client, b"once")
    [path] = _files(tmp_path)
    before = path.stat().st_ino
    storage.put(client, b"once")
    assert _files(tmp_path) == [path]
    assert path.stat().st_ino == before


def test_clients_share_nothing(storage: Storage, tmp_path: Path) -> None:
    one, other = new_id(), new_id()
    key = storage.put(one, b"the same invoice")
    with pytest.raises(DocumentMissing):
        storage.get(other, key)
    storage.put(other, b"the same invoice")
    assert len({path.stat().st_ino for path in _files(tmp_path)}) == 2


def test_damaged_bytes_are_never_handed_out(storage: Storage, tmp_path: Path) -> None:
    client = new_id()
    key = storage.put(client, b"whole")
    [path] = _files(tmp_path)
    path.chmod(0o600)
    path.write_bytes(b"who1e")
    with pytest.raises(DocumentCorrupt) as told:
        storage.get(client, key)
    assert told.value.expected_sha256 == key


def test_the_true_bytes_heal_a_damaged_file(storage: Storage, tmp_path: Path) -> None:
    client = new_id()
    key = storage.put(client, b"whole")
    [path] = _files(tmp_path)
    path.chmod(0o600)
    path.write_bytes(b"")  # as a power cut leaves it on a file system that lies
    assert storage.put(client, b"whole") == key
    assert storage.get(client, key) == b"whole"


def test_missing_is_said(storage: Storage) -> None:
    with pytest.raises(DocumentMissing):
        storage.get(new_id(), "0" * 64)


@pytest.mark.parametrize(
    ("client", "key"),
    [
        ("..", "0" * 64),
        ("a/b", "0" * 64),
        ("", "0" * 64),
        ("0190f3a1-1234-7abc-8def-0123456789ab", "../../secret_key"),
        ("0190f3a1-1234-7abc-8def-0123456789ab", "0" * 63),
        ("0190f3a1-1234-7abc-8def-0123456789ab", "A" * 64),
    ],
)
def test_only_ids_and_hashes_become_paths(storage: Storage, client: str, key: str) -> None:
    with pytest.raises(ValueError, match="not a key"):
        storage.get(client, key)


def test_a_store_that_is_away_is_an_error_of_ours(tmp_path: Path) -> None:
    (tmp_path / "documents").write_text("a file where the folder should be")
    storage = Storage(f"file://{tmp_path}/documents")
    with pytest.raises(StorageError):
        storage.put(new_id(), b"x")
    assert not storage.is_writable()


def test_readiness_leaves_nothing(storage: Storage, tmp_path: Path) -> None:
    assert storage.is_writable()
    assert _files(tmp_path) == []


def test_what_a_dead_process_began_is_swept_after_a_day(tmp_path: Path) -> None:
    incoming = tmp_path / "documents" / ".incoming"
    incoming.mkdir(parents=True)
    for name, age in (("old", 25), ("young", 1)):
        (incoming / name).write_bytes(b"half")
        os.utime(incoming / name, times=(0, time.time() - age * 3600))
    Storage(f"file://{tmp_path}/documents").put(new_id(), b"x")
    assert [path.name for path in incoming.iterdir()] == ["young"]


def test_a_large_file_comes_back_as_it_went_in(storage: Storage, tmp_path: Path) -> None:
    client, content = new_id(), os.urandom(PIECE * 2 + 1)
    file = io.BytesIO(content)
    file.seek(5)  # wherever its reader left it
    key = storage.put_file(client, file)
    assert key == hashlib.sha256(content).hexdigest() == storage.put(client, content)
    [path] = _files(tmp_path)
    assert (path.stat().st_mode & 0o777, path.stat().st_nlink) == (0o440, 1)
    with storage.open(client, key) as opened:
        assert opened.read() == content
    path.chmod(0o600)
    path.write_bytes(content[:-1])
    with pytest.raises(DocumentCorrupt), storage.open(client, key):
        pytest.fail("damaged bytes were handed out")
    storage.put_file(client, file)  # the true bytes heal it
    with storage.open(client, key) as opened:
        assert opened.read() == content


def test_a_large_file_that_is_missing_or_away_is_said(storage: Storage, tmp_path: Path) -> None:
    with pytest.raises(DocumentMissing), storage.open(new_id(), "0" * 64):
        pytest.fail("there is none")
    (tmp_path / "documents").write_text("a file where the folder should be")
    with pytest.raises(StorageError):
        storage.put_file(new_id(), io.BytesIO(b"x"))


def test_an_error_of_the_reader_is_not_the_storages(storage: Storage) -> None:
    client = new_id()
    key = storage.put_file(client, io.BytesIO(b"x"))
    with pytest.raises(OSError, match="mine"), storage.open(client, key):
        raise OSError("mine")


def test_a_bucket_takes_and_gives_large_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Over obstore's own store in memory: that parts and names fit; a real bucket is no part of the tests."""
    storage = Storage("s3://belegfluss-test/documents")
    monkeypatch.setattr(storage._shelf, "_store", MemoryStore())
    client, content = new_id(), os.urandom(6 * PIECE)
    for _ in range(2):
        with tempfile.SpooledTemporaryFile(max_size=PIECE) as file:  # as the web hands them in
            file.write(content)
            key = storage.put_file(client, file)
    assert storage.get(client, key) == content
    with storage.open(client, key) as opened:
        assert opened.read() == content
    with pytest.raises(DocumentMissing), storage.open(client, "0" * 64):
        pytest.fail("there is none")
    obstore.put(storage._shelf._store, f"{client}/{key}", b"damaged")
    with pytest.raises(DocumentCorrupt), storage.open(client, key):
        pytest.fail("damaged bytes were handed out")


def _put_many(url: str, client: str, count: int) -> None:
    storage = Storage(url)
    for number in range(count):
        storage.put(client, f"document {number}".encode() * 1000)


def test_many_processes_at_once(tmp_path: Path) -> None:
    url, client = f"file://{tmp_path}/documents", new_id()
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_put_many, args=(url, client, 25)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0] * 4
    files = _files(tmp_path)
    assert len(files) == 25
    assert all(hashlib.sha256(path.read_bytes()).hexdigest() == path.name for path in files)


WRITER = """
import sys
from portal.storage import PIECE, Storage
storage = Storage(sys.argv[1])
for number in range(100_000):
    storage.put(sys.argv[2], f"document {number} {sys.argv[3]}".encode() * 4000)
    print(number, flush=True)
"""


@pytest.mark.chaos
def test_a_kill_leaves_whole_documents_only(tmp_path: Path) -> None:
    """C22: what was reported stored is there; what has a name is whole."""
    client = new_id()
    for point in range(12):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, f"file://{tmp_path}/documents", client, str(point)],
            stdout=subprocess.PIPE, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        assert writer.stdout
        writer.stdout.readline()
        time.sleep(0.0037 * point)
        writer.send_signal(signal.SIGKILL)
        reported = 1 + len(writer.stdout.read().splitlines())
        writer.wait()
        writer.stdout.close()
        storage = Storage(f"file://{tmp_path}/documents")
        for number in range(reported - 1):
            content = f"document {number} {point}".encode() * 4000
            assert storage.get(client, hashlib.sha256(content).hexdigest()) == content
    named = [path for path in _files(tmp_path) if path.parent.name != ".incoming"]
    assert all(hashlib.sha256(path.read_bytes()).hexdigest() == path.name for path in named)
