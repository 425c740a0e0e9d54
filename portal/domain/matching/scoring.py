"""From signs to a probability: an additive table of log-odds, set by hand and on the careful side, and the reasons it gives.

A later version fits the table; the form (named weights, one reason each, competition last) stays.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from math import exp, fsum

from portal.domain.matching.features import Amount, Comparison, Evidence, Number
from portal.domain.matching.reasons import Reason, ReasonCode, Value
from portal.domain.names import CLEARLY_SAME, SIMILAR

MATCHER_VERSION = "rules-3"
"""Stored with every decision. Changes whenever the same facts may lead to another decision."""

FIRST_DAYS, LAST_DAYS = -31, 135
"""Outside of these days from the invoice date nothing is assigned by machine."""
_PRIOR = -4.0
_MOST_WITHOUT_IDENTITY = 2.7
"""A probability of 0.94: without number, bank link or IBAN a candidate is never called sure."""
_UNLIKE = 0.5

_AMOUNT_TERMS = {
    Amount.EQUAL: (ReasonCode.AMOUNT_EQUAL, 4.0),
    Amount.LOCAL: (ReasonCode.LOCAL_AMOUNT_EQUAL, 4.0),
    Amount.REST: (ReasonCode.REST_EQUAL, 3.5),
    Amount.SUM: (ReasonCode.SUM_EQUAL, 4.0),
    Amount.DISCOUNT: (ReasonCode.DISCOUNT, 1.0),
    Amount.NET: (ReasonCode.NET_AMOUNT, 0.5),
    Amount.CURRENCY: (ReasonCode.CURRENCY_DIFFERS, -0.5),
    Amount.MISSING: (ReasonCode.AMOUNT_MISSING, -0.1),
}
_NUMBER_TERMS = {
    Number.FOUND: (ReasonCode.NUMBER_FOUND, 6.0),
    Number.SHORT: (ReasonCode.NUMBER_HINTED, 3.0),
    Number.HINTED: (ReasonCode.NUMBER_HINTED, 1.5),
    Number.MISTYPED: (ReasonCode.NUMBER_MISTYPED, 2.5),
    Number.ABSENT: (ReasonCode.NUMBER_MISSING, -0.5),
}
# at most this far from the date: this weight
_PAYMENT_STEPS = ((1, 2.0), (3, 1.5), (7, 0.5), (14, -0.3))
_DUE_STEPS = ((5, 1.0), (14, 0.5), (45, 0.0))
_ISSUE_STEPS = (
    (-45, -4.0),
    (-14, -0.8),
    (-3, 0.0),
    (-1, 0.4),
    (4, 1.2),
    (15, 0.9),
    (36, 0.4),
    (66, 0.0),
    (100, -0.8),
    (136, -1.2),
)
_PER_DAY = 0.01

Term = tuple[ReasonCode, float]


def terms(evidence: Evidence) -> list[Term]:
    """List what counts for and against a pair, in log-odds, in the order in which a person would ask."""
    found: list[Term] = [(ReasonCode.BANK_LINKED, 6.0)] if evidence.is_linked else []
    found.append(_AMOUNT_TERMS.get(evidence.amount) or (ReasonCode.AMOUNT_DIFFERS, _difference_weight(evidence)))
    if number := _NUMBER_TERMS.get(evidence.number):
        found.append(number)
    if evidence.other_receipt is not None:
        found.append((ReasonCode.OTHER_RECEIPT_NAMED, -6.0))
    elif evidence.other_number is not None:
        found.append((ReasonCode.OTHER_NUMBER_NAMED, -3.0))
    if name := _name_term(evidence):
        found.append(name)
    if evidence.iban is not None:
        found.append(
            (ReasonCode.IBAN_EQUAL, 3.5) if evidence.iban else (ReasonCode.IBAN_DIFFERS, -2.5 if pays_to_iban(evidence) else -0.2)
        )
    found += _date_terms(evidence)
    if evidence.is_used:
        found.append((ReasonCode.ALREADY_LINKED, -5.0))
    if evidence.is_declined:
        found.append((ReasonCode.DECLINED, -8.0))
    return found


def weigh(comparison: Comparison) -> None:
    """Set `weight` (log-odds) and `score` (probability) of every pair. A rival for either side takes its share."""
    for row in comparison.rows:
        for evidence in row:
            weight = fsum(weight for _, weight in terms(evidence)) + _PRIOR
            evidence.weight = weight if has_identity(evidence) else min(weight, _MOST_WITHOUT_IDENTITY)
    odds = {id(evidence): exp(evidence.weight) for row in comparison.rows for evidence in row}
    rows = [fsum(odds[id(evidence)] for evidence in row) for row in comparison.rows]
    columns = [fsum(odds[id(evidence)] for evidence in column) for column in comparison.columns]
    for row in comparison.rows:
        for evidence in row:
            own = odds[id(evidence)]
            rivals = max(0.0, rows[evidence.receipt.place] - own) + max(0.0, columns[evidence.transaction.place] - own)
            if evidence.group:
                rivals = max(0.0, rivals - fsum(odds[id(ally)] for ally in allies(comparison, evidence)))
            evidence.score = min(1.0, max(0.0, round(own / (1.0 + own + rivals), 6)))


def allies(comparison: Comparison, evidence: Evidence) -> list[Evidence]:
    """Return the other pairs of a set: they share the transaction (or the receipt) without competing for it."""
    if evidence.is_collective:
        return [other for other in comparison.columns[evidence.transaction.place] if other.receipt.place in evidence.group]
    return [other for other in comparison.rows[evidence.receipt.place] if other.transaction.place in evidence.group]


def has_identity(evidence: Evidence) -> bool:
    """Tell whether something names this very invoice or its party, and nothing names another."""
    has_party = evidence.iban is True and (evidence.name or 0) >= CLEARLY_SAME
    is_contradicted = evidence.other_receipt is not None or (evidence.iban is False and pays_to_iban(evidence))
    return (evidence.is_linked or is_numbered(evidence) or has_party) and not is_contradicted


def is_numbered(evidence: Evidence) -> bool:
    """Tell whether the number identifies the pair: alone, or a short one together with the party's IBAN or clear name."""
    has_party = evidence.iban is True or (evidence.name or 0) >= CLEARLY_SAME
    return evidence.number is Number.FOUND or (evidence.number is Number.SHORT and has_party)


