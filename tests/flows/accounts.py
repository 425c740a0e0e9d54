"""What the stories about the bank connection share."""

from __future__ import annotations

from urllib.parse import urlencode

from sqlalchemy import select

from portal.models import (
    BankAccount,
    Transaction,
)
from tests.story import Story
from tests.web.visitor import Visitor


def accounts_of(story: Story) -> list[BankAccount]:
    return story.rows(select(BankAccount).where(BankAccount.client_id == story.client.id).order_by(BankAccount.name))


def connect(story: Story, browser: Visitor, **form: str) -> str:
    """Through Add account to the bank and back; where one arrives."""
    begun = browser.post(f"/clients/{story.client.id}/connections/bank/connect", form)
    assert begun.status_code == 303
    back = story.bank.decide(begun.location)
    arrived = browser.get(f"/connections/qonto/callback?{urlencode(back)}")
    assert arrived.status_code == 303
    return str(arrived.location)


def booked(story: Story, account: BankAccount | None = None) -> list[Transaction]:
    query = select(Transaction).where(Transaction.status == "booked")
    return story.rows(query.where(Transaction.bank_account_id == account.id) if account else query)


def listed(story: Story, since: int) -> set[str]:
    """Accounts whose transactions the bank was asked for."""
    calls = [call for call in story.bank.log(since) if call["path"] == "/v2/transactions"]
    return {part.partition("=")[2] for call in calls for part in call["query"].split("&") if part.startswith("bank_account_id")}
