"""The reading half of the API: `/v2`. What moves money is in `api_payments`, what takes files in `uploads`."""

from __future__ import annotations

import uuid

from flask import Blueprint, Response, request

from portal.simulator import lists
from portal.simulator.context import call, connection, known, needs, organization, reply, world
from portal.simulator.errors import ApiError, GatewayNotFound, not_found, not_in_plan, refuse
from portal.simulator.faults_rows import before_filters
from portal.simulator.faults_wire import changed_ids
from portal.simulator.files import Attachment
from portal.simulator.lists import ListKind
from portal.simulator.names import Row
from portal.simulator.sca import ALLOW, DENY, WAITING, not_enrolled, over

blueprint = Blueprint("api", __name__, url_prefix="/v2")
_EMPLOYEE_FIELDS = ("id", "name", "status", "main", "organization_id")


def files_base() -> str:
    """Where files are fetched: another origin than the API, on this machine."""
    if base := world().files_base:
        return base
    host = request.host
    return f"{request.scheme}://{'localhost' + host[9:] if host.startswith('127.0.0.1') else host}"


def page_of(kind: ListKind, rows: list[Row]) -> Row:
    """The page of a list that the query asks for."""
    return lists.listing(kind, rows, request.args, call(), world().settings)


def single(name: str, row: Row | None) -> Response:
    """One row, or 404."""
    return reply({name: before_filters([known(row)], call())[0]})


# --- organisation and accounts -------------------------------------------------------------------------------------


def member() -> Row:
    """The user whose token this is."""
    return next(member for member in organization().memberships if member["id"] == connection().membership_id)


def _account(account: Row) -> Row:
    """An employee sees hardly more than the name."""
    if member()["role"] == "employee":
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


def account_of(account_id: str) -> Row | None:
    """The account of this id; with `ids_changed` only the new one is answered to."""
    if call().fault("ids_changed") is not None:
        account_id = {new: old for old, new in changed_ids(list(organization().accounts)).items()}.get(account_id, "")
    return None if account_id == _gone_account() else organization().accounts.get(account_id)


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
    return reply(page_of(lists.BANK_ACCOUNTS, _accounts(with_external=False)))


@blueprint.get("/bank_accounts/<account_id>")
@needs("organization.read")
def show_bank_account(account_id: str) -> Response:
    """One account."""
    return reply({"bank_account": _account(known(account_of(account_id)))})


@blueprint.get("/membership")
@needs("membership.read")
def show_membership() -> Response:
    """The user whose token this is."""
    return reply({"membership": {name: value for name, value in member().items() if name != "sca"}})


# --- transactions --------------------------------------------------------------------------------------------------


@blueprint.get("/transactions")
@needs("organization.read")
def list_transactions() -> Response:
    """Movements of one account; which one must be said."""
    account_id, iban = request.args.get("bank_account_id"), request.args.get("iban")
    if not account_id and not iban:
        raise refuse(422, "missing", "bank_account_id or iban is missing")
    if account_id:
        account = account_of(account_id)
    else:
        account = next((account for account in organization().accounts.values() if account["iban"] == iban), None)
    if account is None or account["id"] == _gone_account():
        raise ApiError(404, None)
    if account["id"] == (call().fault("403_account") or {}).get("bank_account_id"):
        raise refuse(403, "forbidden", "Forbidden")
    _demand_sca("transaction.list", account["id"])
    rows = [row for row in organization().rows("transactions") if row["bank_account_id"] == account["id"]]
    page = page_of(lists.TRANSACTIONS, rows)
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


def in_plan() -> None:
    """Refuses what the smallest plan does not hold."""
    if organization().plan == "solo_basic":
        raise not_in_plan()


@blueprint.get("/supplier_invoices")
@needs("supplier_invoice.read")
def list_supplier_invoices() -> Response:
    """Invoices from suppliers, and whatever else landed there."""
    in_plan()
    return reply(page_of(lists.SUPPLIER_INVOICES, organization().rows("supplier_invoices")))


@blueprint.get("/supplier_invoices/<row_id>")
@needs("supplier_invoice.read")
def show_supplier_invoice(row_id: str) -> Response:
    """One of them."""
    in_plan()
    return single("supplier_invoice", organization().row("supplier_invoices", row_id))


@blueprint.get("/client_invoices")
@needs("client_invoices.read")
def list_client_invoices() -> Response:
    """Invoices to customers."""
    return reply(page_of(lists.CLIENT_INVOICES, organization().rows("client_invoices")))


@blueprint.get("/client_invoices/<row_id>")
@needs("client_invoices.read")
def show_client_invoice(row_id: str) -> Response:
    """One of them."""
    return single("client_invoice", organization().row("client_invoices", row_id))


@blueprint.get("/credit_notes")
@needs("client_invoices.read")
def list_credit_notes() -> Response:
    """Credit notes to customers."""
    return reply(page_of(lists.CREDIT_NOTES, organization().rows("credit_notes")))


@blueprint.get("/credit_notes/<row_id>")
@needs("client_invoices.read")
def show_credit_note(row_id: str) -> Response:
    """One of them."""
    return single("credit_note", organization().row("credit_notes", row_id))


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


# --- webhooks ------------------------------------------------------------------------------------------------------


@blueprint.get("/webhook_subscriptions")
@needs("webhook")
def list_webhook_subscriptions() -> Response:
    """What the organisation's apps want to be told."""
    return reply(page_of(lists.SUBSCRIPTIONS, world().hooks.of(organization().id)))


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


def _polled(token: str) -> Response:
    """How far a confirmation is. Faults change what is told, never what was decided."""
    session, now = world().sca.find(token, connection()), world().clock.now()
    if session is None:
        raise not_found()
    if call().fault("sca_expired") is not None:
        raise over()
    told = next((result for name, result in (("sca_wait", WAITING), ("sca_deny", DENY)) if call().fault(name) is not None), None)
    return reply({"result": told or session.result_at(now), "canceled_at": None})


@blueprint.get("/sca_sessions/<token>")
@needs("payment.write", "organization.read")
def show_sca_session(token: str) -> Response:
    """How far a confirmation is; only the connection that caused it may ask."""
    return _polled(token)


@blueprint.route("/mocked_sca_sessions/<token>", methods=["GET"])
@blueprint.route("/mocked_sca_sessions/<token>/<decision>", methods=["POST"])
def mocked_sca_session(token: str, decision: str = "") -> Response:
    """Only the sandbox knows this address: there nobody has a phone."""
    if world().settings["staging_token"] is None:
        raise GatewayNotFound
    return _mocked(token, decision)


@needs("payment.write", "organization.read")
def _mocked(token: str, decision: str) -> Response:
    session = world().sca.find(token, connection())
    if session is None or decision not in {"", ALLOW, DENY}:
        raise not_found()
    if not decision:
        return _polled(token)
    world().sca.decide(session, decision, world().clock.now())
    return reply({"message": "Success"})


@blueprint.delete("/oauth2/consents")
@needs("organization.read")
def delete_consent() -> Response:
    """The user takes back what he allowed this app: all its connections end."""
    mine = connection()
    world().grants.end(mine.organization_id, mine.client_id, mine.membership_id)
    return Response(status=204)
