"""The kinds of rows that files can bring to this floor, each in a file of its own."""

from audience.importing.kinds import accounts, activities, amendments, contracts, deals, people, products, purchases

ALL = tuple(each.KIND for each in (people, accounts, activities, deals, products, purchases, contracts, amendments))
