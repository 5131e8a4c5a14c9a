import socket
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from hyrec.loggers import wandb_run
from hyrec.loggers.wandb_run import WandbMissingError, no_questions, require_wandb, start_run, unreachable
from tests.new_processes import loaded_by


class NotFound(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_error(404)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def silent_server() -> Iterator[str]:
    """A server that accepts and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def closed_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return f"http://127.0.0.1:{listening.getsockname()[1]}"


def test_a_server_that_answers_with_any_status_is_reachable():
    server = ThreadingHTTPServer(("127.0.0.1", 0), NotFound)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        assert unreachable(f"http://127.0.0.1:{server.server_port}") == ""
    finally:
        server.shutdown()
        server.server_close()


def test_a_closed_port_isunreachable():
    assert "refused" in unreachable(closed_port())


def test_a_server_that_never_answers_is_given_up(silent_server: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(wandb_run, "PROBE_SECONDS", 0.2)
    assert "timed out" in unreachable(silent_server)


def test_a_missing_wandb_is_said_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(wandb_run.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(WandbMissingError, match=r"pip install 'hyrec\[wandb\]'"):
        require_wandb()
    with pytest.raises(WandbMissingError):
        start_run(project="p")


def test_nobody_can_be_asked_while_a_run_starts():
    before = sys.stdin
    with no_questions():
        assert not sys.stdin.isatty()
        assert sys.stdin.read() == ""
    assert sys.stdin is before


def test_the_module_needs_neither_torch_nor_wandb():
    loaded = loaded_by("hyrec.loggers.wandb_run")
    assert "hyrec.loggers.wandb_run" in loaded
    assert not {"torch", "lightning", "wandb"} & loaded
