"""Pages for people: what this is, the story, the log, and the phone in which the user confirms."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from portal.simulator.context import world
from portal.simulator.names import german
from portal.simulator.sca import ALLOW, DENY

blueprint = Blueprint("people", __name__)


def german_is_wanted() -> bool:
    """By the browser's languages; German when it says nothing."""
    return request.accept_languages.best_match(["de", "en"], default="de") == "de"


@blueprint.get("/")
def home() -> str:
    """What this is, whom it plays, what was asked lately."""
    counted = [
        (organization, {name: len(organization.rows(name)) for name in organization.tables})
        for organization in world().organizations
    ]
    return render_template(
        "home.html", german=german_is_wanted(), organizations=counted, entries=world().log.newest(30), seed=world().seed
    )


@blueprint.get("/phone")
def phone() -> str:
    """What waits for the user's yes: confirmations, and requests to release."""
    return render_template(
        "phone.html", german=german_is_wanted(), sessions=world().sca.waiting(world().clock.now()),
        requests=world().payments.undecided(), euros=german,
    )  # fmt: skip


@blueprint.post("/phone")
def press() -> AnyResponse:
    """Yes or no to one of them. Whoever reaches this machine's own door may: it is nobody's money."""
    session, is_yes = world().sca.find(request.form.get("session", "")), request.form.get("decision") == ALLOW
    if session is not None:
        world().sca.decide(session, ALLOW if is_yes else DENY, world().clock.now())
    world().payments.decide(request.form.get("request", ""), "approve" if is_yes else "decline", world().clock.now())
    return redirect(url_for("people.phone"), 303)
