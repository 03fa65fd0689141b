"""Stands in for `cargo run` under `cargo lambda watch`, which calls it for each process of each function.

All of these processes are started anew by any change of the sources, at the same time. Here they take turns, and each
function is built once per change, so that what the compiler says is shown once. While the sources do not compile,
functions run as they were built last. Cargo gets the user's environment, so that it finds what `make build` has built,
and a function gets the one that it has in Lambda.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Dict, List, Tuple

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("Cargo.toml", "Cargo.lock", "functions", "shared")
EVERY_FUNCTION = "*"


def main(folder: Path, arguments: List[str]) -> None:
    # Inherited from cargo lambda, and open as long as the stack runs.
    threading.Thread(target=end_with, args=(os.dup(0),), daemon=True).start()
    watch = json.loads((folder / "watch.json").read_text(encoding="utf-8"))
    name = arguments[arguments.index("--bin") + 1]
    with open(folder / "lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        build_once(folder / "built.json", name, [watch["cargo"], "build", *arguments[1:]])
    of_lambda = {key: value for key, value in os.environ.items() if key.startswith("AWS_LAMBDA_")}
    of_lambda.pop("AWS_LAMBDA_MAX_CONCURRENCY", None)  # which Lambda sets only where a process has several invocations
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    binary = os.path.join(watch["binaries"], name)
    try:
        os.execve(binary, [binary], {**watch["environment"], **of_lambda})
    except FileNotFoundError:
        sys.exit(f"{name} was never built")


def end_with(pipe: int) -> None:
    """Ends this process when the pipe does, and the compiler with it."""
    while os.read(pipe, 1024):
        pass
    os.killpg(0, signal.SIGKILL)


def build_once(notes: Path, name: str, command: List[str]) -> None:
    """Builds a function unless that was tried since the last change of the sources."""
    sources = fingerprint()
    tried: Dict[str, str] = json.loads(notes.read_text(encoding="utf-8")) if notes.exists() else {}
    if sources in (tried.get(name), tried.get(EVERY_FUNCTION)):
        return
    said, status = run(command)
    tried[name] = sources
    if status == 0:
        pass
    elif f"could not compile `{name}`" in said:
        print(f"{name} runs as it was built last", file=sys.stderr, flush=True)
    else:  # something that all of them need
        print("The functions run as they were built last", file=sys.stderr, flush=True)
        tried[EVERY_FUNCTION] = sources
    new = notes.with_name("built.json.new")
    new.write_text(json.dumps(tried), encoding="utf-8")
    new.replace(notes)


def fingerprint() -> str:
    """Changes with the sources."""
    digest = hashlib.sha256()
    for source in SOURCES:
        path = ROOT / source
        for file in [path, *sorted(path.rglob("*"))]:
            with contextlib.suppress(FileNotFoundError):  # editors come and go with files of their own
                about = file.lstat()
                digest.update(f"{file}\0{about.st_mtime_ns}\0{about.st_size}\0".encode())
    return digest.hexdigest()


def run(command: List[str]) -> Tuple[str, int]:
    """Runs cargo, passing on what it says if that is more than that all is built; returns that and its status."""
    if sys.stderr.isatty():
        command = ["always" if part == "auto" else part for part in command]
    cargo = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=ROOT)
    said: List[str] = []
    for line in cargo.stderr or ():
        text = line.decode(errors="replace")
        if said or not ("Finished" in text or "waiting for file lock on package cache" in text):
            said.append(text)
            sys.stderr.write(text)
            sys.stderr.flush()
    return "".join(said), cargo.wait()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
