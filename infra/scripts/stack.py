"""Runs the chat backend on this machine, and its tests, benchmarks and checks; the Makefile lists the commands."""

import sys

if sys.version_info < (3, 9):
    sys.exit("Python 3.9 or newer is needed; this is %d.%d" % sys.version_info[:2])
sys.dont_write_bytecode = True

import base64
import contextlib
import getpass
import http.client
import json
import os
import queue
import re
import secrets
import shlex
import shutil
import socket
import string
import subprocess
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Pattern, Tuple

import asyncapi
import audit
import breakage
import browser
import comparison
import contract
import deploy
import node
import packages
import stores
import templates
import workflows
from processes import (
    Failure,
    Interrupted,
    Server,
    catch_signals,
    end,
    free_port,
    output_of,
    port_is_free,
    run,
    say,
    serve,
    signals_held,
    spawn,
    step,
    wait,
)
from settings import (
    LEFT_OUT,
    LOCAL_CREDENTIALS,
    LOCAL_STORES,
    PARAMETERS,
    ROOT,
    TEMPLATE,
    THROTTLES,
    Settings,
    load,
    shown,
    target_dir,
    without_settings,
)

OPENAPI_SPEC_VALIDATOR = "0.7.2"  # the last for Python 3.9
AUTHLIB, REQUESTS = "1.6.5", "2.32.5"
WEBSOCKETS = "15.0.1"
KEYS_KEPT = 2  # beside the new one: a token lives 15 min, so keys may rotate every few minutes
GATEWAY_READY_WITHIN = 30
# The folders of stores that are made anew for each run.
THROWAWAY = ("test", "bench", "soak", "faults", "coverage", "contract", "screenshots")
# The stories that `cargo lambda watch` cannot do, and why.
HOSTED_ONLY = {
    "crash::": "it never answers for a process that was killed",
    "gateway::a_function_process_killed_between_requests_is_replaced_unnoticed": "the same",
    "big_rooms::jobs_that_are_killed_leave_nobody_without_a_message": "the same",
    "mail::a_killed_mail_function_fails_no_signup_and_the_mail_still_comes": "the same",
    "mail::a_signup_succeeds_though_no_mail_can_be_written": "its function ends by itself, which is never answered",
    "bites::": "their faults are in binaries of their own, and it builds what it runs",
    "metrics::totals_equal_what_was_done_by_several_processes_of_each_function": "it does not tell its processes",
    "metrics::instances_that_start_are_counted_by_function": "the same",
    "metrics::live_connections_rise_and_fall_and_heal": "strict mode hosts the functions",
    "key_ring::keys_rotate_while_everybody_stays_signed_in": "the same",
    "logs::": "it writes the lines of all functions into one file of its own",
    "web::pages_are_told_of_in_the_log": "the same",
    "traces::a_collector_that_hangs_is_asked_once_in_a_while_and_nobody_waits_for_it": "the same",
    "big_rooms::the_jobs_of_a_send_name_its_request": "the same",
    "slow::a_disconnect_that_is_never_told_is_healed_by_the_next_message": "strict mode hosts the functions",
}
DEMO_NAMES = {"ada": ("Ada", "Lovelace"), "grace": ("Grace", "Hopper")}
TEST_RESULT = re.compile(r"test result: \w+\. (?P<passed>\d+) passed; (?P<failed>\d+) failed;")
NODE_RESULT = re.compile(r"^\S+ (?:pass (?P<passed>\d+)|(?:fail|cancelled) (?P<failed>\d+))$")
PYTHON_RESULT = re.compile(r"^test result of the templates: (?P<passed>\d+) passed; (?P<failed>\d+) failed;$")
COLOURS = re.compile(r"\x1b\[[0-9;]*m")

# Never through a proxy: it is always this machine that is asked.
HTTP = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class FromElsewhere(urllib.request.HTTPHandler):
    """Asks from another address of this machine, where there is one: what is asked at the start is nobody's to pay for."""

    def http_open(self, request: urllib.request.Request) -> Any:
        return self.do_open(self.connection, request)

    @staticmethod
    def connection(host: str, **options: Any) -> http.client.HTTPConnection:
        address = "127.0.0.2" if can_bind("127.0.0.2") else ""
        return http.client.HTTPConnection(host, source_address=(address, 0), **options)


def can_bind(address: str) -> bool:
    try:
        with socket.socket() as probe:
            probe.bind((address, 0))
        return True
    except OSError:
        return False


HTTP_OF_START = urllib.request.build_opener(urllib.request.ProxyHandler({}), FromElsewhere())


# --- make run, make watch ---


