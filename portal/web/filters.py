"""Money, dates and sizes as people read them: in the reader's language, days and times in Berlin.

What was formatted once is remembered: the desk shows the same queue again after each decision.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from functools import cache, lru_cache
from typing import Any

from babel import Locale
from babel.dates import format_date, format_time
from babel.numbers import format_currency, format_decimal, format_percent
from flask import Flask, current_app
from markupsafe import Markup
from werkzeug.local import LocalProxy

from portal.clock import BERLIN, aware, berlin_day
from portal.settings import Settings
from portal.web.texts import gettext as _
from portal.web.texts import language, ngettext

MINUS = "\N{MINUS SIGN}"
NO_BREAK = "\N{NO-BREAK SPACE}"
NOTHING = "\N{EN DASH}"  #: what stands where a value is unknown
MEGABYTE = 1_000_000
NEVER_SURE = 0.999  #: a share below one never reads "100 %"


def register(app: Flask) -> None:
    """Give templates, imported macros included, the filters and what every page needs to know."""
    for written in (
        money, number, percent, size, day, short_day, month, month_name, moment, recent, clock_time, ago, iban, iso, options,
    ):  # fmt: skip
        app.add_template_filter(written)
    app.jinja_env.globals.update(
        settings=LocalProxy(_settings), is_simulator=LocalProxy(lambda: _settings().is_simulator), now=_now, language=language
    )


def money(cents: int | None, currency: str | None = "EUR") -> str:
    """−1.234,50 €. Units: cents of `currency`; an unknown currency leaves the bare number."""
    return NOTHING if cents is None else _money(cents, currency, language())


@lru_cache(maxsize=4096)
def _money(cents: int, currency: str | None, spoken: str) -> str:
    amount = Decimal(cents) / 100
    if currency:
        return format_currency(amount, currency, locale=_locale(spoken)).replace("-", MINUS)
    return format_decimal(amount, format="#,##0.00", locale=_locale(spoken)).replace("-", MINUS)


def number(value: float | None) -> str:
    """1.243."""
    return NOTHING if value is None else _number(value, language())


@lru_cache(maxsize=1024)
def _number(value: float, spoken: str) -> str:
    return format_decimal(value, locale=_locale(spoken)).replace("-", MINUS)


def percent(share: float | None) -> str:
    """89 %. Range: 0-1, rounded down, so that only certainty reads as certain."""
    if share is None:
        return NOTHING
    return _percent(int(min(share, 1 if share >= 1 else NEVER_SURE) * 100), language())


@lru_cache(maxsize=1024)
def _percent(hundredths: int, spoken: str) -> str:
    return format_percent(hundredths / 100, locale=_locale(spoken))


def size(count: int | None) -> str:
    """214 kB, 3,1 MB. Units: bytes, thousands of them."""
    if count is None:
        return NOTHING
    if count < MEGABYTE:
        return f"{number(max(1, round(count / 1000)))}{NO_BREAK}kB"
    return f"{number(round(count / MEGABYTE, 1))}{NO_BREAK}MB"


def day(value: date | datetime | None) -> str:
    """13.11.2026 or 13 Nov 2026."""
    return _formatted(value, de="dd.MM.yyyy", other="d MMM y")


def short_day(value: date | datetime | None) -> str:
    """12.11. or 12 Nov, where the year is plain."""
    return _formatted(value, de="dd.MM.", other="d MMM")


def month(value: date | datetime | None) -> str:
    """November 2026."""
    return _formatted(value, de="LLLL y", other="LLLL y")


def month_name(value: date) -> str:
    """`Nov`."""
    return _formatted(value, de="LLL", other="LLL")


def clock_time(value: datetime | None) -> str:
    """02:14."""
    return NOTHING if value is None else format_time(_in_berlin(value), "HH:mm", locale=_locale(language()))


def moment(value: datetime | None) -> str:
    """13.11.2026, 02:14."""
    return NOTHING if value is None else f"{day(value)}, {clock_time(value)}"


def recent(value: datetime | None) -> str:
    """today, 02:14; the day itself unless it is yesterday, today or tomorrow."""
    if value is None:
        return NOTHING
    match (berlin_day(_aware(value)) - berlin_day(_now())).days:
        case 0:
            return str(_("today, %(time)s", time=clock_time(value)))
        case 1:
            return str(_("tomorrow, %(time)s", time=clock_time(value)))
        case -1:
            return str(_("yesterday, %(time)s", time=clock_time(value)))
        case _days:
            return moment(value)


def ago(value: date | datetime | None) -> str:
    """6 days, or today: how many Berlin days lie between then and now."""
    if value is None:
        return NOTHING
    then = berlin_day(_aware(value)) if isinstance(value, datetime) else value
    days = max(0, (berlin_day(_now()) - then).days)
    return str(ngettext("%(num)d day", "%(num)d days", days) if days else _("today"))


def iban(value: str | None) -> str:
    """DE65 2905 0000 1072 4417 30, groups that stay together on a line."""
    plain = (value or "").replace(" ", "")
    return " ".join(plain[start : start + 4] for start in range(0, len(plain), 4)) or NOTHING


def iso(value: date | datetime | str | None) -> str:
    """What `<time datetime>` wants; a text of the database is one already."""
    if isinstance(value, datetime):
        return _aware(value).isoformat(timespec="seconds")
    return value.isoformat() if isinstance(value, date) else value or ""


def _formatted(value: date | datetime | str | None, *, de: str, other: str) -> str:
    if not value:
        return NOTHING
    if isinstance(value, str):  # a reason's date comes out of JSON
        value = date.fromisoformat(value)
    spoken = language()
    return _day(berlin_day(_aware(value)) if isinstance(value, datetime) else value, de if spoken == "de" else other, spoken)


@lru_cache(maxsize=4096)
def _day(value: date, pattern: str, spoken: str) -> str:
    return format_date(value, pattern, locale=_locale(spoken))


def options(names: Mapping[str, str], chosen: str | None) -> Markup:
    """The options of a choice, one of them perhaps chosen. `names`: words by value; a firm may have a thousand clients."""
    before, found, after = _options(tuple(names.items())).partition(Markup('value="{}"').format(chosen or ""))
    return before + found + Markup(" selected") + after if found else before


@lru_cache(maxsize=16)
def _options(names: tuple[tuple[str, str], ...]) -> Markup:
    return Markup("").join([Markup('<option value="{}">{}</option>').format(*one) for one in names])


def _in_berlin(value: datetime) -> datetime:
    return _aware(value).astimezone(BERLIN)


def _aware(value: datetime) -> datetime:
    return aware(value) or value


@cache
def _locale(spoken: str) -> Locale:
    return Locale(spoken)


def _ports() -> Any:
    return current_app.extensions["ports"]


def _settings() -> Settings:
    return _ports().settings  # type: ignore[no-any-return]


def _now() -> datetime:
    return _ports().clock.now()  # type: ignore[no-any-return]
