"""Organisation B: a design studio that works in English; and C, a photographer on the smallest plan."""

from __future__ import annotations

from datetime import date, timedelta

from portal.simulator.customers import Customer, Trade, sell, sell_by_card
from portal.simulator.names import iban
from portal.simulator.papers import Party
from portal.simulator.suppliers import Supplier, advertise, buy, give_back, open_invoice
from portal.simulator.telling import Teller

STUDIO = Party("Northlight Studio GmbH", "Torstraße 201", "10115", "Berlin", "DE000000215", "", "hello@northlight.example")
PHOTOGRAPHER = Party("Lindner Fotografie", "Kastanienweg 9", "50667", "Köln", "DE000000323", "", "post@lindner.example")

PRINTER = Supplier(
    "Druckerei Morgenstern GmbH",
    "Spreebogen 14",
    "10557",
    "Berlin",
    "DM-{year}-{n:04d}",
    (("Broschüren, 500 Stück", 42000, 78000), ("Plakate A1, 50 Stück", 18500, 24500)),
    (10,),
    kind="zugferd",
)
FREELANCER = Supplier(
    "Mira Vogt Illustration",
    "Weserstraße 60",
    "12045",
    "Berlin",
    "MV{yy}-{n:04d}",
    (("Illustrationen, Tage", 48000, 72000),),
    (18,),
    text="bare",
)
PROTOTYPES = Supplier(
    "Framewise Inc.",
    "77 Harbor Street",
    "94105",
    "San Francisco",
    "FW-{year}{month:02d}-{n:04d}",
    (("Design seats, monthly", 7500, 7500),),
    (4,),
    how="card",
    text="none",
    currency="USD",
    percent=0,
    descriptor="FRAMEWISE INC",
    country="US",
)
COWORKING = Supplier(
    "Torhaus Coworking GmbH",
    "Torstraße 199",
    "10115",
    "Berlin",
    "TC-{year}-{month:02d}",
    (("Atelierraum, monatlich", 98000, 98000),),
    (1,),
    how="direct_debit",
    text="customer",
    lag=(3, 3),
    bounces=(3, 9),
)
TRAIN = Supplier(
    "Nordbahn Reisen",
    "Bahnsteig 1",
    "10557",
    "Berlin",
    "NB{n:04d}{day:02d}",
    (("Fahrkarte Berlin–Hamburg", 3490, 8990),),
    (12,),
    how="card",
    kind="jpg",
    text="none",
    percent=7,
    descriptor="NORDBAHN REISEN BERLIN",
    category="CARD_RECEIPT",
)
ADVERTISING = Supplier(
    "Adspring Ireland Limited",
    "5 Quay Lane",
    "D02 X285",
    "Dublin",
    "AS-{year}{month:02d}-{n:04d}",
    (("Campaigns", 100, 100),),
    (1,),
    how="card",
    text="none",
    percent=0,
    descriptor="ADSPRING *CAMPAIGNS",
    country="IE",
)
OFFICE = Supplier(
    "Amt für Stadtentwicklung",
    "Rathausallee 1",
    "10178",
    "Berlin",
    "ST-{n:04d}-{year}",
    (("Sondernutzung Ausstellung", 12000, 18000),),
    (15,),
    every=4,
    kind="xrechnung",
    percent=0,
)
TRADE = Trade(
    (
        Customer("Spreekanal Verlag GmbH", "Am Kanal 3", "10179", "Berlin"),
        Customer("Greenhouse Robotics GmbH", "Adlershof 22", "12489", "Berlin"),
        Customer("Museum der Seefahrt gGmbH", "Kaispeicher 1", "20457", "Hamburg"),
    ),
    (
        ("Brand identity, design days", 96000, 288000),
        ("Website, design and handover", 320000, 640000),
        ("Exhibition graphics", 150000, 360000),
    ),
    (7, 21),
    "NL",
)
PRINTS = Trade(
    tuple(
        Customer(name, street, "10119", "Berlin", is_person=True)
        for name, street in (
            ("Ines Albrecht", "Gipsstraße 3"),
            ("Tom Behrendt", "Ackerstraße 12"),
            ("Lena Voigt", "Linienstraße 40"),
        )
    ),
    (("Art print, signed", 3500, 9500), ("Poster, framed", 6500, 14500)),
    (9,),
    "NP",
)