def run_stack(settings: Settings, *, watch: bool = False) -> None:
    check_tools()
    with stores.locked(settings.data_dir):
        for name, port in (("PORT", settings.port), ("CONSOLE_PORT", settings.console_port)):
            if not port_is_free(port):
                raise Failure(f"port {port} is already in use: set {name} to another one")
        cargo_lambda = find_cargo_lambda(settings) if watch else []
        parts = stores.Stores()
        try:
            stores.start(
                settings.data_dir,
                settings.tools_dir,
                parts,
                database="chat",
                database_url=settings.database_url,
                redis_url=settings.redis_url,
            )
            build()
            env = function_environment(settings, parts)
            migrate(env, target_dir() / "release")
            backend = start_cargo_lambda(settings, cargo_lambda, env, parts) if watch else []
            addresses = start_gateway(settings, env, parts, backend)
            check_functions(addresses["url"])
            accounts = demo_accounts(settings, addresses["url"], parts)
            announce(settings, addresses, accounts, watch)
            while True:
                for server in parts.servers:
                    server.check()
                time.sleep(0.2)
        finally:
            stop(parts)


def function_environment(settings: Settings, parts: stores.Stores) -> Dict[str, str]:
    port = settings.port
    return {
        **os.environ,
        "ENVIRONMENT": "development",
        "PUBLIC_URL": f"http://localhost:{port}",
        "ALLOWED_ORIGINS": f"http://localhost:{port},http://127.0.0.1:{port}",
        "MAIL_FROM": "Chat <chat@example.com>",
        "METRICS_NAMESPACE": "",
        **LOCAL_STORES,
        **settings.functions,
        "DATABASE_URL": parts.database_url,
        "REDIS_URL": parts.redis_url,
        "JWT_KEYS": settings.functions.get("JWT_KEYS") or key_ring(settings.data_dir / "jwt-keys.json"),
    }


def rotate_keys(settings: Settings) -> None:
    """Draws a new key that signs from now on; those before still verify, so nobody is signed out."""
    path = settings.data_dir / "jwt-keys.json"
    kept = (stores.read_json(path) or {}).get("keys", [])[:KEYS_KEPT]
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    stores.write_json(path, {"keys": [draw_key(), *kept]})
    say("Access tokens are signed by a new key from the next `make run` on; those of the keys before are still good.")


def draw_key() -> Dict[str, str]:
    secret = base64.urlsafe_b64encode(secrets.token_bytes(32)).rstrip(b"=").decode()
    return {"kty": "oct", "alg": "HS256", "use": "sig", "kid": secrets.token_hex(4), "k": secret}


def key_ring(path: Optional[Path] = None) -> str:
    """The keys of the access tokens as a JWK set, drawn once and then kept in the file."""
    keys = stores.read_json(path) if path else None
    if keys is None:
        keys = {"keys": [draw_key()]}
        if path:
            stores.write_json(path, keys)
    return json.dumps(keys, separators=(",", ":"))


def template_options(env: Dict[str, str]) -> List[Any]:
    options: List[Any] = ["--template", TEMPLATE, "--leave-out", *LEFT_OUT]
    return [*options, "--parameter-overrides", *PARAMETERS, f"AllowedOrigins={env['ALLOWED_ORIGINS']}"]


def gateway_options(settings: Settings, env: Dict[str, str]) -> List[Any]:
    return [*template_options(env), "--port", settings.port, "--console-port", settings.console_port]


def start_gateway(
    settings: Settings,
    env: Dict[str, str],
    parts: stores.Stores,
    backend: List[Any],
    *,
    quiet: bool = False,
) -> Dict[str, str]:
    with step("Gateway: starting"):
        command = [program("gateway"), "serve", *gateway_options(settings, env), *backend]
        command += ["--functions-dir", target_dir() / "release", "--logs-dir", settings.logs_dir]
        command += ["--concurrency", settings.concurrency, "--exit-with-parent", *(["--quiet"] if quiet else [])]
        with signals_held():
            # Its standard input stays open as long as this process lives: when it closes, the gateway stops.
            pipe = subprocess.PIPE
            gateway = serve("The gateway", command, grace=5.5, env=env, cwd=ROOT, stdin=pipe, stdout=pipe)
            parts.servers.append(gateway)
        ready: "queue.Queue[Dict[str, str]]" = queue.Queue()
        threading.Thread(target=read_gateway, args=(gateway, ready), daemon=True).start()
        deadline = time.monotonic() + GATEWAY_READY_WITHIN
        while True:
            try:
                return ready.get(timeout=0.1)
            except queue.Empty:
                for server in parts.servers:
                    server.check()
                if time.monotonic() > deadline:
                    raise Failure(f"the gateway is not ready after {GATEWAY_READY_WITHIN} s") from None


