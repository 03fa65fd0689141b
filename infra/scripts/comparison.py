"""Others that run Lambda functions locally, serving the benchmark's function that does nothing; installed privately."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import shutil
import tempfile
import time
import urllib.error
import urllib.request
import zipfile
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List

import packages
from processes import Failure, Server, free_port, port_is_free, say, serve, signals_held, step
from settings import ROOT, Settings, target_dir

MINISTACK = "1.5.33"
FUNCTION = "bench-empty"
READY_WITHIN = 60
ANSWERS_WITHIN = 600  # the first invocation may build the function
CREDENTIALS = {"AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}
SIGNED = {
    "authorization": "AWS4-HMAC-SHA256 Credential=local/20260101/us-east-1/lambda/aws4_request, "
    "SignedHeaders=host, Signature=local",
    "content-type": "application/json",
}

# Never through a proxy: it is always this machine that is asked.
HTTP = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@contextlib.contextmanager
def serving(settings: Settings, cargo_lambda: Callable[[], List[Any]]) -> Iterator[Dict[str, str]]:
    """What tells the load generator where each of them serves; one that does not start is named and left out."""
    folder = Path(tempfile.mkdtemp(prefix="rivals-"))
    servers: List[Server] = []
    told = {}
    try:
        for variable, name, start in (
            ("BENCH_CARGO_LAMBDA", "cargo lambda watch", lambda: start_cargo_lambda(settings, cargo_lambda(), folder)),
            ("BENCH_MINISTACK", "ministack", lambda: start_ministack(settings, folder)),
        ):
            try:
                with step(f"{name}: starting"):
                    server, url, prepare = start()
                    servers.append(server)
                    wait_for(server, url)
                    prepare(url)
                    ask(url, f"/2015-03-31/functions/{FUNCTION}/invocations", {})
                told[variable] = url
            except Failure as failure:
                say(f"    {name} cannot be run here: {failure}")
        yield told
    finally:
        with signals_held():
            for server in servers:
                server.stop()
            shutil.rmtree(folder, ignore_errors=True)


def start_cargo_lambda(settings: Settings, command: List[Any], folder: Path) -> Any:
    """It builds and starts the function at the first invocation."""
    port = free_port()
    command = [*command, "watch", "--release", "--ignore-changes", "--disable-cors", "--quiet"]
    command += ["--invoke-address", "127.0.0.1", "--invoke-port", port, "--concurrency", settings.concurrency]
    env = {**os.environ, **CREDENTIALS, "CARGO_TARGET_DIR": str(target_dir())}
    with signals_held():
        server = serve("cargo lambda watch", command, log=folder / "cargo-lambda.log", env=env, cwd=ROOT)
    return server, f"http://127.0.0.1:{port}", lambda url: None


def start_ministack(settings: Settings, folder: Path) -> Any:
    """It is given the binary as AWS would be."""
    program = packages.python_tool(settings.tools_dir, "ministack", MINISTACK, "ministack")
    port = free_port()
    env = {**os.environ, **CREDENTIALS, **packages.python_tool_environment(program)}
    env.update(GATEWAY_PORT=str(port), BIND_HOST="127.0.0.1", LOG_LEVEL="ERROR", TMPDIR=str(folder), HOME=str(folder))
    with signals_held():
        server = serve("ministack", [program], log=folder / "ministack.log", env=env, cwd=folder)
    return server, f"http://127.0.0.1:{port}", create_function


def create_function(url: str) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as files:
        entry = zipfile.ZipInfo("bootstrap")
        entry.external_attr = 0o755 << 16
        files.writestr(entry, (target_dir() / "release" / FUNCTION).read_bytes())
    function = {
        "FunctionName": FUNCTION,
        "Runtime": "provided.al2023",
        "Handler": "bootstrap",
        "Role": "arn:aws:iam::000000000000:role/none",
        "Timeout": 10,
        "Code": {"ZipFile": base64.b64encode(archive.getvalue()).decode()},
    }
    ask(url, "/2015-03-31/functions", function)


def wait_for(server: Server, url: str) -> None:
    port = int(url.rsplit(":", 1)[1])
    deadline = time.monotonic() + READY_WITHIN
    while port_is_free(port):
        server.check()
        if time.monotonic() > deadline:
            raise Failure(f"it does not listen after {READY_WITHIN} s")
        time.sleep(0.05)


def ask(url: str, path: str, body: Dict[str, Any]) -> None:
    request = urllib.request.Request(url + path, data=json.dumps(body).encode(), headers=SIGNED, method="POST")
    try:
        with HTTP.open(request, timeout=ANSWERS_WITHIN) as response:
            response.read()
    except urllib.error.HTTPError as error:
        raise Failure(f"{path} was answered with {error.code}: {error.read(300).decode(errors='replace')}") from error
    except OSError as error:
        raise Failure(f"{path} was not answered: {error}") from error
