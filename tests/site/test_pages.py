"""The pages: valid, accessible, replaceable, and nothing in them but what was meant."""
import base64
import hashlib
import re
import subprocess

import pytest

import fcgi
from conftest import BROWSER, ROOT, write_settings

PAGES = ROOT / "src/pages"
CHECKS = ROOT / "tests/site/node_modules"


def every_page(site):
    """Each page as a browser gets it, by name."""
    signed_in = {**BROWSER, "Cookie": "token=" + site.sign_in().token}
    return {
        "login": site.get(site.login + "?next=/a%26b", BROWSER),
        "wrong": site.post(site.login, {"username": "a<b>", "password": "x"}, BROWSER),
        "signed-in": site.get(site.login, signed_in),
        "welcome": site.get(site.welcome, signed_in),
        "logout": site.get(site.logout, signed_in),
        "message": site.get(site.login + "/x", BROWSER),
    }


def assert_valid(folder, replies):
    """HTML, as html-validate sees it; `folder` is for it to read from."""
    for name, reply in replies.items():
        (folder / (name + ".html")).write_bytes(reply.body)
    done = subprocess.run([CHECKS / ".bin/html-validate", "--config",
                           ROOT / "tests/site/.htmlvalidate.json", *folder.glob("*.html")],
                          stdout=subprocess.PIPE, text=True)
    assert done.returncode == 0, done.stdout


def test_the_html_is_valid(site, tmp_path):
    assert_valid(tmp_path, every_page(site))


def test_no_slot_is_left_and_nothing_comes_from_elsewhere(site):
    for name, reply in every_page(site).items():
        assert "{{" not in reply.text, name
        assert not re.search(r"<script|<link|<img|\bsrc=|url\(|@import|style=|\bon\w+=|//",
                             reply.text), name


def test_the_style_is_the_one_that_the_policy_allows(site):
    for name, reply in every_page(site).items():
        style = re.search(r"<style>(.*?)</style>", reply.text, re.S).group(1)
        digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        assert "style-src 'sha256-%s'" % digest in reply.headers["Content-Security-Policy"], name


def test_pages_of_ones_own(make_site, tmp_path):
    (tmp_path / "login.html").write_text(
        "<style>{{style}}</style>{{title}}|{{login}}|{{next}}|{{username}}|{{error}}|{{what}}|{{")
    (tmp_path / "style.css").write_text("a > b {}")
    site = make_site(POSTERN_PAGES=tmp_path, POSTERN_TITLE="<Ada & Co>")
    reply = site.post("/login", {"username": "{{title}}", "password": "x", "next": "/\"'<>&"},
                      BROWSER)
    assert reply.text == (
        "<style>a > b {}</style>&lt;Ada &amp; Co&gt;|/login|/&quot;&#39;&lt;&gt;&amp;|{{title}}|"
        "The user name or the password is not right.|{{what}}|{{")
    digest = base64.b64encode(hashlib.sha256(b"a > b {}").digest()).decode()
    assert digest in reply.headers["Content-Security-Policy"]
    # A page that is not in the folder is the built-in one, in the style of the folder.
    assert "a > b {}" in site.get("/logout", BROWSER).text


def test_a_style_with_the_lines_of_windows(make_site, tmp_path):
    """Browsers drop the carriage returns, and then hash it."""
    (tmp_path / "style.css").write_bytes(b"a {\r\n}\r\n")
    site = make_site(POSTERN_PAGES=tmp_path)
    reply = site.get("/login", BROWSER)
    digest = base64.b64encode(hashlib.sha256(b"a {\n}\n").digest()).decode()
    assert digest in reply.headers["Content-Security-Policy"] and "\r" not in reply.text


@pytest.mark.parametrize("name", ["login.html", "style.css"])
def test_a_page_of_ones_own_that_cannot_be_read(tmp_path, name):
    pages = tmp_path / "pages"
    pages.mkdir()
    (pages / name).write_text("x" * 32769)
    env = write_settings(tmp_path, POSTERN_PAGES=pages)
    worker = fcgi.Worker(tmp_path, env)
    assert worker.ask(path="/login").startswith("Status: 503")
    assert name in worker.stderr.read_text() and "too large" in worker.stderr.read_text()
    worker.stop()


def test_a_page_that_grows_too_large_is_500(tmp_path):
    pages = tmp_path / "pages"
    pages.mkdir()
    (pages / "login.html").write_text("{{title}}" * 3000)
    worker = fcgi.Worker(tmp_path, write_settings(tmp_path, POSTERN_PAGES=pages,
                                                  POSTERN_TITLE="&" * 127))
    assert worker.ask(path="/login").startswith("Status: 500")
    assert worker.ask(path="/logout").startswith("Status: 200")
    worker.stop()
