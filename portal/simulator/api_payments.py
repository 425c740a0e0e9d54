"""The part of the API that moves money: payee verification, beneficiaries, transfers, bulks, and requests to release them."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from flask import Blueprint, Response, request

from portal.simulator import lists, orders, payees, pdf
from portal.simulator.api import account_of, in_plan, member, page_of, single
from portal.simulator.context import (
    answer_once,
    call,
    connection,
    drop,
    known,
    needs,
    organization,
    refuse_if_struck,
    reply,
    world,
)
from portal.simulator.errors import ApiError, not_found, refuse
from portal.simulator.names import Row, german
from portal.simulator.orders import Order, Reader
from portal.simulator.sca import Subject, not_enrolled
from portal.simulator.transfers import Origin

blueprint = Blueprint("payments", __name__, url_prefix="/v2")
ANSWER_IS_LOST_AT = 504_001  #: cents: the transfer is made, and the line is cut
_PREFERENCES = {"paired-device", "passkey", "sms-otp"}


def _body() -> Row:
    body = request.get_json(force=True, silent=True)
    if not isinstance(body, dict):
        raise refuse(400, "bad_request", "The body must be a JSON object")
    return body


def _reader() -> Reader:
    return Reader(organization(), world().files, world().clock.now().date())


def _origin(route: str) -> Origin:
    return Origin(route, connection().membership_id, request.headers["X-Qonto-Idempotency-Key"])


# --- strong customer authentication --------------------------------------------------------------------------------


def _confirm(action: str, subjects: tuple[Subject, ...]) -> None:
    """Go on only with the user's yes to this very request: method, address and every byte of the body."""
    digest = hashlib.sha256(request.get_data()).hexdigest()
    bound_to = f"{request.method} {request.path} {digest}"
    now, told = world().clock.now(), request.headers.get("X-Qonto-Sca-Session-Token")
    if told:
        world().faults.spare(call(), "sca_not_enrolled")
        world().sca.use(told, connection(), bound_to, now)
        return
    if call().fault("sca_not_enrolled") is not None or not _has_device():
        raise not_enrolled()
    raise world().sca.demand(connection(), action, now, bound_to=bound_to, subjects=subjects)


def _has_device() -> bool:
    """Whether the user can confirm in the way that the header names; a paired device where it names none.

    The sandbox knows no devices, only its mock.
    """
    preference = request.headers.get("X-Qonto-2fa-Preference")
    if world().settings["staging_token"] is not None:
        return preference == "mock"
    if preference not in {None, *_PREFERENCES}:
        raise refuse(400, "bad_request", "X-Qonto-2fa-Preference is unknown here")
    return bool(member()["sca"] == (preference or "paired-device"))


def _subject(order: Order) -> Subject:
    return Subject(order.payee.name, order.payee.iban, order.cents)


def _confirm_orders(action: str, asked: list[Order]) -> None:
    """Who pays only trusted beneficiaries is not asked."""
    if all(order.payee.is_trusted for order in asked):
        world().faults.spare(call(), "sca_not_enrolled")
        return
    _confirm(action, tuple(map(_subject, asked)))


# --- verification of payee -----------------------------------------------------------------------------------------


def _struck_result() -> Row | None:
    """What a fault says about every payee."""
    for word in ("close_match", "no_match", "not_possible"):
        if call().fault(f"vop_{word}") is not None:
            return payees.as_result(word.upper())
    return None


def _proof(ibans: frozenset[str], *, is_bulk: bool) -> str:
    return world().payments.proofs.issue(organization().id, ibans, world().clock.now(), is_bulk=is_bulk)


@blueprint.post("/sepa/verify_payee")
@needs("payment.write")
def verify_payee() -> Response:
    """Whether a name fits an IBAN. Every answer carries a proof, also the one without a result."""
    refuse_if_struck()
    body = _body()
    iban = _named_iban(body, "")
    proof = _proof(frozenset({iban}), is_bulk=False)
    if call().fault("vop_5xx") is not None:
        raise payees.without_result(500, payees.BANK_IS_BROKEN, proof)
    result = _struck_result() or payees.result_of(iban)
    if result is None:
        raise payees.without_result(503, payees.BANK_IS_SILENT, proof)
    return reply({**result, "proof_token": {"token": proof}})


def _named_iban(entry: Row, pointer: str) -> str:
    """The IBAN of a pair to verify. Errors: 400, unlike those of a transfer."""
    try:
        orders.text_at(entry, "beneficiary_name", pointer)
        return orders.iban_at(entry, "iban", pointer)
    except ApiError as error:
        error.status = 400
        raise


