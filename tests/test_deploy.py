"""What is deployed is what there is: the parts, settings and files that the examples name."""

from __future__ import annotations

import configparser
import json
import re
from typing import Any

import pytest
import yaml
from django.core.management import get_commands

from generations.gateway import journal
from generations.management import supervising
from observability.environment import Environment
from tests.stack import ROOT

DEPLOY = ROOT / "deploy"


def compose() -> Any:
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())


def kubernetes() -> list[Any]:
    return list(yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text()))


def containers() -> list[Any]:
    made = [one for one in kubernetes() if one["kind"] == "Deployment"]
    return [one["spec"]["template"]["spec"]["containers"][0] for one in made]


def test_compose_runs_each_part_once_on_what_they_share() -> None:
    services = {name: one for name, one in compose()["services"].items() if one["image"] == "generations"}

    assert {one["command"][2] for one in services.values()} == set(supervising.PARTS)
    for name, one in services.items():
        assert one["command"] == ["up", "--only", name]
        assert {"DATABASE_URL", "CELERY_BROKER_URL", "SECRET_KEY"} <= set(one["environment"])
        assert set(one["environment"]) <= set(Environment.model_fields)
        # All that is kept outside of the database, and more than one of them may touch.
        kept = {volume.rsplit(":", 1)[1] for volume in one["volumes"]}
        assert kept == {"/data/media", one["environment"]["EXPORT_FOLDER"], f"/data/{journal.folder().name}"}


def test_the_service_runs_all_of_it_as_a_start_by_hand_does() -> None:
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]  # as configparser's page says to
    unit.read(DEPLOY / "generations.service")
    service = dict(unit["Service"])

    assert service["ExecStart"] == f"{service['WorkingDirectory']}/.venv/bin/python manage.py up"
    assert service["Environment"].partition("=")[0] in Environment.model_fields
    assert float(service["TimeoutStopSec"]) > supervising._STOP_WITHIN


def test_kubernetes_runs_each_part_and_one_beat() -> None:
    assert [one["args"] for one in containers()] == [["up", "--only", part] for part in supervising.PARTS]
    made = {one["metadata"]["labels"]["part"]: one for one in kubernetes() if one["kind"] == "Deployment"}
    assert made["beat"]["spec"]["replicas"] == 1
    settings = next(one for one in kubernetes() if one["kind"] == "ConfigMap")["data"]
    assert set(settings) <= set(Environment.model_fields)


def test_nobody_is_root_in_a_cluster_and_the_image_tells_so_by_number() -> None:
    (user,) = re.findall(r"^USER (.+)$", (DEPLOY / "Dockerfile").read_text(), re.M)
    pods = [one["spec"]["template"]["spec"] for one in kubernetes() if one["kind"] == "Deployment"]

    assert f"useradd --uid {user} " in (DEPLOY / "Dockerfile").read_text()
    assert {pod["securityContext"]["runAsUser"] for pod in pods} == {int(user)}
    assert all(pod["securityContext"]["runAsNonRoot"] for pod in pods)


def test_the_image_has_what_runs_and_nothing_that_is_not_there() -> None:
    text = (DEPLOY / "Dockerfile").read_text()
    copied = [name for line in re.findall(r"^COPY (.+)$", text, re.M) for name in line.split()[:-1]]
    allowed = {line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().split() if line.startswith("!")}

    assert {"generations", "observability", "templates", "manage.py", "requirements.txt"} <= set(copied)
    assert set(copied) <= allowed
    assert all((ROOT / name).exists() for name in copied)
    made = re.findall(r"/data/\w+", text)
    assert {volume.rsplit(":", 1)[1] for volume in compose()["services"]["worker"]["volumes"]} <= set(made)


def test_the_image_installs_nothing_that_is_not_locked() -> None:
    installed = re.findall(r"pip install .*|lock=\S+", (DEPLOY / "Dockerfile").read_text())
    with_bucket, without = (_pins(name) for name in ("requirements-s3.txt", "requirements.txt"))

    assert installed == ["lock=requirements.txt", "lock=requirements-s3.txt", 'pip install --require-hashes -r "$lock"']
    assert set(without.items()) < set(with_bucket.items())
    assert {"boto3", "django-storages"} <= set(with_bucket)


def _pins(lock: str) -> dict[str, str]:
    return dict(re.findall(r"^([A-Za-z0-9_.\-]+)(?:\[[^\]]*\])?==(\S+)", (ROOT / lock).read_text(), re.M))


def asked(name: str) -> list[str]:
    """The questions to Prometheus of the alerts, or of the dashboard with what its legends name."""
    if name == "alerts.yaml":
        groups = yaml.safe_load((DEPLOY / name).read_text())["groups"]
        return [f"{rule['expr']} {rule['annotations']}" for group in groups for rule in group["rules"]]
    panels = json.loads((DEPLOY / name).read_text())["panels"]
    return [f"{target['expr']} {target['legendFormat']}" for panel in panels for target in panel["targets"]]


@pytest.mark.parametrize("name", ["alerts.yaml", "grafana.json"])
def test_alerts_and_dashboard_ask_for_series_and_labels_that_are_told(name: str) -> None:
    """That they are told, and no other, is seen to in test_operations.py."""
    table = (ROOT / "docs" / "operating.md").read_text()
    told = {
        series: set(labels.split(",")) for series, labels in re.findall(r"`(generations_\w+)(?:\{([a-z,]+)\})?`", table)
    }

    for question in asked(name):
        # A histogram is asked by its buckets.
        series = {one.removesuffix("_bucket") for one in re.findall(r"generations_\w+", question)}
        named = re.findall(r"by \(([a-z, ]+)\)|[{,] ?([a-z]+)=?[=~]|\{\{ ?(?:\$labels\.)?([a-z]+) ?\}\}", question)
        labels = {label for found in named for part in found for label in part.replace(",", " ").split()}

        assert series <= set(told), question
        # What Prometheus adds to each series, and to a histogram.
        assert labels <= {"instance", "le", "job"}.union(*(told[one] for one in series)), question


@pytest.mark.parametrize("page", ["deploy/README.md", "docs/operating.md"])
def test_pages_name_settings_and_commands_that_exist(page: str) -> None:
    text = (ROOT / page).read_text()
    commands = set(get_commands())

    assert set(re.findall(r"manage\.py ([a-z]+)", text)) <= commands
    assert set(re.findall(r"--only ([a-z]+)", text)) <= set(supervising.PARTS)
    assert all((ROOT / page).parent.joinpath(link).exists() for link in re.findall(r"\]\((?!https?:)([^)#]+)\)", text))


def test_the_proxy_lets_through_as_much_as_is_taken() -> None:
    (shown,) = re.findall(r"client_max_body_size (\d+)m;", (ROOT / "docs" / "operating.md").read_text())

    assert int(shown) * 2**20 == Environment.model_fields["INGEST_MAX_BYTES"].default
