"""The doors to everything outside, bundled once at the edge and handed to the services that need them."""

from __future__ import annotations

from dataclasses import dataclass

from portal.clock import Clock
from portal.crypto import KeyRing
from portal.db import Database
from portal.mailing import Mailer
from portal.qonto.client import Qonto
from portal.qonto.oauth import OAuth
from portal.queue import Queue
from portal.settings import Settings
from portal.storage import Storage


@dataclass(frozen=True, slots=True)
class Ports:
    """Tests replace single doors; nothing else in the product has an interface."""

    settings: Settings
    clock: Clock
    database: Database
    keyring: KeyRing
    oauth: OAuth
    qonto: Qonto
    storage: Storage
    queue: Queue
    mailer: Mailer
