"""`manage.py up` as an operator knows it: started, killed, doubled and stopped for real."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import httpx
import psycopg
import pytest

from generations import operations
from generations.management import embedded
from tests.stack import ROOT, Stack, free_port

pytestmark = pytest.mark.slow

EMBEDDED = not os.environ.get("OUTSIDE_DATABASE_URL")
PROCESSES = {
    "web": "generations: web 1",
    "worker": "generations: worker",
    "beat": "generations: beat",
    "fork server": "generations: fork server",
    "postgresql": "bin/postgres",
}


def wait_for(condition: object, within: float = 120) -> None:
    deadline = time.monotonic() + within
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, "It did not happen in time."
        time.sleep(0.05)


def busy() -> float:
    """How many times longer than alone a process takes here: what is promised is for two free cores."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def test_the_first_start_prints_credentials_that_work_and_the_next_start_none(stack: Stack) -> None:
    cold = stack.start()
    first = stack.output()
    assert "is ready after" in first, "/healthz said 200 before the line was printed"
    made = {
        "project": "My project", "user name": "owner", "password": stack.password, "API key": stack.api_key
    }  # fmt: skip
    for name, value in made.items():
        assert re.search(rf"^  {name} +{re.escape(value)}$", first, re.M), f"{name} is not printed"
    assert f"curl {stack.url}/api/generations" in first
    assert cold < 15 * busy()

    assert stack.stop() < 5 * busy()
    warm = stack.start()

    assert "is ready after" in stack.output()
    assert warm < 8 * busy()
    assert stack.api_key not in stack.output()
    assert stack.password not in stack.output()
    assert "first start" not in stack.output()


def test_the_curl_line_of_the_first_start_works_as_printed(stack: Stack) -> None:
    stack.start()
    line = stack.output().split("send a generation:\n\n", 1)[1].split("\n\n", 1)[0]

    done = subprocess.run(["bash", "-c", line.replace("curl ", "curl -sS --fail-with-body ")], capture_output=True)

    assert done.returncode == 0, done
    assert json.loads(done.stdout)["id"]


def test_the_worker_gives_way_to_whoever_asks_as_far_as_it_is_told(tmp_path: Path) -> None:
    stack = Stack(tmp_path / "data", WORKER_NICE="7")
    try:
        stack.start()
        web, worker = (os.getpriority(os.PRIO_PROCESS, stack.pid_of(PROCESSES[part])) for part in ("web", "worker"))
    finally:
        stack.discard()

    assert worker == min(19, web + 7)


@pytest.mark.skipif(not EMBEDDED, reason="the database is another server's")
def test_the_database_keeps_its_pages_in_as_much_memory_as_it_is_told(tmp_path: Path) -> None:
    stack = Stack(tmp_path / "data", DATABASE_BUFFERS_MB="64")
    try:
        stack.start()
        asking = "from django.db import connection; asked = connection.cursor(); asked.execute('SHOW shared_buffers')"
        kept = stack.manage("shell", "--no-imports", "-c", f"{asking}; print(asked.fetchone())")
    finally:
        stack.discard()

    assert "('64MB',)" in kept


def test_credentials_are_made_up_when_none_are_chosen(tmp_path: Path) -> None:
    stack = Stack(tmp_path / "data", BOOTSTRAP_API_KEY="", BOOTSTRAP_PASSWORD="")
    try:
        stack.start()
        printed = dict(re.findall(r"^  (password|API key) +(\S+)$", stack.output(), re.M))
    finally:
        stack.discard()

    assert len(printed["password"]) >= 12
    assert len(printed["API key"]) >= 32


def test_term_ends_every_process_within_5_seconds(stack: Stack) -> None:
    stack.start()
    expected = 7 if EMBEDDED else 6
    # What was forked a moment ago has not said yet what it is.
    wait_for(lambda: len([c for c in stack.processes().values() if not c.startswith("postgres:")]) == expected)

    took = stack.stop()

    assert took < 5 * busy()
    assert stack.processes() == {}
    assert stack.process is not None
    assert stack.process.returncode == 0
    assert not (stack.data_dir / "state.json").exists()


def test_kill_9_of_the_supervisor_ends_every_process_and_the_next_start_works(stack: Stack) -> None:
    stack.start()
    assert stack.process is not None

    stack.process.kill()
    stack.process.wait()
    wait_for(lambda: stack.processes() == {})

    stack.start()


