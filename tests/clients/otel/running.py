"""Runs an instrumented program in its own environment: calls go to a scripted provider, spans to the running server."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from tests.clients import environments
from tests.clients.otel import page
from tests.clients.otel.provider import Exchange, Provider
from tests.stack import Stack

PROGRAMS: Final = Path(__file__).parent / "programs"
Json = Any


@dataclass(frozen=True)
class Ran:
    """What one run of a program left: the calls on the wire, and the generations and steps that came of them."""

    exchanges: list[Exchange]
    generations: list[dict[str, Json]]
    steps: list[dict[str, Json]]

    def trees(self) -> list[Json]:
        """Steps as (type, name, those below), in the order in which they began."""
        ids = {step["id"] for step in self.steps}
        roots = [step for step in self.steps if step.get("parentId") not in ids]
        assert [step["id"] for step in roots if step.get("parentId")] == [], "A parent is missing."
        return [self._tree(step) for step in roots]

    def _tree(self, step: Mapping[str, Json]) -> Json:
        below = [self._tree(one) for one in self.steps if one.get("parentId") == step["id"]]
        return (step["type"], step["name"], below)


def ran(
    stack: Stack,
    section: str,
    environment: str,
    *,
    cases: Sequence[str] = (),
    program: str | None = None,
    variables: Mapping[str, str] | None = None,
    launcher: str | None = None,
    folder: Path,
) -> Ran:
    """Run a section's program of the page, or one of ours with its variables, and then `cases` in the same process."""
    told = page.sections()
    provider = Provider()
    settings = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    # What a library keeps of its runs, as CrewAI does, is kept for this one alone.
    settings |= {"HOME": str(folder), "TMPDIR": str(folder)}
    settings |= {page.KEY.lstrip("$"): stack.api_key}
    settings |= told[""].variables(stack.url, stack.api_key) | told[section].variables(stack.url, stack.api_key)
    settings |= {"OPENAI_BASE_URL": provider.url, "OPENAI_API_KEY": "sk-tests"}
    settings |= {"OPENAI_API_BASE": provider.url, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    settings |= {"ANTHROPIC_BASE_URL": provider.server.url, "ANTHROPIC_API_KEY": "sk-tests"}
    settings |= {"GOOGLE_GEMINI_BASE_URL": provider.server.url, "GOOGLE_API_KEY": "tests"}
    settings |= {"AWS_ENDPOINT_URL_BEDROCK_RUNTIME": provider.server.url, "AWS_DEFAULT_REGION": "us-east-1"}
    settings |= {"AWS_ACCESS_KEY_ID": "tests", "AWS_SECRET_ACCESS_KEY": "tests"}
    settings |= variables or {}
    code = told[section].code if program is None else (PROGRAMS / program).read_text()
    began = datetime.now(UTC)
    if environment.endswith("js"):
        # Programs have to lie where node looks for packages.
        place = environments.node(environment)
        command: list[Path | str] = [
            environments.node_in(place),
            environments.laid(place / "run.mjs", (PROGRAMS / "run.mjs").read_text()),
        ]
        environments.laid(place / "calls.mjs", (PROGRAMS / "calls.mjs").read_text())
        # Others may run theirs there at the same time.
        command.append(environments.laid(place / f"program-{os.getpid()}.mjs", code))
    else:
        python = environments.python(environment)
        started = [python] if launcher is None else [python.with_name(launcher), python]
        command = [*started, PROGRAMS / "run.py", _written(folder / "program.py", code)]
    done = subprocess.run(
        [str(part) for part in (*command, *cases)],
        cwd=folder,
        env=settings,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    provider.server.close()
    if environment.endswith("js"):
        Path(command[-1]).unlink()
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    with stack.client() as client:
        since = {"from": began.isoformat(), "order": "timestamp", "limit": "200"}
        listed = {kind: client.get(f"/api/{kind}", params=since).json()["data"] for kind in ("generations", "steps")}
        whole = [client.get(f"/api/generations/{one['id']}").json() for one in listed["generations"]]
    return Ran(provider.exchanges, whole, listed["steps"])


def _written(file: Path, text: str) -> Path:
    file.write_text(text)
    return file
