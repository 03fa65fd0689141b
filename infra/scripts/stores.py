"""Postgres and Redis of one stack: given by their URLs, in containers, or private servers of this machine.

Everything lives in the stack's folder: the data, the logs, and stack.json, which remembers the kind of stores, their
ports, the password and the process ids. Only the loopback interface is used, and only on ports that were free.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import pwd
import re
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

import packages
from processes import (
    Account,
    Failure,
    Server,
    free_port,
    open_log,
    output_of,
    port_is_free,
    run,
    say,
    serve,
    signals_held,
    step,
    stop_left_behind,
    tail,
)
from settings import ROOT

COMPOSE_FILE = ROOT / "infra" / "compose.stores.yaml"
HOMEBREW = [Path("/opt/homebrew/opt"), Path("/usr/local/opt"), Path("/home/linuxbrew/.linuxbrew/opt")]
START_WITHIN = 60
LOCALES = ("C.UTF-8", "en_US.UTF-8", "C")


@dataclass
class Stores:
    """Where the stores answer, and what was started for that."""

    postgres_url: str = ""
    """Without a database's name, unless it was given."""
    database_url: str = ""
    redis_url: str = ""
    made_database: bool = False
    """Whether the database is this stack's own, as opposed to a given one."""
    new_database: bool = False
    servers: List[Any] = field(default_factory=list)
    private: Dict[str, Private] = field(default_factory=dict)
    """The servers of this machine among them, by name."""


@dataclass
class Private:
    """A private server that can be started again as it was."""

    launch: Callable[[], Server]
    server: Server
    directory: Path
    port: int


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """One stack at a time in a folder; the lock ends with this process, however that ends."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "stack.lock", "a+", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise Failure(
                f"a stack already runs in {folder} (process {lock.read().strip() or 'unknown'}): stop it first, "
                "or give this one another DATA_DIR, PORT and CONSOLE_PORT"
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


def read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise Failure(f"{path} cannot be read ({error}): mend or remove it") from None


def write_json(path: Path, value: Any) -> None:
    """Replaces a file in one step; only its owner may read it."""
    new = path.with_name(path.name + ".new")
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump(value, file, indent=2)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(new, path)


class Notes(Dict[str, Any]):
    """What stack.json remembers between starts."""

    def __init__(self, folder: Path):
        super().__init__(read_json(folder / "stack.json") or {})
        self.path = folder / "stack.json"

    def save(self) -> None:
        write_json(self.path, self)

    def port(self, name: str) -> int:
        """The port of an earlier start, or a new one when that is taken."""
        remembered = self.get(f"{name}_port")
        if remembered and port_is_free(remembered):
            return int(remembered)
        port = free_port()
        if remembered:
            say(f"    port {remembered} is in use by now: {name} moves to {port}")
        self[f"{name}_port"] = port
        self.save()
        return port


def start(
    folder: Path,
    tools_dir: Path,
    stores: Stores,
    *,
    database: str,
    database_url: Optional[str] = None,
    redis_url: Optional[str] = None,
    connections: int = 100,
    breakable: bool = False,
) -> None:
    """Starts what was not given by URL; what it started is in `stores.servers` even when it fails half-way.

    A breakable stack is of private servers, and its Redis writes to disk only when it is told to.
    """
    if database_url:
        say("==> Postgres: as given by DATABASE_URL")
        stores.database_url = database_url
    if redis_url:
        say("==> Redis: as given by REDIS_URL")
        stores.redis_url = redis_url
    wanted = [name for name, url in (("postgres", database_url), ("redis", redis_url)) if not url]
    if not wanted:
        return

    notes = Notes(folder)
    stop_earlier(folder, notes)
    if "stores" not in notes:
        containers = not breakable and containers_possible(folder, tools_dir)
        notes["stores"] = "containers" if containers else "private"
    notes.save()

    if notes["stores"] == "containers":
        start_containers(folder, notes, stores, wanted, database, connections)
    else:
        if "postgres" in wanted:
            start_postgres(folder, tools_dir, notes, stores, database, connections)
        if "redis" in wanted:
            start_redis(folder, tools_dir, notes, stores, breakable)
    if "postgres" in wanted:
        stores.made_database = True
        stores.postgres_url = f"postgres://chat:{notes['password']}@127.0.0.1:{notes['postgres_port']}"
        stores.database_url = f"{stores.postgres_url}/{database}"
    if "redis" in wanted:
        stores.redis_url = f"redis://127.0.0.1:{notes['redis_port']}"


def stop_earlier(folder: Path, notes: Notes) -> None:
    """Servers whose parent was killed before it could stop them."""
    directory = Path(notes.get("postgres_directory", folder / "postgres"))
    pid = postmaster(directory)[0] or notes.get("postgres_pid")
    stop_left_behind("Postgres", pid, [f" -D {directory} "], signal.SIGINT)
    if "redis_port" in notes:
        stop_left_behind("Redis", notes.get("redis_pid"), [f" 127.0.0.1:{notes['redis_port']} "], signal.SIGTERM)


def forget(folder: Path) -> None:
    """Removes the stores' data, and what is remembered of them."""
    notes = Notes(folder)
    stop_earlier(folder, notes)
    if notes.get("stores") == "containers":
        remove_containers(folder, notes)
    directories = [folder / "postgres", folder / "redis"]
    if "postgres_directory" in notes:
        directories.append(Path(notes["postgres_directory"]))
    for directory in directories:
        for path in (directory, directory.with_name(directory.name + ".new")):
            if path.exists():
                shutil.rmtree(path)
    if directories[-1].parent == elsewhere(folder):
        directories[-1].parent.rmdir()
    notes.path.unlink(missing_ok=True)


