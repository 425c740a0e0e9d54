"""Reading e-invoices: UBL (XRechnung) and CII (ZUGFeRD, Factur-X, XRechnung), as far as people and the matching need them.

Sources: EN 16931 with its two syntaxes. The XML comes from strangers: without a document type definition, bounded in size and
depth, and nothing in it makes us open anything. What cannot be read is left out; what is no invoice raises `NotReadable`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from lxml import etree

LARGEST = 10 * 1024 * 1024  #: bytes
DEEPEST = 100  #: elements inside each other
MOST_LINES = 200  #: that are kept for reading; the totals are of all
LONGEST = 500  #: characters of a text
CREDIT_NOTES = {"381", "261", "262", "296", "308", "396", "420", "458", "532"}  #: UNTDID 1001
UBL = "urn:oasis:names:specification:ubl:schema:xsd:"
CII = "urn:un:unece:uncefact:data:standard:"
NAMES = {
    "cac": f"{UBL}CommonAggregateComponents-2", "cbc": f"{UBL}CommonBasicComponents-2", "rsm": f"{CII}CrossIndustryInvoice:100",
    "ram": f"{CII}ReusableAggregateBusinessInformationEntity:100", "udt": f"{CII}UnqualifiedDataType:100",
}  # fmt: skip
_DAY = re.compile(r"(\d{4})-?(\d\d)-?(\d\d)")


class NotReadable(Exception):
    """No e-invoice that we read."""


@dataclass(frozen=True, slots=True)
class Party:
    """Seller or buyer."""

    name: str | None
    address: str | None  #: street, postcode and city, country, as far as given
    vat_id: str | None


@dataclass(frozen=True, slots=True)
class Tax:
    """One rate of VAT."""

    percent: str | None
    basis_cents: int | None
    tax_cents: int | None


@dataclass(frozen=True, slots=True)
class Line:
    """What was delivered."""

    text: str | None
    quantity: str | None
    net_cents: int | None


@dataclass(frozen=True, slots=True)
class EInvoice:
    """The facts of an e-invoice. Amounts are integer cents of `currency`; a credit note's are negative."""

    syntax: str  #: UBL or CII
    profile: str | None  #: the specification it follows, as it says itself
    number: str | None
    is_credit_note: bool
    issued_on: date | None
    due_on: date | None
    currency: str | None
    seller: Party
    buyer: Party
    iban: str | None
    reference: str | None  #: what the payer is asked to write
    net_cents: int | None
    tax_cents: int | None
    total_cents: int | None
    payable_cents: int | None
    taxes: tuple[Tax, ...]
    lines: tuple[Line, ...]
    line_count: int

    def stored(self) -> dict[str, Any]:
        """As JSON keeps it."""
        values = asdict(self)
        for name in ("issued_on", "due_on"):
            values[name] = values[name] and values[name].isoformat()
        return values

    @classmethod
    def of(cls, values: dict[str, Any]) -> EInvoice:
        """Read back what `stored` gave."""
        given = {field.name: values[field.name] for field in fields(cls)}
        for name in ("issued_on", "due_on"):
            given[name] = date.fromisoformat(given[name]) if given[name] else None
        given["seller"], given["buyer"] = Party(**given["seller"]), Party(**given["buyer"])
        given["taxes"] = tuple(Tax(**tax) for tax in given["taxes"])
        given["lines"] = tuple(Line(**line) for line in given["lines"])
        return cls(**given)


