"""Somebody who pays over the API: every step of a payment, as any client of the bank would take it."""

from __future__ import annotations

import uuid
from typing import Any
from urllib.parse import urlencode

import httpx2

from tests.bank import Bank

SCOPES = (
    "offline_access organization.read supplier_invoice.read attachment.read payment.write attachment.write "
    "request_transfers.write webhook"
)
TRANSFERS, BULKS, BENEFICIARIES = "/v2/sepa/transfers", "/v2/sepa/bulk_transfers", "/v2/sepa/beneficiaries"
REQUESTS = "/v2/requests/multi_transfers"
NAME = "Werkzeug Probe GmbH"
PDF = b"%PDF-1.4\n%%EOF\n"
Json = dict[str, Any]


def iban(number: int) -> str:
    """A well-formed IBAN of the bank that does not exist."""
    tail = f"{number:018d}"
    return f"DE{98 - int(tail + '131400') % 97:02d}{tail}"


PAYEE = iban(7700012345)


def code_of(answer: httpx2.Response) -> str:
    """The code of a refusal, in whichever shape it comes."""
    body = answer.json()
    errors = body.get("errors")
    return str(errors[0]["code"] if isinstance(errors, list) else body.get("code", "object"))


class Payer:
    """One connection of one user."""

    def __init__(self, bank: Bank, *, organization: int = 0, scope: str = SCOPES, role: str = "owner") -> None:
        self.bank = bank
        known = bank.organizations()[organization]
        member = next(member["id"] for member in known["memberships"] if member["role"] == role)
        told = bank.tell("tokens", organization=known["id"], scope=scope, membership=member)
        self.token, self.organization_id, self.membership_id = told["access_token"], told["organization_id"], member
        self.connection_id = told["connection_id"]
        self._http = httpx2.Client(transport=bank.transport, base_url=bank.url)

    def ask(self, path: str, **query: Any) -> Any:
        """GET that succeeds; a list's rows under its key."""
        address = f"{path}?{urlencode(query, doseq=True)}" if query else path
        return self.bank.call(address, token=self.token).json()

    def send(self, path: str, body: Any = None, *, key: str = "", sca: str = "", **sent: Any) -> httpx2.Response:
        """POST with a key (a new one, unless told)."""
        headers = {"Authorization": f"Bearer {self.token}", "X-Qonto-Idempotency-Key": key or str(uuid.uuid4())}
        if sca:
            headers["X-Qonto-Sca-Session-Token"] = sca
        return self._http.post(path, headers={**headers, **sent.pop("headers", {})}, json=body, **sent)

    def confirmed(self, path: str, body: Any, *, key: str = "") -> httpx2.Response:
        """POST, and the user's yes where it is asked for."""
        key = key or str(uuid.uuid4())
        answer = self.send(path, body, key=key)
        if answer.status_code != 428:
            return answer
        session = answer.json()["sca_session_token"]
        self.bank.tell(f"sca/{session}", decision="allow")
        return self.send(path, body, key=key, sca=session)

    # --- what there is -----------------------------------------------------------------------------------------

    @property
    def account(self) -> Json:
        """The main account."""
        return next(account for account in self.ask("/v2/bank_accounts")["bank_accounts"] if account["main"])

    @property
    def transfers(self) -> list[Json]:
        """All of them, newest change first."""
        return list(self.ask(TRANSFERS)["transfers"])

    def transfer(self, transfer_id: str) -> Json:
        """One of them, as it is now."""
        return dict(self.ask(f"{TRANSFERS}/{transfer_id}")["transfer"])

    def trusted(self) -> Json:
        """Somebody who is paid without a yes."""
        rows = self.ask(BENEFICIARIES, trusted="true", per_page=100)["beneficiaries"]
        return next(row for row in rows if row["status"] == "validated")

    # --- bodies ------------------------------------------------------------------------------------------------

    def proof(self, *ibans: str, is_bulk: bool = False) -> str:
        """Of the payees' banks."""
        if is_bulk:
            pairs = [{"id": str(n), "iban": one, "beneficiary_name": NAME} for n, one in enumerate(ibans)]
            answer = self.send("/v2/sepa/bulk_verify_payee", {"requests": pairs})
        else:
            answer = self.send("/v2/sepa/verify_payee", {"iban": ibans[0], "beneficiary_name": NAME})
        body = answer.json()
        return str(body["proof_token"]["token"] if "proof_token" in body else body["errors"][0]["meta"]["proof_token"]["token"])

    def order(self, amount: str = "12.34", payee: str | Json = PAYEE, **fields: Any) -> Json:
        """A transfer from the main account. A text is an IBAN; a row is a beneficiary that exists."""
        number, named = _named(payee)
        given = {"bank_account_id": self.account["id"], "reference": "RE 4711", "amount": amount, **named, **fields}
        return {"vop_proof_token": self.proof(number), "transfer": given}

    def bulk_order(self, *entries: tuple[str, str | Json]) -> Json:
        """A bulk from amounts and payees."""
        named = [_named(payee) for _, payee in entries]
        rows = [
            {"client_transfer_id": str(uuid.uuid4()), "reference": f"Sammler {n}", "amount": amount, **who}
            for n, ((amount, _), (_, who)) in enumerate(zip(entries, named, strict=True))
        ]
        proof = self.proof(*(number for number, _ in named), is_bulk=True)
        return {"vop_proof_token": proof, "bank_account_id": self.account["id"], "bulk_transfers": rows}

    def pay(self, amount: str = "12.34", payee: str | Json = PAYEE, **fields: Any) -> Json:
        """A transfer that was made."""
        answer = self.confirmed(TRANSFERS, self.order(amount, payee, **fields))
        assert answer.status_code == 200, answer.text
        return dict(answer.json()["transfer"])

    def wait(self, seconds: float) -> None:
        """At the bank."""
        self.bank.tell("clock", advance_seconds=seconds)


def _named(payee: str | Json) -> tuple[str, Json]:
    if isinstance(payee, str):
        return payee, {"beneficiary": {"name": NAME, "iban": payee}}
    return payee["iban"], {"beneficiary_id": payee["id"]}