def pays_to_iban(evidence: Evidence) -> bool:
    """Tell whether the printed IBAN is where the money goes; a payer may use any of his accounts."""
    return evidence.receipt.facts.direction == "expense" and evidence.transaction.facts.side == "debit"


def explain(comparison: Comparison, evidence: Evidence, covered_until: date | None) -> tuple[Reason, ...]:
    """Put a pair into reasons with values, those for it first, each group in the order of `terms`."""
    reasons = [Reason(code, weight >= 0, _values(evidence, code), round(weight, 3)) for code, weight in terms(evidence)]
    reasons += _remarks(comparison, evidence, covered_until)
    return tuple(sorted(reasons, key=lambda reason: not reason.is_for))


def _difference_weight(evidence: Evidence) -> float:
    cents = evidence.receipt.cents or 1
    share = abs(_paid_cents(evidence) - cents) / cents
    return -1.5 if share <= 0.05 else -2.5 if share <= 0.25 else -3.0


def _name_term(evidence: Evidence) -> Term | None:
    if evidence.is_name_in_text:
        return ReasonCode.NAME_IN_TEXT, 1.5
    if evidence.name is None:
        return None
    if evidence.is_alias:
        return ReasonCode.NAME_KNOWN, 2.6
    if evidence.name >= CLEARLY_SAME:
        return (ReasonCode.NAME_EQUAL, 3.0) if evidence.name == 1 else (ReasonCode.NAME_SIMILAR, 2.6)
    if evidence.name >= SIMILAR:
        return ReasonCode.NAME_SIMILAR, 1.5
    return ReasonCode.NAME_DIFFERS, -1.5 if evidence.name < _UNLIKE else -0.5


