"""The second ledger's words: one vocabulary per split, how often things happen, and the kinds of firms they happen to.

The three splits share no family name, first name, town, trade, brand, number format or remittance template (a test holds that),
so that what was learnt on one cannot be recognised in another.
"""
# ruff: noqa: SIM905 -- lists of words read best as words

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

Brand = tuple[str, str, str]
"""Its name on the receipt, at the bank, its currency. "#" and "@" are a digit and a sign that change; {Town} and {Name} vary."""

RATES: dict[str, tuple[float, str]] = {
    "supplier_grants_skonto": (0.22, "usual with trade suppliers of goods, unknown with services"),
    "skonto_taken": (0.85, "whoever is granted it mostly pays in time for it"),
    "customer_takes_skonto": (0.10, "only firms buying from wholesalers and crafts"),
    "instalments": (0.006, "only large invoices, by agreement"),
    "part_payment": (0.008, "a customer pays a part and the rest after a reminder"),
    "collective_out": (0.03, "weekly payment runs mostly pay each invoice alone"),
    "collective_in": (0.035, "firms with several open invoices pay them together"),
    "collective_listed": (0.72, "else only 'diverse Rechnungen' or one number"),
    "netted_credit": (0.005, "a return or wrong price, settled with the next invoice"),
    "split_shipment": (0.04, "market places charge each parcel by itself"),
    "fee_deducted": (0.002, "SEPA credit transfers arrive whole"),
    "fee_deducted_abroad": (0.30, "SWIFT payments with shared costs"),
    "typing_error": (0.0012, "most payers scan or copy the amount"),
    "tip": (0.35, "restaurant by card; the bill is printed before the tip"),
    "refund": (0.008, "a return with a credit note and money back"),
    "refund_online": (0.025, "returns are common only online"),
    "twins": (0.004, "the same purchase twice on one day"),
    "twins_travel": (0.03, "there and back at one price, two parking tickets"),
    "filed_twice": (0.012, "mailed in and uploaded; the document store catches most"),
    "paid_privately": (0.03, "cash or a private card, receipt filed all the same"),
    "customer_never_pays": (0.012, "bad debts and cancelled invoices"),
    "receipt_lost_till": (0.12, "slips get lost"),
    "receipt_lost_invoice": (0.03, "a portal nobody looked into"),
    "returned_debit": (0.012, "not covered, or the amount was objected to; the creditor tries again"),
    "subscription_price_change": (0.12, "once a year, some"),
    "name_changes": (0.006, "for each invoice: a new firm name, or another clerk who types it"),
    "owner_pays": (0.03, "the owner's private account pays the firm's invoice"),
    "relative_pays": (0.05, "spouse or parents pay for a private customer"),
    "prepaid": (0.02, "Vorkasse: paid by order, the invoice follows"),
    "late": (0.10, "after a reminder"),
    "iban_on_receipt": (0.75, "printed on invoices to be transferred; the document store reads it mostly"),
    "paid_day_bank": (0.30, "the bank's store knows it when the invoice was paid out of it"),
    "paid_day_till": (0.30, "'bezahlt am', read from slips and online invoices"),
    "due_day_read": (0.70, "where the invoice names a day rather than 'sofort'"),
    "number_missing_till": (0.35, "slips have numbers that nobody reads"),
    "number_missing": (0.015, "not found on the page"),
    "number_misread": (0.008, "O for 0, or the order's number instead"),
    "amount_missing": (0.006, "bad scans"),
    "net_for_gross": (0.004, "several totals on one page"),
    "wrong_currency": (0.002, "a default where no sign was read"),
    "wrong_currency_abroad": (0.03, "'$' or 'CHF' missed"),
    "date_missing": (0.008, "bad scans"),
    "date_wrong": (0.005, "delivery day or order day instead"),
    "name_missing": (0.007, "only a logo"),
    "name_garbled": (0.012, "reading errors"),
    "abroad_by_paypal": (0.12, "PayPal converts before it debits, so the original amount is not on the line"),
    "renumbered": (0.25, "numbers restart in January and name no year"),
}
"""How often things happen, as shares of the occasions on which they could, and why that often. Guesses, all of them."""

