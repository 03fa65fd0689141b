"""The stack on AWS: deployed, deleted and given its first admin by the SAM CLI, from what samconfig.toml says of it.

What would only fail after minutes of building is found out before: missing tools, credentials and parameters.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional, Pattern, Tuple

import packages
from processes import Failure, output_of, run, say, step
from settings import ROOT, TEMPLATE, Settings, shown
from templates import SAM_CLI

CARGO_LAMBDA = "1.9.2"
ZIGLANG = "0.15.2"  # cargo-lambda would take any; with this one it was tried
CONFIG = ROOT / "samconfig.toml"
BUILT = ROOT / ".aws-sam" / "build"
TARGETS = {"arm64": "aarch64-unknown-linux-gnu", "x86_64": "x86_64-unknown-linux-gnu"}
LAMBDA_LIMIT = 250 * 1024 * 1024  # unzipped, of one function
GIVEN = "PARAMETER_"
API_GATEWAY_HOST = ".execute-api."
# The proxy and the cache are called after the stack, and take no more.
NAME = r"[a-z](?:-?[a-z0-9])*"

Ask = Callable[[str], str]


@dataclass(frozen=True)
class Question:
    """A parameter that the first deploy asks for."""

    parameter: str
    text: str
    form: Pattern[str]
    default: Callable[[Dict[str, str]], str] = lambda _: ""
    """What an empty answer means, given the answers before."""
    optional: bool = False
    """Whether - is an answer, for none."""
    applies: Callable[[Dict[str, str]], bool] = lambda _: True


def address_of(sender: str) -> str:
    """The bare address of `Chat <chat@example.com>`."""
    found = re.search(r"<([^<>]+)>\s*$", sender)
    return found.group(1) if found else sender.strip()


def is_domain(identity: str) -> bool:
    return bool(identity) and "@" not in identity


ADDRESS = r"[^@<>\s]+@[^@<>\s]+\.[^@<>\s]+"
DOMAIN = r"(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}"
QUESTIONS = (
    Question(
        "Size",
        "Small for a team, Production for more",
        re.compile(r"Small|Production"),
        default=lambda _: "Small",
    ),
    Question(
        "MailFrom",
        "The sender of mails, for example Chat <chat@example.com>",
        re.compile(rf"{ADDRESS}|[^<>]*<{ADDRESS}>"),
    ),
    Question(
        "MailIdentity",
        "What SES is to verify: the address (it is sent a link), its domain (by DNS records), or - when it is verified already",
        re.compile(rf"{ADDRESS}|{DOMAIN}"),
        default=lambda given: address_of(given["MailFrom"]),
        optional=True,
    ),
    Question(
        "DomainName",
        "The domain of the web client and the HTTP API, or - for one of API Gateway's",
        re.compile(DOMAIN),
        default=lambda _: "-",
        optional=True,
    ),
    Question(
        "WebSocketDomainName",
        "The domain of the WebSocket API, or - for one of API Gateway's",
        re.compile(DOMAIN),
        default=lambda given: f"ws.{given['DomainName']}",
        optional=True,
        applies=lambda given: bool(given.get("DomainName")),
    ),
    Question(
        "HostedZoneId",
        "The Route 53 zone that gets the records of the domains and of mail, or - when you make them",
        re.compile(r"Z[A-Z0-9]+"),
        default=lambda _: "-",
        optional=True,
        applies=lambda given: bool(given.get("DomainName")) or is_domain(given.get("MailIdentity", "")),
    ),
    Question(
        "CertificateArn",
        "The ARN of a certificate of ACM in this region for both domains, or - to have one made",
        re.compile(r"arn:aws[a-z-]*:acm:[a-z0-9-]+:\d{12}:certificate/\S+"),
        default=lambda _: "-",
        optional=True,
        applies=lambda given: bool(given.get("DomainName") and given.get("HostedZoneId")),
    ),
    Question(
        "CertificateArn",
        "The ARN of a certificate of ACM in this region for both domains",
        re.compile(r"arn:aws[a-z-]*:acm:[a-z0-9-]+:\d{12}:certificate/\S+"),
        applies=lambda given: bool(given.get("DomainName") and not given.get("HostedZoneId")),
    ),
    Question(
        "AlarmEmail",
        "Who is mailed alarms, or - for nobody",
        re.compile(ADDRESS),
        default=lambda _: "-",
        optional=True,
    ),
    Question(
        "MonthlyBudget",
        "The USD per month, of the whole account, near which that address is told, or 0",
        re.compile(r"\d+"),
        default=lambda _: "0",
        applies=lambda given: bool(given.get("AlarmEmail")),
    ),
    Question(
        "ReservedConcurrency",
        "Whether to reserve concurrency, on or off; off in a new account, whose limit of 10 allows none",
        re.compile(r"on|off"),
        default=lambda _: "on",
    ),
)
# Without these no stack is made, whatever the template's defaults.
NEEDED = ("Size", "MailFrom")


def terminal() -> Optional[Ask]:
    """How to ask, when somebody is there."""
    return input if sys.stdin.isatty() and not os.environ.get("CI") else None


# --- samconfig.toml ---


class Config:
    """samconfig.toml, as far as it is ours: tables of strings, changed line by line so that comments stay."""

    HEADER = re.compile(r"^\[([A-Za-z0-9_.-]+)\]\s*(?:#.*)?$")
    ENTRY = re.compile(r"^([A-Za-z0-9_-]+)\s*=\s*(\S.*)$")
    BASIC = re.compile(r'^"(?:[^"\\]|\\.)*"')

    def __init__(self, path: Path):
        self.path = path
        try:
            self.lines = path.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            self.lines = ["version = 0.1"]

    def table(self, name: str) -> Optional[Dict[str, str]]:
        """The table's values: strings as such, whatever else as it is written; None when there is no such table."""
        bounds = self._bounds(name)
        if bounds is None:
            return None
        values = {}
        for line in self.lines[slice(*bounds)]:
            entry = self.ENTRY.match(line.strip())
            if entry:
                values[entry.group(1)] = self._value(entry.group(2))
        return values

    def set(self, name: str, key: str, value: str) -> None:
        """Sets a string, in a new table when need be."""
        line = f"{key} = {json.dumps(value, ensure_ascii=False)}"
        bounds = self._bounds(name)
        if bounds is None:
            self.lines += ["", f"[{name}]", line]
            return
        start, end = bounds
        for position in range(start, end):
            entry = self.ENTRY.match(self.lines[position].strip())
            if entry and entry.group(1) == key:
                self.lines[position] = line
                return
        while end > start and (not self.lines[end - 1].strip() or self.lines[end - 1].startswith("#")):
            end -= 1  # what stands before the next table belongs to that
        self.lines.insert(end, line)

    def add(self, name: str, lines: List[str]) -> None:
        self.lines += ["", f"[{name}]", *lines]

    def save(self) -> None:
        new = self.path.with_name(self.path.name + ".new")
        new.write_text("\n".join(self.lines) + "\n", encoding="utf-8")
        os.replace(new, self.path)

    def _bounds(self, name: str) -> Optional[Tuple[int, int]]:
        """The first line after the table's header, and the line of the next header."""
        start = None
        for position, line in enumerate(self.lines):
            header = self.HEADER.match(line.strip())
            if header and start is not None:
                return start, position
            if header and header.group(1) == name:
                start = position + 1
        return None if start is None else (start, len(self.lines))

    def _value(self, text: str) -> str:
        basic = self.BASIC.match(text)
        if basic:
            return str(json.loads(basic.group(0)))
        if text.startswith("'"):
            return text[1 : text.index("'", 1)]
        return text