def read_gateway(gateway: Server, ready: "queue.Queue[Dict[str, str]]") -> None:
    """Waits for the one line that says where the gateway answers, and passes on whatever else it prints."""
    for line in gateway.child.stdout or ():
        text = line.decode(errors="replace").rstrip()
        try:
            message = json.loads(text)
        except ValueError:
            message = None
        if isinstance(message, dict) and message.get("ready") is True:
            ready.put(message)
        else:
            say(text)


def find_cargo_lambda(settings: Settings) -> List[Any]:
    if output_of(["cargo", "lambda", "--version"]) is not None:
        return ["cargo", "lambda"]
    # Its one dependency is a cross compiler, which watching does not need.
    path = packages.python_tool(settings.tools_dir, "cargo-lambda", deploy.CARGO_LAMBDA, "cargo-lambda", "--no-deps")
    return [path, "lambda"]


def start_cargo_lambda(
    settings: Settings, cargo_lambda: List[Any], env: Dict[str, str], parts: stores.Stores
) -> List[Any]:
    """Functions that cargo lambda builds anew when their sources change; the options that lead the gateway there."""
    with step("cargo lambda watch: starting"):
        tell = [program("gateway"), "environment", *gateway_options(settings, env)]
        listed = output_of(tell, env=env, show_errors=True)
        if listed is None:
            raise Failure("the gateway could not tell the functions' environment")
        # Only sources may restart functions, wherever the data and the binaries are.
        ignored = settings.data_dir / "watch-ignored"
        folders = [path for path in (settings.data_dir, settings.tools_dir, target_dir()) if ROOT in path.parents]
        ignored.write_text("".join(f"/{path.relative_to(ROOT)}/\n" for path in folders), encoding="utf-8")
        port = free_port()
        command = [*cargo_lambda, "watch", "--release", "--invoke-address", "127.0.0.1", "--invoke-port", port]
        command += ["--concurrency", settings.concurrency, "--disable-cors"]
        watch_env = {**env, **json.loads(listed), **LOCAL_CREDENTIALS, "CARGO_LAMBDA_IGNORE_FILE": str(ignored)}
        with signals_held():
            server = serve("cargo lambda watch", command, env=watch_env, cwd=ROOT)
            parts.servers.append(server)
        server.wait_until_listening(port, GATEWAY_READY_WITHIN)
    return ["--cargo-lambda", f"http://127.0.0.1:{port}"]


def check_functions(url: str) -> None:
    """Asks each HTTP function once, as a stranger: one that cannot start with its settings says so now."""
    with step("Functions: starting"):
        for path in ("", "api/v1/auth/profile", "api/v1/conversations", "api/v1/conversations/any/messages", "graphql", "metrics"):
            try:
                with HTTP_OF_START.open(f"{url.rstrip('/')}/{path}", timeout=180):
                    pass
            except urllib.error.HTTPError as error:
                if error.code >= 500:
                    raise Failure("a function does not start; above it says why")
            except OSError as error:
                raise Failure(f"the gateway does not answer: {error}")


def demo_accounts(settings: Settings, url: str, parts: stores.Stores) -> List[Dict[str, Any]]:
    """Two accounts to try the API with, only in a database of our own; written down before they are made."""
    if not parts.made_database:
        return []
    path = settings.data_dir / "demo-accounts.json"
    known = None if parts.new_database else stores.read_json(path)
    accounts = known or [
        {"username": name, "email": f"{name}@example.com", "password": draw_password(name), "created": False}
        for name in DEMO_NAMES
    ]
    if not all(account["created"] for account in accounts):
        stores.write_json(path, accounts)
        with step("Demo accounts: signing up"):
            for account in accounts:
                if account["created"]:
                    continue
                problem = sign_up(url, account, exists_already_is_fine=known is not None)
                if problem:
                    say(f"    {account['username']} was not made: {problem}")
                account["created"] = problem is None
            stores.write_json(path, accounts)
    return [account for account in accounts if account["created"]]


def sign_up(url: str, account: Dict[str, Any], *, exists_already_is_fine: bool) -> Optional[str]:
    """None, or why there is no such account."""
    first, last = DEMO_NAMES[account["username"]]
    body = {key: account[key] for key in ("email", "username", "password")}
    request = urllib.request.Request(
        f"{url.rstrip('/')}/api/v1/auth/signup",
        data=json.dumps({**body, "first_name": first, "last_name": last}).encode(),
        headers={"content-type": "application/json"},
        method="POST",
    )
    try:
        with HTTP_OF_START.open(request, timeout=30) as response:
            return None if response.status == 201 else f"the answer was {response.status}"
    except urllib.error.HTTPError as error:
        if error.code == 409 and exists_already_is_fine:
            return None
        return f"{error.code} {error.read(500).decode(errors='replace')}"
    except OSError as error:
        return str(error)


