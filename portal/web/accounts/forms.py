"""Forms about bank accounts."""

from __future__ import annotations

from collections.abc import Sequence

from flask_babel import lazy_gettext as _
from flask_wtf import FlaskForm
from wtforms import BooleanField, DateField, PasswordField, SelectField, StringField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import InputRequired, Length, Optional

from portal.domain.start_days import Window
from portal.models import BankAccount
from portal.services.accounts.choosing import Choice, Details

USES = [SelectChoice("business", _("Business")), SelectChoice("private", _("Private"))]


class AccountForm(FlaskForm):
    """What the client says about an account."""

    label = StringField(_("Label"), validators=[Length(max=80)])
    holder = StringField(_("Account holder"), validators=[Length(max=80)])
    use = SelectField(_("Use"), choices=USES)
    ledger_number = StringField(_("Ledger account number"), validators=[Length(max=20)])
    start_on = DateField(_("Transactions from"), validators=[Optional()])

    @classmethod
    def of(cls, choice: Choice, **kwargs: object) -> AccountForm:
        """Filled with what is known; what a browser sent comes first."""
        account = choice.account
        known = {"label": account.label, "holder": account.holder, "use": account.use, "ledger_number": account.ledger_number}
        return cls(data={**known, "start_on": choice.start_on}, **kwargs)

    @property
    def details(self) -> Details:
        """For the service."""
        return Details(
            self.label.data or "", self.holder.data or "", self.use.data, self.ledger_number.data or "", self.start_on.data
        )


class ChoiceForm(AccountForm):
    """One account among those that a connection opens."""

    is_chosen = BooleanField(_("Read this account"))

    @classmethod
    def rows(cls, choices: Sequence[Choice], *, is_sent: bool) -> list[ChoiceForm]:
        """One form for each account that is open. What was chosen before is ticked; at first everything that has an IBAN."""
        is_first = not any(choice.account.is_chosen for choice in choices)
        forms = []
        for choice in choices:
            form = cls.of(choice, prefix=choice.account.id, **({} if is_sent else {"formdata": None}))
            assert isinstance(form, ChoiceForm)
            form.account, form.window = choice.account, choice.window
            if not is_sent:
                form.is_chosen.data = choice.account.is_chosen or (is_first and choice.account.iban is not None)
            forms.append(form)
        return forms

    account: BankAccount
    window: Window


class OfflineForm(AccountForm):
    """An account whose transactions come as files."""

    iban = StringField(_("IBAN"), validators=[Length(max=50)])


class DeletionForm(FlaskForm):
    """Who deletes an account names it and shows that it is really him."""

    title = StringField(_("Name of the account"), validators=[InputRequired(_("Enter the name of the account."))])
    password = PasswordField(
        _("Your password"), validators=[InputRequired(), Length(max=1024)], render_kw={"autocomplete": "current-password"}
    )
