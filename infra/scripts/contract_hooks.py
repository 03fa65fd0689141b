"""What schemathesis is told of the chat: who asks, and what is there to be asked about.

A document says what a request looks like, not which accounts, conversations and tokens there are. So each part of a
request that was drawn to be valid (`prepare`) is given ids, addresses and secrets that exist; a part that was drawn to be
invalid stays as it is. Whoever acts has an account: a shared one where nothing is taken from it, a fresh account,
conversation, message or client for each request that ends something. This module is loaded by schemathesis, in the
Python environment that it is installed in.
"""

from __future__ import annotations

import atexit
import base64
import hashlib
import json
import os
import random
import re
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, Optional

import schemathesis
from schemathesis.core.parameters import ParameterLocation
from schemathesis.generation.meta import CoverageScenario

URL = os.environ["CONTRACT_URL"].rstrip("/")
CONSOLE = os.environ["CONTRACT_CONSOLE_URL"].rstrip("/")
STATUSES = os.environ["CONTRACT_STATUSES"]
SEED = os.environ["CONTRACT_SEED"]

PASSWORD, OTHER_PASSWORD = "Correct-Horse-42", "Battery-Staple-43"
REDIRECT = "https://client.example/callback"
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
FORM = "application/x-www-form-urlencoded"
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
EMOJIS = ("👍", "🎉", "❤️", "👀", "🙏")
GRANTS = (["authorization_code"], ["authorization_code", "refresh_token"])  # those that are for every client
TOKEN_GOOD_FOR = 600  # an access token lives 15 minutes
KEPT = 8  # one of so many valid ids in a path stays what was drawn: what is not there is asked for, too