# --- Private Postgres ---


def start_postgres(
    folder: Path, tools_dir: Path, notes: Notes, stores: Stores, database: str, connections: int
) -> None:
    account = unprivileged_account() if os.geteuid() == 0 else None
    directory = postgres_directory(folder, notes, account)
    programs = find_postgres(tools_dir, directory, account)
    log = folder / "logs" / "postgres.log"

    with step(f"Postgres: starting {version_of(programs / 'postgres')} in {directory}"):
        env = {**os.environ, **packages.debian_environment(programs / "postgres")}
        if not (directory / "PG_VERSION").exists():
            notes["password"] = secrets.token_hex(16)
            notes.save()
            create_cluster(programs, directory, account, env, notes["password"], database, log)
            stores.new_database = True
        elif "password" not in notes:  # stack.json was lost
            notes["password"] = secrets.token_hex(16)
            notes.save()
            statement = f"alter user chat password '{notes['password']}'"
            single_user(programs, directory, account, env, log, statement, problem="no new password could be set")
        port = notes.port("postgres")
        options = {
            "listen_addresses": "127.0.0.1",
            "port": port,
            "unix_socket_directories": "",  # TCP suffices, and paths of sockets are limited in length
            "max_connections": connections,
            "shared_buffers": "128MB",
            # As in production: an acknowledged commit is on disk.
            "fsync": "on",
            "synchronous_commit": "on",
            # Its log names what went wrong, not the values of rows.
            "log_error_verbosity": "terse",
            "logging_collector": "off",
        }
        arguments = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]

        def launch() -> Server:
            with signals_held():
                server = serve(
                    "Postgres",
                    [programs / "postgres", "-D", directory, *arguments],
                    number=signal.SIGINT,  # Postgres' fast shutdown
                    grace=3,
                    log=log,
                    env=env,
                    cwd=Path("/"),
                    account=account,
                )
                stores.servers.append(server)
                notes["postgres_pid"] = server.pid
                notes.save()
            until_ready(server, lambda: postmaster(directory) == (server.pid, "ready"))
            return server

        stores.private["postgres"] = Private(launch, launch(), directory, port)


def create_cluster(
    programs: Path,
    directory: Path,
    account: Optional[Account],
    env: Dict[str, str],
    password: str,
    database: str,
    log: Path,
) -> None:
    """Makes the data directory, complete or not at all, with the user `chat` and the database."""
    new = directory.with_name(directory.name + ".new")
    if new.exists():
        shutil.rmtree(new)
    new.mkdir(mode=0o700)
    handle, password_file = tempfile.mkstemp(prefix="chat-")
    try:
        with open(handle, "w", encoding="utf-8") as file:
            file.write(password + "\n")
        if account:
            os.chown(new, account.uid, account.gid)
            os.chown(password_file, account.uid, account.gid)
        initdb = [programs / "initdb", "-D", new, "-U", "chat", f"--pwfile={password_file}"]
        initdb += ["--auth=scram-sha-256", "--encoding=UTF8", f"--locale={best_locale()}"]
        run_as(account, initdb, env, log, problem="initdb failed")
    finally:
        os.unlink(password_file)
    statement = f"create database {database}"
    single_user(programs, new, account, env, log, statement, problem=f"the database {database} was not made")
    new.replace(directory)


