"""What has to hold of the stack, whatever its parameters are. Each check tells of what does not, by its name.

A check reads one deployment, all of whose references are resolved; see `stacks`.
"""

from __future__ import annotations

import fnmatch
import json
import re
from dataclasses import dataclass
from typing import Any, Callable, Dict, Iterator, List, Optional, Set, Tuple

import routing
import sources
from stacks import ACCOUNT, NESTED, REGION, Resource, Stack, arn, identity

Problems = Iterator[str]
Check = Callable[[Stack], Problems]
CHECKS: Dict[str, Check] = {}

WEBSOCKET_INTEGRATION, HTTP_INTEGRATION = 29, 30  # seconds, API Gateway's own limits
ANYWHERE = {"0.0.0.0/0", "::/0"}
ALIAS = "live"
# What AWS' own policies for functions allow, which name no resource because there is none to name.
OF_AWS = {
    "AWSLambdaBasicExecutionRole": {"logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"},
    "AWSLambdaVPCAccessExecutionRole": {
        "logs:CreateLogGroup",
        "logs:CreateLogStream",
        "logs:PutLogEvents",
        "ec2:CreateNetworkInterface",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSubnets",
        "ec2:DeleteNetworkInterface",
        "ec2:AssignPrivateIpAddresses",
        "ec2:UnassignPrivateIpAddresses",
    },
}
# Actions that AWS lets nobody narrow to a resource.
WITHOUT_RESOURCE = {
    "ec2:CreateNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:DeleteNetworkInterface",
    "ec2:AssignPrivateIpAddresses",
    "ec2:UnassignPrivateIpAddresses",
    "ec2:AssignIpv6Addresses",
    "ec2:UnassignIpv6Addresses",
}
OF_LOGS = {"logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"}


def check(function: Check) -> Check:
    CHECKS[function.__name__] = function
    return function


# --- The parts of a stack ---


@dataclass
class Function:
    """A function of the stack."""

    name: str
    logical: str
    properties: Dict[str, Any]
    arn: str
    role: str
    """The logical id of its role."""

    @property
    def alias(self) -> str:
        return f"{self.arn}:{ALIAS}"

    @property
    def environment(self) -> Dict[str, str]:
        return self.properties.get("Environment", {}).get("Variables", {})


def binary(root: Stack, logical: str) -> str:
    """Which package of `functions/` a function is built from."""
    metadata = root.sam["Resources"].get(logical, {}).get("Metadata", {})
    return metadata.get("BuildProperties", {}).get("Binary", logical)


def functions(root: Stack) -> Dict[str, Function]:
    found = {}
    for stack, logical, resource in root.of_type("AWS::Lambda::Function"):
        name = binary(root, logical)
        role = str(resource["Properties"].get("Role", "")).rpartition("/")[2]
        owner = next((n for s, n, r in root.of_type("AWS::IAM::Role") if s is stack and identity(r, s, n) == role), "")
        its_arn = arn("lambda", f"function:{identity(stack.template['Resources'][logical], stack, logical)}")
        found[name] = Function(name, logical, resource["Properties"], its_arn, owner)
    return found


def only(root: Stack, *types: str) -> Optional[Tuple[Stack, str, Resource]]:
    return next(root.of_type(*types), None)


def as_list(value: Any) -> List[Any]:
    return value if isinstance(value, list) else [value]


def statements(root: Stack, stack: Stack, role: str) -> Iterator[Tuple[Set[str], Set[str], Dict[str, Any]]]:
    """What a role is allowed: actions, resources, and the statement itself."""
    properties = stack.resources[role]["Properties"]
    documents = [policy["PolicyDocument"] for policy in properties.get("Policies", [])]
    managed = {identity(r, s, n): r for s, n, r in root.of_type("AWS::IAM::ManagedPolicy")}
    for its_arn in properties.get("ManagedPolicyArns", []):
        if its_arn in managed:
            documents.append(managed[its_arn]["Properties"]["PolicyDocument"])
        else:
            policy = its_arn.rpartition("/")[2]
            actions = OF_AWS.get(policy, {f"whatever {policy} allows"})
            documents.append({"Statement": [{"Effect": "Allow", "Action": sorted(actions), "Resource": "of AWS"}]})
    name = identity(stack.template["Resources"][role], stack, role)
    for _, _, resource in root.of_type("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy", "AWS::IAM::RolePolicy"):
        its = resource["Properties"]
        if name in as_list(its.get("Roles", its.get("RoleName", []))):
            documents.append(its["PolicyDocument"])
    for document in documents:
        for statement in as_list(document["Statement"]):
            if statement["Effect"] == "Allow":
                yield set(as_list(statement["Action"])), set(map(str, as_list(statement["Resource"]))), statement


def grants(root: Stack, stack: Stack, role: str) -> Set[Tuple[str, str]]:
    return {
        (action, resource)
        for actions, resources, _ in statements(root, stack, role)
        for action in actions
        for resource in resources
    }


def aliases(root: Stack) -> Dict[str, str]:
    """The aliases by their ARN."""
    return {identity(r, s, n): n for s, n, r in root.of_type("AWS::Lambda::Alias")}


def called(uri: Any) -> str:
    """The function in the address of an integration."""
    found = re.search(r"/functions/(.+)/invocations$", str(uri))
    return found.group(1) if found else ""


def http_routes(root: Stack) -> Dict[routing.Route, Tuple[str, Dict[str, Any]]]:
    """The routes of the HTTP API: which function each calls, and its integration."""
    found = {}
    for _, _, resource in root.of_type("AWS::ApiGatewayV2::Api"):
        for path, item in resource["Properties"].get("Body", {}).get("paths", {}).items():
            for method, operation in item.items():
                integration = operation.get("x-amazon-apigateway-integration") if isinstance(operation, dict) else None
                if integration is None:
                    continue
                name = "ANY" if method == "x-amazon-apigateway-any-method" else method.upper()
                route = routing.DEFAULT if path.lstrip("/") == "$default" else (name, path)
                found[route] = (called(integration.get("uri")), integration)
    return found


def websocket_routes(root: Stack) -> Dict[str, Tuple[str, Dict[str, Any], Dict[str, Any]]]:
    """The routes of the WebSocket API: which function each calls, its integration, and itself."""
    integrations = {identity(r, s, n): r["Properties"] for s, n, r in root.of_type("AWS::ApiGatewayV2::Integration")}
    found = {}
    for _, _, resource in root.of_type("AWS::ApiGatewayV2::Route"):
        route = resource["Properties"]
        integration = integrations.get(str(route.get("Target", "")).rpartition("/")[2], {})
        found[route["RouteKey"]] = (called(integration.get("IntegrationUri")), integration, route)
    return found


def api(root: Stack, protocol: str) -> str:
    """The id of the HTTP API or of the WebSocket API."""
    for stack, name, resource in root.of_type("AWS::ApiGatewayV2::Api"):
        is_http = "Body" in resource["Properties"]
        if is_http == (protocol == "HTTP"):
            return identity(resource, stack, name)
    return ""


def matches(pattern: str, text: str) -> bool:
    """As IAM reads a pattern: `*` and `?`, and nothing else is special."""
    return fnmatch.fnmatchcase(text, pattern.replace("[", "[[]"))


# --- References ---


@check
def every_reference_leads_somewhere(root: Stack) -> Problems:
    for stack in root.stacks():
        yield from stack.problems


