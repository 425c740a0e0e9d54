"""Conservation: whatever invoices do at the bank and whatever goes wrong in between, nothing is lost, doubled or invented.

Random days: invoices appear, change, turn paid or unpaid, get another file, vanish; faults strike and heal; syncs run. In the end
the books are compared with what the bank tells.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from portal.models import Document, Receipt, SkippedInvoice
from tests import factories
from tests.bank import as_file
from tests.story import Story

FAULTS = (
    ("5xx", "/v2/*"), ("bad_json", "/v2/supplier_invoices"), ("429", "/v2/client_invoices"), ("dup_across_pages", "/v2/*"),
    ("empty_200", "/v2/supplier_invoices"), ("url_expired", "/files/*"), ("short_file", "/files/*"), ("gone", "/v2/attachments/*"),
    ("schema_drift", "/v2/supplier_invoices"), ("truncate", "/v2/credit_notes"),
)  # fmt: skip
STATUSES = ("paid", "to_review", "to_pay", "canceled")

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("appear"), st.sampled_from(STATUSES)),
        st.tuples(st.just("change_amount"), st.integers(0, 20)),
        st.tuples(st.just("change_file"), st.integers(0, 20)),
        st.tuples(st.just("turn"), st.integers(0, 20), st.sampled_from(STATUSES)),
        st.tuples(st.just("vanish"), st.integers(0, 20)),
        st.tuples(st.just("fault"), st.sampled_from(FAULTS)),
        st.tuples(st.just("heal")),
        st.tuples(st.just("sync"), st.integers(1, 30)),
    ),
    min_size=4, max_size=14,
)  # fmt: skip


@dataclass
class Life:
    """The bank's side of it."""

    story: Story
    ids: list[str]
    contents: int = 0

    def live(self, step: tuple[Any, ...]) -> None:
        """One event."""
        match step:
            case ("appear", status):
                row = self.story.bill(status=status, invoice_number=f"N-{len(self.ids)}", file=self._file())
                self.ids.append(row["id"])
            case ("change_amount", which) if self.ids:
                value = f"{100 + self.contents + which}.11"
                self._change(which, total_amount={"value": value, "currency": "EUR"})
            case ("change_file", which) if self.ids:
                self._change(which, file=self._file())
            case ("turn", which, status) if self.ids:
                self._change(which, status=status)
            case ("vanish", which) if self.ids:
                known = self.story.bank.app.extensions["simulator"].organizations[0]
                known.hidden.add(self.ids[which % len(self.ids)])
            case ("fault", (name, path)):
                self.story.bank.fault(name, match={"path": path}, times=3)
            case ("heal",):
                self.story.bank.heal()
            case ("sync", hours):
                self.story.sync("documents", hours=hours)
                self.story.pass_the_pause()

    def _change(self, which: int, **values: Any) -> None:
        self.story.bank.put_invoice(id=self.ids[which % len(self.ids)], **values)

    def _file(self) -> dict[str, str]:
        self.contents += 1
        return as_file(factories.pdf(f"Fassung {self.contents}"))


@pytest.fixture
def life(story: Story) -> Life:
    """Connected, with a first import behind it."""
    story.bank.quieten(keep=3)
    story.connect("documents")
    story.work("documents")
    return Life(story, [])


@settings(
    max_examples=6, deadline=None, phases=[Phase.explicit, Phase.generate], print_blob=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(steps=STEPS)
def test_nothing_is_lost_doubled_or_invented(life: Life, steps: list[tuple[Any, ...]]) -> None:
    """Each example goes on where the one before ended: the books only grow, and what must hold holds at every end."""
    story = life.story
    for step in steps:
        note(repr(step))
        life.live(step)
    story.bank.heal()
    story.pass_the_pause()
    story.sync("documents", days=8)  # the weekly listing from the first row on; where much has vanished it calls a person
    run = story.ask("documents", trigger="staff")  # who has seen it
    story.work("documents")
    assert story.run(run.id).state == "done"
    ended = story.sync("documents", days=8)
    assert ended.state == "done"
    assert ended.seen == ended.total
    assert story.is_conserved(ended)
    _compare(life)


def _compare(life: Life) -> None:
    story = life.story
    known = story.bank.app.extensions["simulator"].organizations[0]
    receipts = story.receipts()
    skipped = {row.qonto_id: row.reason for row in story.rows(select(SkippedInvoice))}
    for row_id in life.ids:
        row = known.tables["supplier_invoices"][row_id]
        is_listed = row_id not in known.hidden
        if is_listed and row["status"] == "paid":
            assert row_id in receipts, f"lost: {row}"
        if is_listed and row_id not in receipts:
            assert skipped[row_id] == ("canceled" if row["status"] == "canceled" else "not_paid")
        if row_id in receipts:
            assert row_id not in skipped
            if is_listed:
                _compare_one(story, row, receipts[row_id])
    doubled = select(func.count()).select_from(Receipt).group_by(Receipt.qonto_id).having(func.count() > 1)
    assert story.rows(doubled) == []
    doubled = select(func.count()).select_from(Document).group_by(Document.receipt_id, Document.sha256).having(func.count() > 1)
    assert story.rows(doubled) == []
    story.check_books()
    story.check_rest()


def _compare_one(story: Story, row: dict[str, Any], receipt: Receipt) -> None:
    cents = round(float(row["total_amount"]["value"]) * 100)
    assert (receipt.amount_cents, receipt.source_status) == (cents, row["status"])
    documents = story.documents(receipt)
    assert receipt.document_state == "complete"
    assert [document.version for document in documents] == list(range(1, len(documents) + 1))
    assert documents[-1].attachment_id == row["attachment_id"]
