"""Jobs, prices and what was refused at the doors, in the admin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django import forms
from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from generations import jobs, tasks
from generations.admin.acting import Audited, ReadOnly, WithCurrency, grant_of
from generations.admin.lists import KeysetAdmin
from generations.admin.showing import block, line
from generations.models import IngestReject, Job, PriceOverride

if TYPE_CHECKING:
    PriceModelForm = forms.ModelForm[PriceOverride]
else:
    PriceModelForm = forms.ModelForm

_SHOWN_BYTES: Final = 4_000


@admin.register(Job)
class JobAdmin(ReadOnly, KeysetAdmin):
    """Long work: how far it is, what came of it; stopped, or begun again."""

    actions = ("cancel", "retry")
    list_display = ("when", "kind", "state", "project", "progress", "attempts", "error_line", "created_by", "id")
    list_select_related = ("project", "created_by")
    list_filter = ("state", "kind", "project")

    @admin.display(description="progress")
    def progress(self, row: Job) -> str:
        """How much of it is done."""
        total = "?" if row.progress_total is None else f"{row.progress_total:,}"
        return f"{row.progress_done:,} of {total}"

    @admin.display(description="error")
    def error_line(self, row: Job) -> str:
        """The beginning of the error."""
        return line(row.error)

    @admin.action(description="Cancel them", permissions=["act"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        """Stop jobs; those that have ended stay as they are."""
        found = [
            job for job in queryset.select_related("project") if job.state in (Job.State.QUEUED, Job.State.RUNNING)
        ]
        for job in found:
            jobs.cancel(grant_of(request, job.project), job.pk)
        self.message_user(request, f"{_counted(len(found))} cancelled.", messages.SUCCESS)

    @admin.action(description="Begin them again", permissions=["act"])
    def retry(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        """Start new jobs that ask for the same; the old ones stay as a record."""
        found = [job for job in queryset.select_related("project") if job.state in jobs.ENDED_BADLY]
        for job in found:
            with transaction.atomic():
                if again := jobs.retry(grant_of(request, job.project), job.pk):
                    tasks.send(again)
        said = f"{_counted(len(found))} begun again."
        self.message_user(request, f"{said} Only failed, cancelled and expired ones are.", messages.SUCCESS)


def _counted(count: int) -> str:
    return "1 job" if count == 1 else f"{count} jobs"


class PriceForm(WithCurrency, PriceModelForm):
    """A price that can be reckoned with."""

    def clean(self) -> dict[str, Any] | None:
        """No price is below nothing, and there is at least one."""
        given = super().clean() or self.cleaned_data
        prices = {name: value for name, value in given.items() if name.endswith("_price") and value is not None}
        for name, value in prices.items():
            if value < 0:
                self.add_error(name, "A price is not negative.")
        if not prices and not self.errors:
            raise forms.ValidationError("Give at least one price, for a million tokens.")
        return given


@admin.register(PriceOverride)
class PriceAdmin(Audited):
    """What projects pay for models. Counts for what comes in from now on; generations can be priced again."""

    noun = "price"
    form = PriceForm
    list_display = ("match", "provider", "project", "currency", "input_price", "output_price", "valid_from", "valid_to")
    list_select_related = ("project",)
    list_filter = ("project",)
    search_fields = ("match", "provider")
    autocomplete_fields = ("project",)


@admin.register(IngestReject)
class RejectAdmin(ReadOnly, KeysetAdmin):
    """What came in and could not be stored, and why. Bodies are kept for a day."""

    list_display = ("when", "project", "door", "record_id", "count", "reason_line")
    list_select_related = ("project",)
    list_filter = ("project",)
    fields = (
        "project",
        "door",
        "agent",
        "field",
        "index",
        "record_id",
        "reason",
        "count",
        "last_at",
        "body_block",
        "created_at",
    )
    readonly_fields = ("body_block",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Without the bodies, which only a row's own page shows."""
        return super().get_queryset(request).defer("body")

    @admin.display(description="reason")
    def reason_line(self, row: IngestReject) -> str:
        """The beginning of the reason."""
        return line(row.reason)

    @admin.display(description="body")
    def body_block(self, row: IngestReject) -> str | SafeString:
        """The beginning of what was sent."""
        return block(bytes(row.body)[:_SHOWN_BYTES].decode("utf-8", "replace") if row.body is not None else None)