@check
def nothing_needs_itself(root: Stack) -> Problems:
    for stack in root.stacks():
        done: Set[str] = set()

        def visit(name: str, path: Tuple[str, ...]) -> Problems:
            if name in path:
                yield f"{stack.path}: " + " needs ".join((*path[path.index(name) :], name))
            elif name not in done:
                for needed in sorted(stack.references.get(name, ())):
                    yield from visit(needed, (*path, name))
                done.add(name)

        for name in stack.references:
            yield from visit(name, ())


# --- Routes ---


@check
def every_operation_reaches_the_function_that_has_it(root: Stack) -> Problems:
    routes = {route: function for route, (function, _) in http_routes(root).items()}
    by_alias = {function.alias: name for name, function in functions(root).items()}
    serving = sources.operations()
    for method, template in sorted(sources.documented()):
        path = re.sub(r"\{\w+\}", "x1", template)
        expected = serving.get((method, template))
        best = routing.chosen(routes, method, path)
        if len(best) != 1:
            yield f"{method} {template} reaches {len(best)} routes: {best}"
            continue
        reached = by_alias.get(routes[best[0]])
        if reached != expected:
            yield f"{method} {template} reaches {reached or routes[best[0]]!r}, but stands in {expected}"
        elif best[0] == routing.DEFAULT and expected != "web":
            yield f"{method} {template} has no route and is left to $default"


@check
def a_base_path_is_routed_with_its_final_slash_too(root: Stack) -> Problems:
    routes = http_routes(root)
    for (method, path), (function, _) in routes.items():
        if path and not path.endswith(("/", "+}")) and (method, path + "/") not in routes:
            yield f"{path} has a route to {function}, but {path}/ has none"
        slashed = routes.get((method, path + "/"))
        if path and slashed and slashed[0] != function:
            yield f"{path} and {path}/ reach different functions"


@check
def files_and_what_is_nowhere_reach_web(root: Stack) -> Problems:
    web = functions(root).get("web")
    routes = http_routes(root)
    for path in ("/", "/admin", "/assets/app.js", "/nowhere"):
        best = routing.chosen({route: function for route, (function, _) in routes.items()}, "GET", path)
        if best != [routing.DEFAULT] or not web or routes[best[0]][0] != web.alias:
            yield f"GET {path} does not reach web by $default, but {best}"


@check
def the_websocket_api_is_two_way(root: Stack) -> Problems:
    expected = {"$connect": "ws-connect", "$disconnect": "ws-disconnect", "$default": "ws-message"}
    known = functions(root)
    routes = websocket_routes(root)
    for key, name in expected.items():
        function, integration, _ = routes.get(key, ("", {}, {}))
        if name not in known or function != known[name].alias:
            yield f"the route {key} does not call the alias {ALIAS} of {name}, but {function!r}"
        if integration and integration.get("IntegrationType") != "AWS_PROXY":
            yield f"the route {key} is not a proxy integration"
    if set(routes) != set(expected):
        yield f"the WebSocket API has the routes {sorted(routes)}"
    if routes.get("$default", ("", {}, {}))[2].get("RouteResponseSelectionExpression") != "$default":
        yield "the route $default is not two-way: it has no RouteResponseSelectionExpression"
    responses = [r["Properties"] for _, _, r in root.of_type("AWS::ApiGatewayV2::RouteResponse")]
    default = [
        identity(r, s, n)
        for s, n, r in root.of_type("AWS::ApiGatewayV2::Route")
        if r["Properties"]["RouteKey"] == "$default"
    ]
    if not any(r.get("RouteResponseKey") == "$default" and r.get("RouteId") in default for r in responses):
        yield "the route $default is not two-way: it has no RouteResponse"


@check
def every_route_may_call_its_function(root: Stack) -> Problems:
    permissions = [r["Properties"] for _, _, r in root.of_type("AWS::Lambda::Permission")]

    def may(function: str, source: str) -> bool:
        return any(
            one["FunctionName"] == function
            and one["Action"] == "lambda:InvokeFunction"
            and one["Principal"] == "apigateway.amazonaws.com"
            and matches(one.get("SourceArn", "nothing"), arn("execute-api", source))
            for one in permissions
        )

    for (method, path), (function, _) in http_routes(root).items():
        called_as = "*/$default" if not path else f"$default/*{path}"
        if not may(function, f"{api(root, 'HTTP')}/{called_as}"):
            yield f"the HTTP API may not call {function} for {method} {path}: it lacks a permission"
    for key, (function, _, _) in websocket_routes(root).items():
        if not may(function, f"{api(root, 'WEBSOCKET')}/ws/{key}"):
            yield f"the WebSocket API may not call {function} for {key}: it lacks a permission"


@check
def nobody_may_call_a_function_who_has_no_reason_to(root: Stack) -> Problems:
    known = {function.alias: name for name, function in functions(root).items()}
    routed = {function for function, _ in http_routes(root).values()}
    routed |= {function for function, _, _ in websocket_routes(root).values()}
    for _, logical, resource in root.of_type("AWS::Lambda::Permission"):
        permission = resource["Properties"]
        name, principal = known.get(permission["FunctionName"]), permission["Principal"]
        if principal == "secretsmanager.amazonaws.com":
            name = rotating(root, permission["FunctionName"])
        if name is None:
            yield f"{logical} is for {permission['FunctionName']}, which is no alias {ALIAS} of a function"
        elif principal == "apigateway.amazonaws.com":
            apis = {api(root, "HTTP"), api(root, "WEBSOCKET")}
            source = str(permission.get("SourceArn", ""))
            if not any(source.startswith(arn("execute-api", f"{one}/")) for one in apis):
                yield f"{logical} lets API Gateway call {name} from {source or 'any API'}"
            if permission["FunctionName"] not in routed:
                yield f"{logical} lets API Gateway call {name}, to which no route leads"
        elif principal == "secretsmanager.amazonaws.com":
            if name != "rotate-keys":
                yield f"{logical} lets Secrets Manager call {name}"
            if not permission.get("SourceArn") and permission.get("SourceAccount") != ACCOUNT:
                yield f"{logical} lets anybody's Secrets Manager call {name}"
        else:
            yield f"{logical} lets {principal} call {name}"


# --- Settings ---


@check
def every_package_is_one_function(root: Stack) -> Problems:
    built = [binary(root, name) for _, name, _ in root.of_type("AWS::Lambda::Function")]
    for name in sorted(set(sources.names()) ^ set(built)):
        yield (
            f"{name} is a package without a function"
            if name not in built
            else f"{name} is a function without a package"
        )
    for name in sorted({name for name in built if built.count(name) > 1}):
        yield f"{name} is the package of several functions"


@check
def every_function_has_the_settings_that_it_reads_and_no_others(root: Stack) -> Problems:
    asked = sources.functions()
    for name, function in functions(root).items():
        if name not in asked:
            continue
        given, needs = set(function.environment), asked[name]
        for setting in sorted(needs.required):
            # What the API is called is known only once it is made, so a first pass gives no address.
            if (
                setting == "PUBLIC_URL"
                and not root.parameters.get("DomainName")
                and not root.parameters.get("PublicUrl")
            ):
                continue
            if not function.environment.get(setting):
                yield f"{name} is not given {setting}, without which it does not start"
        for setting in sorted(given - needs.required - needs.optional):
            yield f"{name} is given {setting}, which it does not read"
        for setting in sorted(expected_settings(needs) - given):
            yield f"{name} is not given {setting}"