def single_user(
    programs: Path,
    directory: Path,
    account: Optional[Account],
    env: Dict[str, str],
    log: Path,
    statement: str,
    *,
    problem: str,
) -> None:
    """Runs a statement on a stopped cluster: needs neither a client program nor a password."""
    command = [programs / "postgres", "--single", "-D", directory, "postgres"]
    run_as(account, command, env, log, problem=problem, text=f"{statement}\n")


def run_as(
    account: Optional[Account], command: list, env: Dict[str, str], log: Path, *, problem: str, text: str = ""
) -> None:
    output = open_log(log)
    user = {"user": account.uid, "group": account.gid, "extra_groups": []} if account else {}
    try:
        done = subprocess.run(
            [str(part) for part in command],
            input=text.encode(),
            stdout=output,
            stderr=output,
            env=env,
            cwd="/",
            start_new_session=True,
            check=False,
            **user,  # type: ignore[call-overload]
        )
    except OSError as error:
        raise Failure(f"{problem}: {error}") from error
    finally:
        os.close(output)
    if done.returncode != 0:
        raise Failure(f"{problem}\n{tail(log)}")


def best_locale() -> str:
    """One that knows all letters but favours no language."""
    known = {name.lower().replace("-", "") for name in (output_of(["locale", "-a"]) or "").split()}
    return next((name for name in LOCALES if name.lower().replace("-", "") in known), "C")


def unprivileged_account() -> Account:
    """Postgres refuses to run as root."""
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return Account(entry.pw_uid, entry.pw_gid)
    raise Failure("Postgres must not run as root, and there is neither an account postgres nor nobody to run it as")


def postgres_directory(folder: Path, notes: Notes, account: Optional[Account]) -> Path:
    if "postgres_directory" not in notes:
        notes["postgres_directory"] = str(open_place(folder, account) / "postgres")
        notes.save()
    return Path(notes["postgres_directory"])


def open_place(folder: Path, account: Optional[Account]) -> Path:
    """The folder itself, or one elsewhere when it is closed to the account, as root's home is."""
    if account is None or can_enter(folder, account):
        return folder
    place = elsewhere(folder)
    say(f"    {folder} is closed to the account that Postgres runs as: using {place}")
    place.mkdir(mode=0o755, exist_ok=True)
    made = place.lstat()
    if place.is_symlink() or made.st_uid != os.geteuid() or made.st_mode & 0o022:
        raise Failure(f"{place} exists but is not ours: remove it")
    return place


def elsewhere(folder: Path) -> Path:
    return Path("/var/tmp") / f"chat-{hashlib.sha256(str(folder).encode()).hexdigest()[:12]}"


def can_enter(folder: Path, account: Account) -> bool:
    entered = subprocess.run(
        ["/bin/sh", "-c", 'cd "$1"', "sh", str(folder)],
        cwd="/",
        stderr=subprocess.DEVNULL,
        user=account.uid,
        group=account.gid,
        extra_groups=[],
        check=False,
    )
    return entered.returncode == 0


def postmaster(directory: Path) -> Tuple[Optional[int], str]:
    """The process that serves a data directory and its state, as Postgres writes them into the directory."""
    try:
        lines = (directory / "postmaster.pid").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None, ""
    pid = int(lines[0]) if lines and lines[0].isdecimal() else None
    return pid, lines[7].strip() if len(lines) > 7 else ""


def find_postgres(tools_dir: Path, directory: Path, account: Optional[Account]) -> Path:
    """The folder with initdb and postgres, of the version that the data needs when there is data."""
    needed = (directory / "PG_VERSION").read_text().strip() if (directory / "PG_VERSION").exists() else None
    found = postgres_folders(tools_dir)
    if not found and packages.has_apt():
        tools_dir.mkdir(parents=True, exist_ok=True)
        place = open_place(tools_dir, account)
        packages.debian_packages(place, ["postgresql"])
        found = postgres_folders(place)
    if not found:
        raise Failure(
            "there is no Postgres: start Docker, install Postgres (for example `brew install postgresql@17`), "
            "or set DATABASE_URL to a running one"
        )
    for folder in found:
        if needed is None or re.search(rf"\b{re.escape(needed)}\.", version_of(folder / "postgres")):
            return folder
    raise Failure(
        f"the data in {directory} is of Postgres {needed}, which is not installed: install it, "
        "or start afresh with another DATA_DIR"
    )


