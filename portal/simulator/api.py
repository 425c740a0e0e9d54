"""The reading half of the API: `/v2`. What moves money is known by its address and scope, and says that it is not simulated."""

from __future__ import annotations

import uuid
from typing import Any

from flask import Blueprint, Response, request

from portal.simulator import lists
from portal.simulator.context import call, connection, known, needs, organization, reply, world
from portal.simulator.errors import ApiError, GatewayNotFound, not_found, not_in_plan, refuse
from portal.simulator.faults_rows import before_filters
from portal.simulator.faults_wire import changed_ids
from portal.simulator.files import Attachment
from portal.simulator.lists import ListKind
from portal.simulator.names import Row
from portal.simulator.sca import ALLOW, DENY, Session, not_enrolled

blueprint = Blueprint("api", __name__, url_prefix="/v2")
_EMPLOYEE_FIELDS = ("id", "name", "status", "main", "organization_id")


def files_base() -> str:
    """Where files are fetched: another origin than the API, on this machine."""
    if base := world().files_base:
        return base
    host = request.host
    return f"{request.scheme}://{'localhost' + host[9:] if host.startswith('127.0.0.1') else host}"


def _list(kind: ListKind, rows: list[Row]) -> Row:
    return lists.listing(kind, rows, request.args, call(), world().settings)


def _single(name: str, row: Row | None) -> Response:
    return reply({name: before_filters([known(row)], call())[0]})


# --- organisation and accounts -------------------------------------------------------------------------------------


def _member() -> Row:
    return next(member for member in organization().memberships if member["id"] == connection().membership_id)


def _account(account: Row) -> Row:
    """An employee sees hardly more than the name."""
    if _member()["role"] == "employee":
        return {name: account[name] for name in _EMPLOYEE_FIELDS}
    return account


def _accounts(*, with_external: bool) -> list[Row]:
    gone = _gone_account()
    return [
        _account(account)
        for account in organization().accounts.values()
        if (with_external or not account["is_external_account"]) and account["id"] != gone
    ]


def _gone_account() -> str | None:
    return (call().fault("404_account") or {}).get("bank_account_id")


def _old_id(account_id: str) -> str:
    """The id we know the account by; with `ids_changed` only the new one is answered to."""
    if call().fault("ids_changed") is None:
        return account_id
    return {new: old for old, new in changed_ids(list(organization().accounts)).items()}.get(account_id, "")


@blueprint.get("/organization")
@needs("organization.read")
def show_organization() -> Response:
    """The company with its accounts; external ones only when asked for."""
    with_external = request.args.get("include_external_accounts") == "true"
    return reply({"organization": {**organization().body, "bank_accounts": _accounts(with_external=with_external)}})


@blueprint.get("/bank_accounts")
@needs("organization.read")
def list_bank_accounts() -> Response:
    """Accounts at this bank."""
    return reply(_list(lists.BANK_ACCOUNTS, _accounts(with_external=False)))


@blueprint.get("/bank_accounts/<account_id>")
@needs("organization.read")
def show_bank_account(account_id: str) -> Response:
    """One account."""
    account = organization().accounts.get(_old_id(account_id))
    if account is None or account["id"] == _gone_account():
        raise not_found()
    return reply({"bank_account": _account(account)})


@blueprint.get("/membership")
@needs("membership.read")
def show_membership() -> Response:
    """The user whose token this is."""
    return reply({"membership": {name: value for name, value in _member().items() if name != "sca"}})


# --- transactions --------------------------------------------------------------------------------------------------


@blueprint.get("/transactions")
@needs("organization.read")
def list_transactions() -> Response:
    """Movements of one account; which one must be said."""
    account_id, iban = request.args.get("bank_account_id"), request.args.get("iban")
    if not account_id and not iban:
        raise refuse(422, "missing", "bank_account_id or iban is missing")
    account = next(
        (
            account
            for account in organization().accounts.values()
            if (account["id"] == _old_id(account_id) if account_id else account["iban"] == iban)
        ),
        None,
    )
    if account is None or account["id"] == _gone_account():
        raise ApiError(404, None)
    if account["id"] == (call().fault("403_account") or {}).get("bank_account_id"):
        raise refuse(403, "forbidden", "Forbidden")
    _demand_sca("transaction.list", account["id"])
    rows = [row for row in organization().rows("transactions") if row["bank_account_id"] == account["id"]]
    page = _list(lists.TRANSACTIONS, rows)
    return reply({**page, "transactions": [_embedded(row) for row in page["transactions"]]})


