"""The kinds of rows that files can bring to this floor, each in a file of its own."""

from audience.importing.kinds import (
    accounts,
    activities,
    amendments,
    cases,
    consents,
    contracts,
    costs,
    dealaccounts,
    deals,
    lines,
    parties,
    people,
    products,
    purchases,
    rates,
    roles,
    stages,
    suppressions,
)

ALL = (
    *(each.KIND for each in (people, accounts, activities, deals, products, purchases, contracts, amendments)),
    *(each.KIND for each in (cases, costs, rates, consents, suppressions)),
    lines.KIND,
    stages.KIND,
    dealaccounts.KIND,
    parties.KIND,
    roles.IN_DEALS,
    roles.IN_ACCOUNTS,
)
