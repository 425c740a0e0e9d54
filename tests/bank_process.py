"""The Qonto simulator as a process of its own on a real socket, for what needs several processes: kills and measurements."""

from __future__ import annotations

import base64
import hashlib
import random
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import httpx2

from portal.launcher import House, environment_for, free_port, python
from tests import factories
from tests.bank import Bank

ORGANIZATION = "northlight-studio-6489"
LISTS = ("supplier_invoices", "client_invoices", "credit_notes")
SKIPPED_EVERY = 25  #: beside so many eligible invoices stands one that is not paid


class BankProcess(Bank):
    """The bank at a real address; everything else as in `Bank`, but its clock is the real one."""

    def __init__(self, url: str) -> None:
        self.url, self.transport = url, httpx2.HTTPTransport()
        self._http = httpx2.Client(transport=self.transport, base_url=url, timeout=60)

    def close(self) -> None:
        """Close the connections."""
        self.transport.close()

    @property
    def organization_id(self) -> str:
        """For the consent page."""
        return next(known["id"] for known in self.organizations() if known["slug"] == ORGANIZATION)

    def token(self) -> str:
        """For asking past the product."""
        scope = "supplier_invoice.read client_invoices.read attachment.read"
        token: str = self.tell("tokens", organization=ORGANIZATION, scope=scope)["access_token"]
        return token

    def empty(self) -> None:
        """Hide what the story tells of the organisation, and let everybody ask as fast as they can."""
        self.tell("settings", rate_limit_10s=None, rate_limit_10min=None)
        token = self.token()
        for name in LISTS:
            while rows := self.call(f"/v2/{name}?per_page=100", token=token).json()[name]:
                for row in rows:
                    self.tell(name, organization=ORGANIZATION, hidden=True, **{name.removesuffix("s"): {"id": row["id"]}})

    def fill(self, count: int, *, rng: random.Random, now: datetime, days: int) -> dict[str, str]:
        """Add paid invoices with files, changed in the `days` before now: id → SHA-256 of its file.

        Most files have a few kilobytes, some of them hundreds, one in a hundred more than a megabyte; no two are equal.
        Some further invoices are not paid yet.
        """
        hashes = {}
        for number in range(count + count // SKIPPED_EVERY):
            changed = now - timedelta(days=days * (1 - number / count / 2), seconds=60)
            share = rng.random()
            size = int(rng.uniform(2, 60) if share < 0.9 else rng.uniform(100, 400) if share < 0.99 else rng.uniform(1000, 2000))
            name = f"RE-{uuid.UUID(int=rng.getrandbits(128))}"
            content = factories.pdf(name) + rng.randbytes(size * 1024)
            row = self.put_invoice(
                ORGANIZATION,
                {
                    "file_name": f"{name}.pdf", "file_content_type": "application/pdf",
                    "content_base64": base64.b64encode(content).decode(),
                },
                status="paid" if number < count else "to_pay", supplier_name="Papierlager Süd GmbH", invoice_number=name,
                total_amount={"value": f"{rng.randint(100, 900000) / 100:.2f}", "currency": "EUR"},
                issue_date=changed.date().isoformat(), payment_date=changed.date().isoformat(),
                created_at=changed.isoformat(), updated_at=changed.isoformat(),
            )  # fmt: skip
            if number < count:
                hashes[row["id"]] = hashlib.sha256(content).hexdigest()
        return hashes


@contextmanager
def installation(folder: Path, kind: type[House] = House, **environment: str) -> Iterator[tuple[House, BankProcess]]:
    """Programs over a folder, told what the launcher tells them, and the bank's process among them, with an empty organisation."""
    port, simulator_port = free_port(), free_port()
    told = {**environment_for(folder, port, simulator_port, is_alone=True), **environment}
    house = kind(folder, told, lambda _line: None)
    house.open()
    try:
        callback = f"{told['PUBLIC_URL']}/connections/qonto/callback"
        part = house.start(
            "simulator", python("-m", "portal.simulator", "--port", str(simulator_port), "--client-redirect", callback)
        )
        while "Qonto simulator on" not in part.log.read_text():
            house.check_alive(part)
        bank = BankProcess(told["QONTO_API_URL"])
        bank.empty()
        try:
            yield house, bank
        finally:
            bank.close()
    finally:
        house.close()
