"""The desk: queue, receipt, candidates; assign in one click, undo in one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

import structlog
from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import ngettext
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from portal.errors import Conflict, Rejected, Stale
from portal.models import Receipt
from portal.services import finding
from portal.services.assignments import assigning, measuring
from portal.services.receipts import correcting
from portal.services.review import comparing, deciding, looking_back, looking_on, proposing, putting_off, queueing, reviewing
from portal.services.review.queueing import Filters
from portal.services.review.searching import MOST_LETTERS
from portal.web.access import actor, ports, staff
from portal.web.filters import day
from portal.web.handlers import answer
from portal.web.htmx import is_fragment_request, notice
from portal.web.review.forms import SET_ASIDE_WORDS, AssignForm, CorrectionForm, LinesForm, PutOffForm, SetAsideForm, seen_version

log = structlog.get_logger()

blueprint = Blueprint("review", __name__)


@blueprint.errorhandler(Conflict)
def beaten(conflict: Conflict) -> ResponseReturnValue:
    """Who was faster, with what and when."""
    receipt_id = (request.view_args or {}).get("receipt_id")
    with ports().database.read() as session:
        return answer(conflict, change=looking_back.last_change(session, actor(), receipt_id) if receipt_id else None)


@blueprint.get("/review")
@staff
def desk() -> ResponseReturnValue:
    """The whole desk, or only its inside for an htmx navigation."""
    filters = filters_of(request.args)
    return show_desk(replace(filters, search=request.args.get("q"), lines=tuple(request.args.getlist("line"))))


@blueprint.get("/review/done")
@staff
def done() -> ResponseReturnValue:
    """What people decided lately, with undo; or what clients assigned and nobody has checked yet."""
    is_to_check = request.args.get("pane") == "to-check"
    with ports().database.read() as session:
        waiting = looking_back.to_check(session, actor())
        rows = looking_back.done(session, actor(), limit=100, only=waiting if is_to_check else None)
    return render_template("review/done.html", rows=rows, is_to_check=is_to_check, waiting=len(waiting))


@blueprint.get("/review/quality")
@staff
def quality() -> ResponseReturnValue:
    """How well do we match? From the firm's own decisions."""
    with ports().database.read() as session:
        page = measuring.quality(session, actor(), today=ports().clock.today())
    return render_template("review/quality.html", page=page)


@blueprint.post("/receipts/<id:receipt_id>/assignment/check")
@staff
def confirm(receipt_id: str) -> ResponseReturnValue:
    """A client's assignment is right."""
    with ports().database.write() as session:
        receipt = finding.receipt(session, actor(), receipt_id)
        assigning.confirm(session, receipt=receipt, now=ports().clock.now())
        notice(_("%(receipt)s is checked.", receipt=receipt.label))
    return redirect(url_for("review.done", pane="to-check"), 303)


@blueprint.post("/receipts/<id:receipt_id>/assignment")
@staff
def assign(receipt_id: str) -> ResponseReturnValue:
    """Assign the receipt to a candidate's transactions."""
    form = AssignForm()
    if not form.validate_on_submit():
        raise Rejected("Choose the transaction that this receipt belongs to.")
    with ports().database.write() as session:
        receipt = finding.receipt(session, actor(), receipt_id)
        deciding.assign_candidate(
            session, receipt, candidate_id=form.candidate.data, seen_version=form.seen_version.data, now=ports().clock.now()
        )
        tell_once(session)
        notice(_("%(receipt)s assigned.", receipt=receipt.label))
    return go_on()


@blueprint.post("/receipts/<id:receipt_id>/assignment/transactions")
@staff
def assign_lines(receipt_id: str) -> ResponseReturnValue:
    """Assign the transactions that a person found and chose."""
    form = LinesForm()
    if not form.validate_on_submit():
        raise Rejected("Choose the transaction that this receipt belongs to.")
    with ports().database.write() as session:
        receipt = finding.receipt(session, actor(), receipt_id)
        deciding.assign_lines(
            session, receipt, lines=request.form.getlist("line"),
            difference=assigning.Difference(form.difference.data) if form.difference.data else None,
            seen_version=form.seen_version.data, now=ports().clock.now(),
        )  # fmt: skip
        tell_once(session)
        notice(_("%(receipt)s assigned.", receipt=receipt.label))
    return go_on()


@blueprint.get("/review/together")
@staff
def before_assigning_together() -> ResponseReturnValue:
    """The surest pairs, counted and added up, before they are assigned together."""
    client_id = request.args.get("client", "")
    with ports().database.read() as session:
        if client_id:
            finding.client(session, actor(), client_id)
        pairs = proposing.surest(session, actor(), client_id, today=ports().clock.today())
    return render_template("review/together.html", pairs=pairs, client_id=client_id, ticked_from=proposing.TICKED_FROM)


