"""`all_pages` against lists that lie."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from portal.errors import QontoError, Unavailable
from portal.qonto.client import PER_PAGE, Page, all_pages


def page_of(ids: list[str], number: int, total: int, *, has_more: bool) -> Page[str]:
    return Page(tuple(ids), number, total, (), tuple(ids), has_more)


def source(count: int, *, past: str = "422", lies: bool = False) -> tuple[Callable[[int], Page[str]], list[int]]:
    ids, asked = [f"r{n}" for n in range(count)], []

    def fetch(number: int) -> Page[str]:
        asked.append(number)
        rows = ids[(number - 1) * PER_PAGE : number * PER_PAGE]
        if not rows and number > 1 and past == "422":
            raise QontoError("x", status_code=422)
        return page_of(rows, number, count, has_more=not lies and number * PER_PAGE < count)

    return fetch, asked


@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 200, 250])
@pytest.mark.parametrize("past", ["422", "empty"])
@pytest.mark.parametrize("lies", [False, True])
def test_every_row_comes_once(count: int, past: str, lies: bool) -> None:
    fetch, asked = source(count, past=past, lies=lies)
    pages = list(all_pages(fetch))
    assert [row for page in pages for row in page.rows] == [f"r{n}" for n in range(count)]
    assert [page.page for page in pages] == list(range(1, len(pages) + 1))
    assert len(asked) <= count // PER_PAGE + 1


def test_a_loop_is_noticed() -> None:
    first, _ = source(250)
    asked = []

    def fetch(number: int) -> Page[str]:
        asked.append(number)
        return page_of(list(first(1).rows), number, 250, has_more=number < 3)

    seen = []
    with pytest.raises(Unavailable) as caught:
        seen.extend(all_pages(fetch))
    assert (caught.value.code, asked) == ("count_mismatch", [1, 2])


def test_a_list_that_ends_too_early_is_noticed() -> None:
    with pytest.raises(Unavailable, match="Qonto"):
        list(all_pages(lambda number: page_of([f"r{number}"], number, 5, has_more=False)))


def test_rows_twice_are_no_mismatch() -> None:
    def fetch(number: int) -> Page[str]:
        ids = [f"r{n}" for n in range(100)] if number == 1 else ["r99", *(f"r{n}" for n in range(100, 150))]
        return page_of(ids, number, 150, has_more=number < 2)

    assert len({row for page in all_pages(fetch) for row in page.rows}) == 150


def test_a_list_that_moves_is_read_again() -> None:
    """A row is deleted after the first page: the next page lacks one that moved to the first."""
    ids = [f"r{n}" for n in range(150)]
    asked: list[int] = []

    def fetch(number: int) -> Page[str]:
        asked.append(number)
        if len(asked) == 2:
            del ids[0]
        rows = ids[(number - 1) * PER_PAGE : number * PER_PAGE]
        return page_of(rows, number, len(ids), has_more=number * PER_PAGE < len(ids))

    pages = list(all_pages(fetch))
    assert {row for page in pages for row in page.rows} == {f"r{n}" for n in range(150)}
    assert asked == [1, 2, 1, 2]
    assert [page.page for page in pages] == [1, 2, 3]


def test_a_refused_first_page_is_an_error() -> None:
    def fetch(number: int) -> Page[str]:
        raise QontoError("x", status_code=422, code="missing")

    with pytest.raises(QontoError) as caught:
        list(all_pages(fetch))
    assert caught.value.code == "missing"


def test_nameless_rows_count() -> None:
    page: Page[str] = Page(("a",), 1, 2, ((None, "id"),), ("a",))
    assert list(all_pages(lambda _: page)) == [page]


def test_empty_totals_are_no_promise() -> None:
    assert len(list(all_pages(lambda number: page_of(["a"], number, 0, has_more=False)))) == 1
