"""An OAuth client as somebody else would write it: Authlib's, which knows nothing of this server but its addresses.

It reads what to do as one JSON object a line and answers each with one JSON object: what it got, or the error that the
library raised.
"""

import json
import os
import sys

os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"  # the story's server is on this machine

from authlib.integrations.base_client.errors import OAuthError  # noqa: E402
from authlib.integrations.requests_client import OAuth2Session  # noqa: E402


def main() -> None:
    settings = json.loads(sys.stdin.readline())
    base = settings["url"]
    client = OAuth2Session(
        settings["client_id"],
        settings.get("client_secret"),
        scope="chat",
        redirect_uri=settings.get("redirect_uri"),
        token_endpoint=f"{base}/oauth/token",
        token_endpoint_auth_method=settings["auth_method"],
        revocation_endpoint_auth_method=settings["auth_method"],
        code_challenge_method="S256",
    )
    client.trust_env = False
    verifier = settings.get("code_verifier")

    for line in sys.stdin:
        order = json.loads(line)
        kind, arguments = order["do"], order.get("with", {})
        try:
            if kind == "authorization_url":
                url, state = client.create_authorization_url(f"{base}/oauth/authorize", code_verifier=verifier)
                answer = {"url": url, "state": state}
            elif kind == "redirected":
                answer = client.fetch_token(authorization_response=arguments["url"], code_verifier=verifier)
            elif kind == "fetch":
                answer = client.fetch_token(**arguments)
            elif kind == "refresh":
                answer = client.refresh_token(f"{base}/oauth/token", refresh_token=arguments.get("refresh_token"))
            elif kind == "revoke":
                response = client.revoke_token(f"{base}/oauth/revoke_token", **arguments)
                answer = {"status": response.status_code}
            elif kind == "introspect":
                answer = client.introspect_token(f"{base}/oauth/introspect", **arguments).json()
            elif kind == "get":
                response = client.get(f"{base}{arguments['path']}")
                answer = {"status": response.status_code, "body": response.json()}
            else:
                raise SystemExit(f"no such order: {kind}")
        except OAuthError as error:
            answer = {"error": error.error, "error_description": error.description}
        print(json.dumps(answer), flush=True)


main()
