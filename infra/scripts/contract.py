"""Holds a running stack against the OpenAPI document that it serves, with schemathesis.

Every operation of the document is asked, none is left out: with its examples, at the bounds of what its schemas allow,
with what was drawn within them and with what they do not allow, and in sequences of operations. `contract_hooks.py`
knows what there is to be asked about, `contract.toml` which checks are held, and why.
"""

from __future__ import annotations

import json
import os
import sys
import time
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any, Dict, List

import packages
from processes import Failure, run, say
from settings import Settings

SCHEMATHESIS = "4.32.5"
# Drawn by the same seed in each run; another seed or number of examples is given as arguments, which are schemathesis'.
DEFAULTS = {"--seed": "1", "--max-examples": "30", "--workers": "2"}
ENDS_WITHIN = 480
METHODS = ("get", "post", "put", "patch", "delete")

# Never through a proxy: it is always this machine that is asked.
HTTP = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def require_python() -> None:
    if sys.version_info < (3, 11):
        raise Failure("schemathesis needs Python 3.11 or newer; this is %d.%d" % sys.version_info[:2])


def check(settings: Settings, addresses: Dict[str, str], arguments: List[str], folder: Path) -> None:
    """Failure when an answer is not what the document says, or an operation never answered that it was done."""
    program = packages.python_tool(settings.tools_dir, "schemathesis", SCHEMATHESIS, "schemathesis")
    url = addresses["url"].rstrip("/")
    # Given as a file: what schemathesis loads from the stack itself, it does not test.
    copy = folder / "openapi.json"
    try:
        with HTTP.open(f"{url}/openapi.json", timeout=60) as response:
            copy.write_bytes(response.read())
        document = json.loads(copy.read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        raise Failure(f"the stack does not serve its document: {problem}") from problem
    statuses = folder / "contract-statuses.json"
    statuses.unlink(missing_ok=True)

    arguments = [part for argument in arguments for part in argument.split("=", 1)]
    given = set(arguments)
    defaults = [part for name, value in DEFAULTS.items() if name not in given for part in (name, value)]
    options = [*defaults, *arguments]
    here = Path(__file__).resolve().parent
    tool_path = packages.python_tool_environment(program).get("PYTHONPATH")
    env = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, (str(here), tool_path))),
        "PYTHONDONTWRITEBYTECODE": "1",
        "SCHEMATHESIS_HOOKS": "contract_hooks",
        "CONTRACT_URL": url,
        "CONTRACT_CONSOLE_URL": addresses["console_url"],
        "CONTRACT_STATUSES": str(statuses),
        "CONTRACT_SEED": dict(zip(options, options[1:]))["--seed"],
    }
    command = [program, "--config-file", here / "contract.toml", "run", copy, "--url", url, *options]
    began = time.monotonic()
    failure = None
    try:
        run(command, problem="schemathesis found failures", env=env, cwd=folder, timeout=ENDS_WITHIN)
    except Failure as problem:
        failure = problem
    seen = json.loads(statuses.read_text(encoding="utf-8")) if statuses.exists() else {}
    never = summed_up(document, seen)
    say(f"{sum(sum(counts.values()) for counts in seen.values())} requests in {time.monotonic() - began:.0f} s")
    if failure:
        raise failure
    if never:
        raise Failure(f"these never answered that they were done: {', '.join(never)}")


def summed_up(document: Dict[str, Any], seen: Dict[str, Dict[str, int]]) -> List[str]:
    """Tells which statuses each operation answered with; those that never succeeded."""
    operations = [
        f"{method.upper()} {path}" for path, item in document["paths"].items() for method in item if method in METHODS
    ]
    never = []
    width = max(map(len, operations))
    for operation in operations:
        counts = Counter({int(status): count for status, count in seen.get(operation, {}).items()})
        told = "  ".join(f"{status}: {counts[status]}" for status in sorted(counts))
        if not any(200 <= status < 400 for status in counts):
            never.append(operation)
            told = f"{told}  never done"
        say(f"  {operation:<{width}}  {told}")
    return never
