"""`make deploy`, `make destroy` and `make admin ENV=…`, with a SAM CLI that only writes down what it is asked."""

import contextlib
import io
import json
import os
import re
import stat
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Any, Dict, List, Optional
from unittest import mock

import click
import tomlkit
from samcli.cli.cli_config_file import ConfigProvider
from samcli.cli.types import CfnParameterOverridesType, CfnTags
from samcli.commands.build.command import cli as real_build
from samcli.commands.delete.command import cli as real_delete
from samcli.commands.deploy.command import cli as real_deploy
from samcli.commands.list.exceptions import NoOutputsForStackError, StackDoesNotExistInRegionError
from samcli.commands.list.stack_outputs.command import cli as real_stack_outputs
from samcli.commands.remote.invoke.cli import cli as real_invoke
from samcli.yamlhelper import yaml_parse

from stacks import ROOT

sys.path.insert(0, str(ROOT / "infra" / "scripts"))

import deploy  # noqa: E402
from processes import Failure  # noqa: E402
from settings import Settings  # noqa: E402

SAM = '''#!{python}
import json, os, pathlib, sys
state_file = pathlib.Path({state!r})
state = json.loads(state_file.read_text())
arguments = sys.argv[1:]
call = {{"arguments": arguments, "path": os.environ["PATH"], "zig": os.environ.get("CARGO_ZIGBUILD_ZIG_PATH")}}
for argument in arguments:
    if argument.startswith("file://"):
        file = pathlib.Path(argument[7:])
        call["parameters"] = json.loads(file.read_text())
        call["mode"] = file.stat().st_mode & 0o777
if "--event-file" in arguments:
    call["event"] = json.loads(sys.stdin.read())
state["calls"].append(call)
code = 0
if arguments[:2] == ["list", "stack-outputs"]:
    if state["refusal"]:
        print("Botocore Exception : ...\\n" + state["refusal"], file=sys.stderr)
        code = 1
    else:
        print(json.dumps([{{"OutputKey": k, "OutputValue": v, "Description": ""}} for k, v in state["outputs"].items()]))
elif arguments[0] == "build":
    code = state["build"]
    if code == 0:
        folder = pathlib.Path({built!r}) / "AuthFunction"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "bootstrap").write_bytes(state["code"].encode())
elif arguments[0] == "deploy":
    code = state["deploy"]
    if code == 0:
        public = call["parameters"].get("PublicUrl", "")
        domain = call["parameters"].get("DomainName", "")
        state["outputs"] = {{**state["made"], "PublicUrl": "https://" + domain if domain else public}}
        state["refusal"] = ""
elif arguments[0] == "delete":
    code = state["delete"]
elif arguments[:2] == ["remote", "invoke"]:
    print("logs of the function", file=sys.stderr)
    print(json.dumps(state["answer"]))
state_file.write_text(json.dumps(state))
sys.exit(code)
'''
BOTO3 = '''
import json, os, pathlib
RESOURCES = {
    "chat": [("AWS::CloudFormation::Stack", "stores"), ("AWS::SQS::Queue", "queue")],
    "stores": [("AWS::RDS::DBInstance", "db"), ("AWS::RDS::DBInstance", None)],
    "aurora": [("AWS::RDS::DBCluster", "cluster"), ("AWS::RDS::DBInstance", "one")],
}
class Client:
    def get_paginator(self, name):
        assert name == "list_stack_resources"
        return self
    def paginate(self, StackName):
        yield {"StackResourceSummaries": [
            {"ResourceType": kind, "ResourceStatus": "CREATE_COMPLETE", **({"PhysicalResourceId": name} if name else {})}
            for kind, name in RESOURCES[StackName]
        ]}
    def __getattr__(self, name):
        def call(**arguments):
            with open(os.environ["FAKE_BOTO3_LOG"], "a") as log:
                log.write(json.dumps([name, arguments]) + "\\n")
        return call
def client(name, region_name):
    assert region_name == "eu-west-1", region_name
    return Client()
'''
MADE = {
    "HttpUrl": "https://abc.execute-api.eu-west-1.amazonaws.com",
    "WebSocketUrl": "wss://def.execute-api.eu-west-1.amazonaws.com/ws",
    "DashboardUrl": "https://console.aws.amazon.com/dashboard",
    "MonthlyFloor": "USD 1 a month",
}
CONFIG = '''# A comment.
version = 0.1

[default.deploy.parameters]
stack_name = "chat"
capabilities = ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]
resolve_s3 = true

# A comment on what follows.
[default.deploy.parameters.parameter_overrides]
Size = "Small" # the cheapest

[small.deploy.parameters]
stack_name = "chat-small"
'''
NOT_THERE = "Error: " + str(StackDoesNotExistInRegionError("chat", "eu-west-1").message)
NEVER_MADE = "Error: " + str(NoOutputsForStackError("chat", "eu-west-1").message)
REAL = {
    "build": real_build,
    "deploy": real_deploy,
    "delete": real_delete,
    "list": real_stack_outputs,
    "remote": real_invoke,
}


