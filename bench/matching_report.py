"""How the matcher's benchmarks print: a table of figures, and the facts of both sides of a decision."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from portal.domain.matching import Decision, Reason, ReceiptFacts, TransactionFacts

Row = Mapping[str, object]


def print_table(rows: Sequence[Row]) -> None:
    """Print rows below the names of their columns; texts stand left, figures right."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    cells = [columns, *([_cell(row.get(column)) for column in columns] for row in rows)]
    widths = [max(len(line[n]) for line in cells) for n in range(len(columns))]
    print()
    is_text = [any(isinstance(row.get(column), str) for row in rows) for column in columns]
    for line in cells:
        padded = zip(line, widths, is_text, strict=True)
        print("  ".join(text.ljust(width) if left else text.rjust(width) for text, width, left in padded).rstrip())


def decision_row(
    receipt: ReceiptFacts, decision: Decision, truth: Iterable[str], transactions: Iterable[TransactionFacts]
) -> dict[str, object]:
    """Return in words what was decided about a receipt, beside its truth; `score` and `reasons` are of the first candidate."""
    lines = {line.id: line for line in transactions}
    first = decision.candidates[0] if decision.candidates else None
    return {
        "facts": _receipt_facts(receipt),
        "assigned": [_line_facts(lines[part.transaction]) for part in decision.allocations],
        "truth": [_line_facts(lines[line]) for line in truth],
        "score": first.score if first else None,
        "reasons": [_reason(reason) for reason in first.reasons] if first else [],
    }


def print_decisions(title: str, rows: Iterable[Row]) -> None:
    """Print rows of decisions that also name `receipt`, `client` and `phenomenon`, and perhaps the `gate` that stopped them."""
    for row in rows:
        gate = f" at {row['gate']}:" if "gate" in row else ""
        print(f"\n{title}{gate} {row['client']} {row['receipt']} ({row['phenomenon']}) {row['facts']}")
        print(f"   → {row['assigned']} instead of {row['truth']}; {row['score']} {' '.join(map(str, _as_list(row['reasons'])))}")


def _receipt_facts(receipt: ReceiptFacts) -> str:
    origin = "bank" if receipt.is_from_bank else "upload"
    dates = f"issued {receipt.issued_on} due {receipt.due_on} paid {receipt.paid_on}"
    amount = f"{receipt.amount_cents} {receipt.currency}"
    origin = f"{receipt.iban}, {origin}, links {len(receipt.linked_transactions)}"
    return f"{receipt.direction} {amount} no. {receipt.number} of {receipt.counterparty}, {dates}, {origin}"


def _line_facts(line: TransactionFacts) -> str:
    local = f" ({line.local_amount_cents} {line.local_currency})" if line.local_currency else ""
    amount = f"{line.side} {line.amount_cents} {line.currency}{local}"
    return f"{amount} on {line.booked_on} {line.operation_type}, {line.counterparty}, {line.iban}: {line.remittance!r}"


def _reason(reason: Reason) -> str:
    return f"{'+' if reason.is_for else '-'}{reason.code.value}"


def _as_list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _cell(value: object) -> str:
    return "" if value is None else str(value)
