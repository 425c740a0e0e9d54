"""Prepare, check, approve, wait, see what became of it."""

from __future__ import annotations

import uuid
from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import ngettext

from portal.domain.payments import sepa
from portal.errors import PortalError, Rejected
from portal.services import finding
from portal.services.payments import paying, payment_pages, preparing
from portal.services.payments.paying import Refused
from portal.services.people import admitting, authenticating
from portal.services.review import deciding
from portal.web.access import actor, admin, for_clients, ports, signed_in, staff
from portal.web.forms import refuse
from portal.web.htmx import fragment, notice
from portal.web.payments.forms import FLAW_WORDS, ApprovalForm, OrderForm, PaymentForm, RulesForm

blueprint = Blueprint("payments", __name__)


@blueprint.get("/payments")
@signed_in
def index() -> ResponseReturnValue:
    """A client's orders."""
    with ports().database.read() as session:
        page = payment_pages.index(session, actor(), now=ports().clock.now(), client_id=request.args.get("client", ""))
    return render_template("payments/page.html", page=page)


@blueprint.get("/clients/<id:client_id>/payments/new")
@signed_in
def before_preparing(client_id: str) -> ResponseReturnValue:
    """The form of a single payment."""
    return _form(client_id, PaymentForm.new())


@blueprint.post("/clients/<id:client_id>/payments/new")
@signed_in
def prepare(client_id: str) -> ResponseReturnValue:
    """Have the payee checked; nothing is ordered before somebody approves."""
    form = PaymentForm()
    if form.validate_on_submit() and (wanted := form.wanted()) is not None:
        try:
            batch_id = preparing.prepare(
                ports(), actor(), client_id, form_key=form.form_key.data, account_id=form.account.data,
                execute_on=form.execute_on.data, wanted=[wanted],
            )  # fmt: skip
        except Refused as problem:
            form.refuse(problem)
        except preparing.UsedForm as problem:
            return _form(client_id, form, used_for=problem.batch_id), problem.status
        else:
            return redirect(url_for("payments.show", batch_id=batch_id), 303)
    return _form(client_id, form), 422


@blueprint.get("/clients/<id:client_id>/payments/invoices")
@signed_in
def invoices(client_id: str) -> ResponseReturnValue:
    """The open supplier invoices, as the bank has them now."""
    form = OrderForm(formdata=None, form_key=str(uuid.uuid4()))
    return _invoices(client_id, form)


@blueprint.post("/clients/<id:client_id>/payments/invoices")
@signed_in
def choose(client_id: str) -> ResponseReturnValue:
    """Pay all of them or those that are ticked: one order, one approval, one confirmation."""
    form, page = OrderForm(), payment_pages.invoices(ports(), actor(), client_id)
    ticked = set(request.form.getlist("invoice"))
    chosen = [offer.wanted for offer in page.payable if "all" in request.form or offer.invoice.id in ticked]
    if form.validate_on_submit():
        try:
            batch_id = preparing.prepare(
                ports(), actor(), client_id, form_key=form.form_key.data, account_id=form.account.data,
                execute_on=form.execute_on.data, wanted=[one for one in chosen if one],
            )  # fmt: skip
        except Refused as problem:
            form.refuse(problem)
        except preparing.UsedForm as problem:
            return _invoices(client_id, form, ticked, used_for=problem.batch_id), problem.status
        else:
            return redirect(url_for("payments.show", batch_id=batch_id), 303)
    return _invoices(client_id, form, ticked), 422


@blueprint.post("/payments/iban")
@signed_in
def check_iban() -> ResponseReturnValue:
    """Whether what was typed is an IBAN; asked while the form is filled in. Not by an address: those are written down."""
    number = sepa.plain_iban(request.form.get("iban", ""))[:50]
    return fragment("payments/_iban.html", page=url_for("payments.index"), number=number, is_right=sepa.is_iban(number))


@blueprint.get("/payments/<id:batch_id>")
@signed_in
def show(batch_id: str) -> ResponseReturnValue:
    """One order: to be checked and approved, on its way, or at its end."""
    return _show(batch_id, ApprovalForm(formdata=None))