# Never through a proxy: it is always this machine that is asked.
HTTP = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Redirected(urllib.request.HTTPRedirectHandler):
    """Shows where a redirect leads instead of going there."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


UNREDIRECTED = urllib.request.build_opener(urllib.request.ProxyHandler({}), Redirected())


def ask(method: str, path: str, body: Any = None, *, token: str = "") -> Any:
    """What the API answers to a request that must succeed."""
    headers = {"content-type": "application/json", **({"authorization": f"Bearer {token}"} if token else {})}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(URL + path, data=data, headers=headers, method=method)
    try:
        with HTTP.open(request, timeout=30) as response:
            text = response.read()
    except urllib.error.HTTPError as error:
        raise RuntimeError(f"{method} {path}: {error.code} {error.read(500).decode(errors='replace')}") from None
    return json.loads(text) if text else None


@dataclass
class Account:
    id: str
    email: str
    username: str
    refresh_token: str
    access_token: str
    signed_in_at: float = field(default_factory=time.monotonic)

    @property
    def token(self) -> str:
        if time.monotonic() - self.signed_in_at > TOKEN_GOOD_FOR:
            answer = ask("POST", "/api/v1/auth/login", {"email": self.email, "password": PASSWORD})
            self.access_token, self.signed_in_at = answer["access_token"], time.monotonic()
        return self.access_token

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        return ask(method, path, body, token=self.token)


class World:
    """What is there to be asked about. What is shared is made once, what is fresh for each who asks for it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.made = 0
        self.ada, self.grace = self.account(), self.account()
        self.admin = self.account()
        self.appoint(self.admin)
        self.room = self.conversation()
        self.messages = [self.message(self.room) for _ in range(3)]
        self.client = self.oauth_client()

    def name(self) -> str:
        with self.lock:
            self.made += 1
            return f"contract{self.made}"

    def account(self) -> Account:
        name = self.name()
        body = {"email": f"{name}@example.com", "username": name, "first_name": "Ada", "last_name": "Lovelace"}
        answer = ask("POST", "/api/v1/auth/signup", {**body, "password": PASSWORD})
        tokens = {key: answer[key] for key in ("refresh_token", "access_token")}
        return Account(answer["user"]["id"], body["email"], name, **tokens)

    @staticmethod
    def appoint(account: Account) -> None:
        url = f"{CONSOLE}/2015-03-31/functions/migrate/invocations"
        body = json.dumps({"admin": {"email": account.email, "unverified": True}}).encode()
        with HTTP.open(urllib.request.Request(url, data=body), timeout=30) as response:
            answer = json.loads(response.read())
        if answer.get("admin") != "promoted":
            raise RuntimeError(f"no admin was made: {answer}")

    def conversation(self, *, owner: Optional[Account] = None) -> str:
        body = {"name": "Contract", "participant_ids": [self.grace.id]}
        return (owner or self.ada).ask("POST", "/api/v1/conversations", body)["id"]

    def message(self, conversation: str) -> str:
        path = f"/api/v1/conversations/{urllib.parse.quote(str(conversation), safe='')}/messages"
        return self.ada.ask("POST", path, {"content": "Hello"})["id"]

    def message_there(self, conversation: str, otherwise: str) -> str:
        """A message in a conversation that an earlier request of a sequence made, if it is still there."""
        try:
            return self.message(conversation)
        except RuntimeError:
            return otherwise

    def oauth_client(self) -> Dict[str, Any]:
        grants = ["authorization_code", "refresh_token", "client_credentials", "password"]
        body = {"name": self.name(), "redirect_uris": [REDIRECT], "grant_types": grants, "confidential": True}
        return self.admin.ask("POST", "/api/v1/admin/oauth-clients", body)

    def basic(self) -> str:
        pair = f"{self.client['client_id']}:{self.client['client_secret']}"
        return "Basic " + base64.b64encode(pair.encode()).decode()

    def granted(self, grant: Dict[str, str]) -> Dict[str, Any]:
        headers = {"authorization": self.basic(), "content-type": FORM}
        request = urllib.request.Request(URL + "/oauth/token", urllib.parse.urlencode(grant).encode(), headers)
        with HTTP.open(request, timeout=30) as response:
            return json.loads(response.read())

    def tokens_of_client(self) -> Dict[str, Any]:
        return self.granted({"grant_type": "password", "username": self.ada.email, "password": PASSWORD})

    def code(self) -> str:
        """An authorization code, as the page's form gets it."""
        form = {**self.authorization(), "username": self.ada.email, "password": PASSWORD}
        headers = {"content-type": FORM}
        request = urllib.request.Request(URL + "/oauth/authorize", urllib.parse.urlencode(form).encode(), headers)
        try:
            with UNREDIRECTED.open(request, timeout=30) as response:
                raise RuntimeError(f"no redirect: {response.status}")
        except urllib.error.HTTPError as error:
            query = urllib.parse.urlsplit(error.headers.get("location", "")).query
            return urllib.parse.parse_qs(query)["code"][0]

    def authorization(self) -> Dict[str, str]:
        return {
            "response_type": "code",
            "client_id": self.client["client_id"],
            "redirect_uri": REDIRECT,
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        }

    def mailed(self, account: Account, page: str) -> str:
        """The token of the link to a page that somebody was mailed."""
        deadline = time.monotonic() + 20
        while True:
            query = urllib.parse.urlencode({"to": account.email})
            with HTTP.open(f"{CONSOLE}/inbox.json?{query}", timeout=30) as response:
                mails = json.loads(response.read())
            for mail in mails:
                found = re.search(rf"/{page}/([A-Za-z0-9_-]+)", mail["text"])
                if found:
                    return found.group(1)
            if time.monotonic() > deadline:
                raise RuntimeError(f"no mail with a link to {page} came")
            time.sleep(0.02)

    def verification(self) -> str:
        return self.mailed(self.account(), "verify-email")

    def reset(self) -> str:
        account = self.account()
        ask("POST", "/api/v1/auth/password-reset", {"email": account.email})
        return self.mailed(account, "password-reset")

    def session(self, account: Account) -> str:
        return account.ask("GET", "/api/v1/auth/sessions")["items"][0]["id"]

    def cursor(self, path: str, account: Account) -> Optional[str]:
        return account.ask("GET", f"{path}?limit=1").get("next")


@dataclass
class Request:
    """What a request needs in order to be about something: who asks, and values by name."""

    account: Account
    path: Dict[str, str] = field(default_factory=dict)
    body: Dict[str, Any] = field(default_factory=dict)
    """What the body always has."""
    fields: Dict[str, Any] = field(default_factory=dict)
    """What its fields are if they are there, and not null."""
    without: tuple = ()
    """What it may not have beside them."""
    query: Dict[str, Any] = field(default_factory=dict)
    """What the parameters are if they are there."""


Prepare = Callable[[World, Dict[str, Any], random.Random], Request]
OPERATIONS: Dict[str, Prepare] = {}


