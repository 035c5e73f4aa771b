"""The pages of datasets and of jobs: every state at an address, past versions read-only, and who may do what."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from generations import access, datasets, experiments, exporting, jobs
from generations.access import Grant
from generations.datasets import NewItem
from generations.importing import working
from generations.models import Dataset, DatasetItem, Job, Project
from generations.models.accounts import Role
from generations.web import evaluating
from tests import evaluations, web
from tests.web import shop_client, shop_project  # noqa: F401  the fixtures `client` and `project`

pytestmark = pytest.mark.django_db

HOSTILE = '<script>alert(1)</script>\u202e"><img src=x onerror=alert(1)>'


@pytest.fixture
def grant(project: Project) -> Grant:
    return access.of_system(project)


@pytest.fixture
def dataset(grant: Grant) -> Dataset:
    made = datasets.create(grant, name="Questions")
    datasets.add_items(grant, str(made.pk), [NewItem(input={"q": "One?"}, expected_output="1", split="test")])
    datasets.add_items(grant, str(made.pk), [NewItem(input={"q": "Two?"}, expected_output="2", metadata={"k": 1})])
    return made


def at(row: Dataset, *path: str) -> str:
    return "/".join(("/projects/shop/datasets", str(row.pk), *path)) + "/"


def item_of(dataset: Dataset, question: str) -> DatasetItem:
    return DatasetItem.objects.get(dataset=dataset, input={"q": question}, removed_in=None)


def test_a_dataset_is_renamed_archived_brought_back_and_deleted(client: Client, dataset: Dataset) -> None:
    client.post(at(dataset), {"do": "rename", "name": "Sums", "description": "Small ones"})
    assert "Sums" in web.text(client.get("/projects/shop/datasets/"))

    client.post(at(dataset), {"do": "archive"})
    assert "Sums" not in web.text(client.get("/projects/shop/datasets/")).replace("Sums is put away", "")
    assert "Sums" in web.text(client.get("/projects/shop/datasets/?archived=1"))

    client.post(at(dataset), {"do": "restore"})
    refused = client.post(at(dataset), {"do": "delete", "confirm": "Questions"}, follow=True)
    assert "expected the dataset's name, to confirm" in web.text(refused)
    assert Dataset.objects.get().name == "Sums"

    client.post(at(dataset), {"do": "delete", "confirm": "Sums"})
    assert Dataset.objects.count() == 0


def test_a_dataset_leads_to_an_evaluation_over_it_however_many_there_are(
    client: Client, dataset: Dataset, grant: Grant
) -> None:
    evaluations.evaluator(grant, "regex", pattern=".")
    Dataset.objects.bulk_create(Dataset(project=grant.project, name=f"A{n}") for n in range(evaluating.CHOICES))
    there = f"/projects/shop/evaluate/?dataset={dataset.pk}"

    page = client.get(at(dataset))
    chosen = [one["value"] for one in web.tags(client.get(there), "option") if "selected" in one]

    assert there in web.links(page)
    assert str(dataset.pk) in chosen


def test_an_item_is_edited_in_place_as_a_new_version(client: Client, dataset: Dataset) -> None:
    old = item_of(dataset, "Two?")

    refused = client.post(at(dataset, "items", str(old.pk)), {"input": '{"q": ', "metadata": "{}"})
    assert refused.status_code == 400
    assert "expected JSON (line 1" in web.text(refused)
    assert '{"q": ' in web.text(refused)

    saved = client.post(
        at(dataset, "items", str(old.pk)),
        {"input": '{"q": "Three?"}', "expected_output": "3", "metadata": '{"k": 2}', "split": "train"},
    )

    new = item_of(dataset, "Three?")
    assert saved.headers["Location"] == at(dataset, "items", str(new.pk))
    assert (new.key, new.expected_output, new.metadata, new.split) == (old.key, 3, {"k": 2}, "train")
    past = web.text(client.get(at(dataset, "items", str(old.pk))))
    assert "not in the latest version any more" in past
    late = client.post(at(dataset, "items", str(old.pk)), {"input": '"x"'})
    assert "replaced or removed this item meanwhile" in web.text(late)


def test_a_past_version_is_shown_as_it_was_and_cannot_be_changed(client: Client, dataset: Dataset) -> None:
    client.post(at(dataset), {"remove": str(item_of(dataset, "One?").pk)})

    now, then = client.get(at(dataset)), client.get(at(dataset) + "?version=3")

    assert "One?" not in web.text(now)
    assert "One?" in web.text(then)
    assert "as they were in version 3" in web.text(then)
    assert "Take this item out" in now.content.decode()
    assert "Take this item out" not in then.content.decode()
    assert client.get(at(dataset) + "?version=9").status_code == 404
    assert client.get(at(dataset) + "?version=x").status_code == 404


def test_the_history_says_what_each_version_changed_and_who_did_it(client: Client, dataset: Dataset) -> None:
    item = item_of(dataset, "Two?")
    client.post(at(dataset, "items", str(item.pk)), {"input": '{"q": "Three?"}', "expected_output": "3"})
    client.post(at(dataset), {"remove": str(item_of(dataset, "One?").pk)})

    listed = web.text(client.get(at(dataset, "versions")))
    assert re.search(r"version 5 −1 .* by mia version 4 1 changed .* by mia version 3 \+1", listed)

    one = web.text(client.get(at(dataset, "versions") + "?to=4"))
    assert "What version 4 has other than version 3" in one
    assert re.search(r"Replaced Open Was .*Two\?.* Is .*Three\?", one)
    all_of_it = web.text(client.get(at(dataset, "versions") + "?from=2&to=5"))
    assert re.search(r"Added Open Is .*Three\?", all_of_it)
    assert re.search(r"Removed Open Was .*One\?", all_of_it)


def test_a_version_is_exported_by_the_one_verb(client: Client, dataset: Dataset, settings: Any, tmp_path: Any) -> None:
    settings.DATA_DIR = tmp_path
    sent = {"kind": "datasets", "query": f"id={dataset.pk}", "version": "2", "format": "jsonl"}

    client.post("/projects/shop/exports/start/", sent)

    job = Job.objects.get()
    exporting.run(job.pk)
    job.refresh_from_db()
    (line,) = exporting.open_file(job).read().decode().splitlines()
    assert '"One?"' in line
    assert '"split":"test"' in line


def test_a_split_narrows_the_items(client: Client, dataset: Dataset) -> None:
    shown = web.text(client.get(at(dataset) + "?split=test"))

    assert "One?" in shown
    assert "Two?" not in shown


def test_a_file_is_sent_looked_at_and_imported(client: Client, dataset: Dataset) -> None:
    file = io.BytesIO(b'question,answer,split\n"Four?",4,test\n')
    file.name = "sums.csv"

    sent = client.post(at(dataset, "import"), {"file": file})
    looked = client.get(sent.headers["Location"])
    token = next(tag["value"] for tag in web.tags(looked, "input") if tag.get("name") == "token")
    assert "Four?" in web.text(looked)
    wrong = client.post(at(dataset, "import"), {"token": token, "role-0": "", "role-1": "expected", "start": "1"})
    started = client.post(
        at(dataset, "import"),
        {"token": token, "role-0": "input", "role-1": "expected", "role-2": "split", "json": "on", "start": "1"},
    )

    assert wrong.status_code == 400
    assert "at least one column that is the input" in web.text(wrong)
    job = Job.objects.get()
    assert started.headers["Location"] == f"/projects/shop/jobs/{job.pk}/"
    working.run(job.pk)
    shown = web.text(client.get(started.headers["Location"]))
    assert "sums.csv into the dataset Questions" in shown
    assert "Added 1" in shown
    assert "Four?" in web.text(client.get(at(dataset)))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv", b"", "The file is empty"),
        ("a.csv", b"question\n", "no rows"),
        ("a.xlsx", b"PK\x03\x04....", "zip file"),
        ("a.csv", b"gr\xf6\xdfe\n1\n", "not UTF-8"),
    ],
)
def test_a_file_that_is_none_is_refused(
    client: Client, dataset: Dataset, name: str, content: bytes, words: str
) -> None:
    file = io.BytesIO(content)
    file.name = name

    response = client.post(at(dataset, "import"), {"file": file})

    assert response.status_code == 400
    assert words in web.text(response)
    assert client.get(at(dataset, "import") + "?file=forged", follow=True).status_code == 200
    assert Job.objects.count() == 0


def test_hostile_content_is_shown_as_text_on_every_page(client: Client, grant: Grant) -> None:
    row = datasets.create(grant, name=HOSTILE, description=HOSTILE)
    (item,) = datasets.add_items(
        grant,
        str(row.pk),
        [NewItem(input={"q": HOSTILE}, expected_output=HOSTILE, metadata={HOSTILE: HOSTILE}, split=HOSTILE[:90])],
    )
    file = io.BytesIO(f'"{HOSTILE.replace(chr(34), chr(34) * 2)}",b\n{HOSTILE[:20]},<b>x</b>\n'.encode())
    file.name = "<img>.csv"
    sent = client.post(at(row, "import"), {"file": file})

    for address in (
        "/projects/shop/datasets/",
        at(row),
        at(row, "items", str(item.pk)),
        at(row, "versions") + "?to=2",
        sent.headers["Location"],
    ):
        response = client.get(address)
        assert response.status_code == 200
        page = response.content.decode()
        assert "<script>alert" not in page
        assert "<img" not in page


@pytest.mark.parametrize("path", [(), ("versions",), ("import",)])
def test_another_projects_dataset_is_not_there(dataset: Dataset, path: tuple[str, ...]) -> None:
    stranger = web.signed_in(web.project("Other"), name="zoe")
    address = at(dataset, *path).replace("/shop/", "/other/")

    assert stranger.get(at(dataset, *path)).status_code == 404
    assert stranger.get(address).status_code == 404
    assert stranger.post(at(dataset), {"do": "archive"}).status_code == 404
    item = item_of(dataset, "One?")
    assert stranger.post(at(dataset, "items", str(item.pk)).replace("/shop/", "/other/")).status_code == 404
    assert Dataset.objects.get(pk=dataset.pk).archived_at is None


def test_a_viewer_reads_and_changes_nothing(project: Project, dataset: Dataset) -> None:
    viewer = web.signed_in(project, Role.VIEWER, "vic")
    item = item_of(dataset, "One?")

    assert viewer.get(at(dataset)).status_code == 200
    assert "Save as" not in web.text(viewer.get(at(dataset, "items", str(item.pk))))
    assert viewer.get(at(dataset, "import")).status_code == 403
    assert viewer.post(at(dataset), {"do": "rename", "name": "x"}).status_code == 403
    assert viewer.post(at(dataset, "items", str(item.pk)), {"input": "1"}).status_code == 403
    assert Dataset.objects.get().name == "Questions"


def queries(client: Client, address: str) -> int:
    with CaptureQueriesContext(connection) as made:
        assert client.get(address).status_code == 200
    return len(made)


def test_pages_take_as_many_queries_for_one_row_as_for_fifty(client: Client, grant: Grant) -> None:
    row = datasets.create(grant, name="Many")
    datasets.add_items(grant, str(row.pk), [NewItem(input=0)])
    jobs.create(grant, Job.Kind.IMPORT, {"name": "x"})
    addresses = ["/projects/shop/datasets/", at(row), at(row, "versions") + "?to=2", "/projects/shop/jobs/"]
    few = [queries(client, address) for address in addresses]

    datasets.add_items(grant, str(row.pk), [NewItem(input=n) for n in range(49)])
    for n in range(49):
        datasets.create(grant, name=f"Many {n}")
        jobs.create(grant, Job.Kind.IMPORT, {"name": "x"})

    assert [queries(client, address) for address in addresses] == [few[0], few[1], few[2], few[3]]


def test_items_are_paged_by_key_without_loss(client: Client, grant: Grant) -> None:
    row = datasets.create(grant, name="Many")
    datasets.add_items(grant, str(row.pk), [NewItem(input={"n": n}) for n in range(60)])

    address, seen, pages = at(row), [], 0
    while address:
        page = client.get(address)
        seen += re.findall(r'"n": (\d+)', page.content.decode().replace("&quot;", '"'))
        pages += 1
        older = [tag for tag in web.tags(page, "a") if tag.get("rel") == "next"]
        address = f"{at(row)}{older[0]['href']}" if older else ""

    assert pages == 3
    assert sorted(map(int, seen)) == list(range(60))
    newer = [tag for tag in web.tags(page, "a") if tag.get("rel") == "prev"]
    assert len(web.tags(client.get(f"{at(row)}{newer[0]['href']}"), "pre")) == 25
    assert client.get(f"{at(row)}?after=rubbish").status_code == 404


# ---------------------------------------------------------------------------------------------------------------- jobs
def test_a_job_is_watched_cancelled_and_begun_again(client: Client, grant: Grant) -> None:
    job = jobs.create(grant, Job.Kind.IMPORT, {"fileName": "a.csv", "name": "Questions", "file": "gone"})
    address = f"/projects/shop/jobs/{job.pk}/"

    waiting = client.get(address, headers={"HX-Request": "true"})
    assert 'hx-trigger="every 1s"' in waiting.content.decode()
    assert "Cancel" in web.text(waiting)

    client.post(f"{address}cancel/")
    again = client.post(f"{address}retry/")
    job.refresh_from_db()
    assert job.state == "cancelled"
    new = Job.objects.exclude(pk=job.pk).get()
    assert again.headers["Location"] == f"/projects/shop/jobs/{new.pk}/"
    assert (new.parameters, new.created_by and new.created_by.username) == (job.parameters, "mia")

    refused = client.post(f"/projects/shop/jobs/{new.pk}/retry/", follow=True)
    assert "only those that failed" in web.text(refused)
    assert Job.objects.count() == 2


def test_jobs_are_narrowed_by_kind_and_state(client: Client, grant: Grant) -> None:
    jobs.create(grant, Job.Kind.IMPORT, {"fileName": "first.csv", "name": "x"})
    jobs.create(
        grant, Job.Kind.BULK, {"do": "dataset", "kind": "generations", "filter": {"tags": "odd"}, "name": "Odd"}
    )

    bulk = client.get("/projects/shop/jobs/?kind=bulk&state=", follow=True)

    assert "generations where tags include odd into the dataset Odd" in web.text(bulk)
    assert "first.csv" not in web.text(bulk)
    assert client.get("/projects/shop/jobs/?kind=nonsense").status_code == 400


def test_jobs_of_another_project_and_of_administrators_are_left_alone(project: Project, grant: Grant) -> None:
    elsewhere = jobs.create(access.of_system(web.project("Other")), Job.Kind.IMPORT, {})
    erasure = jobs.create(grant, Job.Kind.ERASURE, {"participant": "mia"})
    Job.objects.filter(pk=erasure.pk).update(state="failed")
    mine = jobs.create(grant, Job.Kind.IMPORT, {})
    Job.objects.filter(pk=mine.pk).update(state="failed")
    member, viewer = web.signed_in(project), web.signed_in(project, Role.VIEWER, "vic")

    assert member.get(f"/projects/shop/jobs/{elsewhere.pk}/").status_code == 404
    assert member.post(f"/projects/shop/jobs/{elsewhere.pk}/cancel/").status_code == 404
    assert member.post(f"/projects/shop/jobs/{elsewhere.pk}/retry/").status_code == 404
    assert member.post(f"/projects/shop/jobs/{erasure.pk}/retry/").status_code == 403
    assert viewer.post(f"/projects/shop/jobs/{mine.pk}/retry/").status_code == 403
    assert Job.objects.count() == 3


def test_of_messages_the_question_and_the_answer_are_told(client: Client, grant: Grant, dataset: Dataset) -> None:
    question, call = {"role": "user", "content": "Open when?"}, {"role": "assistant", "content": "At ten."}
    sent = [question, {"role": "tool", "content": '{"museums": []}'}]
    new = NewItem(input={"tools": ["t" * 6_000], "messages": sent}, expected_output={"messages": [question, call]})
    datasets.add_items(grant, str(dataset.pk), [new])
    experiment = experiments.create(grant, name="First", dataset_id=str(dataset.pk))
    item = DatasetItem.objects.filter(dataset=dataset).latest("pk")
    experiments.add_item(grant, str(experiment.pk), dataset_item_id=str(item.pk), output="At nine.")

    pages = [client.get(at(dataset)), client.get(f"/projects/{dataset.project.slug}/experiments/{experiment.pk}/")]

    for said in map(web.text, pages):
        assert "Open when?" in said
        assert "At ten." in said
        assert "museums" not in said
