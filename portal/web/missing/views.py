"""What can be done about a transaction without a receipt. The list itself stands among the receipts (`receipts.missing`)."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import ngettext

from portal.domain.explanations import PLAIN, Reason
from portal.errors import Rejected
from portal.services import finding
from portal.services.receipts import attesting, explaining
from portal.services.receipts import missing as missing_receipts
from portal.services.receipts.missing import MOST_GUESSED, MOST_PRINTED, LinePage
from portal.web.access import actor, ports, signed_in
from portal.web.filters import day
from portal.web.forms import refuse
from portal.web.htmx import fragment, is_fragment_request, notice
from portal.web.missing.forms import ExplanationForm, OwnReceiptForm
from portal.web.missing.place import back, filters, place

blueprint = Blueprint("missing", __name__)
MOST_NAMED = 5  #: in one notice


@blueprint.get("/receipts/missing/print")
@signed_in
def printed() -> ResponseReturnValue:
    """The list as paper wants it."""
    with ports().database.read() as session:
        found = missing_receipts.whole(session, actor(), filters())
    return render_template("missing/print.html", found=found, most=MOST_PRINTED)


@blueprint.get("/clients/<id:client_id>/missing/guesses")
@signed_in
def before_explaining_together(client_id: str) -> ResponseReturnValue:
    """What the machine supposes, counted and added up, before a person says it."""
    with ports().database.read() as session:
        found = missing_receipts.guessed(session, actor(), filters(client_id=client_id))
    return render_template("missing/together.html", found=found, from_list=place(), most=MOST_GUESSED)


@blueprint.post("/clients/<id:client_id>/missing/guesses")
@signed_in
def explain_together(client_id: str) -> ResponseReturnValue:
    """Say what is ticked, each by itself; tells about how many, and what had changed meanwhile."""
    said = [_guess(value) for value in request.form.getlist("guess")[:MOST_GUESSED]]
    if not said:
        raise Rejected("Choose at least one transaction.")
    with ports().database.write() as session:
        count, changed = explaining.explain_several(session, actor(), client_id, said, now=ports().clock.now())
        notice(
            ngettext(
                "%(num)d transaction noted: no receipt is needed.", "%(num)d transactions noted: no receipt is needed.", count
            )
        )
        if changed:
            names = ", ".join(f"{one.counterparty or _('Without a name')}, {day(one.booked_on)}" for one in changed[:MOST_NAMED])
            notice(
                ngettext(
                    "%(num)d had changed in the meantime and was left as it is: %(names)s",
                    "%(num)d had changed in the meantime and were left as they are: %(names)s", len(changed), names=names,
                )
            )  # fmt: skip
    return redirect(back(client_id), 303)


def _guess(value: str) -> tuple[str, Reason]:
    """A ticked transaction with what was supposed about it. Errors: Rejected."""
    match value.split(" "):
        case [transaction_id, reason] if reason in PLAIN:
            return transaction_id, Reason(reason)
    raise Rejected("This page is out of date. Please open it again.")


@blueprint.get("/transactions/<id:transaction_id>/explanation")
@signed_in
def before_explaining(transaction_id: str) -> ResponseReturnValue:
    """All reasons that there are, the most likely one chosen."""
    with ports().database.read() as session:
        found = missing_receipts.line(session, actor(), transaction_id)
    reason = request.args.get("reason") or (found.said.reason if found.said else found.guess)
    note, seen = (found.said.note, found.said.id) if found.said else ("", "")
    form = ExplanationForm(formdata=None, reason=reason, note=note, seen=seen)
    return render_template("missing/explanation.html", form=form, found=found, from_list=place())


@blueprint.post("/transactions/<id:transaction_id>/explanation")
@signed_in
def explain(transaction_id: str) -> ResponseReturnValue:
    """Say why there is no receipt, or something else than before."""
    form = ExplanationForm()
    try:
        if not form.validate():
            raise Rejected("Please choose why there is no receipt.")
        reason = Reason(form.reason.data)
        with ports().database.write() as session:
            transaction = finding.transaction(session, actor(), transaction_id)
            explaining.explain(
                session, transaction, reason=reason, note=form.note.data, seen=form.seen.data or "", now=ports().clock.now()
            )
    except Rejected as problem:
        if is_fragment_request():
            raise
        if not form.errors:
            refuse(form.note, problem)
        with ports().database.read() as session:
            found = missing_receipts.line(session, actor(), transaction_id)
        return render_template("missing/explanation.html", form=form, found=found, from_list=place()), 422
    notice(_("The receipt is noted as lost.") if reason is Reason.LOST else _("Noted: no receipt is needed here."))
    return _list(transaction.client_id, transaction.id)


@blueprint.post("/explanations/<id:explanation_id>/withdrawal")
@signed_in
def withdraw(explanation_id: str) -> ResponseReturnValue:
    """Take back what was said."""
    with ports().database.write() as session:
        said = finding.explanation(session, actor(), explanation_id)
        explaining.withdraw(session, said, now=ports().clock.now())
    notice(_("Taken back. The transaction is open again."))
    return _list(said.client_id, said.transaction_id)


@blueprint.get("/transactions/<id:transaction_id>/own-receipt")
@signed_in
def before_writing(transaction_id: str) -> ResponseReturnValue:
    """What is known stands in the form already."""
    with ports().database.read() as session:
        found = missing_receipts.line(session, actor(), transaction_id)
    transaction = found.transaction
    form = OwnReceiptForm(
        formdata=None, payee=transaction.counterparty, amount=found.open_cents, paid_on=transaction.booked_on,
        why_none=found.said.note if found.said and found.said.reason == Reason.LOST else "",
    )  # fmt: skip
    return _own_receipt_page(form, found)


@blueprint.post("/transactions/<id:transaction_id>/own-receipt")
@signed_in
def write(transaction_id: str) -> ResponseReturnValue:
    """Write the own receipt; it is assigned at once."""
    with ports().database.read() as session:
        found = missing_receipts.line(session, actor(), transaction_id)
    form = OwnReceiptForm()
    form.room, form.currency = found.open_cents or found.transaction.amount_cents, found.transaction.currency
    if form.validate_on_submit():
        try:
            receipt_id = attesting.write(ports(), actor(), transaction_id=transaction_id, stated=form.stated)
        except Rejected as problem:
            refuse(form.purpose, problem)
        else:
            notice(_("Your own receipt is here and assigned to its transaction."))
            return redirect(url_for("receipts.show", receipt_id=receipt_id), 303)
    return _own_receipt_page(form, found), 422


def _own_receipt_page(form: OwnReceiptForm, found: LinePage) -> str:
    return render_template("missing/own_receipt.html", form=form, found=found, from_list=place())


def _list(client_id: str, transaction_id: str) -> ResponseReturnValue:
    """The list again, with the transaction in its place, whatever became of it."""
    if not is_fragment_request():
        return redirect(back(client_id, kept=transaction_id), 303)
    with ports().database.read() as session:
        found = missing_receipts.index(session, actor(), filters(kept=transaction_id, client_id=client_id))
    return fragment("missing/_list.html", page=back(client_id, kept=transaction_id), found=found)
