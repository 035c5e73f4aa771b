"""The addresses of the pages."""

from __future__ import annotations

from django.urls import path, register_converter

from generations.web import (
    components,
    datasets,
    doors,
    exports,
    gathering,
    generation,
    generations,
    imports,
    ingestion,
    jobs,
    judging,
    operations,
    participants,
    prompts,
    retention,
    searching,
    sessions,
    settings,
    steps,
    threads,
)
from generations.web.gate import CallersId

register_converter(CallersId, "id")

app_name = "web"
_project = "projects/<slug:slug>"
_generation = f"{_project}/generations/<id:id>"
_step = f"{_project}/steps/<id:id>"

urlpatterns = [
    path("", sessions.home, name="home"),
    path("favicon.ico", sessions.favicon, name="favicon"),
    path("login/", sessions.sign_in, name="login"),
    path("logout/", sessions.sign_out, name="logout"),
    path("operations/", operations.page, name="operations"),
    path("theme/", sessions.set_theme, name="theme"),
    path("-/components", components.components, name="components"),
    path(f"{_project}/", sessions.project_home, name="project"),
    path(f"{_project}/<slug:kind>.csv", doors.as_csv, name="csv"),
    path(f"{_project}/search/", searching.search, name="search"),
    path(f"{_project}/named/", searching.named, name="named"),
    path(f"{_project}/generations/", generations.generations, name="generations"),
    path(f"{_project}/bulk/generations/", generations.bulk, name="generations-bulk"),
    path(f"{_generation}/", generation.generation, name="generation"),
    path(f"{_generation}/block/", generation.block, name="generation-block"),
    path(f"{_generation}/json/", generation.json, name="generation-json"),
    path(f"{_generation}/code/", generation.code, name="generation-code"),
    path(f"{_generation}/messages/", generation.messages, name="generation-messages"),
    path(f"{_generation}/scores/", judging.scores, name="generation-scores"),
    path(f"{_generation}/tags/", judging.tags, name="generation-tags"),
    path(f"{_generation}/feedback/", judging.feedback, name="generation-feedback"),
    path(f"{_generation}/selected/", judging.selected, name="generation-selected"),
    path(f"{_generation}/datasets/", judging.add_to_dataset, name="generation-datasets"),
    path(f"{_project}/threads/", threads.threads, name="threads"),
    path(f"{_project}/threads/<id:id>/", threads.thread, name="thread"),
    path(f"{_project}/steps/", steps.steps, name="steps"),
    path(f"{_step}/", steps.step, name="step"),
    path(f"{_step}/tree/", steps.tree, name="step-tree"),
    path(f"{_step}/block/", steps.block, name="step-block"),
    path(f"{_step}/json/", steps.json, name="step-json"),
    path(f"{_project}/users/", participants.participants, name="users"),
    path(f"{_project}/users/<id:id>/erase/", retention.erase, name="erase"),
    path(f"{_project}/datasets/", datasets.dataset_list, name="datasets"),
    path(f"{_project}/datasets/<uuid:id>/", datasets.dataset, name="dataset"),
    path(f"{_project}/datasets/<uuid:id>/versions/", datasets.history, name="dataset-history"),
    path(f"{_project}/datasets/<uuid:id>/import/", imports.dataset_import, name="dataset-import"),
    path(f"{_project}/datasets/<uuid:id>/items/<uuid:item>/", datasets.item, name="dataset-item"),
    path(f"{_project}/gather/<slug:kind>/", gathering.gather, name="gather"),
    path(f"{_project}/jobs/", jobs.job_list, name="jobs"),
    path(f"{_project}/jobs/<uuid:id>/", jobs.job, name="job"),
    path(f"{_project}/jobs/<uuid:id>/cancel/", jobs.cancel, name="job-cancel"),
    path(f"{_project}/jobs/<uuid:id>/retry/", jobs.retry, name="job-retry"),
    path(f"{_project}/prompts/<uuid:id>/", prompts.prompt, name="prompt"),
    path(f"{_project}/exports/", exports.exports, name="exports"),
    path(f"{_project}/exports/start/", exports.start, name="exports-start"),
    path(f"{_project}/exports/<uuid:id>/", exports.export, name="export"),
    path(f"{_project}/exports/<uuid:id>/cancel/", exports.cancel, name="export-cancel"),
    path(f"{_project}/settings/", settings.project, name="settings"),
    path(f"{_project}/settings/retention/", retention.retention, name="retention"),
    path(f"{_project}/settings/retention/run/", retention.run, name="retention-run"),
    path(f"{_project}/settings/retention/rules/", retention.add_rule, name="retention-add"),
    path(f"{_project}/settings/retention/rules/<uuid:id>/remove/", retention.remove_rule, name="retention-remove"),
    path(f"{_project}/settings/retention/holds/", retention.add_hold, name="hold-add"),
    path(f"{_project}/settings/retention/holds/<uuid:id>/release/", retention.release_hold, name="hold-release"),
    path(f"{_project}/settings/keys/", settings.keys, name="keys"),
    path(f"{_project}/settings/keys/<uuid:id>/revoke/", settings.revoke, name="key-revoke"),
    path(f"{_project}/settings/ingestion/", ingestion.ingestion, name="ingestion"),
    path(f"{_project}/settings/ingestion/<uuid:id>/body/", ingestion.body, name="ingestion-body"),
]
