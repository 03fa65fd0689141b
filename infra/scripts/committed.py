"""What must not be committed: keys, files of settings, and large files. Names of files are the arguments."""

import re
import sys
from pathlib import Path
from typing import List, Optional

LARGEST = 1024 * 1024
SETTINGS = re.compile(r"(^|/)(\.env|compose\.env|credentials|id_(rsa|ecdsa|ed25519)|jwt-keys\.json)$")
KEYS = (
    ("a private key", re.compile(rb"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----\s+[A-Za-z0-9+/=]{40}")),
    ("a key of AWS", re.compile(rb"\b(?:AKIA|ASIA)[A-Z2-7]{16}\b(?<!EXAMPLE)")),
    ("a key that signs tokens", re.compile(rb'"kty"\s*:\s*"oct"[^{}]{0,200}"k"\s*:\s*"[A-Za-z0-9_-]{43}"')),
)


def problem_of(path: Path) -> Optional[str]:
    if SETTINGS.search(path.as_posix()):
        return "holds settings or keys of one machine"
    if path.is_symlink() or not path.is_file():
        return None
    if path.stat().st_size > LARGEST:
        return f"is larger than {LARGEST // 1024} KiB"
    content = path.read_bytes()
    return next((f"holds {what}" for what, form in KEYS if form.search(content)), None)


def main(names: List[str]) -> int:
    found = [(name, problem_of(Path(name))) for name in names]
    for name, problem in found:
        if problem:
            print(f"{name} {problem}", file=sys.stderr)
    return 1 if any(problem for _, problem in found) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
