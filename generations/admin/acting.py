"""Who acts in the admin, and the note that is taken of it: every change writes an audit entry in its transaction."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.contrib import admin
from django.db import models
from django.http import HttpRequest

from generations import access, cleaning, pricing
from generations.access import Grant
from generations.models import AuditEntry, Project, User
from generations.records import InvalidRecord

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]
else:
    ModelAdmin = admin.ModelAdmin


def grant_of(request: HttpRequest, project: Project) -> Grant:
    """The grant of whoever sits at the admin, in any project. What they may do there is up to Django's permissions."""
    assert isinstance(request.user, User)
    return replace(access.of_system(project), user=request.user)


def note(
    request: HttpRequest, project: Project | None, action: str, kind: str, id: str, detail: dict[str, Any]
) -> None:
    """Take note of an action, also of one that belongs to no project."""
    if project is not None:
        access.audit(grant_of(request, project), action, kind, id, detail)
        return
    assert isinstance(request.user, User)
    AuditEntry.objects.create(
        user=request.user,
        actor=request.user.get_username(),
        action=action,
        subject_kind=kind,
        subject_id=id[:512],
        detail=detail,
    )


class DocumentField(forms.JSONField):
    """A JSON value that is never null: an object or a list, as the column's default is."""

    kind: type = dict

    def clean(self, value: Any) -> Any:
        """The value, empty when nothing was typed."""
        found = super().clean(value)
        if found is None:
            return self.kind()
        if not isinstance(found, self.kind):
            raise forms.ValidationError("Expected an object, {…}." if self.kind is dict else "Expected a list, […].")
        try:
            return cleaning.clean_json("value", found, cleaning.MAX_METADATA)
        except InvalidRecord as error:
            raise forms.ValidationError(str(error)) from error


class WithCurrency:
    """What a form with a currency checks of it."""

    cleaned_data: dict[str, Any]

    def clean_currency(self) -> str:
        """A code of three letters, in capitals."""
        code = pricing.currency_of(self.cleaned_data["currency"])
        if code is None:
            raise forms.ValidationError("A currency is a code of three letters, such as USD.")
        return code


class Audited(ModelAdmin):
    """What is added, changed and deleted here is written to Django's log, as ever, and to the audit.

    `noun` is what the audit calls a row; its project is `project_of(row)`.
    """

    noun: ClassVar[str] = ""
    show_full_result_count = False

    def formfield_for_dbfield(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        """As Django's, but a JSON column that knows no null is not emptied to one."""
        is_document = isinstance(db_field, models.JSONField) and not db_field.null
        if is_document:
            kwargs["form_class"] = DocumentField
        field: Any = super().formfield_for_dbfield(db_field, request, **kwargs)
        if is_document and field is not None:
            field.kind = type(db_field.get_default())
        return field

    def project_of(self, row: Any) -> Project | None:
        """The project whose audit an action on `row` belongs in; None for the installation's own."""
        found: Project | None = getattr(row, "project", None)
        return found

    def log_addition(self, request: HttpRequest, obj: models.Model, message: Any) -> Any:
        """As Django's, and an audit entry."""
        self._note(request, obj, "create", message)
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: models.Model, message: Any) -> Any:
        """As Django's, and an audit entry."""
        self._note(request, obj, "update", message)
        return super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: Iterable[models.Model]) -> Any:
        """As Django's, and an audit entry for each row."""
        for row in queryset:
            self._note(request, row, "delete", [])
        return super().log_deletions(request, queryset)  # type: ignore[arg-type]

    def _note(self, request: HttpRequest, row: models.Model, verb: str, message: Any) -> None:
        detail: dict[str, Any] = {"name": str(row)[:200], "through": "admin"}
        if message:
            detail["changes"] = message
        note(request, self.project_of(row), f"{self.noun}.{verb}", self.noun, str(row.pk), detail)


class ReadOnly(ModelAdmin):
    """Rows that are looked at and not changed."""

    show_full_result_count = False

    class Media:
        css = {"all": ("generations/admin.css",)}

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody."""
        return False

    def may_act(self, request: HttpRequest) -> bool:
        """Whether this person holds Django's permission to change such rows, which its actions ask for."""
        return request.user.has_perm(f"{self.opts.app_label}.change_{self.opts.model_name}")

    has_act_permission = may_act
