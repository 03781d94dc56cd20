"""Tokens of other JWT libraries are good here, and ours there."""
import base64
import hashlib
import hmac
import json
import time

import jwt
import pytest

from conftest import SECRET, cookie, wait_until


def claims(**changed):
    now = int(time.time())
    # Later than the state of the site, which takes all that began before it for ended.
    all_of_them = {"iss": "postern", "aud": "session", "sub": "ada", "iat": now, "exp": now + 300,
                   "auth_time": now + 2, "sid": "0123456789abcdef" * 2, "pwv": "0123456789abcdef"}
    all_of_them.update(changed)
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


def test_ours_verifies_elsewhere(site):
    def sign_in():
        """None while all that began before some seconds from now was ended, by another test."""
        token = site.sign_in().token
        read = jwt.decode(token, SECRET, algorithms=["HS256"], audience="session",
                          issuer="postern", options={"require": ["exp", "iat", "sub"]})
        return (token, read) if read["auth_time"] == read["iat"] else None

    token, read = wait_until(sign_in)
    assert set(read) == {"iss", "aud", "sub", "iat", "exp", "auth_time", "sid", "pwv"}
    assert read["sub"] == "admin" and read["exp"] - read["iat"] == 300
    assert abs(read["iat"] - time.time()) < 5
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
    assert status(site, jwt.encode(claims(), SECRET, algorithm="HS256")) == 200
    assert status(site, signed(claims())) == 200


@pytest.mark.parametrize("name", sorted(claims()))
def test_no_claim_may_be_missing(site, name):
    assert status(site, signed(claims(**{name: None}))) == 400


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "HS384", "HS512", "RS256", "hs256", "",
                                 None, 5, ["HS256"]])
def test_no_other_alg(site, alg):
    header = {"alg": alg} if alg is not None else {"typ": "JWT"}
    token = signed(claims(), alg if isinstance(alg, str) else "HS256", header)
    assert status(site, token) == 400
    assert status(site, token.rpartition(".")[0] + ".") == 400


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
    assert status(site, signed(claims(**{name: value}))) == 400


@pytest.mark.parametrize("header", [
    {"kid": "0123456789abcdef"}, {"kid": 5}, {"kid": ""}, {"kid": "../../etc/passwd"},
    {"kid": ["0"]}, {"kid": "a\0b"}, {"kid": "x" * 3000}, {"kid": None}, {"kid": {}},
    {"crit": ["exp"]}, {"crit": None}, {"jku": "http://127.0.0.1/"}, {"jwk": {}}, {"x5u": "x"},
    {"x5c": []},
])
def test_a_header_that_says_how_to_check(site, header):
    assert status(site, signed(claims(), header={"alg": "HS256", **header})) == 400


def test_the_key_before_this_one_still_verifies(make_site):
    old, new = SECRET, SECRET[::-1]
    site = make_site(POSTERN_SECRET=new, POSTERN_SECRET_PREVIOUS=old)
    assert status(site, signed(claims(), key=old)) == 200
    assert status(site, signed(claims(), key=new)) == 200
    assert status(site, signed(claims(), key=old[:-1] + "x")) == 400
    jwt.decode(site.sign_in().token, new, algorithms=["HS256"], audience="session")