@blueprint.post("/sepa/bulk_verify_payee")
@needs("payment.write")
def bulk_verify_payee() -> Response:
    """The same for up to 400 pairs, with one proof for them all."""
    refuse_if_struck()
    entries = orders.entries_at(_body(), "requests")
    pairs = [
        (orders.text_at(entry, "id", f"/requests/{number}"), _named_iban(entry, f"/requests/{number}"))
        for number, entry in enumerate(entries)
    ]
    proof = _proof(frozenset(iban for _, iban in pairs), is_bulk=True)
    if call().fault("vop_5xx") is not None:
        raise payees.without_result(500, payees.BANK_IS_BROKEN, proof)
    answers = []
    for pair_id, iban in pairs:
        result = _struck_result() or payees.result_of(iban)
        silent = {"error_code": f"SINGLE_REQUEST_ERROR_CODE_{payees.BANK_IS_SILENT}"}
        answers.append({"id": pair_id, **(silent if result is None else {"response": result})})
    return reply({"proof_token": {"token": proof}, "requests": answers})


def _check_proof(body: Row, asked: list[Order], *, is_bulk: bool) -> None:
    """The payees were verified, all of them and nobody else."""
    token = body.get("vop_proof_token")
    if not token:
        raise refuse(401, "vop_proof_token_missing", "vop_proof_token is missing", pointer="/vop_proof_token")
    ibans, now = frozenset(order.payee.iban for order in asked), world().clock.now()
    if not world().payments.proofs.prove(str(token), organization().id, ibans, now, is_bulk=is_bulk):
        raise refuse(422, "invalid_vop_proof_token", "vop_proof_token does not fit", pointer="/vop_proof_token")


# --- beneficiaries -------------------------------------------------------------------------------------------------


@blueprint.get("/sepa/beneficiaries")
@needs("organization.read")
def list_beneficiaries() -> Response:
    """Whom the company pays."""
    return reply(page_of(lists.BENEFICIARIES, organization().rows("beneficiaries")))


@blueprint.get("/sepa/beneficiaries/<row_id>")
@needs("organization.read")
def show_beneficiary(row_id: str) -> Response:
    """One of them."""
    return single("beneficiary", organization().row("beneficiaries", row_id))


@blueprint.post("/sepa/beneficiaries")
@needs("payment.write")
def add_beneficiary() -> Response:
    """Add one. The bank looks at it before it can be trusted."""

    def write() -> Row:
        payee = orders.payee_at(orders.object_at(_body(), "beneficiary"), "/beneficiary")
        _confirm("beneficiary.create", (Subject(payee.name, payee.iban),))
        return {"beneficiary": world().payments.beneficiary(organization(), payee, world().clock.now(), status="pending")}

    return answer_once(write)


# --- transfers -----------------------------------------------------------------------------------------------------


@blueprint.get("/sepa/transfers")
@needs("organization.read")
def list_transfers() -> Response:
    """Transfers, whatever became of them."""
    return reply(page_of(lists.TRANSFERS, organization().rows("transfers")))


@blueprint.get("/sepa/transfers/<row_id>")
@needs("organization.read")
def show_transfer(row_id: str) -> Response:
    """One of them."""
    return single("transfer", organization().row("transfers", row_id))


@blueprint.post("/sepa/transfers")
@needs("payment.write")
def create_transfer() -> Response:
    """Make a transfer. Refused before the user is asked; made only after his yes."""

    def write() -> Row:
        body, reader = _body(), _reader()
        given = orders.object_at(body, "transfer")
        account = account_of(orders.text_at(given, "bank_account_id", "/transfer"))
        order = reader.order(given, "/transfer", reader.payer(account, "/transfer/bank_account_id"))
        _check_proof(body, [order], is_bulk=False)
        if (problem := order.objection()) is not None:
            raise refuse(*problem)
        _confirm_orders("transfer.single.create", [order])
        made = world().payments.transfer(organization(), order, _origin("transfers"), world().clock.now())
        if order.cents == ANSWER_IS_LOST_AT:
            drop()
        return {"transfer": made}

    return answer_once(write)


@blueprint.post("/sepa/transfers/<row_id>/cancel")
@needs("payment.write")
def cancel_transfer(row_id: str) -> Response:
    """Stop one that has not left yet."""
    refuse_if_struck()
    if not world().payments.cancel(known(organization().row("transfers", row_id)), world().clock.now()):
        raise refuse(422, "invalid", "The transfer can no longer be canceled")
    return Response(status=204)