def draw_password(username: str) -> str:
    kinds = (string.ascii_uppercase, string.ascii_lowercase, string.digits, "-_=+.@")
    while True:
        letters = [secrets.choice(kind) for kind in kinds]
        letters += [secrets.choice(string.ascii_letters + string.digits) for _ in range(12)]
        secrets.SystemRandom().shuffle(letters)
        password = "".join(letters)
        if password[0].isalnum() and username not in password.lower():
            return password


def announce(settings: Settings, addresses: Dict[str, str], accounts: List[Dict[str, Any]], watch: bool) -> None:
    lines = [
        "",
        "The chat backend is running" + (", and edited functions are reloaded" if watch else ""),
        f"  Web client  {addresses['url']}",
        f"  HTTP API    {addresses['url']}",
        f"  WebSocket   {addresses['websocket_url']}",
        f"  Console     {addresses['console_url']}",
        f"  Mails       {addresses['console_url']}/inbox",
    ]
    for position, account in enumerate(accounts):
        label = "" if position else "Accounts"
        lines.append(f"  {label:<11} {account['username']:<6} {account['email']:<18} {account['password']}")
    lines += [f"  Logs        {shown(settings.logs_dir)}", "Ctrl-C stops everything.", ""]
    say("\n".join(lines))


# --- make test, make bench, make soak, make faults, make coverage, make screenshots ---


def test(settings: Settings, arguments: List[str]) -> None:
    check_tools()
    mode, skipped = test_mode(settings)
    if settings.test_mode == "hosted":
        mode.update(clients(settings))
    else:
        arguments = ["--test", "stories", *arguments]
    if skipped:
        arguments += ([] if "--" in arguments else ["--"]) + skipped
    with throwaway(settings, "test") as env:
        tools = {**authlib(settings), **promtool(settings), **browser.environment(settings)}
        outcome = run_tests({**env, **tools, **mode}, arguments)
    if settings.test_mode == "hosted" and not arguments:
        outcome += run_javascript_tests(settings)
        outcome += run_template_tests(settings)
    outcome.conclude()


def test_mode(settings: Settings) -> Tuple[Dict[str, str], List[str]]:
    """What the stories are told of how the gateway is to run the functions, and which of them are left out."""
    mode = {"TEST_MODE": settings.test_mode}
    if settings.test_mode == "strict":
        seed = settings.test_seed or secrets.randbelow(2**32) + 1
        say(f"Strict mode; the same draws again: TEST_MODE=strict TEST_SEED={seed}")
        return {**mode, "TEST_STRICT_SEED": str(seed)}, []
    if settings.test_mode == "cargo-lambda":
        program = find_cargo_lambda(settings)
        skipped = [option for name in HOSTED_ONLY for option in ("--skip", name)]
        return {**mode, "TEST_CARGO_LAMBDA": "\n".join(map(str, program))}, skipped
    return mode, []


def conformance(settings: Settings, arguments: List[str]) -> None:
    """The suite of the gateway alone; with CONFORMANCE_TARGET it asks that endpoint instead of gateways of its own."""
    check_tools()
    env = {**without_settings(), **clients(settings)}
    env.pop("TEST_BIN_DIR", None)
    if not env.get("CONFORMANCE_TARGET"):
        build()
        env["TEST_BIN_DIR"] = str(target_dir() / "release")
    outcome = run_tests(env, ["--test", "conformance", *arguments])
    outcome.conclude()


def clients(settings: Settings) -> Dict[str, str]:
    """What the conformance suite asks the gateway with beside Rust: curl, and a WebSocket library of another language."""
    home = packages.python_package(settings.tools_dir, "websockets", WEBSOCKETS)
    python, *path = packages.python_of(home)
    env = {"TEST_WEBSOCKETS_PYTHON": python, **({"TEST_WEBSOCKETS_PATH": path[0]} if path else {})}
    curl = shutil.which("curl")
    if not curl and packages.has_apt():
        program = packages.debian_packages(settings.tools_dir, ["curl"]) / "usr/bin/curl"
        libraries = packages.debian_environment(program).get("LD_LIBRARY_PATH")
        env.update({"TEST_CURL_LIBRARY_PATH": libraries} if libraries else {})
        curl = str(program)
    if not curl:
        raise Failure("curl is missing, which the conformance suite asks with")
    return {**env, "TEST_CURL": curl}


def authlib(settings: Settings) -> Dict[str, str]:
    """An OAuth client library of another language, for the stories of OAuth."""
    home = packages.python_package(settings.tools_dir, "Authlib", AUTHLIB, f"requests=={REQUESTS}")
    python, *path = packages.python_of(home)
    return {"TEST_AUTHLIB_PYTHON": python, **({"TEST_AUTHLIB_PATH": path[0]} if path else {})}


