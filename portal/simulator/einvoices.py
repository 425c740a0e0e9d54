"""The XML of German e-invoices: CII for ZUGFeRD, UBL for XRechnung. Enough for a reader, not certified."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from portal.simulator.names import decimal

if TYPE_CHECKING:
    from portal.simulator.papers import Paper, Party


def _type_code(paper: Paper) -> str:
    return "381" if paper.total_cents < 0 else "380"


def cii(paper: Paper) -> bytes:
    """CrossIndustryInvoice, profile EN 16931."""

    def party(tag: str, who: Party) -> str:
        vat = (
            f'<ram:SpecifiedTaxRegistration><ram:ID schemeID="VA">{escape(who.vat_number)}</ram:ID>'
            "</ram:SpecifiedTaxRegistration>"
        )
        return (
            f"<ram:{tag}><ram:Name>{escape(who.name)}</ram:Name><ram:PostalTradeAddress>"
            f"<ram:PostcodeCode>{who.zip_code}</ram:PostcodeCode><ram:LineOne>{escape(who.street)}</ram:LineOne>"
            f"<ram:CityName>{escape(who.city)}</ram:CityName><ram:CountryID>{who.country}</ram:CountryID></ram:PostalTradeAddress>"
            f"{vat if who.vat_number else ''}</ram:{tag}>"
        )

    def tax(extra: str = "") -> str:
        return (
            f"<ram:ApplicableTradeTax>{extra}<ram:TypeCode>VAT</ram:TypeCode><ram:CategoryCode>S</ram:CategoryCode>"
            f"<ram:RateApplicablePercent>{paper.vat_percent}</ram:RateApplicablePercent></ram:ApplicableTradeTax>"
        )

    lines = "".join(
        f"<ram:IncludedSupplyChainTradeLineItem><ram:AssociatedDocumentLineDocument><ram:LineID>{number}</ram:LineID>"
        f"</ram:AssociatedDocumentLineDocument><ram:SpecifiedTradeProduct><ram:Name>{escape(line.text)}</ram:Name>"
        f"</ram:SpecifiedTradeProduct><ram:SpecifiedLineTradeAgreement><ram:NetPriceProductTradePrice>"
        f"<ram:ChargeAmount>{decimal(line.unit_cents)}</ram:ChargeAmount></ram:NetPriceProductTradePrice>"
        f"</ram:SpecifiedLineTradeAgreement><ram:SpecifiedLineTradeDelivery>"
        f'<ram:BilledQuantity unitCode="C62">{line.quantity}</ram:BilledQuantity></ram:SpecifiedLineTradeDelivery>'
        f"<ram:SpecifiedLineTradeSettlement>{tax()}<ram:SpecifiedTradeSettlementLineMonetarySummation>"
        f"<ram:LineTotalAmount>{decimal(line.net_cents)}</ram:LineTotalAmount>"
        f"</ram:SpecifiedTradeSettlementLineMonetarySummation></ram:SpecifiedLineTradeSettlement>"
        f"</ram:IncludedSupplyChainTradeLineItem>"
        for number, line in enumerate(paper.lines, 1)
    )
    due = (
        f'<ram:SpecifiedTradePaymentTerms><ram:DueDateDateTime><udt:DateTimeString format="102">{paper.due_on:%Y%m%d}'
        f"</udt:DateTimeString></ram:DueDateDateTime></ram:SpecifiedTradePaymentTerms>"
        if paper.due_on
        else ""
    )
    calculated = f"<ram:CalculatedAmount>{decimal(paper.vat_cents)}</ram:CalculatedAmount>"
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<rsm:CrossIndustryInvoice xmlns:rsm="urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100"
 xmlns:ram="urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100"
 xmlns:udt="urn:un:unece:uncefact:data:standard:UnqualifiedDataType:100">
<rsm:ExchangedDocumentContext><ram:GuidelineSpecifiedDocumentContextParameter><ram:ID>urn:cen.eu:en16931:2017</ram:ID>
</ram:GuidelineSpecifiedDocumentContextParameter></rsm:ExchangedDocumentContext>
<rsm:ExchangedDocument><ram:ID>{escape(paper.number)}</ram:ID><ram:TypeCode>{_type_code(paper)}</ram:TypeCode>
<ram:IssueDateTime><udt:DateTimeString format="102">{paper.issued_on:%Y%m%d}</udt:DateTimeString></ram:IssueDateTime>
</rsm:ExchangedDocument>
<rsm:SupplyChainTradeTransaction>{lines}
<ram:ApplicableHeaderTradeAgreement>{party("SellerTradeParty", paper.seller)}{party("BuyerTradeParty", paper.buyer)}
</ram:ApplicableHeaderTradeAgreement><ram:ApplicableHeaderTradeDelivery/>
<ram:ApplicableHeaderTradeSettlement><ram:PaymentReference>{escape(paper.number)}</ram:PaymentReference>
<ram:InvoiceCurrencyCode>{paper.currency}</ram:InvoiceCurrencyCode>
<ram:SpecifiedTradeSettlementPaymentMeans><ram:TypeCode>58</ram:TypeCode><ram:PayeePartyCreditorFinancialAccount>
<ram:IBANID>{paper.seller.iban}</ram:IBANID></ram:PayeePartyCreditorFinancialAccount></ram:SpecifiedTradeSettlementPaymentMeans>
{tax(calculated)}{due}
<ram:SpecifiedTradeSettlementHeaderMonetarySummation><ram:LineTotalAmount>{decimal(paper.net_cents)}</ram:LineTotalAmount>
<ram:TaxBasisTotalAmount>{decimal(paper.net_cents)}</ram:TaxBasisTotalAmount>
<ram:TaxTotalAmount currencyID="{paper.currency}">{decimal(paper.vat_cents)}</ram:TaxTotalAmount>
<ram:GrandTotalAmount>{decimal(paper.total_cents)}</ram:GrandTotalAmount>
<ram:DuePayableAmount>{decimal(paper.total_cents)}</ram:DuePayableAmount>
</ram:SpecifiedTradeSettlementHeaderMonetarySummation></ram:ApplicableHeaderTradeSettlement>
</rsm:SupplyChainTradeTransaction></rsm:CrossIndustryInvoice>
""".encode()