@blueprint.post("/review/together")
@staff
def assign_together() -> ResponseReturnValue:
    """Assign the chosen pairs, each by itself; tells how many were, and which had changed meanwhile."""
    pairs = _chosen_pairs()
    with ports().database.write() as session:
        count, changed = deciding.assign_several(session, actor(), list(pairs.values()), now=ports().clock.now())
        if count:
            tell_once(session)
        notice(ngettext("%(num)d receipt assigned.", "%(num)d receipts assigned.", count))
        _tell_changed(changed)
    client_id = request.form.get("client", "")
    return redirect(url_for("review.before_assigning_together", client=client_id or None), 303)


@blueprint.post("/review/together/declined")
@staff
def decline_together() -> ResponseReturnValue:
    """Decline the chosen pairs, each by itself. First they are shown once more and counted: they may have come ticked."""
    pairs, client_id = _chosen_pairs(), request.form.get("client", "")
    if request.form.get("confirmed") != str(len(pairs)):
        with ports().database.read() as session:
            if client_id:
                finding.client(session, actor(), client_id)
            found = proposing.surest(session, actor(), client_id, today=ports().clock.today())
        shown = [pair for pair in found if pair.value in pairs]
        if not shown:
            raise Stale("These pairs have changed in the meantime. Please open the page again.")
        return render_template("review/decline.html", pairs=shown, client_id=client_id, left_out=len(pairs) - len(shown))
    with ports().database.write() as session:
        count, changed, runs = deciding.decline_several(session, actor(), list(pairs.values()), now=ports().clock.now())
        notice(ngettext("%(num)d pair declined.", "%(num)d pairs declined.", count))
        _tell_changed(changed)
    for run in runs:
        deciding.start(ports(), run)
    return redirect(url_for("review.before_assigning_together", client=client_id or None), 303)


def _chosen_pairs() -> dict[str, tuple[str, str, int]]:
    """(receipt id, candidate id, version that was seen), each by what its checkbox sends. Errors: Rejected."""
    pairs = {}
    for value in request.form.getlist("pair")[: proposing.BULK_SIZE]:
        match value.split(" "):
            case [receipt_id, candidate_id, version] if version.isascii() and version.isdecimal() and len(version) < 10:  # noqa: PLR2004
                pairs[value] = (receipt_id, candidate_id, int(version))
            case _:
                raise Rejected("This page is out of date. Please open it again.")
    if not pairs:
        raise Rejected("Choose at least one pair.")
    return pairs


def _tell_changed(changed: Sequence[Receipt]) -> None:
    if changed:
        labels = ", ".join(receipt.label for receipt in changed)
        notice(_("Changed in the meantime, please look at them one by one: %(receipts)s.", receipts=labels))


@blueprint.post("/receipts/<id:receipt_id>/declined/withdrawal")
@staff
def restore(receipt_id: str) -> ResponseReturnValue:
    """Undo: the pair that was declined last may be proposed again."""
    seen = seen_version()
    with ports().database.write() as session:
        receipt = finding.receipt(session, actor(), receipt_id)
        run = deciding.restore(session, receipt, seen_version=seen, now=ports().clock.now())
        notice(_("The pair of %(receipt)s is looked at again.", receipt=receipt.label))
    deciding.start(ports(), run)
    return go_on(receipt_id)


@blueprint.post("/receipts/<id:receipt_id>/assignment/withdrawal")
@staff
def withdraw(receipt_id: str) -> ResponseReturnValue:
    """Undo: the receipt is open again, both steps stay in its history."""
    seen = seen_version()
    with ports().database.write() as session:
        receipt = finding.receipt(session, actor(), receipt_id)
        run = deciding.withdraw(session, receipt, seen_version=seen, now=ports().clock.now())
        notice(_("%(receipt)s is in review again.", receipt=receipt.label))
    deciding.start(ports(), run)
    return go_on(receipt_id)


@blueprint.post("/receipts/<id:receipt_id>/correction")
@staff
def correct(receipt_id: str) -> ResponseReturnValue:
    """Correct what was read of a receipt; its candidates are looked for anew."""
    form = CorrectionForm()
    if not form.validate_on_submit():
        raise Rejected(next((str(words[0]) for words in form.errors.values()), "Something you entered is not right."))
    values = {name: form[name].data for name in correcting.CORRECTABLE}
    with ports().database.write() as session:
        receipt = finding.receipt(session, actor(), receipt_id)
        run = correcting.correct(session, receipt, values, seen_version=form.seen_version.data, now=ports().clock.now())
        notice(_("%(receipt)s corrected. Its candidates are being looked for again.", receipt=receipt.label))
    deciding.start(ports(), run)
    return go_on(receipt_id)


@blueprint.post("/receipts/<id:receipt_id>/set-aside")
@staff
def set_aside(receipt_id: str) -> ResponseReturnValue:
    """No transaction is expected for this receipt."""
    form = SetAsideForm()
    if not form.validate_on_submit():
        raise Rejected("Choose why no transaction is expected.")
    with ports().database.write() as session:
        receipt = finding.receipt(session, actor(), receipt_id)
        assigning.set_aside(
            session, receipt=receipt, reason=assigning.SetAsideReason(form.reason.data),
            seen_version=form.seen_version.data, now=ports().clock.now(),
        )  # fmt: skip
        notice(_("%(receipt)s set aside.", receipt=receipt.label))
    return go_on()