def expected_settings(function: sources.Function) -> Set[str]:
    """Those that a function could start without, but not do here what it is meant to."""
    always = {"LOG_LEVEL", "METRICS_NAMESPACE", "METRICS_TOKEN", "ENVIRONMENT", "ALLOWED_ORIGINS", "DATABASE_CA"}
    always |= {
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_EXPORTER_OTLP_HEADERS",
        "OTEL_TRACES_SAMPLER_ARG",
        "REDIS_IAM_CACHE",
    }
    always |= {"REDIS_CA", "DATABASE_SECRET", "DATABASE_ROLE", "FUNCTION_ALIAS", *function.throttles}
    if function.name != "migrate":
        always |= {"DATABASE_IAM"}
    if function.name == "auth":
        always |= {"EMAIL_VERIFICATION"}
    return always & function.optional


@check
def settings_say_what_there_is(root: Stack) -> Problems:
    known = functions(root)
    websocket = api(root, "WEBSOCKET")
    management = f"https://{websocket}.execute-api.{REGION}.amazonaws.com/ws"
    invokable = {name: {function.alias} for name, function in known.items()}
    for name, function in known.items():
        # By name and alias it is found as well.
        invokable[name].add(function.alias.rpartition("function:")[2])
    cache = only(root, "AWS::ElastiCache::ServerlessCache")
    for name, function in known.items():
        given = function.environment

        def expect(setting: str, *values: str) -> Problems:
            if setting in given and given[setting] not in values:
                yield f"{name} is given {setting} {given[setting]!r}, not {' or '.join(map(repr, values))}"

        yield from expect(
            "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI", management, management.replace("amazonaws.com", "api.aws")
        )
        for setting, target in (("FAN_OUT_FUNCTION", "fan-out"), ("MAIL_FUNCTION", "mail")):
            if target in known:
                yield from expect(setting, *sorted(invokable[target]))
        yield from expect("FUNCTION_ALIAS", ALIAS)
        yield from expect("JWT_KEYS", *sorted(rotated_secrets(root)))
        if root.parameters.get("DomainName"):
            yield from expect("PUBLIC_URL", f"https://{root.parameters['DomainName']}")
        elif root.parameters.get("PublicUrl"):
            yield from expect("PUBLIC_URL", root.parameters["PublicUrl"])
        if root.parameters.get("WebSocketDomainName"):
            yield from expect("WEBSOCKET_URL", f"wss://{root.parameters['WebSocketDomainName']}")
        else:
            yield from expect("WEBSOCKET_URL", f"wss://{websocket}.execute-api.{REGION}.amazonaws.com/ws")
        yield from store_settings(root, name, given)
        if cache:
            stack, logical, resource = cache
            yield from expect("REDIS_IAM_CACHE", identity(resource, stack, logical))


@check
def whoever_has_only_ipv6_asks_addresses_that_have_it(root: Stack) -> Problems:
    asked = sources.functions()
    for name, function in functions(root).items():
        needs = asked[name] if name in asked else None
        # The other names that functions go by have addresses of both kinds.
        services = {
            "AWS_ENDPOINT_URL_LAMBDA": ("lambda", {"Push", "FanOut", "MailJobs"}),
            "AWS_ENDPOINT_URL_SESV2": ("email", {"Mailer"}),
        }
        for setting, (service, for_needs) in services.items():
            asks = bool(needs and for_needs & needs.needs)
            only_ipv6 = root.parameters.get("Egress") == "Ipv6" and "VpcConfig" in function.properties
            expected = f"https://{service}.{REGION}.api.aws" if asks and only_ipv6 else None
            if function.environment.get(setting) != expected:
                yield f"{name} is given {setting} {function.environment.get(setting)!r}, not {expected!r}"


def store_settings(root: Stack, name: str, given: Dict[str, str]) -> Problems:
    if "DATABASE_URL" in given:
        # Who migrate is stands in its secret.
        form = r"postgres://(?:(?P<user>\w+)@)?(?P<host>[^:/@]+):5432/(?P<name>\w+)\?sslmode=require"
        address = re.fullmatch(form, given["DATABASE_URL"])
        if not address:
            fault = "which names no user, or a password, or allows plain text"
            yield f"{name} is given DATABASE_URL {given['DATABASE_URL']!r}, {fault}"
        else:
            proxied = ".proxy-" in address.group("host")
            if proxied and name == "migrate":
                yield "migrate is led to the proxy, which would not let it change the schema as the master user"
            if address.group("host") not in endpoints(root):
                yield f"{name} is given DATABASE_URL with {address.group('host')}, where no database is"
            elif name != "migrate" and any(".proxy-" in host for host in endpoints(root)) and not proxied:
                yield f"{name} is led past the proxy"
            if given.get("DATABASE_CA") != ("public" if proxied else "rds"):
                yield f"{name} believes {given.get('DATABASE_CA')!r} about {address.group('host')}"
        if name != "migrate" and given.get("DATABASE_IAM") != "true":
            yield f"{name} does not sign in by IAM: DATABASE_IAM is {given.get('DATABASE_IAM')!r}"
        role = functions(root)["migrate"].environment.get("DATABASE_ROLE") if "migrate" in functions(root) else None
        if name != "migrate" and address and address.group("user") != role:
            yield f"{name} signs in as {address.group('user')}, but migrate makes {role}"
    if "REDIS_URL" in given:
        users = {r["Properties"]["UserName"] for _, _, r in root.of_type("AWS::ElastiCache::User")}
        hosts = {s.attribute(n, "Endpoint.Address") for s, n, _ in root.of_type("AWS::ElastiCache::ServerlessCache")}
        address = re.fullmatch(r"rediss\+cluster://([\w-]+)@([^:/]+):6379", given["REDIS_URL"])
        if not address or address.group(1) not in users or address.group(2) not in hosts:
            yield f"{name} is given REDIS_URL {given['REDIS_URL']!r}, which is not the cache with TLS and its user"


def endpoints(root: Stack) -> Set[str]:
    """Where the database is, and its proxy."""
    clustered = any(True for _ in root.of_type("AWS::RDS::DBCluster"))
    found = set()
    for stack, name, resource in root.of_type("AWS::RDS::DBInstance", "AWS::RDS::DBCluster"):
        if not clustered or resource["Type"] == "AWS::RDS::DBCluster":
            found.add(str(stack.attribute(name, "Endpoint.Address")))
    for stack, name, _ in root.of_type("AWS::RDS::DBProxy"):
        found.add(str(stack.attribute(name, "Endpoint")))
    return found


# --- What functions may do ---