def about(*operations: str) -> Callable[[Prepare], Prepare]:
    def register(prepare: Prepare) -> Prepare:
        OPERATIONS.update({operation: prepare for operation in operations})
        return prepare

    return register


# --- Accounts ---


@about("POST /api/v1/auth/signup")
def sign_up(world: World, body: Dict[str, Any], _: random.Random) -> Request:
    name = world.name()
    confirmed = {"username": name, "password_confirm": PASSWORD}
    return Request(world.ada, body={"email": f"{name}@example.com", "password": PASSWORD}, fields=confirmed)


@about("POST /api/v1/auth/login")
def sign_in(world: World, body: Dict[str, Any], draw: random.Random) -> Request:
    by = draw.choice(("email", "username"))
    other = {"email": "username", "username": "email"}[by]
    return Request(world.ada, body={by: getattr(world.ada, by), "password": PASSWORD}, without=(other,))


@about("POST /api/v1/auth/refresh")
def refresh(world: World, body: Dict[str, Any], _: random.Random) -> Request:
    fresh = world.account()
    return Request(fresh, body={"refresh_token": fresh.refresh_token})


@about("POST /api/v1/auth/logout")
def sign_out(world: World, body: Dict[str, Any], _: random.Random) -> Request:
    fresh = world.account()
    return Request(fresh, fields={"refresh_token": fresh.refresh_token})


@about("DELETE /api/v1/auth/sessions")
def sign_out_everywhere(world: World, body: Dict[str, Any], _: random.Random) -> Request:
    return Request(world.account())


@about("DELETE /api/v1/auth/sessions/{id}")
def end_session(world: World, body: Dict[str, Any], _: random.Random) -> Request:
    fresh = world.account()
    return Request(fresh, path={"id": world.session(fresh)})


@about("DELETE /api/v1/auth/profile")
def erase(world: World, body: Dict[str, Any], _: random.Random) -> Request:
    return Request(world.account(), body={"password": PASSWORD})


@about("GET /api/v1/auth/profile/export")
def export(world: World, body: Dict[str, Any], _: random.Random) -> Request:
    return Request(world.ada, query={"cursor": None})


@about("POST /api/v1/auth/password")
def change_password(world: World, body: Dict[str, Any], _: random.Random) -> Request:
    new = {"password": OTHER_PASSWORD, "password_confirm": OTHER_PASSWORD}
    return Request(world.account(), body={"current_password": PASSWORD, **new})


@about("POST /api/v1/auth/verify-email")
def verify(world: World, body: Dict[str, Any], _: random.Random) -> Request:
    return Request(world.ada, body={"token": world.verification()})


@about("GET /api/v1/auth/verify-email/{token}", "POST /api/v1/auth/verify-email/{token}")
def verify_on_page(world: World, body: Dict[str, Any], _: random.Random) -> Request:
    return Request(world.ada, path={"token": world.verification()})


@about("POST /api/v1/auth/resend-verification", "POST /api/v1/auth/password-reset")
def ask_for_mail(world: World, body: Dict[str, Any], draw: random.Random) -> Request:
    return Request(world.ada, fields={"email": draw.choice((world.grace.email, f"{world.name()}@example.com"))})


@about("POST /api/v1/auth/password-reset/confirm")
def reset_password(world: World, body: Dict[str, Any], _: random.Random) -> Request:
    new = {"password": OTHER_PASSWORD, "password_confirm": OTHER_PASSWORD}
    return Request(world.ada, body={"token": world.reset(), **new})


@about("GET /api/v1/auth/password-reset/{token}", "POST /api/v1/auth/password-reset/{token}")
def reset_on_page(world: World, body: Dict[str, Any], _: random.Random) -> Request:
    new = {"password": OTHER_PASSWORD, "password_confirm": OTHER_PASSWORD}
    return Request(world.ada, path={"token": world.reset()}, body=new)


@about("GET /api/v1/users")
def find_people(world: World, body: Dict[str, Any], draw: random.Random) -> Request:
    return Request(world.ada, query={"search": draw.choice(("contract", world.grace.email)), "cursor": None})


@about("GET /api/v1/users/{id}")
def person(world: World, body: Dict[str, Any], _: random.Random) -> Request:
    return Request(world.ada, path={"id": world.grace.id})


# --- OAuth ---


