"""Literal AI's interface over HTTP: what its clients do not send on good days, and what they get for it."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from generations import access, attachments, prompts, recording
from generations.ingest import literal
from generations.models import Generation, IngestReject, Participant, Step, Thread, User
from generations.models.accounts import Membership, Role
from tests.doors.literal import GRAPHQL, ask, batch, client, send
from tests.doors.rest import Caller

BAD: list[tuple[str, dict[str, Any]]] = [
    ("impossible date", {"startTime": "2026-02-31T00:00:00Z"}),
    ("wrong type", {"generation": "not an object"}),
    ("score without a number", {"scores": [{"name": "s", "type": "AI", "value": "many"}]}),
    ("tags of no kind", {"tags": 5}),
    ("score that is none", {"scores": [["s", 1]]}),
    ("attachment that is none", {"attachments": ["notes.txt"]}),
    ("tokens without end", {"generation": {"type": "CHAT", "tokenCount": float("inf")}}),
    ("30 MB of text", {"input": {"content": "x" * (30 << 20)}}),
]


@pytest.mark.django_db
@pytest.mark.parametrize(("what", "poison"), BAD, ids=[what for what, _ in BAD])
def test_one_poisoned_step_leaves_its_neighbours_stored_and_is_told_alone(what: str, poison: dict[str, Any]) -> None:
    who = client()

    answer = send(who, batch({"id": "a", "name": "A"}, {"id": "b", **poison}, {"id": "c", "name": "C"}))

    assert answer.status == 200
    assert "errors" not in answer.json  # the client would send everything again, and then drop it
    data = answer.json["data"]
    assert (data["step0"], data["step2"]) == ({"ok": True, "message": None},) * 2
    assert data["step1"]["ok"] is None
    assert data["step1"]["message"]
    assert set(Step.objects.in_project(who.project.pk).values_list("public_id", flat=True)) >= {"a", "c"}
    (refused,) = IngestReject.objects.filter(project=who.project)
    assert (refused.door, refused.index, refused.record_id) == ("literal", 1, "b")
    assert refused.reason == data["step1"]["message"]
    assert b'"id": "b"' in bytes(refused.body or b"")[:40]
    assert len(refused.body or b"") <= 64 << 10


@pytest.mark.django_db
def test_nul_and_lone_surrogates_are_left_out_and_the_rest_of_the_text_kept() -> None:
    who = client()
    body = json.dumps(batch({"id": "a", "name": "A\0B", "output": {"content": "x\0y\ud800"}})).encode()

    answer = who.send("POST", GRAPHQL, raw=body)

    assert answer.json["data"]["step0"]["ok"] is True
    step = ask(who, "query Q($id: String!) { step(id: $id) { name output } }", id="a")["step"]
    assert step["name"] == "AB"
    assert step["output"]["content"].startswith("xy")


@pytest.mark.django_db
def test_nan_in_one_step_does_not_lose_the_other() -> None:
    who = client()
    body = json.dumps(batch({"id": "a", "input": {"n": float("nan")}}, {"id": "b", "input": {"n": 1}})).encode()

    data = who.send("POST", GRAPHQL, raw=body).json["data"]

    assert data["step1"] == {"ok": True, "message": None}
    assert Step.objects.in_project(who.project.pk).filter(public_id="b").exists()


@pytest.mark.django_db
@pytest.mark.parametrize("moment", ["2026-01-02T03:04:05.5Z", "2026-01-02 03:04:05.5", "2026-01-02T04:04:05.500+01:00"])
def test_a_moment_in_any_form_the_clients_write_is_the_same_moment(moment: str) -> None:
    who = client()
    send(who, batch({"id": "a", "startTime": moment}))

    assert ask(who, '{ step(id: "a") { startTime } }')["step"]["startTime"] == "2026-01-02T03:04:05.500000Z"


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/api/graphql", "//api/graphql", "/api/graphql/"])
@pytest.mark.parametrize("headers", [{}, {"x-api-key": "gen_wrong"}], ids=["no key", "wrong key"])
def test_without_a_right_key_the_answer_is_401_with_errors(path: str, headers: dict[str, str]) -> None:
    asked: Any = {"query": "{ __typename }"}
    answer: Any = Client().post("/", asked, content_type="application/json", headers=headers, PATH_INFO=path)

    assert answer.status_code == 401
    (error,) = answer.json()["errors"]
    assert "key" in error["message"]


@pytest.mark.django_db
def test_an_empty_batch_is_done_at_once() -> None:
    who = client()

    assert send(who, {"query": "mutation AddStep() {\n}\n", "variables": {}}).json == {"data": {}}
    assert send(who, {"query": "\n mutation CreateScores() { }", "variables": {}}).json == {"data": {}}


@pytest.mark.django_db
def test_another_projects_ids_read_as_null_and_cannot_be_changed() -> None:
    ours, theirs = client(), client()
    send(ours, batch({"id": "same", "threadId": "t", "name": "Ours"}))

    assert ask(theirs, '{ step(id: "same") { id } threadDetail(id: "t") { id } }') == {
        "step": None,
        "threadDetail": None,
    }
    assert ask(theirs, 'mutation { deleteStep(id: "same") { id } }') == {"deleteStep": None}
    assert ask(theirs, 'mutation { updateStep(id: "same", name: "x") { id } }') == {"updateStep": None}
    send(theirs, batch({"id": "same", "threadId": "t", "name": "Theirs"}))
    assert ask(ours, '{ step(id: "same") { name } }')["step"]["name"] == "Ours"
    assert ask(theirs, '{ step(id: "same") { name } }')["step"]["name"] == "Theirs"


@pytest.mark.django_db(transaction=True)
def test_the_same_thread_tag_and_user_made_at_once_are_one() -> None:
    who = client()

    def both(n: int) -> list[Any]:
        try:
            made = "mutation M($i: String!) { createParticipant(identifier: $i) { id } }"
            user = ask(client(who.project), made, i="ann")["createParticipant"]["id"]
            stored = send(who, batch({"id": f"s{n}", "threadId": "t", "tags": ["x"]})).json["data"]["step0"]["ok"]
            return [user, stored]
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(both, range(6)))

    assert answers == [["ann", True]] * 6
    assert Thread.objects.in_project(who.project.pk).count() == 1
    assert Participant.objects.in_project(who.project.pk).count() == 1
    assert Step.objects.in_project(who.project.pk).count() == 6


@pytest.mark.django_db
def test_looking_up_a_user_takes_two_queries_and_a_key_used_lately_no_write() -> None:
    who = client()
    query = "query GetUser($id: String, $identifier: String) { participant(id: $id, identifier: $identifier) { id } }"
    ask(who, query, identifier="ann")

    with CaptureQueriesContext(
        connection,
    ) as queries:
        ask(who, query, identifier="ann")

    assert len(queries) == 2


@pytest.mark.django_db
@pytest.mark.parametrize("number", [1, 50])
def test_a_batch_of_steps_costs_the_writers_queries_and_one_for_the_key(number: int) -> None:
    who = client()
    send(who, batch(step("warm")))

    with CaptureQueriesContext(connection) as through_the_door:
        answer = send(who, batch(*(step(f"door-{n}") for n in range(number)))).json
    written = [record for n in range(number) for record in literal.step(step(f"alone-{n}"), "prod")]
    with CaptureQueriesContext(connection) as of_the_writer:
        recording.record(who.project, written)

    assert [result["ok"] for result in answer["data"].values()] == [True] * number
    # What came in by a door is counted once in some seconds, and not with each request.
    asked = [query for query in through_the_door if " INTO intake " not in query["sql"]]
    assert len(asked) == len(of_the_writer) + 1


def step(id: str) -> dict[str, Any]:
    """A step with a generation, in a thread that is known from the second one on."""
    generation = {"type": "CHAT", "model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}]}
    return {"id": id, "threadId": "t", "type": "llm", "startTime": "2026-01-02T00:00:00Z", "generation": generation}


@pytest.mark.django_db
def test_users_own_keys_in_a_threads_env_are_masked_before_they_are_stored() -> None:
    who = client()
    ask(who, 'mutation M($m: Json) { upsertThread(id: "t", metadata: $m) { id } }', m={"env": {"KEY": "sk-1"}, "a": 1})

    assert Thread.objects.in_project(who.project.pk).get().metadata == {"env": {"KEY": "***"}, "a": 1}


@pytest.mark.django_db
def test_what_the_python_client_cannot_read_is_put_in_a_form_that_it_can() -> None:
    who = client()
    messages = [
        {"role": "developer", "content": "Be brief"},
        {
            "role": "user",
            "content": [{"type": "image_url", "image_url": "http://i/1.png"}, {"type": "input_audio", "a": 1}],
        },
    ]
    send(who, batch({"id": "g", "type": "llm", "generation": {"messages": messages}}))

    node = ask(who, "{ generations { edges { node { type messages } } } }")["generations"]["edges"][0]["node"]

    assert node["type"] == "CHAT"
    assert node["messages"][0] == {"role": "system", "content": "Be brief"}
    image, other = node["messages"][1]["content"]
    assert image == {"type": "image_url", "image_url": {"url": "http://i/1.png"}}
    assert other["type"] == "text"
    assert Generation.objects.in_project(who.project.pk).get().type == "chat"


@pytest.mark.django_db
@pytest.mark.parametrize(("direction", "names"), [("DESC", "cbad"), ("ASC", "abcd")])
def test_threads_in_the_order_of_their_tokens_are_paged_with_those_without_any_last(direction: str, names: str) -> None:
    who = client()
    tokens = {"a": 5, "b": 10, "c": 20, "d": None}
    for name, count in tokens.items():
        made = {"id": name, "threadId": name, "type": "llm", "generation": {"type": "CHAT", "tokenCount": count}}
        send(who, batch(made))
    query = """query T($after: ID, $o: ThreadsOrderByInput) {
        threads(first: 1, after: $after, orderBy: $o) { pageInfo { hasNextPage endCursor } edges { node { id } } }
    }"""

    found, after = "", None
    while True:
        page = ask(who, query, after=after, o={"column": "tokenCount", "direction": direction})["threads"]
        found += page["edges"][0]["node"]["id"]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break

    assert found == names


# ------------------------------------------------------------------------------------------------------------ uploads
def signed(who: Caller, mime: str | None) -> dict[str, Any]:
    answer: dict[str, Any] = who.post("/api/upload/file", {"fileName": "f", "contentType": mime}).json
    return answer


def path_of(url: str) -> str:
    return "/" + url.split("/", 3)[3]


@pytest.mark.django_db
@pytest.mark.parametrize("mime", ["image/png", "text/html"])
def test_a_file_is_had_from_its_signed_address(mime: str) -> None:
    who = client()
    sign = signed(who, mime)
    upload = Client().post(
        path_of(sign["post"]["url"]), {**sign["post"]["fields"], "file": SimpleUploadedFile("f", b"<x>")}
    )
    assert upload.status_code == 200

    found = Client().get(path_of(sign["signedUrl"]), headers={"origin": "http://elsewhere"})

    assert b"".join(found) == b"<x>"
    assert found["Access-Control-Allow-Origin"] == "*"


@pytest.mark.django_db
def test_a_raw_upload_is_taken_and_an_address_that_was_changed_is_not() -> None:
    who = client()
    sign = signed(who, None)
    address = path_of(sign["post"]["url"])
    assert Client().put(address, b"raw", content_type="application/octet-stream").status_code == 200

    assert b"".join(Client().get(path_of(sign["signedUrl"]))) == b"raw"
    assert Client().put(address[:-1] + ("A" if address[-1] != "A" else "B"), b"x").status_code == 403
    changed = path_of(sign["signedUrl"]).replace("type=", "type=text%2Fhtml")
    assert Client().get(changed).status_code == 403


@pytest.mark.django_db
def test_another_projects_file_is_neither_shown_nor_deleted_through_an_attachment_that_names_it() -> None:
    ours, theirs = client(), client()
    key = signed(ours, "text/plain")["post"]["fields"]["key"]
    attachments.save(key, SimpleUploadedFile("f", b"ours"))
    made = ask(
        theirs,
        'mutation M($k: String) { createAttachment(name: "n", stepId: "s", objectKey: $k) { id url } }',
        k=key,
    )["createAttachment"]

    assert made["url"] is None
    ask(theirs, "mutation M($id: String!) { deleteAttachment(id: $id) { id } }", id=made["id"])
    assert attachments.open_file(key).read() == b"ours"


@pytest.mark.django_db
def test_chainlits_debug_link_leads_a_member_to_the_thread_and_nobody_else() -> None:
    who = client()
    address = f"/projects/{who.project.pk}/logs/threads/t-1?currentStepId=s-1"
    member, stranger = User.objects.create(username="member"), User.objects.create(username="stranger")
    Membership.objects.create(project=who.project, user=member, role=Role.VIEWER)
    browser = Client()

    assert browser.get(address).headers["Location"].startswith("/login/?next=/projects/")
    browser.force_login(stranger)
    assert browser.get(address).status_code == 404
    browser.force_login(member)
    found = browser.get(address)
    assert found.headers["Location"] == f"/projects/{who.project.slug}/threads/t-1/?currentStepId=s-1#current"
    assert access.projects_of(member) == [who.project]


@pytest.mark.django_db
def test_a_prompts_address_leads_a_member_to_its_version_and_nobody_else() -> None:
    who = client()
    grant = access.of_system(who.project)
    prompt = prompts.get_or_create(grant, "A greeting")
    for text in ("Hello {{name}}", "Good day {{name}}"):
        prompts.add_version(grant, prompt, template_messages=[{"role": "user", "content": text}])
    url = ask(who, '{ promptVersion(name: "A greeting", version: 0) { url } }')["promptVersion"]["url"]
    member, stranger = User.objects.create(username="member"), User.objects.create(username="stranger")
    Membership.objects.create(project=who.project, user=member, role=Role.VIEWER)
    browser = Client()

    assert browser.get(path_of(url)).headers["Location"].startswith("/login/?next=/projects/")
    browser.force_login(stranger)
    assert browser.get(path_of(url)).status_code == 404
    browser.force_login(member)
    page = browser.get(path_of(url), follow=True)
    assert page.status_code == 200
    assert "Hello {{name}}" in page.content.decode()
    assert "Good day" not in page.content.decode()
    newest = browser.get(path_of(url).partition("&version")[0], follow=True).content.decode()
    assert "Good day {{name}}" in newest
    assert browser.get(path_of(url).replace("greeting", "nothing")).status_code == 404
    assert browser.get(path_of(url).replace("version=0", "version=7"), follow=True).status_code == 404


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("query", "says"),
    [
        (f"{{ {' '.join(f'a{n}: threads {{ totalCount }}' for n in range(21))} }}", "more than 20 things"),
        (f"{{ {'...A ' * 21} }} fragment A on Query {{ threads {{ totalCount }} }}", "more than 20 things"),
        ("{ ...A } fragment A on Query { ...A }", "more than 20 levels"),
        ("{ ...A0 }" + "".join(f" fragment A{n} on Query {{ {f'...A{n + 1} ' * 3} }}" for n in range(9)), "20 things"),
        (f"{{ threads {'{ edges ' * 30}{'}' * 30} }}", "more than 20 levels"),
        (f"{{ {'a {' * 100_000}", "nested too deeply"),
    ],
)  # fmt: skip
def test_a_document_larger_than_any_client_sends_is_refused(query: str, says: str) -> None:
    answer = send(client(), {"query": query})

    assert answer.status == 400
    assert says in answer.json["errors"][0]["message"]


@pytest.mark.django_db
def test_as_much_as_is_allowed_is_answered() -> None:
    query = f"{{ {' '.join(f'a{n}: threads {{ totalCount }}' for n in range(20))} }}"

    answer = send(client(), {"query": query})

    assert answer.json.get("errors") is None
    assert len(answer.json["data"]) == 20


@pytest.mark.django_db
@pytest.mark.parametrize("said", ["a variable", "in the document"])
def test_a_name_with_a_nul_character_is_one_without(said: str) -> None:
    api = client()

    def do(call: str, selection: str, id: str = "a\0b") -> Any:
        if said == "a variable":
            return ask(api, f"mutation M($id: String!) {{ done: {call.replace('ID', '$id')} {selection} }}", id=id)[
                "done"
            ]
        return ask(api, f"mutation {{ done: {call.replace('ID', json.dumps(id))} {selection} }}")["done"]

    assert do("upsertThread(id: ID, name: ID)", "{ id name }") == {"id": "ab", "name": "ab"}
    assert do("createParticipant(identifier: ID)", "{ identifier }") == {"identifier": "ab"}
    assert do("deleteThread(id: ID)", "{ id }") == {"id": "ab"}
    assert do("upsertThread(id: ID)", "{ id }", "as \\u0000 in a program") == {"id": "as \\u0000 in a program"}


@pytest.mark.django_db
@pytest.mark.parametrize("metadata", [None, {"a": 1}, "x", [1], 5])
def test_a_call_becomes_an_item_with_metadata_that_is_an_object_or_is_told_what_is_wrong_with_it(metadata: Any) -> None:
    api = client()
    send(api, batch({"id": "a", "generation": {"type": "CHAT"}}))
    made = ask(api, 'mutation { createDataset(name: "d") { id } }')["createDataset"]["id"]
    call = 'addGenerationToDataset(datasetId: $d, generationId: "a", metadata: $m)'
    query = f"mutation M($d: String!, $m: Json) {{ done: {call} {{ metadata }} }}"

    answer = send(api, {"query": query, "variables": {"d": made, "m": metadata}}).json

    if isinstance(metadata, dict | None):
        assert answer == {"data": {"done": {"metadata": {"promptType": "CHAT", **(metadata or {})}}}}
    else:
        (error,) = answer["errors"]
        assert error["message"].endswith("is not valid; expected an object")
