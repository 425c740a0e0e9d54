"""What is asked, what an answer means, and how a refused token is replaced."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import pytest

from portal.errors import ConsentEnded, QontoError, RateLimited, ScopeMissing, Unavailable, UnexpectedPayload
from portal.qonto.client import Qonto
from tests.qonto.wire import Answer, Scripted, qonto, settings

ORGANIZATION = Answer({"organization": {"id": "o", "bank_accounts": []}})
SINCE = datetime(2026, 11, 1, 2, 3, 4, 567000, tzinfo=UTC)


class Tokens:
    """A store whose tokens are numbered."""

    def __init__(self) -> None:
        self.number, self.given_up = 1, ""

    def access_token(self, connection_id: str) -> str:
        return f"token-{self.number}"

    def renewed(self, connection_id: str, *, refused: str) -> str:
        assert refused == f"token-{self.number}"
        self.number += 1
        return f"token-{self.number}"

    def give_up(self, connection_id: str, *, code: str) -> NoReturn:
        self.given_up = code
        raise ConsentEnded("over", code=code)


class Purse:
    """A budget that counts."""

    def __init__(self) -> None:
        self.taken, self.pauses, self.unauthorized = 0, list[float](), 0

    def take(self, *, patience: float) -> None:
        self.taken += 1

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)

    def note_unauthorized(self) -> None:
        self.unauthorized += 1


def gateway(tmp_path: Path, *answers: Any, **kwargs: Any) -> tuple[Qonto, Scripted]:
    bank = Scripted(*answers)
    return qonto(bank, settings(tmp_path), **kwargs), bank


def listed(name: str, *rows: Any) -> Answer:
    return Answer({name: list(rows), "meta": {"current_page": 1, "total_pages": 3, "total_count": 201}})


def test_lists_are_asked_for_in_an_order_that_stands_still(tmp_path: Path) -> None:
    api, bank = gateway(tmp_path, listed("supplier_invoices", {"id": "i", "status": "paid"}))
    page = api.supplier_invoices("c", updated_from=SINCE, page=2)
    assert bank.calls[0].path == "/v2/supplier_invoices"
    assert bank.calls[0].query == {
        "sort_by": ["created_at:asc"], "filter[updated_at_from]": ["2026-11-01T02:03:04.567Z"], "page": ["2"], "per_page": ["100"],
    }  # fmt: skip
    assert bank.calls[0].headers["authorization"] == "Bearer token-1"
    assert (page.total_count, page.page, page.has_more, page.ids, len(page.rows)) == (201, 2, True, ("i",), 1)


def test_transactions_of_the_first_time_and_of_later(tmp_path: Path) -> None:
    api, bank = gateway(tmp_path, Answer({"transactions": []}))
    api.transactions("c", bank_account_id="b", settled_from=SINCE, page=1)
    api.transactions("c", bank_account_id="b", updated_from=SINCE, page=1)
    first, later = (call.query for call in bank.calls)
    since, undone_too = ["2026-11-01T02:03:04.567Z"], ["completed", "declined", "reversed"]
    assert (first["status[]"], first["settled_at_from"]) == (undone_too, since)
    assert (later["status[]"], later["updated_at_from"]) == (undone_too, since)
    assert later["sort_by"] == ["emitted_at:asc"]


def test_credit_notes_look_back_ninety_days(tmp_path: Path) -> None:
    api, bank = gateway(tmp_path, Answer({"credit_notes": []}))
    api.credit_notes("c", updated_from=SINCE, page=1)
    assert bank.calls[0].query["filter[created_at_from]"] == ["2026-08-03T02:03:04.567Z"]


def test_unreadable_rows_are_set_aside(tmp_path: Path) -> None:
    rows = [{"id": "good", "status": "paid"}, {"id": "bad", "status": None}, {"status": "paid"}, "nonsense"]
    page = gateway(tmp_path, listed("client_invoices", *rows))[0].client_invoices("c", page=1)
    assert [row.id for row in page.rows] == ["good"]
    assert page.unreadable == (("bad", "status"), (None, "id"), (None, "id"))
    assert page.ids == ("good", "bad")


def test_the_staging_token_goes_along(tmp_path: Path) -> None:
    bank = Scripted(ORGANIZATION)
    qonto(bank, settings(tmp_path, qonto_staging_token="gate")).organization("c")
    assert bank.calls[0].headers["x-qonto-staging-token"] == "gate"


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        (Answer({"errors": [{"code": "bad_request", "detail": "x"}]}, 400), QontoError, "bad_request"),
        (Answer({"errors": [{"code": "sort_invalid", "message": "x"}]}, 400), QontoError, "sort_invalid"),
        (Answer({"errors": [{"code": "forbidden", "detail": "missing required oauth scope: x"}]}, 403), ScopeMissing, "scope_missing"),
        (Answer({"errors": [{"code": "unknown", "detail": "Unknown error"}]}, 403), ScopeMissing, "forbidden"),
        (Answer({"message": "Forbidden", "trace_id": "t"}, 403), ScopeMissing, "forbidden"),
        (Answer(b" ", 404), QontoError, "not_found"),
        (Answer({"errors": {"message": "Not found"}}, 422), QontoError, "refused"),
        (Answer({"errors": []}, 422), QontoError, "refused"),
        (Answer(b"[1", 418), QontoError, "refused"),
        (Answer(b"", 302, {"Location": "https://elsewhere.example/"}), QontoError, "redirect"),
        (Answer(b"<html>", 200), Unavailable, "not_json"),
        (Answer({"organization": None}), UnexpectedPayload, "schema"),
        (Answer(["a"]), Unavailable, "schema"),
        (Answer(b"[" * 100_000, 200, {"Content-Type": "application/json"}), Unavailable, "bad_json"),
        (Answer({}, 500), Unavailable, "server_error"),
    ],
)  # fmt: skip
def test_what_an_answer_means(tmp_path: Path, answer: Answer, kind: type[QontoError], code: str) -> None:
    answer = Answer(answer.body, answer.status, {**answer.headers, "X-Request-Id": "r1"})
    api, bank = gateway(tmp_path, answer)
    with pytest.raises(kind) as caught:
        api.organization("c")
    assert caught.value.code == code
    assert len(bank.calls) == (4 if kind is Unavailable else 1)
    if kind is not UnexpectedPayload:
        assert caught.value.request_id == "r1"
        assert caught.value.permanent is (kind is not Unavailable)


def test_a_refused_token_is_replaced_once(tmp_path: Path) -> None:
    tokens, purse = Tokens(), Purse()
    api, bank = gateway(tmp_path, Answer({}, 401), ORGANIZATION, tokens=tokens, budget=purse)
    assert api.organization("c").id == "o"
    assert [call.headers["authorization"] for call in bank.calls] == ["Bearer token-1", "Bearer token-2"]
    assert (purse.taken, purse.unauthorized, tokens.given_up) == (2, 1, "")


def test_a_second_401_ends_the_consent(tmp_path: Path) -> None:
    tokens, purse = Tokens(), Purse()
    api, bank = gateway(tmp_path, Answer({}, 401), tokens=tokens, budget=purse)
    with pytest.raises(ConsentEnded):
        api.organization("c")
    assert (len(bank.calls), purse.unauthorized, tokens.given_up) == (2, 2, "unauthorized_after_refresh")


def test_a_single_token_is_not_replaced(tmp_path: Path) -> None:
    api, bank = gateway(tmp_path, Answer({}, 401))
    with pytest.raises(ConsentEnded):
        api.organization("new")
    assert len(bank.calls) == 1


def test_after_a_429_everybody_pauses(tmp_path: Path) -> None:
    purse = Purse()
    api, bank = gateway(tmp_path, Answer({}, 429, {"Retry-After": "0.05"}), ORGANIZATION, budget=purse)
    assert api.organization("c").id == "o"
    assert (purse.pauses, len(bank.calls)) == ([0.05], 2)


def test_a_429_without_a_time_pauses_longer_and_longer(tmp_path: Path) -> None:
    purse = Purse()
    api, bank = gateway(tmp_path, Answer({}, 429), budget=purse)
    with pytest.raises(RateLimited) as caught:
        api.organization("c")
    assert [round(pause, 3) for pause in purse.pauses] == [0.3, 0.6, 1.2, 1.2]
    assert (len(bank.calls), caught.value.retry_after) == (4, None)


def test_a_long_429_lets_go_at_once(tmp_path: Path) -> None:
    purse = Purse()
    api, bank = gateway(tmp_path, Answer({}, 429, {"Retry-After": "121", "X-Request-Id": "r"}), budget=purse)
    with pytest.raises(RateLimited) as caught:
        api.organization("c")
    assert (len(bank.calls), caught.value.retry_after, caught.value.request_id, purse.pauses) == (1, 121.0, "r", [121.0])


def test_a_person_does_not_wait_for_a_429(tmp_path: Path) -> None:
    api, bank = gateway(tmp_path, Answer({}, 429, {"Retry-After": "0.01"}))
    with pytest.raises(RateLimited):
        api.over(Tokens()).organization("c")
    assert len(bank.calls) == 1


@pytest.mark.parametrize(
    ("text", "seconds"), [("7", 7.0), ("-1", 0.0), ("1e9", 86400.0), ("nan", None), ("soon", None), ("", None)]
)
def test_the_spellings_of_retry_after(text: str, seconds: float | None) -> None:
    from portal.qonto.errors import retry_after

    assert retry_after({"retry-after": text}) == seconds


def test_retry_after_may_be_a_date() -> None:
    from portal.qonto.errors import retry_after

    assert retry_after({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0.0
    assert retry_after({"retry-after": "Wed, 21 Oct 2115 07:28:00 GMT"}) == 86400.0
