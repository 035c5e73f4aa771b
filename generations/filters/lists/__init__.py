"""The lists that can be asked about, one file each."""

from typing import Final

from generations.filters.fields import Catalogue
from generations.filters.lists import (
    datasets,
    experiments,
    generations,
    jobs,
    participants,
    prompts,
    queues,
    scores,
    steps,
    tags,
    threads,
)

CATALOGUES: Final[dict[str, Catalogue]] = {
    one.CATALOGUE.kind: one.CATALOGUE
    for one in (
        *(generations, steps, threads, participants, scores),
        *(tags, datasets, experiments, prompts, queues, jobs),
    )
}