@about("GET /oauth/authorize")
def authorization_page(world: World, body: Dict[str, Any], _: random.Random) -> Request:
    return Request(world.ada, query={**world.authorization(), "scope": "chat"})


@about("POST /oauth/authorize")
def authorize(world: World, body: Dict[str, Any], _: random.Random) -> Request:
    decided = {"username": world.ada.email, "password": PASSWORD}
    return Request(world.ada, body={**world.authorization(), **decided}, fields={"scope": "chat"})


@about("POST /oauth/token")
def tokens(world: World, body: Dict[str, Any], draw: random.Random) -> Request:
    grants: Dict[str, Callable[[], Dict[str, str]]] = {
        "client_credentials": dict,
        "password": lambda: {"username": world.ada.email, "password": PASSWORD},
        "refresh_token": lambda: {"refresh_token": world.tokens_of_client()["refresh_token"]},
        "authorization_code": lambda: {
            "code": world.code(),
            "redirect_uri": REDIRECT,
            "code_verifier": VERIFIER,
        },
    }
    kind = body.get("grant_type") if body.get("grant_type") in grants else draw.choice(sorted(grants))
    named = {"grant_type": kind, **grants[kind]()}
    return Request(world.ada, body=named, fields={"scope": "chat"}, without=("client_id", "client_secret"))


@about("POST /oauth/revoke_token", "POST /oauth/introspect")
def token(world: World, body: Dict[str, Any], draw: random.Random) -> Request:
    kind = draw.choice(("access_token", "refresh_token"))
    named = {"token": world.tokens_of_client()[kind]}
    return Request(world.ada, body=named, without=("client_id", "client_secret"))


# --- Administration ---


@about("PATCH /api/v1/admin/users/{id}", "GET /api/v1/admin/users/{id}/sessions", "DELETE /api/v1/admin/users/{id}/sessions")
def administered(world: World, body: Dict[str, Any], _: random.Random) -> Request:
    return Request(world.admin, path={"id": world.account().id}, query={"cursor": None})


@about("POST /api/v1/admin/oauth-clients")
def register_client(world: World, body: Dict[str, Any], draw: random.Random) -> Request:
    return Request(
        world.admin,
        body={"redirect_uris": [REDIRECT]},
        fields={"grant_types": draw.choice(GRANTS)},
    )


@about("PATCH /api/v1/admin/oauth-clients/{client_id}")
def change_client(world: World, body: Dict[str, Any], draw: random.Random) -> Request:
    changed = {"redirect_uris": [REDIRECT], "grant_types": draw.choice(GRANTS)}
    return Request(world.admin, path={"client_id": world.oauth_client()["client_id"]}, fields=changed)


@about(
    "GET /api/v1/admin/oauth-clients/{client_id}",
    "DELETE /api/v1/admin/oauth-clients/{client_id}",
    "POST /api/v1/admin/oauth-clients/{client_id}/secret",
)
def a_client(world: World, body: Dict[str, Any], _: random.Random) -> Request:
    return Request(world.admin, path={"client_id": world.oauth_client()["client_id"]})


@about("DELETE /api/v1/admin/conversations/{id}")
def delete_as_admin(world: World, body: Dict[str, Any], _: random.Random) -> Request:
    return Request(world.admin, path={"id": world.conversation()})


# --- Conversations ---


@about("GET /api/v1/conversations")
def my_conversations(world: World, body: Dict[str, Any], _: random.Random) -> Request:
    return Request(world.ada, query={"cursor": world.cursor("/api/v1/conversations", world.ada)})


@about("POST /api/v1/conversations")
def start(world: World, body: Dict[str, Any], _: random.Random) -> Request:
    people = {"participant_ids": [world.grace.id], "participant_emails": [world.grace.email]}
    if body.get("kind") == "channel":
        name = re.sub(r"\D", "", world.name())
        # Whoever goes on with it in a sequence must be in it.
        named = {"name": f"channel-{name}", "participant_ids": [world.ada.id, world.grace.id]}
        return Request(world.admin, body=named, fields=people)
    return Request(world.ada, fields=people)


@about("POST /api/v1/conversations/direct")
def start_direct(world: World, body: Dict[str, Any], draw: random.Random) -> Request:
    with_whom = draw.choice((lambda: world.grace, world.account))()
    return Request(world.ada, body={"user_id": with_whom.id})


