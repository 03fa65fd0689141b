"""What the code asks for: read out of the sources, so that the templates are held against that."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Dict, FrozenSet, List, Set, Tuple

from stacks import ROOT

# Lambda gives these to every function; a template may not.
OF_LAMBDA = {
    "AWS_REGION",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_LAMBDA_FUNCTION_NAME",
}
CALL = re.compile(r"\b(?:(?P<type>[A-Z]\w*)::)?(?P<name>[a-z_]\w*)\b(?:\)?\(|\)|\?|,)")
SETTING = re.compile(r"\b(?P<reader>\w+)\(\s*\"(?P<name>[A-Z][A-Z0-9_]+)\"")
FUNCTION = re.compile(r"^(?P<indent> *)(?:pub(?:\(\w+\))? )?(?:async )?fn (?P<name>\w+)")
OPERATION = re.compile(r"#\[utoipa::path\(\s*(\w+|method\([\w, ]+\)),\s*path = \"([^\"]+)\"")
IMPL = re.compile(r"^impl(?:<[^>]*>)? (?P<type>\w+)")

# What of `shared::config` each part of the library reads, beside what a function's own sources read. A test holds that
# nothing else in the library reads settings.
OF_TELEMETRY = ("Logging::from_env", "Traces::from_env")
OF_APP = ("Stores::from_env", "throttles", "email_verification_required")
OF_NEED = {
    "Tokens": ("Tokens::from_env",),
    "Push": ("Push::from_env",),
    "FanOut": ("Push::of_fan_out",),
    "MailJobs": ("mail_function",),
    "Mailer": ("Mail::from_env",),
}
# Which functions ask a throttle that stands in the library, where many might.
THROTTLES_OF_DOMAINS = {
    "messages": {"history", "graphql", "ws-message"},
    "commands": {"ws-message"},
    "clients": {"auth"},
    "login": {"auth"},
    "anonymous": {"auth", "conversations", "history", "graphql"},
    "user": {"auth", "conversations", "history", "graphql"},
}


@dataclass
class Reads:
    """Which settings a function of `shared::config` reads."""

    required: Set[str] = field(default_factory=set)
    optional: Set[str] = field(default_factory=set)
    calls: Set[str] = field(default_factory=set)


@dataclass
class Function:
    """What a function's sources ask for."""

    name: str
    needs: FrozenSet[str]
    has_stores: bool
    required: Set[str]
    optional: Set[str]
    throttles: Set[str]


def text(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def without_comments(source: str) -> str:
    return re.sub(r"//[^\n]*", "", source)


def config_readers(source: str) -> Dict[str, Reads]:
    """The functions of `shared::config` by name, a method's with its type."""
    found: Dict[str, Reads] = {}
    owner = current = ""
    for line in without_comments(source).splitlines():
        if line.startswith("impl"):
            owner = IMPL.match(line).group("type")  # type: ignore[union-attr]
        elif line.startswith("}"):
            owner = ""
        declared = FUNCTION.match(line)
        if declared:
            name = declared.group("name")
            current = f"{owner}::{name}" if owner and declared.group("indent") else name
            found[current] = Reads()
            continue
        if not current:
            continue
        reads = found[current]
        for setting in SETTING.finditer(line):
            (reads.required if setting.group("reader") == "required" else reads.optional).add(setting.group("name"))
        for call in CALL.finditer(line):
            kind = call.group("type")
            kind = owner if kind == "Self" else kind
            reads.calls.add(f"{kind}::{call.group('name')}" if kind else call.group("name"))
    return found


def settings_of(readers: Dict[str, Reads], calls: Set[str]) -> Tuple[Set[str], Set[str]]:
    """What these functions of `shared::config` read, with all that they call: what must be there, and what may."""
    required: Set[str] = set()
    optional: Set[str] = set()
    todo, seen = list(calls), set()  # type: Tuple[List[str], Set[str]]
    while todo:
        call = todo.pop()
        if call in seen or call not in readers:
            continue
        seen.add(call)
        required |= readers[call].required
        optional |= readers[call].optional
        todo += readers[call].calls
    return required - OF_LAMBDA, optional - required - OF_LAMBDA


def config_calls(source: str) -> Set[str]:
    """What a source asks of `shared::config`."""
    return set(re.findall(r"\bconfig::((?:[A-Z]\w*::)?[a-z_]\w*)\b", without_comments(source)))


def names() -> List[str]:
    return sorted(path.parent.name for path in ROOT.glob("functions/*/Cargo.toml"))


def sources_of(name: str) -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted(ROOT.glob(f"functions/{name}/src/**/*.rs")))


def functions() -> Dict[str, Function]:
    """All functions by name."""
    readers = config_readers(text("shared/src/config.rs"))
    return {name: function(name, readers) for name in names()}


def function(name: str, readers: Dict[str, Reads]) -> Function:
    source = without_comments(sources_of(name))
    calls = config_calls(source)
    unknown = calls - set(readers)
    if unknown:
        raise ValueError(f"{name} asks shared::config for {sorted(unknown)}, which is not found there")
    if "telemetry::init" in source:
        calls.update(OF_TELEMETRY)
    app = re.search(r"App::from_env\(&\[(.*?)\]\)", source, re.DOTALL)
    needs = frozenset(re.findall(r"Need::(\w+)", app.group(1))) if app else frozenset()
    if app:
        calls.update(OF_APP)
        for need in needs:
            calls.update(OF_NEED[need])
    required, optional = settings_of(readers, calls)
    throttles = throttles_of(name, source)
    optional = {setting for setting in optional if not setting.startswith("THROTTLE_")} | throttles
    return Function(name, needs, "DATABASE_URL" in required, required, optional, throttles)


def throttles_of(name: str, source: str) -> Set[str]:
    asked = set(re.findall(r"\bthrottles\s*\.\s*(\w+)", source))
    asked |= {throttle for throttle, askers in THROTTLES_OF_DOMAINS.items() if name in askers}
    return {f"THROTTLE_{throttle.upper()}" for throttle in asked}


def operations() -> Dict[Tuple[str, str], str]:
    """Which function has each operation in its router, by method and path: `#[utoipa::path]` says so in its sources."""
    found: Dict[Tuple[str, str], str] = {}
    for name in names():
        for methods, path in OPERATION.findall(sources_of(name)):
            for method in re.findall(r"\w+", methods.replace("method(", "")):
                found[(method.upper(), path)] = name
    return found


def documented() -> Set[Tuple[str, str]]:
    """The operations of the published document."""
    document = json.loads(text("functions/web/documents/openapi.json"))
    methods = {"get", "put", "post", "patch", "delete", "options", "head", "trace"}
    return {(method.upper(), path) for path, item in document["paths"].items() for method in item if method in methods}