@blueprint.post("/receipts/<id:receipt_id>/reopening")
@staff
def reopen(receipt_id: str) -> ResponseReturnValue:
    """Take a set-aside receipt back into review."""
    seen = seen_version()
    with ports().database.write() as session:
        receipt = finding.receipt(session, actor(), receipt_id)
        run = deciding.reopen(session, receipt, seen_version=seen, now=ports().clock.now())
        notice(_("%(receipt)s is in review again.", receipt=receipt.label))
    deciding.start(ports(), run)
    return go_on(receipt_id)


@blueprint.post("/receipts/<id:receipt_id>/putting-off")
@staff
def put_off(receipt_id: str) -> ResponseReturnValue:
    """Look at this receipt on a later day."""
    form = PutOffForm()
    if not form.validate_on_submit():
        raise Rejected("Please choose a day after today, within a year.")
    until = form.until.data
    with ports().database.write() as session:
        receipt = finding.receipt(session, actor(), receipt_id)
        putting_off.put_off(
            session, receipt=receipt, until=until, note=form.note.data or "", seen_version=form.seen_version.data,
            now=ports().clock.now(),
        )  # fmt: skip
        notice(_("%(receipt)s comes back on %(day)s.", receipt=receipt.label, day=day(until)))
    return go_on()


@blueprint.post("/receipts/<id:receipt_id>/return")
@staff
def bring_back(receipt_id: str) -> ResponseReturnValue:
    """Into the queue now; as an undo it is put off again until the day before that one, if there was any."""
    seen, give_back = seen_version(), putting_off.undo if "undo" in request.form else putting_off.bring_back
    with ports().database.write() as session:
        receipt = finding.receipt(session, actor(), receipt_id)
        give_back(session, receipt=receipt, seen_version=seen, now=ports().clock.now())
        until = receipt.put_off_until
        if until and until > ports().clock.today():
            notice(_("%(receipt)s comes back on %(day)s.", receipt=receipt.label, day=day(until)))
        else:
            notice(_("%(receipt)s is in the queue again.", receipt=receipt.label))
    return go_on(receipt_id)


def filters_of(values: Mapping[str, str], *, reason: str = "reason") -> Filters:
    """The queue that an address or a form names."""
    get = values.get
    why, age, sort = get(reason, ""), get("age", ""), get("sort", "")
    is_later = why == queueing.LATER
    return Filters(
        client_id=get("client", ""), reason="" if is_later else why, is_later=is_later, receipt_id=get("item", ""),
        sort=sort if sort in queueing.SORTS else queueing.SORTS[0],
        words=" ".join(get("find", "").split())[:MOST_LETTERS], age=int(age) if age in map(str, queueing.AGES) else 0,
        who=get("who", ""),
    )  # fmt: skip


def tell_once(session: Session) -> None:
    """After a person's first assignment by hand: what it teaches (docs/matching.md)."""
    if deciding.learns_now(session, actor()):
        notice(
            _(
                "Good to know, said once: when two receipts of a supplier were assigned by hand to a name that the bank writes"
                " differently, both names count as one party for this client. Undoing takes that back."
            )
        )


def go_on(receipt_id: str = "") -> ResponseReturnValue:
    """After a decision: the named receipt, else the one the form says to go on with; as a fragment or by redirect."""
    filters = filters_of(request.form, reason="queue_reason")  # `reason` is why a receipt is set aside
    filters = replace(filters, receipt_id=receipt_id or filters.receipt_id)
    return show_desk(filters) if is_fragment_request() else to_desk(filters)


def to_desk(filters: Filters) -> ResponseReturnValue:
    """Back to a queue and one of its receipts."""
    return redirect(url_for("review.desk", **filters.asked, item=filters.receipt_id or None), 303)  # type: ignore[arg-type]


def show_desk(filters: Filters, *, view_name: str = "", view_problem: str = "") -> str:
    """The desk. `view_problem`: why this queue was not saved under `view_name`."""
    with ports().database.read() as session:
        page = reviewing.desk(session, actor(), filters, now=ports().clock.now())
        copy = comparing.suspected(session, page.receipt) if page.receipt else None
    correction = CorrectionForm(None, obj=page.receipt) if page.receipt else None
    template = "review/_desk.html" if is_fragment_request() else "review/page.html"
    made = render_template(
        template,
        desk=page,
        copy=copy,
        set_aside_words=SET_ASIDE_WORDS,
        ages=queueing.AGES,
        most_counted=queueing.MOST_COUNTED,
        correction=correction,
        view_name=view_name,
        view_problem=view_problem,
        put_off_days=(page.today + timedelta(days=1), page.today + putting_off.USUAL, page.today + putting_off.LONGEST),
    )
    if page.receipt and page.is_look_due:
        _note_look(page.receipt.id)
    return made


def _note_look(receipt_id: str) -> None:
    """For colleagues who open the same receipt. Nobody waits for it: the next look tries again."""
    try:
        with ports().database.write_if_free() as session:
            looking_on.note(session, actor(), receipt_id, now=ports().clock.now())
    except SQLAlchemyError as error:
        log.info("look_not_noted", error=type(error).__name__)