def postgres_folders(tools_dir: Path) -> List[Path]:
    candidates = []
    on_path = shutil.which("postgres")
    if on_path:
        candidates += [Path(on_path).parent, Path(os.path.realpath(on_path)).parent]
    for place, pattern in (
        (Path("/usr/lib/postgresql"), "*/bin"),
        (Path("/usr"), "pgsql-*/bin"),
        *((homebrew, "postgresql*/bin") for homebrew in HOMEBREW),
        (tools_dir / "debian/usr/lib/postgresql", "*/bin"),
    ):
        candidates += sorted(place.glob(pattern), key=by_number, reverse=True)
    programs = ("initdb", "postgres")
    return [folder for folder in candidates if all(os.access(folder / name, os.X_OK) for name in programs)]


def by_number(path: Path) -> List[int]:
    return [int(digits) for digits in re.findall(r"\d+", str(path))]


def version_of(program: Path) -> str:
    """For example `PostgreSQL 17.2`."""
    words = (output_of([program, "--version"]) or "").replace("(", "").replace(")", "").split()
    return " ".join(words[1:3]) if len(words) > 2 else program.name


# --- Private Redis ---


def start_redis(folder: Path, tools_dir: Path, notes: Notes, stores: Stores, breakable: bool) -> None:
    program = find_redis(tools_dir)
    directory = folder / "redis"
    directory.mkdir(exist_ok=True)
    env = {**os.environ, **packages.debian_environment(program)}
    version = re.search(r"v=(\S+)", output_of([program, "--version"], env=env) or "")

    with step(f"Redis: starting {program.name} {version.group(1) if version else ''} in {directory}"):
        port = notes.port("redis")
        options = {
            "port": port,
            "bind": "127.0.0.1",
            "dir": directory,
            "daemonize": "no",
            "appendonly": "no" if breakable else "yes",
            "save": "",  # the append-only file suffices
            "maxmemory-policy": "noeviction",
            "databases": 256,  # one for each stack of a test run
        }
        arguments = [str(part) for name, value in options.items() for part in (f"--{name}", value)]

        def launch() -> Server:
            log = folder / "logs" / "redis.log"
            with signals_held():
                server = serve("Redis", [program, *arguments], log=log, env=env, cwd=directory)
                stores.servers.append(server)
                notes["redis_pid"] = server.pid
                notes.save()
            until_ready(server, lambda: redis_answers(port))
            return server

        stores.private["redis"] = Private(launch, launch(), directory, port)


def find_redis(tools_dir: Path) -> Path:
    program = installed_redis(tools_dir)
    if not program and packages.has_apt():
        packages.debian_packages(tools_dir, ["redis-server"])
        program = installed_redis(tools_dir)
    if not program:
        raise Failure(
            "there is no Redis: start Docker, install Redis (for example `brew install redis`), "
            "or set REDIS_URL to a running one"
        )
    return program


def redis_of_clusters(tools_dir: Path) -> Dict[str, str]:
    """The server that the stories make clusters of, also where Redis itself runs in a container."""
    try:
        program = find_redis(tools_dir)
    except Failure as failure:
        say(f"    the stories about clusters will fail: {failure}")
        return {}
    libraries = packages.debian_environment(program).get("LD_LIBRARY_PATH")
    found = {"TEST_REDIS_SERVER": str(program)}
    return {**found, "TEST_REDIS_LIBRARY_PATH": libraries} if libraries else found


def installed_redis(tools_dir: Path) -> Optional[Path]:
    names = ("redis-server", "valkey-server")
    on_path = [shutil.which(name) for name in names]
    candidates = [Path(path) for path in on_path if path]
    folders = [Path("/usr/bin"), Path("/usr/local/bin"), tools_dir / "debian/usr/bin"]
    folders += [homebrew / name / "bin" for homebrew in HOMEBREW for name in ("redis", "valkey")]
    candidates += [folder / name for folder in folders for name in names]
    return next((path for path in candidates if os.access(path, os.X_OK)), None)


def redis_answers(port: int, command: str = "PING", answer: str = "+PONG", timeout: float = 1) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=timeout) as connection:
            connection.sendall(f"{command}\r\n".encode())
            return connection.recv(64).startswith(answer.encode())
    except OSError:
        return False


def until_ready(server: Server, ready: Any) -> None:
    deadline = time.monotonic() + START_WITHIN
    while not ready():
        server.check()
        if time.monotonic() > deadline:
            shown = f"\n{tail(server.log)}" if server.log else ""
            raise Failure(f"{server.name} is not ready after {START_WITHIN} s{shown}")
        time.sleep(0.02)


# --- Containers ---