def promtool(settings: Settings) -> Dict[str, str]:
    """Prometheus' own judge of what /metrics shows, for the stories."""
    program = shutil.which("promtool")
    if not program and packages.has_apt():
        program = str(packages.debian_packages(settings.tools_dir, ["prometheus"]) / "usr/bin/promtool")
    if not program:
        say("    promtool is missing: the story that asks it will fail; install Prometheus")
    return {"TEST_PROMTOOL": program} if program else {}


def bench(settings: Settings, arguments: List[str]) -> None:
    check_tools()
    with throwaway(settings, "bench") as env:
        env["CONCURRENCY"] = str(settings.concurrency)
        compared = contextlib.nullcontext({})
        if any("comparison" in re.split("[=,]", argument) for argument in arguments):
            compared = comparison.serving(settings, lambda: find_cargo_lambda(settings))
        with compared as told:
            run([program("bench"), *arguments], problem="the benchmark failed", env={**env, **told}, cwd=ROOT)


def soak(settings: Settings, arguments: List[str]) -> None:
    check_tools()
    with throwaway(settings, "soak") as env:
        env["CONCURRENCY"] = str(settings.concurrency)
        run([program("soak"), "soak", *arguments], problem="the soak run failed", env=env, cwd=ROOT)


def faults(settings: Settings, arguments: List[str]) -> None:
    check_tools()
    parts = stores.Stores()
    with throwaway(settings, "faults", parts=parts, breakable=True) as env:
        env["CONCURRENCY"] = str(settings.concurrency)
        command = [program("soak"), "faults", *arguments]
        breakage.run_breaking(parts, command, problem="the fault runs failed", env=env, cwd=ROOT)


def hold_to_contract(settings: Settings, arguments: List[str]) -> None:
    """A stack of its own without throttles, whose answers are held against the document that it serves."""
    check_tools()
    contract.require_python()
    parts = stores.Stores()
    folder = settings.data_dir / "contract"
    with throwaway(settings, "contract", parts=parts):
        unthrottled = {name: "off" for name in THROTTLES}
        own = replace(
            settings, port=free_port(), console_port=free_port(), data_dir=folder, functions=unthrottled
        )
        # A line for each of some thousand requests tells nobody anything; they are in the logs.
        addresses = start_gateway(own, function_environment(own, parts), parts, [], quiet=True)
        contract.check(settings, addresses, arguments, folder)


def screenshots(settings: Settings) -> None:
    """The pictures of the README, taken in a browser of a stack of its own, where people have said what they say there."""
    check_tools()
    tools = browser.environment(settings)
    parts = stores.Stores()
    with throwaway(settings, "screenshots", parts=parts):
        # The browser is led to the stack's port; what the pages show is the address of everybody's own.
        functions = {name: "off" for name in THROTTLES}
        functions.update(PUBLIC_URL=browser.SHOWN_ORIGIN, ALLOWED_ORIGINS=browser.SHOWN_ORIGIN)
        folder = settings.data_dir / "screenshots"
        own = replace(settings, port=free_port(), console_port=free_port(), data_dir=folder, functions=functions)
        addresses = start_gateway(own, function_environment(own, parts), parts, [], quiet=True)
        browser.take_screenshots(tools, addresses)


def coverage(settings: Settings, arguments: List[str]) -> None:
    """The tests, while every crate of the workspace counts which of its lines ran, in the functions' processes too."""
    check_tools()
    profdata, cov = find_llvm_tools(settings)
    target = target_dir() / "coverage"
    profiles = target / "profiles"
    shutil.rmtree(profiles, ignore_errors=True)
    profiles.mkdir(parents=True)
    wrapper = target / "instrumented-rustc"
    wrapper.write_text('#!/bin/sh\nexec "$@" -C instrument-coverage -C llvm-args=-runtime-counter-relocation\n')
    wrapper.chmod(0o755)
    os.environ.update(
        CARGO_TARGET_DIR=str(target),
        CARGO_PROFILE_RELEASE_STRIP="none",
        RUSTC_WORKSPACE_WRAPPER=str(wrapper),
        # Written while running (%c), since functions are stopped by signals; one file per binary (%m).
        LLVM_PROFILE_FILE=str(profiles / "%m%c.profraw"),
    )
    with throwaway(settings, "coverage", told_where_to_count) as env:
        tools = {**authlib(settings), **promtool(settings), **browser.environment(settings), **clients(settings)}
        outcome = run_tests({**env, **tools}, arguments)

    with step("Coverage: summing up"):
        merged = target / "tests.profdata"
        tools_env = {**os.environ, **packages.debian_environment(profdata)}
        merge = [profdata, "merge", "--sparse", "-o", merged, *sorted(profiles.glob("*.profraw"))]
        run(merge, problem="the profiles cannot be merged", env=tools_env)
        binaries = instrumented_binaries(target)
        objects = [part for path in binaries for part in ("--object", path)]
        foreign = "/registry/|/rustc/|/tests/|/target/"
        options = [f"--instr-profile={merged}", f"--ignore-filename-regex={foreign}", *objects]
        with open(target / "coverage.lcov", "wb") as file:
            export = [str(part) for part in (cov, "export", "--format=lcov", *options)]
            subprocess.run(export, stdout=file, env=tools_env, check=True)
        run([cov, "report", *options], problem="the report failed", env=tools_env, cwd=ROOT)
    say(f"Line by line: {shown(target / 'coverage.lcov')}")
    outcome.conclude()


