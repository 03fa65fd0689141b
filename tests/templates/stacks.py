"""The stacks as CloudFormation would make them: translated, conditions decided, every reference followed.

No account is asked. What only AWS draws, such as ids, is made up from logical ids in the form that AWS gives it, so that
policies, permissions and settings can be compared with what they are meant for.
"""

from __future__ import annotations

import copy
import ipaddress
import logging
import re
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional, Set, Tuple

import boto3
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

ROOT = Path(__file__).resolve().parents[2]
ROOT_TEMPLATE = "template.yaml"
STACK, REGION, ACCOUNT, PARTITION = "chat", "eu-central-1", "123456789012", "aws"
PSEUDO_PARAMETERS = {
    "AWS::AccountId": ACCOUNT,
    "AWS::Partition": PARTITION,
    "AWS::Region": REGION,
    "AWS::StackId": f"arn:{PARTITION}:cloudformation:{REGION}:{ACCOUNT}:stack/{STACK}/1",
    "AWS::URLSuffix": "amazonaws.com",
    "AWS::NotificationARNs": [],
}
ZONES = [f"{REGION}a", f"{REGION}b", f"{REGION}c"]
NESTED = "AWS::CloudFormation::Stack"

logging.getLogger("samtranslator").setLevel(logging.ERROR)

Template = Dict[str, Any]
Resource = Dict[str, Any]


class Broken(Exception):
    """A template that CloudFormation would refuse, or that refers to what is not there."""


class NoValue:
    """What `AWS::NoValue` leaves behind: nothing."""


NO_VALUE = NoValue()


def load(path: str) -> Template:
    return yaml_parse((ROOT / path).read_text(encoding="utf-8"))


def load_all() -> Dict[str, Template]:
    """The templates of one deployment by their paths: the root and all that are nested in it."""
    templates = {ROOT_TEMPLATE: load(ROOT_TEMPLATE)}
    for resource in templates[ROOT_TEMPLATE]["Resources"].values():
        if resource["Type"] == NESTED:
            path = str(resource["Properties"]["TemplateURL"])
            templates[path] = load(path)
    return templates


def packaged(template: Template) -> Template:
    """A copy as `sam package` leaves it: code lies in a bucket."""
    template = copy.deepcopy(template)
    function = template.get("Globals", {}).get("Function", {})
    if "CodeUri" in function:
        function["CodeUri"] = "s3://bucket/code"
    for resource in template["Resources"].values():
        if "CodeUri" in (resource.get("Properties") or {}):
            resource["Properties"]["CodeUri"] = "s3://bucket/code"
    return template


def translate(template: Template, parameters: Optional[Dict[str, str]] = None) -> Template:
    """The CloudFormation that SAM makes of a template; one without SAM's transform is that already."""
    if "Transform" not in template:
        return template
    session = boto3.session.Session(region_name=REGION)
    # With a map of managed policies, if an empty one, it asks nobody for theirs.
    translator = Translator({}, Parser(), boto_session=session)
    translated = translator.translate(packaged(template), dict(parameters or {}))
    return plain(translated)