def tell_studio(seed: int, today: date) -> Teller:
    """Everything that happened at the studio."""
    teller = Teller(seed, today, "northlight-studio", STUDIO, "essential")
    teller.member("owner", "Amelia", "North", "passkey")
    teller.member("employee", "Sven", "Holm", None)
    main = teller.account("main", "Main account", 4_127_350, main=True)
    saving = teller.account("saving", "VAT reserve", 960_000)
    suppliers = (PRINTER, FREELANCER, PROTOTYPES, COWORKING, TRAIN, OFFICE)
    for supplier in suppliers:
        buy(teller, supplier, main)
    for month in teller.months():
        if month.month % 5 == 0:
            give_back(teller, PRINTER, main, month.replace(day=20))
        advertise(teller, ADVERTISING, main, month)
        for account, side, other in ((main, "debit", saving), (saving, "credit", main)):
            key = f"saving/{side}/{month:%Y-%m}"
            label, kind = ("VAT reserve", "transfer") if side == "debit" else (STUDIO.name, "income")
            teller.movement(
                key, account, teller.moment(month.replace(day=15), key), side, 80000, label, kind,
                reference="VAT", party_iban=teller.accounts[other]["iban"],
            )  # fmt: skip
        # a fair every quarter, and one print a week that somebody takes along from the studio
        for day, count in ((9, 3), (5, 1), (12, 1), (19, 1), (26, 1)):
            if (count == 1 or month.month % 3 == 0) and teller.is_told(month.replace(day=day) + timedelta(days=3)):
                sell_by_card(teller, PRINTS, main, month.replace(day=day), count)
        key = f"fee/{month:%Y-%m}"
        teller.movement(key, main, teller.moment(month, key), "debit", 1900, "Qonto", "qonto_fee", attachment_required=False)
    sell(teller, TRADE, main)
    for number, (supplier, status) in enumerate(
        ((PRINTER, "to_review"), (FREELANCER, "to_approve"), (PRINTER, "awaiting_payment")), 2
    ):
        open_invoice(teller, supplier, status, number)
    for number, supplier in enumerate(supplier for supplier in suppliers if supplier.how == "transfer"):
        teller.beneficiary(supplier.party(teller), number)
    return teller


def tell_photographer(seed: int, today: date) -> Teller:
    """A small company on the smallest plan: no supplier invoices at the bank."""
    teller = Teller(seed, today, "lindner-fotografie", PHOTOGRAPHER, "solo_basic")
    teller.member("owner", "Karla", "Lindner", "paired-device")
    main = teller.account("main", "Geschäftskonto", 618_200, main=True)
    customers = (
        Customer("Brautmoden Engel", "Domstraße 4", "50668", "Köln"),
        Customer("Weingut Rheinhang", "Am Hang 1", "53474", "Ahrweiler"),
    )
    sell(teller, Trade(customers, (("Reportage, Tag", 68000, 120000), ("Bildbearbeitung", 18000, 42000)), (16,), "LF"), main)
    for month in teller.months():
        for day, label, cents in ((3, "Studiomiete Ehrenfeld", 42000), (19, "FOTOBEDARF RHEIN", 8900)):
            key = f"{label}/{month:%Y-%m}"
            teller.movement(
                key, main, teller.moment(month.replace(day=day), key), "debit", cents, label, "transfer" if day == 3 else "card",
                party_iban=iban(seed, label) if day == 3 else None,
            )  # fmt: skip
    for number, name in enumerate(("Studiomiete Ehrenfeld", "Rahmenbau Kessler")):
        teller.beneficiary(Party(name, "", "", "", iban=iban(seed, name)), number)
    yesterday = teller.today - timedelta(days=1)
    key = f"waiting/{yesterday}"
    teller.movement(key, main, teller.moment(yesterday, key), "debit", 3900, "FOTOBEDARF RHEIN", "card", status="pending")
    return teller
