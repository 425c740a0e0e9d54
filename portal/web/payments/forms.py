"""Forms of payments, and the words of what is wrong with one."""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence

from flask_babel import lazy_gettext as _
from flask_wtf import FlaskForm
from wtforms import BooleanField, DateField, HiddenField, SelectField, StringField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import UUID, InputRequired, Length, Optional

from portal.domain.payments import orders, sepa
from portal.domain.payments.orders import Flaw
from portal.errors import Rejected
from portal.models import PaymentBatch, PaymentRules
from portal.qonto.schema import BankAccount
from portal.services.payments.paying import Refused
from portal.services.payments.preparing import Wanted
from portal.web.filters import iban, money
from portal.web.forms import ONE_TIME

FLAW_WORDS = {
    Flaw.NAME: _("Enter the name of the account holder, at most 140 characters."),
    Flaw.IBAN: _("This is not a valid IBAN of the SEPA area. Please compare it with the invoice."),
    Flaw.OWN_ACCOUNT: _("This is the account that pays. Enter the payee's IBAN."),
    Flaw.AMOUNT: _("Enter an amount above zero with at most two decimals, for example 119,00."),
    Flaw.AMBIGUOUS: _("Please write the cents too, for example 1.234,00: like this it is not clear what is meant."),
    Flaw.NEEDS_FILE: _("Above 30,000 EUR Qonto wants the invoice as a file: pay it from the list of invoices, or in Qonto."),
    Flaw.LIMIT: _("This is above the limit for one payment. Your tax office can change it."),
    Flaw.DAY_LIMIT: _("This is above what may still be approved today. Your tax office can change the limit."),
    Flaw.BALANCE: _("The account does not hold this much at the moment."),
    Flaw.TEXT: _("Enter 1 to 140 characters: letters, digits, spaces and / - ? : ( ) . , ' +, and no slash at either end."),
    Flaw.PAST: _("This day has passed. Choose today or a later day."),
    Flaw.TOO_FAR: _("This day is too far ahead: at most the end of next year."),
    Flaw.TOO_MANY: _("Choose at least one invoice, and at most 400."),
}
FIELDS = {
    Flaw.NAME: "creditor", Flaw.IBAN: "iban", Flaw.OWN_ACCOUNT: "iban", Flaw.AMOUNT: "amount", Flaw.AMBIGUOUS: "amount",
    Flaw.NEEDS_FILE: "amount", Flaw.LIMIT: "amount", Flaw.DAY_LIMIT: "amount", Flaw.BALANCE: "amount", Flaw.TEXT: "remittance",
    Flaw.PAST: "execute_on", Flaw.TOO_FAR: "execute_on",
}  # fmt: skip

NOTHING = re.compile(r"0+([.,]0{1,2})?")


class OrderForm(FlaskForm):
    """Who pays, and when."""

    account = SelectField(
        _("From account"), validate_choice=False, validators=[InputRequired(_("Choose the account that pays."))]
    )
    execute_on = DateField(_("On"), validators=[Optional()])
    form_key = HiddenField(validators=[UUID()])

    def offer(self, accounts: Sequence[BankAccount]) -> None:
        """The accounts that can pay, each with what it holds."""
        self.account.choices = [
            SelectChoice(one.id, f"{one.name} ··{(one.iban or '')[-4:]} · {money(one.balance_cents, one.currency)}")
            for one in accounts
        ]

    def refuse(self, problem: Refused) -> None:
        """Put each flaw beside the field that it is about."""
        for flaw in problem.kinds:
            field = self[FIELDS[flaw]] if FIELDS.get(flaw) in self else self.account
            field.errors = [*field.errors, FLAW_WORDS[flaw]]


