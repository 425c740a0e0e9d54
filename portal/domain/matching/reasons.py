"""The closed list of reasons, and the decisions that carry them.

A reason is a code with values, never a sentence: the templates word it in German and English. A value whose name ends in
`_on` is a date, in `_cents` an integer amount in the currency beside it (`currency`); everything else is a count or text.
Named tuples: a client's decisions hold many thousands of them, and they are made three times as fast as a frozen dataclass.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import Literal, NamedTuple, Self

Value = int | str | date
Grade = Literal["sure", "likely", "possible"]
Status = Literal["assigned", "review"]

SURE_FROM = 0.95
LIKELY_FROM = 0.6


class ReasonCode(StrEnum):
    """Why a candidate fits or does not; the values each code carries stand behind it."""

    PAID_HERE = "paid_here"
    """The client has paid the invoice from the portal: the transfer's booked movement is this one."""
    BANK_LINKED = "bank_linked"
    """The bank itself links the invoice to this transaction."""
    AMOUNT_EQUAL = "amount_equal"
    """amount_cents, currency."""
    LOCAL_AMOUNT_EQUAL = "local_amount_equal"
    """Equal in the original currency: amount_cents, currency; paid_cents, paid_currency on the account."""
    REST_EQUAL = "rest_equal"
    """Equal to what is still open of the transaction: amount_cents, currency."""
    SUM_EQUAL = "sum_equal"
    """Receipts named in one text (or transactions that name one receipt) add up to the cent: count, amount_cents, currency."""
    SUM_LESS_DISCOUNT = "sum_less_discount"
    """Receipts named in one text add up to it less a usual discount: count, amount_cents (of the receipts), percent,
    difference_cents (negative), basis_points, currency."""
    PAYOUT = "payout"
    """One of several sales that a payment service paid out together, less its fee: count, amount_cents (of the sales),
    difference_cents (negative), basis_points, currency."""
    COLLECTED = "collected"
    """Probably one of several that were collected in one sum; some of them are missing here: count, amount_cents (of those that
    are here), difference_cents (what is missing), basis_points, currency."""
    LESS_FEE = "less_fee"
    """To the cent the sale, or one of several, less what this payment service always keeps: name (the bank's), count,
    difference_cents (negative), basis_points, currency."""
    DISCOUNT = "discount"
    """Paid less a usual discount (Skonto): percent, difference_cents (negative), basis_points, currency."""
    NET_AMOUNT = "net_amount"
    """The transaction has VAT on top of the receipt's amount, probably its net: percent, difference_cents, currency."""
    AMOUNT_DIFFERS = "amount_differs"
    """difference_cents (transaction less receipt), basis_points (of the receipt; -200 = -2.00 %), currency."""
    AMOUNT_MISSING = "amount_missing"
    """The receipt's amount could not be read."""
    CURRENCY_DIFFERS = "currency_differs"
    """receipt_currency ("" if unknown), transaction_currency; no original amount to compare."""
    CONVERTED = "converted"
    """In another currency at a possible rate, and nothing else of this shop is around: receipt_cents, receipt_currency;
    amount_cents, currency on the account."""
    NUMBER_FOUND = "number_found"
    """The invoice number is a whole token of the remittance information: number, written (as it stands there)."""
    NUMBER_HINTED = "number_hinted"
    """It is there, but too short or part of something longer: number, written."""
    NUMBER_MISTYPED = "number_mistyped"
    """It is there with one sign missing, doubled or swapped, or cut off at the text's end: number."""
    NUMBER_MISSING = "number_missing"
    """There is a text without the invoice number: number."""
    OTHER_RECEIPT_NAMED = "other_receipt_named"
    """The text names another open receipt: number, receipt (its id)."""
    OTHER_NUMBER_NAMED = "other_number_named"
    """The text names a number of an invoice we do not have: number."""
    MONTH_NAMED = "month_named"
    """Receipt and text name the same month."""
    DATE_NAMED = "date_named"
    """The text names the day of the invoice: issued_on."""
    OTHER_MONTH_NAMED = "other_month_named"
    """Both name months, and none of them together."""
    NAME_EQUAL = "name_equal"
    """name (as the bank writes it)."""
    NAME_KNOWN = "name_known"
    """This supplier is known under this name at the bank, by people or by the books: name (the bank's), receipt_name."""
    NAME_SIMILAR = "name_similar"
    """name, percent."""
    NAME_IN_TEXT = "name_in_text"
    """The receipt's counterparty stands in the remittance information (paid through another): name, written_name (the bank's)."""
    NAME_DIFFERS = "name_differs"
    """name (the bank's), receipt_name."""
    IBAN_EQUAL = "iban_equal"
    """iban."""
    IBAN_KNOWN = "iban_known"
    """This supplier is known to be paid there, though the invoice prints another one: iban (the transaction's), receipt_iban."""
    IBAN_DIFFERS = "iban_differs"
    """iban (the transaction's), receipt_iban."""
    DAYS_FROM_ISSUE = "days_from_issue"
    """days (negative = before the invoice date), issued_on, transaction_on (booked, or emitted if nearer)."""
    DAYS_FROM_DUE = "days_from_due"
    """days, due_on, transaction_on."""
    DAYS_FROM_PAYMENT = "days_from_payment"
    """Days from the day the invoice was marked as paid: days, paid_on, transaction_on."""
    DATE_MISSING = "date_missing"
    """The receipt has no date at all."""
    OTHER_TRANSACTIONS_EQUAL = "other_transactions_equal"
    """count of other transactions with this amount in the time in question."""
    OTHER_RECEIPTS_EQUAL = "other_receipts_equal"
    """count of other open receipts with this amount in the time in question."""
    ALREADY_LINKED = "already_linked"
    """The transaction is used up, or no longer open for this amount: open_cents, amount_cents, currency."""
    RETURNED = "returned"
    """Its amount came back, as a returned direct debit does: returned_on."""
    IS_RETURN = "is_return"
    """By its text the transaction itself is a payment that came back."""
    DECLINED = "declined"
    """Somebody has declined this pair."""
    DUPLICATE = "duplicate"
    """Another open receipt has the same number, amount and counterparty: receipt (its id)."""
    LINKED_ELSEWHERE = "linked_elsewhere"
    """The bank links the invoice to other transactions: count."""
    LINKED_TO_OTHER = "linked_to_other"
    """The bank links this transaction to another invoice: number, receipt (its id)."""
    DIRECTION_UNKNOWN = "direction_unknown"
    """Whether the receipt is an expense or income could not be read."""
    NOT_FROM_BANK = "not_from_bank"
    """An upload: to check, unless its number is found."""
    NOT_A_BILL = "not_a_bill"
    """The paper calls itself a copy, a reminder, a confirmation, an offer or a contract: title (the word)."""
    WAITING = "waiting"
    """Assigned by machine on assigned_on, unless another transaction comes that may be meant."""
    FEED_INCOMPLETE = "feed_incomplete"
    """Transactions are complete only up to a day before this one: covered_on."""


