"""The gateway over the simulator: the whole contract of the faults that concern calls, tokens, pages and files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from portal.clock import FixedClock
from portal.errors import ConsentEnded, QontoError, RateLimited, ScopeMissing, Unavailable, UnexpectedPayload
from portal.qonto.budget import Unlimited
from portal.qonto.client import OneToken, Page, Qonto, all_pages
from portal.qonto.oauth import SCOPES, OAuth, new_verifier
from portal.settings import Settings
from tests.bank import Bank
from tests.conftest import SIMULATOR_URL
from tests.qonto import wire

READ = "offline_access organization.read client_invoices.read supplier_invoice.read attachment.read"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """The installation of the tests, quick and without a database."""
    timing = replace(wire.QUICK, read_timeout=5.0, call_deadline=30.0)  # unpacking a bomb takes a busy machine seconds
    files = (SIMULATOR_URL.replace("127.0.0.1", "localhost"),)
    return wire.settings(tmp_path, SIMULATOR_URL, qonto_client_secret="simulator-secret", qonto_file_origins=files, timing=timing)


@pytest.fixture
def api(settings: Settings, bank: Bank) -> Qonto:
    token = bank.tell("tokens", organization=None, scope=READ)["access_token"]
    return Qonto(settings, OneToken(token), Unlimited(), transport=bank.transport)


def invoices(api: Qonto) -> list[Any]:
    return [row for page in all_pages(lambda n: api.supplier_invoices("c", page=n)) for row in page.rows]


def of_many(bank: Bank, count: int = 230) -> None:
    """More than two pages."""
    held = bank.organizations()[0]["counts"]["supplier_invoices"]
    for number in range(count - held):
        bank.put_invoice(id=f"00000000-0000-4000-8000-{number:012d}", invoice_number=f"N{number}")


def test_a_consent_from_page_to_tokens(settings: Settings, bank: Bank) -> None:
    door, verifier = OAuth(settings, transport=bank.transport), new_verifier()
    back = bank.decide(door.authorization(state="s" * 43, verifier=verifier, kind="documents"))
    assert back["state"] == "s" * 43
    with pytest.raises(ConsentEnded):
        door.exchange(code=back["code"], verifier=new_verifier())
    back = bank.decide(door.authorization(state="s" * 43, verifier=verifier, kind="documents"))
    tokens = door.exchange(code=back["code"], verifier=verifier)
    assert set(tokens.scopes) == set(SCOPES["documents"])
    renewed = door.refresh(tokens.refresh_token or "")
    assert renewed.refresh_token not in {None, tokens.refresh_token}
    door.revoke(renewed.refresh_token or "")
    with pytest.raises(ConsentEnded) as caught:
        door.refresh(renewed.refresh_token or "")
    assert caught.value.code == "invalid_grant"


def test_a_wrong_secret_is_our_own_fault(settings: Settings, bank: Bank) -> None:
    with pytest.raises(QontoError) as caught:
        OAuth(replace(settings, qonto_client_secret="wrong"), transport=bank.transport).refresh("x")
    assert (caught.value.code, caught.value.permanent, type(caught.value)) == ("invalid_client", True, QontoError)


def test_the_story_is_read_whole(api: Qonto, bank: Bank) -> None:
    counts = bank.organizations()[0]["counts"]
    listers: dict[str, Callable[..., Page[Any]]] = {
        "supplier_invoices": api.supplier_invoices, "client_invoices": api.client_invoices, "credit_notes": api.credit_notes,
    }  # fmt: skip
    for name, lister in listers.items():
        pages = list(all_pages(lambda n, lister=lister: lister("c", page=n)))  # type: ignore[misc]
        assert sum(len(page.rows) for page in pages) == counts[name]
        assert not any(page.unreadable for page in pages)
    organization = api.organization("c")
    rows = [
        row
        for account in organization.bank_accounts
        for page in all_pages(lambda n, a=account: api.transactions("c", bank_account_id=a.id, page=n))  # type: ignore[misc]
        for row in page.rows
    ]
    assert rows
    assert {row.status for row in rows} <= {"completed", "declined", "reversed"}  # pending ones are not listed
    assert all(row.settled_at for row in rows if row.status == "completed")
    assert len({row.id for row in rows}) == len(rows)


def test_only_changes_are_listed(api: Qonto, bank: Bank, clock: FixedClock) -> None:
    before = clock.now()
    bank.move(minutes=5)
    made = bank.put_invoice(invoice_number="NEU-1")
    rows = [row for page in all_pages(lambda n: api.supplier_invoices("c", updated_from=before, page=n)) for row in page.rows]
    assert [row.id for row in rows] == [made["id"]]
    account = api.organization("c").bank_accounts[0]
    page = api.transactions("c", bank_account_id=account.id, updated_from=before, page=1)
    assert page.rows == ()


def test_every_file_of_the_story(api: Qonto) -> None:
    wanted = {attachment for row in invoices(api) for attachment in row.attachment_ids}
    files = [api.fetch("c", attachment_id) for attachment_id in wanted]
    assert len(files) > 20
    assert all(file.content and file.file_name for file in files)


def test_a_consent_without_the_scope(bank: Bank, settings: Settings) -> None:
    token = bank.tell("tokens", organization=None, scope="offline_access supplier_invoice.read")["access_token"]
    with pytest.raises(ScopeMissing) as caught:
        Qonto(settings, OneToken(token), Unlimited(), transport=bank.transport).organization("c")
    assert caught.value.code == "scope_missing"
    assert caught.value.request_id


@pytest.mark.parametrize("fault", ["5xx", "429", "truncate", "bad_json", "html_200", "gzip_bomb"])
def test_a_fault_that_passes(api: Qonto, bank: Bank, fault: str) -> None:
    bank.fault(fault, times=2, **({"retry_after": 0} if fault == "429" else {}))
    assert api.organization("c").bank_accounts
    assert [entry["fault"] for entry in bank.log()][-3:] == [fault, fault, None]


@pytest.mark.parametrize(
    ("fault", "kind", "code", "calls"),
    [
        ("5xx", Unavailable, "server_error", 4), ("truncate", Unavailable, "truncated", 4), ("bad_json", Unavailable, "bad_json", 4),
        ("html_200", Unavailable, "not_json", 4), ("gzip_bomb", Unavailable, "too_large", None),
        ("302_foreign", QontoError, "redirect", 1), ("429", RateLimited, "rate_limited", 4), ("403_scope", ScopeMissing, "scope_missing", 1),
        ("403_org", ScopeMissing, "forbidden", 1), ("401_always", ConsentEnded, "unauthorized_after_refresh", 1),
    ],
)  # fmt: skip
def test_a_fault_that_stays(api: Qonto, bank: Bank, fault: str, kind: type[QontoError], code: str, calls: int | None) -> None:
    bank.fault(fault)
    since = bank.ask("log")["next"]
    with pytest.raises(kind) as caught:
        api.organization("c")
    assert caught.value.code == code
    assert calls is None or len(bank.log(since)) == calls


@pytest.mark.parametrize("fault", ["meta_wrong", "dup_across_pages"])
def test_lists_that_lie_are_read_whole(api: Qonto, bank: Bank, fault: str) -> None:
    of_many(bank)
    bank.fault(fault)
    assert len({row.id for row in invoices(api)}) == 230


def test_a_list_that_lacks_rows_is_noticed(api: Qonto, bank: Bank) -> None:
    of_many(bank)
    bank.fault("loop")
    with pytest.raises(Unavailable) as caught:
        invoices(api)
    assert caught.value.code == "count_mismatch"


@pytest.mark.parametrize("match", [{}, {"page": 2, "nth": 1}])
def test_rows_that_move_while_we_page(api: Qonto, bank: Bank, match: dict[str, int]) -> None:
    """A row that comes between two pages: the list is read once more, and nothing is missed."""
    of_many(bank)
    bank.fault("insert_during_paging", match=match)
    assert len({row.id for row in invoices(api)}) == 231


def test_an_empty_list_is_believed_but_deletes_nothing(api: Qonto, bank: Bank) -> None:
    bank.fault("empty_200")
    assert invoices(api) == []


@pytest.mark.parametrize("fault", ["schema_drift", "amount_edge", "text_edge"])
def test_odd_rows_do_not_stop_the_others(api: Qonto, bank: Bank, fault: str) -> None:
    bank.fault(fault)
    account = api.organization("c").bank_accounts[0]
    pages = [
        api.supplier_invoices("c", page=1), api.client_invoices("c", page=1),
        api.transactions("c", bank_account_id=account.id, page=1),
    ]  # fmt: skip
    for page in pages:
        assert page.rows
        assert len(page.rows) + len(page.unreadable) == len(page.ids)
    if fault == "amount_edge":
        assert any(page.unreadable for page in pages)
    assert not any("\x00" in repr(row) for page in pages for row in page.rows)


@pytest.mark.parametrize(
    ("fault", "arguments", "code"),
    [
        ("short_file", {}, "short_file"), ("short_file", {"size": 0}, "empty"), ("huge", {"bytes": 60_000_000}, "too_big"),
        ("gone", {}, "gone"), ("url_expired", {}, "url_expired"), ("evil_url", {"url": "http://169.254.169.254/x"}, "address_refused"),
    ],
)  # fmt: skip
def test_files_that_cannot_be_had(api: Qonto, bank: Bank, fault: str, arguments: dict[str, Any], code: str) -> None:
    attachment_id = next(row.attachment_ids[0] for row in invoices(api) if row.attachment_ids)
    bank.fault(fault, **arguments)
    with pytest.raises(QontoError) as caught:
        api.fetch("c", attachment_id)
    assert caught.value.code == code


@pytest.mark.parametrize("fault", ["url_expired", "short_file"])
def test_files_that_can_be_had_in_the_end(api: Qonto, bank: Bank, fault: str) -> None:
    attachment_id = next(row.attachment_ids[0] for row in invoices(api) if row.attachment_ids)
    bank.fault(fault, times=2)
    assert api.fetch("c", attachment_id).content


@pytest.mark.parametrize("fault", ["changed_file", "type_lie"])
def test_other_bytes_are_still_a_file(api: Qonto, bank: Bank, fault: str) -> None:
    attachment_id = next(row.attachment_ids[0] for row in invoices(api) if row.attachment_ids)
    before = api.fetch("c", attachment_id).content
    bank.fault(fault)
    assert api.fetch("c", attachment_id).content != before


def test_an_unknown_account(api: Qonto) -> None:
    with pytest.raises(QontoError) as caught:
        api.transactions("c", bank_account_id="00000000-0000-4000-8000-000000000000", page=1)
    assert caught.value.permanent
    assert not isinstance(caught.value, UnexpectedPayload)