@dataclass
class Target:
    """One stack as samconfig.toml describes it."""

    env: str
    config: Config

    @property
    def table(self) -> str:
        return f"{self.env}.deploy.parameters"

    @property
    def options(self) -> Dict[str, str]:
        return self.config.table(self.table) or {}

    @property
    def stack(self) -> str:
        return self.options["stack_name"]

    @property
    def region(self) -> str:
        return self.options.get("region") or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or ""

    def parameters(self) -> Dict[str, str]:
        """What samconfig.toml says, and over it what the environment gives for this once."""
        named = self.config.table(f"{self.table}.parameter_overrides") or {}
        given = {name[len(GIVEN) :]: value for name, value in os.environ.items() if name.startswith(GIVEN)}
        declared = parameters_of(TEMPLATE)
        for source, names in ((shown(self.config.path), named), ("the environment", given)):
            unknown = sorted(name for name in names if name not in declared)
            if unknown:
                raise Failure(f"{source} sets {', '.join(unknown)}, which {shown(TEMPLATE)} does not have")
        return {**named, **given}

    def remember(self, parameter: str, value: str) -> None:
        self.config.set(f"{self.table}.parameter_overrides", parameter, value)
        self.config.save()


def parameters_of(template: Path) -> Dict[str, bool]:
    """The names of a template's parameters, and whether each has a default."""
    parameters: Dict[str, bool] = {}
    inside, name = False, ""
    for line in template.read_text(encoding="utf-8").splitlines():
        if re.match(r"^\w", line):
            inside = line.startswith("Parameters:")
        found = re.match(r"^  (\w+):(.*)$", line) if inside else None
        if found:
            name = found.group(1)
            parameters[name] = "Default:" in found.group(2)
        elif inside and name and re.match(r"^    Default:", line):
            parameters[name] = True
    return parameters


