"""A setting that cannot be used is named in one line, with what would be right; a name that is nearly one is told."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from pytest_django.fixtures import Settings

from generations import doctor
from generations.management import listening, places, supervising
from observability import environment
from tests.stack import ROOT, free_port, managed

WRONG = [
    ("DEBUG", "maybe", "valid boolean"),
    ("PORT", "eighty", "valid integer"),
    ("PORT", "0", "greater than or equal to 1"),
    ("PORT", "70000", "less than or equal to 65535"),
    ("HOST", "http://0.0.0.0", "the port goes into PORT"),
    ("HOST", "0.0.0.0:8000", "the port goes into PORT"),
    ("HOST", "[::1]:8000", "the port goes into PORT"),
    ("PUBLIC_URL", "generations.example.com", "begins with https://"),
    ("PUBLIC_URL", "https://", "followed by a host"),
    ("PUBLIC_URL", "https://x:port", "Port could not be cast"),
    ("PUBLIC_URL", "https://x/generations/", "a path is behind the host"),
    ("PUBLIC_URL", "https://x/?next", "a path is behind the host"),
    ("DATABASE_URL", "mysql://h/n", "begins with postgresql://"),
    ("DATABASE_URL", "host=h dbname=n", "begins with postgresql://"),
    ("DATABASE_URL", "postgresql://u:secret@h:abc/n", "Port could not be cast"),
    ("DATABASE_POOL_SIZE", "0", "greater than or equal to 1"),
    ("CELERY_BROKER_URL", "http://h", "begins with redis:// or amqp://"),
    ("CELERY_BROKER_URL", "localhost:6379", "begins with redis:// or amqp://"),
    ("INGEST_MAX_BYTES", "64MB", "valid integer"),
    ("EXPORT_EXPIRY_HOURS", "-1", "greater than or equal to 1"),
    ("WEB_PROCESSES", "100", "less than or equal to 64"),
    ("WEB_THREADS", "many", "valid integer"),
    ("GATEWAY_UPSTREAM", "api.openai.com", "begins with https://"),
    ("GATEWAY_STREAMS", "0", "greater than or equal to 1"),
    ("WORKER_CONCURRENCY", "99", "less than or equal to 64"),
    ("WORKER_NICE", "-5", "greater than or equal to 0"),
    ("LOG_LEVEL", "loud", "'DEBUG', 'INFO', 'WARNING' or 'ERROR'"),
    ("STORAGE_ENDPOINT_URL", "minio:9000", "begins with https://"),
    ("STORAGE_BUCKET", "s3://files", "no name of a bucket"),
    ("EXPORT_BUCKETS", "files, s3://files", "'s3://files' is no name of a bucket"),
    ("EGRESS_PRIVATE", "vllm.internal,10.1.0.0/99", "'10.1.0.0/99' does not appear to be an IPv4 or IPv6 network"),
    ("EGRESS_HOSTS", "https://api.openai.com", "no name of a host"),
    ("ALLOWED_HOSTS", "a.example.com:8000", "no name of a host"),
    ("BOOTSTRAP_API_KEY", "secret", "a key is 20 to 200 letters, digits"),
    ("BOOTSTRAP_API_KEY", "secret/of-a-path-or-with space", "a key is 20 to 200 letters, digits"),
    ("CSRF_TRUSTED_ORIGINS", "a.example.com", "begins with https://"),
]


@pytest.mark.parametrize(("name", "value", "said"), WRONG)
def test_a_setting_that_cannot_be_used_is_named_with_what_would_be_right(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(ImproperlyConfigured) as refused:
        environment.read()

    line = str(refused.value)
    assert line.startswith(f"The environment has a setting that cannot be used. {name}")
    assert said in line
    assert "\n" not in line
    assert "secret" not in line


@pytest.mark.parametrize("name", ["STORAGE_BUCKET", "EXPORT_BUCKETS"])
def test_a_bucket_without_what_it_needs_is_told_at_the_start(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "files")
    monkeypatch.setitem(sys.modules, "boto3", None)

    with pytest.raises(ImproperlyConfigured, match=f"{name} is 'files': buckets need boto3: .*requirements-s3.txt"):
        environment.read()

    monkeypatch.setenv(name, "")
    environment.read()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HOST", "::"),
        ("HOST", "fe80::1"),
        ("HOST", "generations.internal"),
        ("PUBLIC_URL", "https://generations.example.com/"),
        ("DATABASE_URL", "postgresql:///name?host=/run/postgresql"),
        ("DATABASE_URL", "postgres://user:p%40ss@[::1]:5432/name?sslmode=require"),
        ("CELERY_BROKER_URL", "amqp://user:password@host:5672//"),
        ("LOG_LEVEL", "info"),
        ("EGRESS_PRIVATE", "vllm.internal, 10.1.0.0/16, fd00::1"),
        ("EGRESS_HOSTS", "*.example.com"),
        ("ALLOWED_HOSTS", ".example.com,[::1]"),
        ("EXPORT_BUCKETS", "files.example, Old_Files"),
        ("BOOTSTRAP_API_KEY", "gen_Ab-._~0123456789"),
    ],
)
def test_what_is_right_is_taken(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)

    assert getattr(environment.read(), name)


def test_a_name_that_is_nearly_right_is_told_with_the_one_that_was_meant(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    for name in ("WEBPROCESSES", "DATABSE_URL", "STORAGE_BUKET", "HOSTNAME", "XDG_DATA_DIRS", "PORTS"):
        monkeypatch.setenv(name, "x")

    told = environment.misspelt()

    assert sorted(told) == [
        "DATABSE_URL is no setting; did you mean DATABASE_URL?",
        "STORAGE_BUKET is no setting; did you mean STORAGE_BUCKET?",
        "WEBPROCESSES is no setting; did you mean WEB_PROCESSES?",
    ]
    settings.MISSPELT = told
    assert told == [one.said for one in doctor._settings() if "did you mean" in one.said]


def test_an_address_that_is_not_this_machines_is_said_to_be_in_host() -> None:
    said = re.escape("HOST is 192.0.2.1, which is no address of this machine.")

    with pytest.raises(listening.CannotListen, match=said), listening.listening("192.0.2.1", free_port()):
        pass


def test_a_folder_that_cannot_be_made_is_said_to_be_in_data_dir(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    said = re.escape(f"DATA_DIR is {tmp_path}/file/data, which cannot be made or written to: Not a directory.")

    with pytest.raises(supervising.Refusal, match=said), supervising.only_one(tmp_path / "file" / "data"):
        pass


@pytest.mark.parametrize(("said", "leads"), [("", ".data"), ("elsewhere", "elsewhere"), ("/srv/data", "/srv/data")])
def test_folders_are_found_from_beside_manage_py_wherever_a_command_is_typed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, said: str, leads: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATA_DIR", said)

    assert environment.read().DATA_DIR == places.data_dir() == ROOT / leads


@pytest.mark.parametrize(("before", "after"), [(signal.SIG_DFL, "Stop"), (signal.SIG_IGN, "goes on")])
def test_a_terminal_that_is_closed_ends_nothing_that_was_started_under_nohup(
    before: signal.Handlers, after: str
) -> None:
    program = (
        "import os, signal\nfrom generations.management import lifetimes\nlifetimes.stop_by_signals()\n"
        "try:\n    os.kill(os.getpid(), signal.SIGHUP)\nexcept lifetimes.Stop:\n    print('Stop')\n"
        "else:\n    print('goes on')"
    )

    ended = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, before),
        check=True,
    )

    assert ended.stdout.strip() == after


@pytest.mark.parametrize("command", ["prepare", "seed"])
def test_a_command_without_a_database_ends_with_a_sentence(command: str) -> None:
    nobody = f"postgresql://user:secret@127.0.0.1:{free_port()}/name"
    ended = managed(command, nobody)
    (last,) = ended.stderr.splitlines()

    assert ended.returncode == 1
    assert last.startswith("The database does not answer: connection failed: ")
    assert last.endswith("Start Generations, or the database that DATABASE_URL names; or correct its host and port.")
    assert "Traceback" not in ended.stderr
    assert "secret" not in ended.stderr


def test_copies_behind_one_address_share_their_cookies_and_others_on_the_host_do_not() -> None:
    def names(port: int, **public: str) -> str:
        told = "from observability import settings as s; print(s.SESSION_COOKIE_NAME, s.CSRF_COOKIE_NAME)"
        given = {
            **{name: said for name, said in os.environ.items() if name != "PUBLIC_URL"},
            "PORT": str(port),
            **public,
        }
        return subprocess.check_output([sys.executable, "-c", told], cwd=ROOT, env=given, text=True).strip()

    at, elsewhere = "https://generations.example.com", "https://generations.example.com:8443"

    assert names(8001) == "generations_session_8001 generations_csrf_8001"
    assert names(8001, PUBLIC_URL=at) == names(8002, PUBLIC_URL=at) == "generations_session_443 generations_csrf_443"
    assert names(8001, PUBLIC_URL=elsewhere) == "generations_session_8443 generations_csrf_8443"