def expected_grants(root: Stack, function: Function, needs: sources.Function) -> Set[Tuple[str, str]]:
    """What a function uses of AWS, as its sources and settings say."""
    known, given = functions(root), function.environment
    expected: Set[Tuple[str, str]] = set()
    if {"Push", "FanOut"} & needs.needs:
        expected.add(
            ("execute-api:ManageConnections", arn("execute-api", f"{api(root, 'WEBSOCKET')}/ws/*/@connections/*"))
        )
        expected.add(("lambda:InvokeFunction", known["fan-out"].alias if "fan-out" in known else "fan-out"))
    if "MailJobs" in needs.needs:
        expected.add(("lambda:InvokeFunction", known["mail"].alias if "mail" in known else "mail"))
    if "Mailer" in needs.needs:
        # In its sandbox SES asks for leave to use the recipient's identity too, so the sender is what is held to.
        expected.add(("ses:SendEmail", arn("ses", "identity/*")))
    for setting in {"JWT_KEYS", "DATABASE_SECRET"} & set(given):
        expected.add(("secretsmanager:GetSecretValue", given[setting]))
    if "DATABASE_SECRET" in given:
        # Where the owner's password is not taken, as RDS does of who may sign in by IAM.
        for database in database_ids(root, given.get("DATABASE_URL", "")):
            expected.add(("rds-db:connect", arn("rds-db", f"dbuser:{database}/chat_owner")))
    if given.get("DATABASE_IAM") == "true":
        user = re.search(r"//(\w+)@", given.get("DATABASE_URL", ""))
        for database in database_ids(root, given.get("DATABASE_URL", "")):
            expected.add(("rds-db:connect", arn("rds-db", f"dbuser:{database}/{user.group(1) if user else ''}")))
    if given.get("REDIS_IAM_CACHE"):
        for stack, name, resource in root.of_type("AWS::ElastiCache::ServerlessCache"):
            expected.add(
                ("elasticache:Connect", arn("elasticache", f"serverlesscache:{identity(resource, stack, name)}"))
            )
        for stack, name, resource in root.of_type("AWS::ElastiCache::User"):
            if f"//{resource['Properties']['UserName']}@" in given.get("REDIS_URL", ""):
                expected.add(("elasticache:Connect", arn("elasticache", f"user:{identity(resource, stack, name)}")))
    for destination in failure_destinations(root, function):
        expected.add(("sqs:SendMessage", destination))
    if function.name == "rotate-keys":
        for secret in rotated_secrets(root):
            for action in ("DescribeSecret", "GetSecretValue", "PutSecretValue", "UpdateSecretVersionStage"):
                expected.add((f"secretsmanager:{action}", secret))
    return expected


def database_ids(root: Stack, url: str) -> Set[str]:
    if ".proxy-" in url:
        return {s.attribute(n, "DBProxyArn").rpartition(":")[2] for s, n, _ in root.of_type("AWS::RDS::DBProxy")}
    clusters = {s.attribute(n, "DBClusterResourceId") for s, n, _ in root.of_type("AWS::RDS::DBCluster")}
    return clusters or {s.attribute(n, "DbiResourceId") for s, n, _ in root.of_type("AWS::RDS::DBInstance")}


def rotated_secrets(root: Stack) -> Set[str]:
    return {r["Properties"]["SecretId"] for _, _, r in root.of_type("AWS::SecretsManager::RotationSchedule")}


def failure_destinations(root: Stack, function: Function) -> Set[str]:
    found = set()
    for _, _, resource in root.of_type("AWS::Lambda::EventInvokeConfig"):
        config = resource["Properties"]
        if function.arn.endswith(f":{config['FunctionName']}"):
            destination = config.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination")
            found |= {destination} if destination else set()
    return found


@check
def every_function_may_do_what_it_does_and_nothing_else(root: Stack) -> Problems:
    asked = sources.functions()
    for name, function in functions(root).items():
        if name not in asked:
            continue
        granted = grants(root, root, function.role)
        expected = expected_grants(root, function, asked[name])
        for action, resource in sorted(expected - granted):
            yield f"{name} lacks the permission {action} on {resource}"
        for action, resource in sorted(granted - expected):
            if action not in OF_LOGS | WITHOUT_RESOURCE:
                yield f"{name} may {action} on {resource}, which it does not use"
            elif (
                action in OF_LOGS
                and resource != "of AWS"
                and function.logical not in resource
                and f"/{name}" not in resource
            ):
                yield f"{name} may write the logs {resource}"


@check
def mails_are_sent_by_the_one_sender_only(root: Stack) -> Problems:
    domain = re.search(r"@([^>]+)", str(root.parameters.get("MailFrom")))
    for stack, logical, _ in root.of_type("AWS::IAM::Role"):
        for actions, _, statement in statements(root, stack, logical):
            if "ses:SendEmail" in actions:
                senders = statement.get("Condition", {}).get("StringLike", {}).get("ses:FromAddress")
                if not domain or senders != f"*@{domain.group(1)}":
                    yield f"{logical} may send mails as {senders or 'anybody'}"


@check
def every_function_has_a_role_of_its_own(root: Stack) -> Problems:
    roles: Dict[str, str] = {}
    for name, function in functions(root).items():
        if function.role in roles:
            yield f"{name} shares its role with {roles[function.role]}"
        roles[function.role] = name


@check
def no_policy_is_wider_than_it_must_be(root: Stack) -> Problems:
    for stack, logical, _ in root.of_type("AWS::IAM::Role"):
        for actions, resources, statement in statements(root, stack, logical):
            for action in sorted(actions):
                if "*" in action:
                    yield f"{logical} may {action}: an action with a wildcard"
            if "*" in resources and not actions <= WITHOUT_RESOURCE and not statement.get("Condition"):
                yield f"{logical} may {', '.join(sorted(actions))} on every resource"
            for resource in sorted(resources):
                if re.search(r"\w\*$", resource) and not resource.endswith(("@connections/*", ":*")):
                    yield f"{logical} may {', '.join(sorted(actions))} on {resource}, which others may be called like"
    for stack, logical, resource in root.of_type("AWS::IAM::Role"):
        for statement in as_list(resource["Properties"]["AssumeRolePolicyDocument"]["Statement"]):
            principal = statement.get("Principal", {})
            if principal == "*" or "*" in as_list(principal.get("AWS", [])):
                yield f"{logical} may be assumed by anybody"


def rotating(root: Stack, function: str) -> Optional[str]:
    """Rotation calls no alias: what it does has to suit the code of today, however far the shift to it is."""
    known = functions(root).get("rotate-keys")
    return known.name if known and function in (known.arn, known.alias) else None


@check
def schedules_and_rotations_call_what_there_is(root: Stack) -> Problems:
    known = {function.alias: name for name, function in functions(root).items()}
    scheduled = set()
    for stack, logical, resource in root.of_type("AWS::Scheduler::Schedule"):
        target = resource["Properties"]["Target"]
        if target["Arn"] not in known:
            yield f"{logical} calls {target['Arn']}, which is no alias {ALIAS} of a function"
        scheduled.add(known.get(target["Arn"]))
        role = str(target["RoleArn"]).rpartition("/")[2]
        owner = next(
            (n for s, n, r in root.of_type("AWS::IAM::Role") if s is stack and identity(r, s, n) == role), None
        )
        if owner is None or ("lambda:InvokeFunction", target["Arn"]) not in grants(root, stack, owner):
            yield f"{logical} may not call {target['Arn']}"
    if "maintenance" not in scheduled:
        yield "nothing calls maintenance"
    allowed = {
        r["Properties"]["FunctionName"]
        for _, _, r in root.of_type("AWS::Lambda::Permission")
        if r["Properties"]["Principal"] == "secretsmanager.amazonaws.com"
    }
    rotations = list(root.of_type("AWS::SecretsManager::RotationSchedule"))
    if not rotations:
        yield "nothing rotates the keys of the access tokens"
    for _, logical, resource in rotations:
        function = resource["Properties"].get("RotationLambdaARN")
        if rotating(root, function) is None:
            yield f"{logical} calls {function}, not rotate-keys"
        if function not in allowed:
            yield f"{logical} may not call {function}: Secrets Manager lacks a permission"


# --- Time and numbers ---


