"""How long an evaluation takes beside the bare calls of its model: `python -m bench.evaluation`.

1,000 items of a dataset are answered by one version of a prompt on the built-in model and scored by four evaluators,
by the job as a worker does it; then the same model is called as often by itself, and nothing is stored.
"""

from __future__ import annotations

import argparse
import time

from bench import database

ITEMS = 1_000
TOKENS = 16


def main() -> None:
    """Print both times and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=ITEMS)
    items = parser.parse_args().items
    with database.databases("evaluation"):
        print(database.machine())
        evaluated, calls = _evaluated(items)
        bare = _bare(items)
    print(f"evaluation of {items:,} items, {calls:,} calls stored: {evaluated:.1f} s ({items / evaluated:.0f} items/s)")
    print(f"bare calls: {bare:.1f} s; ratio {evaluated / bare:.1f}")


def _evaluated(items: int) -> tuple[float, int]:
    from generations import access, datasets, evaluating, prompts, tasks
    from generations.datasets import NewItem
    from generations.models import Job, User

    project = access.create_project("Bench", User.objects.create_user("bench"))
    grant = access.by_user(User.objects.get(), project.slug)
    dataset = datasets.create(grant, name="Questions")
    for first in range(0, items, 500):
        some = [
            NewItem(input={"word": f"word {n}"}, expected_output=f"{n}") for n in range(first, min(first + 500, items))
        ]
        datasets.add_items(grant, str(dataset.pk), some)
    version = prompts.add_version(
        grant,
        prompts.get_or_create(grant, "Answer"),
        template="Tell me of {{word}}:",
        model_id="ngram:",
        settings={"max_tokens": TOKENS},
    )
    kinds: dict[str, dict[str, object]] = {
        "exact": {},
        "similarity": {},
        "regex": {"pattern": r"\w+"},
        "json_schema": {"schema": {"type": "object"}},
    }
    evaluators = [evaluating.create(grant, name=kind, kind=kind, options=options) for kind, options in kinds.items()]
    asked = evaluating.asked(
        grant,
        {
            "dataset": str(dataset.pk),
            "versions": [version.public_id],
            "evaluators": [str(one.pk) for one in evaluators],
        },
    )
    start = time.perf_counter()
    job = evaluating.start(grant, asked)
    tasks.run_job(str(job.pk))
    took = time.perf_counter() - start
    job = Job.objects.get(pk=job.pk)
    assert (job.state, job.result["items"], job.result["scored"]) == ("done", items, 4 * items), job.error
    return took, job.result["calls"]


def _bare(items: int) -> float:
    from generations import llm

    model = llm.model("ngram:", sink=None)
    start = time.perf_counter()
    for n in range(items):
        model.generate_sync(f"Tell me of word {n}:", TOKENS)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
