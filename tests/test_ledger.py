"""The second ledger of `./dev bench ledger`: its books are whole and the same each time, and what counts as right is what we say."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import fields, replace
from datetime import date
from itertools import combinations

import pytest

from bench.ledger import main
from bench.ledger_books import invent
from bench.ledger_facts import Books, Line, Receipt
from bench.ledger_feeds import FEEDS, told
from bench.ledger_scores import Paper, judge, tally
from bench.ledger_words import FIRMS, WORDS, Words
from bench.matching_lost import gates_of
from bench.matching_set import decide
from portal.domain.matching import MATCHER_VERSION, Allocation, Candidate, Decision

SPLITS = ("train", "calibrate")
"""That may be looked at; of the third only the words are, and by machine."""

PHENOMENA = {
    "amounts": """
        equal foreign_with_original skonto instalments part_payment collective netted_credit split_shipment fee_deducted typing_error
        tip refund payout returned_debit foreign_without_original""",
    "ambiguity": "subscription by_use equal_price_elsewhere twins filed_twice no_line still_open fees_kept_back",
    "names": """
        name_exact name_no_form name_folded name_upper name_cut name_short name_trading name_private_payer name_turned name_joint
        card_descriptor intermediary direct_debit""",
    "texts": """
        ref_exact ref_spaced ref_prefix_dropped ref_typo ref_split ref_truncated ref_customer ref_none ref_other collective_listed
        collective_unlisted""",
    "days": """
        card_lag card_same_day paid_within_60 paid_after_60 paid_before_issue year_change number_restarted""",
    "reading": """
        amount_missing net_for_gross wrong_currency wrong_currency_abroad date_missing date_wrong name_missing name_garbled
        number_missing number_misread""",
    "kinds": "expense income invoice till fuel diy market online parking travel restaurant",
    "firms": " ".join(f"firm_{firm.kind}" for firm in FIRMS),
}


def _words(words: Words, name: str) -> set[str]:
    """All words of one kind; of a brand both names."""
    held = getattr(words, name)
    if isinstance(held, dict):
        held = [word for group in held.values() for one in group for word in ([one] if isinstance(one, str) else one[:2])]
    # an empty text is nobody's habit
    return set(held) - {""}


@pytest.mark.parametrize("name", [field.name for field in fields(Words)])
def test_the_splits_share_no_words(name: str) -> None:
    for one, other in combinations(WORDS.values(), 2):
        assert _words(one, name)
        assert not _words(one, name) & _words(other, name)


@pytest.mark.parametrize("split", SPLITS)
def test_every_phenomenon_is_there(split: str) -> None:
    found = {
        name for seed in (11, 21) for books in invent(split, seed, 20) for about in books.phenomena.values() for name in about
    }
    for family, names in PHENOMENA.items():
        assert set(names.split()) <= found, family
    assert found == set(" ".join(PHENOMENA.values()).split())


@pytest.mark.parametrize("feed", FEEDS)
def test_the_same_seed_gives_the_same_books(feed: str) -> None:
    one, same, other = (list(told(invent("train", seed, 3), feed, seed)) for seed in (5, 5, 6))
    assert one == same
    assert not {receipt.id for books in one for receipt in books.receipts} & {
        receipt.id for books in other for receipt in books.receipts
    }


def test_a_feed_leaves_the_books_as_they_are() -> None:
    books = list(invent("train", 5, 2))
    for feed in FEEDS:
        list(told(books, feed, 5))
    assert books == list(invent("train", 5, 2))


@pytest.mark.parametrize("feed", FEEDS)
def test_the_truth_is_whole(feed: str) -> None:
    for books in told(invent("calibrate", 4, 5), feed, 4):
        ids = {receipt.id for receipt in books.receipts}
        lines = {line.id: line for line in books.lines}
        assert ids == set(books.truth) == set(books.phenomena)
        assert set(books.copies) | set(books.copies.values()) <= ids
        assert set(books.stand_ins) == ids | set(lines)
        assert set(books.stand_ins.values()) <= set(books.stand_ins)
        assert all(line in lines for paid in books.truth.values() for line in paid)
        assert all(books.truth[copy] == books.truth[original] for copy, original in books.copies.items())


@pytest.mark.parametrize("feed", FEEDS)
def test_one_equal_payment_is_equal(feed: str) -> None:
    compared = 0
    for books in told(invent("calibrate", 4, 5), feed, 4):
        lines = {line.id: line for line in books.lines}
        shared = Counter(line for receipt, paid in books.truth.items() if receipt not in books.copies for line in paid)
        for receipt in books.receipts:
            paid, about = books.truth[receipt.id], books.phenomena[receipt.id]
            is_misread = about & {"amount_missing", "net_for_gross"}
            if "equal" in about and not is_misread and len(paid) == 1 and shared[paid[0]] == 1:
                line, cents = lines[paid[0]], receipt.amount_cents or 0
                assert line.amount_cents == abs(cents)
                assert line.side == ("credit" if (receipt.direction == "income") == (cents > 0) else "debit")
                compared += 1
    assert compared > 300


def test_what_the_feeds_lose() -> None:
    books = list(invent("calibrate", 4, 4))
    full, texts, csv, poor, gaps = ([line for one in told(books, feed, 4) for line in one.lines] for feed in FEEDS)
    assert not any(line.iban or line.emitted_on or line.operation_type or line.local_currency for line in (*csv, *poor))
    for rich, cut in ((full, texts), (csv, poor)):
        assert sum(not line.remittance for line in cut) > sum(not line.remittance for line in rich) + len(rich) // 4
    assert [replace(line, remittance="") for line in texts] == [replace(line, remittance="") for line in full]
    assert 0.7 < len(gaps) / len(full) < 0.8
    unpaid = {feed: sum(not paid for one in told(books, feed, 4) for paid in one.truth.values()) for feed in FEEDS}
    assert unpaid["gaps"] > unpaid["full"] == unpaid["texts"] == unpaid["csv"] == unpaid["poor"]


# ---- what counts as right

DAY = date(2024, 5, 6)


def _receipt(name: str, **more: object) -> Receipt:
    made = Receipt(name, "expense", None, "Aral AG", 5000, "EUR", DAY)
    return replace(made, **more)


def _line(name: str, **more: object) -> Line:
    made = Line(name, "debit", 5000, 5000, "EUR", DAY, DAY, "ARAL", None, "", "card")
    return replace(made, **more)


def _books(receipts: list[Receipt], lines: list[Line], truth: dict[str, list[str]], **more: object) -> Books:
    """Books as the feed "full" tells them."""
    books = Books("some", receipts, lines, truth, {receipt.id: {"fuel"} for receipt in receipts}, **more)
    (seen,) = told([books], "full", 1)
    return seen


def _papers(books: Books, assigned: dict[str, str], shown: dict[str, str] | None = None) -> dict[str, Paper]:
    """Judge what was assigned; what was not has the candidates that are shown, in words: "b a" is b, then a."""

    def parts(lines: str) -> tuple[Allocation, ...]:
        return tuple(Allocation(line, 5000) for line in lines.split("+"))

    def decision(receipt: str) -> Decision:
        candidates = [Candidate(parts(lines), 0.9, ()) for lines in (shown or {}).get(receipt, "").split()]
        if receipt in assigned:
            return Decision(receipt, "assigned", parts(assigned[receipt]), tuple(candidates), None)
        return Decision(receipt, "review", (), tuple(candidates), None)

    return {paper.receipt: paper for paper in judge(books, [decision(receipt.id) for receipt in books.receipts])}


def test_either_line_of_twins_is_right_once() -> None:
    books = _books([_receipt("one"), _receipt("other")], [_line("a"), _line("b")], {"one": ["a"], "other": ["b"]})
    swapped = _papers(books, {"one": "b", "other": "a"})
    assert [paper.is_right for paper in swapped.values()] == [True, True]
    assert tally(swapped.values()).wrong == []


def test_of_twins_of_which_one_was_paid_in_cash_only_one_assignment_is_right() -> None:
    books = _books([_receipt("one"), _receipt("cash")], [_line("a"), _line("b")], {"one": ["a"], "cash": []})
    counts = tally(_papers(books, {"cash": "a"}).values())
    assert (counts.assigned, counts.right, counts.wrong) == (1, 1, [])
    counts = tally(_papers(books, {"one": "a", "cash": "b"}).values())
    assert (counts.assigned, counts.right, counts.wrong) == (2, 1, ["cash"])


def test_receipts_that_a_text_sets_apart_do_not_stand_in_for_each_other() -> None:
    receipts = [_receipt("one", number="RE-1042"), _receipt("other", number="RE-1043")]
    truth = {"one": ["a"], "other": ["b"]}
    told_apart = _books(receipts, [_line("a", remittance="RE 1042"), _line("b", remittance="")], truth)
    assert tally(_papers(told_apart, {"one": "b", "other": "a"}).values()).wrong == ["one", "other"]
    told_alike = _books(receipts, [_line("a"), _line("b", booked_on=date(2024, 5, 8))], truth)
    assert tally(_papers(told_alike, {"one": "b", "other": "a"}).values()).wrong == []


def test_receipts_that_were_paid_on_different_days_do_not_stand_in_for_each_other() -> None:
    receipts = [_receipt("one", paid_on=DAY), _receipt("other", paid_on=date(2024, 5, 9))]
    books = _books(receipts, [_line("a"), _line("b", emitted_on=date(2024, 5, 9))], {"one": ["a"], "other": ["b"]})
    assert tally(_papers(books, {"one": "b", "other": "a"}).values()).wrong == ["one", "other"]


def test_a_line_is_alike_whenever_a_card_was_booked_but_not_a_transfer() -> None:
    later = date(2024, 5, 8)
    card = _books([_receipt("one")], [_line("a"), _line("b", booked_on=later)], {"one": ["a"]})
    assert _papers(card, {"one": "b"})["one"].is_right
    lines = [_line("a", operation_type="transfer"), _line("b", operation_type="transfer", booked_on=later)]
    transfer = _books([_receipt("one")], lines, {"one": ["a"]})
    assert not _papers(transfer, {"one": "b"})["one"].is_right


def test_a_copy_may_take_the_line_of_its_paper_but_not_another() -> None:
    receipts = [_receipt("one"), _receipt("copy", counterparty="Aral A6")]
    books = _books(receipts, [_line("a"), _line("b", amount_cents=4000)], {"one": ["a"], "copy": ["a"]}, copies={"copy": "one"})
    for assigned, right, wrong in (
        ({"one": "a"}, 1, []),
        ({"copy": "a"}, 1, []),
        ({"one": "a", "copy": "a"}, 1, ["copy"]),
        ({"copy": "b"}, 0, ["copy"]),
    ):
        counts = tally(_papers(books, assigned).values())
        assert (counts.receipts, counts.payable, counts.right, counts.wrong) == (1, 1, right, wrong)


def test_a_set_counts_whole_or_not_at_all() -> None:
    receipts = [_receipt("one", amount_cents=2000), _receipt("other", amount_cents=3000)]
    books = _books(receipts, [_line("a")], {"one": ["a"], "other": ["a"]})
    half, whole = _papers(books, {"one": "a"}), _papers(books, {"one": "a", "other": "a"})
    assert (tally(half.values()).right, tally(whole.values()).right) == (0, 2)
    assert half["one"].is_right
    assert not half["one"].is_whole
    assert half["other"].is_lost


def test_parts_of_a_receipt_count_together() -> None:
    books = _books([_receipt("one", amount_cents=10_000)], [_line("a"), _line("b", counterparty="OBI")], {"one": ["a", "b"]})
    assert _papers(books, {"one": "b+a"})["one"].is_right
    assert tally(_papers(books, {"one": "a"}).values()).wrong == ["one"]


def test_the_place_of_the_right_candidate() -> None:
    lines = [_line("a"), _line("like"), _line("far", amount_cents=1)]
    books = _books([_receipt("one"), _receipt("cash", amount_cents=700)], lines, {"one": ["a"], "cash": []})
    for shown, rank in (("a", 1), ("like", 1), ("far like", 2), ("far", 0), ("", 0)):
        papers = _papers(books, {}, {"one": shown, "cash": "far"})
        assert papers["one"].rank == rank
        counts = tally(papers.values())
        assert (counts.ranks, counts.queue, counts.without_line, counts.falsely_suggested) == ([rank], [rank], 1, 1)


def test_a_gap_is_filled_by_what_nobody_could_tell_apart() -> None:
    lines = [_line(f"{n}-{name}", counterparty=f"ARAL {n}") for n in range(40) for name in ("paid", "spare")]
    receipts = [_receipt(str(n), amount_cents=n) for n in range(40)]
    books = Books("some", receipts, lines, {str(n): [f"{n}-paid"] for n in range(40)}, {str(n): {"fuel"} for n in range(40)})
    (seen,) = told([books], "gaps", 1)
    there = {line.id for line in seen.lines}
    filled = set()
    for n in range(40):
        left = [f"{n}-{name}" for name in ("paid", "spare") if f"{n}-{name}" in there]
        assert seen.truth[str(n)] == left[:1]
        filled.add(tuple(line.split("-")[1] for line in left))
    assert filled == {("paid", "spare"), ("paid",), ("spare",), ()}


def test_a_copy_makes_no_set_of_what_is_lost() -> None:
    """Where a pair stopped is asked of the receipt that was filed first; its copy shares nothing with it."""
    for books in told(invent("train", 5, 2), "full", 5):
        client = books.as_client()
        gates = gates_of(client, decide(client))
        alone = [receipt for receipt in books.copies.values() if len(books.truth[receipt]) == 1]
        sets = {"collective", "netted_credit", "payout"}
        assert not any(gates[receipt] == "no set" for receipt in alone if not books.phenomena[receipt] & sets)


# ---- the command


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--split", "train", "--seed", "3", "--clients", "2", "--feeds", "full", "poor", "--lost", "tip"]) == 0
    printed = capsys.readouterr().out.splitlines()
    rows = [json.loads(line) for line in printed if line.startswith("{")]
    assert all((row["matcher"], row["split"], row["seed"]) == (MATCHER_VERSION, "train", 3) for row in rows)
    for feed in ("full", "poor"):
        found = {row["phenomenon"]: row for row in rows if row["feed"] == feed and "receipts" in row}
        every = found["all"]
        assert every == next(iter(found.values()))
        assert every["receipts"] == sum(row["receipts"] for name, row in found.items() if name.startswith("firm_")) > 100
        assert every["receipts"] == every["payable"] + found["none_there"]["receipts"]
        assert 0 < every["auto"] <= every["receipts"]
        assert [row["lost"] for row in found.values()][1:] == sorted(
            (row["lost"] for row in list(found.values())[1:]), reverse=True
        )
        wrong = [row for row in rows if row["feed"] == feed and "receipt" in row and "gate" not in row]
        assert len(wrong) == every["wrong"]
        lost = [row for row in rows if row["feed"] == feed and "gate" in row]
        assert lost
        assert all("tip" in row["phenomenon"] and row["truth"] and not row["assigned"] for row in lost)
        (stopped,) = (row["stopped by"] for row in rows if row["feed"] == feed and "stopped by" in row)
        assert {row["gate"] for row in lost} <= {gate.rsplit(" ", 1)[0] for gate in stopped.split(", ")}
        assert f"Feed {feed}" in printed
    assert sum(line.startswith("LOST at ") for line in printed) == sum("gate" in row for row in rows)


def test_the_command_names_what_it_knows(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--clients", "1", "--lost", "weather"])
    assert "no receipt stands for weather" in capsys.readouterr().err