def told_where_to_count(binaries: Path) -> Path:
    """Stands in for each binary: a function is given only the environment that the template declares."""
    folder = binaries.parent / "binaries"
    folder.mkdir(exist_ok=True)
    profile = shlex.quote(os.environ["LLVM_PROFILE_FILE"])
    for binary in executables(binaries):
        stand_in = folder / binary.name
        stand_in.write_text(f'#!/bin/sh\nLLVM_PROFILE_FILE={profile} exec {shlex.quote(str(binary))} "$@"\n')
        stand_in.chmod(0o755)
    return folder


def executables(folder: Path) -> List[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file() and os.access(path, os.X_OK))


def instrumented_binaries(target: Path) -> List[Path]:
    list_them = ["cargo", "test", "--release", "--workspace", "--no-run", "--message-format=json"]
    listed = output_of(list_them, timeout=600)
    messages = [json.loads(line) for line in (listed or "").splitlines()]
    tests = {Path(message["executable"]) for message in messages if message.get("executable")}
    return sorted(tests | set(executables(target / "release")))


def find_llvm_tools(settings: Settings) -> List[Path]:
    """llvm-profdata and llvm-cov of the compiler's own version: rustup's, installed ones, or Debian's."""
    about = output_of(["rustc", "-vV"]) or ""
    version = re.search(r"LLVM version: (\d+)", about)
    host = re.search(r"host: (\S+)", about)
    if not version or not host:
        raise Failure("rustc does not tell its LLVM version")
    names = ("llvm-profdata", "llvm-cov")
    major = version.group(1)
    sysroot = Path((output_of(["rustc", "--print", "sysroot"]) or "").strip())

    def candidates() -> Iterable[List[Path]]:
        yield [sysroot / "lib/rustlib" / host.group(1) / "bin" / name for name in names]
        yield [Path(shutil.which(f"{name}-{major}") or "/missing") for name in names]
        for folder in (Path("/usr/lib"), settings.tools_dir / "debian/usr/lib"):
            yield [folder / f"llvm-{major}" / "bin" / name for name in names]

    for fetched in (False, True):
        for found in candidates():
            if all(path.exists() for path in found):
                return found
        if not fetched and packages.has_apt():
            packages.debian_packages(settings.tools_dir, [f"llvm-{major}"])
    raise Failure(f"llvm-profdata and llvm-cov {major} are missing: `rustup component add llvm-tools` brings them")


@contextlib.contextmanager
def throwaway(
    settings: Settings,
    name: str,
    prepare: Callable[[Path], Path] = lambda binaries: binaries,
    *,
    parts: Optional[stores.Stores] = None,
    breakable: bool = False,
) -> Iterator[Dict[str, str]]:
    """Stores made anew, everything built, a migrated template database; all of it gone at the end."""
    folder = settings.data_dir / name
    parts = parts or stores.Stores()
    with stores.locked(folder):
        stores.forget(folder)
        try:
            database = "chat_template"
            stores.start(
                folder, settings.tools_dir, parts, database=database, connections=300, breakable=breakable
            )
            build()
            binaries = prepare(target_dir() / "release")
            env = {**without_settings(), **LOCAL_STORES}
            keys = key_ring()
            of_migrate = {"PUBLIC_URL": "http://localhost", "ALLOWED_ORIGINS": "http://localhost"}
            of_migrate.update(DATABASE_URL=parts.database_url, REDIS_URL=parts.redis_url, JWT_KEYS=keys)
            migrate({**env, **of_migrate}, binaries)
            yield {
                **env,
                "TEST_POSTGRES_URL": parts.postgres_url,
                "TEST_TEMPLATE_DATABASE": "chat_template",
                "TEST_REDIS_URL": parts.redis_url,
                **stores.redis_of_clusters(settings.tools_dir),
                "TEST_BIN_DIR": str(binaries),
                "TEST_TEMPLATE_FILE": str(TEMPLATE),
                "TEST_LEFT_OUT": " ".join(LEFT_OUT),
                "TEST_PARAMETERS": " ".join(PARAMETERS),
                "TEST_JWT_KEYS": keys,
            }
        finally:
            with signals_held():
                stop(parts)
                stores.forget(folder)


