"""Saved views: a name for the queue that somebody stands before. Opening one is a plain link to the desk."""

from __future__ import annotations

from flask import Blueprint, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from portal.errors import Rejected
from portal.services.review import saving
from portal.web.access import actor, ports, staff
from portal.web.htmx import notice
from portal.web.review.forms import ViewForm
from portal.web.review.views import filters_of, show_desk, to_desk

blueprint = Blueprint("saved_views", __name__)


@blueprint.post("/review/views")
@staff
def save() -> ResponseReturnValue:
    """Save the queue that the address names. What is wrong with the name is said beside it, with the name still there."""
    form, filters = ViewForm(), filters_of(request.values)
    form.validate_on_submit()
    name = form.name.data or ""
    try:
        with ports().database.write() as session:
            view = saving.save(session, actor(), name=name, filters=filters, now=ports().clock.now())
            notice(_("The view “%(name)s” is saved.", name=view.name))
    except Rejected as problem:
        return show_desk(filters, view_name=name, view_problem=_(problem.message)), problem.status
    return to_desk(filters)


@blueprint.post("/review/views/<id:view_id>/deletion")
@staff
def delete(view_id: str) -> ResponseReturnValue:
    """Forget one; the queue stays as it is shown."""
    filters = filters_of(request.values)
    with ports().database.write() as session:
        name = saving.delete(session, actor(), view_id, now=ports().clock.now())
        notice(_("The view “%(name)s” is deleted.", name=name))
    return to_desk(filters)