def target_of(arguments: List[str], ask: Optional[Ask]) -> Target:
    """The stack of ENV; a new ENV is written down when somebody says that it is meant."""
    env = next((argument for argument in arguments if argument and not argument.startswith("--")), "default")
    if not re.fullmatch(rf"(?=.{{1,31}}$){NAME}", env):
        raise Failure(f"ENV must be lower-case letters and digits, single hyphens between them, at most 31; it is {env}")
    target = Target(env, Config(CONFIG))
    table = target.config.table(target.table)
    if table is None:
        if ask is None:
            raise Failure(f"{shown(CONFIG)} has no section for ENV={env}: deploy it once from a terminal, which makes one")
        if not agreed(ask, f"There is no {env} in {shown(CONFIG)} yet. Make one?"):
            raise Failure("nothing was changed")
        stack = f"chat-{env}"
        model = target.config.table("default.deploy.parameters") or {}
        own = {"stack_name": stack, "s3_prefix": stack, "tags": f"Application=chat Stack={stack}"}
        lines = [f"{name} = {json.dumps(value)}" for name, value in own.items()]
        lines += [f"{name} = {value}" for name, value in model.items() if name not in own and name != "region"]
        target.config.add(target.table, lines)
    elif "parameter_overrides" in table:
        raise Failure(
            f"{shown(CONFIG)} has the parameters of {env} in one line, as `sam deploy --guided` writes them: "
            f"make them a table [{target.table}.parameter_overrides]"
        )
    elif not re.fullmatch(rf"(?=.{{1,38}}$){NAME}", table.get("stack_name", "")):
        raise Failure(
            f"{shown(CONFIG)} gives {env} no stack_name that all services take: lower-case letters and digits, single hyphens "
            "between them, at most 38"
        )
    return target


# --- The tools ---


@dataclass(frozen=True)
class Sam:
    """The pinned SAM CLI, and the Python that finds its modules in this environment."""

    program: Path
    python: str
    env: Dict[str, str]

    def command(self, *arguments: str) -> List[str]:
        return [str(self.program), *arguments]

    def answer(self, *arguments: str, text: str = "") -> subprocess.CompletedProcess:
        """What a short command says."""
        try:
            return subprocess.run(
                self.command(*arguments), input=text, capture_output=True, text=True, env=self.env, cwd=ROOT, timeout=300
            )
        except subprocess.TimeoutExpired:
            raise Failure(f"`sam {arguments[0]}` did not end within 5 minutes") from None


