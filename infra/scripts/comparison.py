"""Others that run Lambda functions locally, serving the benchmark's function that does nothing; installed privately."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import re
import shutil
import tempfile
import urllib.error
import urllib.request
import zipfile
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List

import packages
from processes import Failure, Server, free_port, output_of, say, serve, signals_held, step
from settings import LOCAL_CREDENTIALS, ROOT, Settings, target_dir, without_settings

MINISTACK = "1.5.33"
VERSION = re.compile(r"\d+\.\d+\.\d+")
FUNCTION = "bench-empty"
READY_WITHIN = 60
ANSWERS_WITHIN = 600  # the first invocation may build the function
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
    folder = Path(tempfile.mkdtemp(prefix="comparison-"))
    servers: List[Server] = []
    told = {}
    try:
        for variable, name, start in (
            (
                "BENCH_CARGO_LAMBDA",
                "cargo lambda watch",
                lambda: start_cargo_lambda(settings, cargo_lambda(), folder, servers),
            ),
            ("BENCH_MINISTACK", "ministack", lambda: start_ministack(settings, folder, servers)),
        ):
            before = len(servers)
            try:
                with step(f"{name}: starting"):
                    url, version, prepare = start()
                    servers[-1].wait_until_listening(int(url.rsplit(":", 1)[1]), READY_WITHIN)
                    prepare(url)
                    ask(url, f"/2015-03-31/functions/{FUNCTION}/invocations", {})
                told.update({variable: url, f"{variable}_VERSION": version})
            except Failure as failure:
                # What serves nothing must not run beside what is measured.
                stop(servers[before:])
                del servers[before:]
                say(f"    {name} cannot be run here: {failure}")
        yield told
    finally:
        with signals_held():
            stop(servers)
            shutil.rmtree(folder, ignore_errors=True)


def stop(servers: List[Server]) -> None:
    with signals_held():
        for server in servers:
            server.stop()


def environment() -> Dict[str, str]:
    """Nothing of the user's own AWS account: these are programs of others."""
    others = {name: value for name, value in without_settings().items() if not name.startswith("AWS_")}
    return {**others, **LOCAL_CREDENTIALS}


def start_cargo_lambda(settings: Settings, program: List[Any], folder: Path, servers: List[Server]) -> Any:
    """It builds and starts the function at the first invocation."""
    port = free_port()
    command = [*program, "watch", "--release", "--ignore-changes", "--disable-cors", "--quiet"]
    command += ["--invoke-address", "127.0.0.1", "--invoke-port", port, "--concurrency", settings.concurrency]
    env = {**environment(), "CARGO_TARGET_DIR": str(target_dir())}
    version = VERSION.search(output_of([*program, "--version"], env=env) or "")
    with signals_held():
        log = folder / "cargo-lambda.log"
        servers.append(serve("cargo lambda watch", command, log=log, env=env, cwd=ROOT))
    return f"http://127.0.0.1:{port}", version.group() if version else "", lambda url: None


def start_ministack(settings: Settings, folder: Path, servers: List[Server]) -> Any:
    """It is given the binary as AWS would be."""
    program = packages.python_tool(settings.tools_dir, "ministack", MINISTACK, "ministack")
    port = free_port()
    env = {**environment(), **packages.python_tool_environment(program)}
    env.update(GATEWAY_PORT=str(port), BIND_HOST="127.0.0.1", LOG_LEVEL="ERROR", TMPDIR=str(folder), HOME=str(folder))
    with signals_held():
        servers.append(serve("ministack", [program], log=folder / "ministack.log", env=env, cwd=folder))
    return f"http://127.0.0.1:{port}", MINISTACK, create_function


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


def ask(url: str, path: str, body: Dict[str, Any]) -> None:
    request = urllib.request.Request(url + path, data=json.dumps(body).encode(), headers=SIGNED, method="POST")
    try:
        with HTTP.open(request, timeout=ANSWERS_WITHIN) as response:
            response.read()
    except urllib.error.HTTPError as error:
        raise Failure(f"{path} was answered with {error.code}: {error.read(300).decode(errors='replace')}") from error
    except OSError as error:
        raise Failure(f"{path} was not answered: {error}") from error
