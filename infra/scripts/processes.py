"""Child processes: shown as steps, started in groups of their own, watched, and stopped in order.

A Ctrl-C in the terminal thus reaches only the parent, which stops its children one after another. On Linux the
kernel also stops them when the parent is killed; elsewhere the next start finds what was left behind.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Iterator, List, Optional, Sequence, Union

Command = Sequence[Union[str, Path]]

TAIL_LINES = 25
LARGEST_LOG = 20 * 1024 * 1024
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None) if sys.platform.startswith("linux") else None


class Failure(Exception):
    """Something the user can act on: shown as a sentence, without a traceback."""


class Interrupted(BaseException):
    """A Ctrl-C, SIGTERM or SIGHUP; not an Exception, so that nothing on the way swallows it."""

    def __init__(self, number: int):
        super().__init__(number)
        self.number = number


# --- What the user sees ---


def say(text: str) -> None:
    try:
        print(text, flush=True)
    except BrokenPipeError:  # the reader of our output left; stopping in order still matters
        pass


@contextlib.contextmanager
def step(text: str) -> Iterator[None]:
    """Shows a step, and how long it took when that was noticeable."""
    say(f"==> {text}")
    started = time.monotonic()
    yield
    elapsed = time.monotonic() - started
    if elapsed >= 2:
        say(f"    done in {duration(elapsed)}")


def duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


# --- Signals ---

_holding = False
_pending: Optional[int] = None


def _on_signal(number: int, _frame: object) -> None:
    global _pending
    if _holding:
        _pending = number
    else:
        raise Interrupted(number)


def catch_signals() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _on_signal)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # keep what nohup asked for
        signal.signal(signal.SIGHUP, _on_signal)


@contextlib.contextmanager
def signals_held() -> Iterator[None]:
    """Puts a signal off, so that no child is started and then forgotten, and stopping is not cut short."""
    global _holding, _pending
    before, _holding = _holding, True
    try:
        yield
    finally:
        _holding = before
        if _pending is not None and not _holding:
            number, _pending = _pending, None
            raise Interrupted(number)


# --- Commands that end ---


def run(
    command: Command,
    *,
    problem: str,
    env: Optional[dict] = None,
    cwd: Optional[Path] = None,
    log: Optional[Path] = None,
    timeout: Optional[float] = None,
) -> None:
    """Runs a command to its end, its output visible unless `log` is given; Failure when it did not succeed."""
    output = open_log(log) if log else None
    try:
        with signals_held():
            child = spawn(command, env=env, cwd=cwd, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        status = wait(child, timeout=timeout, patience=log is not None)
    finally:
        if output:
            os.close(output)
    if status != 0:
        shown = f"\n{tail(log)}" if log else ""
        raise Failure(f"{problem} ({describe_status(status)}){shown}")


def output_of(
    command: Command, *, timeout: float = 10, env: Optional[dict] = None, show_errors: bool = False
) -> Optional[str]:
    """What a short command prints, or None when it fails, is missing or takes too long."""
    try:
        done = subprocess.run(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=None if show_errors else subprocess.DEVNULL,
            timeout=timeout,
            env=env,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode(errors="replace") if done.returncode == 0 else None


def wait(child: subprocess.Popen, *, timeout: Optional[float] = None, patience: bool = False) -> int:
    """Waits for a child, showing with `patience` that a silent one is still at work; ends it on any exception."""
    started = reported = time.monotonic()
    try:
        while True:
            try:
                return child.wait(timeout=1)
            except subprocess.TimeoutExpired:
                now = time.monotonic()
                if timeout and now - started > timeout:
                    raise Failure(f"no end after {duration(timeout)}: {child.args}") from None
                if patience and now - reported >= 10:
                    reported = now
                    say(f"    still working, {duration(now - started)}")
    except BaseException:
        end(child)
        raise


def end(child: subprocess.Popen, number: int = signal.SIGTERM, grace: float = 3) -> None:
    """Stops a child and, when it is slow, its whole group."""
    send(child.pid, number, group=True)
    try:
        child.wait(timeout=grace)
    except subprocess.TimeoutExpired:
        pass
    send(child.pid, signal.SIGKILL, group=True)  # also what the child itself left in its group
    child.wait()


def describe_status(status: int) -> str:
    if status >= 0:
        return f"exit status {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"


# --- Servers ---


class Server:
    """A child that should run until it is stopped."""

    def __init__(self, name: str, child: subprocess.Popen, *, number: int, grace: float, log: Optional[Path] = None):
        self.name = name
        self.child = child
        self.number = number
        self.grace = grace
        self.log = log

    @property
    def pid(self) -> int:
        return self.child.pid

    def check(self) -> None:
        status = self.child.poll()
        if status is not None:
            shown = f"\n{tail(self.log)}" if self.log else "; its last words are above"
            raise Failure(f"{self.name} stopped by itself ({describe_status(status)}){shown}")

    def wait_until_listening(self, port: int, within: float) -> None:
        deadline = time.monotonic() + within
        while port_is_free(port):
            self.check()
            if time.monotonic() > deadline:
                raise Failure(f"{self.name} is not ready after {duration(within)}")
            time.sleep(0.05)

    def stop(self) -> None:
        if self.child.poll() is None:
            send(self.pid, self.number)
            try:
                self.child.wait(timeout=self.grace)
            except subprocess.TimeoutExpired:
                say(f"    {self.name} did not stop within {duration(self.grace)} and was killed")
        send(self.pid, signal.SIGKILL, group=True)
        self.child.wait()


def serve(
    name: str,
    command: Command,
    *,
    number: int = signal.SIGTERM,
    grace: float = 2,
    log: Optional[Path] = None,
    env: Optional[dict] = None,
    cwd: Optional[Path] = None,
    account: Optional[Account] = None,
    stdin: Optional[int] = subprocess.DEVNULL,
    stdout: Optional[int] = None,
) -> Server:
    """Starts a server; with a log file its output goes there, never into a pipe that could fill up."""
    output = open_log(log) if log else None
    try:
        child = spawn(
            command,
            env=env,
            cwd=cwd,
            stdin=stdin,
            stdout=output if log else stdout,
            stderr=output,
            account=account,
            parent_death=number,
        )
    finally:
        if output:
            os.close(output)
    return Server(name, child, number=number, grace=grace, log=log)


class Account:
    """The system account a child runs as."""

    def __init__(self, uid: int, gid: int):
        self.uid = uid
        self.gid = gid


def spawn(
    command: Command,
    *,
    account: Optional[Account] = None,
    parent_death: int = signal.SIGTERM,
    **options: object,
) -> subprocess.Popen:
    def stop_with_parent() -> None:
        if LIBC is not None:
            LIBC.prctl(PR_SET_PDEATHSIG, int(parent_death))

    if account is not None:
        options.update(user=account.uid, group=account.gid, extra_groups=[])
    try:
        return subprocess.Popen(
            [str(part) for part in command],
            start_new_session=True,
            preexec_fn=stop_with_parent,
            **options,  # type: ignore[arg-type]
        )
    except OSError as error:
        raise Failure(f"cannot start {command[0]}: {error}") from error


def stop_left_behind(name: str, pid: Optional[int], marks: Sequence[str], number: int) -> None:
    """Stops a server of an earlier start that was killed before it could; `marks` prove that the pid is still it."""
    if not pid or not all(mark in command_of(pid) for mark in marks):
        return
    say(f"    {name} of an earlier start is still there (pid {pid}): stopping it")
    send(pid, number)
    for patience in (10.0, 2.0):
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            if not all(mark in command_of(pid) for mark in marks):
                return
            time.sleep(0.05)
        send(pid, signal.SIGKILL)
    raise Failure(f"{name} of an earlier start (pid {pid}) does not stop")


def command_of(pid: int) -> str:
    """The command line of a process, its parts separated by blanks; empty when there is none."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        if Path("/proc/self").exists():
            return ""
    return (output_of(["ps", "-o", "command=", "-p", str(pid)]) or "").strip() + " "


def send(pid: int, number: int, *, group: bool = False) -> None:
    try:
        os.killpg(pid, number) if group else os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        pass  # gone, or (macOS) nothing but a zombie left


# --- Logs ---


def open_log(path: Path) -> int:
    """A descriptor that appends to a log; a log that has grown large makes room first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > LARGEST_LOG:
        path.replace(path.with_name(path.name + ".1"))
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)


def tail(path: Path) -> str:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 64 * 1024))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        lines = []
    shown: List[str] = [f"    the end of {path}:"]
    return "\n".join(shown + [f"    | {line}" for line in lines[-TAIL_LINES:]])


# --- Ports ---


def port_is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            return False
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """A port below those that systems hand out to outgoing connections, so that it stays free between starts."""
    for port in random.SystemRandom().sample(range(20000, 32000), 200):
        if port_is_free(port):
            return port
    raise Failure("no free port between 20000 and 32000")