def find_sam(settings: Settings) -> Sam:
    program = packages.python_tool(settings.tools_dir, "aws-sam-cli", SAM_CLI, "sam")
    env = {**os.environ, **packages.python_tool_environment(program), "SAM_CLI_TELEMETRY": "0"}
    return Sam(program, packages.python_of(program.parent.parent)[0], env)


def with_compilers(settings: Settings, sam: Sam, architecture: str) -> Sam:
    """The SAM CLI that also finds cargo-lambda and zig, the cross compiler that cargo-lambda links with."""
    if shutil.which("cargo") is None:
        raise Failure("cargo is missing: install Rust as https://rustup.rs tells, then start again")
    add_rust_target(TARGETS[architecture])
    cargo_lambda = packages.python_tool(settings.tools_dir, "cargo-lambda", CARGO_LAMBDA, "cargo-lambda", "--no-deps")
    home = packages.python_package(settings.tools_dir, "ziglang", ZIGLANG)
    zig = next((path for path in sorted(home.glob("**/ziglang/zig*")) if path.name in ("zig", "zig.exe")), None)
    if zig is None:
        raise Failure(f"ziglang {ZIGLANG} brought no zig; see {settings.tools_dir / 'ziglang.log'}")
    path = f"{cargo_lambda.parent}{os.pathsep}{sam.env.get('PATH', '')}"
    return Sam(sam.program, sam.python, {**sam.env, "PATH": path, "CARGO_ZIGBUILD_ZIG_PATH": str(zig)})


def add_rust_target(target: str) -> None:
    sysroot = (output_of(["rustc", "--print", "sysroot"], timeout=300) or "").strip()
    if sysroot and (Path(sysroot) / "lib/rustlib" / target / "lib").exists():
        return
    problem = f"Rust cannot build for {target}"
    if shutil.which("rustup") is None:
        raise Failure(f"{problem}: its standard library for that is missing, and there is no rustup to add it")
    run(["rustup", "target", "add", target], problem=problem, cwd=ROOT)


# --- make bootstraps ---


def bootstraps(settings: Settings, arguments: List[str]) -> None:
    """Builds the functions for Lambda as a deploy does, and lists how large they are."""
    architecture = next((argument for argument in arguments if argument), "arm64")
    if architecture not in TARGETS:
        raise Failure(f"ARCHITECTURE must be one of {', '.join(TARGETS)}; it is {architecture}")
    with parameters_file({"Architecture": architecture}) as overrides:
        build(with_compilers(settings, find_sam(settings), architecture), overrides)
    list_bootstraps()


def build(sam: Sam, overrides: List[str]) -> None:
    with step("Functions: building"):
        # One after the other: they share cargo's target folder, and cargo uses all cores by itself.
        command = sam.command("build", "--template", str(TEMPLATE), *overrides)
        run(command, problem="the build failed", env=sam.env, cwd=ROOT)


def list_bootstraps() -> None:
    sizes = {path.parent.name: path.stat().st_size for path in sorted(BUILT.glob("*/bootstrap"))}
    if not sizes:
        raise Failure(f"the build left no function in {shown(BUILT)}")
    for name, size in sizes.items():
        say(f"    {name:<28}{size / 2**20:6.1f} MiB")
    say(f"    {len(sizes)} functions, {sum(sizes.values()) / 2**20:.1f} MiB")
    too_large = [name for name, size in sizes.items() if size > LAMBDA_LIMIT]
    if too_large:
        raise Failure(f"too large for Lambda: {', '.join(too_large)}")


@contextlib.contextmanager
def parameters_file(parameters: Dict[str, str]) -> Iterator[List[str]]:
    """The option that gives parameters by a file that only its owner may read: in a command line anybody may."""
    if not parameters:
        yield []
        return
    handle, name = tempfile.mkstemp(prefix="chat-parameters-", suffix=".yaml")
    try:
        with open(handle, "w", encoding="utf-8") as file:
            json.dump(parameters, file, ensure_ascii=False)  # which is YAML too
        yield ["--parameter-overrides", f"file://{name}"]
    finally:
        os.unlink(name)


