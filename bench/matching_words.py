"""The words of the invented clients: one vocabulary per split, no word list shared between two of them.

Who tunes the matcher on one split must not meet its names, towns, number formats, texts or the bank's habits in the split that
reports. Only what the law or the world fixes is common: legal forms, and that PayPal, Klarna, SumUp and Stripe exist.
"""
# ruff: noqa: SIM905 -- lists of words read best as words

from __future__ import annotations

from dataclasses import dataclass

LEGAL_FORMS = ("GmbH", "GmbH & Co. KG", "AG", "e.K.", "UG (haftungsbeschränkt)", "OHG", "KG", "GbR", "")


@dataclass(frozen=True)
class Vocabulary:
    """The words of one split. Each field is disjoint from the same field of the other splits (a test holds that).

    Templates are for `str.format`. `numbers`: of suppliers, `own_numbers`: of the client's invoices, with n, year, yy, month,
    letters. `references`: the payer's text, {0} is the number, {day} a date, {code} some digits, {amount} the sum.
    `processors`, `payouts`: (name, IBAN, text) with {party}, {code}. `trades`: trade → how a bank abbreviates it.
    `cuts`: letters after which the bank cuts a name; `breaks`: after which it puts a blank into a text.
    """

    families: tuple[str, ...]
    first_names: tuple[str, ...]
    trades: dict[str, str]
    towns: tuple[str, ...]
    brands: tuple[str, ...]
    numbers: tuple[str, ...]
    own_numbers: tuple[str, ...]
    references: tuple[str, ...]
    polite: tuple[str, ...]
    customer_numbers: tuple[str, ...]
    lists: tuple[tuple[str, str], ...]
    unlisted: tuple[str, ...]
    instalments: tuple[str, ...]
    discounts: tuple[str, ...]
    credits: tuple[str, ...]
    series: tuple[str, ...]
    other_lines: tuple[str, ...]
    descriptors: tuple[str, ...]
    processors: tuple[tuple[str, str, str], ...]
    payouts: tuple[tuple[str, str, str], ...]
    card_digits: tuple[str, ...]
    misread_names: tuple[str, ...]
    cuts: tuple[int, ...]
    breaks: tuple[int, ...]
    wrappers: tuple[str, ...]
    prices: tuple[int, ...]