NAME_WAYS: dict[str, dict[str, int]] = {
    "transfer": {
        "name_exact": 66,
        "name_no_form": 12,
        "name_folded": 8,
        "name_upper": 4,
        "name_cut": 4,
        "name_short": 3,
        "name_trading": 3,
    },
    "income": {
        "name_exact": 50,
        "name_no_form": 11,
        "name_folded": 13,
        "name_upper": 11,
        "name_cut": 6,
        "name_short": 4,
        "name_trading": 5,
    },
    "debit": {
        "name_exact": 55,
        "name_no_form": 8,
        "name_folded": 12,
        "name_upper": 15,
        "name_cut": 6,
        "name_short": 2,
        "name_trading": 2,
    },
}
"""How a partner is called at the bank, by who writes the name; weights in per cent."""

REFERENCE_WAYS: dict[str, dict[str, int]] = {
    "transfer": {
        "ref_exact": 840,
        "ref_spaced": 20,
        "ref_prefix_dropped": 35,
        "ref_typo": 7,
        "ref_split": 15,
        "ref_truncated": 6,
        "ref_customer": 30,
        "ref_none": 44,
        "ref_other": 3,
    },
    "firm": {
        "ref_exact": 700,
        "ref_spaced": 40,
        "ref_prefix_dropped": 75,
        "ref_typo": 12,
        "ref_split": 25,
        "ref_truncated": 14,
        "ref_customer": 35,
        "ref_none": 95,
        "ref_other": 4,
    },
    "private": {
        "ref_exact": 590,
        "ref_spaced": 45,
        "ref_prefix_dropped": 95,
        "ref_typo": 22,
        "ref_split": 15,
        "ref_truncated": 8,
        "ref_customer": 25,
        "ref_none": 195,
        "ref_other": 5,
    },
    "debit": {
        "ref_exact": 560,
        "ref_spaced": 20,
        "ref_prefix_dropped": 40,
        "ref_split": 30,
        "ref_customer": 230,
        "ref_none": 120,
    },
}
"""What the remittance text says of the invoice's number, by who writes it; weights in per mille."""

LEGAL_FORMS = ("GmbH", "GmbH", "GmbH", "GmbH & Co. KG", "e.K.", "KG", "UG (haftungsbeschränkt)", "AG", "OHG", "GbR")
MONTHS = "Januar Februar März April Mai Juni Juli August September Oktober November Dezember".split()
EXCHANGE = {"USD": 0.92, "GBP": 1.17, "CHF": 1.05}
"""Euros for one of the currency."""


@dataclass(frozen=True)
class Words:
    """The vocabulary of one split.

    Templates are for `str.format`. `numbers`: with n, y and yy (year), m (month). `trades`: by what they deliver, "any" are
    customers. `brands`: by kind of shop or service. Remittance texts have n (number), k (customer number), d (day) and c (the
    client's name): `pays` the client writes, `asks` its customers, `debits` who pulls the money; `silent` ones name no number.
    `returns`, of the bank when it gives a direct debit back, have t (the debit's text) and d (its day).
    """

    families: list[str]
    first_names: list[str]
    towns: list[str]
    coined: list[str]
    trades: dict[str, list[str]]
    brands: dict[str, list[Brand]]
    numbers: list[str]
    pays: list[str]
    asks: list[str]
    silent: list[str]
    debits: list[str]
    returns: list[str]


def _by_kind(text: str) -> dict[str, list[str]]:
    """Read "kind: a, b; kind: c"."""
    parts = (part.partition(":") for part in text.split(";"))
    return {kind.strip(): [word.strip() for word in words.split(",")] for kind, _, words in parts}


def _brands(text: str) -> dict[str, list[Brand]]:
    """Read lines of "category / receipt's name / bank's name / currency"."""
    found: defaultdict[str, list[Brand]] = defaultdict(list)
    for line in text.strip().splitlines():
        category, name, bank, currency = (part.strip() for part in line.split(" / "))
        found[category].append((name, bank, currency))
    return dict(found)