# --- make deploy ---


def deploy(settings: Settings, arguments: List[str], ask: Optional[Ask]) -> None:
    target = target_of(arguments, ask)
    choose_region(target, ask)
    sam = find_sam(settings)
    outputs = outputs_of(sam, target)
    complete(target, ask, new=not outputs)
    parameters = target.parameters()
    check(parameters, outputs, target)
    settle_public_url(target, outputs or {})
    parameters = target.parameters()

    sam = with_compilers(settings, sam, parameters.get("Architecture", "arm64"))
    with parameters_file(parameters) as overrides:
        build(sam, overrides)
    deploy_built(sam, target)
    outputs = outputs_of(sam, target) or {}
    if settle_public_url(target, outputs):
        # The HTTP API's address is known only now, and its own functions cannot refer to it.
        say(f"==> A second pass tells the functions their address, {outputs['HttpUrl']}")
        deploy_built(sam, target)
        outputs = outputs_of(sam, target) or {}
    announce(target, outputs)


def choose_region(target: Target, ask: Optional[Ask]) -> None:
    """The region is written down on the first deploy, so that no later one goes elsewhere."""
    if target.options.get("region"):
        return
    region = target.region
    if ask is not None:
        region = answered(ask, "The AWS region", re.compile(r"[a-z]{2}(-[a-z]+)+-\d"), region)
        target.config.set(target.table, "region", region)
        target.config.save()
    elif not region:
        raise Failure(f"no region: set region in [{target.table}] of {shown(CONFIG)}, or AWS_REGION")