@blueprint.get("/payments/<id:batch_id>/progress")
@signed_in
def progress(batch_id: str) -> ResponseReturnValue:
    """How far it is, alone; asked again by the page until it is over."""
    with ports().database.read() as session:
        page = payment_pages.one(session, actor(), batch_id, now=ports().clock.now())
    return fragment("payments/_batch.html", page=url_for("payments.show", batch_id=batch_id), found=page)


@blueprint.post("/payments/<id:batch_id>/approval")
@for_clients
def approve(batch_id: str) -> ResponseReturnValue:
    """Let it go, after showing once more who one is."""
    form = ApprovalForm()
    is_filled = form.validate_on_submit()
    shown: dict[str, Any] = {
        "seen": form.seen.data or "",
        "accepted": request.form.getlist("accepted"),
        "now": ports().clock.now(),
    }
    try:
        with ports().database.read() as session:  # a code works once: it is not used up for what cannot be approved
            is_open = paying.is_to_be_approved(session, actor(), finding.batch(session, actor(), batch_id), **shown)
        if is_open and not is_filled:
            return _show(batch_id, form), 422
        if is_open:
            authenticating.show_second_factor(ports(), user_id=actor().user_id, code=form.code.data or "", is_sign_in=False)
            with ports().database.write() as session:
                batch, key = finding.batch(session, actor(), batch_id), ports().settings.secret_key
                run = paying.approve(session, actor(), batch, key=key, **shown)
            if run is not None:
                deciding.start(ports(), run)
    except authenticating.WrongCode as problem:
        refuse(form.code, problem)
        return _show(batch_id, form), problem.status
    except Rejected as problem:
        return _show(batch_id, form, problem), problem.status
    return redirect(url_for("payments.show", batch_id=batch_id), 303)


@blueprint.get("/payments/<id:batch_id>/details")
@signed_in
def before_changing(batch_id: str) -> ResponseReturnValue:
    """The form of an order that is to be changed."""
    with ports().database.read() as session:
        batch = finding.batch(session, actor(), batch_id)
    return _form(batch.client_id, PaymentForm.over(batch), batch_id=batch_id, is_single=_is_single(batch_id))


@blueprint.post("/payments/<id:batch_id>/details")
@signed_in
def change(batch_id: str) -> ResponseReturnValue:
    """Change it; an approval that was given is void then."""
    is_single = _is_single(batch_id)
    form = PaymentForm() if is_single else OrderForm()
    wanted = form.wanted() if form.validate_on_submit() and isinstance(form, PaymentForm) else None
    if not form.errors:
        try:
            preparing.change(
                ports(), actor(), batch_id, account_id=form.account.data, execute_on=form.execute_on.data, wanted=wanted
            )
        except Refused as problem:
            form.refuse(problem)
        else:
            return redirect(url_for("payments.show", batch_id=batch_id), 303)
    with ports().database.read() as session:
        client_id = finding.batch(session, actor(), batch_id).client_id
    return _form(client_id, form, batch_id=batch_id, is_single=is_single), 422


@blueprint.post("/payments/<id:batch_id>/payees")
@signed_in
def check_payees(batch_id: str) -> ResponseReturnValue:
    """Ask the payees' banks again."""
    if not preparing.check_again(ports(), actor(), batch_id):
        notice(_("The payees' banks cannot be asked at the moment. Please try again in a few minutes."))
    return redirect(url_for("payments.show", batch_id=batch_id), 303)


@blueprint.post("/payments/<id:batch_id>/request")
@staff
def send_as_request(batch_id: str) -> ResponseReturnValue:
    """Lay it into the bank's app, where the client releases it."""
    with ports().database.write() as session:
        run = paying.send_as_request(session, finding.batch(session, actor(), batch_id), now=ports().clock.now())
    if run is not None:
        deciding.start(ports(), run)
    return redirect(url_for("payments.show", batch_id=batch_id), 303)


@blueprint.post("/payments/<id:batch_id>/cancellation")
@signed_in
def cancel(batch_id: str) -> ResponseReturnValue:
    """Give it up; the bank has not got it."""
    with ports().database.write() as session:
        paying.cancel(session, finding.batch(session, actor(), batch_id), now=ports().clock.now())
    notice(_("Cancelled. Nothing is transferred."))
    return redirect(url_for("payments.show", batch_id=batch_id), 303)


