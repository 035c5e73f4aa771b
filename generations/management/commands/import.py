# ruff: noqa: N999 - the command is called `import`, and Django finds it by its module's name.
"""Stores what a file holds: calls to models as JSON Lines (OpenAI and Anthropic pairs, batch results, exports of this
product), or with `literal` before the file a dump of Literal AI's objects as JSON or JSON Lines."""

import os
import sys
from argparse import ArgumentParser
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from django.core.management.base import BaseCommand, CommandError

from generations import importing
from generations.importing import calls, literal
from generations.management import projects
from generations.management.progress import Progress
from generations.records import InvalidRecord

_REFUSALS_SHOWN = 20


class Command(BaseCommand):
    """`manage.py import`: exits with 1 when a line was refused; all the others are stored nevertheless."""

    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "format", nargs="?", choices=("calls", "literal"), default="calls", help="what the file holds"
        )
        parser.add_argument("file", metavar="FILE", help="the file, also as gzip; - is the standard input")
        parser.add_argument("--requests", metavar="FILE", help="the requests of a batch whose results are imported")
        parser.add_argument("--preview", action="store_true", help="show what would be stored, and store nothing")
        projects.add_argument(parser)

    def handle(
        self,
        *args: Any,
        format: str,
        file: str,
        requests: str | None,
        preview: bool,
        project: str | None,
        **options: Any,
    ) -> None:
        if format == "literal" and requests is not None:
            raise CommandError("--requests belongs to a batch's results, not to a dump of Literal AI's objects.")
        grant = projects.grant(project)
        with _opened(file) as stream, _requests(requests) as asked:
            is_dump = format == "literal"
            read = literal.read if is_dump else calls.reader(asked)
            source = literal.documents(stream) if is_dump else importing.lines(stream)
            if preview:
                self._preview(source, read)
                return
            bar = Progress(sys.stderr, _size(stream))
            report = importing.run(
                grant,
                source,
                read,
                progress=lambda so_far: bar.show(_place(stream), f"{so_far.lines} lines, {so_far.stored} stored"),
            )
            bar.close(f"{report.lines} lines")
        self._tell(report)
        self.stdout.write(
            f"{report.stored} stored, {report.merged} merged, {report.unchanged} unchanged, {report.refused} refused"
            f" in project {grant.project.slug}."
        )
        if report.refused:
            sys.exit(1)

    def _preview(self, source: Iterable[importing.Line], read: importing.Reader) -> None:
        shown, report = importing.preview(source, read)
        for line in shown:
            self.stdout.write(f"line {line.line}: {line.sentence}")
        if sum(report.shapes.values()) > len(shown):
            self.stdout.write("...")
        self._tell(report)
        self.stdout.write(f"{report.lines} lines, {report.refused} of them refused. Nothing was stored.")
        if report.refused:
            sys.exit(1)

    def _tell(self, report: importing.Report) -> None:
        for shape, count in report.shapes.most_common():
            self.stdout.write(f"{count:>9} x {shape}")
        for refusal in report.refusals[:_REFUSALS_SHOWN]:
            self.stderr.write(f"line {refusal.line} refused: {refusal.reason}")
        if report.refused > _REFUSALS_SHOWN:
            self.stderr.write(f"... and {report.refused - _REFUSALS_SHOWN} more lines refused")


@contextmanager
def _opened(name: str) -> Iterator[BinaryIO]:
    if name == "-":
        yield sys.stdin.buffer
        return
    try:
        stream = Path(name).open("rb")  # noqa: SIM115 - closed below; errors within are not about opening
    except OSError as problem:
        raise CommandError(f"{name} cannot be read: {problem.strerror}.") from None
    with stream:
        yield stream


@contextmanager
def _requests(name: str | None) -> Iterator[calls.Requests | None]:
    if name is None:
        yield None
        return
    with _opened(name) as stream:
        try:
            yield calls.Requests(stream)
        except InvalidRecord as problem:
            raise CommandError(f"{name}: {problem}") from None


def _size(stream: BinaryIO) -> int | None:
    if not stream.seekable():
        return None
    size = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    return size


def _place(stream: BinaryIO) -> int:
    """How far the file is read, in its own bytes: also where it is compressed."""
    return stream.tell() if stream.seekable() else 0
