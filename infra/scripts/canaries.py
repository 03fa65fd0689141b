"""Looks in the logs of the last test run for the secrets that its stories made or were given, and for their like.

The stories write their secrets down beside the logs. To see that the search finds anything, one secret of each kind is
first planted into a log. A secret is never printed, only its kind and the file.
"""

import sys

sys.dont_write_bytecode = True

import json
import random
import re
import time
from pathlib import Path
from typing import Dict, Iterable, List, Optional, Set, Tuple
from urllib.parse import quote

from processes import Failure, say
from settings import shown, target_dir

SHORTEST = 12  # characters of a secret, as the stories keep to
GRAM = 8  # bytes by which a secret is first looked for
STEP = SHORTEST - GRAM + 1  # in any 12 bytes, one of the grams that begin at every fifth byte lies whole
LIKENESSES = {
    "access token": re.compile(rb"eyJ[\w-]{8,}\.[\w-]"),
    "e-mail address": re.compile(rb"[\w.+-]@[\w-]+(?:\.[\w-]+)*\.[A-Za-z]{2}"),
    "bearer credential": re.compile(rb"Bearer \S"),
    "URL with a password": re.compile(rb"://[^\s/\"@]*:[^\s/\"@]+@"),
}

Findings = Set[Tuple[Path, str]]
Planted = Dict[Path, Tuple[int, Set[str]]]  # in which log, how long that was before, and of which kinds


class Canaries:
    """All secrets, by the grams of their last bytes: what stories say often begins alike."""

    def __init__(self, secrets: Dict[str, str]) -> None:
        self.by_gram: Dict[bytes, List[Tuple[bytes, str]]] = {}
        for secret, kind in secrets.items():
            for form in forms(secret):
                tail = form[-SHORTEST:]
                for start in range(STEP):
                    self.by_gram.setdefault(tail[start : start + GRAM], []).append((form, kind))

    def kinds_in(self, text: bytes) -> Set[str]:
        """The kinds of all secrets in the text."""
        grams = {text[at : at + GRAM] for at in range(0, len(text), STEP)}
        suspects = {suspect for gram in grams & self.by_gram.keys() for suspect in self.by_gram[gram]}
        kinds = {kind for form, kind in suspects if form in text}
        return kinds | {kind for kind, pattern in LIKENESSES.items() if pattern.search(text)}

    def search(self, logs: Iterable[Path]) -> Findings:
        return {(log, kind) for log in logs for kind in self.kinds_in(log.read_bytes())}


def forms(secret: str) -> Set[bytes]:
    """A secret as it is, as it stands in JSON and as it stands in an address."""
    in_json = (json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1])
    return {form.encode() for form in (secret, *in_json, quote(secret, safe=""))}


def read_secrets(folder: Path) -> Dict[str, str]:
    """Each secret with its kind."""
    secrets = {}
    for path in folder.glob("*-canaries.jsonl"):
        for line in path.read_text(encoding="utf-8").splitlines():
            kind, secret = json.loads(line)
            if len(secret) < SHORTEST:
                raise Failure(f"{shown(path)} has a secret too short to look for")
            secrets.setdefault(secret, kind)
    if not secrets:
        raise Failure(f"no story wrote a secret down in {shown(folder)}: run `make test` first")
    return secrets


def find_logs(folder: Path) -> List[Path]:
    """What the gateways and the functions wrote."""
    logs = [path for pattern in ("*/*.jsonl", "*/*.stderr") for path in folder.glob(pattern)]
    if not any(log.stat().st_size for log in logs):
        raise Failure(f"there are no logs in {shown(folder)}: run `make test` first")
    return sorted(logs)


def plant(secrets: Dict[str, str], canaries: Canaries, logs: List[Path], planted: Planted) -> None:
    """Appends a secret of each kind to a log of its own."""
    for kind in sorted(set(secrets.values())):
        secret = random.choice([secret for secret in secrets if secrets[secret] == kind])
        # It may be of more kinds than one, such as a message with an address in it.
        kinds = canaries.kinds_in(secret.encode()) | {kind}
        log = random.choice([log for log in logs if log not in planted])
        planted[log] = (log.stat().st_size, kinds)
        with open(log, "ab") as file:
            file.write(json.dumps({"planted": secret}).encode() + b"\n")


def check(folder: Path) -> None:
    secrets, logs = read_secrets(folder), find_logs(folder)
    canaries = Canaries(secrets)

    planted: Planted = {}
    try:
        plant(secrets, canaries, logs, planted)
        found = canaries.search(logs)
    finally:
        for log, (length, _) in planted.items():
            with open(log, "r+b") as file:
                file.truncate(length)
    expected = {(log, kind) for log, (_, kinds) in planted.items() for kind in kinds}
    if expected - found:
        raise Failure("the search does not find what was planted: " + ", ".join(named(expected - found)))

    leaked = canaries.search(logs)
    if leaked:
        raise Failure("secrets are in the logs:\n  " + "\n  ".join(named(leaked)))
    if found != expected:
        raise Failure("the search finds more than was planted: " + ", ".join(named(found - expected)))
    size = sum(log.stat().st_size for log in logs) / 1e6
    say(f"{len(planted)} secrets planted and found; none of {len(secrets)} is in {len(logs)} logs of {size:.1f} MB")


def named(findings: Findings) -> List[str]:
    return sorted(f"{kind} in {shown(log)}" for log, kind in findings)


def main(arguments: Optional[List[str]] = None) -> int:
    folder = Path(arguments[0]) if arguments else target_dir() / "release" / "stack-logs"
    started = time.monotonic()
    try:
        check(folder)
    except Failure as failure:
        print(f"error: {failure}", file=sys.stderr, flush=True)
        return 1
    say(f"Searched in {time.monotonic() - started:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
