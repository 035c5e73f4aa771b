"""People, projects, members, keys, saved views and the audit, in the admin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zoneinfo import available_timezones

from django import forms
from django.apps import apps
from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone

from generations import access, filters, retention
from generations.access import DEFAULT_SCOPES, Scope
from generations.admin.acting import Audited, ReadOnly, WithCurrency, grant_of, note
from generations.admin.lists import KeysetAdmin
from generations.models import ApiKey, AuditEntry, Membership, Project, PromptVersion, SavedView, User
from generations.models.accounts import Role
from generations.models.numbers import DERIVED
from generations.models.recorded import Event

if TYPE_CHECKING:
    ProjectModelForm = forms.ModelForm[Project]
    KeyModelForm = forms.ModelForm[ApiKey]
    ViewModelForm = forms.ModelForm[SavedView]
    Inline = admin.TabularInline[Membership, Project]
    Users = UserAdmin[User]
else:
    ProjectModelForm = KeyModelForm = ViewModelForm = forms.ModelForm
    Inline = admin.TabularInline
    Users = UserAdmin


# ------------------------------------------------------------------------------------------------------------- people
@admin.register(User)
class PersonAdmin(Audited, Users):
    """People who sign in. Only a superuser makes superusers, or touches one."""

    noun = "user"
    list_filter = ("is_staff", "is_superuser", "is_active")
    show_facets = admin.ShowFacets.NEVER

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """What raises a person's rights, for whoever is no superuser."""
        fields = super().get_readonly_fields(request, obj)
        if request.user.is_superuser:
            return fields
        return (*fields, "is_superuser", "is_staff", "groups", "user_permissions")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Superusers are changed by superusers: a new password would be a way to their rights."""
        return _is_no_superior(request, obj) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Superusers are deleted by superusers."""
        return _is_no_superior(request, obj) and super().has_delete_permission(request, obj)

    def get_actions(self, request: HttpRequest) -> Any:
        """Not the deletion of a selection, which would not look at each of them."""
        return {name: action for name, action in super().get_actions(request).items() if name != "delete_selected"}


def _is_no_superior(request: HttpRequest, person: Any) -> bool:
    return bool(request.user.is_superuser or person is None or not person.is_superuser)


# ----------------------------------------------------------------------------------------------------------- projects
class ProjectForm(WithCurrency, ProjectModelForm):
    """A project; its time zone is one that there is."""

    def clean_time_zone(self) -> str:
        """The name of a zone."""
        name: str = self.cleaned_data["time_zone"]
        if name not in available_timezones():
            raise forms.ValidationError(f"There is no time zone '{name}'; a name is like Europe/Prague or UTC.")
        return name


class MembershipInline(Inline):
    """The members of a project, on its page."""

    model = Membership
    extra = 0
    autocomplete_fields = ("user",)


@admin.register(Project)
class ProjectAdmin(Audited):
    """Projects. Only an empty one without working keys can be deleted here.

    What was recorded has no foreign key to its project: deleting the project would leave it behind, unseen. So a
    project with anything recorded in it, or with a key by which something may yet come in, is refused by name.
    """

    noun = "project"
    form = ProjectForm
    inlines = (MembershipInline,)
    list_display = ("name", "slug", "time_zone", "currency", "created_at")
    search_fields = ("name", "slug")
    prepopulated_fields = {"slug": ("name",)}

    def project_of(self, row: Any) -> Project | None:
        """Itself."""
        return row  # type: ignore[no-any-return]

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Only for a new one: an address that is in use should not follow a change of name."""
        return {} if obj else super().get_prepopulated_fields(request, obj)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Of a known project no more than was asked for: its row has what others count up and move meanwhile."""
        obj.save(update_fields=list(form.cleaned_data) if change else None)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """The members; a project that is made without any belongs to whoever made it."""
        super().save_related(request, form, formsets, change)
        if not change and not form.instance.memberships.exists():
            assert isinstance(request.user, User)
            Membership.objects.create(project=form.instance, user=request.user, role=Role.OWNER)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """What deleting these projects would take along, as a sentence, and what stands against it."""
        projects = list(objs)
        against = [reason for project in projects for reason in _reasons_to_keep(project)]
        taken = [f"Project: {project}, with its members, keys, settings, jobs and audit" for project in projects]
        lacking = set() if self.has_delete_permission(request) else {str(self.opts.verbose_name)}
        return taken, {str(self.opts.verbose_name_plural): len(projects)}, lacking, against

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Project]) -> None:
        """One by one, each as `delete_model` has it."""
        for project in queryset:
            self.delete_model(request, project)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """Delete an empty project. The note of it belongs to the installation: the project's own audit goes with it."""
        pk, since = obj.pk, obj.created_at
        detail = {"name": obj.name, "slug": obj.slug, "through": "admin", retention.SINCE: since.isoformat()}
        with transaction.atomic():
            # Uploads for calls that never came, exports. The deletion may yet fail, and a file does not come back; what
            # is left of them if this is interrupted is found by the note.
            transaction.on_commit(lambda: retention.forget_files(pk, since), robust=True)
            note(request, None, retention.PROJECT_GONE, "project", str(pk), detail)
            for derived in DERIVED:
                _rows(derived, obj).delete()
            obj.delete()

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        """Django's log alone; `delete_model` takes our own note."""
        return super(Audited, self).log_deletions(request, queryset)


