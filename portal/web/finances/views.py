"""The client's bank accounts, and their history from files."""

from __future__ import annotations

from datetime import date

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import ngettext

from portal.errors import Rejected
from portal.services import finding
from portal.services.accounts import choosing, covering, reconciling, statements
from portal.services.connections import connection_pages
from portal.services.review import deciding
from portal.web.access import actor, ports, signed_in
from portal.web.finances.forms import ColumnsForm, StatementForm
from portal.web.forms import refuse
from portal.web.htmx import notice

blueprint = Blueprint("finances", __name__)


@blueprint.get("/finances/accounts")
@signed_in
def accounts() -> ResponseReturnValue:
    """The accounts, what came in over them, and how to connect more."""
    with ports().database.read() as session:
        page = connection_pages.books(session, actor(), now=ports().clock.now(), client_id=request.args.get("client", ""))
    return render_template("finances/accounts.html", page=page)


@blueprint.get("/finances/accounts/<id:account_id>/statements")
@signed_in
def history(account_id: str) -> ResponseReturnValue:
    """Files of an account, and the form for a further one."""
    return _history(account_id, StatementForm(formdata=None))


@blueprint.post("/finances/accounts/<id:account_id>/statements")
@signed_in
def bring(account_id: str) -> ResponseReturnValue:
    """Keep a file; nothing is imported before somebody has looked at it."""
    form = StatementForm()
    if form.validate_on_submit():
        file = form.file.data
        try:
            statement_id = statements.bring(
                ports(), actor(), account_id=account_id, file_name=file.filename or "", file=file.stream
            )
        except Rejected as problem:
            refuse(form.file, problem)
        else:
            return redirect(url_for("finances.statement", statement_id=statement_id), 303)
    return _history(account_id, form), 422


@blueprint.post("/finances/accounts/<id:account_id>/fetching")
@signed_in
def fetch_again(account_id: str) -> ResponseReturnValue:
    """Read the account anew from a day that is missing."""
    try:
        since = date.fromisoformat(request.form.get("since", ""))
    except ValueError:
        raise Rejected("Enter a day, for example 2026-09-01.") from None
    with ports().database.write() as session:
        account = finding.account(session, actor(), account_id)
        run = choosing.fetch_again(session, account, since=since, trigger=actor().role, now=ports().clock.now())
    deciding.start(ports(), run)
    notice(_("The missing days are being fetched."))
    return redirect(url_for("finances.accounts", client=account.client_id), 303)


@blueprint.get("/finances/statements/<id:statement_id>")
@signed_in
def statement(statement_id: str) -> ResponseReturnValue:
    """What an import of the file would do, or what it did."""
    found = statements.outlook(ports(), actor(), statement_id)
    form = ColumnsForm.over(found.layout, is_sent=False)
    return render_template("finances/statement.html", found=found, form=form, shown=statements.SHOWN)


@blueprint.post("/finances/statements/<id:statement_id>/columns")
@signed_in
def assign_columns(statement_id: str) -> ResponseReturnValue:
    """Say what the columns hold."""
    form = ColumnsForm.over(statements.layout_of(ports(), actor(), statement_id), is_sent=True)
    if not form.validate_on_submit():
        raise Rejected("Choose the columns of the date and of the amount (or of debit and credit).")
    with ports().database.write() as session:
        statements.assign_columns(finding.statement(session, actor(), statement_id), form.columns)
    return redirect(url_for("finances.statement", statement_id=statement_id), 303)


@blueprint.post("/finances/statements/<id:statement_id>/import")
@signed_in
def take_in(statement_id: str) -> ResponseReturnValue:
    """Import the file as a whole."""
    anyway = [int(line) for line in request.form.getlist("anyway") if line.isascii() and line.isdecimal()]
    deciding.start(ports(), statements.take_in(ports(), actor(), statement_id, anyway=anyway))
    with ports().database.read() as session:
        count = finding.statement(session, actor(), statement_id).counts["new"]
    notice(ngettext("%(num)d transaction imported.", "%(num)d transactions imported.", count))
    return redirect(url_for("finances.statement", statement_id=statement_id), 303)


@blueprint.post("/finances/statements/<id:statement_id>/undoing")
@signed_in
def undo(statement_id: str) -> ResponseReturnValue:
    """Take the file's transactions out again."""
    with ports().database.write() as session:
        run = statements.undo(session, finding.statement(session, actor(), statement_id), now=ports().clock.now())
    deciding.start(ports(), run)
    notice(_("The transactions of this file are out again. The file stays here."))
    return redirect(url_for("finances.statement", statement_id=statement_id), 303)


def _history(account_id: str, form: StatementForm) -> str:
    with ports().database.read() as session:
        page = statements.history(session, actor(), account_id, today=ports().clock.today())
        first, today = page.first_on, ports().clock.today()
        gaps = covering.gaps(session, page.account, first=first, today=today) if first else []
        breaks = reconciling.breaks(session, page.account) if page.account.difference_cents else []
    return render_template("finances/history.html", page=page, form=form, gaps=gaps, breaks=breaks)
