"""All clients × the health of their connections, with Resync."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import ngettext

from portal.models import Run
from portal.services import finding
from portal.services.clients import firm_pages
from portal.services.connections import syncing
from portal.services.review import deciding
from portal.web.access import actor, admin, ports
from portal.web.forms import ResyncForm
from portal.web.htmx import notice

blueprint = Blueprint("admin", __name__, url_prefix="/admin")


@blueprint.get("")
@admin
def cockpit() -> ResponseReturnValue:
    """Every client's health at a glance."""
    sort = request.args.get("sort", "urgent")
    with ports().database.read() as session:
        page = firm_pages.cockpit(session, actor(), now=ports().clock.now(), sort=sort)
    return render_template("admin/cockpit.html", page=page, sort=sort)


@blueprint.get("/clients/<id:client_id>/runs")
@admin
def before_resync(client_id: str) -> ResponseReturnValue:
    """Why one client is to be synced again."""
    with ports().database.read() as session:
        client = finding.client(session, actor(), client_id)
        connections = firm_pages.connections_of(session, actor(), client_id)
    return render_template("admin/resync.html", form=ResyncForm(formdata=None), client=client, connections=connections)


@blueprint.post("/clients/<id:client_id>/runs")
@admin
def resync(client_id: str) -> ResponseReturnValue:
    """Resync one client: both connections, queued behind whatever runs."""
    reason, now = ResyncForm.chosen(), ports().clock.now()
    with ports().database.write() as session:
        connections = firm_pages.connections_of(session, actor(), client_id)
        runs = syncing.request_all(session, connections, reason=reason, now=now, client_id=client_id)
    return _started(runs)


@blueprint.get("/runs")
@admin
def before_resync_all() -> ResponseReturnValue:
    """Why all clients are to be synced again."""
    with ports().database.read() as session:
        connections = firm_pages.all_connections(session, actor())
    return render_template("admin/resync.html", form=ResyncForm(formdata=None), client=None, connections=connections)


@blueprint.post("/runs")
@admin
def resync_all() -> ResponseReturnValue:
    """Resync all clients."""
    reason, now = ResyncForm.chosen(), ports().clock.now()
    with ports().database.write() as session:
        connections = firm_pages.all_connections(session, actor())
        runs = syncing.request_all(session, connections, reason=reason, now=now)
    return _started(runs)


@blueprint.get("/audit")
@admin
def audit() -> ResponseReturnValue:
    """The newest events of the whole installation."""
    with ports().database.read() as session:
        events = firm_pages.newest_events(session)
    return render_template("admin/audit.html", events=events)


def _started(runs: list[Run]) -> ResponseReturnValue:
    for run in runs:
        deciding.start(ports(), run)
    if runs:
        notice(ngettext("%(num)d sync started.", "%(num)d syncs started.", len(runs)))
    else:
        notice(_("There is no active connection to sync."))
    return redirect(url_for("admin.cockpit"), 303)
