"""Which interpreter `make` takes for the virtual environment, of some that answer as they are told."""

import subprocess
from pathlib import Path

import pytest

from tests.stack import ROOT

OPTIMISED, TOO_OLD, PLAIN = 0, 2, 3


def taken(folder: Path, answers: dict[str, int], *arguments: str) -> str:
    """The interpreter's name, of those that end as they are told when they are asked what they are."""
    for name, code in answers.items():
        (folder / name).write_text(f"#!/bin/sh\nexit {code}\n")
        (folder / name).chmod(0o755)
    for program in ("bash", "sh"):
        (folder / program).symlink_to(f"/bin/{program}")
    makefile = folder / "Makefile"
    makefile.write_text((ROOT / "Makefile").read_text().replace("/usr/bin/python3", ""))
    done = subprocess.run(
        ["make", "-f", str(makefile), "--eval", "show: ; @echo $(PYTHON)", "show", *arguments],
        env={"PATH": f"{folder}"},
        executable="/usr/bin/make",
        capture_output=True,
        text=True,
        check=True,
    )
    return Path(done.stdout.strip()).name


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        pytest.param({"python3": PLAIN, "python3.13": OPTIMISED}, "python3.13", id="one that is optimised"),
        pytest.param({"python3": OPTIMISED, "python3.13": OPTIMISED}, "python3", id="the first of two"),
        pytest.param({"python3": PLAIN, "python3.12": PLAIN}, "python3", id="none is optimised"),
        pytest.param({"python3": TOO_OLD, "python3.11": PLAIN}, "python3.11", id="the first is too old"),
        pytest.param({"python3": TOO_OLD}, "", id="none will do"),
    ],
)
def test_the_best_optimised_is_taken(tmp_path: Path, answers: dict[str, int], expected: str) -> None:
    assert taken(tmp_path, answers) == expected


def test_the_one_that_is_named_is_taken(tmp_path: Path) -> None:
    assert taken(tmp_path, {"python3": OPTIMISED, "python3.12": PLAIN}, "PYTHON=python3.12") == "python3.12"