def _date_terms(evidence: Evidence) -> Iterable[Term]:
    if not evidence.receipt.has_date:
        yield ReasonCode.DATE_MISSING, -0.5
    if evidence.days_from_payment is not None:
        days = abs(evidence.days_from_payment)
        yield ReasonCode.DAYS_FROM_PAYMENT, next((weight for most, weight in _PAYMENT_STEPS if days <= most), -1.5)
    if evidence.days_from_due is not None:
        days = abs(evidence.days_from_due)
        yield (
            ReasonCode.DAYS_FROM_DUE,
            next((weight for most, weight in _DUE_STEPS if days <= most), -1.0) - _PER_DAY * min(days, 50),
        )
    if evidence.days_from_issue is not None:
        days = evidence.days_from_issue
        weight = next((weight for below, weight in _ISSUE_STEPS if days < below), -4.0)
        yield ReasonCode.DAYS_FROM_ISSUE, weight - _PER_DAY * min(abs(days), 100)


def _paid_cents(evidence: Evidence) -> int:
    """Return the transaction's amount in the receipt's currency where both are known."""
    facts = evidence.transaction.facts
    if evidence.receipt.currency != evidence.transaction.currency and facts.local_amount_cents is not None:
        return abs(facts.local_amount_cents)
    return facts.amount_cents


def _values(evidence: Evidence, code: ReasonCode) -> tuple[tuple[str, Value], ...]:
    receipt, booked = evidence.receipt, evidence.transaction
    cents, currency = receipt.cents or 0, receipt.currency or ""
    match code:
        case ReasonCode.AMOUNT_EQUAL | ReasonCode.REST_EQUAL:
            return (("amount_cents", cents), ("currency", currency))
        case ReasonCode.LOCAL_AMOUNT_EQUAL:
            paid = (("paid_cents", booked.facts.amount_cents), ("paid_currency", booked.currency))
            return (("amount_cents", cents), ("currency", currency), *paid)
        case ReasonCode.SUM_EQUAL:
            total = booked.free if evidence.is_collective else cents
            return (("count", len(evidence.group) + 1), ("amount_cents", total), ("currency", currency))
        case ReasonCode.DISCOUNT | ReasonCode.NET_AMOUNT | ReasonCode.AMOUNT_DIFFERS:
            return _difference_values(evidence, code)
        case ReasonCode.CURRENCY_DIFFERS:
            return (("receipt_currency", currency), ("transaction_currency", booked.currency))
        case ReasonCode.NUMBER_FOUND | ReasonCode.NUMBER_HINTED:
            return (("number", receipt.facts.number or ""), ("written", evidence.written))
        case ReasonCode.NUMBER_MISTYPED | ReasonCode.NUMBER_MISSING:
            return (("number", receipt.facts.number or ""),)
        case ReasonCode.OTHER_RECEIPT_NAMED if evidence.other_receipt:
            return (("number", evidence.other_receipt.facts.number or ""), ("receipt", evidence.other_receipt.facts.id))
        case ReasonCode.OTHER_NUMBER_NAMED:
            return (("number", evidence.other_number or ""),)
        case ReasonCode.ALREADY_LINKED:
            open_now = (("open_cents", booked.free), ("amount_cents", booked.facts.amount_cents))
            return (*open_now, ("currency", booked.currency))
        case _:
            return _party_and_date_values(evidence, code)


def _difference_values(evidence: Evidence, code: ReasonCode) -> tuple[tuple[str, Value], ...]:
    cents = evidence.receipt.cents or 1
    difference = _paid_cents(evidence) - cents
    # half away from zero, in integers: -200 is -2.00 %
    points = (2 * 10_000 * abs(difference) + cents) // (2 * cents) * (1 if difference >= 0 else -1)
    values = (("difference_cents", difference), ("basis_points", points), ("currency", evidence.receipt.currency or ""))
    return values if code is ReasonCode.AMOUNT_DIFFERS else (("percent", evidence.percent), *values)


