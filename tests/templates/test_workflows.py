"""The workflows, the roles that they deploy by, and what a commit is looked through for."""

import fnmatch
import re
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Any, Dict, Iterator, List, Set

import yaml

from stacks import ROOT, load, load_all

sys.path.insert(0, str(ROOT / "infra" / "scripts"))

import audit  # noqa: E402
import committed  # noqa: E402

# The services whose resources each kind is, as IAM calls them.
SERVICES = {
    "ApiGateway": {"apigateway"},
    "ApiGatewayV2": {"apigateway"},
    "Budgets": {"budgets"},
    "CertificateManager": {"acm"},
    "CloudFormation": {"cloudformation"},
    "CloudWatch": {"cloudwatch"},
    "EC2": {"ec2"},
    "ElastiCache": {"elasticache"},
    "IAM": {"iam"},
    "Lambda": {"lambda"},
    "Logs": {"logs"},
    "RDS": {"rds"},
    "Route53": {"route53"},
    "SES": {"ses"},
    "SNS": {"sns"},
    "SQS": {"sqs"},
    "SecretsManager": {"secretsmanager"},
    # What the transform makes of functions, their deployments and their schedules.
    "Serverless": {"apigateway", "lambda", "iam", "codedeploy", "scheduler"},
}
NETWORK = re.compile(r"AWS::EC2::(\w+)")


def workflows() -> Dict[str, Dict[str, Any]]:
    files = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
    return {path.name: yaml.safe_load(path.read_text(encoding="utf-8")) for path in files}


def steps(workflow: Dict[str, Any]) -> Iterator[Dict[str, Any]]:
    for job in workflow["jobs"].values():
        yield from job.get("steps", [])


class Workflows(unittest.TestCase):
    def test_every_action_is_pinned_to_a_commit_and_says_which_version_that_is(self) -> None:
        for path in sorted((ROOT / ".github" / "workflows").glob("*.yml")):
            for line in path.read_text(encoding="utf-8").splitlines():
                if "uses:" in line and "uses: ./" not in line:
                    with self.subTest(path=path.name, line=line.strip()):
                        self.assertRegex(line, r"uses: [\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$")

    def test_one_action_has_one_commit(self) -> None:
        pins: Dict[str, Set[str]] = {}
        for workflow in workflows().values():
            for step in steps(workflow):
                name, _, commit = step.get("uses", "").partition("@")
                pins.setdefault(name, set()).add(commit)
        self.assertEqual({name for name, commits in pins.items() if len(commits) != 1}, set())

    def test_a_workflow_may_read_and_only_the_deployment_may_sign_in(self) -> None:
        for name, workflow in workflows().items():
            with self.subTest(name):
                self.assertEqual(workflow["permissions"], {"contents": "read"})
                for job, definition in workflow["jobs"].items():
                    expected = {"contents": "read", "id-token": "write"} if (name, job) == ("deploy.yml", "deploy") else None
                    self.assertEqual(definition.get("permissions"), expected)

    def test_nobody_s_change_runs_with_the_rights_of_the_repository(self) -> None:
        for name, workflow in workflows().items():
            triggers = workflow[True]  # YAML 1.1 reads `on` so
            self.assertFalse({"pull_request_target", "workflow_run", "issue_comment"} & set(triggers), name)
            for step in steps(workflow):
                if step.get("uses", "").startswith("actions/checkout@"):
                    self.assertIs(step["with"]["persist-credentials"], False)

    def test_no_expression_stands_in_a_script(self) -> None:
        for name, workflow in workflows().items():
            for step in steps(workflow):
                self.assertNotIn("${{", step.get("run", ""), name)

    def test_every_job_ends_and_runs_one_at_a_time(self) -> None:
        for name, workflow in workflows().items():
            self.assertIn("group", workflow["concurrency"], name)
            for job in workflow["jobs"].values():
                self.assertTrue("timeout-minutes" in job or job["uses"].startswith("./"), name)

    def test_tags_deploy_after_everything_has_passed_from_the_guarded_environment_and_are_not_cut_short(self) -> None:
        workflow = workflows()["deploy.yml"]
        self.assertEqual(workflow[True], {"push": {"tags": ["v*"]}})
        self.assertIs(workflow["concurrency"]["cancel-in-progress"], False)
        job = workflow["jobs"]["deploy"]
        self.assertEqual((job["needs"], job["environment"]), ("ci", "production"))
        self.assertEqual(workflow["jobs"]["ci"]["uses"], "./.github/workflows/ci.yml")
        self.assertNotIn("actions/cache", " ".join(step.get("uses", "") for step in job["steps"]))
        self.assertFalse([step for step in job["steps"] if "secrets.AWS" in str(step)])

    def test_what_runs_is_what_there_is(self) -> None:
        makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
        hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"][0]["hooks"]
        commands = [hook["entry"] for hook in hooks]
        scripts = [step.get("run", "") for workflow in workflows().values() for step in steps(workflow)]
        commands += [line for script in scripts for line in script.splitlines()]
        targets = {target for command in commands for target in re.findall(r"(?:^|\s)make ([a-z-]+)", command)}
        self.assertLessEqual({"audit", "bootstraps", "deploy", "lint", "validate"}, targets)
        for target in targets:
            self.assertRegex(makefile, rf"(?m)^{target}:")
        run = (ROOT / ".ci/run").read_text(encoding="utf-8")
        for target in ("test", "lint", "validate", "audit"):
            self.assertIn(f"make {target} ", run)


