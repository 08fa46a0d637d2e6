"""Forms of the lifecycle pages."""

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext_lazy as _

from kit import yamlfiles
from lifecycle import documents


class Start(forms.Form):
    """Where a new draft comes from: a playbook by name, or a YAML file."""

    playbook = forms.CharField(required=False, widget=forms.HiddenInput)
    file = forms.FileField(
        label=_("Lifecycle file (YAML)"),
        required=False,
        help_text=_("Any lifecycle can be downloaded as such a file, changed in a text editor, and brought back here."),
    )
    file.depends = True  # type: ignore[attr-defined]  # a playbook may be chosen instead; it is not called optional

    def clean(self) -> dict[str, object]:
        values = super().clean() or {}
        if values.get("file"):
            values["document"] = self._read(values["file"])
        elif values.get("playbook") in documents.playbooks():
            values["document"] = documents.playbooks()[values["playbook"]]
        elif not self.errors:
            raise forms.ValidationError(_("Choose a playbook or a file."))
        return values

    def _read(self, file: UploadedFile) -> dict[str, object] | None:
        if (file.size or 0) > yamlfiles.LIMIT_BYTES:
            self.add_error("file", _("This file is too long for a lifecycle (500 kB at most)."))
            return None
        try:
            return documents.parse(file.read().decode("utf-8-sig"))
        except UnicodeDecodeError:
            self.add_error("file", _("This file is not text in UTF-8."))
        except documents.DocumentError as error:
            self.add_error("file", str(error))
        return None
