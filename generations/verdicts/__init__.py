"""What a rule says of an answer: no Django, no network; what might not end is done in a process of its own."""

from generations.verdicts.apart import Apart
from generations.verdicts.judging import asked_of_judge, judged
from generations.verdicts.kinds import KINDS, Kind, Option, checked
from generations.verdicts.rules import Unscored, Verdict, plain, said_by

__all__ = [
    "KINDS",
    "Apart",
    "Kind",
    "Option",
    "Unscored",
    "Verdict",
    "asked_of_judge",
    "checked",
    "judged",
    "plain",
    "said_by",
]
