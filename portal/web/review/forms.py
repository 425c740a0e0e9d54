"""Forms of the desk."""

from __future__ import annotations

from flask_babel import lazy_gettext as _
from flask_wtf import FlaskForm
from wtforms import DateField, HiddenField, IntegerField, SelectField, StringField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import AnyOf, InputRequired, Length, Optional

from portal.errors import Rejected
from portal.services.assignments.assigning import Difference, SetAsideReason
from portal.services.review import asking
from portal.web.receipts.forms import AmountField, text_or_none

SET_ASIDE_WORDS = {
    SetAsideReason.PAID_PRIVATELY: _("Paid privately"),
    SetAsideReason.PAID_IN_CASH: _("Paid in cash"),
    SetAsideReason.OTHER_ACCOUNT: _("Paid from an account that is not connected"),
    SetAsideReason.DUPLICATE: _("Duplicate of another receipt"),
    SetAsideReason.NOT_BUSINESS: _("Not a business matter"),
}


class AssignForm(FlaskForm):
    """Which proposal is right, and of which version of the receipt the page spoke."""

    candidate = HiddenField(validators=[InputRequired()])
    seen_version = IntegerField(validators=[InputRequired()])


class LinesForm(FlaskForm):
    """Transactions that a person found, and what their sum differs by."""

    difference = StringField(validators=[Optional(), AnyOf(list(Difference))])
    seen_version = IntegerField(validators=[InputRequired()])


class CorrectionForm(FlaskForm):
    """What a person reads off the document instead of what was read."""

    amount_cents = AmountField(_("Gross amount"))
    counterparty = StringField(_("From / to"), filters=[text_or_none], validators=[Length(max=200)])
    number = StringField(_("Invoice number"), filters=[text_or_none], validators=[Length(max=200)])
    issued_on = DateField(_("Invoice date"), validators=[Optional()])
    seen_version = IntegerField(validators=[InputRequired()])


class PutOffForm(FlaskForm):
    """The day on which it is looked at again, and a word for colleagues."""

    until = DateField(validators=[InputRequired()])
    note = StringField(filters=[text_or_none], validators=[Length(max=200)])
    seen_version = IntegerField(validators=[InputRequired()])


class AskForm(FlaskForm):
    """Who is to look at it, and a word for him."""

    colleague = StringField(validators=[InputRequired()])
    note = StringField(filters=[text_or_none], validators=[Length(max=asking.LONGEST)])
    seen_version = IntegerField(validators=[InputRequired()])


class NoteForm(FlaskForm):
    """An internal note; the service says what is wrong with it."""

    text = StringField()


class ViewForm(FlaskForm):
    """A name for the queue that is shown; the service says what is wrong with it."""

    name = StringField()


class WithdrawForm(FlaskForm):
    """Undo."""

    seen_version = IntegerField(validators=[InputRequired()])


def seen_version() -> int:
    """Of which version of the receipt the page spoke whose form asks for nothing else. Errors: Rejected."""
    form = WithdrawForm()
    if not form.validate_on_submit():
        raise Rejected("This page is out of date. Please open the receipt again.")
    return int(form.seen_version.data)


class MergeForm(FlaskForm):
    """Of which versions of both receipts the page spoke."""

    seen_version = IntegerField(validators=[InputRequired()])
    other_version = IntegerField(validators=[InputRequired()])


class SetAsideForm(FlaskForm):
    """No transaction is expected, and why."""

    reason = SelectField(_("Reason"), choices=[SelectChoice(reason.value, word) for reason, word in SET_ASIDE_WORDS.items()])
    seen_version = IntegerField(validators=[InputRequired()])