@check
def a_function_ends_before_whoever_waits_for_it_gives_up(root: Stack) -> Problems:
    known = {function.alias: function for function in functions(root).values()}
    waits = [
        (function, float(integration.get("timeoutInMillis", HTTP_INTEGRATION * 1000)) / 1000, f"{method} {path}")
        for (method, path), (function, integration) in http_routes(root).items()
    ]
    waits += [
        (function, float(integration.get("TimeoutInMillis", WEBSOCKET_INTEGRATION * 1000)) / 1000, key)
        for key, (function, integration, _) in websocket_routes(root).items()
    ]
    for alias, wait, route in waits:
        if alias in known and not float(known[alias].properties["Timeout"]) < wait:
            yield f"{known[alias].name} has {known[alias].properties['Timeout']} s, but {route} waits only {wait:g} s"
    for name, function in functions(root).items():
        timeout = float(function.properties.get("Timeout", 3))
        if not 5 < timeout <= 900:
            yield f"{name} has {timeout:g} s, less than a statement may take, or more than Lambda gives"
    for _, logical, resource in root.of_type("AWS::Scheduler::Schedule"):
        properties = resource["Properties"]
        every = re.fullmatch(r"rate\((\d+) minutes?\)", properties["ScheduleExpression"])
        function = known.get(properties["Target"]["Arn"])
        if not every:
            yield f"{logical} has the schedule {properties['ScheduleExpression']}"
        elif function and float(function.properties["Timeout"]) > 60 * int(every.group(1)):
            yield f"{function.name} may still run when {logical} calls it again"


@check
def instances_never_ask_for_more_connections_than_the_database_has(root: Stack) -> Problems:
    (pool,) = map(int, re.findall(r"\.max_size\((\d+)\)", sources.text("shared/src/postgres.rs")))
    asked = sources.functions()
    if root.parameters.get("ReservedConcurrency") == "off":
        return
    frozen = migrating = reserved_in_all = 0
    for name, function in functions(root).items():
        reserved = function.properties.get("ReservedConcurrentExecutions")
        if reserved is None:
            yield f"{name} has no reserved concurrency, hence no bound"
        elif int(reserved) < 1:
            yield f"{name} has a reserved concurrency of {reserved} and never runs"
        reserved_in_all += int(reserved or 0)
        if name == "migrate":
            migrating = int(reserved or 0)
        elif name in asked and asked[name].has_stores and ".proxy-" not in function.environment.get("DATABASE_URL", ""):
            frozen += int(reserved or 0) * pool
    # A new account gives a thousand, and wants a hundred of them left to whoever reserves none.
    if reserved_in_all > 900:
        yield f"functions reserve {reserved_in_all} instances, more than the 900 that an account lets them"
    groups = root.of_type("AWS::RDS::DBParameterGroup", "AWS::RDS::DBClusterParameterGroup")
    limits = [
        int(r["Properties"]["Parameters"]["max_connections"])
        for _, _, r in groups
        if "max_connections" in r["Properties"].get("Parameters", {})
    ]
    if not limits:
        yield "nothing says how many connections the database takes: max_connections"
    # While a release replaces instances, those before stay frozen with theirs; Postgres and RDS keep ten for themselves.
    elif 2 * frozen + migrating + 10 > min(limits):
        needed = f"{2 * frozen + migrating + 10} connections during a release"
        yield f"functions, migrate and the database itself may hold {needed}, but max_connections is {min(limits)}"
    for _, logical, resource in root.of_type("AWS::CloudWatch::Alarm"):
        properties = resource["Properties"]
        if limits and properties.get("MetricName") == "DatabaseConnections":
            if not float(properties["Threshold"]) < min(limits):
                yield f"{logical} is raised at {properties['Threshold']} connections, which the database does not take"


@check
def jobs_that_fail_are_kept(root: Stack) -> Problems:
    queues = {s.attribute(n, "Arn") for s, n, _ in root.of_type("AWS::SQS::Queue")}
    configured = {}
    for _, _, resource in root.of_type("AWS::Lambda::EventInvokeConfig"):
        configured[resource["Properties"]["FunctionName"]] = resource["Properties"]
    for name in ("fan-out", "mail", "maintenance"):
        function = functions(root).get(name)
        if function is None:
            continue
        config = configured.get(function.arn.rpartition(":")[2])
        if config is None:
            yield f"{name} has no EventInvokeConfig"
            continue
        if config.get("Qualifier") != ALIAS:
            yield f"the EventInvokeConfig of {name} is not for the alias {ALIAS}"
        if "MaximumRetryAttempts" not in config or "MaximumEventAgeInSeconds" not in config:
            yield f"{name} leaves to Lambda how often and how long its jobs are tried"
        if not failure_destinations(root, function) & queues:
            yield f"a job of {name} that fails is lost: it has no queue for its failures"
    if (
        str(functions(root)["fan-out"].properties.get("RecursiveLoop")) != "Allow"
        if "fan-out" in functions(root)
        else False
    ):
        yield "Lambda would stop fan-out, which calls itself: RecursiveLoop is not Allow"


# --- Deploying ---


@check
def every_function_is_published_and_shifted_to_while_alarms_are_watched(root: Stack) -> Problems:
    known = functions(root)
    published = aliases(root)
    alarms = {
        identity(r, s, n) for s, n, r in root.of_type("AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm")
    }
    groups = {identity(r, s, n): r["Properties"] for s, n, r in root.of_type("AWS::CodeDeploy::DeploymentGroup")}
    for name, function in known.items():
        if function.alias not in published:
            yield f"{name} has no alias {ALIAS}"
            continue
        update = root.resources[published[function.alias]]["UpdatePolicy"].get("CodeDeployLambdaAliasUpdate")
        if name in ("migrate", "rotate-keys"):
            continue
        if not update:
            yield f"{name} is shifted to at once and unwatched: its alias has no deployment group"
            continue
        group = groups.get(update["DeploymentGroupName"])
        if group is None:
            yield f"the deployment group of {name} does not exist"
            continue
        if root.parameters.get("Size") == "Production" and "AllAtOnce" in str(group["DeploymentConfigName"]):
            yield f"{name} is shifted to all at once in Production"
        watched = {one["Name"] for one in group.get("AlarmConfiguration", {}).get("Alarms", [])}
        if not watched and root.parameters.get("Size") == "Production":
            yield f"nothing is watched while {name} is shifted to: its deployment group has no alarms"
        for alarm in sorted(watched - alarms):
            yield f"the deployment group of {name} watches {alarm}, which does not exist"


@check
def migrations_run_before_the_functions_that_need_them(root: Stack) -> Problems:
    migrations = list(root.of_type("Custom::Migration"))
    if len(migrations) != 1:
        yield f"there are {len(migrations)} resources Custom::Migration"
        return
    _, logical, resource = migrations[0]
    migrate = functions(root).get("migrate")
    if migrate is None or resource["Properties"].get("ServiceToken") != migrate.alias:
        yield f"{logical} does not call the alias {ALIAS} of migrate, but {resource['Properties'].get('ServiceToken')}"
        return
    versions = {n for _, n, r in root.of_type("AWS::Lambda::Version") if n.startswith(migrate.logical)}
    value = root.template["Resources"][logical]["Properties"].get("Version")
    if not isinstance(value, dict) or not any(version in str(value) for version in versions):
        yield f"{logical} does not change with the code of migrate: its property Version is {value!r}"
    wait = resource["Properties"].get("ServiceTimeout")
    if wait is not None and int(wait) < int(migrate.properties["Timeout"]):
        yield f"{logical} waits {wait} s for migrate, which may take {migrate.properties['Timeout']} s"
    asked = sources.functions()
    for name, function in functions(root).items():
        if (
            name != "migrate"
            and name in asked
            and asked[name].has_stores
            and logical not in everything_needed(root, function.logical)
        ):
            yield f"{name} may run before {logical} has"


def everything_needed(stack: Stack, name: str) -> Set[str]:
    found: Set[str] = set()
    todo = [name]
    while todo:
        for needed in stack.references.get(todo.pop(), ()):
            if needed not in found:
                found.add(needed)
                todo.append(needed)
    return found