class PaymentForm(OrderForm):
    """One payment."""

    creditor = StringField(_("Payee"), validators=[InputRequired(FLAW_WORDS[Flaw.NAME]), Length(max=140)])
    iban = StringField(_("IBAN"), validators=[InputRequired(FLAW_WORDS[Flaw.IBAN]), Length(max=50)])
    amount = StringField(_("Amount in euros"), validators=[InputRequired(FLAW_WORDS[Flaw.AMOUNT]), Length(max=30)])
    remittance = StringField(_("Remittance information"), validators=[InputRequired(FLAW_WORDS[Flaw.TEXT]), Length(max=140)])

    @classmethod
    def new(cls) -> PaymentForm:
        """An empty one, with the key by which it is known when it is sent twice."""
        return cls(formdata=None, form_key=str(uuid.uuid4()))

    @classmethod
    def over(cls, batch: PaymentBatch) -> PaymentForm:
        """Filled with an order that is to be changed."""
        one = batch.payments[0]
        return cls(
            formdata=None, form_key=batch.form_key, account=batch.account_id, execute_on=batch.execute_on, creditor=one.creditor,
            iban=iban(one.iban), amount=f"{one.amount_cents // 100},{one.amount_cents % 100:02d}", remittance=one.remittance,
        )  # fmt: skip

    def wanted(self) -> Wanted | None:
        """What is wanted; None where the form itself says what is wrong with it."""
        found = orders.amount(self.amount.data or "")
        text, name = sepa.written(self.remittance.data or ""), " ".join((self.creditor.data or "").split())
        number = sepa.plain_iban(self.iban.data or "")
        strange = sepa.strange(text)
        checks = (
            (self.iban, sepa.is_iban(number), FLAW_WORDS[Flaw.IBAN]),
            (self.amount, isinstance(found, int), FLAW_WORDS.get(found, "") if isinstance(found, Flaw) else ""),
            (self.remittance, not strange, _("These signs cannot travel with a payment: %(signs)s", signs=strange)),
            (self.remittance, bool(strange) or sepa.is_text(text), FLAW_WORDS[Flaw.TEXT]),
        )
        for field, is_fine, words in checks:
            if not is_fine:
                field.errors = [*field.errors, words]
        if self.errors or isinstance(found, Flaw):
            return None
        return Wanted(name, number, found, text)


class ApprovalForm(FlaskForm):
    """The person shows again who he is."""

    code = StringField(
        _("Six-digit code"),
        validators=[InputRequired(_("Enter the code that your app shows.")), Length(max=20)],
        render_kw=ONE_TIME,
    )
    seen = HiddenField(validators=[Length(max=64)])


class RulesForm(FlaskForm):
    """What an admin switches on for a client."""

    is_on = BooleanField(_("Payments are switched on"))
    limit = StringField(_("Limit of one payment in euros"), validators=[InputRequired(), Length(max=20)])
    day_limit = StringField(_("Limit of a day in euros"), validators=[InputRequired(), Length(max=20)])
    four_eyes_above = StringField(_("Two persons above, in euros (empty: never, 0: always)"), validators=[Length(max=20)])

    @classmethod
    def over(cls, rules: PaymentRules | None, limit_cents: int, day_limit_cents: int) -> RulesForm:
        """Filled with what stands, else with what is usual."""
        held = (rules.limit_cents, rules.day_limit_cents) if rules else (limit_cents, day_limit_cents)
        above = rules.four_eyes_above_cents if rules else None
        return cls(
            formdata=None, is_on=bool(rules and rules.is_on), limit=_euros(held[0]), day_limit=_euros(held[1]),
            four_eyes_above="" if above is None else _euros(above),
        )  # fmt: skip

    @property
    def values(self) -> dict[str, object]:
        """For the service. Errors: Rejected for what is no amount."""
        above = (self.four_eyes_above.data or "").strip()
        return {
            "is_on": bool(self.is_on.data),
            "limit_cents": _cents(self.limit.data),
            "day_limit_cents": _cents(self.day_limit.data),
            "four_eyes_above_cents": None if not above else 0 if NOTHING.fullmatch(above) else _cents(above),
        }


def _euros(cents: int) -> str:
    return f"{cents // 100},{cents % 100:02d}"


def _cents(text: str | None) -> int:
    found = orders.amount(text or "")
    if isinstance(found, Flaw):
        raise Rejected("Enter the limits as amounts in euros, for example 5000,00.")
    return found
