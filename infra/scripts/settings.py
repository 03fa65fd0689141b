"""Settings: read from the environment or from the file .env in the project's root, the environment winning."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Optional

from processes import Failure

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "template.yaml"

THROTTLES = (
    "THROTTLE_MESSAGES",
    "THROTTLE_SIGNUP",
    "THROTTLE_LOGIN",
    "THROTTLE_CONVERSATIONS",
    "THROTTLE_READS",
    "THROTTLE_ANONYMOUS",
    "THROTTLE_USER",
    "THROTTLE_CLIENTS",
    "THROTTLE_COMMANDS",
)
OF_THE_FUNCTIONS = (
    "ENVIRONMENT",
    "PUBLIC_URL",
    "ALLOWED_ORIGINS",
    "LOG_LEVEL",
    "METRICS_TOKEN",
    "METRICS_NAMESPACE",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_HEADERS",
    "OTEL_TRACES_SAMPLER_ARG",
    "DATABASE_URL",
    "DATABASE_CA",
    "REDIS_URL",
    "REDIS_CA",
    "JWT_KEYS",
    "MAIL_FROM",
    "EMAIL_VERIFICATION",
    *THROTTLES,
)
# What the template says of the stores is true on AWS alone.
LOCAL_STORES = {
    "DATABASE_CA": "public",
    "DATABASE_IAM": "false",
    "DATABASE_SECRET": "",
    "DATABASE_ROLE": "",
    "REDIS_CA": "public",
    "REDIS_IAM_CACHE": "",
}
# What only a deployment needs: here migrations and the keys' rotation are commands.
LEFT_OUT = ("Migration", "KeyRotation")
# The larger size reserves more for each function than this machine has processes, and an account's limits are not its own.
PARAMETERS = ("Size=Production", "ApiRate=1000000", "ApiBurst=1000000")
OF_THE_STACK = ("PORT", "CONSOLE_PORT", "DATA_DIR", "CONCURRENCY", "TOOLS_DIR")
OF_THE_TESTS = ("TEST_MODE", "TEST_SEED", "TEST_BROWSER")
MODES = ("hosted", "strict", "cargo-lambda")
BROWSERS = ("hidden", "visible")
# What Lambda gives every function; here it only has to be there, and must not be the user's own.
LOCAL_CREDENTIALS = {
    "AWS_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "local",
    "AWS_SECRET_ACCESS_KEY": "local",
    "AWS_SESSION_TOKEN": "local",
}
WINDOW = re.compile(r"[1-9][0-9]*/([1-9][0-9]*)")


@dataclass(frozen=True)
class Settings:
    port: int
    console_port: int
    concurrency: int
    data_dir: Path
    tools_dir: Path
    database_url: Optional[str]
    redis_url: Optional[str]
    functions: Dict[str, str]
    """What was set of the functions' own variables."""
    test_mode: str
    """How the gateway runs the functions of the stories."""
    test_seed: Optional[int]
    """What strict mode draws by."""
    test_browser: str
    """Whether somebody watches the stories in a browser."""

    @property
    def logs_dir(self) -> Path:
        return self.data_dir / "logs"


def load() -> Settings:
    known = (*OF_THE_STACK, *OF_THE_FUNCTIONS, *OF_THE_TESTS)
    given = {name: value for name, value in read_file(ROOT / ".env").items() if name in known}
    given.update({name: os.environ[name] for name in known if name in os.environ})
    given = {name: value.strip() for name, value in given.items() if value.strip()}

    for name in THROTTLES:
        value = given.get(name, "off")
        windows = [WINDOW.fullmatch(window.strip()) for window in value.split(",")]
        if value != "off" and not all(window and int(window.group(1)) <= 86_400 for window in windows):
            raise Failure(f"{name} must be <count>/<seconds>, several separated by commas, or off; it is {value}")

    data_dir = Path(os.path.realpath(ROOT / os.path.expanduser(given.get("DATA_DIR", ".local"))))
    tools_dir = given.get("TOOLS_DIR")
    settings = Settings(
        port=number(given, "PORT", 8080, 65535),
        console_port=number(given, "CONSOLE_PORT", 8081, 65535),
        concurrency=number(given, "CONCURRENCY", 4, 1000),
        data_dir=data_dir,
        tools_dir=Path(os.path.realpath(ROOT / os.path.expanduser(tools_dir))) if tools_dir else data_dir / "tools",
        database_url=given.get("DATABASE_URL"),
        redis_url=given.get("REDIS_URL"),
        functions={name: given[name] for name in OF_THE_FUNCTIONS if name in given},
        test_mode=given.get("TEST_MODE", MODES[0]),
        test_seed=number(given, "TEST_SEED", 1, 2**32) if "TEST_SEED" in given else None,
        test_browser=given.get("TEST_BROWSER", BROWSERS[0]),
    )
    if settings.test_mode not in MODES:
        raise Failure(f"TEST_MODE must be one of {', '.join(MODES)}; it is {settings.test_mode}")
    if settings.test_browser not in BROWSERS:
        raise Failure(f"TEST_BROWSER must be one of {', '.join(BROWSERS)}; it is {settings.test_browser}")
    if settings.port == settings.console_port:
        raise Failure(f"PORT and CONSOLE_PORT are both {settings.port}: give them different values")
    return settings


def number(given: Dict[str, str], name: str, default: int, largest: int) -> int:
    value = given.get(name, str(default))
    if not value.isdecimal() or not 1 <= int(value) <= largest:
        raise Failure(f"{name} must be a number from 1 to {largest}; it is {value}")
    return int(value)


def read_file(path: Path) -> Dict[str, str]:
    """KEY=VALUE lines; blank lines and lines that start with # are skipped, one pair of quotes is taken off."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    values = {}
    for position, line in enumerate(lines, start=1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        name, equals, value = line.partition("=")
        name, value = name.strip(), value.strip()
        if name.startswith("export "):
            name = name[len("export ") :].strip()
        if not equals or not name.isidentifier():
            raise Failure(f"{path.name}, line {position}: not of the form KEY=VALUE")
        if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
            value = value[1:-1]
        values[name] = value
    return values


def without_settings() -> Dict[str, str]:
    """The environment less every setting: what tests and benchmarks start from, so that they are repeatable."""
    known = (*OF_THE_STACK, *OF_THE_FUNCTIONS, *OF_THE_TESTS)
    return {name: value for name, value in os.environ.items() if name not in known}


def target_dir() -> Path:
    """Where cargo builds."""
    return ROOT / os.environ.get("CARGO_TARGET_DIR", "target")


def shown(path: Path) -> str:
    """A path as the user would write it."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
