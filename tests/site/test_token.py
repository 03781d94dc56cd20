"""Tokens of other JWT libraries are good here, and ours there."""
import base64
import hashlib
import hmac
import json
import time

import jwt
import pytest

from conftest import SECRET, cookie


CLAIMS = ("iss", "aud", "sub", "iat", "exp", "auth_time", "sid", "pwv")


def claims(site, **changed):
    """Those of a session that is open there; None leaves one out."""
    reply = site.sign_in()
    assert reply.status == 200
    all_of_them = {**jwt.decode(reply.token, options={"verify_signature": False}), **changed}
    return {name: value for name, value in all_of_them.items() if value is not None}


def signed(payload, alg="HS256", header=None, key=SECRET):
    """Sign whatever it is with HS256, HS384 or HS512, and say `alg` in the header."""
    digest = {"HS384": hashlib.sha384, "HS512": hashlib.sha512}.get(alg, hashlib.sha256)
    text = b".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=")
                     for part in (header or {"alg": alg, "typ": "JWT"}, payload))
    made = hmac.new(key.encode(), text, digest).digest()
    return (text + b"." + base64.urlsafe_b64encode(made).rstrip(b"=")).decode()


def status(site, token):
    return site.get(site.welcome, cookie(token)).status


def refused(site, token):
    """Is it refused for what it is, and not because no session is listed that it is of?"""
    events = site.folder / site.events
    before = len(events.read_bytes())
    if status(site, token) != 400:
        return False
    said = events.read_bytes()[before:].decode("latin-1")
    assert "event=token_bad" in said
    return "reason=ended" not in said


def test_ours_verifies_elsewhere(site):
    token = site.sign_in().token
    read = jwt.decode(token, SECRET, algorithms=["HS256"], audience="session",
                      issuer="postern", options={"require": ["exp", "iat", "sub"]})
    assert set(read) == set(CLAIMS)
    assert read["sub"] == "admin" and read["exp"] - read["iat"] == 300
    assert read["auth_time"] == read["iat"] and abs(read["iat"] - time.time()) < 5
    assert len(read["sid"]) == 32 and len(read["pwv"]) == 16
    assert set(jwt.get_unverified_header(token)) == {"alg", "typ", "kid"}


def test_pwv_is_of_the_line_and_sid_of_the_session(site):
    def read(reply):
        return jwt.decode(reply.token, options={"verify_signature": False})
    one, two = read(site.sign_in()), read(site.sign_in())
    grace = read(site.sign_in("grace-hopper", "pass&word=1+1%20é"))
    assert one["pwv"] == two["pwv"] != grace["pwv"]
    assert one["sid"] != two["sid"]


def test_theirs_verifies_here(site):
    assert status(site, jwt.encode(claims(site), SECRET, algorithm="HS256")) == 200
    assert status(site, signed(claims(site))) == 200


@pytest.mark.parametrize("name", CLAIMS)
def test_no_claim_may_be_missing(site, name):
    assert refused(site, signed(claims(site, **{name: None})))


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "HS384", "HS512", "RS256", "hs256", "",
                                 None, 5, ["HS256"]])
def test_no_other_alg(site, alg):
    header = {"alg": alg} if alg is not None else {"typ": "JWT"}
    token = signed(claims(site), alg if isinstance(alg, str) else "HS256", header)
    assert refused(site, token)
    assert refused(site, token.rpartition(".")[0] + ".")


@pytest.mark.parametrize("name, value", [
    ("exp", lambda now: now - 1), ("exp", lambda now: str(now + 300)),
    ("exp", lambda now: now + 300.5), ("exp", 2**53), ("exp", 2**63), ("exp", 1e300), ("exp", -1),
    ("exp", 0), ("exp", True), ("exp", {}), ("iat", lambda now: now + 3600), ("iat", "1"),
    ("iat", -1), ("auth_time", lambda now: now + 3600), ("auth_time", 1.5),
    ("auth_time", lambda now: now - 28800), ("iss", "elsewhere"), ("aud", "device"),
    ("aud", ["session"]), ("sub", ""), ("sub", "a b"), ("sub", "a\nb"), ("sub", 5),
    ("sid", "short"), ("sid", 5), ("pwv", "0123456789ABCDEF"),
])
def test_a_claim_that_is_not_as_it_must_be(site, name, value):
    value = value(int(time.time())) if callable(value) else value
    assert refused(site, signed(claims(site, **{name: value})))


@pytest.mark.parametrize("header", [
    {"kid": "0123456789abcdef"}, {"kid": 5}, {"kid": ""}, {"kid": "../../etc/passwd"},
    {"kid": ["0"]}, {"kid": "a\0b"}, {"kid": "x" * 3000}, {"kid": None}, {"kid": {}},
    {"crit": ["exp"]}, {"crit": None}, {"jku": "http://127.0.0.1/"}, {"jwk": {}}, {"x5u": "x"},
    {"x5c": []},
])
def test_a_header_that_says_how_to_check(site, header):
    assert refused(site, signed(claims(site), header={"alg": "HS256", **header}))


def test_the_key_before_this_one_still_verifies(make_site):
    old, new = SECRET, SECRET[::-1]
    site = make_site(POSTERN_SECRET=new, POSTERN_SECRET_PREVIOUS=old)
    assert status(site, signed(claims(site), key=old)) == 200
    assert status(site, signed(claims(site), key=new)) == 200
    assert refused(site, signed(claims(site), key=old[:-1] + "x"))
    jwt.decode(site.sign_in().token, new, algorithms=["HS256"], audience="session")
