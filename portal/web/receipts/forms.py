"""The form for a receipt that somebody brings by hand."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext
from flask_babel import lazy_gettext as _
from flask_wtf import FlaskForm
from flask_wtf.file import FileField, FileRequired
from wtforms import DateField, HiddenField, RadioField, SelectField, StringField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import Length, Optional

from portal.domain.money import parse_cents
from portal.services.receipts.uploading import Facts


class AmountField(StringField):
    """An amount in German or English notation; `data` is integer cents."""

    def process_formdata(self, valuelist: list[Any]) -> None:
        """From what was typed; what is no amount stays in the field with a sentence beside it."""
        self.raw_text = valuelist[0] if valuelist else ""
        self.data = None
        if self.raw_text.strip():
            try:
                self.data = parse_cents(self.raw_text)
            except ValueError:
                raise ValueError(gettext("Enter an amount, for example 119,00.")) from None

    def _value(self) -> str:
        cents = self.data if isinstance(self.data, int) else None
        known = "" if cents is None else f"{'-' if cents < 0 else ''}{abs(cents) // 100},{abs(cents) % 100:02d}"
        return str(getattr(self, "raw_text", known))


def text_or_none(text: str | None) -> str | None:
    """What was typed; nothing but spaces is nothing."""
    return text.strip() or None if text else None


class UploadForm(FlaskForm):
    """The file, and what the person knows of it."""

    client = SelectField(_("Company"))
    transaction = HiddenField()
    file = FileField(_("File"), validators=[FileRequired(_("Choose a file."))])
    direction = RadioField(
        _("Kind"), choices=[SelectChoice("expense", _("Expense")), SelectChoice("income", _("Income"))], default="expense"
    )
    amount = AmountField(_("Gross amount in euros"))
    issued_on = DateField(_("Invoice date"), validators=[Optional()])
    number = StringField(_("Invoice number"), filters=[text_or_none], validators=[Length(max=200)])
    counterparty = StringField(_("From / to"), filters=[text_or_none], validators=[Length(max=200)])

    @property
    def facts(self) -> Facts:
        """As the service takes them."""
        return Facts(
            direction=self.direction.data, amount_cents=self.amount.data, issued_on=self.issued_on.data,
            number=self.number.data, counterparty=self.counterparty.data,
        )  # fmt: skip
