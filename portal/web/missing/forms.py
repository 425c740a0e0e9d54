"""Why there is no receipt, and what stands on one that the client writes himself."""

from __future__ import annotations

from flask_babel import gettext
from flask_babel import lazy_gettext as _
from flask_wtf import FlaskForm
from wtforms import DateField, HiddenField, RadioField, StringField, TextAreaField, ValidationError
from wtforms.fields.choices import SelectChoice
from wtforms.validators import DataRequired, InputRequired, Length

from portal import own_receipt
from portal.clock import berlin_day
from portal.domain.explanations import LONGEST_NOTE, Reason
from portal.services.receipts.attesting import LONGEST, Statement
from portal.web.access import ports
from portal.web.filters import money
from portal.web.receipts.forms import AmountField

TOO_LONG = _("This is too long: 500 characters at most.")


def _stripped(text: str | None) -> str:
    return (text or "").strip()


class ExplanationForm(FlaskForm):
    """What somebody says about a transaction. `seen`: the id of what was said before. The reasons' words are the templates'."""

    reason = RadioField(
        _("Why is there no receipt?"), choices=[SelectChoice(reason.value, reason.value) for reason in Reason],
        validators=[InputRequired(_("Please choose why there is no receipt."))],
    )  # fmt: skip
    note = TextAreaField(_("Note"), filters=[_stripped], validators=[Length(max=LONGEST_NOTE, message=TOO_LONG)])
    seen = HiddenField()


def _can_be_written(_form: FlaskForm, field: StringField) -> None:
    if letters := own_receipt.unwritable(field.data or ""):
        words = gettext("These characters cannot be printed: %(letters)s. Please use Latin letters.", letters=letters)
        raise ValidationError(words)


def _needed(message: str) -> list[object]:
    return [DataRequired(message), _can_be_written]


class OwnReceiptForm(FlaskForm):
    """The facts of an own receipt. `room`: the cents of the transaction that no receipt explains yet."""

    payee = StringField(
        _("Paid to"), filters=[_stripped], validators=[*_needed(_("Please say who was paid.")), Length(max=200)]
    )  # fmt: skip
    amount = AmountField(_("Amount"))
    paid_on = DateField(_("Date of payment"), validators=[DataRequired(_("Please enter the day of the payment."))])
    purpose = TextAreaField(
        _("What was it for?"), filters=[_stripped],
        validators=[*_needed(_("Please say what was paid for.")), Length(max=LONGEST, message=TOO_LONG)],
    )  # fmt: skip
    why_none = TextAreaField(
        _("Why is there no receipt?"), filters=[_stripped],
        validators=[*_needed(_("Please say why there is no receipt.")), Length(max=LONGEST, message=TOO_LONG)],
    )  # fmt: skip
    room: int = 0
    currency: str = "EUR"

    def validate_amount(self, field: AmountField) -> None:
        """Something, and not more than was paid."""
        if not field.data or field.data < 0:
            raise ValidationError(gettext("Enter an amount, for example 119,00."))
        if field.data > self.room:
            raise ValidationError(gettext("Not more than was paid: %(amount)s.", amount=money(self.room, self.currency)))

    def validate_paid_on(self, field: DateField) -> None:
        """Not in the future."""
        if field.data and field.data > berlin_day(ports().clock.now()):
            raise ValidationError(gettext("This day has not come yet."))

    @property
    def stated(self) -> Statement:
        """As the service takes it."""
        return Statement(
            payee=self.payee.data, amount_cents=self.amount.data or 0, paid_on=self.paid_on.data, purpose=self.purpose.data,
            why_none=self.why_none.data,
        )  # fmt: skip
