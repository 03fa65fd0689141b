"""Faults planted into the templates are each found, by the tool that is there for them, in words that name them."""

from __future__ import annotations

import contextlib
import copy
import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List

from samtranslator.model.exceptions import InvalidDocumentException

import checks
import linting
import stacks
from test_template import FULL, REQUIRED

ROOT = stacks.ROOT_TEMPLATE
NETWORK, STORES, MONITORING, DOMAINS = (
    f"infra/stacks/{name}.yaml" for name in ("network", "stores", "monitoring", "domains")
)
Templates = Dict[str, stacks.Template]

# The deployments in which a check has to find its fault: every choice is made each way at least once.
DEPLOYMENTS = (
    {**REQUIRED, "Size": "Small", "Database": "Rds", "Egress": "Nat"},
    {**REQUIRED, **FULL, "Size": "Production", "Database": "Rds", "Egress": "Nat"},
    {**REQUIRED, **FULL, "Size": "Production", "Database": "Aurora", "Egress": "Ipv6"},
)


@dataclass
class Fault:
    """A fault, and what the tool that finds it must say."""

    name: str
    path: str
    plant: Callable[[stacks.Template], None]
    says: str

    def planted(self, templates: Templates) -> Templates:
        faulty = copy.deepcopy(templates)
        self.plant(faulty[self.path])
        if faulty == templates:
            raise AssertionError(f"{self.name} changes nothing")
        return faulty


def find(template: Any, where: str) -> Any:
    """What is at a path such as `Resources/X/Properties/Y/0`; without it there is nothing to plant."""
    for key in where.split("/") if where else []:
        template = template[int(key) if isinstance(template, list) else key]
    return template


def put(where: str, value: Any) -> Callable[[stacks.Template], None]:
    """Gives something another value."""

    def plant(template: stacks.Template) -> None:
        parent, _, key = where.rpartition("/")
        owner = find(template, parent)
        owner[int(key) if isinstance(owner, list) else key] = value

    return plant


def replace(where: str, old: str, new: str) -> Callable[[stacks.Template], None]:
    """Gives a text another part."""

    def plant(template: stacks.Template) -> None:
        text = find(template, where)
        put(where, text.replace(old, new))(template)

    return plant


def drop(where: str) -> Callable[[stacks.Template], None]:
    """Takes something away."""

    def plant(template: stacks.Template) -> None:
        parent, _, key = where.rpartition("/")
        owner = find(template, parent)
        del owner[int(key) if isinstance(owner, list) else key]

    return plant


def add(where: str, value: Any) -> Callable[[stacks.Template], None]:
    """Adds to a list."""
    return lambda template: find(template, where).append(value)


def of(function: str, where: str) -> str:
    return f"Resources/{function}Function/Properties/{where}"


def get(name: str, attribute: str) -> Dict[str, Any]:
    return {"Fn::GetAtt": [name, attribute]}


def ref(name: str) -> Dict[str, str]:
    return {"Ref": name}