_TRAIN = Vocabulary(
    families=tuple(
        "Müller Größle Jäger Özdemir Schäfer Weißhaupt Köhler Brandt Reuter Kämmer Pohl Hansen Möhring Voß Süß Lindner Barth "
        "Zöllner Ehrlich Nguyen Kowalski Fährmann Thieß Löwe Stür Damm Eickhoff Überall Rößler Tausend Wendt Achterberg".split()
    ),
    first_names=tuple("Anna Jürgen Aylin Björn Käthe Tomasz Lena Günther".split()),
    trades={
        "Holzhandel": "Holzh.",
        "Elektro": "Elek.",
        "Druckerei": "Druck.",
        "Bäckerei": "Bäck.",
        "Gerüstbau": "Gerüst.",
        "Spedition": "Sped.",
        "Dachdeckerei": "Dachd.",
        "Sanitär": "San.",
        "Gärtnerei": "Gärtn.",
        "Kältetechnik": "Kältet.",
        "Schlosserei": "Schloss.",
        "Raumausstattung": "Raumausst.",
        "Bürobedarf": "Bürobed.",
        "Autohaus": "Auto-",
        "Zimmerei": "Zimm.",
        "Fliesen": "Fl.",
    },
    towns=tuple("Hildesheim Bremen Elsenau Würzburg Köln Lübeck Görlitz Fürth Jever Suhl Aalen Goslar".split()),
    brands=tuple("Wolkenblick Rechenwerk Papierlos Funkhaus Serverdorf Kontorcloud Lautwerk Bildarchiv".split()),
    numbers=(
        "RE-{year}-{n:04d}",
        "{year}/{n:03d}",
        "R{n:06d}",
        "{letters}-{year}-{n:04d}",
        "{n}",
        "INV-{n:05d}",
        "RE {yy}{month:02d}-{n:03d}",
    ),
    own_numbers=("AR-{year}-{n:04d}", "{n:05d}", "A{yy}-{n:03d}"),
    references=(
        "{0}",
        "Rechnung {0}",
        "Rechnung-Nr.: {0}",
        "RE {0} vom {day}",
        "{0} Kd. {code}",
        "Zahlung {0} {amount} EUR",
    ),
    polite=("Danke", "Überweisung", "Ihre Rechnung vom letzten Monat", "wie besprochen"),
    customer_numbers=("Kundennummer {code}", "Kd-Nr {code} Vertrag 88123"),
    lists=((", ", "{0}"), (" + ", "Rechnungen {0}")),
    unlisted=("diverse Rechnungen", "Sammelzahlung"),
    instalments=("Rate {n}", "{n}. Rate"),
    discounts=("abzgl. {percent}% Skonto", "minus {percent} %"),
    credits=("Gutschrift {0}",),
    series=("Abo Mandat M-{code}", "Monatsbeitrag"),
    other_lines=("Miete 2025-11", "Lohn", "Umsatzsteuer Vorauszahlung {code}", "Privatentnahme"),
    descriptors=("{name}*{code}", "SumUp  *{name}", "{name} {town}"),
    processors=(
        ("PayPal Europe S.a.r.l. et Cie S.C.A", "LU89751000135104200E", "{code}/. {party}, Ihr Einkauf bei {party}"),
        ("Klarna Bank AB", "SE4550000000058398257466", "{party} {code}"),
    ),
    payouts=(("Stripe Payments Europe", "IE29AIBK93115212345678", "STRIPE {code}"),),
    card_digits=("Karte 5355*{code}",),
    misread_names=("Lieferschein", "Seite 1"),
    cuts=(18, 35),
    breaks=(27,),
    wrappers=("{0}", "EREF+{0} SVWZ+Danke"),
    prices=(999, 1190, 4900, 11900, 2999),
)

