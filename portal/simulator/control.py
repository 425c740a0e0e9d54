"""The control door: JSON for tests and the demo. No authorisation; the server lets only this machine in."""

from __future__ import annotations

import base64
import binascii
import uuid
from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, current_app, request

from portal.simulator import payables, rows
from portal.simulator.clock import moment_of, stamp
from portal.simulator.context import reply, world
from portal.simulator.errors import DoorError
from portal.simulator.files import Attachment
from portal.simulator.grants import SCOPES, App
from portal.simulator.names import Row, cents_of
from portal.simulator.papers import Line, Paper, Party, render
from portal.simulator.payees import is_iban
from portal.simulator.sca import ALLOW, DENY
from portal.simulator.state import Organization

blueprint = Blueprint("control", __name__, url_prefix="/_control")
STATUSES = ("pending", "declined", "completed", "reversed")


def _body() -> Row:
    body = request.get_json(force=True, silent=True)
    if not isinstance(body, dict):
        raise DoorError(400, "the body must be a JSON object")
    return body


def _typed(body: Row, name: str, *kinds: type, required: bool = True) -> Any:
    value = body.get(name)
    if value is None and not required:
        return None
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        raise DoorError(400, f"{name} is missing or of a wrong kind")
    return value


def _organization(body: Row) -> Organization:
    return world().organization(_typed(body, "organization", str, required=False))


@blueprint.get("/health")
def health() -> Response:
    """It answers."""
    return reply({"ok": True})


@blueprint.post("/reset")
def reset() -> Response:
    """Everything as after the start."""
    seed = _typed(_body(), "seed", int)
    world().reset(seed)
    return reply({"seed": seed, "now": stamp(world().clock.now())})


@blueprint.get("/organizations")
def organizations() -> Response:
    """Who is there, with ids for tests, and what the lists hold."""
    told = []
    for known in world().organizations:
        transactions = known.rows("transactions")
        counts: Row = {
            name: len(known.rows(name)) for name in ("supplier_invoices", "client_invoices", "credit_notes", "beneficiaries")
        }
        counts["transactions"] = {status: sum(row["status"] == status for row in transactions) for status in STATUSES}
        fields = ("id", "name", "iban", "main", "status", "is_external_account")
        told.append(
            {
                **{name: getattr(known, name) for name in ("id", "slug", "legal_name", "plan")},
                "memberships": [{name: member[name] for name in ("id", "email", "role", "sca")} for member in known.memberships],
                "bank_accounts": [{name: account[name] for name in fields} for account in known.accounts.values()],
                "counts": counts,
            }
        )
    return reply({"now": stamp(world().clock.now()), "seed": world().seed, "organizations": told})


@blueprint.post("/clients")
def clients() -> Response:
    """Register an app, or replace the one of this id."""
    body = _body()
    scopes = _typed(body, "scopes", list, required=False)
    app = App(
        _typed(body, "client_id", str),
        _typed(body, "client_secret", str),
        tuple(_typed(body, "redirect_uris", list)),
        None if scopes is None else frozenset(scopes),
    )
    world().grants.apps[app.client_id] = app
    return reply({name: body.get(name) for name in ("client_id", "client_secret", "redirect_uris", "scopes")}, 201)


@blueprint.post("/tokens")
def tokens() -> Response:
    """A connection without the way through the consent page."""
    body = _body()
    known, scopes = _organization(body), tuple(_typed(body, "scope", str).split())
    if unknown := [scope for scope in scopes if scope not in SCOPES]:
        raise DoorError(400, f"unknown scope: {unknown[0]}")
    wanted = body.get("membership")
    member = next(
        (m["id"] for m in known.memberships if (m["id"] == wanted if wanted else m["role"] == "owner")),
        None,
    )
    client_id = body.get("client_id") or "belegfluss"
    if member is None or client_id not in world().grants.apps:
        raise DoorError(404, "unknown membership or client")
    connection = world().grants.connect(client_id, known.id, member, scopes)
    issued = {"refresh_token": None, **world().grants.issue(connection, world().clock.now())}
    return reply(
        {**issued, "organization_id": known.id, "membership_id": member, "connection_id": connection.id},
        201,
    )


def _clock() -> Response:
    return reply({"now": stamp(world().clock.now()), "frozen": world().clock.is_frozen})


@blueprint.get("/clock")
def show_clock() -> Response:
    """What time it is here."""
    return _clock()


@blueprint.post("/clock")
def set_clock() -> Response:
    """Let time pass, stop it, let it go on."""
    body = _body()
    seconds, frozen = _typed(body, "advance_seconds", int, float, required=False), _typed(body, "frozen", bool, required=False)
    if seconds is not None and seconds < 0:
        raise DoorError(400, "time does not go back")
    if frozen is not None:
        world().clock.freeze(frozen)
    world().clock.advance(seconds or 0)
    world().catch_up()
    return _clock()


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


