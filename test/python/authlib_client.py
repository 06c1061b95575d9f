"""Python's Authlib against a server: it registers itself, and then walks the
code flow with PKCE, refresh, introspection and revocation, once for each way to
authenticate that Authlib has.

Usage: authlib_client.py ISSUER REDIRECT_URI. For each way it prints the address
that a person must visit, reads where the person was sent, and prints
"done METHOD".
"""

import os
import secrets
import sys
import time

os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"  # the issuer is on this machine

import requests
from authlib.integrations.requests_client import OAuth2Session
from authlib.jose import JsonWebKey, jwt
from authlib.oauth2.rfc7523 import ClientSecretJWT, PrivateKeyJWT
from authlib.oidc.core import CodeIDToken

issuer, redirect_uri = sys.argv[1:]
metadata = requests.get(issuer + "/.well-known/openid-configuration", timeout=10).json()
assert metadata["issuer"] == issuer
SCOPE = "openid email offline_access"


def register(method):
    """RFC 7591; returns the answer and what proves the client."""
    document = {
        "client_name": f"Authlib {method}",
        "redirect_uris": [redirect_uri],
        "token_endpoint_auth_method": method,
        "grant_types": ["authorization_code", "refresh_token"],
        "id_token_signed_response_alg": "ES256",
    }
    pem = None
    if method == "private_key_jwt":
        key = JsonWebKey.generate_key("RSA", 2048, is_private=True)
        document["jwks"] = {"keys": [key.as_dict(is_private=False)]}
        pem = key.as_pem(is_private=True).decode()
    answer = requests.post(metadata["registration_endpoint"], json=document, timeout=10)
    assert answer.status_code == 201, answer.text
    return answer.json(), pem or answer.json().get("client_secret")


class Brief:
    """Authlib's assertions are good for an hour; the server takes five minutes."""

    def sign(self, auth, token_endpoint):
        self.claims = {"exp": int(time.time()) + 60}
        return super().sign(auth, token_endpoint)


class BriefKey(Brief, PrivateKeyJWT):
    pass


class BriefSecret(Brief, ClientSecretJWT):
    pass


def session(method, client, credential):
    s = OAuth2Session(
        client["client_id"], credential, scope=SCOPE, redirect_uri=redirect_uri,
        token_endpoint_auth_method=method, code_challenge_method="S256",
        revocation_endpoint_auth_method=method,
    )
    if method == "private_key_jwt":
        s.register_client_auth_method(BriefKey(metadata["token_endpoint"]))
    if method == "client_secret_jwt":
        s.register_client_auth_method(BriefSecret(metadata["token_endpoint"]))
    return s


def walk(method):
    client, credential = register(method)
    s = session(method, client, credential)
    verifier, nonce = secrets.token_urlsafe(48), secrets.token_urlsafe(16)
    address, state = s.create_authorization_url(metadata["authorization_endpoint"], code_verifier=verifier, nonce=nonce)
    print(address, flush=True)
    response = sys.stdin.readline().strip()
    assert f"state={state}" in response, response

    token = s.fetch_token(metadata["token_endpoint"], authorization_response=response, state=state, code_verifier=verifier)
    keys = JsonWebKey.import_key_set(requests.get(metadata["jwks_uri"], timeout=10).json())
    claims = jwt.decode(
        token["id_token"], keys, claims_cls=CodeIDToken,
        claims_options={"iss": {"essential": True, "value": issuer}, "aud": {"essential": True, "value": client["client_id"]}},
        claims_params={"nonce": nonce, "client_id": client["client_id"], "access_token": token["access_token"]},
    )
    claims.validate()
    assert claims.header["alg"] == "ES256", claims.header
    info = s.get(metadata["userinfo_endpoint"]).json()
    assert info["sub"] == claims["sub"] and info["email"] == "ada@example.com" and info["email_verified"] is True, info

    before = token["refresh_token"]
    token = s.refresh_token(metadata["token_endpoint"], refresh_token=before)
    assert token["refresh_token"] != before

    def introspect():
        answer = s.introspect_token(metadata["introspection_endpoint"], token=token["access_token"], token_type_hint="access_token")
        assert answer.status_code == 200, answer.text
        return answer.json()

    known = introspect()
    assert known["active"] and known["client_id"] == client["client_id"] and known["scope"] == SCOPE, known
    assert s.revoke_token(metadata["revocation_endpoint"], token=token["refresh_token"], token_type_hint="refresh_token").status_code == 200
    assert introspect() == {"active": False}
    gone = requests.delete(client["registration_client_uri"], headers={"Authorization": "Bearer " + client["registration_access_token"]}, timeout=10)
    assert gone.status_code == 204, gone.text
    print("done", method, flush=True)


for name in ("client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt"):
    walk(name)