@dataclass
class Outcome:
    passed: int
    failed: int
    status: int

    def __add__(self, other: "Outcome") -> "Outcome":
        return Outcome(self.passed + other.passed, self.failed + other.failed, self.status or other.status)

    def conclude(self) -> None:
        say(f"\n{self.passed} passed, {self.failed} failed")
        if self.status != 0 or self.failed:
            raise Failure("the tests failed")
        if not self.passed:
            raise Failure("no test ran")


def run_tests(env: Dict[str, str], arguments: List[str]) -> Outcome:
    """cargo test, its output passed on as it comes and its results added up."""
    with step("Tests"):
        command = ["cargo", "test", "--release", "--workspace", "--no-fail-fast", *arguments]
        return counted(command, env, TEST_RESULT)


def run_javascript_tests(settings: Settings) -> Outcome:
    """What the client is held to without a browser."""
    tests = sorted((ROOT / "functions/web/tests").glob("*.test.js"))
    with step("Tests in JavaScript"):
        command = [node.node(settings), "--test", "--test-reporter=spec", *tests]
        return counted(command, without_settings(), NODE_RESULT)


def run_template_tests(settings: Settings, names: Iterable[str] = ()) -> Outcome:
    """What the stack in AWS is held to, before there is one."""
    command, env = templates.tests(settings)
    with step("Tests of the templates"):
        return counted([*command, *names], env, PYTHON_RESULT)


def counted(command: List[Any], env: Dict[str, str], result: Pattern[str]) -> Outcome:
    """Runs tests, their output passed on as it comes; what passed and what failed is added up from its lines."""
    counts = {"passed": 0, "failed": 0}
    with signals_held():
        child = spawn(command, env=env, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    try:
        for line in child.stdout or ():
            text = line.decode(errors="replace")
            sys.stdout.write(text)
            sys.stdout.flush()
            found = result.search(COLOURS.sub("", text))
            for name, count in found.groupdict().items() if found else ():
                counts[name] += int(count or 0)
        return Outcome(**counts, status=wait(child))
    except BaseException:
        end(child)
        raise


# --- make admin ---


def make_admin(settings: Settings, arguments: List[str]) -> None:
    """Makes somebody an admin, and first an account of theirs when there is none: of the stack that runs, or one on AWS."""
    email, env = (argument.strip() for argument in [*arguments, "", ""][:2])
    if not email:
        raise Failure("whom? `make admin EMAIL=somebody@example.com`")

    def appoint(appointment: Dict[str, Any]) -> Dict[str, Any]:
        return deploy.appoint(settings, env, appointment) if env else appoint_here(settings, appointment)

    answer = appoint({"email": email})
    if answer.get("admin") == "password_required":
        say(f"There is no account of {email} yet.")
        password = asked(getpass.getpass, "A password for it: ")
        if asked(getpass.getpass, "The same again: ") != password:
            raise Failure("the two differ; nothing was changed")
        answer = appoint({"email": email, "password": password})
    if answer.get("admin") == "unverified":
        say(f"Nobody has shown yet that {email} is theirs: whoever signed up with it becomes an admin.")
        if asked(input, "Go on? [y/N] ").strip().lower() not in ("y", "yes"):
            raise Failure("nothing was changed")
        answer = appoint({"email": email, "unverified": True})
    for error in answer.get("errors", []):
        raise Failure(f"{error['field']} {error['message']}")
    if answer["admin"] == "disabled":
        raise Failure(f"the account of {email} is disabled; nothing was changed")
    said = {"created": "has an account now and is an admin", "promoted": "is an admin now"}
    say(f"{email} {said.get(answer['admin'], 'was an admin already')}.")


def asked(ask: Callable[[str], str], question: str) -> str:
    try:
        return ask(question)
    except EOFError:
        raise Failure("nobody answered; nothing was changed")


def appoint_here(settings: Settings, appointment: Dict[str, Any]) -> Dict[str, Any]:
    """Asks the function that makes admins, which only this machine reaches."""
    url = f"http://127.0.0.1:{settings.console_port}/2015-03-31/functions/migrate/invocations"
    body = json.dumps({"admin": appointment}).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data=body), timeout=30) as response:
            answer = json.loads(response.read())
    except (OSError, ValueError) as problem:
        raise Failure(f"no stack answers on port {settings.console_port}; start it with `make run`") from problem
    if not isinstance(answer, dict) or "errorMessage" in answer:
        raise Failure("the function failed; its log says why")
    return answer


# --- make validate, make clean ---