_SETTINGS: dict[str, Callable[[Any], bool]] = {
    **dict.fromkeys(("rate_limit_10s", "rate_limit_10min", "unauthorized_limit_1h"), lambda v: v is None or _is_count(v)),
    **dict.fromkeys(("retry_after", "files_refuse_bearer", "transfers_pay_invoices"), lambda v: isinstance(v, bool)),
    "past_last_page": lambda v: v in {"422", "empty"},
    "staging_token": lambda v: v is None or (isinstance(v, str) and v != ""),
    "latency_ms": _is_count,
}


@blueprint.get("/settings")
def show_settings() -> Response:
    """All settings."""
    return reply(world().settings)


@blueprint.post("/settings")
def change_settings() -> Response:
    """Change some; nonsense changes nothing."""
    body = _body()
    for name, value in body.items():
        if name not in _SETTINGS:
            raise DoorError(400, f"unknown setting: {name}")
        if isinstance(value, (dict, list)) or not _SETTINGS[name](value):
            raise DoorError(400, f"{name} is of a wrong kind")
    world().settings.update(body)
    return reply(world().settings)


@blueprint.get("/faults")
def show_faults() -> Response:
    """What is armed, and what could be."""
    return reply(world().faults.shown)


@blueprint.post("/faults")
def arm_fault() -> Response:
    """Arm a fault."""
    body = _body()
    match, args = (_typed(body, name, dict, required=False) or {} for name in ("match", "args"))
    times = _typed(body, "times", int, required=False)
    armed = world().faults.arm(_typed(body, "fault", str), match, args, times).shown
    if armed["fault"] == "tls_bad":
        armed["url"] = world().bad_tls.open(current_app.wsgi_app)
    return reply(armed, 201)


@blueprint.delete("/faults")
def disarm_faults() -> Response:
    """Nothing is armed any more."""
    world().faults.disarm()
    world().bad_tls.close()
    return Response(status=204)


@blueprint.get("/log")
def log() -> Response:
    """Every call to the API, OAuth and the files."""
    since = request.args.get("since", "0")
    if not since.isdecimal():
        raise DoorError(400, "since is a number")
    return reply(world().log.since(int(since)))


@blueprint.get("/sca")
def sca_sessions() -> Response:
    """What users were asked to confirm, oldest first."""
    return reply({"sessions": world().sca.shown(world().clock.now())})


@blueprint.post("/sca/<token>")
def decide_sca(token: str) -> Response:
    """What the user pressed on the phone."""
    decision, now = _typed(_body(), "decision", str), world().clock.now()
    session = world().sca.find(token)
    if session is None:
        raise DoorError(404, "unknown id")
    if decision not in {ALLOW, DENY}:
        raise DoorError(400, "decision is allow or deny")
    world().sca.decide(session, decision, now)
    return reply({"result": session.result_at(now)})


@blueprint.post("/requests/<request_id>")
def decide_request(request_id: str) -> Response:
    """What the releasing user pressed in the bank's app; too late, or a second time, changes nothing."""
    decision = _typed(_body(), "decision", str)
    if decision not in {"approve", "decline"}:
        raise DoorError(400, "decision is approve or decline")
    row = world().payments.decide(request_id, decision, world().clock.now())
    if row is None:
        raise DoorError(404, "unknown id")
    return reply({"status": row["status"]})


@blueprint.get("/executions")
def executions() -> Response:
    """Every transfer that was made, and how often each payment was: the proof that nothing was paid twice."""
    wanted = request.args.get("organization")
    return reply(world().payments.executions(world().organization(wanted).id if wanted else None))


@blueprint.post("/consent/revoke")
def revoke_consent() -> Response:
    """The user ends the connections in the bank's app."""
    body = _body()
    return reply({"revoked": world().grants.end(_organization(body).id, _typed(body, "client_id", str, required=False))})


# --- rows ----------------------------------------------------------------------------------------------------------


def _file(known: Organization, given: Any) -> Attachment:
    if not isinstance(given, dict):
        raise DoorError(400, "a file is an object")
    try:
        content = base64.b64decode(_typed(given, "content_base64", str), validate=True)
    except binascii.Error:
        raise DoorError(400, "content_base64 is not base64") from None
    name, kind = _typed(given, "file_name", str), _typed(given, "file_content_type", str)
    return _keep(known, name, kind, lambda: content)


def _keep(known: Organization, name: str, kind: str, make: Callable[[], bytes]) -> Attachment:
    attachment = Attachment(str(uuid.uuid4()), known.id, name, kind, stamp(world().clock.now()), make)
    world().files.add(attachment)
    return attachment


def _paper(known: Organization, row: Row) -> bytes:
    """A plain invoice with what the row says, for rows that come without a file."""
    cents = cents_of(row.get("total_amount")) or 0
    now = world().clock.now().date()
    seller = Party(row.get("supplier_name") or known.legal_name, "Musterweg 1", "20095", "Hamburg", iban=row.get("iban") or "")
    buyer = Party(known.legal_name, "Musterweg 2", "20095", "Hamburg")
    number = row.get("invoice_number") or row.get("number") or row["id"][:8]
    return render(Paper("Rechnung", number, seller, buyer, now, None, (Line("Leistung", 1, cents),), 0), "pdf")


