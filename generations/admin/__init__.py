"""Django's admin as the operator's triage desk, for the whole installation: `/admin/`.

Whoever is staff and has Django's permission for a table sees the rows of every project, members or not; what they do
goes through the same verbs as at every other door, in their name, and is audited. What was recorded is read-only here
and shown one project at a time, a page by key at a time: no list counts, skips or joins rows.
"""

from django.contrib import admin

from generations import attempts
from generations.admin import accounts, collections, events, generations, work

admin.site.site_header = "Generations admin"
admin.site.site_title = "Generations admin"
admin.site.index_title = "Triage"
admin.site.login_form = attempts.AdminSignInForm

__all__ = ["accounts", "collections", "events", "generations", "work"]
