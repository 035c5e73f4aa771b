"""What keeps the house in order: layers, tables, documents and doors that cannot drift apart unseen."""

import re
import subprocess
import sys
from importlib import metadata
from io import StringIO
from pathlib import Path

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connection
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from generations import filters, partitions
from generations.models import Generation
from generations.web import urls
from observability.environment import Environment
from tests import pages

ROOT = Path(__file__).resolve().parent.parent
EVENTS = (
    *("participant", "thread", "step", "step_payload", "generation", "generation_payload", "alternative", "score"),
    *("feedback", "attachment", "prompt_version", "rollup_hour", "rollup_day", "rollup_dirty", "generation_search"),
    *("search_mark", "search_segment", "search_bits"),
)
READ_OTHERWISE = {
    "generations/attachments.py": "its digits are signed",
    "generations/importing/columns.py": "only asked, never made a number",
    "generations/ingest/otlp/decode_json.py": "a number is read there by what bounds it",
    "generations/management/folder_queue.py": "names of our own files",
}
"""Files in which digits are asked for that are not made a number by `int` alone."""


def test_imports_point_down() -> None:
    done = subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.django_db
def test_migrations_say_what_the_models_say() -> None:
    out = StringIO()

    call_command("makemigrations", "--check", "--dry-run", stdout=out)

    assert "No changes detected" in out.getvalue()


@pytest.mark.django_db
def test_event_tables_have_the_key_that_the_database_needs_and_nothing_that_a_cluster_refuses() -> None:
    with connection.cursor() as cursor:
        for table in EVENTS:
            cursor.execute(
                "SELECT contype, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = %s::regclass", [table]
            )
            constraints = [(kind, text) for kind, text in cursor.fetchall() if kind != "n"]
            keys = [text for kind, text in constraints if kind in ("p", "u")]
            assert "f" not in {kind for kind, _ in constraints}, table
            assert keys, table
            assert all(re.match(r"(PRIMARY KEY|UNIQUE) \(project_id", text) for text in keys), (table, keys)
            cursor.execute("SELECT pg_get_serial_sequence(%s, 'uid')", [table])
            assert cursor.fetchone()[0] is None, table
            cursor.execute("SELECT partstrat FROM pg_partitioned_table WHERE partrelid = %s::regclass", [table])
            assert (cursor.fetchone() == ("r",)) is (table in partitions.PARTITIONED), table
            cursor.execute("SELECT count(*) FROM pg_trigger WHERE tgrelid = %s::regclass", [table])
            assert cursor.fetchone()[0] == 0, table


@pytest.mark.django_db
def test_every_table_has_the_columns_of_its_model() -> None:
    with connection.cursor() as cursor:
        for model in apps.get_app_config("generations").get_models():
            cursor.execute(
                "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped",
                [model._meta.db_table],
            )
            stored = {row[0] for row in cursor.fetchall()}
            assert stored == {field.column for field in model._meta.local_concrete_fields}, model.__name__


def test_every_field_of_a_generation_has_a_filter_or_a_reason() -> None:
    reasons = filters.unfiltered("generations")
    covered = set(filters.columns("generations"))

    # The project is not asked for: the gate has chosen it.
    columns = {field.attname for field in Generation._meta.local_concrete_fields} - {"project_id"}

    assert columns - covered - reasons.keys() == set()
    assert reasons.keys() <= columns
    assert all(reasons.values())


def test_the_readme_tells_every_setting_and_no_other() -> None:
    table = re.findall(r"^\| `([A-Z_0-9]+)` \| (.*?) \| (.*?) \|$", (ROOT / "README.md").read_text(), re.MULTILINE)

    assert {name: text for name, _, text in table} == {
        name: field.description for name, field in Environment.model_fields.items()
    }


def test_links_of_the_documents_lead_somewhere() -> None:
    documents = [*ROOT.glob("*.md"), *ROOT.glob("*/*.md")]
    links = [
        (page, *link)
        for page in documents
        for link in re.findall(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)", page.read_text())
    ]

    def leads(page: Path, path: str, section: str) -> bool:
        target = (page.parent / path).resolve() if path else page
        return target.exists() and (not section or section in _sections(target))

    assert links
    assert [
        f"{page.relative_to(ROOT)}: {path}#{place}" for page, path, place in links if not leads(page, path, place)
    ] == []


def test_whoever_looks_for_something_finds_it() -> None:
    pages = sorted(ROOT.glob("docs/*.md"))
    index = (ROOT / "README.md").read_text().split("\n## Find your way\n")[1]
    long = [page for page in pages if page.read_text().count("\n") > 200]

    assert [page.name for page in pages if f"(docs/{page.name})" not in index] == []
    for page in long:
        contents = set(re.findall(r"\]\(#(\S+)\)", page.read_text().split("\n## ")[0]))
        assert _sections(page, "##") - contents == set(), f"{page.name} does not name these before the first"


