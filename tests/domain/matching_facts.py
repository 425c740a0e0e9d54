"""Facts to begin with: an invoice, the transfer that pays it, and what the matcher says of them."""

from __future__ import annotations

from datetime import date, timedelta

from portal.domain.matching import Decision, ReceiptFacts, TransactionFacts, match

ISSUED = date(2026, 11, 2)
MONTH, LATE = timedelta(days=30), timedelta(days=4)
IBAN, OTHER_IBAN = "DE86000000000000000001", "DE59000000000000000002"


def receipt(id: str = "r1", **values: object) -> ReceiptFacts:  # noqa: A002 -- the fact's own name
    """A supplier's invoice of 119.00 EUR with a number."""
    facts = {
        "direction": "expense", "number": "RE-2026-1042", "counterparty": "Holzhandel Weber GmbH", "amount_cents": 11900,
        "currency": "EUR", "issued_on": ISSUED, "due_on": ISSUED + timedelta(days=14), "is_from_bank": True, **values,
    }  # fmt: skip
    return ReceiptFacts(id=id, **facts)  # type: ignore[arg-type]


def booked(id: str = "t1", **values: object) -> TransactionFacts:  # noqa: A002 -- as above
    """The transfer that pays it, nine days later, naming it."""
    facts: dict[str, object] = {
        "side": "debit", "amount_cents": 11900, "currency": "EUR", "booked_on": ISSUED + timedelta(days=9),
        "counterparty": "HOLZHANDEL WEBER", "remittance": "Rechnung RE-2026-1042", **values,
    }  # fmt: skip
    facts.setdefault("open_cents", facts["amount_cents"])
    return TransactionFacts(id=id, **facts)  # type: ignore[arg-type]


def decide(receipts: list[ReceiptFacts], lines: list[TransactionFacts], **values: object) -> dict[str, Decision]:
    return {decision.receipt: decision for decision in match(receipts, lines, **values)}  # type: ignore[arg-type]


def one(made: ReceiptFacts, *lines: TransactionFacts, **values: object) -> Decision:
    return decide([made], list(lines), **values)[made.id]


def came_back(id: str = "back", **values: object) -> TransactionFacts:  # noqa: A002 -- as above
    """What a bank takes back of a customer's payment that we collected, with its fee; it tells no name."""
    told = {"amount_cents": 12250, "booked_on": ISSUED + timedelta(days=11), "counterparty": None}
    return booked(id, **{**told, "remittance": "Ruecklastschrift RE-2026-1042 mangels Deckung", **values})


def shared_rents(count: int) -> tuple[list[ReceiptFacts], list[TransactionFacts]]:
    """Each month an office pays a part and says for whom, and the tenant the rest."""
    rents, lines = [], []
    for n in range(count):
        day = ISSUED + n * MONTH
        rents.append(
            receipt(
                f"r{n}", direction="income", number=f"M-{n:04}", counterparty="Erika Mustermann", amount_cents=98000,
                issued_on=day, due_on=None,
            )
        )  # fmt: skip
        office = {"counterparty": "Jobcenter Musterstadt", "remittance": "KdU Erika Mustermann 22247BG0032748"}
        own = {"counterparty": "Erika Mustermann", "remittance": "Rest"}
        lines.append(booked(f"o{n}", side="credit", amount_cents=58810, booked_on=day - timedelta(days=2), **office))
        lines.append(booked(f"t{n}", side="credit", amount_cents=39190, booked_on=day + timedelta(days=1), **own))
    return rents, lines


def charges(*cents: int, every: int = 6) -> list[TransactionFacts]:
    """Advertising, charged to a card every so many days of a month."""
    return [
        booked(
            f"t{n}", amount_cents=amount, counterparty=f"FACEBK *FAH5TAS{n}ZA", remittance="", operation_type="card",
            emitted_on=date(2026, 11, 3 + every * n), booked_on=date(2026, 11, 5 + every * n),
        )
        for n, amount in enumerate(cents)
    ]  # fmt: skip


def month_bill(cents: int) -> ReceiptFacts:
    """The bill for it at the month's end."""
    return receipt(
        number="803 229 1457", counterparty="Meta Platforms Ireland Limited", amount_cents=cents, issued_on=date(2026, 11, 30),
        due_on=None,
    )  # fmt: skip


_MEMBERS = (
    "Ada Voß", "Bernd Kühnemann", "Carla Thoma", "Dirk Ohlsen", "Elke Petersen", "Frank Zwirner", "Gitta Haug", "Horst Immel",
    "Ina Jakobs", "Kuno Lachmann",
)  # fmt: skip


def club() -> tuple[list[ReceiptFacts], list[TransactionFacts]]:
    """Fees of ten members, six of them in one sum. The bank has marked four of these; of the others three pay themselves."""
    day = ISSUED + timedelta(days=10)
    members = [
        receipt(
            f"m{n}", direction="income", number=f"B-{n:04}", counterparty=name, due_on=None, amount_cents=4800,
            paid_on=day if n < 4 else None,
        )
        for n, name in enumerate(_MEMBERS)
    ]  # fmt: skip
    own = [
        booked(f"p{n}", side="credit", amount_cents=4800, counterparty=_MEMBERS[n], remittance="", booked_on=day)
        for n in (6, 7, 8)
    ]  # fmt: skip
    together = booked(
        "t1", side="credit", amount_cents=6 * 4800, counterparty="TSV Musterstadt e.V.",
        remittance="SEPA-Sammellastschrift 6 Posten", booked_on=day,
    )  # fmt: skip
    return members, [together, *own]