@blueprint.get("/transactions/<transaction_id>")
@needs("organization.read")
def show_transaction(transaction_id: str) -> Response:
    """One movement."""
    row = organization().row("transactions", transaction_id)
    if row is None or row["bank_account_id"] == _gone_account():
        raise ApiError(404, None)
    return reply({"transaction": _embedded(before_filters([row], call())[0])})


def _embedded(row: Row) -> Row:
    """The row as shown: what `includes[]` asks for comes along, our own notes stay behind."""
    wanted = request.args.getlist("includes[]")
    shown = {name: value for name, value in row.items() if name != "labels"}
    if "attachments" in wanted:
        shown["attachments"] = [_attachment(found) for found in map(world().files.find, row["attachment_ids"]) if found]
    if "labels" in wanted:
        shown["labels"] = row.get("labels", [])
    if "vat_details" in wanted:
        shown["vat_details"] = {"items": []}
    return shown


@blueprint.get("/transactions/<transaction_id>/attachments")
@needs("organization.read")
def list_transaction_attachments(transaction_id: str) -> Response:
    """The files at a movement."""
    row = known(organization().row("transactions", transaction_id))
    if call().fault("gone") is not None:
        raise not_found()
    return reply({"attachments": [_attachment(found) for found in map(world().files.find, row["attachment_ids"]) if found]})


# --- invoices ------------------------------------------------------------------------------------------------------


def _in_plan() -> None:
    if organization().plan == "solo_basic":
        raise not_in_plan()


@blueprint.get("/supplier_invoices")
@needs("supplier_invoice.read")
def list_supplier_invoices() -> Response:
    """Invoices from suppliers, and whatever else landed there."""
    _in_plan()
    return reply(_list(lists.SUPPLIER_INVOICES, organization().rows("supplier_invoices")))


@blueprint.get("/supplier_invoices/<row_id>")
@needs("supplier_invoice.read")
def show_supplier_invoice(row_id: str) -> Response:
    """One of them."""
    _in_plan()
    return _single("supplier_invoice", organization().row("supplier_invoices", row_id))


@blueprint.get("/client_invoices")
@needs("client_invoices.read")
def list_client_invoices() -> Response:
    """Invoices to customers."""
    return reply(_list(lists.CLIENT_INVOICES, organization().rows("client_invoices")))


@blueprint.get("/client_invoices/<row_id>")
@needs("client_invoices.read")
def show_client_invoice(row_id: str) -> Response:
    """One of them."""
    return _single("client_invoice", organization().row("client_invoices", row_id))


@blueprint.get("/credit_notes")
@needs("client_invoices.read")
def list_credit_notes() -> Response:
    """Credit notes to customers."""
    return reply(_list(lists.CREDIT_NOTES, organization().rows("credit_notes")))


@blueprint.get("/credit_notes/<row_id>")
@needs("client_invoices.read")
def show_credit_note(row_id: str) -> Response:
    """One of them."""
    return _single("credit_note", organization().row("credit_notes", row_id))


# --- files ---------------------------------------------------------------------------------------------------------


@blueprint.get("/attachments/<attachment_id>")
@needs("attachment.read", "organization.read")
def show_attachment(attachment_id: str) -> Response:
    """A file's name and size, and an address for the next half hour."""
    attachment = world().files.find(attachment_id)
    if attachment is None or attachment.organization_id != organization().id or call().fault("gone") is not None:
        raise not_found()
    return reply({"attachment": _attachment(attachment)})


def _attachment(attachment: Attachment) -> Row:
    now = world().clock.now()
    shown = world().files.shown(attachment, base=files_base(), connection_id=connection().id, now=now)
    if (evil := call().fault("evil_url")) is not None:
        shown["url"] = evil.get("url", "http://169.254.169.254/latest/meta-data")
    return shown


# --- beneficiaries, and lists that are still empty -----------------------------------------------------------------


@blueprint.get("/sepa/beneficiaries")
@needs("organization.read")
def list_beneficiaries() -> Response:
    """Whom the company pays."""
    return reply(_list(lists.BENEFICIARIES, organization().rows("beneficiaries")))


@blueprint.get("/sepa/beneficiaries/<row_id>")
@needs("organization.read")
def show_beneficiary(row_id: str) -> Response:
    """One of them."""
    return _single("beneficiary", organization().row("beneficiaries", row_id))


@blueprint.get("/sepa/transfers")
@needs("organization.read")
def list_transfers() -> Response:
    """Transfers ordered through the API: none, see `_write`."""
    return reply(_list(lists.TRANSFERS, []))


@blueprint.get("/sepa/bulk_transfers")
@needs("organization.read")
def list_bulk_transfers() -> Response:
    """Bulk transfers: none."""
    return reply(_list(lists.BULK_TRANSFERS, []))