def ubl(paper: Paper) -> bytes:
    """UBL Invoice as XRechnung 3.0 shapes it."""

    def party(tag: str, who: Party) -> str:
        vat = (
            f"<cac:PartyTaxScheme><cbc:CompanyID>{escape(who.vat_number)}</cbc:CompanyID><cac:TaxScheme><cbc:ID>VAT</cbc:ID>"
            f"</cac:TaxScheme></cac:PartyTaxScheme>"
        )
        return (
            f"<cac:{tag}><cac:Party><cac:PostalAddress><cbc:StreetName>{escape(who.street)}</cbc:StreetName>"
            f"<cbc:CityName>{escape(who.city)}</cbc:CityName><cbc:PostalZone>{who.zip_code}</cbc:PostalZone><cac:Country>"
            f"<cbc:IdentificationCode>{who.country}</cbc:IdentificationCode></cac:Country></cac:PostalAddress>"
            f"{vat if who.vat_number else ''}<cac:PartyLegalEntity>"
            f"<cbc:RegistrationName>{escape(who.name)}</cbc:RegistrationName>"
            f"</cac:PartyLegalEntity></cac:Party></cac:{tag}>"
        )

    def amount(tag: str, cents: int) -> str:
        return f'<cbc:{tag} currencyID="{paper.currency}">{decimal(cents)}</cbc:{tag}>'

    category = (
        f"<cbc:ID>S</cbc:ID><cbc:Percent>{paper.vat_percent}</cbc:Percent><cac:TaxScheme><cbc:ID>VAT</cbc:ID></cac:TaxScheme>"
    )
    lines = "".join(
        f'<cac:InvoiceLine><cbc:ID>{number}</cbc:ID><cbc:InvoicedQuantity unitCode="C62">{line.quantity}</cbc:InvoicedQuantity>'
        f"{amount('LineExtensionAmount', line.net_cents)}<cac:Item><cbc:Name>{escape(line.text)}</cbc:Name>"
        f"<cac:ClassifiedTaxCategory>{category}</cac:ClassifiedTaxCategory></cac:Item>"
        f"<cac:Price>{amount('PriceAmount', line.unit_cents)}</cac:Price></cac:InvoiceLine>"
        for number, line in enumerate(paper.lines, 1)
    )
    due = f"<cbc:DueDate>{paper.due_on}</cbc:DueDate>" if paper.due_on else ""
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<Invoice xmlns="urn:oasis:names:specification:ubl:schema:xsd:Invoice-2"
 xmlns:cac="urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2"
 xmlns:cbc="urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2">
<cbc:CustomizationID>urn:cen.eu:en16931:2017#compliant#urn:xeinkauf.de:kosit:xrechnung_3.0</cbc:CustomizationID>
<cbc:ProfileID>urn:fdc:peppol.eu:2017:poacc:billing:01:1.0</cbc:ProfileID>
<cbc:ID>{escape(paper.number)}</cbc:ID><cbc:IssueDate>{paper.issued_on}</cbc:IssueDate>{due}
<cbc:InvoiceTypeCode>{_type_code(paper)}</cbc:InvoiceTypeCode><cbc:DocumentCurrencyCode>{paper.currency}</cbc:DocumentCurrencyCode>
<cbc:BuyerReference>{escape(paper.customer_number or "n/a")}</cbc:BuyerReference>
{party("AccountingSupplierParty", paper.seller)}{party("AccountingCustomerParty", paper.buyer)}
<cac:PaymentMeans><cbc:PaymentMeansCode>58</cbc:PaymentMeansCode><cbc:PaymentID>{escape(paper.number)}</cbc:PaymentID>
<cac:PayeeFinancialAccount><cbc:ID>{paper.seller.iban}</cbc:ID></cac:PayeeFinancialAccount></cac:PaymentMeans>
<cac:TaxTotal>{amount("TaxAmount", paper.vat_cents)}<cac:TaxSubtotal>{amount("TaxableAmount", paper.net_cents)}
{amount("TaxAmount", paper.vat_cents)}<cac:TaxCategory>{category}</cac:TaxCategory></cac:TaxSubtotal></cac:TaxTotal>
<cac:LegalMonetaryTotal>{amount("LineExtensionAmount", paper.net_cents)}{amount("TaxExclusiveAmount", paper.net_cents)}
{amount("TaxInclusiveAmount", paper.total_cents)}{amount("PayableAmount", paper.total_cents)}</cac:LegalMonetaryTotal>
{lines}</Invoice>
""".encode()
