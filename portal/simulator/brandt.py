"""Organisation A: a carpentry with three accounts, a workshop full of suppliers, and a bookkeeping as lively as a real one."""

from __future__ import annotations

from datetime import date, timedelta

from portal.simulator.clock import stamp
from portal.simulator.customers import Customer, Trade, sell
from portal.simulator.names import Row, iban
from portal.simulator.papers import Line, Paper, Party
from portal.simulator.state import Organization
from portal.simulator.suppliers import Supplier, buy, give_back, open_invoice
from portal.simulator.telling import Teller

COMPANY = Party("Tischlerei Brandt & Söhne GmbH", "Werkhof 7", "22765", "Hamburg", "DE000000107", "", "buero@brandt.example")

HOLZ = Supplier(
    "Holzhandel Petersen KG",
    "Sägewerkstraße 4",
    "22880",
    "Wedel",
    "HP-{year}-{n:04d}",
    (
        ("Eiche massiv, 27 mm, je m²", 6890, 9400),
        ("Multiplex Birke 18 mm, je Platte", 5450, 7900),
        ("Lieferung frei Werkstatt", 8500, 8500),
    ),
    (4, 19),
    kind="zugferd",
)
BESCHLAEGE = Supplier(
    "Beschläge Nord GmbH",
    "Hafenring 21",
    "20457",
    "Hamburg",
    "BN{yy}{month:02d}{n:04d}",
    (
        ("Topfbänder mit Dämpfung, 50 Stück", 9250, 12900),
        ("Auszüge 500 mm, Paar", 2190, 3890),
        ("Möbelgriffe Edelstahl", 1490, 4450),
    ),
    (8,),
    text="bare",
)
LACK = Supplier(
    "Lackfabrik Stein & Co. KG",
    "Am Färbergraben 3",
    "21335",
    "Lüneburg",
    "LS-{n:04d}-{yy}",
    (("Hartwachsöl 10 l", 18900, 22400), ("Klarlack matt 5 l", 9900, 13800), ("Schleifmittel-Set", 4500, 7500)),
    (11,),
    every=2,
    text="spaced",
    discount_percent=2,
    lag=(5, 8),
)
STROM = Supplier(
    "Stadtwerke Elbtal GmbH",
    "Kraftwerkstraße 1",
    "22767",
    "Hamburg",
    "SW-{year}{month:02d}",
    (("Strom und Wärme, Abschlag", 34622, 34622),),
    (2,),
    how="direct_debit",
    text="month",
    lag=(7, 7),
)
TELEFON = Supplier(
    "Nordfunk Telekom GmbH",
    "Sendeturm 12",
    "24103",
    "Kiel",
    "NT{year}{month:02d}-{n:04d}",
    (("Festnetz und Internet Geschäftskunden", 5038, 5038),),
    (6,),
    how="direct_debit",
    lag=(8, 8),
    bounces=(4, 10),
)
SOFTWARE = Supplier(
    "Wolkenbüro Software GmbH",
    "Rechenzentrum 5",
    "60314",
    "Frankfurt am Main",
    "WB-{year}-{month:02d}-{n:04d}",
    (("Zeiterfassung, 6 Plätze, monatlich", 2933, 2933),),
    (14,),
    how="card",
    text="none",
    descriptor="WOLKENBUERO*ABO",
)
TANKEN = Supplier(
    "Tankhof Altona",
    "Stresemannallee 140",
    "22769",
    "Hamburg",
    "{day:02d}{month:02d}-{n:04d}",
    (("Diesel", 4100, 9800),),
    (9, 23),
    how="card",
    kind="jpg",
    text="none",
    descriptor="TANKHOF ALTONA HAMBURG",
    category="CARD_RECEIPT",
)
WERKZEUG = Supplier(
    "Werkzeug Hartmann e. K.",
    "Amboßweg 8",
    "21079",
    "Hamburg",
    "WH {n:04d}",
    (("Forstnerbohrer-Satz", 3990, 6990), ("Zwingen, 4 Stück", 5200, 8800)),
    (17,),
    every=2,
    how="card",
    kind="png",
    text="none",
    descriptor="ZAHLFIX *WERKZEUGHARTM",
    category="EXPENSE_RECEIPT",
)
SAEGEBLATT = Supplier(
    "Blades & Bits Inc.",
    "410 Mill Road",
    "04101",
    "Portland",
    "INV-{n:04d}-{yy}",
    (("Router bit set", 8900, 15900), ("Saw blade 80T", 6900, 9900)),
    (12,),
    every=3,
    phase=1,
    how="card",
    text="none",
    currency="USD",
    percent=0,
    descriptor="BLADESANDBITS.EXAMPLE",
    country="US",
)
SPEDITION = Supplier(
    "Spedition Lüders GmbH",
    "Am Güterbahnhof 30",
    "21073",
    "Hamburg",
    "SL{n:04d}/{yy}",
    (("Transport Möbelteile", 12500, 24500),),
    (7, 18),
    every=2,
    is_collective=True,
)
STEUER = Supplier(
    "Kanzlei Elbtor Steuerberatung",
    "Elbtorstraße 1",
    "20459",
    "Hamburg",
    "KE-{year}-{n:04d}",
    (("Finanzbuchführung, Quartal", 78000, 92000),),
    (16,),
    every=3,
    kind="zugferd",
    text="exact",
)
VERSICHERUNG = Supplier(
    "Hanse Versicherung AG",
    "Ballindamm 90",
    "20095",
    "Hamburg",
    "HV-{n:04d}-{year}",
    (("Betriebshaftpflicht, Quartalsbeitrag", 31250, 31250),),
    (3,),
    every=3,
    phase=2,
    how="direct_debit",
    text="customer",
    percent=0,
    category="OTHER_FINANCIAL_DOCUMENT",
)
ENTSORGUNG = Supplier(
    "Entsorgung Nord AöR",
    "Bullerdeich 19",
    "20537",
    "Hamburg",
    "{year}-EN-{n:04d}",
    (("Container Holzreste, Abholung", 16800, 19800),),
    (21,),
    every=2,
    phase=1,
    kind="xrechnung",
    text="exact",
)
GLAS = Supplier(
    "Glas Meyer OHG",
    "Scherbenweg 2",
    "22113",
    "Hamburg",
    "GM-{n:04d}",
    (("Einlegeböden Klarglas 8 mm, 4 Stück", 15600, 15600),),
    (9, 11),
    every=4,
    phase=1,
    text="none",
    lag=(6, 7),
)
REINIGUNG = Supplier(
    "Gebäudereinigung Blank GmbH",
    "Kehrwieder 6",
    "20457",
    "Hamburg",
    "GB{yy}{month:02d}-{n:04d}",
    (("Reinigung der Ausstellung", 20000, 20000),),
    (20,),
    every=2,
    text="none",
    lag=(5, 5),
)
HAUSMEISTER = Supplier(
    "Hausmeisterservice Krause",
    "Gartenstraße 44",
    "22525",
    "Hamburg",
    "HK {n:04d}",
    (("Hausmeisterdienst, zwei Monate", 20000, 20000),),
    (20,),
    every=2,
    text="none",
    lag=(5, 5),
)
PAPIER = Supplier(
    "Papier & Toner Versand",
    "Logistikpark 9",
    "33689",
    "Bielefeld",
    "PT{n:04d}{yy}",
    (("Kopierpapier A4, 10 Pakete", 3990, 4990), ("Toner schwarz", 7490, 9990)),
    (13,),
    every=3,
    how="cash",
)