@blueprint.get("/requests")
@needs("organization.read")
def list_requests() -> Response:
    """Requests to release in the bank's app: none."""
    return reply(_list(lists.REQUESTS, []))


# --- webhooks ------------------------------------------------------------------------------------------------------


@blueprint.get("/webhook_subscriptions")
@needs("webhook")
def list_webhook_subscriptions() -> Response:
    """What the organisation's apps want to be told."""
    return reply(_list(lists.SUBSCRIPTIONS, world().hooks.of(organization().id)))


def _told() -> Row:
    body = request.get_json(force=True, silent=True)
    return body if isinstance(body, dict) else {}


@blueprint.post("/webhook_subscriptions")
@needs("webhook")
def subscribe() -> Response:
    """A new subscription; the answer is the bare object."""
    return reply(world().hooks.put(connection(), str(uuid.uuid4()), _told(), world().clock.now()), 201)


@blueprint.get("/webhook_subscriptions/<row_id>")
@needs("webhook")
def show_subscription(row_id: str) -> Response:
    """One of them."""
    return reply(world().hooks.one(organization().id, row_id))


@blueprint.put("/webhook_subscriptions/<row_id>")
@needs("webhook")
def replace_subscription(row_id: str) -> Response:
    """Replace it as a whole."""
    before = world().hooks.one(organization().id, row_id)
    return reply(world().hooks.put(connection(), row_id, _told(), world().clock.now(), before))


@blueprint.delete("/webhook_subscriptions/<row_id>")
@needs("webhook")
def unsubscribe(row_id: str) -> Response:
    """End it."""
    world().hooks.drop(organization().id, row_id)
    return Response(status=204)


def _demand_sca(action: str, account_id: str) -> None:
    """With the fault `sca_required` this call (about one account, if that is named) needs a yes on the phone.

    Of the kind `not_enrolled` there is no phone.
    """
    if (args := call().fault("sca_required")) is None or args.get("bank_account_id", account_id) != account_id:
        return
    now, told = world().clock.now(), request.headers.get("X-Qonto-Sca-Session-Token")
    if args.get("kind") == "not_enrolled":
        raise not_enrolled()
    if not world().sca.is_allowed(told, connection(), action, now):
        raise world().sca.demand(connection(), action, now)


def _shown(session: Session) -> Response:
    return reply({"result": session.result_at(world().clock.now()), "canceled_at": None})


@blueprint.get("/sca_sessions/<token>")
@needs("payment.write", "organization.read")
def show_sca_session(token: str) -> Response:
    """How far a confirmation is; only its own user may ask."""
    session = world().sca.find(token, connection())
    if session is None:
        raise not_found()
    return _shown(session)


@blueprint.route("/mocked_sca_sessions/<token>", methods=["GET"])
@blueprint.route("/mocked_sca_sessions/<token>/<decision>", methods=["POST"])
def mocked_sca_session(token: str, decision: str = "") -> Response:
    """Only the sandbox knows this address: there nobody has a phone."""
    if world().settings["staging_token"] is None:
        raise GatewayNotFound
    session = world().sca.find(token)
    if session is None or decision not in {"", ALLOW, DENY}:
        raise not_found()
    if not decision:
        return _shown(session)
    world().sca.decide(session, decision, world().clock.now())
    return reply({"message": "Success"})


@blueprint.delete("/oauth2/consents")
@needs("organization.read")
def delete_consent() -> Response:
    """The user takes back what he allowed this app: all its connections end."""
    mine = connection()
    world().grants.end(mine.organization_id, mine.client_id, mine.membership_id)
    return Response(status=204)


def _write(path: str, scope: str, *, is_gated: bool = False) -> None:
    """An address that writes: scope and plan are checked as at the bank, then it says that nothing is simulated behind it."""

    @needs(scope)
    def refuse_to_write(**_parts: Any) -> Response:
        if is_gated:
            _in_plan()
        raise refuse(501, "not_simulated", "This simulator reads only: it moves no money and stores no uploads")

    blueprint.add_url_rule(path, path.strip("/").replace("/", "_"), refuse_to_write, methods=["POST"])


for _path, _scope, _is_gated in (
    ("/sepa/transfers", "payment.write", False),
    ("/sepa/bulk_transfers", "payment.write", False),
    ("/sepa/verify_payee", "payment.write", False),
    ("/sepa/bulk_verify_payee", "payment.write", False),
    ("/sepa/beneficiaries", "payment.write", False),
    ("/requests/multi_transfers", "request_transfers.write", True),
    ("/attachments", "attachment.write", False),
):
    _write(_path, _scope, is_gated=_is_gated)