def _reasons_to_keep(project: Project) -> list[str]:
    """Why a project cannot be deleted, a sentence for each table that has rows of it; a query for each table."""
    reasons = []
    for model in apps.get_app_config("generations").get_models():
        is_recorded = issubclass(model, Event) and model not in DERIVED
        if (is_recorded or model is PromptVersion) and _rows(model, project).exists():
            reasons.append(f"{project}: it has {model._meta.verbose_name_plural}; delete what was recorded first")
    if ApiKey.objects.filter(project=project, revoked_at=None).exists():
        reasons.append(f"{project}: it has keys that work, by which something may come in; revoke them first")
    return reasons


def _rows(model: Any, project: Project) -> QuerySet[Any]:
    rows: QuerySet[Any] = model.objects.in_project(project.pk)
    return rows


@admin.register(Membership)
class MembershipAdmin(Audited):
    """Who is in which project, and as what."""

    noun = "member"
    list_display = ("user", "project", "role", "created_at")
    list_select_related = ("user", "project")
    list_filter = ("role", "project")
    search_fields = ("user__username", "user__email")
    autocomplete_fields = ("user", "project")


# --------------------------------------------------------------------------------------------------------------- keys
class KeyForm(KeyModelForm):
    """A new key."""

    scopes = forms.MultipleChoiceField(
        choices=[(str(scope), str(scope)) for scope in Scope],
        initial=[str(scope) for scope in DEFAULT_SCOPES],
        widget=forms.CheckboxSelectMultiple,
        help_text="'write' includes 'ingest' and 'read', 'admin' includes all.",
    )

    def clean_name(self) -> str:
        """A name that is not only spaces."""
        name: str = self.cleaned_data["name"].strip()
        if not name:
            raise forms.ValidationError("A key has a name, so that people know what uses it.")
        return name

    def clean_expires_at(self) -> Any:
        """A moment in the future."""
        moment = self.cleaned_data["expires_at"]
        if moment is not None and moment <= timezone.now():
            raise forms.ValidationError("This moment has passed.")
        return moment


@admin.register(ApiKey)
class KeyAdmin(Audited):
    """API keys: made, with the token shown once, and revoked. Neither the token nor its hash is ever shown again."""

    noun = "key"
    form = KeyForm
    actions = ("revoke",)
    list_display = ("name", "prefix", "project", "scopes", "environment", "expires_at", "revoked_at", "last_used_at")
    list_select_related = ("project",)
    list_filter = ("project",)
    search_fields = ("name", "prefix")
    fields = ("project", "name", "scopes", "environment", "expires_at")
    autocomplete_fields = ("project",)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """What is asked of a new key, or what is known of one."""
        known = ("prefix", "created_by", "created_at", "last_used_at", "revoked_at")
        return self.fields if obj is None else (*self.fields, *known)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody: a key is revoked and another made."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody: a revoked key stays, so that the audit can name it."""
        return False

    def has_act_permission(self, request: HttpRequest) -> bool:
        """Who holds Django's permission to change keys may revoke them."""
        return request.user.has_perm("generations.change_apikey")

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Make the key as the gate makes keys."""
        given = form.cleaned_data
        key, self_token = access.create_key(
            grant_of(request, given["project"]),
            name=given["name"],
            scopes=given["scopes"],
            environment=given["environment"],
            expires_at=given["expires_at"],
        )
        obj.__dict__.update({name: value for name, value in key.__dict__.items() if name != "_state"})
        obj._state.adding = False
        obj.token_told_once = self_token

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Django's log alone; the gate has taken its own note."""
        return super(Audited, self).log_addition(request, obj, message)

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: str | None = None) -> HttpResponse:
        """The page with the token. It is in no message, cookie or log, and browsers keep no page of the admin."""
        context = {
            **self.admin_site.each_context(request),
            "title": f"The key '{obj.name}'",
            "opts": self.opts,
            "key": obj,
            "token": obj.token_told_once,
        }
        return TemplateResponse(request, "admin/generations/key_made.html", context)

    @admin.action(description="Revoke them", permissions=["act"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        """Make keys useless from now on."""
        keys = [key for key in queryset.select_related("project") if key.revoked_at is None]
        for key in keys:
            access.revoke_key(grant_of(request, key.project), str(key.pk))
        self.message_user(
            request, f"Revoked: {', '.join(map(str, keys)) or 'none; they were already'}.", messages.SUCCESS
        )


# ------------------------------------------------------------------------------------------------- views and the audit
class SavedViewForm(ViewModelForm):
    """A saved view whose filter and order can be asked for."""

    def clean(self) -> dict[str, Any] | None:
        """The filter and the order, tried on the list that they are for."""
        given = super().clean() or self.cleaned_data
        kind, document, project = given.get("kind"), given.get("filter"), given.get("project")
        if not kind or project is None or document is None:
            return given
        try:
            filters.narrow(kind, project.pk, filters.from_document(kind, document))
            order = (given.get("order") or "").removeprefix("-")
            if order and not filters.field(kind, order).sortable:
                self.add_error("order", f"The list cannot be sorted by {order}.")
        except filters.BadFilter as error:
            raise forms.ValidationError(str(error)) from error
        return given


@admin.register(SavedView)
class SavedViewAdmin(Audited):
    """Named filters of lists."""

    noun = "view"
    form = SavedViewForm
    list_display = ("name", "kind", "project", "is_shared", "created_by", "created_at")
    list_select_related = ("project", "created_by")
    list_filter = ("kind", "project")
    search_fields = ("name",)
    autocomplete_fields = ("project", "created_by")


@admin.register(AuditEntry)
class AuditAdmin(ReadOnly, KeysetAdmin):
    """Who did what to what. Entries are written with the change and never changed themselves."""

    list_display = ("when", "actor", "action", "subject_kind", "subject_id", "project")
    list_select_related = ("project",)
    list_filter = ("project",)
