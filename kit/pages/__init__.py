"""List pages: search, filters, sorting, paging and export of a set of rows, declared by three attributes.

    class People(pages.ListPage):
        queryset = Person.objects.all()
        filterset_class = PersonFilters          # django-filter; a filter named `q` becomes the search box
        columns = (pages.Column("name", _("Name"), sort="name", link=True), …)

The address holds the whole view, so that it can be sent to a colleague. Whatever in it is not understood is left out,
and said on the page. Paging is by the last row's key and not by number: the thousandth page costs what the first does.
"""

from kit.pages.columns import Action, Column, written
from kit.pages.listing import ListPage, Wish
from kit.pages.paging import Page, Position, Total, counted, ordered, page_of
from kit.pages.parts import next_of, part, wants_part

__all__ = [
    "Action", "Column", "ListPage", "Page", "Position", "Total", "Wish", "counted", "next_of", "ordered", "page_of",
    "part", "wants_part", "written",
]  # fmt: skip