def read(content: bytes) -> EInvoice:
    """The facts in an XML invoice."""
    if len(content) > LARGEST:
        raise NotReadable("too_big")
    parser = etree.XMLParser(
        resolve_entities=False, load_dtd=False, no_network=True, huge_tree=False, remove_comments=True, remove_pis=True
    )
    try:
        root = etree.fromstring(content, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise NotReadable("broken") from error
    if root.getroottree().docinfo.doctype:
        raise NotReadable("document_type")
    if root.getroottree().xpath("boolean(" + "/*" * (DEEPEST + 1) + ")"):
        raise NotReadable("too_deep")
    name = etree.QName(root)
    if name.namespace == NAMES["rsm"] and name.localname == "CrossIndustryInvoice":
        return _of_cii(_Reader(root))
    if name.namespace == f"{UBL}{name.localname}-2" and name.localname in {"Invoice", "CreditNote"}:
        return _of_ubl(_Reader(root), name.localname)
    raise NotReadable("no_invoice")


class _Reader:
    """Asks one element by paths below it; whatever is missing or no such value is None. `sign`: of every amount."""

    def __init__(self, element: Any, sign: int = 1) -> None:
        self._element, self._sign = element, sign

    def below(self, path: str) -> list[_Reader]:
        """The elements of a path."""
        return [_Reader(found, self._sign) for found in self._element.iterfind(path, NAMES)]

    def first(self, path: str) -> _Reader:
        """The first of them; where there is none, one that knows nothing."""
        found = self._element.find(path, NAMES)
        return _Reader(etree.Element("none") if found is None else found, self._sign)

    def credited(self, total: str) -> _Reader:
        """Of a credit note: its amounts are negative, however they are written."""
        return _Reader(self._element, -1) if (self.cents(total) or 0) > 0 else self

    def text(self, *paths: str) -> str | None:
        """The first of the paths that says something."""
        for path in paths:
            found = self._element.find(path, NAMES)
            words = " ".join("".join(found.itertext()).split()) if found is not None else ""
            if words:
                return words[:LONGEST]
        return None

    def cents(self, *paths: str) -> int | None:
        """An amount."""
        try:
            amount = Decimal(self.text(*paths) or "")
        except InvalidOperation:
            return None
        return self._sign * int((amount * 100).to_integral_value()) if amount.is_finite() and abs(amount) < 10**12 else None

    def day(self, *paths: str) -> date | None:
        """A day: 2026-03-31, or 20260331 as CII writes it."""
        found = _DAY.match(self.text(*paths) or "")
        try:
            return date(*map(int, found.groups())) if found else None
        except ValueError:
            return None


def _joined(parts: Iterable[str | None]) -> str | None:
    street, postcode, city, country = parts
    place = " ".join(part for part in (postcode, city) if part)
    return ", ".join(part for part in (street, place, country) if part) or None


def _cii_party(party: _Reader) -> Party:
    address = _joined(
        party.text(f"ram:PostalTradeAddress/ram:{part}") for part in ("LineOne", "PostcodeCode", "CityName", "CountryID")
    )
    return Party(party.text("ram:Name"), address, party.text("ram:SpecifiedTaxRegistration/ram:ID[@schemeID='VA']"))


def _ubl_party(party: _Reader) -> Party:
    parts = ("cbc:StreetName", "cbc:PostalZone", "cbc:CityName", "cac:Country/cbc:IdentificationCode")
    schemes = party.below("cac:PartyTaxScheme")  # a seller's national tax number may stand beside its VAT id
    return Party(
        party.text("cac:PartyLegalEntity/cbc:RegistrationName", "cac:PartyName/cbc:Name"),
        _joined(party.text(f"cac:PostalAddress/{part}") for part in parts),
        next((one.text("cbc:CompanyID") for one in schemes if one.text("cac:TaxScheme/cbc:ID") == "VAT"), None),
    )


def _in(currency: str | None) -> str:
    """The tax may be told in a further currency, that of the books."""
    return f"[@currencyID='{currency}']" if re.fullmatch("[A-Z]{3}", currency or "") else ""


def _of_cii(invoice: _Reader) -> EInvoice:
    document, deal = "rsm:ExchangedDocument/", "rsm:SupplyChainTradeTransaction/"
    agreement, settlement = f"{deal}ram:ApplicableHeaderTradeAgreement/", f"{deal}ram:ApplicableHeaderTradeSettlement/"
    sums = f"{settlement}ram:SpecifiedTradeSettlementHeaderMonetarySummation/"
    means = f"{settlement}ram:SpecifiedTradeSettlementPaymentMeans/"
    is_credit_note = invoice.text(f"{document}ram:TypeCode") in CREDIT_NOTES
    currency = invoice.text(f"{settlement}ram:InvoiceCurrencyCode")
    if is_credit_note:
        invoice = invoice.credited(f"{sums}ram:GrandTotalAmount")
    lines = invoice.below(f"{deal}ram:IncludedSupplyChainTradeLineItem")
    return EInvoice(
        syntax="CII",
        profile=invoice.text("rsm:ExchangedDocumentContext/ram:GuidelineSpecifiedDocumentContextParameter/ram:ID"),
        number=invoice.text(f"{document}ram:ID"), is_credit_note=is_credit_note,
        issued_on=invoice.day(f"{document}ram:IssueDateTime/udt:DateTimeString"),
        due_on=invoice.day(f"{settlement}ram:SpecifiedTradePaymentTerms/ram:DueDateDateTime/udt:DateTimeString"),
        currency=currency,
        seller=_cii_party(invoice.first(f"{agreement}ram:SellerTradeParty")),
        buyer=_cii_party(invoice.first(f"{agreement}ram:BuyerTradeParty")),
        iban=_iban(invoice, f"{means}ram:PayeePartyCreditorFinancialAccount/ram:IBANID"),
        reference=invoice.text(f"{settlement}ram:PaymentReference"),
        net_cents=invoice.cents(f"{sums}ram:TaxBasisTotalAmount"),
        tax_cents=invoice.cents(f"{sums}ram:TaxTotalAmount{_in(currency)}", f"{sums}ram:TaxTotalAmount"),
        total_cents=invoice.cents(f"{sums}ram:GrandTotalAmount"),
        payable_cents=invoice.cents(f"{sums}ram:DuePayableAmount"),
        taxes=tuple(
            Tax(tax.text("ram:RateApplicablePercent"), tax.cents("ram:BasisAmount"), tax.cents("ram:CalculatedAmount"))
            for tax in invoice.below(f"{settlement}ram:ApplicableTradeTax")[:MOST_LINES]
        ),
        lines=tuple(
            Line(
                line.text("ram:SpecifiedTradeProduct/ram:Name"),
                line.text("ram:SpecifiedLineTradeDelivery/ram:BilledQuantity"),
                line.cents(
                    "ram:SpecifiedLineTradeSettlement/ram:SpecifiedTradeSettlementLineMonetarySummation/ram:LineTotalAmount"
                ),
            )
            for line in lines[:MOST_LINES]
        ),
        line_count=len(lines),
    )  # fmt: skip


def _of_ubl(invoice: _Reader, kind: str) -> EInvoice:
    is_credit_note = kind == "CreditNote" or invoice.text("cbc:InvoiceTypeCode") in CREDIT_NOTES
    sums = "cac:LegalMonetaryTotal/cbc:"
    currency = invoice.text("cbc:DocumentCurrencyCode")
    if is_credit_note:
        invoice = invoice.credited(f"{sums}TaxInclusiveAmount")
    lines = invoice.below(f"cac:{kind}Line")
    quantity = "cbc:InvoicedQuantity" if kind == "Invoice" else "cbc:CreditedQuantity"
    return EInvoice(
        syntax="UBL", profile=invoice.text("cbc:CustomizationID"), number=invoice.text("cbc:ID"), is_credit_note=is_credit_note,
        issued_on=invoice.day("cbc:IssueDate"), due_on=invoice.day("cbc:DueDate", "cac:PaymentMeans/cbc:PaymentDueDate"),
        currency=currency,
        seller=_ubl_party(invoice.first("cac:AccountingSupplierParty/cac:Party")),
        buyer=_ubl_party(invoice.first("cac:AccountingCustomerParty/cac:Party")),
        iban=_iban(invoice, "cac:PaymentMeans/cac:PayeeFinancialAccount/cbc:ID"),
        reference=invoice.text("cac:PaymentMeans/cbc:PaymentID"),
        net_cents=invoice.cents(f"{sums}TaxExclusiveAmount"),
        tax_cents=invoice.cents(f"cac:TaxTotal/cbc:TaxAmount{_in(currency)}", "cac:TaxTotal/cbc:TaxAmount"),
        total_cents=invoice.cents(f"{sums}TaxInclusiveAmount"),
        payable_cents=invoice.cents(f"{sums}PayableAmount"),
        taxes=tuple(
            Tax(tax.text("cac:TaxCategory/cbc:Percent"), tax.cents("cbc:TaxableAmount"), tax.cents("cbc:TaxAmount"))
            for tax in invoice.below("cac:TaxTotal/cac:TaxSubtotal")[:MOST_LINES]
        ),
        lines=tuple(
            Line(line.text("cac:Item/cbc:Name"), line.text(quantity), line.cents("cbc:LineExtensionAmount"))
            for line in lines[:MOST_LINES]
        ),
        line_count=len(lines),
    )  # fmt: skip


def _iban(invoice: _Reader, path: str) -> str | None:
    found = (invoice.text(path) or "").replace(" ", "").upper()
    return found if re.fullmatch(r"[A-Z]{2}\d{2}[A-Z0-9]{11,30}", found) else None