def _party_and_date_values(evidence: Evidence, code: ReasonCode) -> tuple[tuple[str, Value], ...]:
    receipt, booked = evidence.receipt.facts, evidence.transaction.facts
    name = booked.counterparty or ""
    days: tuple[int | None, date | None, str] | None = {
        ReasonCode.DAYS_FROM_ISSUE: (evidence.days_from_issue, receipt.issued_on, "issued_on"),
        ReasonCode.DAYS_FROM_DUE: (evidence.days_from_due, receipt.due_on, "due_on"),
        ReasonCode.DAYS_FROM_PAYMENT: (evidence.days_from_payment, receipt.paid_on, "paid_on"),
    }.get(code)
    if days is not None and days[0] is not None and days[1] is not None:
        return (("days", days[0]), (days[2], days[1]), ("transaction_on", date.fromordinal(days[1].toordinal() + days[0])))
    match code:
        case ReasonCode.NAME_KNOWN:
            return (("name", name), ("receipt_name", receipt.counterparty or ""))
        case ReasonCode.NAME_EQUAL:
            return (("name", name),)
        case ReasonCode.NAME_SIMILAR:
            return (("name", name), ("percent", round(100 * (evidence.name or 0))))
        case ReasonCode.NAME_IN_TEXT:
            return (("name", receipt.counterparty or ""), ("written_name", name))
        case ReasonCode.NAME_DIFFERS:
            return (("name", name), ("receipt_name", receipt.counterparty or ""))
        case ReasonCode.IBAN_EQUAL:
            return (("iban", evidence.transaction.iban),)
        case ReasonCode.IBAN_DIFFERS:
            return (("iban", evidence.transaction.iban), ("receipt_iban", evidence.receipt.iban))
        case _:
            return ()


def _remarks(comparison: Comparison, evidence: Evidence, covered_until: date | None) -> Iterable[Reason]:
    receipt, booked = evidence.receipt, evidence.transaction
    if evidence.amount is Amount.EQUAL and receipt.currency and receipt.cents:
        key, window = (booked.facts.side, receipt.currency, receipt.cents), (receipt.first_day, receipt.last_day)
        lines, receipts = comparison.index.by_amount.get(key), comparison.index.receipts_by_amount.get(key)
        # this pair is one of those counted, if its days are inside
        more_lines = lines.count(*window) - (receipt.first_day <= booked.day <= receipt.last_day) if lines else 0
        more_receipts = receipts.count(*window) - (receipt.first_day <= receipt.centre <= receipt.last_day) if receipts else 0
        if more_lines:
            yield Reason(ReasonCode.OTHER_TRANSACTIONS_EQUAL, is_for=False, values=(("count", more_lines),))
        if more_receipts:
            yield Reason(ReasonCode.OTHER_RECEIPTS_EQUAL, is_for=False, values=(("count", more_receipts),))
    if twin := comparison.twins.get(receipt.place):
        yield Reason(ReasonCode.DUPLICATE, is_for=False, values=(("receipt", comparison.index.receipts[twin[0]].facts.id),))
    other_links = set(comparison.index.linked_places(receipt)) - {booked.place}
    if not evidence.group and other_links:
        yield Reason(ReasonCode.LINKED_ELSEWHERE, is_for=False, values=(("count", len(other_links)),))
    linkers = sorted(comparison.linked_by(booked) - {receipt.place, *(evidence.group if evidence.is_collective else ())})
    if linkers:
        other = comparison.index.receipts[linkers[0]].facts
        yield Reason(ReasonCode.LINKED_TO_OTHER, is_for=False, values=(("number", other.number or ""), ("receipt", other.id)))
    if receipt.side is None:
        yield Reason(ReasonCode.DIRECTION_UNKNOWN, is_for=False)
    if not receipt.facts.is_from_bank and evidence.number is not Number.FOUND:
        yield Reason(ReasonCode.NOT_FROM_BANK, is_for=False)
    if covered_until is not None and booked.facts.booked_on > covered_until:
        yield Reason(ReasonCode.FEED_INCOMPLETE, is_for=False, values=(("covered_on", covered_until),))
