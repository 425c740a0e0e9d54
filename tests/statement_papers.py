"""Bank statements as files, for tests: camt.053 and MT940 as German banks write them."""

from __future__ import annotations

import io
import zipfile

IBAN = "DE12100100100000123456"
NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:camt.053.001."


def details(name: str = "Bäckerei Süß", text: str = "Brötchen", *, version: str = "08", role: str = "Cdtr") -> str:
    """One movement within an entry."""
    party = f"<Pty><Nm>{name}</Nm></Pty>" if version == "08" else f"<Nm>{name}</Nm>"
    return (
        f"<TxDtls><Amt Ccy='EUR'>999.99</Amt><RltdPties><{role}>{party}</{role}>"
        f"<{role}Acct><Id><IBAN>DE02 1203 0000 0000 2020 51</IBAN></Id></{role}Acct></RltdPties>"
        f"<RmtInf><Ustrd>{text}</Ustrd></RmtInf></TxDtls>"
    )


def entry(
    amount: str = "12.34", side: str = "DBIT", day: str = "2026-01-05", *, currency: str = "EUR", status: str = "BOOK",
    version: str = "08", further: str = "", inside: str | None = None,
) -> str:  # fmt: skip
    """One entry; `inside`: its details, `further`: elements after the direction."""
    told = f"<Cd>{status}</Cd>" if version == "08" else status
    inside = details(version=version) if inside is None else inside
    return (
        f"<Ntry><NtryRef>1</NtryRef><Amt Ccy='{currency}'>{amount}</Amt><CdtDbtInd>{side}</CdtDbtInd>{further}<Sts>{told}</Sts>"
        f"<BookgDt><Dt>{day}</Dt></BookgDt><AcctSvcrRef>BANK-1</AcctSvcrRef><NtryDtls>{inside}</NtryDtls></Ntry>"
    )


def camt(*entries: str, version: str = "08", iban: str = IBAN, before: str = "") -> bytes:
    """A file with one statement; `before`: ahead of its root element."""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>{before}<Document xmlns="{NAMESPACE}{version}"><BkToCstmrStmt><GrpHdr/>'
        f"<Stmt><Id>1</Id><Acct><Id><IBAN>{iban}</IBAN></Id></Acct>{''.join(entries)}</Stmt></BkToCstmrStmt></Document>"
    ).encode()


def packed(**members: bytes) -> bytes:
    """A ZIP archive."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.xml", content)
    return out.getvalue()


def mt940(*lines: str, account: str = "10010010/0000123456", currency: str = "EUR", is_whole: bool = True) -> bytes:
    """A file with one message."""
    head = (":20:STARTUMSE", f":25:{account}", ":28C:00001/001", f":60F:C260101{currency}1000,00")
    end = (f":62F:C260131{currency}1000,00", "-") if is_whole else ()
    return "\r\n".join([*head, *lines, *end, ""]).encode()


BAKERY = (
    ":61:2601050105DR12,34NTRFNONREF//ABC",
    (
        ":86:166?00SEPA-UEBERWEISUNG?10931?20SVWZ+Broetchen vom Montag u?21nd Kuchen?30BELADEBE?31DE02120300000000202051"
        "?32Baeckerei ?33Suess"
    ),
)