@pytest.mark.parametrize("name", ["web", "worker", "beat", "fork server", "postgresql"])
def test_a_killed_child_is_started_again_and_no_caller_is_refused(live_stack: Stack, name: str) -> None:
    if name == "postgresql" and not EMBEDDED:
        pytest.skip("PostgreSQL is an outside service in this run.")
    live_stack.wait_until_ready()
    words = "bin/postgres" if name == "postgresql" else PROCESSES[name]
    before = live_stack.pid_of(words)
    answers: list[int | str] = []
    stopping = threading.Event()

    def ask() -> None:
        while not stopping.is_set():
            try:
                answers.append(httpx.get(f"{live_stack.url}/healthz", timeout=120).status_code)
            except httpx.ConnectError as error:
                answers.append(repr(error))
            except httpx.RemoteProtocolError:
                pass  # the one request that the killed process was answering
            time.sleep(0.02)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        os.kill(before, signal.SIGKILL)
        wait_for(lambda: before not in live_stack.processes())
        live_stack.wait_until_ready()
        # Whoever asks whether it is ready may come before the supervisor has seen that beat is gone.
        wait_for(lambda: any(words in command for command in live_stack.processes().values()))
    finally:
        stopping.set()
        asking.join()

    assert live_stack.pid_of(words) != before
    assert set(answers) <= {200, 503}
    assert all(part == "ready" for part in live_stack.wait_until_ready().values())


def test_two_copies_run_side_by_side_and_know_nothing_of_each_other(live_stack: Stack, stack: Stack) -> None:
    stack.start()

    for mine, other in ((live_stack, stack), (stack, live_stack)):
        assert httpx.get(f"{mine.url}/healthz").status_code == 200
        with mine.client() as client:
            assert client.get("/api/generations").status_code == 200
            theirs = {"Authorization": f"Bearer {other.api_key}"}
            assert client.get("/api/generations", headers=theirs).status_code == 401