WORDS: dict[str, Words] = {
    "train": Words(
        families="Bäcker Hoffmann Krüger Lindner Seidel Voß Pfeiffer Jäger Brandt Kühn Arnold Ziegler Rößler Thiel Böhm Horn "
        "Sauer Stein Ott Wenzel Marx Dietz Fröhlich Gräf Heller Nolte Opitz Reuter Straub Unger Yılmaz Novák Wüst Zöllner "
        "Ebert Falk".split(),
        first_names="Anna Bernd Carla Dieter Eva Frank Greta Heiko Ines Jens Katrin Lars Mehmet Nina Olaf Petra".split(),
        towns="Kassel, Göttingen, Fulda, Gießen, Marburg, Hanau, Celle, Hameln, Goslar, Eschwege, Bad Hersfeld, Lüneburg, "
        "Soest, Höxter".split(", "),
        coined="Nordhaus Velora Quantis Baumio Terravia Lichtkraft Solmex Handwerkplus Kontoris Agrimex Tectura Fluxwerk".split(),
        trades=_by_kind("""
            wood: Holzhandel, Sägewerk; hardware: Beschläge, Eisenwaren; food: Feinkost, Fleischerei;
            drinks: Getränke, Weinhandel; coffee: Kaffeerösterei; laundry: Wäscherei; tax: Steuerberatung, Steuerkanzlei;
            parts: Autoteile, Fahrzeugteile; tyres: Reifenhandel; waste: Entsorgung; goods: Großhandel, Import;
            packing: Verpackungen; freight: Spedition; medical: Medizintechnik, Sanitätshaus; cosmetics: Friseurbedarf;
            craft: Malerbetrieb, Dachdeckerei, Elektrotechnik; manager: Hausverwaltung; studio: Grafikbüro, Textbüro;
            machine: Maschinenservice; restaurant: Gasthof, Ristorante;
            any: Architekten, Apotheke, Autohaus, Druckerei, Immobilien, Bau"""),
        brands=_brands("""
            fuel / Aral AG / ARAL STATION ######## {TOWN} / EUR
            diy / OBI GmbH & Co. Deutschland KG / OBI BAU- U. HEIMWERKERM {TOWN} / EUR
            market / EDEKA {Name} e.K. / EDEKA {NAME} {TOWN} / EUR
            market / REWE Markt GmbH / REWE {TOWN}//{TOWN}/DE / EUR
            online / eBay S.à r.l. / EBAY O*##-#####-##### / EUR
            online / Conrad Electronic SE / CONRAD ELECTRONIC HIRSCHAU / EUR
            online / ManoMano SAS / PAYPAL *MANOMANO / EUR
            parking / Contipark Parkgaragengesellschaft mbH / CONTIPARK {TOWN} / EUR
            travel / Deutsche Lufthansa AG / LUFTHANSA ############# / EUR
            travel / Motel One GmbH / MOTEL ONE {TOWN} / EUR
            software / GitHub, Inc. / GITHUB, INC. / USD
            software / Notion Labs, Inc. / NOTION LABS, INC. / USD
            software / Adobe Systems Software Ireland Ltd / ADOBE *ADOBE / EUR
            software / lexoffice (Haufe-Lexware GmbH & Co. KG) / HAUFE-LEXWARE FREIBURG / EUR
            software / Dropbox International Unlimited Company / DROPBOX*@@@@@@@@ / EUR
            hosting / Hetzner Online GmbH / Hetzner Online GmbH / EUR
            telecom / Telekom Deutschland GmbH / Telekom Deutschland GmbH / EUR
            energy / E.ON Energie Deutschland GmbH / E.ON Energie Deutschland / EUR
            insurance / Allianz Versicherungs-AG / Allianz Versicherungs-AG / EUR
            ads / Meta Platforms Ireland Limited / FACEBK *@@@@@@@@@@ / EUR
            parcel / DHL Paket GmbH / DHL Paket GmbH / EUR"""),
        numbers=["RE-{y}-{n:04d}", "{n:06d}", "R{yy}{n:05d}", "{y}/{n:03d}", "RE{n:04d}", "{n:05d}"],
        pays=["Rechnung {n}", "RE {n}", "{n}", "Rechnungsnr. {n} Kd {k}"],
        asks=["Rechnung {n} vom {d}", "{n}", "Rg. {n} {c}", "RE-Nr {n}"],
        silent=["Rechnung", "Zahlung", "vielen Dank", "wie besprochen", ""],
        debits=["Rechnung {n} vom {d} Kundennr. {k}", "RG {n}"],
        returns=["Rückgabe Lastschrift {t}", "RÜCKLASTSCHRIFT"],
    ),
    "calibrate": Words(
        families="Schäfer Köhler Albrecht Winkler Lorenz Baumann Günther Groß Vogt Jahn Möller Kessler Haas Schreiber Dörr Busch "
        "Kuhn Pohl Engel Horst Bergmann Voigt Weiß Löffler Kramer Häußler Sommer Brückner Steinmetz Aydın Kowalski Wörner "
        "Zapf Eichhorn Plötz Rühl".split(),
        first_names="Sabine Thomas Ulrike Viktor Wiebke Ali Birgit Christoph Daniela Erik Franziska Georg Hanna Ingo "
        "Julia Karsten".split(),
        towns="Ulm, Augsburg, Reutlingen, Tübingen, Esslingen, Göppingen, Biberach, Kempten, Heidenheim, Schwäbisch Gmünd, "
        "Aalen, Nürtingen, Günzburg, Neu-Ulm".split(", "),
        coined="Alvento Südwerk Brixara Cordium Medifax Plansinn Novaterra Ypsilon Werkstoff24 Donaulog Kubisch Inovato".split(),
        trades=_by_kind("""
            wood: Furniere, Holzzentrum; hardware: Werkzeuge, Schraubenhandel; food: Frischdienst, Metzgerei;
            drinks: Brauerei, Fruchtsäfte; coffee: Röstwerk; laundry: Textilpflege; tax: Wirtschaftsprüfung, Steuerbüro;
            parts: KFZ-Teile, Ersatzteile; tyres: Reifencenter; waste: Recycling; goods: Vertrieb, Handelsgesellschaft;
            packing: Kartonagen; freight: Logistik; medical: Praxisbedarf, Therapiebedarf; cosmetics: Haarkosmetik;
            craft: Heizungsbau, Fliesenleger, Gartenbau; manager: Objektbetreuung; studio: Webdesign, Fotostudio;
            machine: Anlagentechnik; restaurant: Brauhaus, Trattoria;
            any: Ingenieure, Optik, Metallbau, Verlag, Softwarehaus, Gebäudereinigung"""),
        brands=_brands("""
            fuel / Shell Deutschland GmbH / SHELL #### {TOWN} / EUR
            fuel / JET Tankstelle {Name} / JET-TANKSTELLE {TOWN} / EUR
            diy / HORNBACH Baumarkt AG / HORNBACH BAUMARKT AG FIL. {TOWN} / EUR
            market / METRO Deutschland GmbH / METRO SAGT DANKE {TOWN} / EUR
            market / Kaufland Vertrieb KG / KAUFLAND {TOWN} 3 / EUR
            online / Amazon EU S.à r.l., Niederlassung Deutschland / AMZN Mktp DE*@@@@@@@@@ / EUR
            online / Amazon EU S.à r.l. / AMAZON.DE*@@@@@@@@@ / EUR
            online / Thomann GmbH / PAYPAL *MUSIKHAUS THOMANN / EUR
            online / reichelt elektronik GmbH / Klarna Bank AB (publ) / EUR
            parking / APCOA Deutschland GmbH / APCOA PARKING {TOWN} / EUR
            travel / DB Vertrieb GmbH / DB VERTRIEB GMBH FRANKFURT / EUR
            travel / B&B HOTELS Germany GmbH / B&B HOTEL {TOWN} / EUR
            software / OpenAI, LLC / OPENAI *CHATGPT SUBSCR / USD
            software / Figma, Inc. / FIGMA / USD
            software / Google Cloud EMEA Limited / GOOGLE *WORKSPACE {TOWN} / EUR
            software / sevDesk GmbH / SEVDESK OFFENBURG / EUR
            software / Canva Pty Ltd / CANVA* I#####-######## / EUR
            software / Shopify International Limited / SHOPIFY* ######### / EUR
            hosting / IONOS SE / IONOS SE / EUR
            telecom / Vodafone GmbH / Vodafone GmbH / EUR
            energy / EnBW Energie Baden-Württemberg AG / EnBW AG / EUR
            insurance / SV SparkassenVersicherung Holding AG / SV SPARKASSENVERSICHERUNG / EUR
            ads / Google Ireland Limited / GOOGLE*ADS########## / EUR
            parcel / DPD Deutschland GmbH / DPD Deutschland GmbH / EUR"""),
        numbers=["RG{y}-{n:05d}", "{yy}-{n:04d}", "{n:07d}", "AR-{n:05d}", "{n}/{y}", "{yy}{m}{n:03d}", "RG-{n:04d}", "V{n:06d}"],
        pays=["RG {n}", "Rechnungsnummer {n}", "{n} / Kunde {k}", "Rechnung Nr. {n} vom {d}", "Re.Nr.: {n}"],
        asks=["Re.Nr. {n}", "Rechnungsnummer: {n} Datum: {d}", "{c} {n}", "Kd.-Nr. {k} RNR {n}", "RgNr {n}"],
        silent=["Ihre Rechnung", "Begleichung Rechnung", "danke", "Überweisung", "{c}", "offener Betrag", ""],
        debits=["SEPA-LASTSCHRIFT {n} {k}", "Rechnungs-Nr. {n}, Vertrag {k}", "Vertragskonto {k} RNR {n} {d}"],
        returns=["LS-Retoure {t}", "{t} RETURN/REFUND", "Lastschriftrückgabe wg. mangels Deckung"],
    ),
    "test": Words(
        families="Fischer Neumann Schröder Zimmermann Schütz Krause Lange Werner Mayer Peters Scholz Möbius Hübner Kaiser Fuchs "
        "Lang Ritter Jung Hahn Keller Roth Beck Schuster Gärtner Simon Böttcher Ludwig Heinrich Özdemir Dvořák Grünewald "
        "Hempel Süß Barth Mohr Tröger".split(),
        first_names="Markus Renate Stefan Tanja Uwe Vera Wolfgang Aylin Boris Claudia Dirk Elke Florian Gisela "
        "Holger Iris".split(),
        towns="Leipzig, Halle, Görlitz, Zwickau, Plauen, Weißenfels, Köthen, Jena, Gera, Merseburg, Mühlhausen, Döbeln, "
        "Bautzen, Freiberg".split(", "),
        coined="Ostara Mirabell Sanofix Kreativum Optiplan Elbwerk Saxonix Vitalis Prozessia Holzbau21 Tradeo Lumenta".split(),
        trades=_by_kind("""
            wood: Plattenwerk, Holzkontor; hardware: Industriebedarf, Stahlhandel; food: Obsthof, Bäckerei;
            drinks: Mineralbrunnen, Kellerei; coffee: Kaffeemanufaktur; laundry: Mietwäsche; tax: Steuerberater, Lohnbüro;
            parts: Kraftfahrzeugbedarf, Autolack; tyres: Pneuhandel; waste: Containerdienst;
            goods: Handelshaus, Warenkontor; packing: Packmittel; freight: Transporte;
            medical: Orthopädietechnik, Gesundheitsbedarf; cosmetics: Salonausstattung;
            craft: Tischlerei, Klempnerei, Trockenbau; manager: Immobilienservice; studio: Mediengestaltung, Programmierung;
            machine: Werkzeugmaschinen; restaurant: Wirtshaus, Pizzeria;
            any: Kanzlei, Zahnarztpraxis, Tiefbau, Labor, Akademie, Möbelhaus"""),
        brands=_brands("""
            fuel / TotalEnergies Marketing Deutschland GmbH / TOTAL SERVICE STATION {TOWN} / EUR
            fuel / star Tankstelle {Name} / ORLEN STAR {TOWN} / EUR
            diy / BAUHAUS AG / BAUHAUS {TOWN} FC ### / EUR
            market / Lidl Dienstleistung GmbH & Co. KG / LIDL SAGT DANKE / EUR
            market / Selgros Cash & Carry GmbH / SELGROS {TOWN} / EUR
            online / OTTO Payments GmbH / OTTO PAYMENTS HAMBURG / EUR
            online / Galaxus Deutschland GmbH / GALAXUS.DE HAMBURG / EUR
            online / Viking Direkt GmbH / PAYPAL *VIKINGDIREKT / EUR
            parking / Q-Park Operations Germany GmbH & Co. KG / Q-PARK #### {TOWN} / EUR
            travel / FlixMobility GmbH / FLIXBUS.DE BERLIN / EUR
            travel / IBIS Hotel {Town} / IBIS {TOWN} / EUR
            software / Atlassian Pty Ltd / ATLASSIAN AMSTERDAM / USD
            software / Amazon Web Services EMEA SARL / AWS EMEA AWS.AMAZON.CO / USD
            software / Microsoft Ireland Operations Limited / MSFT * E0########## / EUR
            software / Zoom Communications, Inc. / ZOOM.COM 888-799-9666 / EUR
            software / DATEV eG / DATEV EG NUERNBERG / EUR
            hosting / STRATO GmbH / STRATO GmbH / EUR
            telecom / Telefónica Germany GmbH & Co. OHG / Telefonica Germany GmbH + Co. OHG / EUR
            energy / Vattenfall Europe Sales GmbH / VATTENFALL EUROPE SALES / EUR
            insurance / HUK-COBURG-Allgemeine Versicherung AG / HUK-COBURG / EUR
            ads / LinkedIn Ireland Unlimited Company / LINKEDIN P######## / EUR
            parcel / GLS Germany GmbH & Co. OHG / General Logistics Systems Germany / EUR"""),
        numbers=["INV-{n:04d}", "{y}{n:05d}", "F{yy}.{n:04d}", "{n:08d}", "RNG-{y}{m}-{n:02d}", "A{n:05d}", "{n:04d}"],
        pays=["Rechn. {n}", "Rechnung-Nr {n}", "Zahlung {n}", "Beleg {n} KdNr {k}"],
        asks=["Rechn.-Nr. {n}", "Inv {n}", "Zahlung Rechnung {n} v. {d}", "KD {k} / {n}", "{n} {c}"],
        silent=["Rechnungsbetrag", "Ausgleich", "Danke!", "gemäß Absprache", "lt. Vereinbarung", ""],
        debits=["Beleg-Nr. {n} Kto {k}", "RECHNUNG {n}/{k} VOM {d}"],
        returns=["SEPA-Lastschrift Widerspruch {t}", "Retoure SEPA Lastschrift vom {d}, {t}", "Storno Lastschrift"],
    ),
}


