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
    `aids`: (who pays a part, text) with {party}. `advertisers`: (name, its card reader).
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
    batches: tuple[str, ...]
    aids: tuple[tuple[str, str], ...]
    advertisers: tuple[tuple[str, str], ...]
    instalments: tuple[str, ...]
    discounts: tuple[str, ...]
    credits: tuple[str, ...]
    series: tuple[str, ...]
    other_lines: tuple[str, ...]
    descriptors: tuple[str, ...]
    processors: tuple[tuple[str, str, str], ...]
    payouts: tuple[tuple[str, str, str], ...]
    card_digits: tuple[str, ...]
    card_names: tuple[str, ...]
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
    batches=("Sammellastschrift {count} Posten",),
    aids=(("Jobcenter Bremen", "KdU {party}"), ("Krankenkasse Nord", "Zuschuss {party} {code}")),
    advertisers=(("Meta Platforms Ireland Limited", "FACEBK *{code}"), ("Anzeigenring GmbH", "ANZEIGENRING*{code}")),
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
    card_digits=("Karte 5355*{code} vom {day}",),
    card_names=("MASTERCARD",),
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
    batches=("SEPA-Sammeleinzug Anzahl: {count}", "SAMMELLASTSCHRIFT {count} POSTEN {code}"),
    aids=(("Landkreis Stade Sozialamt", "Miete {party}"), ("Pflegekasse", "{code} Anteil {party}")),
    advertisers=(("Google Ireland Limited", "GOOGLE*ADS{code}"), ("Werbenetz24 GmbH", "WERBENETZ24 {code}")),
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
    card_digits=("{day} KARTE ...{code} DEBITK.", "Visa {code} Kaufumsatz"),
    card_names=("Debitkarte", "girocard Zahlung"),
    misread_names=("Kopie", "Bankverbindung", "Rechnungsanschrift"),
    cuts=(22, 27),
    breaks=(35,),
    wrappers=("{0} ", "EREF: NOTPROVIDED {0}", "{0} DATUM {day}, 09.14 UHR"),
    prices=(1499, 2380, 5900, 8900, 1785, 39900),
)