SUPPLIERS = (
    HOLZ,
    BESCHLAEGE,
    LACK,
    STROM,
    TELEFON,
    SOFTWARE,
    TANKEN,
    WERKZEUG,
    SAEGEBLATT,
    SPEDITION,
    STEUER,
    VERSICHERUNG,
    ENTSORGUNG,
    GLAS,
    REINIGUNG,
    HAUSMEISTER,
    PAPIER,
)
TRADE = Trade(
    (
        Customer("Café Morgenrot GmbH", "Osterstraße 12", "20259", "Hamburg"),
        Customer("Hotel Deichblick GmbH & Co. KG", "Deichweg 1", "25836", "Garding"),
        Customer("Familie Anna Sommer", "Rosenweg 3", "22587", "Hamburg", is_person=True),
        Customer("Praxis Dr. Yılmaz", "Eppendorfer Weg 77", "20259", "Hamburg"),
        Customer("Kita Sonnenhof e. V.", "Sonnenhof 2", "22761", "Hamburg"),
        Customer("Architekturbüro Kranz PartG", "Speicherstadt 8", "20457", "Hamburg"),
        Customer("Bootswerft Hansen GmbH", "Slipway 5", "24159", "Kiel"),
        Customer("Gemeinde Wedelstein", "Rathausplatz 1", "22880", "Wedelstein"),
    ),
    (
        ("Einbauschrank Eiche, geölt", 185000, 420000),
        ("Küchenzeile nach Maß", 480000, 890000),
        ("Tresen mit Ablage", 260000, 510000),
        ("Innentür mit Zarge", 62000, 98000),
        ("Montage vor Ort, Stunden", 36000, 96000),
        ("Esstisch Nussbaum", 150000, 240000),
    ),
    (5, 13, 24),
    "RE",
)