OPEN = {"IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432, "CidrIp": "0.0.0.0/0", "Description": "All"}

# Found by cfn-lint, which knows each kind of resource and what refers to what.
OF_CFN_LINT = [
    Fault("an unknown property", ROOT, put(of("Auth", "Memory"), 512), "Memory"),
    Fault("an unknown property of a store", STORES, put("Resources/Instance/Properties/Encrypted", True), "Encrypted"),
    Fault("a reference to nothing", ROOT, put(of("Web", "Environment/Variables/PUBLIC_URL"), ref("Adress")), "Adress"),
    Fault("an attribute that there is not", STORES, put("Outputs/CacheArn/Value", get("Cache", "Arm")), "Arm"),
    Fault("a runtime that there is not", ROOT, put("Globals/Function/Runtime", "provided.al2024"), "provided.al2024"),
    Fault("an architecture that there is not", ROOT, put("Globals/Function/Architectures", ["arm46"]), "arm46"),
    Fault(
        "an engine version that there is not",
        STORES,
        put("Resources/Instance/Properties/EngineVersion", "17.999"),
        "17.999",
    ),
    Fault(
        "an instance class that there is not",
        STORES,
        put("Resources/Instance/Properties/DBInstanceClass", "db.t4g.pico"),
        "db.t4g.pico",
    ),
    Fault(
        "a kind of resource that there is not",
        NETWORK,
        put("Resources/NatA/Type", "AWS::EC2::NatGatway"),
        "AWS::EC2::NatGatway",
    ),
    Fault("a timeout that Lambda does not give", ROOT, put(of("Migrate", "Timeout"), 901), "901"),
    Fault("a memory size that Lambda does not give", ROOT, put(of("Web", "MemorySize"), 64), "64"),
    Fault(
        "a retention that CloudWatch does not know",
        STORES,
        put("Resources/ProxyLogs/Properties/RetentionInDays", 31),
        "31",
    ),
    Fault(
        "a required property that is missing",
        NETWORK,
        drop("Resources/NatRouteA/Properties/RouteTableId"),
        "RouteTableId",
    ),
    Fault(
        "a comparison that CloudWatch does not know",
        MONITORING,
        put("Resources/HttpErrors/Properties/ComparisonOperator", "MoreThan"),
        "MoreThan",
    ),
    Fault("a condition that is not declared", NETWORK, put("Resources/NatA/Condition", "Natt"), "Natt"),
    Fault(
        "a resource that is needed under its condition only",
        NETWORK,
        drop("Resources/Ipv6RouteA/Condition"),
        "EgressOnly",
    ),
    Fault(
        "a policy without a version that IAM knows",
        ROOT,
        put("Resources/Post/Properties/PolicyDocument/Version", "2012-10-18"),
        "2012-10-18",
    ),
    Fault(
        "an action that IAM does not know",
        ROOT,
        put("Resources/UseStores/Properties/PolicyDocument/Statement/0/Action", "rds-db:conect"),
        "rds-db:conect|conect",
    ),
    Fault("a circle of two resources", NETWORK, put("Resources/Vpc/DependsOn", ["PrivateA"]), "[Cc]ircular"),
    Fault(
        "a parameter whose default is not allowed",
        ROOT,
        put("Parameters/Size/Default", "Medium"),
        "Default should be a value within AllowedValues",
    ),
]

# Found by cfn-lint in what a deployment comes to: no template shows it by itself.
OF_DEPLOYED = [
    Fault(
        "a retention that comes from the root",
        ROOT,
        put("Parameters/LogDays", {"Type": "Number", "Default": 31}),
        "31 is not one of",
    ),
    Fault(
        "a subnet that the network does not have",
        NETWORK,
        put("Outputs/Subnets/Value/Fn::Join/1/1", "nowhere"),
        "'nowhere' does not match",
    ),
]

# Refused by SAM's translator.
OF_SAM = [
    Fault("an event of a kind that there is not", ROOT, put(of("Ops", "Events/Health/Type"), "HttpApis"), "Health"),
    Fault("a deployment without an alias", ROOT, drop("Globals/Function/AutoPublishAlias"), "AutoPublishAlias"),
    Fault(
        "two events of one path and method",
        ROOT,
        put(of("Ops", "Events/Metrics/Properties/Path"), "/healthz"),
        "healthz",
    ),
    Fault(
        "a route key that there cannot be",
        ROOT,
        put("Resources/WebSocketApi/Properties/Routes/$message", {"FunctionArn": "x"}),
        "message",
    ),
]

# Found by checkov, which knows what is careless.
OF_CHECKOV = [
    Fault(
        "a database that is not encrypted",
        STORES,
        put("Resources/Instance/Properties/StorageEncrypted", False),
        "CKV_AWS_16.*Instance",
    ),
    Fault(
        "a database that is open to the internet",
        STORES,
        put("Resources/Instance/Properties/PubliclyAccessible", True),
        "CKV_AWS_17.*Instance",
    ),
    Fault(
        "a security group that lets in SSH from anywhere",
        NETWORK,
        put("Resources/DatabaseGroup/Properties/SecurityGroupIngress", [{**OPEN, "FromPort": 22, "ToPort": 22}]),
        "CKV_AWS_24.*DatabaseGroup",
    ),
    Fault(
        "a rule without a description",
        NETWORK,
        drop("Resources/FunctionsGroup/Properties/SecurityGroupEgress/0/Description"),
        "CKV_AWS_23.*FunctionsGroup",
    ),
    Fault(
        "a log group without a retention",
        NETWORK,
        drop("Resources/FlowLogs/Properties/RetentionInDays"),
        "CKV_AWS_66.*FlowLogs",
    ),
    Fault(
        "a policy that allows everything",
        ROOT,
        put(
            "Resources/Post/Properties/PolicyDocument/Statement/0", {"Effect": "Allow", "Action": "*", "Resource": "*"}
        ),
        "CKV_AWS_110 .*privilege escalation.*Post",
    ),
    Fault(
        "a database that nobody signs in to by IAM",
        STORES,
        put("Resources/Instance/Properties/EnableIAMDatabaseAuthentication", False),
        "CKV_AWS_161.*Instance",
    ),
]

# Found by the checks, which know what this stack is for.
OF_CHECKS = [
    Fault("a mapping that has no such key", STORES, drop("Mappings/Sizes/Small/CacheGb"), "Sizes has no Small.CacheGb"),
    Fault(
        "a cluster that is not encrypted",
        STORES,
        put("Resources/Cluster/Properties/StorageEncrypted", False),
        "Cluster is not encrypted",
    ),
    Fault(
        "a subnet that gives out public addresses",
        NETWORK,
        put("Resources/PrivateA/Properties/MapPublicIpOnLaunch", True),
        "PrivateA-1A2B3C, which is public",
    ),
    Fault(
        "a route that is missing",
        ROOT,
        drop(of("Auth", "Events/OAuth")),
        "POST /oauth/token reaches 'web', but stands in auth",
    ),
    Fault("a route without its final slash", ROOT, drop(of("Graphql", "Events/GraphqlSlash")), "/graphql/ has none"),
    Fault(
        "a route to another function",
        ROOT,
        put(of("History", "Events/Search/Properties/Path"), "/api/v1/serach"),
        "GET /api/v1/search reaches 'web', but stands in history",
    ),
    Fault(
        "a function without its default route",
        ROOT,
        drop(of("Web", "Events/Default")),
        "does not reach web by \\$default",
    ),
    Fault(
        "a WebSocket route to another function",
        ROOT,
        put("Resources/WebSocketApi/Properties/Routes/$default/FunctionArn", ref("WsConnectFunction.Alias")),
        "\\$default does not call the alias live of ws-message",
    ),
    Fault(
        "a WebSocket route to no alias",
        ROOT,
        put("Resources/WebSocketApi/Properties/Routes/$connect/FunctionArn", get("WsConnectFunction", "Arn")),
        "\\$connect does not call the alias live of ws-connect",
    ),
    Fault(
        "a WebSocket API that answers nobody",
        ROOT,
        drop("Resources/WebSocketDefaultRouteResponse"),
        "it has no RouteResponse",
    ),
    Fault(
        "a route that selects no response",
        ROOT,
        drop("Resources/WebSocketApi/Properties/Routes/$default/RouteResponseSelectionExpression"),
        "RouteResponseSelectionExpression",
    ),
    Fault(
        "a setting that is missing",
        ROOT,
        drop(of("WsConnect", "Environment/Variables/FAN_OUT_FUNCTION")),
        "ws-connect is not given FAN_OUT_FUNCTION",
    ),
    Fault(
        "a setting that is misspelt",
        ROOT,
        put(of("Mail", "Environment/Variables/MAIL_FORM"), ref("MailFrom")),
        "mail is given MAIL_FORM, which it does not read",
    ),
    Fault(
        "a secret for who needs none",
        ROOT,
        put(of("Ops", "Environment/Variables/JWT_KEYS"), ref("KeyRing")),
        "ops is given JWT_KEYS, which it does not read",
    ),
    Fault(
        "a throttle that is missing",
        ROOT,
        drop(of("History", "Environment/Variables/THROTTLE_READS")),
        "history is not given THROTTLE_READS",
    ),
    Fault(
        "a database in plain text",
        STORES,
        replace("Outputs/DatabaseUrl/Value/Fn::Sub/0", "require", "prefer"),
        "DATABASE_URL .*allows plain text",
    ),
    Fault(
        "functions that are led past the proxy",
        STORES,
        put("Outputs/DatabaseUrl/Value/Fn::Sub/1/Host/Fn::If/1", get("Instance", "Endpoint.Address")),
        "past the proxy",
    ),
    Fault(
        "a certificate that is not the proxy's",
        ROOT,
        put("Globals/Function/Environment/Variables/DATABASE_CA", "rds"),
        "believes 'rds'",
    ),
    Fault(
        "a cache that is called otherwise",
        ROOT,
        put("Globals/Function/Environment/Variables/REDIS_IAM_CACHE", "other"),
        "REDIS_IAM_CACHE 'other'",
    ),
    Fault(
        "a handing over to no alias",
        ROOT,
        put(of("History", "Environment/Variables/FAN_OUT_FUNCTION"), ref("FanOutFunction")),
        "history is given FAN_OUT_FUNCTION",
    ),
    Fault(
        "a permission that is missing",
        ROOT,
        put(of("WsMessage", "Policies"), [ref("UseStores"), ref("HandOver")]),
        "ws-message lacks the permission execute-api:ManageConnections",
    ),
    Fault(
        "a permission too many", ROOT, add(of("Ops", "Policies"), ref("Post")), "ops may execute-api:ManageConnections"
    ),
    Fault(
        "a right to read the keys for who has none",
        ROOT,
        add(of("Maintenance", "Policies"), ref("ReadKeys")),
        "maintenance may secretsmanager:GetSecretValue",
    ),
    Fault(
        "a right to put the keys for another",
        ROOT,
        put(
            "Resources/ReadKeys/Properties/PolicyDocument/Statement/0/Action",
            ["secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue"],
        ),
        "auth may secretsmanager:PutSecretValue",
    ),
    Fault(
        "a policy on every resource",
        ROOT,
        put("Resources/UseStores/Properties/PolicyDocument/Statement/0/Resource", "*"),
        "may rds-db:connect on every resource",
    ),
    Fault(
        "a policy on whatever begins alike",
        ROOT,
        put("Resources/HandOver/Properties/PolicyDocument/Statement/0/Resource", {"Fn::Sub": "${FanOutFunction.Arn}*"}),
        "which others may be called like",
    ),
    Fault(
        "mails by any sender", ROOT, drop(of("Mail", "Policies/1/Statement/0/Condition")), "may send mails as anybody"
    ),
    Fault(
        "a role that anybody assumes",
        STORES,
        put("Resources/ProxyRole/Properties/AssumeRolePolicyDocument/Statement/0/Principal", {"AWS": "*"}),
        "ProxyRole may be assumed by anybody",
    ),
    Fault(
        "a rotation that may not call",
        ROOT,
        drop("Resources/RotateKeysPermission"),
        "Secrets Manager lacks a permission",
    ),
    Fault(
        "a function that anybody's secrets call",
        ROOT,
        drop("Resources/RotateKeysPermission/Properties/SourceAccount"),
        "anybody's Secrets Manager",
    ),
    Fault(
        "a schedule that is missing", ROOT, drop(of("Maintenance", "Events/EachMinute")), "nothing calls maintenance"
    ),
    Fault("a function slower than its API", ROOT, put(of("WsMessage", "Timeout"), 29), "ws-message has 29 s, but"),
    Fault("a function too quick for a statement", ROOT, put(of("History", "Timeout"), 5), "history has 5 s"),
    Fault(
        "a migration that is not waited for",
        ROOT,
        put("Resources/Migration/Properties/ServiceTimeout", 300),
        "waits 300 s for migrate",
    ),
    Fault(
        "a queue for failures that is missing",
        ROOT,
        drop(of("Mail", "EventInvokeConfig/DestinationConfig")),
        "a job of mail that fails is lost",
    ),
    Fault("a function that Lambda takes for a loop", ROOT, drop(of("FanOut", "RecursiveLoop")), "RecursiveLoop"),
    Fault(
        "more connections than the database has",
        ROOT,
        put("Mappings/Concurrency/Small/WsMessage", 60),
        "connections during a release, but max_connections is 100",
    ),
    Fault(
        "more instances than an account has",
        ROOT,
        put("Mappings/Concurrency/Production/WsMessage", 700),
        "functions reserve 1010 instances",
    ),
    Fault(
        "an alarm that is never raised",
        MONITORING,
        put("Mappings/Limits/Small/Connections", 101),
        "DatabaseConnections is raised at 101",
    ),
    Fault(
        "a function that asks Lambda over IPv4",
        ROOT,
        drop(of("WsMessage", "Environment/Variables/AWS_ENDPOINT_URL_LAMBDA")),
        "ws-message is given AWS_ENDPOINT_URL_LAMBDA None",
    ),
    Fault(
        "a database that logs statements",
        STORES,
        put("Resources/ClusterParameters/Properties/Parameters/log_statement", "all"),
        "ClusterParameters logs statements",
    ),
    Fault(
        "a domain that leads to the other API",
        DOMAINS,
        put("Resources/DomainMapping/Properties/ApiId", ref("WebSocketApi")),
        "chat.example.com does not lead to the stage",
    ),
    Fault(
        "a domain that takes old TLS",
        DOMAINS,
        put("Resources/WebSocketDomain/Properties/DomainNameConfigurations/0/SecurityPolicy", "TLS_1_0"),
        "ws.example.com has no certificate, or takes TLS before 1.2",
    ),
    Fault(
        "a budget that is not there",
        MONITORING,
        drop("Resources/Budget"),
        "a budget of 100 is asked for, but there is none",
    ),
    Fault(
        "a function without a bound",
        ROOT,
        drop(of("Conversations", "ReservedConcurrentExecutions")),
        "conversations has no reserved concurrency",
    ),
    Fault(
        "a migration for each function but one",
        ROOT,
        drop("Resources/OpsFunction/DependsOn"),
        "ops may run before Migration",
    ),
    Fault(
        "a migration that does not see new code",
        ROOT,
        put("Resources/Migration/Properties/Version", "1"),
        "does not change with the code",
    ),
    Fault(
        "a release without alarms",
        ROOT,
        drop("Globals/Function/DeploymentPreference/Alarms"),
        "nothing is watched while auth",
    ),
    Fault(
        "a release all at once",
        ROOT,
        put("Globals/Function/DeploymentPreference/Type", "AllAtOnce"),
        "all at once in Production",
    ),
    Fault(
        "a database that can be deleted",
        STORES,
        put("Resources/Instance/Properties/DeletionProtection", False),
        "Instance can be deleted",
    ),
    Fault(
        "a database that is gone with its stack",
        STORES,
        put("Resources/Cluster/DeletionPolicy", "Delete"),
        "Cluster is gone with its stack",
    ),
    Fault(
        "backups of one day", STORES, put("Mappings/Sizes/Small/BackupDays", 1), "Instance keeps its backups for 1 days"
    ),
    Fault(
        "clients without TLS",
        STORES,
        put("Resources/Parameters/Properties/Parameters/rds.force_ssl", "0"),
        "without TLS",
    ),
    Fault(
        "a proxy without TLS",
        STORES,
        put("Resources/Proxy/Properties/RequireTLS", False),
        "Proxy takes connections without TLS",
    ),
    Fault(
        "a proxy that logs statements",
        STORES,
        put("Resources/Proxy/Properties/DebugLogging", True),
        "Proxy logs statements",
    ),
    Fault("a cache for anybody", STORES, drop("Resources/Cache/Properties/UserGroupId"), "Cache has no user group"),
    Fault(
        "a cache of any price",
        STORES,
        drop("Resources/Cache/Properties/CacheUsageLimits/ECPUPerSecond"),
        "CacheUsageLimits has no ECPUPerSecond",
    ),
    Fault(
        "a user of the cache with two names",
        STORES,
        put("Resources/CacheUser/Properties/UserName", "other"),
        "its id is not its name|REDIS_URL",
    ),
    Fault(
        "a queue that forgets",
        ROOT,
        put("Resources/OnFailureQueue/Properties/MessageRetentionPeriod", 3600),
        "forgets failures",
    ),
    Fault(
        "a queue that is not encrypted",
        ROOT,
        put("Resources/OnFailureQueue/Properties/SqsManagedSseEnabled", False),
        "OnFailureQueue is not encrypted",
    ),
    Fault(
        "logs that are kept for ever",
        ROOT,
        drop("Resources/Logs/Properties/RetentionInDays"),
        "Logs keeps its lines for ever",
    ),
    Fault(
        "an API without access logs", ROOT, drop("Resources/HttpApi/Properties/AccessLogSettings"), "has no access logs"
    ),
    Fault(
        "an API that logs queries",
        ROOT,
        put("Resources/HttpApi/Properties/AccessLogSettings/Format", "$context.requestId $request.queryString"),
        "logs what may be a secret",
    ),
    Fault(
        "an API that holds nobody back",
        ROOT,
        drop("Resources/WebSocketApi/Properties/DefaultRouteSettings"),
        "holds nobody back",
    ),
    Fault(
        "a database for everybody",
        NETWORK,
        put("Resources/DatabaseGroup/Properties/SecurityGroupIngress", [OPEN]),
        "DatabaseGroup lets in anybody, at port 5432",
    ),
    Fault(
        "a cache that does not let functions in",
        NETWORK,
        drop("Resources/CacheFromFunctions"),
        "the cache does not let in",
    ),
    Fault(
        "functions that may not leave for the cache",
        NETWORK,
        drop("Resources/FunctionsToCache"),
        "may not leave its network for the cache",
    ),
    Fault(
        "a group that lets everything out",
        NETWORK,
        drop("Resources/CacheGroup/Properties/SecurityGroupEgress"),
        "CacheGroup lets everything out",
    ),
    Fault(
        "a network of one zone",
        NETWORK,
        put("Resources/PrivateB/Properties/AvailabilityZone", {"Fn::Select": [0, {"Fn::GetAZs": ""}]}),
        "fewer than two zones",
    ),
    Fault("a subnet without a way out", NETWORK, drop("Resources/NatRouteB"), "nothing leads out of"),
    Fault(
        "functions without IPv6",
        ROOT,
        drop("Globals/Function/VpcConfig/Ipv6AllowedForDualStack"),
        "Ipv6AllowedForDualStack",
    ),
    Fault(
        "an alarm on nothing",
        MONITORING,
        put("Resources/HttpErrors/Properties/Dimensions/0/Value", "abc"),
        "HttpErrors watches the ApiId abc",
    ),
    Fault(
        "an alarm on a figure that nobody counts",
        MONITORING,
        put("Resources/FoldLags/Properties/MetricName", "lag"),
        "FoldLags watches lag",
    ),
    Fault(
        "an alarm that silence does not raise",
        MONITORING,
        drop("Resources/HttpErrors/Properties/TreatMissingData"),
        "HttpErrors does not say what it makes of silence",
    ),
    Fault("failures that nobody hears of", MONITORING, drop("Resources/JobsFailed"), "nobody hears of what waits"),
    Fault(
        "a parameter that a nested stack has not",
        ROOT,
        put("Resources/Network/Properties/Parameters/Zones", "2"),
        "parameter Zones is given",
    ),
    Fault(
        "a parameter that a nested stack is not given",
        ROOT,
        drop("Resources/Stores/Properties/Parameters/Subnets"),
        "parameter Subnets has neither",
    ),
    Fault(
        "an output that a nested stack has not",
        NETWORK,
        drop("Outputs/CacheGroup"),
        "Network.Outputs.CacheGroup, which does not exist",
    ),
    Fault("an output that nobody uses", STORES, put("Outputs/Extra", {"Value": "x"}), "nobody uses the output Extra"),
    Fault(
        "a parameter that nobody uses",
        ROOT,
        put("Parameters/Extra", {"Type": "String", "Default": ""}),
        "nobody uses the parameter Extra",
    ),
    Fault(
        "a circle through a nested stack",
        ROOT,
        put("Resources/Network/DependsOn", "Stores"),
        "Network needs Stores|Stores needs Network",
    ),
    Fault(
        "a circle of an alarm and the API",
        ROOT,
        put("Resources/FunctionErrors/DependsOn", "HttpApi"),
        "FunctionErrors needs HttpApi|HttpApi needs",
    ),
]


def found_by_cfn_lint(faulty: Templates, fault: Fault, folder: Path) -> Iterator[str]:
    regions = linting.REGIONS[:1]
    write(faulty, folder)
    if fault.path == ROOT:
        # What SAM adds, and what stands in Globals, cfn-lint judges only when it is translated.
        with contextlib.suppress(InvalidDocumentException):
            yield from linting.lint(linting.translated_into(folder, faulty[ROOT], "template.json"), regions)
    yield from linting.lint(folder / fault.path, regions)


def found_deployed(faulty: Templates, fault: Fault, folder: Path) -> Iterator[str]:
    folder.mkdir()
    for parameters in DEPLOYMENTS:
        yield from linting.lint_deployed(stacks.deploy(faulty, parameters), folder)


def found_by_sam(faulty: Templates, fault: Fault, folder: Path) -> Iterator[str]:
    try:
        stacks.translate(faulty[ROOT], DEPLOYMENTS[0])
    except InvalidDocumentException as error:
        yield from linting.refusals(error)


def found_by_checks(faulty: Templates, fault: Fault, folder: Path) -> Iterator[str]:
    for parameters in DEPLOYMENTS:
        stack = stacks.deploy(faulty, parameters)
        for check in checks.CHECKS.values():
            yield from check(stack)
    yield from checks.unused(faulty, ROOT)


def found_by_checkov(faulty: Templates, fault: Fault, folder: Path) -> Iterator[str]:
    yield from CHECKED.get(folder.name, [])


def write(templates: Templates, folder: Path) -> Path:
    for path, template in templates.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(json.dumps(template), encoding="utf-8")
    return folder


TEMPLATES = stacks.load_all()
FOLDER = Path()
CHECKED: Dict[str, List[str]] = {}
"""What checkov says, by the name of the folder in which it looked; it is run once for all of them."""


def setUpModule() -> None:
    global FOLDER
    FOLDER = Path(tempfile.mkdtemp())
    written_for_checkov(TEMPLATES, list(TEMPLATES), FOLDER / "sound")
    for fault in OF_CHECKOV:
        written_for_checkov(fault.planted(TEMPLATES), [fault.path], FOLDER / slug(fault.name))
    command = os.environ["TEST_CHECKOV"].split(os.pathsep)
    env = dict(os.environ)
    if "TEST_CHECKOV_PYTHONPATH" in os.environ:
        env["PYTHONPATH"] = os.environ["TEST_CHECKOV_PYTHONPATH"]
    told = subprocess.run(
        [*command, "--directory", str(FOLDER), "--output", "json"], env=env, stdout=subprocess.PIPE, check=False
    )
    report = json.loads(told.stdout)
    results = report["results"] if isinstance(report, dict) else report[0]["results"]
    if not results["failed_checks"]:
        raise AssertionError("checkov found none of the faults")
    for one in results["failed_checks"]:
        folder = Path(one["file_abs_path"]).relative_to(FOLDER.resolve()).parts[0]
        CHECKED.setdefault(folder, []).append(f"{one['check_id']} {one['check_name']}: {one['resource']}")


def written_for_checkov(templates: Templates, paths: List[str], folder: Path) -> None:
    write({path: templates[path] for path in paths if path != ROOT}, folder)
    if ROOT in paths:
        linting.translated_into(folder, templates[ROOT], "template.json")


def tearDownModule() -> None:
    shutil.rmtree(FOLDER)


def slug(name: str) -> str:
    return re.sub(r"\W+", "_", name)


class Sound(unittest.TestCase):
    """Without a fault nobody says anything; what is said of one is therefore of the fault."""

    def test_cfn_lint_has_nothing_to_say(self) -> None:
        folder = write(TEMPLATES, FOLDER / "unmutated")
        translated = linting.translated_into(folder, TEMPLATES[ROOT], "template.json")
        for path in (translated, *(folder / path for path in TEMPLATES)):
            self.assertEqual(linting.lint(path), [])

    def test_checkov_has_nothing_to_say(self) -> None:
        self.assertEqual(CHECKED.get("sound", []), [])

    def test_the_checks_have_nothing_to_say(self) -> None:
        self.assertEqual(list(found_by_checks(TEMPLATES, OF_CHECKS[0], FOLDER)), [])

    def test_there_are_faults_enough_and_no_two_of_one_name(self) -> None:
        faults = [*OF_CFN_LINT, *OF_DEPLOYED, *OF_SAM, *OF_CHECKOV, *OF_CHECKS]
        self.assertEqual(len({slug(fault.name) for fault in faults}), len(faults))
        self.assertGreaterEqual(len(faults), 100)


class CfnLint(unittest.TestCase):
    """Has a test for each fault."""


class Deployed(unittest.TestCase):
    """Has a test for each fault."""


class Sam(unittest.TestCase):
    """Has a test for each fault."""


class Checkov(unittest.TestCase):
    """Has a test for each fault."""


class Checks(unittest.TestCase):
    """Has a test for each fault."""


Finder = Callable[[Templates, Fault, Path], Iterator[str]]


def caught(fault: Fault, finder: Finder) -> Callable[[unittest.TestCase], None]:
    def test(self: unittest.TestCase) -> None:
        said: List[str] = []
        for one in finder(fault.planted(TEMPLATES), fault, FOLDER / slug(fault.name)):
            if re.search(fault.says, one):
                return
            said.append(one)
        self.fail(f"nobody says {fault.says!r}, but {said or 'nothing'}")

    return test


def tests_of(case: type, faults: List[Fault], finder: Finder) -> None:
    for fault in faults:
        setattr(case, f"test_{slug(fault.name)}", caught(fault, finder))


tests_of(CfnLint, OF_CFN_LINT, found_by_cfn_lint)
tests_of(Deployed, OF_DEPLOYED, found_deployed)
tests_of(Sam, OF_SAM, found_by_sam)
tests_of(Checkov, OF_CHECKOV, found_by_checkov)
tests_of(Checks, OF_CHECKS, found_by_checks)


if __name__ == "__main__":
    unittest.main()