@dataclass(frozen=True)
class Firm:
    """A kind of firm.

    `suppliers`, `customers`: (kind, how many, invoices a year, lowest and highest euros). `shops`: (kind, purchases a year,
    lowest and highest euros). `subscriptions`: (kind, how many). `staff`: who gets wages. `payouts`: who pays out its sales,
    "" if nobody does. `sells_goods`: its customers may take skonto.
    """

    kind: str
    suppliers: tuple[tuple[str, int, int, int, int], ...]
    shops: tuple[tuple[str, int, int, int], ...]
    subscriptions: tuple[tuple[str, int], ...]
    customers: tuple[tuple[str, int, float, int, int], ...]
    staff: int
    payouts: str = ""
    sells_goods: bool = False


FIRMS = (
    Firm(
        "cafe",
        (
            ("food", 3, 22, 40, 700),
            ("drinks", 2, 20, 120, 900),
            ("coffee", 1, 12, 180, 800),
            ("laundry", 1, 12, 60, 200),
            ("tax", 1, 12, 150, 400),
            ("craft", 1, 2, 90, 900),
        ),
        (("market", 45, 12, 240), ("diy", 6, 8, 120), ("online", 12, 12, 200), ("fuel", 10, 30, 90)),
        (("software", 2), ("telecom", 1), ("energy", 1), ("insurance", 1)),
        (("firm", 3, 4, 120, 1500),),
        4,
        "SumUp",
    ),
    Firm(
        "carpenter",
        (("wood", 3, 16, 90, 3000), ("hardware", 2, 14, 25, 700), ("machine", 1, 3, 150, 1500), ("tax", 1, 12, 180, 500)),
        (("diy", 30, 6, 250), ("fuel", 40, 40, 120), ("online", 12, 12, 250), ("restaurant", 4, 25, 120)),
        (("software", 2), ("telecom", 2), ("insurance", 1)),
        (("private", 25, 1.3, 300, 9000), ("firm", 6, 5, 400, 12000)),
        3,
        sells_goods=True,
    ),
    Firm(
        "web_agency",
        (("studio", 3, 8, 400, 5000), ("tax", 1, 12, 180, 600)),
        (("restaurant", 10, 20, 150), ("travel", 15, 20, 250), ("online", 15, 12, 900), ("parking", 8, 3, 20)),
        (("software", 6), ("hosting", 1), ("ads", 1), ("telecom", 2)),
        (("firm", 14, 7, 200, 9000), ("abroad", 1, 4, 800, 6000), ("through", 5, 8, 40, 250)),
        3,
        "Stripe",
    ),
    Firm(
        "online_shop",
        (("goods", 5, 12, 300, 6000), ("packing", 1, 10, 60, 600), ("tax", 1, 12, 200, 500)),
        (("online", 20, 10, 300), ("fuel", 12, 40, 90)),
        (("software", 5), ("ads", 1), ("parcel", 1), ("telecom", 1)),
        (("through", 110, 1.1, 20, 220), ("firm", 3, 4, 100, 1200)),
        1,
        "PayPal",
    ),
    Firm(
        "physio",
        (("medical", 2, 7, 30, 500), ("laundry", 1, 12, 60, 180), ("tax", 1, 12, 150, 350)),
        (("online", 12, 10, 200), ("market", 10, 8, 60), ("parking", 5, 2, 12)),
        (("software", 2), ("telecom", 1), ("energy", 1), ("insurance", 1)),
        (("private", 70, 1.7, 80, 480),),
        3,
    ),
    Firm(
        "consultant",
        (("tax", 1, 12, 120, 350), ("studio", 1, 3, 200, 1500)),
        (
            ("restaurant", 30, 18, 160),
            ("travel", 50, 15, 260),
            ("parking", 25, 3, 28),
            ("fuel", 20, 45, 110),
            ("online", 12, 12, 600),
        ),
        (("software", 4), ("telecom", 2), ("insurance", 1)),
        (("firm", 5, 11, 1200, 15000), ("abroad", 1, 3, 1500, 9000)),
        0,
    ),
    Firm(
        "wholesaler",
        (("goods", 8, 20, 400, 20000), ("freight", 2, 24, 60, 900), ("packing", 1, 10, 80, 900), ("tax", 1, 12, 300, 900)),
        (("fuel", 40, 45, 120), ("restaurant", 10, 25, 180), ("online", 8, 15, 300)),
        (("software", 3), ("telecom", 2), ("parcel", 1), ("insurance", 1)),
        (("firm", 32, 9, 90, 6000), ("abroad", 1, 4, 900, 8000)),
        6,
        sells_goods=True,
    ),
    Firm(
        "workshop",
        (("parts", 4, 42, 15, 900), ("tyres", 1, 12, 150, 1500), ("waste", 1, 6, 60, 300), ("tax", 1, 12, 200, 450)),
        (("fuel", 25, 30, 110), ("online", 14, 10, 250), ("diy", 8, 8, 120)),
        (("software", 2), ("telecom", 1), ("insurance", 1)),
        (("private", 75, 1.2, 70, 1500), ("firm", 8, 7, 80, 2200)),
        3,
        "SumUp",
    ),
    Firm(
        "landlord",
        (("craft", 6, 4, 80, 4000), ("manager", 1, 12, 200, 900), ("tax", 1, 4, 200, 900), ("waste", 1, 4, 80, 300)),
        (("diy", 12, 8, 250), ("online", 6, 12, 150)),
        (("energy", 2), ("insurance", 2), ("telecom", 1)),
        (("tenant", 3, 12, 700, 4500),),
        0,
    ),
    Firm(
        "hairdresser",
        (("cosmetics", 2, 14, 50, 600), ("laundry", 1, 12, 50, 150), ("tax", 1, 12, 130, 300)),
        (("market", 15, 6, 60), ("online", 14, 10, 160), ("parking", 4, 2, 10)),
        (("software", 2), ("telecom", 1), ("energy", 1), ("insurance", 1)),
        (("firm", 1, 3, 100, 500),),
        2,
        "SumUp",
    ),
)