def validate(settings: Settings) -> None:
    templates.check(settings)
    validator = packages.python_tool(
        settings.tools_dir, "openapi-spec-validator", OPENAPI_SPEC_VALIDATOR, "openapi-spec-validator"
    )
    env = {**os.environ, **packages.python_tool_environment(validator)}
    document = ROOT / "functions/web/documents/openapi.json"
    run([validator, document], problem=f"{shown(document)} is not valid OpenAPI", env=env, cwd=ROOT)
    asyncapi.check(settings)
    workflows.check(settings)


def clean(settings: Settings) -> None:
    """Removes what was built and the stack's data; of the data folder only what is ours."""
    folders = [settings.data_dir, *(settings.data_dir / name for name in THROWAWAY)]
    for folder in folders:
        if folder.exists():
            with stores.locked(folder):
                with step(f"Removing the data in {shown(folder)}"):
                    stores.forget(folder)
    made = [settings.data_dir / "logs", settings.data_dir / "tools", stores.elsewhere(settings.tools_dir)]
    for folder in [*folders[1:], *made, target_dir()]:
        if folder.exists():
            with step(f"Removing {shown(folder)}"):
                shutil.rmtree(folder)
    for name in ("jwt-keys.json", "demo-accounts.json", "watch-ignored", "stack.lock"):
        (settings.data_dir / name).unlink(missing_ok=True)
    if settings.data_dir.exists() and not any(settings.data_dir.iterdir()):
        settings.data_dir.rmdir()


# --- Shared ---


def check_tools() -> None:
    if shutil.which("cargo") is None:
        folder = Path.home() / ".cargo" / "bin"
        if not (folder / "cargo").exists():
            raise Failure("cargo is missing: install Rust as https://rustup.rs tells, then start again")
        os.environ["PATH"] = f"{folder}{os.pathsep}{os.environ.get('PATH', '')}"
    if not any(shutil.which(name) for name in ("cc", "gcc", "clang")):
        raise Failure("a C compiler is missing: Rust needs one to link (Debian: `apt-get install build-essential`)")
    if output_of(["cargo", "--version"], timeout=300) is None:
        raise Failure("cargo does not work: see what `cargo --version` says")


def build() -> None:
    with step("Building"):
        # The same for running and testing, so that each finds what the other has built.
        run(["cargo", "build", "--release", "--workspace", "--bins"], problem="the build failed", cwd=ROOT)


def program(name: str) -> Path:
    return target_dir() / "release" / name


def migrate(env: Dict[str, str], binaries: Path) -> None:
    with step("Database: migrating"):
        command = [program("gateway"), "invoke", *template_options(env), "--functions-dir", binaries]
        command += ["--function", "migrate", "--payload", "{}"]
        run(command, problem="the migration failed", env=env, cwd=ROOT)


def stop(parts: stores.Stores) -> None:
    """In the reverse order of starting; bounded in time, hence not to be cut short by a second Ctrl-C."""
    with signals_held():
        if parts.servers:
            say("==> Stopping")
        for server in reversed(parts.servers):
            server.stop()
        parts.servers.clear()


def main(arguments: List[str]) -> int:
    commands: Dict[str, Callable[[Settings, List[str]], None]] = {
        "run": lambda settings, _: run_stack(settings),
        "watch": lambda settings, _: run_stack(settings, watch=True),
        "test": test,
        "conformance": conformance,
        "bench": bench,
        "soak": soak,
        "faults": faults,
        "coverage": coverage,
        "contract": hold_to_contract,
        "screenshots": lambda settings, _: screenshots(settings),
        "admin": make_admin,
        "deploy": lambda settings, arguments: deploy.deploy(settings, arguments, deploy.terminal()),
        "destroy": lambda settings, arguments: deploy.destroy(settings, arguments, deploy.terminal()),
        "bootstraps": deploy.bootstraps,
        "audit": audit.audit,
        "rotate-keys": lambda settings, _: rotate_keys(settings),
        "validate": lambda settings, _: validate(settings),
        "test-stacks": lambda settings, names: run_template_tests(settings, names).conclude(),
        "clean": lambda settings, _: clean(settings),
    }
    if not arguments or arguments[0] not in commands:
        print(f"usage: stack.py {'|'.join(commands)} [-- arguments]", file=sys.stderr)
        return 2
    command, rest = arguments[0], arguments[1:]
    if rest[:1] == ["--"]:
        rest = rest[1:]
    catch_signals()
    try:
        commands[command](load(), rest)
        return 0
    except Interrupted as interrupted:
        # Stopping a server this way is its ordinary end; anything else was left unfinished.
        return 0 if command in ("run", "watch") else 128 + interrupted.number
    except Failure as failure:
        print(f"error: {failure}", file=sys.stderr, flush=True)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