class Roles(unittest.TestCase):
    """infra/stacks/deployer.yaml."""

    def setUp(self) -> None:
        self.resources = load("infra/stacks/deployer.yaml")["Resources"]

    def statements(self, role: str) -> List[Dict[str, Any]]:
        policies = self.resources[role]["Properties"]["Policies"]
        return [statement for policy in policies for statement in policy["PolicyDocument"]["Statement"]]

    def actions(self, role: str) -> Set[str]:
        given = [statement["Action"] for statement in self.statements(role)]
        return {action for one in given for action in ([one] if isinstance(one, str) else one)}

    def test_only_the_environment_of_the_repository_may_take_the_role(self) -> None:
        trust = self.resources["Deploy"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        self.assertEqual(len(trust), 1)
        self.assertEqual(
            trust[0]["Condition"],
            {
                "StringEquals": {
                    "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
                    "token.actions.githubusercontent.com:sub": {"Fn::Sub": "repo:${Repository}:environment:${Environment}"},
                }
            },
        )

    def test_a_run_may_ask_cloudformation_and_nothing_else(self) -> None:
        services = {action.split(":")[0] for action in self.actions("Deploy")}
        self.assertEqual(services, {"cloudformation", "s3", "iam"})
        self.assertEqual({action for action in self.actions("Deploy") if action.startswith("iam:")}, {"iam:PassRole"})
        self.assertFalse([action for action in self.actions("Deploy") if "*" in action])
        for statement in self.statements("Deploy"):
            self.assertNotEqual(statement["Resource"], "*")

    def test_cloudformation_may_make_every_kind_of_resource_that_there_is(self) -> None:
        granted = {action.split(":")[0] for action in self.actions("Execute")}
        for path, template in load_all().items():
            for name, resource in template["Resources"].items():
                kind = resource["Type"].split("::")[1] if "::" in resource["Type"] and "Custom" not in resource["Type"] else None
                if kind:
                    with self.subTest(path=path, resource=name):
                        self.assertLessEqual(SERVICES[kind], granted)

    def test_of_the_network_it_may_delete_what_it_may_make(self) -> None:
        actions = self.actions("Execute")

        def allowed(action: str) -> bool:
            return any(fnmatch.fnmatch(action, pattern) for pattern in actions)

        undone = {
            "VPC": "DeleteVpc",
            "EIP": "ReleaseAddress",
            "Route": "DeleteRoute",
            "VPCGatewayAttachment": "DetachInternetGateway",
            "VPCCidrBlock": "DisassociateVpcCidrBlock",
            "VPCEndpoint": "DeleteVpcEndpoints",
            "FlowLog": "DeleteFlowLogs",
            "SubnetRouteTableAssociation": "DisassociateRouteTable",
            "SecurityGroupIngress": "RevokeSecurityGroupIngress",
            "SecurityGroupEgress": "RevokeSecurityGroupEgress",
        }
        kinds = {resource["Type"] for template in load_all().values() for resource in template["Resources"].values()}
        parts = {found.group(1) for found in map(NETWORK.fullmatch, kinds) if found}
        self.assertIn("VPC", parts)
        for part in parts:
            with self.subTest(part):
                self.assertTrue(allowed(f"ec2:{undone.get(part, f'Delete{part}')}"))

    def test_all_that_is_not_named_after_the_stack_is_kept_to_a_kind_or_to_the_region(self) -> None:
        for statement in self.statements("Execute"):
            if statement["Resource"] == "*" and statement["Action"] != "secretsmanager:GetRandomPassword":
                self.assertIn("aws:RequestedRegion", statement["Condition"]["StringEquals"])
                self.assertFalse([action for action in statement["Action"] if action.endswith(":*") or action.startswith("iam:")])
        roles = [statement for statement in self.statements("Execute") if "iam:CreateRole" in statement["Action"]]
        for resource in roles[0]["Resource"]:
            self.assertRegex(resource["Fn::Sub"], r":(role|policy)/\$\{Stack\}-\*$")

    def test_a_secret_is_called_in_the_policy_as_cloudformation_calls_it(self) -> None:
        named = {
            name
            for template in load_all().values()
            for name, resource in template["Resources"].items()
            if resource["Type"] == "AWS::SecretsManager::Secret"
        }
        text = (ROOT / "infra/stacks/deployer.yaml").read_text(encoding="utf-8")
        self.assertTrue(named)
        for name in named:
            self.assertIn(f":secret:{name}-*", text)


class Committed(unittest.TestCase):
    def problem(self, name: str, content: bytes) -> str:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / name
            path.write_bytes(content)
            return committed.problem_of(path) or ""

    def test_keys_and_files_of_settings_and_large_files_are_found(self) -> None:
        begin, end = b"-----BEGIN " + b"PRIVATE KEY-----\n", b"-----END PRIVATE KEY-----\n"
        ring = b'{"kty": "oct", "kid": "1", "' + b'k": "' + b"A" * 43 + b'"}'
        for name, content, why in (
            ("a.pem", begin + b"M" * 64 + b"\n" + end, "private key"),
            ("b.py", b"key = 'AKIA" + b"A" * 16 + b"'", "key of AWS"),
            ("c.json", ring, "signs tokens"),
            (".env", b"", "settings"),
            ("compose.env", b"", "settings"),
            ("d.bin", b"x" * (committed.LARGEST + 1), "larger"),
        ):
            with self.subTest(name):
                self.assertIn(why, self.problem(name, content))

    def test_what_only_looks_like_it_is_let_through(self) -> None:
        for content in (b"AKIAIOSFODNN7EXAMPLE", b'"k": "short"', b"-----BEGIN PUBLIC KEY-----\n", b""):
            self.assertEqual(self.problem("a.txt", content), "")


class Audit(unittest.TestCase):
    def test_ci_asks_for_everything_but_what_changes_without_us(self) -> None:
        self.assertEqual(audit.CHECKS, ("bans", "licenses", "sources"))
        text = (ROOT / ".github/workflows/audit.yml").read_text(encoding="utf-8")
        self.assertIn("make audit AUDIT_ARGS=advisories", text)
        self.assertIn("schedule:", text)


if __name__ == "__main__":
    unittest.main()
