"""Forms for bank history from files."""

from __future__ import annotations

from flask_babel import lazy_gettext as _
from flask_wtf import FlaskForm
from flask_wtf.file import FileField, FileRequired
from wtforms import SelectField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import Optional

from portal.domain.csv_rows import Column, Layout


class StatementForm(FlaskForm):
    """The file."""

    file = FileField(_("File of the bank: CSV, CAMT.053 or MT940"), validators=[FileRequired(_("Choose a file."))])


class ColumnsForm(FlaskForm):
    """What the columns of a file hold; empty: nothing that we need."""

    booked = SelectField(_("Booking date"), validators=[Optional()])
    amount = SelectField(_("Amount with its sign"), validators=[Optional()])
    debit = SelectField(_("Debit"), validators=[Optional()])
    credit = SelectField(_("Credit"), validators=[Optional()])
    currency = SelectField(_("Currency"), validators=[Optional()])
    counterparty = SelectField(_("Counterparty"), validators=[Optional()])
    counterparty_iban = SelectField(_("Counterparty's IBAN"), validators=[Optional()])
    remittance = SelectField(_("Remittance information"), validators=[Optional()])
    id = SelectField(_("Transaction ID"), validators=[Optional()])
    status = SelectField(_("Status"), validators=[Optional()])
    account_iban = SelectField(_("IBAN of the account"), validators=[Optional()])

    @classmethod
    def over(cls, layout: Layout, *, is_sent: bool) -> ColumnsForm:
        """The form for a file's titles, filled with what was sent, else with what the layout says now."""
        known = {name.value: str(at) for name, at in layout.columns.items()}
        form = cls() if is_sent else cls(formdata=None, data=known)
        titles = [SelectChoice(str(at), title or f"({at + 1})") for at, title in enumerate(layout.titles)]
        for name in Column:
            form[name.value].choices = [SelectChoice("", "–"), *titles]
        return form

    @property
    def columns(self) -> dict[Column, int]:
        """What was chosen."""
        return {name: int(self[name.value].data) for name in Column if self[name.value].data}
