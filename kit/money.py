"""Money as the product keeps it: a whole number of the currency's smallest unit, and the currency."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

from django.utils.translation import gettext as _

from kit import writing

# ISO 4217: currencies whose smallest unit is not a hundredth, by the number of decimal places.
PLACES = {
    **dict.fromkeys("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split(), 0),
    **dict.fromkeys("BHD IQD JOD KWD LYD OMR TND".split(), 3),
    **dict.fromkeys("CLF UYW".split(), 4),
}
USUAL = 2
CODES = frozenset(  # ISO 4217: the currencies in use
    """
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CLP CNY
    COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR
    ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK
    MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF
    SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU
    UZS VED VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG
    """.split()
)


def places(currency: str) -> int:
    """How many decimal places a currency is written with; two when it is not known."""
    return PLACES.get(currency.upper(), USUAL)


def major(minor: int, currency: str) -> Decimal:
    """An amount in the currency's own unit: 123450 minor units of EUR are 1234.50."""
    return Decimal(minor).scaleb(-places(currency))


def minor(major: Decimal, currency: str) -> int:
    """An amount in the currency's smallest unit, rounded half upwards: 1234.50 EUR are 123450."""
    return int(major.scaleb(places(currency)).quantize(Decimal(1), ROUND_HALF_UP))


def written(minor: int | None, currency: str = "") -> str:
    """An amount for people, in the language of the reader: “1,234.50 EUR”. None is a dash."""
    if minor is None:
        return writing.NOTHING
    return f"{writing.number(major(minor, currency), places(currency))}\u00a0{currency}".rstrip()


def short(minor: int, currency: str = "") -> str:
    """An amount in few letters, where there is little room: “1.2M EUR”, “84k EUR”, “950 EUR”."""
    amount = major(minor, currency)
    # Translators: thousands, millions, thousand millions, as in “84k EUR”
    steps = ((Decimal(10) ** 9, _("%(n)sbn")), (Decimal(10) ** 6, _("%(n)sM")), (Decimal(1000), _("%(n)sk")))
    text = writing.number(amount)
    for size, words in steps:
        if abs(amount) >= size * Decimal("0.9995"):
            share = amount / size
            text = words % {"n": writing.number(share, 1 if abs(share) < 100 else 0)}
            break
    return f"{text}\u00a0{currency}".rstrip()
