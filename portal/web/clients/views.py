"""Clients: who they are, which tax years are open, how their connections do."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from portal.errors import PortalError
from portal.models import Role
from portal.services import finding
from portal.services.clients import client_pages, engaging, listing, welcoming
from portal.services.payments import paying
from portal.services.people import admitting
from portal.services.review import deciding
from portal.web.access import actor, admin, ports, signed_in, staff
from portal.web.clients.forms import EngagementForm
from portal.web.forms import refuse
from portal.web.htmx import notice
from portal.web.payments.forms import RulesForm

blueprint = Blueprint("clients", __name__)


@blueprint.get("/clients")
@staff
def index() -> ResponseReturnValue:
    """The actor's clients."""
    sort = request.args.get("sort", "urgent")
    with ports().database.read() as session:
        rows = listing.overview(session, actor(), now=ports().clock.now(), sort=sort)
    return render_template("clients/page.html", rows=rows, sort=sort)


@blueprint.get("/clients/<id:client_id>")
@staff
def show(client_id: str) -> ResponseReturnValue:
    """One client: engagements, connections, counts."""
    return _page(client_id, EngagementForm(formdata=None, tax_year=ports().clock.today().year))


@blueprint.post("/clients/<id:client_id>/engagements")
@staff
def commission(client_id: str) -> ResponseReturnValue:
    """Note that the firm is commissioned to do a tax year."""
    form = EngagementForm()
    if form.validate_on_submit():
        today = ports().clock.today()
        try:
            _change(
                client_id,
                lambda session: engaging.commission(
                    session, client_id=client_id, tax_year=form.tax_year.data, on=today, now=ports().clock.now(),
                    returns=tuple(form.returns.data),
                ),
            )  # fmt: skip
        except PortalError as problem:
            refuse(form.tax_year, problem)
        else:
            notice(_("Tax year %(year)s is commissioned.", year=form.tax_year.data))
            return redirect(url_for("clients.show", client_id=client_id), 303)
    return _page(client_id, form), 422


@blueprint.post("/clients/<id:client_id>/engagements/<int:tax_year>/returns/<tax_return>/completion")
@staff
def complete(client_id: str, tax_year: int, tax_return: str) -> ResponseReturnValue:
    """One return of the year is completed."""
    today = ports().clock.today()
    _change(
        client_id,
        lambda session: engaging.complete_return(
            session, client_id=client_id, tax_year=tax_year, kind=tax_return, on=today, now=ports().clock.now()
        ),
    )
    notice(_("The return is noted as completed. Nothing that was imported is removed."))
    return redirect(url_for("clients.show", client_id=client_id), 303)


@blueprint.post("/clients/<id:client_id>/engagements/<int:tax_year>/returns/<tax_return>/reopening")
@staff
def reopen(client_id: str, tax_year: int, tax_return: str) -> ResponseReturnValue:
    """One return is open again."""
    _change(
        client_id,
        lambda session: engaging.reopen_return(
            session, client_id=client_id, tax_year=tax_year, kind=tax_return, now=ports().clock.now()
        ),
    )
    notice(_("The return is open again."))
    return redirect(url_for("clients.show", client_id=client_id), 303)


@blueprint.post("/clients/<id:client_id>/plan")
@admin
def change_plan(client_id: str) -> ResponseReturnValue:
    """What the client has booked."""
    with ports().database.write() as session:
        client = finding.client(session, actor(), client_id)
        admitting.change_plan(session, client, request.form.get("plan", ""), now=ports().clock.now())
    notice(_("Saved."))
    return redirect(url_for("clients.show", client_id=client_id), 303)


@blueprint.post("/clients/<id:client_id>/people/<id:user_id>/books")
@admin
def change_permission(client_id: str, user_id: str) -> ResponseReturnValue:
    """Whether somebody may see this client's accounts."""
    with ports().database.write() as session:
        client = finding.client(session, actor(), client_id)
        keeps_books = request.form.get("keeps_books") == "1"
        admitting.change_permission(session, client, user_id, keeps_books=keeps_books, now=ports().clock.now())
    notice(_("Saved."))
    return redirect(url_for("clients.show", client_id=client_id), 303)


@blueprint.post("/clients/<id:client_id>/accountant-access")
@signed_in
def change_access(client_id: str) -> ResponseReturnValue:
    """How far the invitation of the firm to the client's Qonto account is."""
    with ports().database.write() as session:
        welcoming.change_access(
            session, actor(), client_id=client_id, state=request.form.get("state", ""), now=ports().clock.now()
        )
    page = url_for("connections.index", client=client_id) + "#access" if actor().role is Role.CLIENT else None
    return redirect(page or url_for("clients.show", client_id=client_id), 303)


def _change(client_id: str, change: Callable[[Session], object]) -> None:
    """Change the client's tax years; documents of a year that opened earlier than the others are fetched at once."""
    now = ports().clock.now()
    with ports().database.write() as session:
        finding.client(session, actor(), client_id)
        was = engaging.scope(session, client_id)
        change(session)
        run = engaging.backfill(session, client_id, was=was, now=now)
    if run is not None:
        deciding.start(ports(), run)


def _page(client_id: str, form: EngagementForm) -> str:
    with ports().database.read() as session:
        page = client_pages.one(session, actor(), client_id, now=ports().clock.now())
    rules = RulesForm.over(page.rules, paying.LIMIT_CENTS, paying.DAY_LIMIT_CENTS)
    return render_template("clients/client.html", page=page, form=form, rules=rules)