def outputs_of(sam: Sam, target: Target) -> Optional[Dict[str, str]]:
    """The stack's outputs, none when making it has failed; None when there is no stack. Refused without credentials."""
    region = ("--region", target.region)
    answer = sam.answer("list", "stack-outputs", "--stack-name", target.stack, *region, "--output", "json")
    if answer.returncode == 0:
        return {output["OutputKey"]: output["OutputValue"] for output in json.loads(answer.stdout)}
    said = answer.stderr.strip().splitlines()
    problem = said[-1] if said else f"exit status {answer.returncode}"
    if "does not exist on Cloudformation" in problem:
        return None
    if "Outputs do not exist" in problem:
        say(f"    there is a stack {target.stack} already, which was never made completely; `make destroy` removes it")
        return {}
    raise Failure(
        f"AWS cannot be asked about the stack {target.stack} in {target.region}: {problem.replace('Error: ', '')}\n"
        "Sign in first: `aws sso login`, or set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    )


def complete(target: Target, ask: Optional[Ask], *, new: bool) -> None:
    """Asks for what a new stack needs and writes it down; an old one keeps what it was given."""
    given = target.parameters()
    declared = parameters_of(TEMPLATE)
    needed = [name for name in declared if name in NEEDED or not declared[name]]
    missing = [name for name in needed if not given.get(name)]
    if not new or not missing:
        return
    if ask is None:
        names = ", ".join(missing)
        raise Failure(
            f"a new stack needs {names}: set it in [{target.table}.parameter_overrides] of {shown(CONFIG)}, "
            f"or as {GIVEN}{missing[0]} in the environment, or deploy from a terminal, which asks"
        )
    say(f"The stack {target.stack} is new. An empty answer takes what stands in brackets; answers go to {shown(CONFIG)}.")
    for question in QUESTIONS:
        if question.parameter in declared and question.parameter not in given and question.applies(given):
            answer = answered(ask, question.text, question.form, question.default(given), optional=question.optional)
            given[question.parameter] = answer
            target.config.set(f"{target.table}.parameter_overrides", question.parameter, answer)
    target.config.save()
    if not agreed(ask, f"Deploy {target.stack} to {target.region} now? Building takes minutes, the stores half an hour."):
        raise Failure(f"nothing was deployed; your answers are in {shown(CONFIG)}")


def answered(ask: Ask, text: str, form: Pattern[str], default: str, *, optional: bool = False) -> str:
    """A valid answer; empty for - where that is one."""
    while True:
        try:
            answer = ask(f"{text} [{default}]: " if default else f"{text}: ").strip() or default
        except EOFError:
            raise Failure("nobody answered; nothing was deployed") from None
        if optional and answer == "-":
            return ""
        if form.fullmatch(answer):
            return answer
        say(f"    {answer} cannot be it" if answer else "    it has no default")


def agreed(ask: Ask, question: str) -> bool:
    try:
        return ask(f"{question} [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        return False


def check(parameters: Dict[str, str], outputs: Optional[Dict[str, str]], target: Target) -> None:
    """What CloudFormation would refuse only after the build."""
    for question in QUESTIONS:
        value = parameters.get(question.parameter)
        if value and not question.form.fullmatch(value):
            raise Failure(f"{question.parameter} cannot be {value!r}: {question.text}")
    architecture = parameters.get("Architecture", "arm64")
    if architecture not in TARGETS:
        raise Failure(f"Architecture must be one of {', '.join(TARGETS)}; it is {architecture}")
    if outputs:
        return  # an old stack has more than what is given here
    domain = parameters.get("DomainName") or parameters.get("WebSocketDomainName")
    if domain and not parameters.get("CertificateArn") and not parameters.get("HostedZoneId"):
        raise Failure(
            f"{domain} needs a CertificateArn, or a HostedZoneId to have a certificate made: set one for {target.env} in "
            f"{shown(CONFIG)}"
        )
    if parameters.get("MonthlyBudget", "0") != "0" and not parameters.get("AlarmEmail"):
        raise Failure("a MonthlyBudget needs an AlarmEmail, which is told")


def settle_public_url(target: Target, outputs: Dict[str, str]) -> bool:
    """Writes down the address that API Gateway gave, where there is no domain; whether that is news to the functions."""
    parameters = target.parameters()
    if parameters.get("DomainName") or parameters.get("PublicUrl") or not outputs.get("HttpUrl"):
        return False
    target.remember("PublicUrl", outputs.get("PublicUrl") or outputs["HttpUrl"])
    return True


def deploy_built(sam: Sam, target: Target) -> None:
    parameters = target.parameters()
    if "Release" in parameters_of(TEMPLATE):
        parameters["Release"] = release(parameters)
    with step(f"Stack {target.stack}: deploying to {target.region}"), parameters_file(parameters) as overrides:
        command = sam.command("deploy", "--config-file", str(CONFIG), "--config-env", target.env)
        command += ["--region", target.region, "--no-confirm-changeset", *overrides]
        if os.environ.get("EXECUTION_ROLE_ARN"):  # what CloudFormation does it with, in place of the caller's own rights
            command += ["--role-arn", os.environ["EXECUTION_ROLE_ARN"]]
        problem = (
            "the deployment failed; the events above say why. CloudFormation goes back to what was before; a new stack that "
            f"is left in ROLLBACK_COMPLETE or ROLLBACK_FAILED has to go first: `make destroy ENV={target.env}`"
        )
        run(command, problem=problem, env=sam.env, cwd=ROOT)


def release(parameters: Dict[str, str]) -> str:
    """A digest of what was built and of the parameters: versions of functions are made anew when it is another."""
    digest = hashlib.sha256()
    for path in sorted(path for path in BUILT.rglob("*") if path.is_file()):
        digest.update(f"{path.relative_to(BUILT)}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\0".encode())
    for name in sorted(parameters):
        if name != "Release":
            digest.update(f"{name}={parameters[name]}\0".encode())
    return digest.hexdigest()


def announce(target: Target, outputs: Dict[str, str]) -> None:
    parameters = target.parameters()
    url = outputs.get("PublicUrl") or parameters.get("PublicUrl") or outputs.get("HttpUrl", "")
    lines = ["", f"The chat backend is deployed: {target.stack} in {target.region}"]
    facts = (
        ("Web client", url),
        ("HTTP API", url),
        ("WebSocket", outputs.get("WebSocketUrl", "")),
        ("Dashboard", outputs.get("DashboardUrl", "")),
        ("Costs", outputs.get("MonthlyFloor", "")),
    )
    lines += [f"  {name:<11} {value}" for name, value in facts if value]
    lines += ["Next:"]
    if parameters.get("MailIdentity"):
        identity = parameters["MailIdentity"]
        how = "open the link that SES sends to" if "@" in identity else "add the DNS records that the console of SES shows for"
        lines.append(f"  {how} {identity}; a new account may mail to verified addresses only")
    if parameters.get("AlarmEmail"):
        lines.append(f"  confirm the subscription to alarms that {parameters['AlarmEmail']} is asked for")
    lines.append(f"  make admin ENV={target.env} EMAIL=you@example.com makes the first admin")
    say("\n".join([*lines, ""]))


# --- make destroy ---


def destroy(settings: Settings, arguments: List[str], ask: Optional[Ask]) -> None:
    """Deletes the stack when its name is typed, and its data only when that is said besides."""
    target = target_of(arguments, ask)
    if ask is None:
        raise Failure("deleting a stack asks for its name: do it from a terminal")
    if not target.region:
        raise Failure(f"no region: {shown(CONFIG)} has none for {target.env}, so nothing was deployed from here; set AWS_REGION")
    sam = find_sam(settings)
    if outputs_of(sam, target) is None:
        raise Failure(f"there is no stack {target.stack} in {target.region}")
    say(
        f"This deletes the stack {target.stack} in {target.region}: the APIs, the functions, the network, the cache and the "
        "database.\nWhat stays, and may cost: the database's final snapshot, whatever else the templates retain (the ring of keys, "
        "the role by which API Gateway writes logs), and the packages in the bucket of the SAM CLI."
    )
    typed(ask, "Type the stack's name to delete it", target.stack)
    if "--delete-data" not in arguments:
        say("The database is protected from deletion. Without that protection it goes; its final snapshot stays.")
        typed(ask, "Type `delete data` to take the protection away", "delete data")
    with step("Database: taking the protection away"):
        command = [sam.python, Path(__file__).with_name("unprotect.py"), target.stack, target.region]
        run(command, problem="the database stays protected", env=sam.env, cwd=ROOT)
    with step(f"Stack {target.stack}: deleting"):
        command = sam.command("delete", "--stack-name", target.stack, "--region", target.region, "--no-prompts")
        problem = "the stack was not deleted completely; its events in CloudFormation's console say why"
        run(command, problem=problem, env=sam.env, cwd=ROOT)
    # The next stack has another address.
    if API_GATEWAY_HOST in (target.config.table(f"{target.table}.parameter_overrides") or {}).get("PublicUrl", ""):
        target.remember("PublicUrl", "")
    say(f"{target.stack} is gone.")


def typed(ask: Ask, question: str, wanted: str) -> None:
    try:
        answer = ask(f"{question}: ").strip()
    except EOFError:
        answer = ""
    if answer != wanted:
        raise Failure("that is not it; nothing was deleted")


# --- make admin ENV=… ---


def appoint(settings: Settings, env: str, appointment: Dict[str, Any]) -> Dict[str, Any]:
    """Asks the function that makes admins, which only who may invoke it reaches."""
    target = target_of([env], None)
    if not target.region:
        raise Failure(f"no region: {shown(CONFIG)} has none for {env}; set AWS_REGION")
    sam = find_sam(settings)
    where = ("--stack-name", target.stack, "--region", target.region)
    # The event goes through a pipe: a password in a command line anybody on this machine may read.
    event = json.dumps({"admin": appointment})
    answer = sam.answer("remote", "invoke", "MigrateFunction", *where, "--event-file", "-", text=event)
    lines = answer.stdout.strip().splitlines()
    try:
        said = json.loads(lines[-1]) if answer.returncode == 0 and lines else None
    except ValueError:
        said = None
    if not isinstance(said, dict) or "errorMessage" in said:
        problem = (answer.stderr.strip().splitlines() or ["it did not answer"])[-1]
        raise Failure(f"the function that makes admins failed: {problem}")
    return said
