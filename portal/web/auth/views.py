"""In and out: password, second factor and its set-up, the first admin, and where home is."""

from __future__ import annotations

from flask import Blueprint, jsonify, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user
from flask_wtf.csrf import generate_csrf

from portal.errors import Conflict, NotFound, Rejected
from portal.models import Role
from portal.services.people import authenticating
from portal.web import sessions
from portal.web.access import half_signed_in, ports, public, safe_next, second_factor_page, signed_in
from portal.web.auth.forms import CodeForm, FirstAdminForm, SignInForm
from portal.web.edge import address
from portal.web.forms import refuse
from portal.web.htmx import notice

blueprint = Blueprint("auth", __name__)

HOMES = {Role.CLIENT: "receipts.index", Role.STAFF: "review.desk", Role.ADMIN: "admin.cockpit"}


@blueprint.get("/")
@signed_in
def home() -> ResponseReturnValue:
    """Where somebody's work begins."""
    return redirect(url_for(HOMES[current_user.role]), 303)


@blueprint.get("/sign-in")
@public
def sign_in() -> ResponseReturnValue:
    """The door."""
    if current_user.is_authenticated:
        return redirect(url_for("auth.home"), 303)
    return render_template("auth/sign_in.html", form=SignInForm(data={"next": safe_next(request.args.get("next"))}))


@blueprint.post("/sign-in")
@public
def enter() -> ResponseReturnValue:
    """Check the password; the second factor comes next where one is due."""
    form = SignInForm()
    if form.validate_on_submit():
        try:
            user = authenticating.sign_in(ports(), email=form.email.data, password=form.password.data, address=address())
        except Rejected as problem:
            refuse(form.password, problem)
        else:
            sessions.begin(user)
            wanted = safe_next(form.next.data)
            return redirect(second_factor_page(wanted) if user.needs_second_factor else wanted or url_for("auth.home"), 303)
    return render_template("auth/sign_in.html", form=form), 422


@blueprint.get("/sign-in/second-factor")
@half_signed_in
def second_factor() -> ResponseReturnValue:
    """Ask for the code."""
    if elsewhere := _not_due(is_enrolled=True):
        return elsewhere
    return render_template("auth/second_factor.html", form=CodeForm(data={"next": safe_next(request.args.get("next"))}))


@blueprint.post("/sign-in/second-factor")
@half_signed_in
def show_second_factor() -> ResponseReturnValue:
    """Check the code; from here on everything is open that the role opens."""
    form = CodeForm()
    if elsewhere := _not_due(is_enrolled=True):
        return elsewhere
    if form.validate_on_submit():
        try:
            authenticating.show_second_factor(ports(), user_id=current_user.id, code=form.code.data)
        except Rejected as problem:
            refuse(form.code, problem)
        else:
            sessions.raise_rights(ports().clock.now())
            return redirect(safe_next(form.next.data) or url_for("auth.home"), 303)
    return render_template("auth/second_factor.html", form=form), 422


@blueprint.get("/second-factor/enrolment")
@half_signed_in
def enrolment() -> ResponseReturnValue:
    """Show a fresh secret; it is kept in the session until a code of it has been shown."""
    if elsewhere := _not_due(is_enrolled=False):
        return elsewhere
    if "pending_totp" not in session:
        session["pending_totp"] = authenticating.new_totp(ports(), current_user.id)
    return _enrolment(CodeForm(data={"next": safe_next(request.args.get("next"))}))


@blueprint.post("/second-factor/enrolment")
@half_signed_in
def enrol() -> ResponseReturnValue:
    """Take the secret as second factor."""
    form = CodeForm()
    if elsewhere := _not_due(is_enrolled=False):
        return elsewhere
    if "pending_totp" not in session:
        return redirect(url_for("auth.enrolment"), 303)
    if form.validate_on_submit():
        try:
            authenticating.enrol(ports(), user_id=current_user.id, sealed=session["pending_totp"], code=form.code.data)
        except Rejected as problem:
            refuse(form.code, problem)
        else:
            sessions.raise_rights(ports().clock.now())
            notice(_("Your second factor is set up. You will be asked for a code each time you sign in."))
            return redirect(safe_next(form.next.data) or url_for("auth.home"), 303)
    return _enrolment(form), 422


@blueprint.post("/sign-out")
@half_signed_in
def sign_out() -> ResponseReturnValue:
    """Leave: this session's row goes, copies of its cookie with it; the browser drops what it kept of our pages."""
    with ports().database.write() as transaction:
        authenticating.note_sign_out(transaction, current_user.id, now=ports().clock.now())
    sessions.end()
    response = redirect(url_for("auth.sign_in"), 303)
    response.headers["Clear-Site-Data"] = '"cache"'
    return response


@blueprint.get("/session")
@half_signed_in
def look() -> ResponseReturnValue:
    """How long the session goes on, for a page that is about to warn (`static/js/session.js`). Looking prolongs nothing."""
    sessions.current().is_kept = False
    return _session()


@blueprint.post("/session")
@half_signed_in
def stay() -> ResponseReturnValue:
    """Somebody is still here: the idle time begins anew. The twelve hours from the sign-in do not."""
    sessions.current().modified = True
    return _session()


@blueprint.get("/first-admin")
@public
def first_admin() -> ResponseReturnValue:
    """Take a fresh installation into use; does not exist once it is."""
    with ports().database.read() as transaction:
        if authenticating.has_admin(transaction):
            raise NotFound
    return render_template("auth/first_admin.html", form=FirstAdminForm())


@blueprint.post("/first-admin")
@public
def sign_up_first_admin() -> ResponseReturnValue:
    """Make the first admin with the code of the command line."""
    form = FirstAdminForm()
    with ports().database.read() as transaction:
        if authenticating.has_admin(transaction):
            raise NotFound
    if form.validate_on_submit():
        try:
            with ports().database.write() as transaction:
                authenticating.sign_up_first_admin(
                    transaction, code=form.code.data, name=form.name.data, email=form.email.data, password=form.password.data,
                    now=ports().clock.now(),
                )  # fmt: skip
        except (Rejected, Conflict) as problem:
            refuse(form.code, problem)
        else:
            notice(_("You are the first admin. Please sign in."))
            return redirect(url_for("auth.sign_in"), 303)
    return render_template("auth/first_admin.html", form=form), 422


def _enrolment(form: CodeForm) -> str:
    secret = authenticating.totp_secret(ports(), current_user.id, session["pending_totp"])
    grouped = " ".join(secret[start : start + 4] for start in range(0, len(secret), 4))
    return render_template(
        "auth/enrol.html", form=form, secret=grouped, uri=authenticating.totp_address(secret, current_user.email)
    )


def _session() -> ResponseReturnValue:
    left = sessions.time_left(ports())
    return jsonify(idle=left.idle, whole=left.whole, again=left.again, who=current_user.id, token=generate_csrf())


def _not_due(*, is_enrolled: bool) -> ResponseReturnValue | None:
    """These pages are for a session without a second factor; who has none sets it up, who has one shows it."""
    if sessions.current().has_second_factor:
        return redirect(url_for("auth.home"), 303)
    if current_user.has_second_factor is not is_enrolled:
        is_due = current_user.needs_second_factor
        return redirect(second_factor_page(safe_next(request.args.get("next"))) if is_due else url_for("auth.home"), 303)
    return None