def tell(seed: int, today: date) -> Teller:
    """Everything that happened at the carpentry."""
    teller = Teller(seed, today, "tischlerei-brandt-soehne", COMPANY, "business")
    teller.member("owner", "Jonas", "Brandt", "paired-device")
    teller.member("manager", "Petra", "Brandt", None)
    teller.member("employee", "Tim", "Osthoff", "passkey")
    main = teller.account("main", "Geschäftskonto", 13_482_617, main=True)
    taxes = teller.account("taxes", "Steuerrücklage", 2_418_000)
    wages = teller.account("wages", "Lohnkonto", 512_340)
    outside = teller.account("outside", "Hausbank Darlehenskonto", -4_125_000, external=True)
    for supplier in SUPPLIERS:
        buy(teller, supplier, main)
    for month in teller.months():
        if month.month % 4 == 2:
            give_back(teller, BESCHLAEGE, main, month.replace(day=22))
    sell(teller, TRADE, main)
    _routine(teller, main, taxes, wages, outside)
    _oddities(teller, main)
    _still_open(teller)
    transfers = [supplier for supplier in SUPPLIERS if supplier.how == "transfer"]
    for number, supplier in enumerate(transfers):
        teller.beneficiary(supplier.party(teller), number)
    for number, name in enumerate(("Anna Reimers", "Cem Aydin"), len(transfers)):
        teller.beneficiary(Party(name, "", "", "", iban=iban(seed, "brandt", name)), number)
    return teller


def organization(teller: Teller) -> Organization:
    """The finished company."""
    return teller.organization(register="HRB 000107", capital=25000)


