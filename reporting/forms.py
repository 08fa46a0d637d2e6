"""Forms of reports: what is held to be par, and chart notes."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _

from kit.forms import Day


class Pars(forms.Form):
    """What retention is held against, in per cent. Each field is named as the setting it writes."""

    grr_par = forms.IntegerField(label=_("Par of GRR, %"), min_value=1, max_value=300)
    nrr_par = forms.IntegerField(label=_("Par of NRR, %"), min_value=1, max_value=300)


class Note(forms.Form):
    """What happened on a day."""

    day = Day(label=_("Day"))
    text = forms.CharField(label=_("What happened"), max_length=200)
