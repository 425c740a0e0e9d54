"""A pair put into reasons with values, for and against it, as a person would ask for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from typing import Any, ClassVar

import numpy as np

from portal.domain.matching.features import Comparison
from portal.domain.matching.pairs import Amount, Number
from portal.domain.matching.reasons import Reason, ReasonCode, Value
from portal.domain.matching.records import BookedTransaction, OpenReceipt
from portal.domain.matching.scoring import CODES, NO_CODE, Scores
from portal.domain.matching.sides import NO_DAY, Column

Values = tuple[tuple[str, Value], ...]
Teller = Callable[["Explainer", int, int, OpenReceipt, BookedTransaction], Values]

_EQUAL, _FOUND = int(Amount.EQUAL), int(Number.FOUND)


class Explainer:
    """Words the chosen pairs of a comparison."""

    def __init__(self, comparison: Comparison, scores: Scores, chosen: Column, covered_until: date | None) -> None:
        """`chosen`: indices of the pairs that will be asked for."""
        self._comparison, self._index = comparison, comparison.index
        self._covered_until = covered_until
        self._place = {n: place for place, n in enumerate(chosen.tolist())}
        self._codes: list[list[int]] = scores.codes[:, chosen].T.tolist()
        self._terms: list[list[float]] = np.round(scores.terms[:, chosen], 3).T.tolist()
        self._paid: list[int] = scores.paid_cents()[chosen].tolist()
        pairs = comparison.pairs
        self._columns: dict[str, list[Any]] = {name: column[chosen].tolist() for name, column in vars(pairs).items()}
        self._equals: dict[tuple[int, str], tuple[int, int]] = {}

    def reasons(self, n: int) -> tuple[Reason, ...]:
        """Those for the pair first, each group in the order of its signs."""
        place = self._place[n]
        receipt, booked = self._sides(place)
        given: list[Reason] = []
        against: list[Reason] = []
        for code, weight in zip(self._codes[place], self._terms[place], strict=True):
            if code != NO_CODE:
                tell, is_for = self._BY_CODE[code], weight >= 0
                values = tell(self, place, n, receipt, booked) if tell else ()
                (given if is_for else against).append(Reason(CODES[code], is_for, values, weight))
        against += self._remarks(place, n, receipt, booked)
        return (*given, *against)

    def _sides(self, place: int) -> tuple[OpenReceipt, BookedTransaction]:
        columns = self._columns
        return self._index.receipts[columns["receipt"][place]], self._index.transactions[columns["line"][place]]

    def _amount(self, _place: int, _n: int, receipt: OpenReceipt, _booked: BookedTransaction) -> Values:
        return (("amount_cents", receipt.cents or 0), ("currency", receipt.currency or ""))

    def _local_amount(self, place: int, n: int, receipt: OpenReceipt, booked: BookedTransaction) -> Values:
        paid = (("paid_cents", booked.facts.amount_cents), ("paid_currency", booked.currency))
        return (*self._amount(place, n, receipt, booked), *paid)

    def _sum(self, place: int, n: int, receipt: OpenReceipt, booked: BookedTransaction) -> Values:
        total = booked.free if self._columns["is_collective"][place] else receipt.cents or 0
        return (
            ("count", self._comparison.set_size[n]),
            ("amount_cents", total),
            ("currency", receipt.currency or ""),
        )

    def _sum_less(self, place: int, n: int, receipt: OpenReceipt, booked: BookedTransaction) -> Values:
        pairs, receipts = self._comparison.pairs, self._index.receipts
        parts = [receipts[int(pairs.receipt[part])] for part in (n, *self._comparison.set_of[n])]
        total = sum((one.cents or 0) if one.side == booked.facts.side else -(one.cents or 0) for one in parts)
        difference = _difference(total, booked.free - total, receipt.currency or "")
        return (("count", len(parts)), ("amount_cents", total), ("percent", self._columns["percent"][place]), *difference)

    def _payout(self, _place: int, n: int, receipt: OpenReceipt, booked: BookedTransaction) -> Values:
        pairs, receipts = self._comparison.pairs, self._index.receipts
        sales = [receipts[int(pairs.receipt[part])].cents or 0 for part in (n, *self._comparison.set_of[n])]
        difference = _difference(sum(sales), booked.free - sum(sales), receipt.currency or "")
        return (("count", len(sales)), ("amount_cents", sum(sales)), *difference)

    def _less_fee(self, place: int, n: int, receipt: OpenReceipt, booked: BookedTransaction) -> Values:
        cents = receipt.cents or 1
        difference = _difference(cents, self._columns["allocate"][place] - cents, receipt.currency or "")
        return (("name", booked.other_side), ("count", self._comparison.set_size.get(n, 1)), *difference)

    def _difference(self, place: int, _n: int, receipt: OpenReceipt, _booked: BookedTransaction) -> Values:
        cents = receipt.cents or 1
        return _difference(cents, self._paid[place] - cents, receipt.currency or "")

    def _percent(self, place: int, n: int, receipt: OpenReceipt, booked: BookedTransaction) -> Values:
        return (("percent", self._columns["percent"][place]), *self._difference(place, n, receipt, booked))

    def _currencies(self, _place: int, _n: int, receipt: OpenReceipt, booked: BookedTransaction) -> Values:
        return (("receipt_currency", receipt.currency or ""), ("transaction_currency", booked.currency))

    def _day_of_invoice(self, _place: int, _n: int, receipt: OpenReceipt, _booked: BookedTransaction) -> Values:
        issued = receipt.facts.issued_on
        return () if issued is None else (("issued_on", issued),)

    def _converted(self, _place: int, _n: int, receipt: OpenReceipt, booked: BookedTransaction) -> Values:
        facts = booked.facts
        return (
            ("receipt_cents", receipt.cents or 0), ("receipt_currency", receipt.currency or ""),
            ("amount_cents", facts.amount_cents), ("currency", booked.currency),
        )  # fmt: skip

    def _written(self, _place: int, _n: int, receipt: OpenReceipt, booked: BookedTransaction) -> Values:
        hits = self._index.mentions.named[booked.place][receipt.place]
        best = max(hits, key=lambda hit: (hit.strength, -hit.start))
        return (("number", receipt.facts.number or ""), ("written", booked.facts.remittance[best.start : best.end]))

    def _number(self, _place: int, _n: int, receipt: OpenReceipt, _booked: BookedTransaction) -> Values:
        return (("number", receipt.facts.number or ""),)

    def _other_receipt(self, place: int, _n: int, _receipt: OpenReceipt, _booked: BookedTransaction) -> Values:
        other = self._index.receipts[self._columns["other_receipt"][place]].facts
        return (("number", other.number or ""), ("receipt", other.id))

    def _other_number(self, _place: int, n: int, _receipt: OpenReceipt, _booked: BookedTransaction) -> Values:
        return (("number", self._comparison.other_number(n)),)

    def _similar_name(self, place: int, _n: int, _receipt: OpenReceipt, booked: BookedTransaction) -> Values:
        return (("name", booked.other_side), ("percent", round(100 * self._columns["name"][place])))

    def _both_names(self, _place: int, _n: int, receipt: OpenReceipt, booked: BookedTransaction) -> Values:
        return (("name", booked.other_side), ("receipt_name", receipt.facts.counterparty or ""))

    def _both_ibans(self, _place: int, _n: int, receipt: OpenReceipt, booked: BookedTransaction) -> Values:
        return (("iban", booked.iban), ("receipt_iban", receipt.iban))

    def _name_in_text(self, _place: int, _n: int, receipt: OpenReceipt, booked: BookedTransaction) -> Values:
        return (("name", receipt.facts.counterparty or ""), ("written_name", booked.other_side))

    def _days(self, place: int, column: str, name: str, known: date | None) -> Values:
        days = self._columns[column][place]
        if known is None or days == NO_DAY:
            return ()
        return (("days", days), (name, known), ("transaction_on", date.fromordinal(known.toordinal() + days)))

    def _returned(self, _place: int, _n: int, _receipt: OpenReceipt, booked: BookedTransaction) -> Values:
        back = self._index.transactions[self._comparison.returns.lines[booked.place]]
        return (("returned_on", back.facts.booked_on),)

    def _remarks(self, place: int, n: int, receipt: OpenReceipt, booked: BookedTransaction) -> Iterator[Reason]:
        """What else a person should know; it counts nothing."""
        columns, comparison, index = self._columns, self._comparison, self._index
        if columns["amount"][place] == _EQUAL:
            more_lines, more_receipts = self._equal_ones(receipt, booked)
            if more_lines:
                yield Reason(ReasonCode.OTHER_TRANSACTIONS_EQUAL, is_for=False, values=(("count", more_lines),))
            if more_receipts:
                yield Reason(ReasonCode.OTHER_RECEIPTS_EQUAL, is_for=False, values=(("count", more_receipts),))
        if twin := comparison.twins.get(receipt.place):
            yield Reason(ReasonCode.DUPLICATE, is_for=False, values=(("receipt", index.receipts[twin[0]].facts.id),))
        links, is_set = index.links[receipt.place], columns["is_collective"][place] or columns["is_bundle"][place]
        other_links = len(links) - (booked.place in links)
        if other_links and not is_set:
            yield Reason(ReasonCode.LINKED_ELSEWHERE, is_for=False, values=(("count", other_links),))
        if linkers := comparison.other_linkers(n):
            other = index.receipts[linkers[0]].facts
            yield Reason(ReasonCode.LINKED_TO_OTHER, is_for=False, values=(("number", other.number or ""), ("receipt", other.id)))
        if receipt.side is None:
            yield Reason(ReasonCode.DIRECTION_UNKNOWN, is_for=False)
        if receipt.title.written:
            yield Reason(ReasonCode.NOT_A_BILL, is_for=False, values=(("title", receipt.title.written),))
        if not receipt.facts.is_from_bank and columns["number"][place] != _FOUND:
            yield Reason(ReasonCode.NOT_FROM_BANK, is_for=False)
        if self._covered_until is not None and booked.facts.booked_on > self._covered_until:
            yield Reason(ReasonCode.FEED_INCOMPLETE, is_for=False, values=(("covered_on", self._covered_until),))

    def _equal_ones(self, receipt: OpenReceipt, booked: BookedTransaction) -> tuple[int, int]:
        """How many other lines and other receipts have this amount in the time in question."""
        asked = receipt.place, booked.facts.side
        if asked not in self._equals:
            key = self._index.amounts[booked.facts.side, booked.currency, booked.facts.amount_cents]
            window = (key, receipt.first_day, receipt.last_day)
            self._equals[asked] = (
                self._index.lines_by_amount.count(*window),
                self._index.receipts_by_amount.count(*window) - (receipt.first_day <= receipt.centre <= receipt.last_day),
            )
        lines, receipts = self._equals[asked]
        # this pair is one of those counted, if its days are inside
        return lines - (receipt.first_day <= booked.day <= receipt.last_day), receipts

    _TELLERS: ClassVar[dict[ReasonCode, Teller]] = {
        ReasonCode.AMOUNT_EQUAL: _amount,
        ReasonCode.REST_EQUAL: _amount,
        ReasonCode.LOCAL_AMOUNT_EQUAL: _local_amount,
        ReasonCode.SUM_EQUAL: _sum,
        ReasonCode.SUM_LESS_DISCOUNT: _sum_less,
        ReasonCode.PAYOUT: _payout,
        ReasonCode.COLLECTED: _payout,
        ReasonCode.LESS_FEE: _less_fee,
        ReasonCode.DISCOUNT: _percent,
        ReasonCode.NET_AMOUNT: _percent,
        ReasonCode.AMOUNT_DIFFERS: _difference,
        ReasonCode.CURRENCY_DIFFERS: _currencies,
        ReasonCode.CONVERTED: _converted,
        ReasonCode.NUMBER_FOUND: _written,
        ReasonCode.NUMBER_HINTED: _written,
        ReasonCode.NUMBER_MISTYPED: _number,
        ReasonCode.NUMBER_MISSING: _number,
        ReasonCode.OTHER_RECEIPT_NAMED: _other_receipt,
        ReasonCode.OTHER_NUMBER_NAMED: _other_number,
        ReasonCode.DATE_NAMED: _day_of_invoice,
        ReasonCode.NAME_EQUAL: lambda _self, _place, _n, _receipt, booked: (("name", booked.other_side),),
        ReasonCode.NAME_SIMILAR: _similar_name,
        ReasonCode.NAME_KNOWN: _both_names,
        ReasonCode.NAME_DIFFERS: _both_names,
        ReasonCode.NAME_IN_TEXT: _name_in_text,
        ReasonCode.IBAN_EQUAL: lambda _self, _place, _n, _receipt, booked: (("iban", booked.iban),),
        ReasonCode.IBAN_KNOWN: _both_ibans,
        ReasonCode.IBAN_DIFFERS: _both_ibans,
        ReasonCode.DAYS_FROM_PAYMENT: lambda self, place, _n, receipt, _booked: self._days(
            place, "from_payment", "paid_on", receipt.facts.paid_on
        ),
        ReasonCode.DAYS_FROM_DUE: lambda self, place, _n, receipt, _booked: self._days(
            place, "from_due", "due_on", receipt.facts.due_on
        ),
        ReasonCode.DAYS_FROM_ISSUE: lambda self, place, _n, receipt, _booked: self._days(
            place, "from_issue", "issued_on", receipt.facts.issued_on
        ),
        ReasonCode.RETURNED: _returned,
        ReasonCode.ALREADY_LINKED: lambda _self, _place, _n, _receipt, booked: (
            ("open_cents", booked.free),
            ("amount_cents", booked.facts.amount_cents),
            ("currency", booked.currency),
        ),
    }
    """By code: what makes the values of a reason."""
    _BY_CODE: ClassVar[list[Teller | None]] = [*map(_TELLERS.get, CODES)]
    """The same by place in CODES; None where a reason has no values."""


def _difference(cents: int, difference: int, currency: str) -> Values:
    # half away from zero, in integers: -200 is -2.00 %
    points = (2 * 10_000 * abs(difference) + cents) // (2 * cents) * (1 if difference >= 0 else -1)
    return (("difference_cents", difference), ("basis_points", points), ("currency", currency))
