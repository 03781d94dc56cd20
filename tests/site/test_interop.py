"""Other JWT libraries take our tokens and we theirs, by a shared secret or by the keys we publish."""
import base64
import hashlib
import hmac
import json
import re
import subprocess
import time

import jwt
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from conftest import (PROGRAM, PROGRAMS, ROOT, SECRET, Site, cookie, fastcgi_site, free_port, wait_until,
                      write_private)
from secrets_seen import SEEN
from test_token import claims

ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551  # of P-256
JWKS = "/.well-known/jwks.json"
GOOD = [200, 200, 200, 200]
REFUSED = [400, 401, 401, 401]  # see answers()
EXPECTED = {"issuer": "postern", "audience": "session"}


def encoded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decoded(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def next_letter(letter, step):
    """Another letter of base64url, `step` telling which bits of its six differ."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return letters[letters.index(letter) ^ step]


# -- the libraries ----------------------------------------------------------------------------

def pyjwt(what, alg, token=None, claims=None, header=None, secret=None, pem=None, jwks=None, **more):
    try:
        if what == "sign":
            return {"done": jwt.encode(claims, secret or pem, algorithm=alg, headers=header)}
        key = secret or pem or jwt.PyJWKClient(jwks).get_signing_key_from_jwt(token).key
        return {"done": jwt.decode(token, key, algorithms=[alg], **more)}
    except jwt.PyJWTError as error:
        return {"refused": str(error)}


def helper(command, library):
    """A library of another language, in a process of its own."""
    def run(what, **job):
        done = subprocess.run([*command], cwd=ROOT / "tests/site", stdout=subprocess.PIPE,
                              input=json.dumps({"library": library, "what": what, **job}).encode())
        assert done.returncode == 0, done.stdout
        return json.loads(done.stdout)
    return run


LIBRARIES = {
    "PyJWT": pyjwt,
    "jose": helper(["node", "verify.mjs"], "jose"),
    "jsonwebtoken": helper(["node", "verify.mjs"], "jsonwebtoken"),
    "PHP": helper(["php", "verify.php"], "php"),
}
ROWS = [(library, alg, way) for library in LIBRARIES
        for alg, way in (("HS256", "secret"), ("ES256", "pem"), ("ES256", "jwks"),
                         ("RS256", "pem"), ("RS256", "jwks"))]
ALGORITHMS = ("HS256", "ES256", "RS256")


# -- keys -------------------------------------------------------------------------------------

class Key:
    """A key that signs: a secret for HS256, else a pair."""

    def __init__(self, alg, folder, bits=2048):
        self.alg, self.kid, self.bits = alg, None, bits
        self.file, self.public_file = folder / (alg + ".pem"), folder / (alg + ".public.pem")
        if alg == "HS256":
            self.secret = SEEN.keep(hashlib.sha256(str(folder).encode()).hexdigest())
            self.to_sign = self.to_verify = {"secret": self.secret}
            return
        self.pair = ec.generate_private_key(ec.SECP256R1()) if alg == "ES256" else \
            rsa.generate_private_key(65537, bits)
        self.pem = self.pair.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                           serialization.NoEncryption()).decode()
        SEEN.keep("".join(self.pem.splitlines()[1:-1]))
        self.public = self.public_bytes(serialization.Encoding.PEM).decode()
        self.to_sign, self.to_verify = {"pem": self.pem}, {"pem": self.public}
        write_private(self.file, self.pem)
        write_private(self.public_file, self.public)
        self.kid = encoded(hashlib.sha256(self.canonical().encode()).digest())

    def public_bytes(self, encoding):
        return self.pair.public_key().public_bytes(encoding, serialization.PublicFormat.SubjectPublicKeyInfo)

    def members(self):
        """What a JWK must say of the public key: RFC 7518, sections 6.2.1 and 6.3.1."""
        numbers = self.pair.public_key().public_numbers()
        if self.alg == "ES256":
            return {"crv": "P-256", "kty": "EC", "x": encoded(numbers.x.to_bytes(32, "big")),
                    "y": encoded(numbers.y.to_bytes(32, "big"))}
        return {"e": encoded(numbers.e.to_bytes(3, "big")), "kty": "RSA",
                "n": encoded(numbers.n.to_bytes(self.bits // 8, "big"))}

    def canonical(self):
        """What RFC 7638 makes a digest of."""
        return json.dumps(self.members(), separators=(",", ":"), sort_keys=True)

    def settings(self):
        if self.alg == "HS256":
            return {"POSTERN_SECRET": self.secret}
        return {"POSTERN_KEY_FILE": self.file}

    def signature(self, text, digest=hashes.SHA256(), rsa_padding=padding.PKCS1v15()):
        """As RFC 7518 has it, but for a digest or a padding that one may name."""
        if self.alg == "HS256":
            return hmac.new(self.secret.encode(), text, hashlib.sha256).digest()
        if self.alg == "RS256":
            return self.pair.sign(text, rsa_padding, digest)
        r, s = decode_dss_signature(self.pair.sign(text, ec.ECDSA(digest)))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


class Signing:
    """A site, its key, another key of the same kind, and one pair of the other kind."""

    def __init__(self, alg, folder, start):
        self.alg = alg
        self.key, self.stranger = Key(alg, folder / "own"), Key(alg, folder / "stranger")
        self.site = start(folder / "site", **self.key.settings())
        self.jwks = "http://127.0.0.1:%d%s" % (self.site.port, JWKS)

    def sign_in(self):
        reply = self.site.sign_in(headers={"Accept": "application/jwt"})
        assert reply.status == 200, reply.text
        return reply.text


@pytest.fixture(scope="module")
def signing(tmp_path_factory):
    """For each algorithm one, made when it is asked for."""
    made = {}

    def find(alg):
        if alg not in made:
            folder = tmp_path_factory.mktemp(alg)
            (folder / "site").mkdir()
            made[alg] = Signing(alg, folder, fastcgi_site)
        return made[alg]

    yield find
    for one in made.values():
        one.site.stop()


def bearer(token):
    return {**PROGRAM, "Authorization": "Bearer " + token}


def answers(site, token):
    """At /welcome as a cookie, there as Bearer, at the gate as a cookie, there as Bearer."""
    return [site.get(path, headers).status for path in (site.welcome, "/private/")
            for headers in (cookie(token), bearer(token))]


def made(header, payload, sign):
    """A token by hand; `sign` makes the signature of its first two parts. A text stays as it is."""
    texts = (part if isinstance(part, str) else json.dumps(part) for part in (header, payload))
    text = ".".join(encoded(part.encode()) for part in texts)
    return text + "." + encoded(sign(text.encode()))


# -- ours, elsewhere --------------------------------------------------------------------------

@pytest.mark.parametrize("library, alg, way", ROWS)
def test_ours_verifies_elsewhere(signing, library, alg, way):
    one = signing(alg)
    key = {"jwks": one.jwks} if way == "jwks" else one.key.to_verify

    def verify(token, **changed):
        return LIBRARIES[library]("verify", **{"alg": alg, "token": token, **key, **EXPECTED, **changed})

    token = one.sign_in()
    read = verify(token)["done"]
    assert set(read) == {"iss", "aud", "sub", "iat", "exp", "auth_time", "sid", "pwv"}
    assert (read["iss"], read["aud"], read["sub"]) == ("postern", "session", "admin")
    assert read["exp"] - read["iat"] == 300 and abs(read["iat"] - time.time()) < 5
    assert len(read["sid"]) == 32 and len(read["pwv"]) == 16
    header = jwt.get_unverified_header(token)
    assert set(header) == {"alg", "typ", "kid"} and header["alg"] == alg
    assert one.key.kid in (None, header["kid"])

    assert "refused" in verify(token, issuer="elsewhere")
    assert "refused" in verify(token, audience="device")
    head, body, made = token.split(".")
    changed = encoded(decoded(body).replace(b'"admin"', b'"admit"'))
    assert changed != body and "refused" in verify(".".join((head, changed, made)))
    assert "refused" in verify(".".join((head, body, next_letter(made[0], 1) + made[1:])))


# -- theirs, here -----------------------------------------------------------------------------

@pytest.mark.parametrize("alg", ALGORITHMS)
@pytest.mark.parametrize("library", LIBRARIES)
def test_theirs_verifies_here(signing, library, alg):
    one = signing(alg)
    kid, payload = jwt.get_unverified_header(one.sign_in())["kid"], claims(one.site)
    for header in ({"kid": kid}, {}):
        def sign(key):
            return LIBRARIES[library]("sign", alg=alg, claims=payload, header=header, **key.to_sign)["done"]

        assert answers(one.site, sign(one.key)) == GOOD
        assert answers(one.site, sign(one.stranger)) == REFUSED
    assert answers(one.site, LIBRARIES[library]("sign", alg=alg, claims=payload, header={"kid": "another"},
                                                **one.key.to_sign)["done"]) == REFUSED


def confused(key, payload):
    """HMAC with what everybody knows of the key."""
    der = key.public_bytes(serialization.Encoding.DER)
    known = {"PEM": key.public.encode(), "PEM without its last line end": key.public.strip().encode(),
             "DER": der, "base64 of the DER": base64.b64encode(der), "JWK": key.canonical().encode(),
             "kid": key.kid.encode(), "nothing": b""}

    def sign(secret, digest):
        return lambda text: hmac.new(secret, text, digest).digest()

    for name, secret in known.items():
        # HS512 is as long as ES256.
        for alg in ("HS256", "HS384", "HS512"):
            for header in ({"alg": alg}, {"alg": alg, "kid": key.kid}, {"alg": key.alg, "kid": key.kid}):
                yield "%s with the %s, %s" % (alg, name, header), \
                    made(header, payload, sign(secret, "sha" + alg[2:]))
    for both in ((key.alg, "HS512"), ("HS512", key.alg)):
        yield "alg %s and %s" % both, made('{"alg":"%s","alg":"%s"}' % both, payload,
                                           sign(key.public.encode(), "sha512"))
    yield "HS256 with the site's secret", made({"alg": "HS256"}, payload, sign(SECRET.encode(), "sha256"))


def forged(key, stranger, payload):
    """What is not signed by the key with its own algorithm, by name."""
    yield from confused(key, payload)
    alg, kid = key.alg, {"kid": key.kid}
    for none in ("none", "None", "NONE", ""):
        yield "alg %r, no signature" % none, made({"alg": none, **kid}, payload, lambda text: b"")
        yield "alg %r, our signature" % none, made({"alg": none, **kid}, payload, key.signature)
    yield "our alg, no signature", made({"alg": alg, **kid}, payload, lambda text: b"")
    yield "no alg", made({"typ": "JWT", **kid}, payload, key.signature)
    others = {"ES256", "ES256K", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "EdDSA",
              "HS256", "HS384", alg.lower(), alg + " "} - {alg}
    for other in sorted(others):
        for header in ({}, kid):
            yield "alg %s, our signature, %s" % (other, header), \
                made({"alg": other, **header}, payload, key.signature)
    for name, digest in (("384", hashes.SHA384()), ("512", hashes.SHA512())):
        for header in (alg[:2] + name, alg):
            yield "alg %s, SHA-%s" % (header, name), \
                made({"alg": header, **kid}, payload, lambda text: key.signature(text, digest))
    if alg == "RS256":
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
        for header in ("PS256", alg):
            yield "alg %s, PSS" % header, made({"alg": header, **kid}, payload,
                                               lambda text: key.signature(text, rsa_padding=pss))
    else:
        yield "zeros", made({"alg": alg, **kid}, payload, lambda text: bytes(64))
        yield "the order", made({"alg": alg, **kid}, payload, lambda text: ORDER.to_bytes(32, "big") * 2)
        yield "DER", made({"alg": alg, **kid}, payload,
                          lambda text: key.pair.sign(text, ec.ECDSA(hashes.SHA256())))
    own = {**stranger.members(), "alg": alg, "use": "sig", "kid": key.kid}
    for more in ({"jwk": own}, {"jku": "http://127.0.0.1/"}, {"x5c": []}, {"x5u": "http://127.0.0.1/"},
                 {"crit": ["exp"]}):
        for signer in (stranger, key):
            yield "%s, by %s" % (more, signer.kid), made({"alg": alg, **kid, **more}, payload, signer.signature)


@pytest.mark.parametrize("alg", ["ES256", "RS256"])
def test_the_key_is_for_its_algorithm_only(signing, alg):
    one = signing(alg)
    payload = claims(one.site)
    assert answers(one.site, made({"alg": alg}, payload, one.key.signature)) == GOOD
    taken = {name: said for name, token in forged(one.key, one.stranger, payload)
             if (said := answers(one.site, token)) != REFUSED}
    assert not taken


@pytest.mark.parametrize("alg", ["ES256", "RS256"])
def test_with_a_secret_no_pair_is_good(signing, alg, tmp_path):
    site = signing("HS256").site
    kid, payload = jwt.get_unverified_header(site.sign_in().token)["kid"], claims(site)
    for header in ({}, {"kid": kid}):
        assert answers(site, made({"alg": alg, **header}, payload, Key(alg, tmp_path).signature)) == REFUSED


# -- one signature, many texts ----------------------------------------------------------------

def reshaped(token):
    """Texts that a lax decoder would take for this token; none is what RFC 7515 has."""
    head, body, made = token.split(".")
    yield from ((name, ".".join(parts)) for name, parts in {
        "=": (head, body, made + "="), "==": (head, body, made + "=="),
        "= behind the claims": (head, body + "=", made), "= behind the header": (head + "=", body, made),
        "a space": (head, body, made[:20] + " " + made[20:]),
        "a space in the claims": (head, body[:20] + " " + body[20:], made),
        "~": (head, body, made[:20] + "~" + made[20:]), "*!": (head, body, made + "*!"),
        "%0A": (head, body, made + "%0A"), ".": (head, body, made + "."),
        "one less": (head, body, made[:-1]), "two less": (head, body, made[:-2]),
        "four less": (head, body, made[:-4]), "one more": (head, body, made + "A"),
        "two more": (head, body, made + "AA"), "four more": (head, body, made + "AAAA"),
        "zeros before it": (head, body, "AAAA" + made), "twice": (head, body, made + made),
        "none": (head, body, ""),
        "+ and /": (head, body, made.replace("-", "+").replace("_", "/")),
    }.items() if ".".join(parts) != token)
    for step in (1, 2, 8, 15):
        yield "spare bits %d" % step, ".".join((head, body, made[:-1] + next_letter(made[-1], step)))


def negated(token):
    """The same token with the other signature that ES256 has for it: (r, n - s)."""
    head, body, made = token.split(".")
    r, s = decoded(made)[:32], int.from_bytes(decoded(made)[32:], "big")
    return ".".join((head, body, encoded(r + (ORDER - s).to_bytes(32, "big"))))


@pytest.mark.parametrize("alg", ["ES256", "RS256"])
def test_no_other_text_brings_an_ended_session_back(signing, alg):
    site, token = signing(alg).site, signing(alg).sign_in()
    while not set("-_") & set(token.rpartition(".")[2]):
        token = signing(alg).sign_in()
    # Asked about first, so that a worker knows it when it is asked about the others.
    assert answers(site, token) == GOOD
    taken = {name for name, text in reshaped(token) if answers(site, text) != REFUSED}
    assert not taken
    again = [token] if alg == "RS256" else [token, negated(token)]
    assert all(answers(site, text) == GOOD for text in again)

    assert site.post(site.logout, {}, cookie(again[-1])).status == 200
    for text in again:
        assert answers(site, text) == REFUSED


# -- what is published ------------------------------------------------------------------------

@pytest.mark.parametrize("alg", ["ES256", "RS256"])
def test_the_keys_are_published_and_nothing_else(signing, alg):
    one = signing(alg)
    reply = one.site.get(JWKS, cookie(one.sign_in()))
    assert reply.status == 200
    assert reply.headers.get_content_type() == "application/jwk-set+json"
    assert reply.headers.get_all("Cache-Control") == ["public, max-age=300"]
    assert "Set-Cookie" not in reply.headers
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert json.loads(reply.text) == {"keys": [
        {**one.key.members(), "use": "sig", "alg": alg, "kid": one.key.kid}]}
    found = LIBRARIES["jose"]("thumbprints", keys=json.loads(reply.text)["keys"])
    assert found == {"done": [one.key.kid]}


@pytest.mark.parametrize("alg", ["ES256", "RS256"])
def test_how_the_keys_may_be_asked_for(signing, alg):
    site = signing(alg).site
    whole, head = site.get(JWKS), site.request("HEAD", JWKS)
    assert head.status == 200 and head.body == b""
    for name in ("Content-Type", "Cache-Control"):
        assert head.headers[name] == whole.headers[name]
    for method in ("POST", "PUT", "DELETE"):
        reply = site.request(method, JWKS, "")
        assert reply.status == 405 and reply.headers["Allow"] == "GET, HEAD", method
        assert "no-store" in reply.headers["Cache-Control"]
    assert site.get(JWKS + "?x=1").text == whole.text
    assert site.get("/.well-known/other.json").status == 404


def test_a_secret_is_not_published(signing):
    for method in ("GET", "HEAD"):
        reply = signing("HS256").site.request(method, JWKS)
        assert reply.status == 404 and "no-store" in reply.headers["Cache-Control"]


@pytest.mark.parametrize("bits", [3072, 4096])
def test_a_longer_key(make_site, tmp_path, bits):
    key = Key("RS256", tmp_path, bits)
    site = make_site(POSTERN_KEY_FILE=key.file)
    token = site.sign_in().token
    url = "http://127.0.0.1:%d%s" % (site.port, JWKS)
    assert answers(site, token) == GOOD
    for library, run in LIBRARIES.items():
        assert run("verify", alg="RS256", token=token, jwks=url, **EXPECTED)["done"]["sub"] == "admin", library


# -- two keys ---------------------------------------------------------------------------------

@pytest.mark.parametrize("previous", ["file", "public_file"], ids=["private", "public"])
def test_while_rotating_both_keys_count(make_site, tmp_path, previous):
    new, old = Key("ES256", tmp_path), Key("RS256", tmp_path)
    site = make_site(POSTERN_KEY_FILE=new.file, POSTERN_KEY_FILE_PREVIOUS=getattr(old, previous))
    url = "http://127.0.0.1:%d%s" % (site.port, JWKS)
    published = json.loads(site.get(JWKS).text)["keys"]
    assert [jwk["kid"] for jwk in published] == [new.kid, old.kid]
    assert jwt.get_unverified_header(site.sign_in().token)["kid"] == new.kid
    payload = claims(site)
    for key, other in ((new, old), (old, new)):
        for library, run in LIBRARIES.items():
            token = run("sign", alg=key.alg, claims=payload, header={"kid": key.kid}, **key.to_sign)["done"]
            assert answers(site, token) == GOOD, library
            read = run("verify", alg=key.alg, token=token, jwks=url, **EXPECTED)
            assert read["done"]["sub"] == "admin", library
        assert answers(site, made({"alg": key.alg}, payload, key.signature)) == GOOD
        for header in ({"alg": key.alg, "kid": other.kid}, {"alg": other.alg, "kid": key.kid},
                       {"alg": other.alg}):
            assert answers(site, made(header, payload, key.signature)) == REFUSED, header


# -- a host that only verifies ----------------------------------------------------------------

def reading_site(folder, public, state, **settings):
    """One that was given the public key and the state, and neither a secret nor the users."""
    demo = folder / "build/demo"
    (demo / "www/private").mkdir(parents=True)
    (demo / "www/private/index.html").write_text("guarded\n")
    (folder / "cgi-bin").symlink_to(PROGRAMS)
    settings = {"POSTERN_PUBLIC_KEY_FILE": public, "POSTERN_STATE": state, **settings}
    write_private(demo / "postern.env", "".join("%s=%s\n" % one for one in settings.items()))
    text = (ROOT / "lighttpd.conf").read_text()
    for name in ("USERS", "STATE"):
        text, count = re.subn(r'\t"POSTERN_%s" => .*\n' % name, "", text)
        assert count == 1
    (folder / "lighttpd.conf").write_text(text)
    return Site(folder, folder / "lighttpd.conf", free_port())


@pytest.mark.parametrize("alg", ["ES256", "RS256"])
def test_a_host_with_the_public_key_verifies_and_does_not_renew(make_site, tmp_path, alg):
    key, short = Key(alg, tmp_path), {"POSTERN_TOKEN_TTL": 4}
    site = make_site(POSTERN_KEY_FILE=key.file, **short)
    reader = make_site(reading_site, public=key.public_file, state=site.folder / "build/demo/state", **short)
    token, other = site.sign_in().token, site.sign_in().token
    assert answers(reader, token) == GOOD
    assert answers(reader, made({"alg": alg}, claims(site),
                                Key(alg, tmp_path / "stranger").signature)) == REFUSED
    assert reader.get(reader.login).status == 503 and reader.sign_in().status == 503

    assert site.post(site.logout, {}, cookie(token)).status == 200
    assert answers(reader, token) == REFUSED and answers(reader, other) == GOOD

    def is_due():
        """Does a host that has the private key renew the token now?"""
        assert (reply := site.get(site.welcome, cookie(other))).status == 200
        return "Set-Cookie" in reply.headers

    wait_until(is_due)
    reply = reader.get(reader.welcome, cookie(other))
    assert reply.status == 200 and "Set-Cookie" not in reply.headers