_CALIBRATE = Vocabulary(
    families=tuple(
        "Bäumler Gröner Hübner Yilmaz Straßmann Kuhlmann Wörner Jansen Dörfler Peschke Sailer Grünwald Noack Hofstätter Lüdtke "
        "Reißig Behrens Tran Nowak Čapek Fröhlich Kößler Steinmetz Oberländer Quandt Ullrich Veith Mögel Haßfurter Zapf Ilgner "
        "Römer Kästner Blümel Demirci Saße".split()
    ),
    first_names=tuple("Katrin Jörg Emine Sören Bärbel Paweł Nele Rüdiger Margarethe Cem Ute Lòrenzo".split()),
    trades={
        "Malerbetrieb": "Malerbetr.",
        "Tischlerei": "Tischl.",
        "Metallbau": "Metallb.",
        "Gebäudereinigung": "Geb.reinig.",
        "Großhandel": "Großh.",
        "Baustoffe": "Baust.",
        "Büromöbel": "Bürom.",
        "Fahrzeugtechnik": "Fahrz.techn.",
        "Steinmetzbetrieb": "Steinm.",
        "Verpackungen": "Verpack.",
        "Getränkehandel": "Getr.hdl.",
        "Hausverwaltung": "Hausverw.",
        "Schlüsseldienst": "Schlüsseld.",
        "Arbeitsschutz": "Arb.schutz",
        "Messebau": "Messeb.",
        "Textilpflege": "Textilpfl.",
        "Entsorgung": "Entsorg.",
        "Werkzeuge": "Werkz.",
        "Kommunikationstechnik": "Komm.technik",
    },
    towns=tuple("Augsburg Münster Gütersloh Stade Eisenach Pößneck Düren Bamberg Kiel Weißenfels Lörrach Husum Zwickau".split()),
    brands=tuple(
        "Tintenfix Datenhafen Lagerlicht Bytegarten Mietbüro24 Klickpost Werbefuchs Softkiste Ladepunkt Fernspur Kursraum".split()
    ),
    numbers=(
        "RG-{year}-{n:05d}",
        "{year}{n:05d}",
        "F{yy}/{n:04d}",
        "{letters}{n:05d}",
        "RNR {n:06d}",
        "{yy}-{n:04d}",
        "{n:08d}",
        "{letters}/{month:02d}{yy}/{n:03d}",
        "{n:03d}/{yy}",
        "{year}-{month:02d}-{n:02d}",
    ),
    own_numbers=("AUS-{yy}-{n:04d}", "{year}{month:02d}{n:03d}", "KR{n:05d}"),
    references=(
        "Rg. {0}",
        "Rechnungsnr. {0}",
        "{0} v. {day}",
        "RG-Nr {0} KD {code}",
        "{0}, {amount}",
        "Beleg {0}",
        "Kunde {code} Rechnung {0}",
        "{0} vielen Dank",
        "Rech.Nr.{0}/{day}",
    ),
    polite=("Besten Dank", "SEPA-Ueberweisung", "Rechnung {day}", "lt. Absprache", "offener Betrag", "Ausgleich", "{amount}"),
    customer_numbers=("KD-NR. {code}", "Kundenkonto {code}", "Vertragskonto {code} Abschlag"),
    lists=(("; ", "{0}"), (" ", "RG {0}"), (" und ", "Rgn. {0}"), ("/", "{0}")),
    unlisted=("mehrere Rechnungen", "laut Aufstellung", "Rgn. {day}"),
    instalments=("Teilzahlung {n}", "{n}/3", "Abschlag {n}"),
    discounts=("./. {percent}% Sk.", "-{percent}%", "Skto {amount}"),
    credits=("Erstattung {0}", "GS {0}", "Rueckzahlung {0}"),
    series=("Vertrag {code}", "Beitrag lfd. Monat", "MREF {code}", "Nutzungsgebuehr"),
    other_lines=("Darlehen {code}", "Gehalt {day}", "Beitrag BG {code}", "Umbuchung", "Kfz-Steuer {code}", "Kontoführung {day}"),
    descriptors=("{name} DE*{code}", "ZETTLE_*{name}", "{name}/{town}/DE", "SQ *{name}", "{name} {code}"),
    processors=(
        ("PayPal (Europe) S.à r.l. et Cie", "LU111000000000000111", "PP.{code}.PP . {party}, Ihr Einkauf bei {party}"),
        ("PayPal Europe", "LU111000000000000111", "{code} PP {party}"),
        ("Klarna Bank AB (publ)", "DE00000000000000000777", "{code} Zahlung an {party}"),
    ),
    payouts=(
        ("SumUp Limited", "IE00000000000000000222", "SUMUP PID{code} PAYOUT"),
        ("Stripe Technology Europe", "IE00000000000000000333", "STRIPE PAYOUT {code}"),
    ),
    card_digits=("KARTE ...{code} DEBITK.", "Visa {code} Kaufumsatz"),
    misread_names=("Kopie", "Bankverbindung", "Rechnungsanschrift"),
    cuts=(22, 27),
    breaks=(35,),
    wrappers=("{0} ", "EREF: NOTPROVIDED {0}", "{0} DATUM {day}, 09.14 UHR"),
    prices=(1499, 2380, 5900, 8900, 1785, 39900),
)