# --- Data ---


@check
def databases_are_encrypted_kept_and_backed_up(root: Stack) -> Problems:
    clusters = list(root.of_type("AWS::RDS::DBCluster"))
    instances = list(root.of_type("AWS::RDS::DBInstance"))
    if not clusters and not instances:
        yield "there is no database"
    for _, logical, resource in clusters or instances:
        properties = resource["Properties"]
        if properties.get("StorageEncrypted") not in (True, "true"):
            yield f"{logical} is not encrypted"
        if properties.get("DeletionProtection") not in (True, "true"):
            yield f"{logical} can be deleted: it has no DeletionProtection"
        if int(properties.get("BackupRetentionPeriod", 1)) < 7:
            yield f"{logical} keeps its backups for {properties.get('BackupRetentionPeriod', 1)} days"
        if properties.get("EnableIAMDatabaseAuthentication") not in (True, "true"):
            yield f"{logical} lets nobody sign in by IAM"
        if "MasterUserPassword" in properties or properties.get("ManageMasterUserPassword") not in (True, "true"):
            yield f"{logical} has a master password that the template knows: ManageMasterUserPassword is not on"
        if not is_kept(resource, "Snapshot", "Retain"):
            yield f"{logical} is gone with its stack: DeletionPolicy and UpdateReplacePolicy"
    for _, logical, resource in instances:
        if resource["Properties"].get("PubliclyAccessible") not in (False, "false"):
            yield f"{logical} is open to the internet: PubliclyAccessible"
    for _, logical, resource in root.of_type("AWS::RDS::DBParameterGroup", "AWS::RDS::DBClusterParameterGroup"):
        parameters = resource["Properties"].get("Parameters", {})
        for parameter, quiet in (("log_statement", "none"), ("log_min_duration_statement", "-1")):
            if str(parameters.get(parameter)) != quiet:
                yield f"{logical} logs statements, in which there is what people write: {parameter}"
        if "rds.force_ssl" in parameters and str(parameters["rds.force_ssl"]) != "1":
            yield f"{logical} lets clients in without TLS: rds.force_ssl"
    forced = [
        str(r["Properties"].get("Parameters", {}).get("rds.force_ssl"))
        for _, _, r in root.of_type("AWS::RDS::DBParameterGroup", "AWS::RDS::DBClusterParameterGroup")
    ]
    if "1" not in forced:
        yield "the database lets clients in without TLS: no parameter group sets rds.force_ssl"


def is_kept(resource: Resource, *how: str) -> bool:
    return resource.get("DeletionPolicy") in how and resource.get("UpdateReplacePolicy") in how


@check
def the_proxy_takes_only_tls_and_iam(root: Stack) -> Problems:
    proxies = list(root.of_type("AWS::RDS::DBProxy"))
    if bool(proxies) != (root.parameters.get("Size") == "Production"):
        yield f"there are {len(proxies)} proxies, though Size is {root.parameters.get('Size')}"
    for _, logical, resource in proxies:
        properties = resource["Properties"]
        if properties.get("RequireTLS") not in (True, "true"):
            yield f"{logical} takes connections without TLS"
        by_iam = properties.get("DefaultAuthScheme") == "IAM_AUTH"
        if not by_iam and not all(one.get("IAMAuth") == "REQUIRED" for one in properties.get("Auth", [{}])):
            yield f"{logical} does not ask for IAM"
        if properties.get("DebugLogging") in (True, "true"):
            yield f"{logical} logs statements"
    for _, logical, resource in root.of_type("AWS::RDS::DBProxyTargetGroup"):
        if resource["Properties"].get("TargetGroupName") != "default":
            yield f"{logical} is not called default, which RDS demands"


@check
def the_cache_asks_for_iam_and_has_limits(root: Stack) -> Problems:
    caches = list(root.of_type("AWS::ElastiCache::ServerlessCache"))
    if len(caches) != 1:
        yield f"there are {len(caches)} caches"
    groups = {identity(r, s, n): r["Properties"] for s, n, r in root.of_type("AWS::ElastiCache::UserGroup")}
    users = {identity(r, s, n): r["Properties"] for s, n, r in root.of_type("AWS::ElastiCache::User")}
    for _, logical, resource in caches:
        properties = resource["Properties"]
        group = groups.get(properties.get("UserGroupId"))
        if group is None:
            yield f"{logical} has no user group: anybody in the network may ask it"
        for user_id in (group or {}).get("UserIds", []):
            user = users.get(user_id)
            if user is None:
                yield f"{logical} lets in {user_id}, who is not of this stack"
            elif user.get("AuthenticationMode", {}).get("Type") != "iam" and not str(
                user.get("AccessString", "")
            ).startswith("off"):
                yield f"{user_id} does not sign in by IAM"
            elif user.get("AuthenticationMode", {}).get("Type") == "iam" and user["UserId"] != user["UserName"]:
                yield f"{user_id} signs in by IAM, but its id is not its name"
        limits = properties.get("CacheUsageLimits", {})
        for part in ("DataStorage", "ECPUPerSecond"):
            if "Maximum" not in limits.get(part, {}):
                yield f"{logical} may cost whatever it costs: CacheUsageLimits has no {part}"
        if int(properties.get("SnapshotRetentionLimit", 0)) < 1:
            yield f"{logical} has no snapshots"


@check
def secrets_queues_and_logs_are_protected(root: Stack) -> Problems:
    for _, logical, resource in root.of_type("AWS::SecretsManager::Secret"):
        if not is_kept(resource, "Retain", "RetainExceptOnCreate"):
            yield f"{logical} is gone with its stack: DeletionPolicy and UpdateReplacePolicy"
        if "SecretString" in resource["Properties"]:
            yield f"{logical} has its value in the template"
    for _, logical, resource in root.of_type("AWS::SQS::Queue"):
        properties = resource["Properties"]
        if properties.get("SqsManagedSseEnabled") not in (True, "true") and not properties.get("KmsMasterKeyId"):
            yield f"{logical} is not encrypted"
        if int(properties.get("MessageRetentionPeriod", 345600)) < 1209600:
            yield f"{logical} forgets failures before 14 days are over"
    for _, logical, resource in root.of_type("AWS::Logs::LogGroup"):
        if not 1 <= int(resource["Properties"].get("RetentionInDays", 0)) <= 400:
            yield f"{logical} keeps its lines for ever, or too long: RetentionInDays"


@check
def every_function_logs_where_the_stack_says(root: Stack) -> Problems:
    groups = {identity(r, s, n): n for s, n, r in root.of_type("AWS::Logs::LogGroup")}
    for name, function in functions(root).items():
        group = (
            function.properties.get("LoggingConfig", {}).get("LogGroup")
            or f"/aws/lambda/{function.arn.rpartition(':')[2]}"
        )
        if group not in groups:
            yield f"{name} logs to {group}, for which nothing says how long it is kept"


@check
def both_apis_log_who_asked_and_hold_back_floods(root: Stack) -> Problems:
    groups = {str(s.attribute(n, "Arn")) for s, n, _ in root.of_type("AWS::Logs::LogGroup")}
    groups |= {group[: -len(":*")] for group in groups}
    stages = list(root.of_type("AWS::ApiGatewayV2::Stage"))
    if len(stages) != 2:
        yield f"there are {len(stages)} stages"
    for _, logical, resource in stages:
        properties = resource["Properties"]
        logs = properties.get("AccessLogSettings", {})
        if logs.get("DestinationArn") not in groups:
            yield f"{logical} has no access logs"
        if "queryString" in str(logs.get("Format", "")) or "authorization" in str(logs.get("Format", "")).lower():
            yield f"{logical} logs what may be a secret"
        settings = properties.get("DefaultRouteSettings", {})
        for part in ("ThrottlingRateLimit", "ThrottlingBurstLimit"):
            if not float(settings.get(part, 0)) > 0:
                yield f"{logical} holds nobody back: {part}"
        if settings.get("DataTraceEnabled") in (True, "true"):
            yield f"{logical} logs what people write: DataTraceEnabled"