class Terminal:
    """Somebody who answers by what is asked, and otherwise takes the default."""

    def __init__(self, **answers: str):
        self.answers = answers
        self.asked: List[str] = []

    def __call__(self, question: str) -> str:
        self.asked.append(question)
        for part, answer in self.answers.items():
            if part.replace("_", " ") in question:
                return answer
        return ""


FIRST = {"AWS_region": "eu-west-1", "sender_of_mails": "Chat <chat@example.com>", "now?": "y"}


class Deploying(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.tools = self.folder / "tools"
        self.state_file = self.folder / "state.json"
        self.config = self.folder / "samconfig.toml"
        self.config.write_text(CONFIG, encoding="utf-8")
        built = self.folder / "built"
        sam = SAM.format(python=sys.executable, state=str(self.state_file), built=str(built))
        self.program(self.tool("aws-sam-cli", deploy.SAM_CLI) / "bin/sam", sam)
        python = f'#!/bin/sh\nexec {sys.executable} "$@"\n'
        self.program(self.tools / f"aws-sam-cli-{deploy.SAM_CLI}/bin/python", python)
        self.program(self.tool("cargo-lambda", deploy.CARGO_LAMBDA) / "bin/cargo-lambda", "#!/bin/sh\n")
        self.zig = self.tool("ziglang", deploy.ZIGLANG) / "lib/python3/site-packages/ziglang/zig"
        self.program(self.zig, "#!/bin/sh\n")
        self.rust = self.folder / "rust"
        self.bin = self.folder / "bin"
        for target in deploy.TARGETS.values():
            (self.rust / "lib/rustlib" / target / "lib").mkdir(parents=True)
        self.program(self.bin / "rustc", f"#!/bin/sh\necho {self.rust}\n")
        self.program(self.bin / "cargo", "#!/bin/sh\n")
        (self.folder / "modules").mkdir()
        (self.folder / "modules/boto3.py").write_text(BOTO3, encoding="utf-8")
        clean = {name: value for name, value in os.environ.items() if not re.match(r"AWS_|PARAMETER_|CI$|EXECUTION_", name)}
        clean.update(
            PATH=f"{self.bin}{os.pathsep}/usr/bin{os.pathsep}/bin",
            PYTHONPATH=str(self.folder / "modules"),
            FAKE_BOTO3_LOG=str(self.folder / "boto3.log"),
        )
        patches = (
            mock.patch.dict(os.environ, clean, clear=True),
            mock.patch.object(deploy, "CONFIG", self.config),
            mock.patch.object(deploy, "BUILT", built),
        )
        for patch in patches:
            patch.start()
            self.addCleanup(patch.stop)
        self.settings = mock.Mock(spec=Settings, tools_dir=self.tools)
        self.said = ""
        self.state(
            calls=[], refusal=NOT_THERE, outputs={}, made=MADE, build=0, deploy=0, delete=0, code="code",
            answer={"admin": "promoted"},
        )

    def tool(self, package: str, version: str) -> Path:
        home = self.tools / f"{package}-{version}"
        home.mkdir(parents=True)
        (home / "complete").touch()
        (home / "pyvenv.cfg").touch()
        return home

    def program(self, path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def state(self, **changes: Any) -> Dict[str, Any]:
        state = json.loads(self.state_file.read_text()) if self.state_file.exists() else {}
        state.update(changes)
        self.state_file.write_text(json.dumps(state), encoding="utf-8")
        return state

    def calls(self, command: str) -> List[Dict[str, Any]]:
        return [call for call in self.state()["calls"] if call["arguments"][0] == command]

    def order(self) -> List[str]:
        return [call["arguments"][0] for call in self.state()["calls"]]

    def heard(self, call: Any) -> None:
        output = io.StringIO()
        try:
            with contextlib.redirect_stdout(output):
                call()
        finally:
            self.said = output.getvalue()

    def deploy(self, *arguments: str, ask: Optional[Terminal] = None) -> None:
        self.heard(lambda: deploy.deploy(self.settings, list(arguments), ask))

    def destroy(self, *arguments: str, ask: Optional[Terminal] = None) -> None:
        self.heard(lambda: deploy.destroy(self.settings, list(arguments), ask))

    def overrides(self, env: str = "default") -> Dict[str, str]:
        return deploy.Config(self.config).table(f"{env}.deploy.parameters.parameter_overrides") or {}

    def made_before(self, **parameters: str) -> None:
        config = deploy.Config(self.config)
        config.set("default.deploy.parameters", "region", "eu-west-1")
        for name, value in {"MailFrom": "chat@example.com", **parameters}.items():
            config.set("default.deploy.parameters.parameter_overrides", name, value)
        config.save()
        self.state(refusal="", outputs=MADE)

    # --- The first time ---

    def test_the_first_deploy_asks_writes_down_and_tells_the_functions_their_address_in_a_second_pass(self) -> None:
        ask = Terminal(**FIRST)
        self.deploy(ask=ask)
        self.assertEqual(self.order(), ["list", "build", "deploy", "list", "deploy", "list"])
        first, second = (call["parameters"] for call in self.calls("deploy"))
        self.assertEqual(first["MailFrom"], "Chat <chat@example.com>")
        self.assertEqual(first["MailIdentity"], "chat@example.com")
        self.assertNotIn("PublicUrl", first)
        self.assertEqual(second["PublicUrl"], MADE["HttpUrl"])
        self.assertNotEqual(first["Release"], second["Release"], "the functions are told only by a new version")
        self.assertEqual(self.overrides()["PublicUrl"], MADE["HttpUrl"])
        self.assertEqual(deploy.Config(self.config).table("default.deploy.parameters")["region"], "eu-west-1")
        for fact in (MADE["HttpUrl"], MADE["WebSocketUrl"], MADE["DashboardUrl"], MADE["MonthlyFloor"], "make admin ENV=default"):
            self.assertIn(fact, self.said)

    def test_the_answers_stand_in_the_file_and_its_comments_stay(self) -> None:
        self.deploy(ask=Terminal(**FIRST, Who_is_mailed="ops@example.com", USD="50", reserve="off"))
        text = self.config.read_text(encoding="utf-8")
        for line in CONFIG.splitlines():
            self.assertIn(line, text)
        overrides = self.overrides()
        expected = {"Size": "Small", "AlarmEmail": "ops@example.com", "MonthlyBudget": "50", "ReservedConcurrency": "off"}
        self.assertEqual(overrides, {**overrides, **expected})
        self.assertNotIn("Release", overrides)

    def test_with_a_domain_one_pass_is_enough(self) -> None:
        self.deploy(ask=Terminal(**FIRST, web_client="chat.example.com", Route_53="Z0123"))
        self.assertEqual(self.order().count("deploy"), 1)
        parameters = self.calls("deploy")[0]["parameters"]
        expected = {"DomainName": "chat.example.com", "WebSocketDomainName": "ws.chat.example.com", "HostedZoneId": "Z0123"}
        self.assertEqual(parameters, {**parameters, **expected, "CertificateArn": ""})
        self.assertNotIn("PublicUrl", self.overrides())
        self.assertIn("https://chat.example.com", self.said)

    def test_without_a_zone_a_certificate_has_to_be_there(self) -> None:
        arn = "arn:aws:acm:eu-west-1:123456789012:certificate/1"
        self.deploy(ask=Terminal(**FIRST, web_client="chat.example.com", certificate_of_ACM=arn))
        self.assertEqual(self.calls("deploy")[0]["parameters"]["CertificateArn"], arn)
        self.state(refusal=NOT_THERE)
        with mock.patch.dict(os.environ, PARAMETER_CertificateArn=""):
            self.refused("needs a CertificateArn, or a HostedZoneId")

    def test_an_answer_that_cannot_be_it_is_asked_for_again(self) -> None:
        answers = iter(["", "nobody", "chat@example.com"])

        def ask(question: str) -> str:
            return next(answers) if "sender of mails" in question else "y" if "now?" in question else ""

        with mock.patch.dict(os.environ, AWS_REGION="eu-west-1"):
            self.heard(lambda: deploy.deploy(self.settings, [], ask))
        self.assertEqual(self.overrides()["MailFrom"], "chat@example.com")
        self.assertIn("nobody cannot be it", self.said)
        self.assertIn("it has no default", self.said)

    def test_who_does_not_agree_at_the_end_deploys_nothing_and_keeps_the_answers(self) -> None:
        with self.assertRaisesRegex(Failure, "nothing was deployed"):
            self.deploy(ask=Terminal(**{**FIRST, "now?": ""}))
        self.assertEqual(self.order(), ["list"])
        self.assertEqual(self.overrides()["MailFrom"], "Chat <chat@example.com>")

    def test_a_new_environment_is_made_when_that_is_meant(self) -> None:
        with self.assertRaisesRegex(Failure, "nothing was changed"):
            self.deploy("staging", ask=Terminal(**FIRST))
        self.assertNotIn("staging", self.config.read_text(encoding="utf-8"))
        self.deploy("staging", ask=Terminal(**FIRST, Make_one="y", Small_for="Production"))
        table = deploy.Config(self.config).table("staging.deploy.parameters")
        self.assertEqual(table["stack_name"], "chat-staging")
        self.assertEqual(table["capabilities"], '["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]')
        self.assertEqual(self.overrides("staging")["Size"], "Production")
        self.assertNotIn("MailFrom", self.overrides())

    # --- Again ---

    def test_a_later_deploy_asks_nothing_and_takes_one_pass(self) -> None:
        self.deploy(ask=Terminal(**FIRST))
        self.state(calls=[])
        ask = Terminal()
        self.deploy(ask=ask)
        self.assertEqual(ask.asked, [])
        self.assertEqual(self.order(), ["list", "build", "deploy", "list"])
        self.assertEqual(self.calls("deploy")[0]["parameters"]["PublicUrl"], MADE["HttpUrl"])

    def test_a_clone_that_does_not_know_the_address_learns_it_from_the_stack_before_it_deploys(self) -> None:
        self.made_before()
        self.deploy()
        self.assertEqual(self.order(), ["list", "build", "deploy", "list"])
        self.assertEqual(self.calls("deploy")[0]["parameters"]["PublicUrl"], MADE["HttpUrl"])

    def test_a_release_is_new_with_new_code_or_another_parameter_and_else_the_same(self) -> None:
        releases = []
        for code, parameters in (("code", {}), ("code", {}), ("other", {}), ("code", {"LogLevel": "debug"})):
            self.made_before(**parameters)
            self.state(code=code)
            self.deploy()
            releases.append(self.calls("deploy")[-1]["parameters"]["Release"])
        self.assertEqual(releases[0], releases[1])
        self.assertEqual(len(set(releases)), 3)
        pattern = yaml_parse((ROOT / "template.yaml").read_text(encoding="utf-8"))["Parameters"]["Release"]["AllowedPattern"]
        for release in releases:
            self.assertRegex(release, f"^(?:{pattern})$")

    # --- What goes wrong ---

    def refused(self, why: str, *arguments: str, ask: Optional[Terminal] = None) -> None:
        """Before anything is built."""
        built = len(self.calls("build"))
        with self.assertRaisesRegex(Failure, why):
            self.deploy(*arguments, ask=ask)
        self.assertEqual(len(self.calls("build")), built)

    def test_without_credentials_it_says_so_before_it_asks_or_builds(self) -> None:
        self.state(refusal="Error: Unable to locate credentials")
        ask = Terminal(**FIRST)
        self.refused("Unable to locate credentials(.|\n)*Sign in first", ask=ask)
        self.assertEqual(len(ask.asked), 1, "the region")

    def test_without_a_terminal_it_names_what_is_missing(self) -> None:
        self.refused("no region")
        with mock.patch.dict(os.environ, AWS_REGION="eu-west-1"):
            self.refused("a new stack needs MailFrom")
            self.refused("has no section for ENV=staging", "staging")
        self.assertEqual(self.config.read_text(encoding="utf-8"), CONFIG)

    def test_a_parameter_that_the_template_does_not_have_is_refused_where_it_is_named(self) -> None:
        self.made_before(MailForm="x")
        self.refused("samconfig.toml sets MailForm")
        with mock.patch.dict(os.environ, PARAMETER_Sise="Small"):
            self.config.write_text(CONFIG, encoding="utf-8")
            self.made_before()
            self.refused("the environment sets Sise")

    def test_a_value_that_cannot_be_is_refused(self) -> None:
        for name, value in (("MailFrom", "nobody"), ("Size", "Huge"), ("Architecture", "mips"), ("DomainName", "https://x")):
            with self.subTest(name), mock.patch.dict(os.environ, {f"PARAMETER_{name}": value}):
                self.made_before()
                self.refused(name)

    def test_a_file_as_the_guided_sam_cli_leaves_it_is_refused(self) -> None:
        text = CONFIG.replace("resolve_s3 = true", 'parameter_overrides = "Size=Small"')
        self.config.write_text(text, encoding="utf-8")
        self.refused("make them a table")

    def test_an_environment_has_a_name_of_small_letters(self) -> None:
        for name in ("../x", "Upper", "two--hyphens", "ends-", "x" * 32):
            self.refused("ENV must be", name)

    def test_when_the_build_fails_nothing_is_deployed(self) -> None:
        self.made_before()
        self.state(build=1)
        with self.assertRaisesRegex(Failure, "the build failed"):
            self.deploy()
        self.assertEqual(self.calls("deploy"), [])

    def test_when_the_first_pass_fails_there_is_no_second_and_no_address(self) -> None:
        self.state(deploy=1)
        with self.assertRaisesRegex(Failure, "make destroy ENV=default"):
            self.deploy(ask=Terminal(**FIRST))
        self.assertEqual(len(self.calls("deploy")), 1)
        self.assertNotIn("PublicUrl", self.overrides())

    def test_a_stack_that_was_never_made_is_treated_as_new(self) -> None:
        self.state(refusal=NEVER_MADE)
        with mock.patch.dict(os.environ, AWS_REGION="eu-west-1"):
            self.refused("a new stack needs MailFrom")
        self.assertIn("never made completely", self.said)

    # --- How the tools are called ---

    def test_parameters_stand_in_a_file_of_the_owner_and_never_in_a_command_line(self) -> None:
        self.made_before()
        with mock.patch.dict(os.environ, PARAMETER_MetricsToken="top-secret"):
            self.deploy()
        call = self.calls("deploy")[0]
        self.assertEqual(call["parameters"]["MetricsToken"], "top-secret")
        self.assertEqual(call["mode"], 0o600)
        everything = json.dumps([one["arguments"] for one in self.state()["calls"]])
        self.assertNotIn("top-secret", everything)
        self.assertNotIn("chat@example.com", everything)
        self.assertNotIn("top-secret", self.config.read_text(encoding="utf-8"))
        name = call["arguments"][call["arguments"].index("--parameter-overrides") + 1][len("file://") :]
        self.assertFalse(Path(name).exists())

    def test_the_build_finds_the_pinned_compilers(self) -> None:
        self.made_before()
        self.deploy()
        build = self.calls("build")[0]
        self.assertTrue(build["path"].startswith(str(self.tools / f"cargo-lambda-{deploy.CARGO_LAMBDA}" / "bin")))
        self.assertEqual(build["zig"], str(self.zig))

    def test_a_missing_target_of_rust_is_added_or_asked_for(self) -> None:
        self.made_before()
        (self.rust / "lib/rustlib/aarch64-unknown-linux-gnu/lib").rmdir()
        self.refused("there is no rustup to add it")
        self.program(self.bin / "rustup", f'#!/bin/sh\necho "$@" > {self.folder}/rustup.log\n')
        self.deploy()
        self.assertEqual((self.folder / "rustup.log").read_text(), "target add aarch64-unknown-linux-gnu\n")

    def test_without_rust_it_says_so(self) -> None:
        self.made_before()
        with mock.patch.object(deploy.shutil, "which", lambda name: None):
            self.refused("cargo is missing")

    def test_cloudformation_is_handed_the_role_that_the_environment_names(self) -> None:
        self.made_before()
        role = "arn:aws:iam::123456789012:role/execute"
        with mock.patch.dict(os.environ, EXECUTION_ROLE_ARN=role):
            self.deploy()
        arguments = self.calls("deploy")[0]["arguments"]
        self.assertEqual(arguments[arguments.index("--role-arn") + 1], role)

    def test_the_real_sam_cli_has_every_option_that_is_used(self) -> None:
        self.made_before()
        with mock.patch.dict(os.environ, EXECUTION_ROLE_ARN="role"):
            self.deploy()
        self.destroy(ask=Terminal(stack="chat", protection="delete data"))
        deploy.appoint(self.settings, "default", {"email": "a@example.com"})
        for call in self.state()["calls"]:
            command, *rest = call["arguments"]
            known = {option for parameter in REAL[command].params for option in (*parameter.opts, *parameter.secondary_opts)}
            with self.subTest(command):
                self.assertEqual([option for option in rest if option.startswith("--") and option not in known], [])
        self.assertEqual(set(self.order()), set(REAL))

    # --- make destroy ---

    def test_destroying_takes_the_name_and_a_word_about_the_data_then_the_protection_and_the_stack_go(self) -> None:
        self.made_before(PublicUrl=MADE["HttpUrl"])
        self.destroy(ask=Terminal(stack="chat", protection="delete data"))
        log = [json.loads(line) for line in (self.folder / "boto3.log").read_text().splitlines()]
        unprotected = {"DBInstanceIdentifier": "db", "DeletionProtection": False, "ApplyImmediately": True}
        self.assertEqual(log, [["modify_db_instance", unprotected]])
        expected = ["delete", "--stack-name", "chat", "--region", "eu-west-1", "--no-prompts"]
        self.assertEqual(self.calls("delete")[0]["arguments"], expected)
        self.assertIn("final snapshot", self.said)
        self.assertEqual(self.overrides()["PublicUrl"], "", "the next stack has another address")

    def test_of_a_cluster_only_the_cluster_is_protected(self) -> None:
        self.made_before()
        config = deploy.Config(self.config)
        config.set("default.deploy.parameters", "stack_name", "aurora")
        config.save()
        self.destroy("default", "--delete-data", ask=Terminal(name="aurora"))
        log = [json.loads(line)[0] for line in (self.folder / "boto3.log").read_text().splitlines()]
        self.assertEqual(log, ["modify_db_cluster"])

    def test_nothing_is_deleted_without_the_right_words(self) -> None:
        self.made_before()
        for ask, why in (
            (None, "from a terminal"),
            (Terminal(), "nothing was deleted"),
            (Terminal(stack="chat-small"), "nothing was deleted"),
            (Terminal(stack="chat", protection="yes"), "nothing was deleted"),
            (Terminal(stack="chat"), "nothing was deleted"),
        ):
            with self.subTest(why=why), self.assertRaisesRegex(Failure, why):
                self.destroy(ask=ask)
        self.assertEqual(self.calls("delete"), [])
        self.assertFalse((self.folder / "boto3.log").exists())

    def test_what_is_not_there_cannot_be_destroyed(self) -> None:
        self.made_before()
        self.state(refusal=NOT_THERE)
        with self.assertRaisesRegex(Failure, "there is no stack chat"):
            self.destroy(ask=Terminal(stack="chat", protection="delete data"))

    def test_a_deletion_that_fails_is_no_success(self) -> None:
        self.made_before()
        self.state(delete=1)
        with self.assertRaisesRegex(Failure, "not deleted completely"):
            self.destroy("", "--delete-data", ask=Terminal(stack="chat"))

    # --- make admin ENV=… ---

    def test_the_first_admin_is_made_by_the_function_and_a_password_stays_out_of_the_command_line(self) -> None:
        self.made_before()
        appointment = {"email": "a@example.com", "password": "very-secret"}
        self.assertEqual(deploy.appoint(self.settings, "default", appointment), {"admin": "promoted"})
        call = self.calls("remote")[0]
        self.assertEqual(call["event"], {"admin": appointment})
        self.assertNotIn("very-secret", json.dumps(call["arguments"]))

    def test_a_function_that_fails_makes_no_admin(self) -> None:
        self.made_before()
        self.state(answer={"errorMessage": "no", "errorType": "x"})
        with self.assertRaisesRegex(Failure, "makes admins failed"):
            deploy.appoint(self.settings, "default", {"email": "a@example.com"})


class Files(unittest.TestCase):
    """samconfig.toml as it is committed, and what is asked of it."""

    def setUp(self) -> None:
        self.parameters = yaml_parse((ROOT / "template.yaml").read_text(encoding="utf-8"))["Parameters"]
        self.config = deploy.Config(deploy.CONFIG)

    def test_what_is_read_line_by_line_is_what_toml_means(self) -> None:
        whole = tomlkit.parse(deploy.CONFIG.read_text(encoding="utf-8")).unwrap()
        for env in ("default", "small", "production"):
            deployed = whole[env]["deploy"]["parameters"]
            overrides = deployed.pop("parameter_overrides")
            self.assertEqual(self.config.table(f"{env}.deploy.parameters.parameter_overrides"), overrides)
            read = self.config.table(f"{env}.deploy.parameters")
            for name in ("stack_name", "s3_prefix", "tags"):
                self.assertEqual(read[name], deployed[name])
            self.assertEqual(set(read), set(deployed))

    def test_the_real_sam_cli_reads_the_file_as_it_is_meant(self) -> None:
        for env in ("default", "small", "production"):
            with click.Context(real_deploy):
                read = ConfigProvider(section="parameters")(str(deploy.CONFIG), env, ["deploy"])
            overrides = CfnParameterOverridesType().convert(read["parameter_overrides"], None, None)
            self.assertEqual(overrides, self.config.table(f"{env}.deploy.parameters.parameter_overrides"))
            self.assertEqual(CfnTags().convert(read["tags"], None, None), {"Application": "chat", "Stack": read["stack_name"]})

    def test_the_real_sam_cli_reads_the_file_of_parameters_as_it_is_meant(self) -> None:
        parameters = {"MailFrom": 'Chat "A" <chat@example.com>', "DomainName": "", "MonthlyBudget": "0", "X": "a,b #c: ü"}
        with deploy.parameters_file(parameters) as (_, file):
            self.assertEqual(CfnParameterOverridesType().convert((file,), None, None), parameters)

    def test_what_is_written_is_read_again_whatever_is_in_it(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            config = deploy.Config(Path(folder) / "samconfig.toml")
            for value in ('Chat "A" <chat@example.com>', "back\\slash", "Grüße # no comment", "", "= [x]"):
                config.set("a.deploy.parameters", "Key", value)
                config.set("b.deploy.parameters", "Other", value)
                config.save()
                again = deploy.Config(config.path)
                self.assertEqual(again.table("a.deploy.parameters"), {"Key": value})
                whole = tomlkit.parse(config.path.read_text(encoding="utf-8")).unwrap()
                self.assertEqual(whole["b"]["deploy"]["parameters"], {"Other": value})

    def test_each_environment_can_be_deployed_and_holds_no_secret_and_no_region(self) -> None:
        secret = {name for name, parameter in self.parameters.items() if parameter.get("NoEcho")}
        self.assertTrue(secret)
        stacks = set()
        for env in ("default", "small", "production"):
            options = self.config.table(f"{env}.deploy.parameters")
            overrides = self.config.table(f"{env}.deploy.parameters.parameter_overrides")
            stacks.add(options["stack_name"])
            self.assertNotIn("region", options)
            self.assertEqual(options["resolve_s3"], "true")
            self.assertEqual(options["s3_prefix"], options["stack_name"], "the role that deploys may write there only")
            self.assertEqual(set(json.loads(options["capabilities"])), {"CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"})
            self.assertLessEqual(set(overrides), set(self.parameters) - secret)
            self.assertIn(overrides["Size"], self.parameters["Size"]["AllowedValues"])
        self.assertEqual(len(stacks), 3)

    def test_the_parameters_are_found_without_a_reader_of_yaml(self) -> None:
        expected = {name: "Default" in parameter for name, parameter in self.parameters.items()}
        self.assertEqual(deploy.parameters_of(ROOT / "template.yaml"), expected)

    def test_every_parameter_that_has_to_be_given_is_asked_for_and_nothing_that_there_is_not(self) -> None:
        asked = {question.parameter for question in deploy.QUESTIONS}
        self.assertLessEqual(asked, set(self.parameters))
        self.assertLessEqual({name for name, parameter in self.parameters.items() if "Default" not in parameter}, asked)

    def test_no_named_role_needs_a_capability_that_is_not_given(self) -> None:
        for path in (ROOT / "template.yaml", *sorted((ROOT / "infra/stacks").glob("*.yaml"))):
            for name, resource in yaml_parse(path.read_text(encoding="utf-8"))["Resources"].items():
                properties = resource.get("Properties", {})
                with self.subTest(path=path.name, resource=name):
                    if resource["Type"].startswith("AWS::IAM::"):
                        self.assertFalse({"RoleName", "ManagedPolicyName", "UserName"} & set(properties))


if __name__ == "__main__":
    unittest.main()
