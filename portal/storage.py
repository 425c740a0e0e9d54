"""Documents' bytes, kept under the hash of their content: written once, never changed, never shared between clients.

A `file://` address is a folder on this machine, an `s3://` address a bucket (credentials come from the environment, as AWS's
own tools read them). There is no method that changes or removes what is stored.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Protocol
from urllib.parse import unquote, urlsplit

import obstore
import structlog
from obstore.exceptions import AlreadyExistsError, BaseError, NotFoundError
from obstore.store import S3Store

from portal.errors import DocumentCorrupt, DocumentMissing, StorageError
from portal.settings import BadSetting

log = structlog.get_logger()

READ_ONLY = 0o440
PIECE = 1024 * 1024  #: bytes of a large file that are in memory at once
FORGOTTEN_AFTER = 24 * 3600.0  #: seconds; a started file this old belongs to a process that died

_CLIENT_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Storage:
    """Where documents live. Safe for any number of threads and processes at once."""

    def __init__(self, documents_url: str) -> None:
        parts = urlsplit(documents_url)
        self._shelf: _Shelf
        if parts.scheme == "file" and not parts.netloc:
            self._shelf = _Folder(Path(unquote(parts.path)))
        elif parts.scheme == "s3":
            self._shelf = _Bucket(documents_url)
        else:
            raise BadSetting("DOCUMENTS_URL must begin with file:/// or s3://.")

    def put(self, client_id: str, content: bytes) -> str:
        """Store and return the SHA-256. When it returns, the bytes survive a power cut. Storing the same again is free."""
        sha256 = hashlib.sha256(content).hexdigest()
        with _translated():
            self._shelf.put(_checked(client_id, _CLIENT_ID), sha256, content)
        return sha256

    def get(self, client_id: str, sha256: str) -> bytes:
        """The bytes, compared with their hash. `DocumentMissing`, `DocumentCorrupt`; `StorageError` when the store is away."""
        with _translated():
            content = self._shelf.get(_checked(client_id, _CLIENT_ID), _checked(sha256, _SHA256))
        if hashlib.sha256(content).hexdigest() != sha256:
            log.error("document_corrupt", client=client_id, sha256=sha256)
            raise DocumentCorrupt(sha256)
        return content

    def put_file(self, client_id: str, file: BinaryIO) -> str:
        """`put` for what may be large: the file is read from its beginning, a piece at a time. Its place is undefined after."""
        with _translated():
            file.seek(0)
            return self._shelf.put_file(_checked(client_id, _CLIENT_ID), file)

    @contextmanager
    def open(self, client_id: str, sha256: str) -> Iterator[BinaryIO]:
        """`get` for what may be large: a file that stands at its beginning and was compared with its hash as a whole before.

        Errors: as `get`. An error of the caller's own passes as it is.
        """
        with ExitStack() as stack:
            with _translated():
                file = stack.enter_context(self._shelf.open(_checked(client_id, _CLIENT_ID), _checked(sha256, _SHA256)))
                found = _hash_of(file)
            if found != sha256:
                log.error("document_corrupt", client=client_id, sha256=sha256)
                raise DocumentCorrupt(sha256)
            yield file

    def is_writable(self) -> bool:
        """Whether a document could be stored now; for readiness checks. Leaves nothing behind."""
        try:
            with _translated():
                self._shelf.probe()
        except StorageError:
            return False
        return True


class _Shelf(Protocol):
    def put(self, client_id: str, sha256: str, content: bytes) -> None: ...
    def get(self, client_id: str, sha256: str) -> bytes: ...
    def put_file(self, client_id: str, file: BinaryIO) -> str: ...
    def open(self, client_id: str, sha256: str) -> AbstractContextManager[BinaryIO]: ...
    def probe(self) -> None: ...


def _checked(key: str, pattern: re.Pattern[str]) -> str:
    """Keys become paths: only ids and hashes may."""
    if not pattern.fullmatch(key):
        raise ValueError("not a key of a document")
    return key


@contextmanager
def _translated() -> Iterator[None]:
    """Everything a store can raise, in our words."""
    try:
        yield
    except (FileNotFoundError, NotFoundError) as error:
        raise DocumentMissing(
            "This document is missing in our storage. What came from Qonto is fetched again, anything else please upload again."
        ) from error
    except (OSError, BaseError) as error:
        log.error("storage_failed", error=type(error).__name__)  # noqa: TRY400 -- the caller logs the trace of what it raises
        raise StorageError("Our document storage cannot be reached at the moment.") from error


class _Folder:
    """`<root>/<client id>/<2 hex>/<sha256>`. A name appears only when all of its bytes are on the disk.

    obstore has a local store too; it does not fsync (measured), so a power cut could leave empty files under good names.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.incoming = root / ".incoming"
        self._durable: set[Path] = set()  # folders whose own entries are known to be on the disk
        self._lock = threading.Lock()
        self._has_swept = False

    def put(self, client_id: str, sha256: str, content: bytes) -> None:
        target = self._path(client_id, sha256)
        self._prepare(target.parent)
        if self._holds(target, sha256):
            _fsync_folder(target.parent)  # who linked it may have died before doing so
            return
        started, _ = self._start([content])
        self._settle(started, client_id, sha256)

    def put_file(self, client_id: str, file: BinaryIO) -> str:
        self._prepare(self.incoming)
        started, sha256 = self._start(_pieces(file))
        self._settle(started, client_id, sha256)
        return sha256

    def get(self, client_id: str, sha256: str) -> bytes:
        return self._path(client_id, sha256).read_bytes()

    def open(self, client_id: str, sha256: str) -> AbstractContextManager[BinaryIO]:
        """The file itself: nothing ever changes one, so what is hashed first is what is read then."""
        return self._path(client_id, sha256).open("rb")

    def probe(self) -> None:
        self._prepare(self.incoming)
        self._start([b""])[0].unlink()

    def _settle(self, started: Path, client_id: str, sha256: str) -> None:
        """Give a started file its name."""
        target = self._path(client_id, sha256)
        try:
            self._prepare(target.parent)
            try:
                os.link(started, target)
            except FileExistsError:
                if not self._holds(target, sha256):  # damaged since it was written: the true bytes take its place
                    log.warning("document_healed", client=client_id, sha256=sha256)
                    started.replace(target)
            _fsync_folder(target.parent)
        finally:
            started.unlink(missing_ok=True)

    def _path(self, client_id: str, sha256: str) -> Path:
        return self.root / client_id / sha256[:2] / sha256

    def _holds(self, target: Path, sha256: str) -> bool:
        try:
            with target.open("rb") as file:
                return _hash_of(file) == sha256
        except FileNotFoundError:
            return False

    def _start(self, pieces: Iterable[bytes]) -> tuple[Path, str]:
        """A file of its own with all the bytes on the disk, not yet under its name; and their hash."""
        digest = hashlib.sha256()
        started = self.incoming / secrets.token_hex(16)
        descriptor = os.open(started, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                for piece in pieces:
                    digest.update(piece)
                    file.write(piece)
                file.flush()
                os.fchmod(file.fileno(), READ_ONLY)
                os.fsync(file.fileno())
        except BaseException:
            started.unlink(missing_ok=True)
            raise
        return started, digest.hexdigest()

    def _prepare(self, folder: Path) -> None:
        """Make the folder; its entry and its parents' entries reach the disk before anything is put inside."""
        with self._lock:
            if not self._has_swept:
                self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
                self.incoming.mkdir(mode=0o700, exist_ok=True)
                self._sweep()
                self._has_swept = True
            for level in reversed([folder, *(above for above in folder.parents if above.is_relative_to(self.root))]):
                if level not in self._durable:
                    level.mkdir(mode=0o700, parents=True, exist_ok=True)
                    _fsync_folder(level.parent)
                    self._durable.add(level)

    def _sweep(self) -> None:
        for left in self.incoming.iterdir():
            with suppress(FileNotFoundError):
                if left.stat().st_mtime < time.time() - FORGOTTEN_AFTER:
                    left.unlink()


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    while piece := file.read(PIECE):
        yield piece


def _hash_of(file: BinaryIO) -> str:
    """From its beginning, where it stands again then. `hashlib.file_digest` would ask for more than files of the web can do."""
    digest = hashlib.sha256()
    file.seek(0)
    for piece in _pieces(file):
        digest.update(piece)
    file.seek(0)
    return digest.hexdigest()


def _fsync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class _Bucket:
    """`<client id>/<sha256>` in an S3 bucket, created only when absent.

    The checksum settings are what a bucket with object lock asks for: without the header it refuses to store (measured with
    obstore 0.12).
    """

    def __init__(self, url: str) -> None:
        self._store = S3Store.from_url(
            url,
            checksum_algorithm="SHA256",
            client_options={"default_headers": {"x-amz-sdk-checksum-algorithm": "SHA256"}, "timeout": "60s"},
        )

    def put(self, client_id: str, sha256: str, content: bytes) -> None:
        with suppress(AlreadyExistsError):
            obstore.put(self._store, f"{client_id}/{sha256}", content, mode="create", use_multipart=False)

    def put_file(self, client_id: str, file: BinaryIO) -> str:
        """In parts, without asking for absence in the same breath: S3 can only do one of the two through obstore.

        So a name that is there already is looked for first. Who comes in between writes the same bytes: the name is their hash.
        """
        sha256 = _hash_of(file)
        key = f"{client_id}/{sha256}"
        try:
            obstore.head(self._store, key)
        except (FileNotFoundError, NotFoundError):
            obstore.put(self._store, key, file, max_concurrency=2)  # each part of 5 MiB waits in memory
        return sha256

    @contextmanager
    def open(self, client_id: str, sha256: str) -> Iterator[BinaryIO]:
        """A copy without a name on this machine: what is hashed first must be what is read then."""
        with tempfile.TemporaryFile() as copy:
            for piece in obstore.get(self._store, f"{client_id}/{sha256}").stream(min_chunk_size=PIECE):
                copy.write(piece)
            copy.seek(0)
            yield copy

    def get(self, client_id: str, sha256: str) -> bytes:
        return bytes(obstore.get(self._store, f"{client_id}/{sha256}").bytes())

    def probe(self) -> None:
        obstore.put(self._store, ".probe", b"", use_multipart=False)