@blueprint.post("/payments/<id:batch_id>/confirmation")
@for_clients
def ask_again(batch_id: str) -> ResponseReturnValue:
    """Another request on the phone."""
    with ports().database.write() as session:
        run = paying.ask_again(session, finding.batch(session, actor(), batch_id), now=ports().clock.now())
    deciding.start(ports(), run)
    return redirect(url_for("payments.show", batch_id=batch_id), 303)


@blueprint.post("/payments/<id:batch_id>/recall")
@signed_in
def recall(batch_id: str) -> ResponseReturnValue:
    """Stop at the bank what has not left yet."""
    count = preparing.recall(ports(), actor(), batch_id)
    notice(ngettext("%(num)d payment is stopped.", "%(num)d payments are stopped.", count))
    return redirect(url_for("payments.show", batch_id=batch_id), 303)


@blueprint.post("/payments/<id:batch_id>/retry")
@signed_in
def retry(batch_id: str) -> ResponseReturnValue:
    """A new order of what did not come through."""
    made = preparing.retry(ports(), actor(), batch_id, form_key=_key(request.form.get("form_key", "")))
    return redirect(url_for("payments.show", batch_id=made), 303)


@blueprint.post("/clients/<id:client_id>/payments/rules")
@admin
def change_rules(client_id: str) -> ResponseReturnValue:
    """Switch payments on or off for a client, and bound them."""
    form = RulesForm()
    if not form.validate():
        raise Rejected("Enter the limits as amounts in euros, for example 5000,00.")
    with ports().database.write() as session:
        client = finding.client(session, actor(), client_id)
        paying.change_rules(session, client, now=ports().clock.now(), **form.values)  # type: ignore[arg-type]
    notice(_("Saved."))
    return redirect(url_for("clients.show", client_id=client_id), 303)


@blueprint.post("/clients/<id:client_id>/people/<id:user_id>/payments")
@admin
def change_payer(client_id: str, user_id: str) -> ResponseReturnValue:
    """Whether somebody of the client may pay."""
    with ports().database.write() as session:
        client = finding.client(session, actor(), client_id)
        admitting.change_payer(
            session, client, user_id, may_pay=request.form.get("may_pay") == "1", now=ports().clock.now()
        )  # fmt: skip
    notice(_("Saved."))
    return redirect(url_for("clients.show", client_id=client_id), 303)


def _is_single(batch_id: str) -> bool:
    """Whether everything about it may be changed: one payment that no invoice stands behind."""
    with ports().database.read() as session:
        batch = finding.batch(session, actor(), batch_id)
        return len(batch.payments) == 1 and batch.payments[0].invoice_id is None


def _key(text: str) -> str:
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise Rejected("This page was open for too long. Please reload it and try again.") from None


def _form(client_id: str, form: OrderForm, *, batch_id: str = "", is_single: bool = True, used_for: str = "") -> str:
    page = payment_pages.form(ports(), actor(), client_id)
    form.offer(page.accounts)
    return render_template("payments/new.html", page=page, form=form, batch_id=batch_id, is_single=is_single, used_for=used_for)


def _invoices(client_id: str, form: OrderForm, ticked: set[str] | None = None, *, used_for: str = "") -> str:
    page = payment_pages.invoices(ports(), actor(), client_id)
    form.offer(page.form.accounts)
    return render_template("payments/invoices.html", page=page, form=form, ticked=ticked, used_for=used_for)


def _show(batch_id: str, form: ApprovalForm, problem: PortalError | None = None) -> str:
    with ports().database.read() as session:
        page = payment_pages.one(session, actor(), batch_id, now=ports().clock.now())
    if isinstance(problem, Refused):
        told = [FLAW_WORDS[flaw] for flaw in problem.kinds]
    else:
        told = [_(problem.message)] if problem else []
    return render_template("payments/batch.html", found=page, form=form, told=told, form_key=str(uuid.uuid4()))
