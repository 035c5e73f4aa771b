"""`/v1/info`, which Logfire's SDKs ask before they send spans."""

from __future__ import annotations

import pytest

from tests.doors.rest import Caller, caller

pytestmark = pytest.mark.django_db


@pytest.fixture
def api() -> Caller:
    return caller("ingest")


@pytest.mark.parametrize("path", ["/v1/info", "/v1/info/"])
@pytest.mark.parametrize("before", ["", "Bearer "])
def test_the_project_of_the_key_is_told(api: Caller, path: str, before: str) -> None:
    told = Caller(api.project, None).get(path, Authorization=f"{before}{api.token}")

    assert (told.status, told.json) == (
        200,
        {"project_name": api.project.name, "project_url": f"http://testserver/projects/{api.project.slug}/dashboard/"},
    )


def test_a_wrong_key_one_that_may_not_send_and_another_method_are_refused_in_its_form(api: Caller) -> None:
    wrong = Caller(api.project, "gen_wrong").get("/v1/info")
    reader = caller("read").get("/v1/info")
    post = api.post("/v1/info", {})

    assert [answer.status for answer in (wrong, reader, post)] == [401, 403, 405]
    assert "ingest" in reader.json["detail"]
    assert all(set(answer.json) == {"detail"} for answer in (wrong, reader, post))