def _routine(teller: Teller, main: str, taxes: str, wages: str, outside: str) -> None:
    """What comes every month and needs no invoice: rent, wages, taxes, fees, and money moved between the own accounts."""

    def own(account_id: str) -> str:
        return str(teller.accounts[account_id]["iban"])

    for month in teller.months():
        name = f"{month:%m/%Y}"

        def on(day: int, what: str, month: date = month) -> tuple[str, date]:
            return f"{what}/{month:%Y-%m}", month.replace(day=day)

        def move(account: str, what: tuple[str, date], side: str, cents: int, label: str, kind: str, **given: object) -> None:
            key, day = what
            teller.movement(key, account, teller.moment(day, key), side, cents, label, kind, **given)  # type: ignore[arg-type]

        chance = teller.dice("routine", month)
        move(main, on(1, "rent"), "debit", 145000, "Werkhof Immobilien GbR", "transfer",
             reference=f"Miete Halle {name}", party_iban=iban(teller.seed, "rent"))  # fmt: skip
        move(main, on(1, "fee"), "debit", 2900, "Qonto", "qonto_fee", attachment_required=False)
        move(main, on(3, "lease"), "debit", 38900, "Elbe Leasing GmbH", "direct_debit",
             reference=f"Leasing Transporter Rate {name}", party_iban=iban(teller.seed, "lease"))  # fmt: skip
        move(main, on(10, "vat"), "debit", chance.randrange(140000, 260000), "Finanzamt Hamburg-Altona", "direct_debit",
             reference=f"USt {name}", party_iban=iban(teller.seed, "office"), attachment_required=False)  # fmt: skip
        move(main, on(26, "health"), "debit", chance.randrange(158000, 172000), "Nordkasse Krankenversicherung", "direct_debit",
             reference=f"Beiträge {name}", party_iban=iban(teller.seed, "health"), attachment_required=False)  # fmt: skip
        for account, side, label, other in ((main, "debit", "Steuerrücklage", taxes), (taxes, "credit", COMPANY.name, main)):
            move(account, on(15, f"saving/{side}"), side, 150000, label, "transfer" if side == "debit" else "income",
                 reference="Rücklage", party_iban=own(other), attachment_required=False)  # fmt: skip
        for account, side, label, other in ((main, "debit", "Lohnkonto", wages), (wages, "credit", COMPANY.name, main)):
            move(account, on(25, f"wages/{side}"), side, 780000, label, "transfer" if side == "debit" else "income",
                 reference=f"Löhne {name}", party_iban=own(other), attachment_required=False)  # fmt: skip
        for person, cents in (("Anna Reimers", 268400), ("Cem Aydin", 251700), ("Tim Osthoff", 243900)):
            move(wages, on(27, f"pay/{person}"), "debit", cents, person, "transfer",
                 reference=f"Gehalt {name}", party_iban=iban(teller.seed, "brandt", person),
                 attachment_required=False)  # fmt: skip
        for day, label, low, high in ((5, "BAECKEREI AM WERKHOF", 890, 2490), (16, "PARKHAUS SPEICHERSTADT", 400, 1800),
                                      (22, "BAUMARKT ALTONA SAGT DANKE", 1990, 8990)):  # fmt: skip
            move(main, on(day, label), "debit", chance.randrange(low, high), label, "card", days=chance.choice((1, 2)))
        if month.month % 3 == 0:
            cents = chance.randrange(4500, 9900)
            move(main, on(28, "fair"), "debit", cents * 106 // 100, "MESSEHALLE BASEL", "card", days=2, local_amount_cents=cents,
                 local_amount=cents / 100, local_currency="CHF")  # fmt: skip
        move(outside, on(15, "loan"), "debit", 62500, "Hausbank Darlehen 4471", "financing_installment", reference=f"Rate {name}")
        move(outside, on(16, "interest"), "debit", chance.randrange(9000, 14000), "Hausbank Zinsen", "other")


