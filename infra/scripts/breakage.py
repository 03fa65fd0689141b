"""Breaks the stores of a run on purpose, as the run orders: one line per order, answered by `done` or by what is wrong.

The servers stay children of this process, so that they are stopped at the end whatever the run does.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import tempfile
from pathlib import Path
from typing import Dict, Iterator

import stores
from processes import Command, Failure, describe_status, end, send, signals_held, spawn

# How a server dies: Redis at once, Postgres without a checkpoint, as in a crash.
DEADLY = {"redis": signal.SIGKILL, "postgres": signal.SIGQUIT}


def run_breaking(parts: stores.Stores, command: Command, *, env: Dict[str, str], cwd: Path, problem: str) -> None:
    """Runs a command that may order the private servers to be broken and mended; Failure when it did not succeed."""
    with orders() as (path, listener):
        with signals_held():
            child = spawn(command, env={**env, "TEST_STORE_ORDERS": path}, cwd=cwd)
        try:
            while child.poll() is None:
                with contextlib.suppress(socket.timeout, ConnectionError):
                    connection, _ = listener.accept()
                    with connection, connection.makefile("rw") as stream:
                        stream.write(f"{answer(parts, stream.readline().split())}\n")
        finally:
            end(child)
            for private in parts.private.values():
                if private.server.child.poll() is None:
                    send(private.server.pid, signal.SIGCONT)
    if child.returncode != 0:
        raise Failure(f"{problem} ({describe_status(child.returncode)})")


@contextlib.contextmanager
def orders() -> Iterator[tuple]:
    """A socket in a folder of its own, which only its owner may enter."""
    folder = tempfile.mkdtemp(prefix="chat-")
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            path = os.path.join(folder, "orders")
            listener.bind(path)
            listener.listen()
            listener.settimeout(0.2)
            yield path, listener
    finally:
        shutil.rmtree(folder)


def answer(parts: stores.Stores, words: list) -> str:
    try:
        verb, name = words
        obey(parts, verb, name, parts.private[name])
        return "done"
    except (ValueError, KeyError):
        return f"no such order: {' '.join(words)}"
    except Failure as failure:
        return str(failure).replace("\n", " ")


def obey(parts: stores.Stores, verb: str, name: str, private: stores.Private) -> None:
    server = private.server
    if verb == "kill":
        parts.servers.remove(server)
        send(server.pid, DEADLY[name])
        server.child.wait()
    elif verb == "start":
        private.server = private.launch()
    elif verb == "pause":
        send(server.pid, signal.SIGSTOP)
    elif verb == "resume":
        send(server.pid, signal.SIGCONT)
    elif verb == "save" and name == "redis":
        if not stores.redis_answers(private.port, "SAVE", "+OK", timeout=30):
            raise Failure("Redis did not save")
    elif verb == "forget" and name == "redis":
        (private.directory / "dump.rdb").unlink(missing_ok=True)
    else:
        raise ValueError(verb)