class Containers:
    """Postgres and Redis under Docker compose; watched and stopped like a server."""

    def __init__(self, compose: List[str], env: Dict[str, str], ports: List[int]):
        self.name = "the containers of Postgres and Redis"
        self.compose = compose
        self.env = env
        self.ports = ports
        self.next_check = time.monotonic()

    def check(self) -> None:
        if time.monotonic() < self.next_check:
            return
        self.next_check = time.monotonic() + 3
        for port in self.ports:
            if port_is_free(port):
                logs = output_of([*self.compose, "logs", "--tail", "20"], env=self.env) or ""
                raise Failure(f"a container stopped by itself: nothing answers on port {port}\n{logs}")

    def stop(self) -> None:
        if output_of([*self.compose, "down", "--timeout", "2"], timeout=20, env=self.env) is None:
            say(f"    `{' '.join(self.compose)} down` failed: containers may still run")


def compose_command(folder: Path) -> List[str]:
    project = f"chat-{hashlib.sha256(str(folder).encode()).hexdigest()[:12]}"
    return ["docker", "compose", "-f", str(COMPOSE_FILE), "-p", project]


def images() -> List[str]:
    return re.findall(r"^\s*image:\s*(\S+)", COMPOSE_FILE.read_text(encoding="utf-8"), re.MULTILINE)


def docker_answers() -> bool:
    host = os.environ.get("DOCKER_HOST", "unix://")  # ports and folders of another machine are of no use
    return (
        shutil.which("docker") is not None
        and host.startswith(("unix://", "npipe://"))
        and bool((output_of(["docker", "info", "--format", "{{.ServerVersion}}"], timeout=3) or "").strip())
        and output_of(["docker", "compose", "version"], timeout=3) is not None
    )


def containers_possible(folder: Path, tools_dir: Path) -> bool:
    if not docker_answers():
        return False
    try:
        for image in images():
            if output_of(["docker", "image", "inspect", image]) is None:
                with step(f"Docker: getting {image}"):
                    pull = ["docker", "pull", "--quiet", image]
                    run(pull, problem="no image", log=folder / "logs" / "docker.log", timeout=300)
    except Failure:
        say("    Docker cannot get the images: using servers of this machine instead")
        return False
    return True


def start_containers(
    folder: Path, notes: Notes, stores: Stores, wanted: List[str], database: str, connections: int
) -> None:
    if not docker_answers():
        raise Failure(
            f"the data in {folder} belongs to Docker containers, and Docker does not answer: start it, "
            "or use another DATA_DIR"
        )
    if "password" not in notes:
        notes["password"] = secrets.token_hex(16)
        notes.save()
    compose = compose_command(folder)
    env = compose_environment(folder, notes, database, connections)
    running = (output_of([*compose, "ps", "--quiet"], env=env) or "").strip()
    for name in () if running else wanted:
        notes.port(name)
    env = compose_environment(folder, notes, database, connections)
    stores.new_database = not (folder / "postgres").exists()
    with step(f"Docker: starting {' and '.join(wanted)}"):
        ports = [int(notes[f"{name}_port"]) for name in wanted]
        with signals_held():
            stores.servers.append(Containers(compose, env, ports))
        up = [*compose, "up", "--detach", "--wait", *wanted]
        run(up, problem="docker compose failed", env=env, log=folder / "logs" / "docker.log", timeout=180)


def compose_environment(folder: Path, notes: Notes, database: str, connections: int) -> Dict[str, str]:
    return {
        **os.environ,
        "STACK_DIR": str(folder),
        "POSTGRES_PORT": str(notes.get("postgres_port", 0)),
        "POSTGRES_PASSWORD": notes.get("password", "unknown"),
        "POSTGRES_DATABASE": database,
        "POSTGRES_CONNECTIONS": str(connections),
        "REDIS_PORT": str(notes.get("redis_port", 0)),
    }


def remove_containers(folder: Path, notes: Notes) -> None:
    """The containers, and their data, whose files belong to accounts of the containers."""
    if not docker_answers():
        raise Failure(f"the data in {folder} belongs to Docker containers, and Docker does not answer: start it")
    compose = compose_command(folder)
    log = folder / "logs" / "docker.log"
    env = compose_environment(folder, notes, "chat", 100)
    run([*compose, "down", "--timeout", "2"], problem="docker compose failed", env=env, log=log)
    remove = ["docker", "run", "--rm", "--user", "root", "--volume", f"{folder}:/stack", "--entrypoint", "rm"]
    run([*remove, images()[0], "-rf", "/stack/postgres", "/stack/redis"], problem="the data stays", log=log)