_TEST = Vocabulary(
    families=tuple(
        "Krämer Schröter Bürkle Öztürk Weiß Föhr Albers Petrović Gößmann Lütjens Hartung Ahrens Käfer Tümmler Dietrich Söhnlein "
        "Rauch Phạm Zieliński Märtens Klöpfer Vogt Eßer Niemeyer Bölke Wüst Ostermann Kräft Preiß Sandner Uhlig Jörns Hülsmann "
        "Mertz Celik Täubner".split()
    ),
    first_names=tuple("Sabine Götz Fatma Jannes Brünhild Marek Ida Lüder Henriette Emre Grit Matteo".split()),
    trades={
        "Glaserei": "Glas.",
        "Klempnerei": "Klempn.",
        "Landschaftsbau": "Landsch.bau",
        "Veranstaltungstechnik": "VA-Technik",
        "Fleischerei": "Fleisch.",
        "Lackiererei": "Lack.",
        "Bodenbeläge": "Bodenbel.",
        "Kurierdienst": "Kurier.",
        "Medizintechnik": "Med.techn.",
        "Übersetzungsbüro": "Übers.büro",
        "Stahlhandel": "Stahlh.",
        "Brandschutz": "Brandsch.",
        "Heizungsbau": "Heiz.bau",
        "Polsterei": "Polst.",
        "Eventgastronomie": "Eventgastr.",
        "Containerdienst": "Cont.dienst",
        "Zahntechnik": "Zahnt.",
        "Sägewerk": "Sägew.",
    },
    towns=tuple(
        "Regensburg Lüneburg Coburg Ansbach Mühlhausen Gießen Riesa Böblingen Emden Neuruppin Soest Plauen Hürth".split()
    ),
    brands=tuple(
        "Netzkrug Aktenmühle Pixelwiese Rechnerei Druckspatz Poststelle7 Cloudscheune Seminarlotse Stromtal Teamboden".split()
    ),
    numbers=(
        "RECH-{n:06d}",
        "{n:04d}-{year}",
        "{letters}.{year}.{n:04d}",
        "{yy}{month:02d}{n:04d}",
        "VR{n:07d}",
        "{year}_{n:04d}",
        "B-{n:05d}/{yy}",
        "{n:07d}",
        "{letters} {n:04d}",
    ),
    own_numbers=("{year}-R-{n:03d}", "EA{yy}{n:04d}", "{n:06d}"),
    references=(
        "Re.Nr. {0}",
        "Bezahlung Rechnung {0}",
        "{0} ({day})",
        "Rechnungsnummer: {0} Kundennr.: {code}",
        "{0} Betrag {amount}",
        "Ihre Re. {0} dankend",
        "Vorgang {code} Re {0}",
    ),
    polite=("MfG", "Online-Überweisung", "siehe Rechnung", "Zahlung {day}", "Restbetrag", "per Lastschrift"),
    customer_numbers=("Kunden-Nr.: {code}", "Mitglied {code}", "Debitor {code}"),
    lists=((",", "Re.Nr. {0}"), (" & ", "{0}"), (" / ", "Rechnungen: {0}")),
    unlisted=("Sammelüberweisung", "alle offenen Posten", "gem. Avis {code}"),
    instalments=("Ratenzahlung {n}", "Teil {n}", "a conto {n}"),
    discounts=("abz. Skonto {percent}%", "{percent}v.H. Skonto"),
    credits=("Gutschr. {0}", "Storno {0}", "Ruecküberw. {0}"),
    series=("Kundenmandat {code}", "Monatsrate", "Abo {code}", "Serviceentgelt"),
    other_lines=("Leasing {code}", "Bezüge {day}", "IHK Beitrag {code}", "Übertrag", "Rundfunk {code}", "Bargeldauszahlung"),
    descriptors=("{name} {town} DEU", "{name}.DE/{code}", "IZ *{name}", "{name}*{code} {town}"),
    processors=(
        ("PAYPAL EUROPE SARL ET CIE SCA", "LU000000000000000444", "/PP.{code}.PP/. {party}, Ihr Einkauf bei {party}"),
        ("KLARNA BANK AB", "DE00000000000000000888", "Klarna {code} {party}"),
    ),
    payouts=(
        ("SUMUP EU PAYMENTS UAB", "LT000000000000000555", "Payout {code} SumUp"),
        ("Stripe", "IE00000000000000000666", "{code} Stripe Auszahlung"),
    ),
    card_digits=("girocard {code} KFN 1", "Mastercard XX{code}"),
    misread_names=("Steuernummer", "Original", "Bitte beachten"),
    cuts=(20, 30),
    breaks=(32,),
    wrappers=(" {0}", "{0} END-TO-END-REF.: NICHT ANGEGEBEN", "VWZ: {0}"),
    prices=(1290, 2490, 6900, 9990, 1950, 45000),
)

VOCABULARIES = {"train": _TRAIN, "calibrate": _CALIBRATE, "test": _TEST}
SPLITS = tuple(VOCABULARIES)