@about("DELETE /api/v1/conversations/{id}")
def delete(world: World, body: Dict[str, Any], _: random.Random) -> Request:
    return Request(world.ada, path={"id": world.conversation()})


@about("POST /api/v1/conversations/{id}/participants")
def add(world: World, body: Dict[str, Any], draw: random.Random) -> Request:
    whom = draw.choice((lambda: world.grace, world.account))()
    by, other, value = draw.choice((("user_id", "email", whom.id), ("email", "user_id", whom.email)))
    return Request(world.ada, path={"id": world.conversation()}, body={by: value}, without=(other,))


@about("PATCH /api/v1/conversations/{id}/participants/{user_id}", "DELETE /api/v1/conversations/{id}/participants/{user_id}")
def participant(world: World, body: Dict[str, Any], _: random.Random) -> Request:
    return Request(world.ada, path={"id": world.conversation(), "user_id": world.grace.id})


@about("POST /api/v1/conversations/{id}/read")
def read(world: World, body: Dict[str, Any], draw: random.Random) -> Request:
    return Request(world.ada, path={"id": world.room}, body={"message_id": draw.choice(world.messages)})


# --- Messages ---


@about("GET /api/v1/conversations/{id}/messages")
def page(world: World, body: Dict[str, Any], draw: random.Random) -> Request:
    where = draw.choice(({"before": world.messages[-1], "from": None}, {"before": None, "from": world.messages[0]}))
    return Request(world.ada, path={"id": world.room}, query=where)


@about("POST /api/v1/conversations/{id}/messages")
def send(world: World, body: Dict[str, Any], draw: random.Random) -> Request:
    fields: Dict[str, Any] = {"reply_to": draw.choice(world.messages)}
    written = json.dumps(body.get("metadata"), ensure_ascii=False)
    if "\\u0000" in written or len(written.encode(errors="replace")) > 4096:
        # No schema can say this of an object that is otherwise free.
        fields["metadata"] = {"mood": "fine"}
    return Request(world.ada, path={"id": world.room}, fields=fields)


@about("PATCH /api/v1/conversations/{id}/messages/{message_id}")
def edit(world: World, body: Dict[str, Any], draw: random.Random) -> Request:
    return Request(world.ada, path={"id": world.room, "message_id": draw.choice(world.messages)})


@about("DELETE /api/v1/conversations/{id}/messages/{message_id}")
def retract(world: World, body: Dict[str, Any], _: random.Random) -> Request:
    return Request(world.ada, path={"id": world.room, "message_id": world.message(world.room)})


@about(
    "PUT /api/v1/conversations/{id}/messages/{message_id}/reactions/{emoji}",
    "DELETE /api/v1/conversations/{id}/messages/{message_id}/reactions/{emoji}",
)
def react(world: World, body: Dict[str, Any], draw: random.Random) -> Request:
    message = draw.choice(world.messages)
    return Request(world.ada, path={"id": world.room, "message_id": message, "emoji": draw.choice(EMOJIS)})


# --- GraphQL ---


@about("POST /graphql")
def graphql(world: World, body: Dict[str, Any], draw: random.Random) -> Request:
    query = draw.choice(("{ me { id } }", "{ chats { nodes { id } } }"))
    return Request(world.ada, body={"query": query}, without=("variables", "operationName", "extensions"))


# --- What schemathesis calls ---


@dataclass
class Run:
    world: Optional[World] = None
    lock: Any = field(default_factory=threading.Lock)
    statuses: Dict[str, Counter] = field(default_factory=lambda: defaultdict(Counter))

    def there(self) -> World:
        with self.lock:
            if self.world is None:
                self.world = World()
            return self.world


RUN = Run()


def label(case: Any) -> str:
    return f"{case.operation.method.upper()} {case.operation.path}"


@schemathesis.auth(refresh_interval=None)
class Credentials:
    """Good ones for every request; who asks instead, when it is not who always asks, is set in `prepare`."""

    def get(self, case: Any, _: Any) -> str:
        world = RUN.there()
        if case.operation.path in ("/oauth/token", "/oauth/revoke_token", "/oauth/introspect"):
            return world.basic()
        administers = case.operation.path.startswith("/api/v1/admin/")
        return f"Bearer {(world.admin if administers else world.ada).token}"

    def set(self, case: Any, data: str, _: Any) -> None:
        case.headers = {**(case.headers or {}), "Authorization": data}