def _store(table: str, name: str, build: Callable[[str, Row], Row]) -> Response:
    """Add a row, or replace fields of the one with this id."""
    body = _body()
    known, given = _organization(body), dict(_typed(body, name, dict))
    row_id = given.get("id") or str(uuid.uuid4())
    before = known.tables[table].get(row_id)
    if body.get("file") is not None:
        attachment = _file(known, body["file"])
        given |= {"attachment_id": attachment.id, "file_name": attachment.file_name}
        if table == "supplier_invoices":
            given["display_attachment_id"] = attachment.id
        else:
            del given["file_name"]
    now = stamp(world().clock.now())
    row = build(row_id, given) if before is None else {**before, "updated_at": now, **given}
    if row.get("attachment_id") is None and table != "client_invoices":  # only those may be without
        made = _keep(known, row.get("file_name", f"{table}.pdf"), "application/pdf", lambda: _paper(known, row))
        row["attachment_id"] = made.id
        if table == "supplier_invoices":
            row["display_attachment_id"] = made.id
    if table == "supplier_invoices" and "available_actions" not in given:
        payables.describe(row)
    known.tables[table][row_id] = row
    _hide(known, row_id, body)
    world().hooks.changed(known.id, table, row)
    return reply({name: row}, 201 if before is None else 200)


def _hide(known: Organization, row_id: str, body: Row) -> None:
    match _typed(body, "hidden", bool, required=False):
        case True:
            known.hidden.add(row_id)
        case False:
            known.hidden.discard(row_id)


@blueprint.post("/supplier_invoices")
def put_supplier_invoice() -> Response:
    """Put in or change a supplier invoice."""
    known, now = _organization(_body()), world().clock.now()
    return _store("supplier_invoices", "supplier_invoice", lambda i, given: rows.supplier_invoice(i, known.id, now, given))


@blueprint.post("/client_invoices")
def put_client_invoice() -> Response:
    """Put in or change a client invoice."""
    known, now = _organization(_body()), world().clock.now()
    return _store("client_invoices", "client_invoice", lambda i, given: rows.client_invoice(i, known.id, now, given))


@blueprint.post("/credit_notes")
def put_credit_note() -> Response:
    """Put in or change a credit note."""
    known, now = _organization(_body()), world().clock.now()
    return _store("credit_notes", "credit_note", lambda i, given: rows.credit_note(i, known.id, now, given))


@blueprint.post("/beneficiaries")
def put_beneficiary() -> Response:
    """Put in or change somebody who is paid: trusting one, for example, which users do in the bank's app."""
    body, now = _body(), world().clock.now()
    known, given = _organization(body), dict(_typed(body, "beneficiary", dict))
    row_id = given.get("id") or str(uuid.uuid4())
    before = known.tables["beneficiaries"].get(row_id)
    if before is None and not (given.get("name") and is_iban(given.get("iban", ""))):
        raise DoorError(400, "a beneficiary has a name and an IBAN")
    row = rows.beneficiary(row_id, now, given) if before is None else {**before, "updated_at": stamp(now), **given}
    known.tables["beneficiaries"][row_id] = row
    _hide(known, row_id, body)
    return reply({"beneficiary": row}, 201 if before is None else 200)


@blueprint.post("/transactions")
def put_transaction() -> Response:
    """Put in or change a movement; a booked one moves the balance."""
    body, now = _body(), world().clock.now()
    known, given = _organization(body), dict(_typed(body, "transaction", dict))
    row_id = given.get("id") or str(uuid.uuid4())
    before = known.tables["transactions"].get(row_id)
    given.setdefault("bank_account_id", before["bank_account_id"] if before else known.main_account["id"])
    if given["bank_account_id"] not in known.accounts:
        raise DoorError(404, "unknown bank_account_id")
    if given.get("status", "completed") not in STATUSES:
        raise DoorError(400, "status is unknown")
    if files := _typed(body, "files", list, required=False):
        given["attachment_ids"] = [_file(known, file).id for file in files]
    if before is not None:
        if "amount_cents" not in given and "amount" in given:
            given["amount_cents"] = round(float(given["amount"]) * 100)
        given = {**before, "updated_at": stamp(now), **given}
    row = rows.transaction(row_id, now, given)
    if row["status"] == "completed":
        row["settled_at"] = row["settled_at"] or stamp(now)
        try:
            moment_of(row["settled_at"])
        except (TypeError, ValueError):
            raise DoorError(400, "settled_at is no timestamp with an offset") from None
    elif row["status"] != "reversed":
        row["settled_at"] = None
    known.put_transaction(row)
    _hide(known, row_id, body)
    world().hooks.changed(known.id, "transactions", row)
    return reply({"transaction": row}, 201 if before is None else 200)
