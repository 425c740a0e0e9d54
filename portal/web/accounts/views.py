"""Finances → Accounts → Add account, and what can be done with one."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from portal.errors import PortalError, Rejected
from portal.services import finding
from portal.services.accounts import choosing, discarding
from portal.services.connections import connection_pages
from portal.services.people import authenticating
from portal.services.review import deciding
from portal.web.access import actor, for_clients, ports, signed_in
from portal.web.accounts.forms import AccountForm, ChoiceForm, DeletionForm, OfflineForm
from portal.web.forms import refuse
from portal.web.htmx import notice

blueprint = Blueprint("accounts", __name__)
BANKS = ("Qonto",)  #: whom we can connect to


@blueprint.get("/clients/<id:client_id>/accounts/new")
@signed_in
def add(client_id: str) -> ResponseReturnValue:
    """Connect a new account, found by its bank's name, or keep one offline."""
    with ports().database.read() as session:
        page = connection_pages.books(session, actor(), now=ports().clock.now(), client_id=client_id)
    wanted = request.args.get("q", "").strip()
    found = [bank for bank in BANKS if wanted and wanted.casefold() in bank.casefold()]
    return render_template("accounts/add.html", page=page, wanted=wanted, found=found)


@blueprint.get("/clients/<id:client_id>/accounts/offline")
@signed_in
def before_opening(client_id: str) -> ResponseReturnValue:
    """The form for an offline account."""
    return _offline(client_id, OfflineForm(formdata=None))


@blueprint.post("/clients/<id:client_id>/accounts/offline")
@signed_in
def open_offline(client_id: str) -> ResponseReturnValue:
    """An account whose transactions come as files."""
    form = OfflineForm()
    if form.validate_on_submit():
        try:
            with ports().database.write() as session:
                client = finding.books_of(session, actor(), client_id)
                account = choosing.open_offline(session, client, form.details, iban=form.iban.data or "", now=ports().clock.now())
                opened = account.id
        except PortalError as problem:
            refuse(form.iban if form.label.data else form.label, problem)
        else:
            notice(_("The account is open. Bring its transactions as a file."))
            return redirect(url_for("finances.history", account_id=opened), 303)
    return _offline(client_id, form), 422


@blueprint.get("/connections/<id:bank_id>/accounts")
@for_clients
def choice(bank_id: str) -> ResponseReturnValue:
    """Which accounts are to be read, since when, and what they are called."""
    page = _choices(bank_id)
    return render_template("accounts/choice.html", page=page, rows=ChoiceForm.rows(page.choices, is_sent=False), problem="")


@blueprint.post("/connections/<id:bank_id>/accounts")
@for_clients
def choose(bank_id: str) -> ResponseReturnValue:
    """Read these, and begin at once."""
    page, problem = _choices(bank_id), ""
    rows = ChoiceForm.rows(page.choices, is_sent=True)
    chosen = [row for row in rows if row.is_chosen.data]
    if all([_is_fine(row) for row in chosen]):  # noqa: C419 -- each is to show its own errors
        try:
            with ports().database.write() as session:
                connection = finding.own_connection(session, actor(), bank_id)
                details = {row.account.id: row.details for row in chosen}
                run = choosing.choose(session, connection, details, now=ports().clock.now())
        except Rejected as refused:
            problem = refused.message
        else:
            deciding.start(ports(), run)
            notice(_("These accounts are read from now on. The first sync has started."))
            return redirect(url_for("finances.accounts", client=page.client.id), 303)
    return render_template("accounts/choice.html", page=page, rows=rows, problem=problem and _(problem)), 422


@blueprint.get("/finances/accounts/<id:account_id>")
@signed_in
def show(account_id: str) -> ResponseReturnValue:
    """One account and what is known of it."""
    return _account(account_id)


@blueprint.post("/finances/accounts/<id:account_id>")
@signed_in
def describe(account_id: str) -> ResponseReturnValue:
    """Change what is known of it."""
    form = AccountForm()
    if form.validate_on_submit():
        try:
            with ports().database.write() as session:
                account = finding.account(session, actor(), account_id)
                choosing.describe(session, account, form.details, now=ports().clock.now())
        except Rejected as problem:
            refuse(form.start_on, problem)
        else:
            notice(_("Saved."))
            return redirect(url_for("accounts.show", account_id=account_id), 303)
    return _account(account_id, form), 422


@blueprint.get("/finances/accounts/<id:account_id>/deletion")
@for_clients
def before_deleting(account_id: str) -> ResponseReturnValue:
    """What would go, what stays, and the better way."""
    return _deletion(account_id, DeletionForm(formdata=None))


@blueprint.post("/finances/accounts/<id:account_id>/deletion")
@for_clients
def delete(account_id: str) -> ResponseReturnValue:
    """Take it out of the books."""
    form = DeletionForm()
    if form.validate_on_submit():
        try:
            authenticating.confirm(
                ports(), user_id=actor().user_id, password=form.password.data, address=request.remote_addr or ""
            )
        except PortalError as problem:
            refuse(form.password, problem)
            return _deletion(account_id, form), problem.status
        try:
            with ports().database.write() as session:
                account = finding.account(session, actor(), account_id)
                run = discarding.delete(session, account, typed=form.title.data, now=ports().clock.now())
        except Rejected as problem:
            refuse(form.title, problem)
        else:
            deciding.start(ports(), run)
            notice(_("The account is deleted. Its receipts wait for a transaction again."))
            return redirect(url_for("finances.accounts"), 303)
    return _deletion(account_id, form), 422


def _is_fine(row: ChoiceForm) -> bool:
    """The form's own rules, and the days that are allowed."""
    if not row.validate():
        return False
    try:
        choosing.check_start(row.window, row.start_on.data)
    except Rejected as problem:
        refuse(row.start_on, problem)
        return False
    return True


def _choices(bank_id: str) -> choosing.ChoicePage:
    with ports().database.read() as session:
        return choosing.page(session, actor(), bank_id, today=ports().clock.today())


def _offline(client_id: str, form: OfflineForm) -> str:
    with ports().database.read() as session:
        client = finding.books_of(session, actor(), client_id)
    return render_template("accounts/offline.html", client=client, form=form)


def _account(account_id: str, form: AccountForm | None = None) -> str:
    with ports().database.read() as session:
        account = finding.account(session, actor(), account_id)
        chosen = choosing.Choice(account, choosing.window(session, account, today=ports().clock.today()))
    form = form or AccountForm.of(chosen, formdata=None)
    return render_template("accounts/account.html", choice=chosen, account=account, form=form)


def _deletion(account_id: str, form: DeletionForm) -> str:
    with ports().database.read() as session:
        account = finding.account(session, actor(), account_id)
        counted = discarding.consequences(session, account)
    return render_template("accounts/deletion.html", account=account, counted=counted, form=form)