def _oddities(teller: Teller, main: str) -> None:
    """Kinds of movements that are rare, and those that came to nothing."""
    months = [month for month in teller.months() if teller.start.date() < month and month.replace(day=28) < teller.today]
    rare = (
        ("credit", 84000, "Scheckeinreichung Kita Sonnenhof", "cheque", "completed"),
        ("credit", 231500, "Atelier Lumière SARL", "swift_income", "completed"),
        ("credit", 38900, "Elbe Leasing GmbH", "recall", "completed"),
        ("credit", 119000, "Einzug Wartungsvertrag Hotel Deichblick", "direct_debit_collection", "completed"),
        ("debit", 41650, "Ratenkauf Absauganlage", "pay_later", "completed"),
        ("debit", 24900, "KARTENTEST ONLINE", "card", "declined"),
        ("debit", 18800, "MOEBELMESSE TICKETS", "card", "declined"),
        ("debit", 59500, "Unbekannter Lastschriftgläubiger", "direct_debit", "reversed"),
        ("debit", 7900, "HOTEL HAFENKANTE", "card", "reversed"),
    )
    for month in months:
        side, cents, label, kind, status = rare[(month.year * 12 + month.month) % len(rare)]
        key = f"rare/{label}/{month:%Y-%m}"
        teller.movement(key, main, teller.moment(month.replace(day=18), key), side, cents, label, kind, status=status)
    yesterday = teller.today - timedelta(days=1)
    for label, cents in (("BAECKEREI AM WERKHOF", 1240), ("TANKHOF ALTONA HAMBURG", 8350)):
        key = f"waiting/{label}/{yesterday}"
        teller.movement(key, main, teller.moment(yesterday, key), "debit", cents, label, "card", days=2, status="pending")
    bare = next(month for month in months if month.month % 2 == 0)
    for day, status in ((12, "declined"), (13, "reversed")):  # there is one of each whatever the months bring
        key = f"always/{status}/{bare:%Y-%m}"
        teller.movement(
            key, main, teller.moment(bare.replace(day=day), key), "debit", 6490, "PROBEABO FACHZEITSCHRIFT", "card", status=status
        )
    for number, month in enumerate(months[-4:]):  # a purchase with the receipt and two more pictures of it
        key = f"several/{month:%Y-%m}"
        files = _pictures(teller, key, number, month.replace(day=20))
        teller.movement(
            key, main, teller.moment(month.replace(day=20), key), "debit", 15470 + 1190 * number, "WERKZEUG HARTMANN HAMBURG",
            "card", days=1, attachment_ids=files,
        )  # fmt: skip


def _pictures(teller: Teller, key: str, number: int, day: date) -> list[str]:
    line = Line("Handkreissäge, Zubehör", 1, (15470 + 1190 * number) * 100 // 119)
    paper = Paper("Beleg", f"WH {4100 + number}", WERKZEUG.party(teller), COMPANY, day, None, (line,))
    return [
        teller.file(paper, kind, stamp(teller.moment(day, key)), key, kind) for kind in ("jpg", "png", "pdf")[: 2 + number % 2]
    ]


def _still_open(teller: Teller) -> None:
    """Invoices in every state before payment, and those that will never be paid."""
    unread: Row = dict.fromkeys(
        [
            "supplier_id",
            "supplier_name",
            "issuer_name",
            "invoice_number",
            "iban",
            "vat_number",
            "total_amount",
            "payable_amount",
            "total_tax_amount",
            "total_amount_excluding_taxes",
            "issue_date",
            "due_date",
            "analyzed_at",
        ]
    )
    open_invoice(teller, BESCHLAEGE, "to_review", 2, {**unread, "taxes": [], "file_name": "scan_0012.pdf"})
    open_invoice(teller, LACK, "to_review", 3, {"supplier_name": None})
    open_invoice(teller, HOLZ, "to_approve", 4)
    open_invoice(teller, GLAS, "to_pay", 6)
    open_invoice(teller, SPEDITION, "awaiting_payment", 7)
    open_invoice(teller, ENTSORGUNG, "scheduled", 8, {"scheduled_date": str(teller.today + timedelta(days=5))})
    open_invoice(teller, REINIGUNG, "pending", 5)
    open_invoice(teller, STEUER, "archived", 9)
    open_invoice(teller, WERKZEUG, "discarded", 10)
    open_invoice(teller, HAUSMEISTER, "rejected", 11, {"declined_note": "SENTINEL-NOTE Leistung nicht erbracht"})
    open_invoice(teller, GLAS, "to_review", 12, {"has_duplicates": True, "has_discrepancies": True})
    letter: Row = {
        "attachment_category": "OTHER_NON_FINANCIAL_DOCUMENT", "is_attachment_invoice": False,
        "is_attachment_non_financial": True, "total_amount": None, "payable_amount": None,
        "file_name": "Rundschreiben_Preise.pdf",
    }  # fmt: skip
    open_invoice(teller, HOLZ, "to_review", 13, letter)
    open_invoice(teller, BESCHLAEGE, "paid", 14, letter)
    open_invoice(teller, LACK, "archived", 15, {**letter, "attachment_category": "UNKNOWN"})