def test_what_is_told_to_be_installed_can_be() -> None:
    """We are in no index, and no package can be made of the clone: our own extras cannot be named to pip."""
    told = [
        *ROOT.glob("*.md"),
        *ROOT.glob("*/*.md"),
        *ROOT.glob("generations/**/*.py"),
        *ROOT.glob("observability/*.py"),
    ]

    assert [
        page.name for page in told if re.search(r"pip install .*(?:\s|['\"])(?:\.|generations)\[", page.read_text())
    ] == []
    for page in told:
        locks = re.findall(r"\brequirements[\w-]*\.txt", page.read_text())
        assert [lock for lock in locks if not (ROOT / lock).exists()] == []


def _sections(page: Path, level: str = "#+") -> set[str]:
    """The headings of a document as they are linked to: in small letters, without marks, with hyphens for spaces."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(rf"^{level} (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_nothing_on_a_page_comes_from_elsewhere() -> None:
    foreign = re.compile(r"""(?:src|href|action|@import|url\()\s*=?\s*["'(]?\s*(?:https?:)?//""", re.IGNORECASE)
    pages = [*ROOT.glob("templates/**/*.html"), *ROOT.glob("generations/static/generations/*.*")]

    found = [
        f"{page.relative_to(ROOT)}: {line.strip()[:100]}"
        for page in pages
        for line in page.read_text(errors="replace").splitlines()
        if foreign.search(line) and "data-outside" not in line
    ]

    assert pages
    assert found == []


def test_every_address_is_a_page_that_is_looked_at_or_has_a_reason_not_to_be() -> None:
    named = {pattern.name for pattern in urls.urlpatterns}

    assert named - pages.PAGES.keys() - pages.NO_PAGES.keys() == set(), "name it in tests/pages.py"
    assert (pages.PAGES.keys() | pages.NO_PAGES.keys()) - named == set(), "gone from the addresses"


def test_tables_say_what_they_are_of_and_heads_what_they_are_over() -> None:
    templates = {path: path.read_text() for path in (ROOT / "templates").rglob("*.html") if "admin" not in path.parts}
    silent = re.compile(r"<table(?![^>]*aria-label)[^>]*>|<th(?=[ >])(?![^>]*scope=)[^>]*>")

    assert [f"{path.name}: {found}" for path, text in templates.items() for found in silent.findall(text)] == []


def test_dependencies_have_a_reason_beside_them() -> None:
    project = (ROOT / "pyproject.toml").read_text().split("[tool.", 1)[0]
    listed = re.findall(r'^    "([A-Za-z0-9\-]+)[^"]*",(.*)$', project, re.MULTILINE)

    without = [name for name, rest in listed if "#" not in rest and not name.startswith(("types-", "celery-types"))]

    assert listed
    assert without == []


def test_the_lock_has_hashes_and_no_address_of_an_index() -> None:
    for name in ("requirements.txt", "requirements-s3.txt", "requirements-dev.txt"):
        lock = (ROOT / name).read_text()
        pins = re.findall(r"^[A-Za-z0-9_.\-\[\], ]+==", lock, re.MULTILINE)
        assert pins
        assert lock.count("--hash=sha256:") >= len(pins)
        assert not re.search(r"https?://|--index-url|--find-links|file:", lock)


def test_what_a_dependency_asks_for_with_extras_is_locked_with_them() -> None:
    """pip takes `coverage[toml]` for another than `coverage`: unless it is locked by that name, the newest one is
    fetched, and refused for want of a hash on the day that one comes out."""
    lock = (ROOT / "requirements-dev.txt").read_text()
    locked = {
        canonicalize_name(name): {extra.strip() for extra in extras.split(",") if extra}
        for name, extras in re.findall(r"^([A-Za-z0-9_.\-]+)(?:\[([^\]]*)\])?==", lock, re.MULTILINE)
    }
    asked: list[tuple[str, Requirement]] = []
    for one in metadata.distributions():
        own = locked.get(canonicalize_name(one.name))
        if own is None:
            continue
        for line in one.requires or []:
            wanted = Requirement(line)
            if any(wanted.marker is None or wanted.marker.evaluate({"extra": extra}) for extra in ("", *own)):
                asked.append((one.name, wanted))

    with_extras = [(name, wanted) for name, wanted in asked if wanted.extras]
    assert with_extras
    assert [
        f"{name} asks for {wanted}"
        for name, wanted in with_extras
        if not wanted.extras <= locked[canonicalize_name(wanted.name)]
    ] == []


def test_a_text_that_is_taken_for_a_number_has_only_so_many_digits() -> None:
    """Python makes no number of more than 4,300, and raises what nobody expects of a text that has nothing but digits;
    nor of a raised two, which is a digit to `isdigit` alone."""
    found = [
        f"{file.relative_to(ROOT)}:{number}"
        for file in sorted((ROOT / "generations").rglob("*.py"))
        for number, line in enumerate(file.read_text().splitlines(), 1)
        if re.search(r"\.is(?:digit|decimal)\(\)", line)
        and not (re.search(r"len\(|\[:", line) and re.search(r"\.isdecimal\(\)|isascii\(\)", line))
        and str(file.relative_to(ROOT)) not in READ_OTHERWISE
    ]

    assert found == []