def plain(value: Any) -> Any:
    """Dictionaries and lists for what the translator uses."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, str) else value


class Stack:
    """One stack: its template, the values of its parameters, and those nested in it."""

    def __init__(
        self, name: str, template: Template, parameters: Dict[str, Any], nested: Dict[str, Template], path: str
    ) -> None:
        self.name = name
        self.path = path
        self.template = template
        self.sam: Template = template
        """What SAM was given, which knows what a function is built from."""
        self.nested_templates = nested
        self.problems: List[str] = []
        self.references: Dict[str, Set[str]] = {}
        """Which resources each resource needs before it can be made."""
        self._reader: Optional[str] = None
        self._conditions: Dict[str, bool] = {}
        self._nested: Dict[str, Stack] = {}
        self.parameters = self._parameters(parameters)
        self.resources = self._resources()
        self.outputs = self._outputs()

    # --- What there is ---

    def _parameters(self, given: Dict[str, Any]) -> Dict[str, Any]:
        values = {}
        declared = self.template.get("Parameters", {})
        for name in given:
            if name not in declared:
                self.problems.append(f"{self.path}: parameter {name} is given, but there is none of this name")
        for name, parameter in declared.items():
            value = given.get(name, parameter.get("Default"))
            if value is None:
                self.problems.append(f"{self.path}: parameter {name} has neither a value nor a default")
                value = ""
            allowed = parameter.get("AllowedValues")
            if allowed and str(value) not in [str(one) for one in allowed]:
                self.problems.append(f"{self.path}: parameter {name} may not be {value!r}")
            pattern = parameter.get("AllowedPattern")
            if pattern and not re.fullmatch(pattern, str(value)):
                self.problems.append(f"{self.path}: parameter {name} may not be {value!r}")
            if parameter["Type"].startswith(("List<", "CommaDelimitedList")) and not isinstance(value, list):
                value = [part.strip() for part in str(value).split(",")]
            values[name] = value
        return values

    def _resources(self) -> Dict[str, Resource]:
        resources: Dict[str, Resource] = {}
        active = [name for name in self.template["Resources"] if self.is_active(name)]
        for name in active:
            self._reader = name
            resource = self.template["Resources"][name]
            depends = resource.get("DependsOn", [])
            depends = [depends] if isinstance(depends, str) else depends
            for needed in depends:
                if needed not in self.template["Resources"]:
                    self.problems.append(f"{self.path}: {name} depends on {needed}, which does not exist")
            self.references[name] = {needed for needed in depends if needed in active}
            try:
                resources[name] = {
                    **resource,
                    "Properties": self.resolve(resource.get("Properties", {})),
                    "UpdatePolicy": self.resolve(resource.get("UpdatePolicy", {})),
                }
            except Broken as problem:
                self.problems.append(f"{self.path}: {name}: {problem}")
        self._reader = None
        return resources

    def _outputs(self) -> Dict[str, Any]:
        outputs = {}
        for name, output in self.template.get("Outputs", {}).items():
            try:
                if self.condition(output.get("Condition")):
                    outputs[name] = self.resolve(output["Value"])
            except Broken as problem:
                self.problems.append(f"{self.path}: output {name}: {problem}")
        return outputs

    def nested(self, name: str) -> "Stack":
        """The stack that a resource of this one is."""
        if name not in self._nested:
            properties = self.template["Resources"][name]["Properties"]
            path = str(properties["TemplateURL"])
            if path not in self.nested_templates:
                raise Broken(f"there is no template {path}")
            parameters = self.resolve(properties.get("Parameters", {}))
            for key, value in parameters.items():
                if isinstance(value, list):
                    parameters[key] = ",".join(map(str, value))
            template = self.nested_templates[path]
            self._nested[name] = Stack(f"{self.name}-{name}", template, parameters, self.nested_templates, path)
        return self._nested[name]

    def stacks(self) -> Iterator["Stack"]:
        """This stack and those nested in it."""
        yield self
        for name, resource in self.resources.items():
            if resource["Type"] == NESTED:
                yield from self.nested(name).stacks()

    def of_type(self, *types: str) -> Iterator[Tuple["Stack", str, Resource]]:
        """The resources of these types here and in nested stacks; all resources, when no type is given."""
        for stack in self.stacks():
            for name, resource in stack.resources.items():
                if not types or resource["Type"] in types:
                    yield stack, name, resource

    # --- Conditions ---

    def is_active(self, name: str) -> bool:
        return self.condition(self.template["Resources"][name].get("Condition"))

    def condition(self, name: Optional[str]) -> bool:
        if name is None:
            return True
        if name not in self._conditions:
            declared = self.template.get("Conditions", {})
            if name not in declared:
                raise Broken(f"there is no condition {name}")
            self._conditions[name] = self._decide(declared[name])
        return self._conditions[name]

    def _decide(self, expression: Any) -> bool:
        ((kind, operands),) = expression.items()
        if kind == "Condition":
            return self.condition(operands)
        if kind == "Fn::Equals":
            left, right = (self.resolve(operand) for operand in operands)
            return str(left) == str(right)
        if kind == "Fn::Not":
            return not self._decide(operands[0])
        if kind == "Fn::And":
            return all(self._decide(operand) for operand in operands)
        if kind == "Fn::Or":
            return any(self._decide(operand) for operand in operands)
        raise Broken(f"{kind} is not a condition")

    # --- Values ---

    def resolve(self, value: Any) -> Any:
        if isinstance(value, list):
            resolved = [self.resolve(item) for item in value]
            return [item for item in resolved if item is not NO_VALUE]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((kind, operand),) = value.items()
            if kind == "Ref" or kind == "Condition" and isinstance(operand, str) or kind.startswith("Fn::"):
                return self._intrinsic(kind, operand)
        resolved = {key: self.resolve(item) for key, item in value.items()}
        return {key: item for key, item in resolved.items() if item is not NO_VALUE}

    def _intrinsic(self, kind: str, operand: Any) -> Any:
        if kind == "Ref":
            return self._ref(operand)
        if kind == "Fn::GetAtt":
            name, _, attribute = operand.partition(".") if isinstance(operand, str) else (operand[0], ".", operand[1])
            return self.attribute(name, self.resolve(attribute))
        if kind == "Fn::If":
            condition, then, otherwise = operand
            return self.resolve(then if self.condition(condition) else otherwise)
        if kind == "Fn::Sub":
            return self._sub(operand)
        if kind == "Fn::Join":
            separator, parts = operand[0], self.resolve(operand[1])
            return separator.join(str(part) for part in parts)
        if kind == "Fn::Split":
            return self.resolve(operand[1]).split(operand[0])
        if kind == "Fn::Select":
            index, items = int(self.resolve(operand[0])), self.resolve(operand[1])
            if index >= len(items):
                raise Broken(f"nothing has index {index} in {items}")
            return items[index]
        if kind == "Fn::FindInMap":
            return self._in_map(operand)
        if kind == "Fn::GetAZs":
            return ZONES
        if kind == "Fn::Cidr":
            return self._cidr([self.resolve(part) for part in operand])
        if kind == "Condition":
            return self.condition(operand)
        if kind in ("Fn::Equals", "Fn::Not", "Fn::And", "Fn::Or"):
            return self._decide({kind: operand})
        raise Broken(f"{kind} cannot be evaluated")

    def _ref(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return NO_VALUE
        if name == "AWS::StackName":
            return self.name
        if name in PSEUDO_PARAMETERS:
            return PSEUDO_PARAMETERS[name]
        if name in self.parameters:
            return self.parameters[name]
        return identity(self._needed(name), self, name)

    def _needed(self, name: str) -> Resource:
        """A resource that the one being read refers to."""
        resource = self.template["Resources"].get(name)
        if resource is None:
            raise Broken(f"it refers to {name}, which does not exist")
        if not self.is_active(name):
            raise Broken(f"it refers to {name}, which is not made under its condition {resource['Condition']}")
        if self._reader is not None:
            self.references[self._reader].add(name)
        return resource

    def attribute(self, name: str, attribute: str) -> Any:
        resource = self._needed(name)
        if resource["Type"] == NESTED and attribute.startswith("Outputs."):
            output = attribute[len("Outputs.") :]
            # What a nested stack needs is decided by its parameters, which are references of its own.
            reader, self._reader = self._reader, name
            self.references.setdefault(name, set())
            outputs = self.nested(name).outputs
            self._reader = reader
            if output not in outputs:
                raise Broken(f"it refers to {name}.Outputs.{output}, which does not exist")
            return outputs[output]
        return attribute_of(resource, self, name, attribute)

    def _sub(self, operand: Any) -> str:
        text, variables = (operand, {}) if isinstance(operand, str) else operand

        def value(found: "re.Match[str]") -> str:
            name = found.group(1)
            if name.startswith("!"):
                return "${" + name[1:] + "}"
            if name in variables:
                return str(self.resolve(variables[name]))
            if "." in name:
                return str(self.attribute(*name.split(".", 1)))
            found_value = self._ref(name)
            return ",".join(found_value) if isinstance(found_value, list) else str(found_value)

        return re.sub(r"\$\{([^}]*)\}", value, text)

    def _in_map(self, operand: Any) -> Any:
        name, *keys = [self.resolve(part) for part in operand[:3]]
        found: Any = self.template.get("Mappings", {}).get(name)
        for key in keys:
            found = (found or {}).get(str(key)) if isinstance(found, dict) else None
        if found is None:
            raise Broken(f"the mapping {name} has no {'.'.join(map(str, keys))}")
        return found

    @staticmethod
    def _cidr(operand: List[Any]) -> List[str]:
        block, count, bits = str(operand[0]), int(operand[1]), int(operand[2])
        network = ipaddress.ip_network(block)
        subnets = network.subnets(new_prefix=network.max_prefixlen - bits)
        return [str(next(subnets)) for _ in range(count)]


# --- What AWS would answer ---


def generated(stack: Stack, name: str) -> str:
    return f"{stack.name}-{name}-1A2B3C"


def named(resource: Resource, stack: Stack, name: str, *properties: str) -> str:
    """The name that a resource is given, else the one it would get."""
    given = (resource.get("Properties") or {}).get(properties[0]) if properties else None
    return str(stack.resolve(given)) if given is not None else generated(stack, name)


def arn(service: str, resource: str, region: str = REGION) -> str:
    return f"arn:{PARTITION}:{service}:{region}:{ACCOUNT}:{resource}"


def function_arn(resource: Resource, stack: Stack, name: str) -> str:
    return arn("lambda", f"function:{named(resource, stack, name, 'FunctionName')}")


def alias_arn(resource: Resource, stack: Stack, name: str) -> str:
    function = str(stack.resolve(resource["Properties"]["FunctionName"])).rpartition(":")[2]
    return arn("lambda", f"function:{function}:{resource['Properties']['Name']}")


def version_arn(resource: Resource, stack: Stack, name: str) -> str:
    return arn("lambda", f"function:{stack.resolve(resource['Properties']['FunctionName'])}:1")


Answer = Callable[[Resource, Stack, str], str]

# What `Ref` gives, where it is not the name.
IDENTITIES: Dict[str, Answer] = {
    "AWS::Lambda::Function": lambda r, s, n: named(r, s, n, "FunctionName"),
    "AWS::Lambda::Alias": alias_arn,
    "AWS::Lambda::Version": version_arn,
    "AWS::ApiGatewayV2::Api": lambda r, s, n: n.lower()[:10],
    "AWS::ApiGatewayV2::Stage": lambda r, s, n: named(r, s, n, "StageName"),
    "AWS::CertificateManager::Certificate": lambda r, s, n: arn("acm", f"certificate/{generated(s, n)}"),
    "AWS::SQS::Queue": lambda r, s, n: f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{named(r, s, n, 'QueueName')}",
    "AWS::SNS::Topic": lambda r, s, n: arn("sns", named(r, s, n, "TopicName")),
    "AWS::SecretsManager::Secret": lambda r, s, n: arn("secretsmanager", f"secret:{named(r, s, n, 'Name')}-AbCdEf"),
    "AWS::IAM::ManagedPolicy": lambda r, s, n: arn("iam", f"policy/{named(r, s, n, 'ManagedPolicyName')}", ""),
    "AWS::IAM::Role": lambda r, s, n: named(r, s, n, "RoleName"),
    "AWS::Logs::LogGroup": lambda r, s, n: named(r, s, n, "LogGroupName"),
    "AWS::EC2::SecurityGroup": lambda r, s, n: f"sg-{s.name}-{n}",
    "AWS::ElastiCache::ServerlessCache": lambda r, s, n: named(r, s, n, "ServerlessCacheName"),
    "AWS::ElastiCache::User": lambda r, s, n: named(r, s, n, "UserId"),
    "AWS::ElastiCache::UserGroup": lambda r, s, n: named(r, s, n, "UserGroupId"),
    "AWS::RDS::DBInstance": lambda r, s, n: named(r, s, n, "DBInstanceIdentifier").lower(),
    "AWS::RDS::DBCluster": lambda r, s, n: named(r, s, n, "DBClusterIdentifier").lower(),
    "AWS::RDS::DBProxy": lambda r, s, n: named(r, s, n, "DBProxyName"),
    "AWS::CloudWatch::Alarm": lambda r, s, n: named(r, s, n, "AlarmName"),
    "AWS::CloudWatch::CompositeAlarm": lambda r, s, n: named(r, s, n, "AlarmName"),
    "AWS::KMS::Key": lambda r, s, n: f"key-{n}",
    "AWS::CodeDeploy::Application": lambda r, s, n: generated(s, n),
    NESTED: lambda r, s, n: arn("cloudformation", f"stack/{generated(s, n)}/1"),
}

# What `GetAtt` gives, where the value matters to a check.
ATTRIBUTES: Dict[Tuple[str, str], Answer] = {
    ("AWS::Lambda::Function", "Arn"): function_arn,
    ("AWS::Lambda::Alias", "AliasArn"): alias_arn,
    ("AWS::Lambda::Version", "Version"): lambda r, s, n: "1",
    ("AWS::Lambda::Version", "FunctionArn"): version_arn,
    ("AWS::SQS::Queue", "Arn"): lambda r, s, n: arn("sqs", named(r, s, n, "QueueName")),
    ("AWS::SQS::Queue", "QueueName"): lambda r, s, n: named(r, s, n, "QueueName"),
    ("AWS::SNS::Topic", "TopicName"): lambda r, s, n: named(r, s, n, "TopicName"),
    ("AWS::SecretsManager::Secret", "Id"): lambda r, s, n: identity(r, s, n),
    ("AWS::IAM::Role", "Arn"): lambda r, s, n: arn("iam", f"role/{named(r, s, n, 'RoleName')}", ""),
    ("AWS::Logs::LogGroup", "Arn"): lambda r, s, n: arn("logs", f"log-group:{named(r, s, n, 'LogGroupName')}:*"),
    ("AWS::EC2::SecurityGroup", "GroupId"): lambda r, s, n: identity(r, s, n),
    ("AWS::EC2::SecurityGroup", "Id"): lambda r, s, n: identity(r, s, n),
    ("AWS::EC2::VPC", "CidrBlock"): lambda r, s, n: str(s.resolve(r["Properties"]["CidrBlock"])),
    ("AWS::EC2::VPC", "Ipv6CidrBlocks"): lambda r, s, n: ["2a05:d014:1::/56"],  # type: ignore[dict-item,return-value]
    ("AWS::ElastiCache::ServerlessCache", "ARN"): lambda r, s, n: arn(
        "elasticache", f"serverlesscache:{identity(r, s, n)}"
    ),
    ("AWS::ElastiCache::ServerlessCache", "Endpoint.Address"): lambda r, s, n: (
        f"{identity(r, s, n)}.serverless.euc1.cache.amazonaws.com"
    ),
    ("AWS::ElastiCache::ServerlessCache", "Endpoint.Port"): lambda r, s, n: "6379",
    ("AWS::ElastiCache::User", "Arn"): lambda r, s, n: arn("elasticache", f"user:{identity(r, s, n)}"),
    ("AWS::RDS::DBInstance", "Endpoint.Address"): lambda r, s, n: f"{identity(r, s, n)}.abc.{REGION}.rds.amazonaws.com",
    ("AWS::RDS::DBInstance", "Endpoint.Port"): lambda r, s, n: "5432",
    ("AWS::RDS::DBInstance", "DbiResourceId"): lambda r, s, n: "db-INSTANCE",
    ("AWS::RDS::DBInstance", "MasterUserSecret.SecretArn"): lambda r, s, n: arn(
        "secretsmanager", "secret:rds!db-1-AbCdEf"
    ),
    ("AWS::RDS::DBCluster", "Endpoint.Address"): lambda r, s, n: (
        f"{identity(r, s, n)}.cluster-abc.{REGION}.rds.amazonaws.com"
    ),
    ("AWS::RDS::DBCluster", "Endpoint.Port"): lambda r, s, n: "5432",
    ("AWS::RDS::DBCluster", "DBClusterResourceId"): lambda r, s, n: "cluster-CLUSTER",
    ("AWS::RDS::DBCluster", "MasterUserSecret.SecretArn"): lambda r, s, n: arn(
        "secretsmanager", "secret:rds!cluster-1-AbCdEf"
    ),
    ("AWS::RDS::DBProxy", "Endpoint"): lambda r, s, n: f"{identity(r, s, n)}.proxy-abc.{REGION}.rds.amazonaws.com",
    ("AWS::RDS::DBProxy", "DBProxyArn"): lambda r, s, n: arn("rds", "db-proxy:prx-PROXY"),
    ("AWS::CloudWatch::Alarm", "Arn"): lambda r, s, n: arn("cloudwatch", f"alarm:{identity(r, s, n)}"),
    ("AWS::ApiGatewayV2::Api", "ApiEndpoint"): lambda r, s, n: (
        f"https://{identity(r, s, n)}.execute-api.{REGION}.amazonaws.com"
    ),
    ("AWS::ApiGatewayV2::Api", "ApiId"): lambda r, s, n: identity(r, s, n),
    ("AWS::KMS::Key", "Arn"): lambda r, s, n: arn("kms", f"key/{identity(r, s, n)}"),
}


def identity(resource: Resource, stack: Stack, name: str) -> str:
    return IDENTITIES.get(resource["Type"], lambda r, s, n: generated(s, n))(resource, stack, name)


def attribute_of(resource: Resource, stack: Stack, name: str, attribute: str) -> Any:
    answer = ATTRIBUTES.get((resource["Type"], attribute))
    return answer(resource, stack, name) if answer else f"{generated(stack, name)}.{attribute}"


# --- What can be deployed ---


def deploy(templates: Dict[str, Template], parameters: Dict[str, str]) -> Stack:
    """The stack that one deployment with these parameters makes."""
    translated = translate(templates[ROOT_TEMPLATE], parameters)
    stack = Stack(STACK, translated, parameters, templates, ROOT_TEMPLATE)
    stack.sam = templates[ROOT_TEMPLATE]
    return stack
