"""Whose account an email's domain tells: people are proposed to it, or new ones are put there where that is set.

A domain at which everybody may have an address tells nothing, and so does one that several accounts have.
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet

from audience.models import Account, Person
from audience.models.subjects import Folded
from audience.subjects import history
from kit import audit, installation
from kit.models import User
from kit.sql import Sql, sql
from kit.sql import rows as fetched

# Providers of mailboxes for anybody, by what each of them says of itself; the large ones of each region.
OPEN = frozenset(
    """
    163.com 126.com 139.com 189.cn aim.com alice.it aliyun.com aol.com arcor.de att.net bellsouth.net bigpond.com
    bluewin.ch bol.com.br btinternet.com centrum.cz charter.net comcast.net cox.net daum.net earthlink.net email.cz
    email.de fastmail.com fastmail.fm foxmail.com free.fr freemail.hu freenet.de frontier.com gmail.com gmx.at gmx.ch
    gmx.com gmx.de gmx.net googlemail.com hanmail.net hey.com hotmail.co.uk hotmail.com hotmail.de hotmail.es
    hotmail.fr hotmail.it hushmail.com icloud.com iinet.net.au inbox.lv inbox.ru interia.pl juno.com kabelmail.de
    kpnmail.nl laposte.net libero.it list.ru live.co.uk live.com live.de live.fr live.it live.nl mac.com mail.com
    mail.de mail.ru me.com msn.com mailbox.org naver.com neuf.fr ntlworld.com o2.pl onet.pl optonline.net
    optusnet.com.au orange.fr outlook.com outlook.de outlook.es outlook.fr outlook.it pm.me posteo.de proton.me
    protonmail.com qq.com rambler.ru rediffmail.com rocketmail.com rogers.com sapo.pt sbcglobal.net seznam.cz sfr.fr
    shaw.ca sina.cn sina.com skynet.be sky.com sohu.com sympatico.ca t-online.de talktalk.net telenet.be telia.com
    telus.net terra.com.br tin.it tiscali.it tom.com tutanota.com tuta.io uol.com.br verizon.net virgilio.it
    virginmedia.com voila.fr wanadoo.fr web.de windstream.net wp.pl xs4all.nl yahoo.ca yahoo.co.in yahoo.co.jp
    yahoo.co.uk yahoo.com yahoo.com.au yahoo.com.br yahoo.com.mx yahoo.de yahoo.es yahoo.fr yahoo.it yandex.com
    yandex.ru yeah.net ymail.com ziggo.nl zoho.com
    """.split()
)


def of(email: str) -> str:
    """The domain of an address, if it may tell an account; else ""."""
    domain = email.rpartition("@")[2].lower()
    return "" if domain in OPEN else domain


def account_of(email: str) -> Account | None:
    """The one account whose domain an address has; None when there is none, or several."""
    found = list(_with_domain(domain)[:2]) if (domain := of(email)) else []
    return found[0] if len(found) == 1 else None


def puts() -> bool:
    """Whether new people are put into the account of their domain."""
    return bool(installation.get("account_by_domain"))


def accounts_of(domains: Sql) -> Sql:
    """Of a relation with a column `domain`: (domain, account), where one account has the domain, in one statement."""
    return sql(
        """SELECT said.domain, a.id AS account FROM (SELECT DISTINCT domain FROM ({}) each) said
           CROSS JOIN LATERAL (
               SELECT min(id) AS id FROM audience_account WHERE domain <> '' AND erased_at IS NULL
               AND lower(domain COLLATE "C") = said.domain HAVING count(*) = 1) a
           WHERE said.domain <> '' AND NOT said.domain = ANY ({}::text[])""",
        domains,
        sorted(OPEN),
    )


def waiting(account: Account) -> QuerySet[Person]:
    """The people without an account whose address has this account's domain. Everybody without one is looked at."""
    domain = account.domain.lower()
    none = Person.objects.none()
    if not domain or domain in OPEN or _with_domain(domain).exclude(pk=account.pk).exists():
        return none
    return Person.objects.filter(account=None, erased_at=None, email__endswith=f"@{domain}")


@transaction.atomic
def claim(account: Account, people: QuerySet[Person], *, source: str, by: User | None, now: datetime) -> int:
    """Put those of the people who are without an account, and have its domain, into it; how many."""
    ids = [pk for (pk,) in fetched(_still_without(list(people.values_list("pk", flat=True)), account))]
    found = sql(
        "SELECT id, {}::bigint AS account_id FROM audience_person WHERE id = ANY ({}::bigint[]) AND account_id IS NULL",
        account.pk,
        ids,
    )
    changed = history.update(Person, found, ("account_id",), source=source, at=now, now=now, fill=True)
    if changed:
        after = {"account": account.pk, "changed": changed}
        audit.record("account.claim", str(account), by=by, now=now, after=after, about=ids)
    return changed


def _still_without(ids: list[int], account: Account) -> Sql:
    return sql(
        """SELECT id FROM audience_person WHERE id = ANY ({}::bigint[]) AND account_id IS NULL
           AND split_part(email, '@', -1) = {} ORDER BY id FOR NO KEY UPDATE""",
        ids,
        account.domain.lower(),
    )


def _with_domain(domain: str) -> QuerySet[Account]:
    known = Account.objects.filter(erased_at=None).exclude(domain="").annotate(key=Folded("domain"))
    return known.filter(key=domain).order_by("pk")
