"""The workflows and the compose files: against their schemas, and by Compose itself where it is there."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Dict, List

import packages
from processes import output_of, run, say, step
from settings import ROOT, Settings, shown

CHECK_JSONSCHEMA = "0.36.0"  # the last for Python 3.9
WORKFLOWS = ROOT / ".github" / "workflows"
COMPOSE = ROOT / "infra" / "compose.yaml"
COMPOSE_OF_STORES = ROOT / "infra" / "compose.stores.yaml"
SCHEMAS = ("vendor.github-workflows", "custom.github-workflows-require-timeout")
PROFILES: List[List[str]] = [[], ["--profile", "stack"]]
# What nobody may start the stack without.
FILLED_IN = {"POSTGRES_PASSWORD": "check", "REDIS_PASSWORD": "check", "JWT_KEYS": '{"keys":[]}'}
OF_STORES = {
    "STACK_DIR": "/nowhere",
    "POSTGRES_PORT": "1",
    "POSTGRES_PASSWORD": "check",
    "POSTGRES_DATABASE": "check",
    "POSTGRES_CONNECTIONS": "1",
    "REDIS_PORT": "2",
}


def check(settings: Settings) -> None:
    program = packages.python_tool(settings.tools_dir, "check-jsonschema", CHECK_JSONSCHEMA, "check-jsonschema")
    env = {**os.environ, **packages.python_tool_environment(program)}
    with step("Workflows and compose files: their schemas"):
        files = sorted(WORKFLOWS.glob("*.yml"))
        for schema in SCHEMAS:
            command = [program, "--builtin-schema", schema, *files]
            run(command, problem="a workflow is not what GitHub takes", env=env, cwd=ROOT)
        command = [program, "--builtin-schema", "vendor.compose-spec", COMPOSE, COMPOSE_OF_STORES]
        run(command, problem="a compose file is not what Compose takes", env=env, cwd=ROOT)
    compose = find_compose()
    if not compose:
        say("    Compose is not installed: that it reads the compose files is not checked")
        return
    with step(f"Compose files: read by {' '.join(compose)}"):
        read(compose, COMPOSE_OF_STORES, OF_STORES, [])
        for profile in PROFILES:
            read(compose, COMPOSE, FILLED_IN, profile)


def find_compose() -> List[str]:
    if output_of(["docker", "compose", "version"]) is not None:
        return ["docker", "compose"]
    return ["docker-compose"] if shutil.which("docker-compose") else []


def read(compose: List[str], file: Path, values: Dict[str, str], profile: List[str]) -> None:
    with tempfile.NamedTemporaryFile("w", prefix="chat-", suffix=".env", encoding="utf-8") as env_file:
        env_file.writelines(f"{name}={value}\n" for name, value in values.items())
        env_file.flush()
        known = {name: value for name, value in os.environ.items() if name not in {*FILLED_IN, *OF_STORES}}
        command = [*compose, "--env-file", env_file.name, "-f", file, *profile, "config", "--quiet"]
        run(command, problem=f"Compose does not read {shown(file)} {' '.join(profile)}".rstrip(), env=known, cwd=ROOT)