_TEST = Vocabulary(
    families=tuple(
        "Bötticher Schürmann Hölscher Aydın Großkopf Kühnel Warnecke Löffler Ritzmann Đorđević Weinhold Jäschke Brück Pätzold "
        "Hagedorn Sörensen Vũ Wiśniewski Gärtling Teubner Meißner Fürst Ochsenfeld Kröger Büchner Naumann Ströbel Plößl Engelke "
        "Ruß Holzapfel Mühlbauer Kaya Tietze Schönfeld Lauterbach Zschoch".split()
    ),
    first_names=tuple("Martina Jürg Leyla Hauke Dörte Piotr Frieda Götz-Peter Rosalinde Deniz Silke Giovanni".split()),
    trades={
        "Ofenbau": "Ofenb.",
        "Kanzlei": "Kzl.",
        "Rohrreinigung": "Rohrrein.",
        "Werbetechnik": "Werbetechn.",
        "Konditorei": "Kondit.",
        "Tiefbau": "Tiefb.",
        "Solartechnik": "Solart.",
        "Treppenlift": "Treppenl.",
        "Ingenieurbüro": "Ing.büro",
        "Weingut": "Weing.",
        "Kunststoffe": "Kunstst.",
        "Aufzugservice": "Aufzugserv.",
        "Hebetechnik": "Hebet.",
        "Stuckateur": "Stuck.",
        "Reisebüro": "Reiseb.",
        "Umzüge": "Umz.",
        "Optik": "Opt.",
        "Maschinenbau": "Masch.bau",
        "Wäscherei": "Wäsch.",
    },
    towns=tuple(
        "Freiberg Göttingen Passau Schwäbisch-Hall Bückeburg Wesel Zittau Rügen Cottbus Bayreuth Uelzen Meppen Zörbig".split()
    ),
    brands=tuple(
        "Blattgold Zettelwirtschaft Nordlicht Kabelsalat Postbote24 Ideenreich Schraubenkönig Tagwerk Lichtblick".split()
    ),
    numbers=(
        "{year}-RE{n:05d}",
        "SR{n:06d}/{yy}",
        "{letters}/{n:05d}",
        "K{yy}.{n:04d}",
        "{n:06d}-{yy}",
        "Nr. {n:05d}",
        "{letters}-{month:02d}-{n:04d}",
        "{yy}{n:06d}",
        "2{n:07d}",
        "{year}.{month:02d}.{n:03d}",
    ),
    own_numbers=("R-{n:05d}", "{yy}/{n:04d}", "HR{year}{n:04d}"),
    references=(
        "Rechnung Nr. {0}",
        "RNr.{0}",
        "zu {0} vom {day}",
        "Zahlg. {0}",
        "Re {0} / Kd.Nr. {code}",
        "{0} - {amount} EUR",
        "RG.NR. {0} DANKE",
        "Ausgleich Re.-Nr. {0}",
    ),
    polite=("Vielen Dank", "Lastschrift", "Ihre Lieferung", "Bezahlung {day}", "wie vereinbart", "Anweisung", "Re. v. {day}"),
    customer_numbers=("Kto-Nr. {code}", "KdNr: {code}", "Ihr Zeichen {code}"),
    lists=((", ", "Re. {0}"), (" u. ", "RG-NR. {0}"), ("; ", "Rechnungsnr. {0}"), (" ", "{0}")),
    unlisted=("Diverse", "lt. Liste vom {day}", "Rechnungen {day}", "Sammler"),
    batches=("SAMMELGUTSCHRIFT {count} POSTEN", "Sammel-Lastschrift, Anzahl {count}"),
    aids=(
        ("Bundesagentur Service-Haus", "{party} BG {code}"),
        ("Stadtkasse Wesel", "Wohngeld {party}"),
        ("Stiftung Alltag", "fuer {party}"),
    ),
    advertisers=(("LinkedIn Ireland Unlimited Company", "LINKEDIN ADS {code}"), ("Blickfang Media KG", "BLICKFANG*{code}")),
    instalments=("Rate {n} von 3", "{n}. Teilbetrag", "Raten-Zahlung {n}"),
    discounts=("{percent} % Skonto abgezogen", "Skto. {percent}%", "abzgl Skonto"),
    credits=("Gutschriftsnr. {0}", "Rueckerstattung {0}", "Korrektur {0}"),
    series=("Mitgliedsbeitrag {code}", "Wartungspauschale", "MANDATSREF {code}", "Miete lfd. Monat", "Lizenz {code}"),
    other_lines=(
        "Lohn/Gehalt {day}",
        "Tilgung {code}",
        "Steuernachzahlung {code}",
        "Entnahme",
        "Versicherung {code}",
        "Entgelt {day}",
    ),
    descriptors=("{name}//{town}/DE", "{name} {code} {town}", "VIVA*{name}", "{name}-{code}", "PAY.{name}"),
    processors=(
        ("PayPal S.a r.l.", "LU000000000000000999", "{code} {party} Ihr Einkauf bei {party} PayPal"),
        ("Klarna AB", "SE0000000000000000001212", "{party} Bestellung {code}"),
        ("Mollie B.V.", "NL00MOLL0000000131", "M{code} {party}"),
    ),
    payouts=(
        ("SumUp Payments", "DE00000000000000001313", "Auszahlung {code} SUMUP"),
        ("Stripe Payments Ltd", "IE00000000000000001414", "Stripe Transfer {code}"),
    ),
    card_digits=("Kartennr. xxxx{code}", "VISA ****{code} Zahlung {day}"),
    card_names=("Kreditkartenumsatz",),
    misread_names=("Blatt 1 von 2", "Auftragsbestätigung", "Kundennummer"),
    cuts=(24, 33),
    breaks=(29,),
    wrappers=("SVWZ {0}", "{0} Ref. {day}", "KREF+NONREF {0}"),
    prices=(1350, 2199, 7900, 12900, 1666, 35000),
)

VOCABULARIES = {"train": _TRAIN, "calibrate": _CALIBRATE, "test": _TEST}
SPLITS = tuple(VOCABULARIES)
