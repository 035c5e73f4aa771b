# ruff: noqa: N999 - the command is called `import`, and Django finds it by its module's name.
"""Stores what a file holds: calls to models as JSON or JSON Lines (OpenAI and Anthropic pairs, batch results, exports
of this product) or as a table (CSV, Parquet or JSON, whose columns are guessed by their names or said with --map), or
with `literal` before the file a dump of Literal AI's objects as JSON or JSON Lines."""

import os
import sys
from argparse import ArgumentParser
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import Any, BinaryIO

from django.core.management.base import BaseCommand, CommandError

from generations import importing
from generations.importing import calls, columns, generations, literal, tables
from generations.management import projects
from generations.management.progress import Progress
from generations.records import InvalidRecord

_REFUSALS_SHOWN = 20
_GUESSED_BY = 20
"""The first rows, by which it is told what a file's columns are."""


class Command(BaseCommand):
    """`manage.py import`: exits with 1 when a line was refused; all the others are stored nevertheless."""

    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "format", nargs="?", choices=("calls", "literal"), default="calls", help="what the file holds"
        )
        parser.add_argument("file", metavar="FILE", help="the file, also as gzip; - is the standard input")
        parser.add_argument(
            "--map",
            metavar="COLUMN=FIELD",
            action="append",
            default=[],
            help="what a column is: input, output, model, user, usage.cost, metadata.plan, ...; nothing leaves it out",
        )
        parser.add_argument("--requests", metavar="FILE", help="the requests of a batch whose results are imported")
        parser.add_argument("--preview", action="store_true", help="show what would be stored, and store nothing")
        projects.add_argument(parser)

    def handle(
        self,
        *args: Any,
        format: str,
        file: str,
        map: list[str],
        requests: str | None,
        preview: bool,
        project: str | None,
        **options: Any,
    ) -> None:
        is_dump = format == "literal"
        if is_dump and (requests is not None or map):
            raise CommandError("--requests and --map belong to calls, not to a dump of Literal AI's objects.")
        grant = projects.grant(project)
        with _opened(file) as stream, _requests(requests) as asked:
            size = _size(stream)
            try:
                rows, read = (literal.rows(stream), literal.read) if is_dump else self._calls(stream, file, map, asked)
                if preview:
                    self._preview(rows, read)
                    return
                bar = Progress(sys.stderr, size)
                report = importing.run(
                    grant,
                    rows,
                    read,
                    progress=lambda so_far: bar.show(_place(stream), f"{so_far.rows} rows, {so_far.stored} stored"),
                )
            except tables.BadFile as problem:
                raise CommandError(f"{file}: {problem}") from None
            bar.close(f"{report.rows} rows")
        self._tell(report)
        self.stdout.write(
            f"{report.stored} stored, {report.merged} merged, {report.unchanged} unchanged, {report.refused} refused"
            f" in project {grant.project.slug}."
        )
        if report.refused:
            sys.exit(1)

    def _calls(
        self, stream: BinaryIO, name: str, maps: list[str], asked: calls.Requests | None
    ) -> tuple[Iterator[importing.Row], importing.Reader]:
        """The rows of a file, and how they are read: as they tell themselves, or by what their columns are."""
        format = tables.format_of(name, tables.head_of(stream))
        rows = tables.rows(stream, format, is_bounded=False)
        first = list(islice(rows, _GUESSED_BY))
        roles = generations.guess(first, format)
        names = tables.names_of(first)
        if maps:
            roles = roles or columns.guess(names, [row.value for row in first if row.problem is None])
            roles |= dict(_mapped(one, names) for one in maps)
        if not roles:
            return chain(first, rows), calls.reader(asked)
        try:
            columns.check(roles)
        except InvalidRecord as problem:
            raise CommandError(f"{problem}. Say what columns are with --map COLUMN=FIELD.") from None
        for column, field in roles.items():
            self.stdout.write(f"column {column}: {columns.OFFERED.get(field) or field}")
        return chain(first, rows), columns.reader(roles)

    def _preview(self, source: Iterable[importing.Row], read: importing.Reader) -> None:
        shown, report = importing.preview(source, read)
        for line in shown:
            self.stdout.write(f"line {line.place}: {line.sentence}")
        if sum(report.shapes.values()) > len(shown):
            self.stdout.write("...")
        self._tell(report)
        self.stdout.write(f"{report.rows} lines, {report.refused} of them refused. Nothing was stored.")
        if report.refused:
            sys.exit(1)

    def _tell(self, report: importing.Report) -> None:
        for shape, count in report.shapes.most_common():
            self.stdout.write(f"{count:>9} x {shape}")
        for refusal in report.refusals[:_REFUSALS_SHOWN]:
            self.stderr.write(f"line {refusal.place} refused: {refusal.reason}")
        if report.refused > _REFUSALS_SHOWN:
            self.stderr.write(f"... and {report.refused - _REFUSALS_SHOWN} more lines refused")


def _mapped(text: str, names: Sequence[str]) -> tuple[str, str]:
    """A column and its field, of `column=field`."""
    column, equals, field = text.rpartition("=")
    if not equals or column not in names:
        raise CommandError(f"--map {text}: expected COLUMN=FIELD with one of the columns {', '.join(names)}.")
    try:
        return column, columns.named(field)
    except InvalidRecord as problem:
        raise CommandError(f"--map {text}: {problem}") from None


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
        except (InvalidRecord, tables.BadFile) as problem:
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