# --- Network ---


@check
def nothing_is_open_to_everybody(root: Stack) -> Problems:
    for _, logical, resource in root.of_type("AWS::EC2::SecurityGroup", "AWS::EC2::SecurityGroupIngress"):
        properties = resource["Properties"]
        rules = properties.get("SecurityGroupIngress", []) if resource["Type"].endswith("Group") else [properties]
        for rule in rules:
            if {rule.get("CidrIp"), rule.get("CidrIpv6")} & ANYWHERE:
                yield f"{logical} lets in anybody, at port {rule.get('FromPort')}"
            if str(rule.get("IpProtocol")) == "-1":
                yield f"{logical} lets in on every port"


def rules(root: Stack, group: str, direction: str) -> Iterator[Dict[str, Any]]:
    """What a security group lets in, or out."""
    for stack, name, resource in root.of_type("AWS::EC2::SecurityGroup"):
        if identity(resource, stack, name) == group:
            yield from resource["Properties"].get(f"SecurityGroup{direction}", [])
    for _, _, resource in root.of_type(f"AWS::EC2::SecurityGroup{direction}"):
        if resource["Properties"].get("GroupId") == group:
            yield resource["Properties"]


def groups_of(root: Stack, *types: str) -> Set[str]:
    found: Set[str] = set()
    for _, _, resource in root.of_type(*types):
        properties = resource["Properties"]
        for key in ("VPCSecurityGroups", "VpcSecurityGroupIds", "SecurityGroupIds"):
            found.update(properties.get(key, []))
        found.update(properties.get("VpcConfig", {}).get("SecurityGroupIds", []))
    return found


@check
def only_functions_reach_the_stores_and_only_at_their_ports(root: Stack) -> Problems:
    stores = {
        "the database": (groups_of(root, "AWS::RDS::DBInstance", "AWS::RDS::DBCluster"), {5432}),
        "the proxy": (groups_of(root, "AWS::RDS::DBProxy"), {5432}),
        "the cache": (groups_of(root, "AWS::ElastiCache::ServerlessCache"), {6379, 6380}),
    }
    callers: Dict[str, Set[str]] = {store: set() for store in stores}
    callers["the database"] |= stores["the proxy"][0]
    for name, function in functions(root).items():
        groups = set(function.properties.get("VpcConfig", {}).get("SecurityGroupIds", []))
        asks = []
        if "DATABASE_URL" in function.environment:
            asks.append("the proxy" if ".proxy-" in function.environment["DATABASE_URL"] else "the database")
        if "REDIS_URL" in function.environment:
            asks.append("the cache")
        if asks and not groups:
            yield f"{name} is in no network, hence reaches no store"
        for store in asks:
            callers[store] |= groups
            if not lets_out(root, groups, *stores[store]):
                yield f"{name} may not leave its network for {store}"
        for group in groups:
            for rule in rules(root, group, "Egress"):
                if target(rule, "Destination") in ANYWHERE and str(rule.get("FromPort")) != "443":
                    yield f"{name} may reach anybody at port {rule.get('FromPort')}"
    for group in stores["the proxy"][0]:
        if not lets_out(root, {group}, *stores["the database"]):
            yield "the proxy may not leave its network for the database"
    for store, (groups, ports) in stores.items():
        if not groups and store != "the proxy":
            yield f"{store} has no security group"
        let_in = set()
        for rule in (rule for group in groups for rule in rules(root, group, "Ingress")):
            let_in.add(target(rule, "Source"))
            if target(rule, "Source") not in callers[store]:
                yield f"{store} lets in {target(rule, 'Source')}, whence nothing asks it"
            if not {int(rule["FromPort"]), int(rule["ToPort"])} <= ports:
                yield f"{store} lets in at the ports {rule['FromPort']} to {rule['ToPort']}"
        if groups and not callers[store] <= let_in:
            yield f"{store} does not let in {', '.join(sorted(callers[store] - let_in))}"
    for stack, logical, resource in root.of_type("AWS::EC2::SecurityGroup"):
        if not any(True for _ in rules(root, identity(resource, stack, logical), "Egress")):
            yield f"{logical} lets everything out, because it has no rule of what may go out"


def target(rule: Dict[str, Any], end: str) -> str:
    return str(rule.get(f"{end}SecurityGroupId") or rule.get("CidrIp") or rule.get("CidrIpv6"))


def lets_out(root: Stack, groups: Set[str], targets: Set[str], ports: Set[int]) -> bool:
    return any(
        target(rule, "Destination") in targets and int(rule["FromPort"]) <= min(ports) <= int(rule["ToPort"])
        for group in groups
        for rule in rules(root, group, "Egress")
        if "FromPort" in rule
    )


@check
def the_network_has_two_zones_and_a_way_out(root: Stack) -> Problems:
    subnets = {identity(r, s, n): r["Properties"] for s, n, r in root.of_type("AWS::EC2::Subnet")}
    routes = [r["Properties"] for _, _, r in root.of_type("AWS::EC2::Route")]
    tables = {
        r["Properties"]["SubnetId"]: r["Properties"]["RouteTableId"]
        for _, _, r in root.of_type("AWS::EC2::SubnetRouteTableAssociation")
    }
    gateways = {identity(r, s, n) for s, n, r in root.of_type("AWS::EC2::NatGateway")}
    for name, function in functions(root).items():
        config = function.properties.get("VpcConfig")
        if not config or not config.get("SubnetIds"):
            continue
        used = config["SubnetIds"]
        if len({subnets.get(one, {}).get("AvailabilityZone") for one in used}) < 2:
            yield f"{name} lives in fewer than two zones"
        wants_ipv6 = root.parameters.get("Egress") == "Ipv6"
        if wants_ipv6 and config.get("Ipv6AllowedForDualStack") not in (True, "true"):
            yield f"{name} may not use IPv6, though nothing else leads out: Ipv6AllowedForDualStack"
        for subnet in used:
            ways = [route for route in routes if route["RouteTableId"] == tables.get(subnet)]
            if subnet in subnets and subnets[subnet].get("MapPublicIpOnLaunch") in (True, "true"):
                yield f"{name} lives in {subnet}, which is public"
            if any("GatewayId" in way for way in ways):
                yield f"{name} lives in {subnet}, to which the internet gateway leads"
            if wants_ipv6 and not any(
                way.get("DestinationIpv6CidrBlock") == "::/0" and "EgressOnlyInternetGatewayId" in way for way in ways
            ):
                yield f"nothing leads out of {subnet} by IPv6"
            if not wants_ipv6 and not any(
                way.get("DestinationCidrBlock") == "0.0.0.0/0" and way.get("NatGatewayId") in gateways for way in ways
            ):
                yield f"nothing leads out of {subnet}"
    for _, logical, resource in root.of_type("AWS::RDS::DBSubnetGroup"):
        if len({subnets.get(one, {}).get("AvailabilityZone") for one in resource["Properties"]["SubnetIds"]}) < 2:
            yield f"{logical} has fewer than two zones"