@blueprint.get("/sepa/transfers/<row_id>/proof")
@needs("payment.write")
def show_proof(row_id: str) -> Response:
    """A sheet of paper that says the money has left."""
    row = known(organization().row("transfers", row_id))
    if row["status"] != "settled":
        raise not_found()
    payee = organization().tables["beneficiaries"][row["beneficiary_id"]]
    page = pdf.Page()
    page.text(56, 90, "Überweisungsbestätigung", 18, bold=True)
    lines = (
        ("Auftraggeber", organization().legal_name), ("Empfänger", payee["name"]), ("IBAN", payee["iban"]),
        ("Betrag", german(row["amount_cents"])), ("Verwendungszweck", row["reference"]), ("Ausgeführt", row["completed_at"]),
    )  # fmt: skip
    for number, (label, text) in enumerate(lines):
        page.text(56, 140 + 22 * number, label)
        page.text(180, 140 + 22 * number, text, bold=True)
    return Response(pdf.document(page, title=f"Transfer {row['id']}"), content_type="application/pdf")


# --- bulks ---------------------------------------------------------------------------------------------------------


@blueprint.get("/sepa/bulk_transfers")
@needs("organization.read")
def list_bulk_transfers() -> Response:
    """Bulks and how far they are."""
    return reply(page_of(lists.BULK_TRANSFERS, organization().rows("bulk_transfers")))


@blueprint.get("/sepa/bulk_transfers/<row_id>")
@needs("organization.read")
def show_bulk_transfer(row_id: str) -> Response:
    """One of them."""
    return single("bulk_transfer", organization().row("bulk_transfers", row_id))


@blueprint.post("/sepa/bulk_transfers")
@needs("payment.write")
def create_bulk_transfer() -> Response:
    """Take in up to 400 transfers under one yes. What the bank will not do fails later, entry by entry."""

    def write() -> Row:
        body, reader = _body(), _reader()
        account = reader.payer(account_of(orders.text_at(body, "bank_account_id")), "/bank_account_id")
        asked = []
        for number, entry in enumerate(orders.entries_at(body, "bulk_transfers")):
            pointer = f"/bulk_transfers/{number}"
            order = reader.order(entry, pointer, account)
            asked.append(replace(order, client_transfer_id=orders.text_at(entry, "client_transfer_id", pointer)))
        if len({order.client_transfer_id for order in asked}) < len(asked):
            raise refuse(422, "invalid", "client_transfer_id is used twice", pointer="/bulk_transfers")
        _check_proof(body, asked, is_bulk=True)
        _confirm_orders("transfer.bulk.create", asked)
        return {"bulk_transfer": world().payments.bulk(organization(), asked, _origin("bulk_transfers"), world().clock.now())}

    return answer_once(write)


# --- requests ------------------------------------------------------------------------------------------------------


@blueprint.get("/requests")
@needs("organization.read")
def list_requests() -> Response:
    """What waits, or waited, to be released in the bank's app."""
    rows = [{name: value for name, value in row.items() if name != "transfers"} for row in organization().rows("requests")]
    return reply(page_of(lists.REQUESTS, rows))


@blueprint.post("/requests/multi_transfers")
@needs("request_transfers.write")
def request_multi_transfer() -> Response:
    """Lay transfers before whoever may release them: neither payee verification nor a yes is asked for here."""
    in_plan()

    def write() -> Row:
        root = "/request_multi_transfer"
        given, reader = orders.object_at(_body(), "request_multi_transfer"), _reader()
        note = orders.text_at(given, "note", root)
        due_on = orders.day_at(given, "scheduled_date", reader.today, root)
        account = reader.payer(_debited(given, root), f"{root}/debit_iban")
        asked = []
        for number, entry in enumerate(orders.entries_at(given, "transfers", root)):
            pointer = f"{root}/transfers/{number}"
            payee = {"name": entry.get("credit_account_name"), "iban": _credited(entry, pointer)}
            whole = {**entry, "beneficiary": payee, "beneficiary_id": None, "scheduled_date": str(due_on)}
            asked.append(reader.order(whole, pointer, account))
        row = world().payments.request(organization(), asked, note, _origin("multi_transfers"), world().clock.now())
        return {"request_multi_transfer": row}

    return answer_once(write)


def _debited(given: Row, root: str) -> Row | None:
    """The account that pays: the main one unless an IBAN is named."""
    iban = orders.optional_text_at(given, "debit_iban", root)
    if iban is None:
        return organization().main_account
    plain = payees.plain_iban(iban)
    return next((account for account in organization().accounts.values() if account["iban"] == plain), None)


def _credited(entry: Row, pointer: str) -> str:
    iban = payees.plain_iban(orders.text_at(entry, "credit_iban", pointer))
    if not payees.is_iban(iban) or iban == payees.INVALID:
        raise refuse(422, "invalid_transfers", "Iban is not valid", pointer=f"{pointer}/credit_iban")
    return iban