def test_a_second_start_on_the_same_folder_is_refused(live_stack: Stack) -> None:
    environment = live_stack.environment() | {"PORT": str(free_port())}

    done = subprocess.run(
        [sys.executable, "manage.py", "up"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )

    assert done.returncode == 1
    assert f"It already runs with the folder {live_stack.data_dir}" in done.stderr
    assert "Traceback" not in done.stderr
    assert httpx.get(f"{live_stack.url}/healthz").status_code == 200


def test_a_start_on_a_port_in_use_is_refused(live_stack: Stack, stack: Stack) -> None:
    environment = stack.environment() | {"PORT": str(live_stack.port)}

    done = subprocess.run(
        [sys.executable, "manage.py", "up"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )

    assert done.returncode == 1
    assert f"Port {live_stack.port} of 127.0.0.1 is in use" in done.stderr
    assert "Traceback" not in done.stderr
    assert stack.processes() == {}


def test_without_a_secret_key_nothing_but_up_starts(tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "DATA_DIR": str(tmp_path / "empty"), "DEBUG": "false"}

    done = subprocess.run(
        [sys.executable, "manage.py", "check"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )

    assert done.returncode != 0
    assert "There is no secret key. Set SECRET_KEY" in done.stderr


def test_a_setting_of_the_wrong_type_is_named(tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "DATA_DIR": str(tmp_path / "data"), "PORT": "eighty"}

    done = subprocess.run(
        [sys.executable, "manage.py", "up"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )

    assert done.returncode == 1
    assert "PORT" in done.stderr
    assert "integer" in done.stderr


@pytest.mark.skipif(not EMBEDDED, reason="PostgreSQL is an outside service in this run.")
def test_the_secret_key_and_the_folder_are_for_this_user_alone(live_stack: Stack) -> None:
    assert (live_stack.data_dir / "secret-key").stat().st_mode & 0o777 == 0o600
    assert live_stack.data_dir.stat().st_mode & 0o077 == 0


def test_every_folder_that_a_copy_makes_is_looked_at_by_operators(live_stack: Stack) -> None:
    with live_stack.client() as client:
        client.post("/api/generations", json={"id": "of-a-folder"})

    made = {folder.name for folder in live_stack.data_dir.iterdir() if folder.is_dir()}

    assert made <= set(operations.IN_DATA_DIR)
    assert ("queue" in made) is not bool(os.environ.get("CELERY_BROKER_URL"))


@pytest.mark.skipif(not EMBEDDED, reason="PostgreSQL is an outside service in this run.")
def test_the_log_of_the_database_is_begun_anew_while_it_runs(live_stack: Stack) -> None:
    log = live_stack.data_dir / "postgres.log"
    with log.open("a") as longer:
        longer.write("so far\n" * 1_500_000)
    wait_for(lambda: log.stat().st_size < 1_000_000)

    with psycopg.connect(embedded.url(live_stack.data_dir)) as connection:
        connection.execute("SELECT pg_reload_conf()")

    wait_for(lambda: "reloading configuration files" in log.read_text())
    assert "\0" not in log.read_text()
    assert (log.with_suffix(".log.1")).read_text().count("so far\n") == 1_500_000


@pytest.mark.skipif(not EMBEDDED, reason="The memory of outside services is not ours to count.")
def test_the_whole_takes_less_than_350_mb(stack: Stack) -> None:
    stack.start()
    with stack.client() as client:
        for page in ("/api/generations", "/login/", "/healthz"):
            client.get(page)

    taken = {f"{pid} {command[:80]}": _proportional_bytes(pid) for pid, command in stack.processes().items()}

    assert sum(taken.values()) < 350 * 1024 * 1024, taken


def test_the_worker_takes_what_beat_and_web_send(live_stack: Stack) -> None:
    code = (
        "from observability.celery import app\n"
        "from generations.tasks import sweep\n"
        "from amqp.exceptions import ChannelError\n"
        "sweep.delay()\n"
        "import time\n"
        "deadline = time.monotonic() + 120\n"
        "with app.connection() as connection:\n"
        "    def left():\n"
        "        try:\n"
        "            return connection.default_channel.queue_declare('celery', passive=True).message_count\n"
        "        except ChannelError as error:\n"
        "            assert str(error.reply_code) == '404', error  # Redis has no queue in which nothing waits\n"
        "            return 0\n"
        "    while (number := left()) and time.monotonic() < deadline:\n"
        "        time.sleep(0.05)\n"
        "    print('left', number)\n"
    )

    assert "left 0" in live_stack.manage("shell", "--no-imports", "-c", code)

    if not os.environ.get("CELERY_BROKER_URL"):
        wait_for(lambda: not list((live_stack.data_dir / "queue" / "taken").iterdir()))


def test_a_chunked_body_is_read_like_any_other(live_stack: Stack) -> None:
    body = json.dumps({"id": "chunked-1", "model": {"id": "gpt-4o"}, "output": {"type": "text", "content": "é" * 5000}})

    answer = _send_chunked(live_stack, body.encode(), piece=777)

    assert answer.startswith(b"HTTP/1.1 201 ")
    with live_stack.client() as client:
        assert client.get("/api/generations/chunked-1").json()["output"]["content"] == "é" * 5000


@pytest.mark.parametrize("chunked", [True, False])
def test_a_body_above_the_bound_is_refused_with_413(tmp_path: Path, chunked: bool) -> None:
    stack = Stack(tmp_path / "data", INGEST_MAX_BYTES="100000")
    try:
        stack.start()
        if chunked:
            answer = _send_chunked(stack, b"x" * 100_001, piece=10_000)
        else:
            answer = _send(stack, b"Content-Length: 100001\r\n\r\n")
        whole = _send(stack, b"Content-Length: 2\r\n\r\n{}")
    finally:
        stack.discard()

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert json.loads(answer.split(b"\r\n\r\n", 1)[1])["error"]["code"] == "too_large"
    assert not whole.startswith(b"HTTP/1.1 413 ")


def _send(stack: Stack, rest: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", stack.port), timeout=120) as connection:
        head = f"POST /api/generations HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {stack.api_key}\r\n"
        connection.sendall(head.encode() + b"Content-Type: application/json\r\nConnection: close\r\n" + rest)
        answer = b""
        while received := connection.recv(65536):
            answer += received
    return answer


def test_who_sends_much_with_a_wrong_key_is_told_so(live_stack: Stack) -> None:
    """Not of a broken pipe: some clients send all before they read."""
    request = urllib.request.Request(f"{live_stack.url}/v1/traces", data=b"x" * 8_000_000)
    request.add_header("Authorization", "Bearer gen_wrong")

    for _ in range(5):
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(request)


def _send_chunked(stack: Stack, body: bytes, piece: int) -> bytes:
    pieces = [body[at : at + piece] for at in range(0, len(body), piece)]
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(each), each) for each in pieces)
    return _send(stack, b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n")


def _proportional_bytes(pid: int) -> int:
    """The memory of a process, with what is shared counted in shares; none of one that has ended meanwhile."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)