class ReviewReason(StrEnum):
    """Why a receipt needs a person: one per receipt. The last two are set by services, never by the matcher."""

    NO_TRANSACTION_YET = "no_transaction_yet"
    SEVERAL_EQUAL = "several_equal"
    AMOUNT_MISSING = "amount_missing"
    DATE_MISSING = "date_missing"
    COUNTERPARTY_UNCLEAR = "counterparty_unclear"
    AMOUNT_DIFFERS = "amount_differs"
    ALREADY_LINKED = "already_linked"
    DUPLICATE_SUSPECTED = "duplicate_suspected"
    SOURCE_CHANGED = "source_changed"
    MANUAL_UNLINK = "manual_unlink"


class Reason(NamedTuple):
    """One sign for or against a candidate. `weight`: its share of the score in log-odds, 0 for a remark."""

    code: ReasonCode
    is_for: bool
    values: tuple[tuple[str, Value], ...] = ()
    weight: float = 0.0

    @property
    def named(self) -> dict[str, Value]:
        """The values by name, for the templates."""
        return dict(self.values)

    def as_json(self) -> dict[str, object]:
        """Plain types for a row or a file: code, is_for, weight, values (dates as YYYY-MM-DD)."""
        values = {name: value.isoformat() if isinstance(value, date) else value for name, value in self.values}
        return {"code": self.code.value, "is_for": self.is_for, "weight": self.weight, "values": values}

    @classmethod
    def from_json(cls, stored: Mapping[str, object]) -> Self:
        """Undo `as_json`. Errors: KeyError, ValueError or TypeError when `stored` was not made by it."""
        values = stored["values"]
        weight = stored["weight"]
        if not isinstance(values, Mapping) or not isinstance(weight, int | float):
            message = "a stored reason needs a mapping of values and a weight"
            raise TypeError(message)
        read = tuple((name, date.fromisoformat(value) if name.endswith("_on") else value) for name, value in values.items())
        return cls(ReasonCode(str(stored["code"])), bool(stored["is_for"]), read, float(weight))


class Allocation(NamedTuple):
    """The part of a transaction used for a receipt, in the transaction's currency.

    Negative for a credit note netted in a larger payment: it gives room back. 0 only in a candidate whose transaction is used up.
    """

    transaction: str
    amount_cents: int


class Candidate(NamedTuple):
    """A proposal: one transaction, or several for instalments. `score`: probability 0–1 that it is right, `reasons` for first."""

    allocations: tuple[Allocation, ...]
    score: float
    reasons: tuple[Reason, ...]

    @property
    def grade(self) -> Grade:
        """The word beside the number."""
        if self.score >= SURE_FROM:
            return "sure"
        return "likely" if self.score >= LIKELY_FROM else "possible"


class Decision(NamedTuple):
    """What the matcher says about one receipt.

    `assigned`: `allocations` are to be booked, and are those of `candidates[0]`, whose reasons say why; `reason` is None.
    `review`: no allocations, candidates best first (at most `MOST_CANDIDATES`), `reason` is given.
    """

    receipt: str
    status: Status
    allocations: tuple[Allocation, ...]
    candidates: tuple[Candidate, ...]
    reason: ReviewReason | None