# --- Watching ---


@check
def alarms_watch_what_there_is_and_tell_somebody(root: Stack) -> Problems:
    topics = {identity(r, s, n) for s, n, r in root.of_type("AWS::SNS::Topic")}
    exists = {
        "FunctionName": {function.arn.rpartition(":")[2] for function in functions(root).values()},
        "ApiId": {api(root, "HTTP"), api(root, "WEBSOCKET")},
        "QueueName": {s.attribute(n, "QueueName") for s, n, _ in root.of_type("AWS::SQS::Queue")},
        "DBInstanceIdentifier": {identity(r, s, n) for s, n, r in root.of_type("AWS::RDS::DBInstance")},
        "DBClusterIdentifier": {identity(r, s, n) for s, n, r in root.of_type("AWS::RDS::DBCluster")},
        "ProxyName": {identity(r, s, n) for s, n, r in root.of_type("AWS::RDS::DBProxy")},
        "CacheName": {identity(r, s, n) for s, n, r in root.of_type("AWS::ElastiCache::ServerlessCache")},
        "function": set(functions(root)) | {function.arn.rpartition(":")[2] for function in functions(root).values()},
    }
    alarms = list(root.of_type("AWS::CloudWatch::Alarm"))
    if not alarms:
        yield "nothing raises an alarm"
    for _, logical, resource in alarms:
        properties = resource["Properties"]
        for metric in [
            properties,
            *(one.get("MetricStat", {}).get("Metric", {}) for one in properties.get("Metrics", [])),
        ]:
            for dimension in metric.get("Dimensions", []):
                name, value = dimension["Name"], dimension["Value"]
                if name in exists and value not in exists[name]:
                    yield f"{logical} watches the {name} {value}, which does not exist"
                if value == "":
                    yield f"{logical} watches the {name} of nothing"
        if "TreatMissingData" not in properties:
            yield f"{logical} does not say what it makes of silence: TreatMissingData"
        actions = properties.get("AlarmActions", [])
        for action in actions:
            if action not in topics:
                yield f"{logical} tells {action}, which does not exist"


@check
def failures_that_wait_raise_an_alarm(root: Stack) -> Problems:
    watched = {
        dimension["Value"]
        for _, _, r in root.of_type("AWS::CloudWatch::Alarm")
        if r["Properties"].get("MetricName") == "ApproximateNumberOfMessagesVisible"
        for dimension in r["Properties"].get("Dimensions", [])
    }
    for stack, logical, _ in root.of_type("AWS::SQS::Queue"):
        if stack.attribute(logical, "QueueName") not in watched:
            yield f"nobody hears of what waits in {logical}: it has no alarm"


@check
def domains_and_budgets_are_there_when_asked_for(root: Stack) -> Problems:
    mappings = {
        r["Properties"]["DomainName"]: r["Properties"] for _, _, r in root.of_type("AWS::ApiGatewayV2::ApiMapping")
    }
    domains = {
        r["Properties"]["DomainName"]: (identity(r, s, n), r["Properties"])
        for s, n, r in root.of_type("AWS::ApiGatewayV2::DomainName")
    }
    for parameter, its_api, stage in (
        ("DomainName", api(root, "HTTP"), "$default"),
        ("WebSocketDomainName", api(root, "WEBSOCKET"), "ws"),
    ):
        name = root.parameters.get(parameter)
        if not name:
            continue
        domain, properties = domains.get(name, ("", {"DomainNameConfigurations": []}))
        mapping = mappings.get(domain, {})
        if (mapping.get("ApiId"), mapping.get("Stage")) != (its_api, stage):
            yield f"{name} does not lead to the stage {stage} of {its_api}"
        for configuration in properties["DomainNameConfigurations"]:
            if not configuration.get("CertificateArn") or configuration.get("SecurityPolicy") != "TLS_1_2":
                yield f"{name} has no certificate, or takes TLS before 1.2"
    limits = [r["Properties"]["Budget"]["BudgetLimit"]["Amount"] for _, _, r in root.of_type("AWS::Budgets::Budget")]
    asked = float(root.parameters.get("MonthlyBudget", 0))
    if [float(limit) for limit in limits] != ([asked] if asked else []):
        yield f"a budget of {asked:g} is asked for, but there is {limits or 'none'}"


@check
def figures_that_are_watched_are_counted(root: Stack) -> Problems:
    counted = set(re.findall(r'\("(\w+)", "(?:Count|Milliseconds)"\)', sources.text("shared/src/telemetry/logs.rs")))
    namespace = root.parameters.get("MetricsNamespace")
    for _, logical, resource in root.of_type("AWS::CloudWatch::Alarm"):
        properties = resource["Properties"]
        for metric in [
            properties,
            *(one.get("MetricStat", {}).get("Metric", {}) for one in properties.get("Metrics", [])),
        ]:
            if metric.get("Namespace") == namespace and metric["MetricName"] not in counted:
                yield f"{logical} watches {metric['MetricName']}, which the logs do not count"
    for _, logical, resource in root.of_type("AWS::CloudWatch::Dashboard"):
        try:
            body = json.loads(resource["Properties"]["DashboardBody"])
        except ValueError as error:
            yield f"{logical} is no JSON: {error}"
            continue
        for widget in body["widgets"]:
            for metric in widget["properties"].get("metrics", []):
                if metric[0] == namespace and metric[1] not in counted:
                    yield f"{logical} shows {metric[1]}, which the logs do not count"


# --- Across deployments ---


def references_of(template: Dict[str, Any]) -> Iterator[str]:
    """Every name that a template refers to: parameters, resources, `Resource.Attribute`."""

    def walk(value: Any) -> Iterator[str]:
        if isinstance(value, list):
            for item in value:
                yield from walk(item)
        elif isinstance(value, dict):
            for key, item in value.items():
                if key == "Ref" and isinstance(item, str):
                    yield item
                elif key == "Fn::GetAtt":
                    yield item if isinstance(item, str) else ".".join(map(str, item))
                elif key == "Fn::Sub":
                    text = item if isinstance(item, str) else item[0]
                    yield from re.findall(r"\$\{([^!}]+)\}", text)
                    yield from walk(item[1] if isinstance(item, list) else None)
                else:
                    yield from walk(item)

    for section in ("Resources", "Outputs", "Conditions", "Globals", "Rules"):
        yield from walk(template.get(section, {}))


def unused(templates: Dict[str, Dict[str, Any]], root_path: str) -> Problems:
    """Parameters, conditions, mappings and outputs of nested stacks that nobody uses."""
    for path, template in templates.items():
        used = set(references_of(template))
        for parameter in template.get("Parameters", {}):
            if parameter not in used:
                yield f"{path}: nobody uses the parameter {parameter}"
        text = str({key: template.get(key) for key in ("Resources", "Outputs", "Conditions", "Globals")})
        for condition in template.get("Conditions", {}):
            if f"'{condition}'" not in text.replace(f"'{condition}':", ""):
                yield f"{path}: nobody uses the condition {condition}"
        for mapping in template.get("Mappings", {}):
            if f"['{mapping}'" not in text:
                yield f"{path}: nobody uses the mapping {mapping}"
    root = templates[root_path]
    referred = set(references_of(root))
    for name, resource in root["Resources"].items():
        if resource["Type"] != NESTED:
            continue
        path = str(resource["Properties"]["TemplateURL"])
        for output in templates.get(path, {}).get("Outputs", {}):
            if f"{name}.Outputs.{output}" not in referred:
                yield f"{path}: nobody uses the output {output}"