def is_valid_at(case: Any, location: ParameterLocation) -> bool:
    return case.meta is None or not case.meta.is_negative_at(location)


def leads_to_shared(world: World, path: Dict[str, Any]) -> bool:
    shared = {world.ada.id, world.grace.id, world.admin.id, world.room, world.client["client_id"]}
    return bool(shared & {str(value) for value in path.values()})


def linked_to(world: World, case: Any) -> Dict[str, Any]:
    """The parameters that an earlier request of a sequence gave, unless they lead to what is shared."""
    override = getattr(case, "_override", None)
    linked = dict(getattr(override, "path_parameters", None) or {})
    if leads_to_shared(world, linked):
        return {}
    # Only within their own conversation are messages and participants what they were there.
    return linked if "id" in linked or "{id}" not in case.operation.path else {}


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Dict[str, Any]) -> None:
    prepare = OPERATIONS.get(label(case))
    body = case.body if isinstance(case.body, dict) else {}
    # The same draws for the same request, whichever worker sends it.
    draw = random.Random(f"{SEED} {label(case)} {case.path_parameters} {case.query} {body!r}")
    world = RUN.there()
    default = world.admin if case.operation.path.startswith("/api/v1/admin/") else world.ada
    if prepare:
        request = prepare(world, body, draw)
    elif "{id}" in case.operation.path:
        request = Request(default, path={"id": world.room}, query={"cursor": None})
    else:
        request = Request(default, query={"cursor": None})

    headers = case.headers or {}
    if headers.get("Authorization") == f"Bearer {default.token}":
        case.headers["Authorization"] = f"Bearer {request.account.token}"
    linked = linked_to(world, case)
    if "message_id" in request.path and "id" in linked:
        request.path["message_id"] = world.message_there(linked["id"], request.path["message_id"])
    # A token that nobody was given and what is no emoji are refused with 422; no schema of text says which they are.
    # What is shared may have been drawn from earlier answers, and is not there to be ended.
    must = {"token", "emoji"} & set(request.path) or leads_to_shared(world, case.path_parameters or {})
    filled_in = must or draw.randrange(KEPT)
    if case.path_parameters and is_valid_at(case, ParameterLocation.PATH) and filled_in:
        for name, value in request.path.items():
            if name in case.path_parameters and name not in linked:
                case.path_parameters[name] = value
    there = (case.path_parameters or {}).get("id")
    if there != request.path.get("id"):
        # Another conversation has other messages.
        if "message_id" in request.body:
            request.body["message_id"] = world.message_there(there, request.body["message_id"])
        if "reply_to" in request.fields:
            request.fields["reply_to"] = None
    if case.query and is_valid_at(case, ParameterLocation.QUERY):
        for name, value in request.query.items():
            if name in case.query:
                if value is None:
                    del case.query[name]
                else:
                    case.query[name] = value
    if isinstance(case.body, dict) and is_valid_at(case, ParameterLocation.BODY):
        filled = {name: value for name, value in case.body.items() if name not in request.without}
        if case.media_type == FORM:
            # A list becomes a parameter that is there more than once, which RFC 6749 forbids even for unknown ones.
            filled = {name: value for name, value in filled.items() if not isinstance(value, (list, dict))}
        filled.update({name: value for name, value in request.fields.items() if filled.get(name) is not None})
        case.body = {**filled, **request.body}


@schemathesis.hook
def after_call(context: Any, case: Any, response: Any) -> None:
    if response.request.method == case.operation.method.upper():
        with RUN.lock:
            RUN.statuses[label(case)][response.status_code] += 1


@schemathesis.check
def undeclared_method_is_no_route(context: Any, response: Any, case: Any) -> None:
    """What stands in for `unsupported_method`, see contract.toml."""
    scenario = getattr(case.meta and case.meta.phase.data, "scenario", None)
    undeclared = scenario == CoverageScenario.UNSPECIFIED_HTTP_METHOD
    if undeclared and (response.status_code != 404 or response.json().get("code") != "not_found"):
        raise AssertionError(f"{response.request.method} is not declared, yet it was answered {response.status_code}")


@atexit.register
def write_statuses() -> None:
    with open(STATUSES, "w", encoding="utf-8") as file:
        json.dump({operation: dict(counts) for operation, counts in RUN.statuses.items()}, file)
