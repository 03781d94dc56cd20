"""A person with a real browser."""
import os
import time

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from conftest import ROOT

AXE = (ROOT / "tests/site/node_modules/axe-core/axe.min.js")


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for flag in ("--headless=new", "--disable-gpu", "--disable-quic", "--no-first-run",
                 "--disable-background-networking", "--disable-component-update",
                 "--disable-sync", "--disable-dev-shm-usage",
                 "--user-data-dir=%s" % tmp_path_factory.mktemp("chromium")):
        options.add_argument(flag)
    if os.geteuid() == 0:
        options.add_argument("--no-sandbox")
    driver = webdriver.Chrome(service=Service("/usr/bin/chromedriver"), options=options)
    yield driver
    driver.quit()


@pytest.fixture
def page(browser, fastcgi):
    """The browser without a cookie, as wide as a desk's, and what it can do here."""
    window = Page(browser, fastcgi)
    window.open("/login")
    browser.delete_all_cookies()
    window.command("Emulation.clearDeviceMetricsOverride")
    window.command("Emulation.setScriptExecutionDisabled", value=False)
    window.open("/login")
    return window


class Page:
    def __init__(self, browser, site):
        self.browser, self.site = browser, site

    def open(self, path):
        self.browser.get("http://127.0.0.1:%d%s" % (self.site.port, path))

    def command(self, name, **arguments):
        self.browser.execute_cdp_cmd(name, arguments)

    @property
    def path(self):
        return self.browser.current_url.partition(str(self.site.port))[2]

    @property
    def text(self):
        return self.browser.find_element(By.TAG_NAME, "main").text

    def find(self, name):
        return self.browser.find_element(By.NAME, name)

    def leave(self, act):
        """Do something that leads to another page, and wait for that."""
        old = self.browser.find_element(By.TAG_NAME, "html")
        act()
        WebDriverWait(self.browser, 10).until(lambda _: self._is_gone(old))
        WebDriverWait(self.browser, 10).until(
            lambda b: b.find_elements(By.TAG_NAME, "main"))

    @staticmethod
    def _is_gone(element):
        try:
            element.is_enabled()
            return False
        except Exception:  # it belongs to a page that is no longer there
            return True

    def sign_in(self, name="admin", password="password"):
        self.find("username").clear()
        self.find("username").send_keys(name)
        self.find("password").send_keys(password)
        self.press("Sign in")

    def press(self, text):
        for button in self.browser.find_elements(By.TAG_NAME, "button"):
            if button.text == text:
                self.leave(button.click)
                return
        raise AssertionError("no button %r in %r" % (text, self.text))

    def complaints(self):
        """What axe finds."""
        self.command("Emulation.setScriptExecutionDisabled", value=False)
        self.browser.execute_script(AXE.read_text())
        found = self.browser.execute_async_script(
            "const done = arguments[0]; axe.run().then(done, e => done(String(e)))")
        return [(rule["id"], rule["nodes"]) for rule in found["violations"]]


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no-scripts"])
def test_the_whole_way(page, scripts):
    page.command("Emulation.setScriptExecutionDisabled", value=not scripts)
    page.open("/welcome?from=here")
    assert page.path == "/login?next=/welcome%3Ffrom%3Dhere"
    page.sign_in(password="wrong")
    assert page.path == "/login"
    assert "The user name or the password is not right." in page.text
    assert page.find("username").get_attribute("value") == "admin"
    assert page.find("password").get_attribute("value") == ""
    page.sign_in()
    assert page.path == "/welcome?from=here"
    assert "You are signed in as admin" in page.text
    cookie = page.browser.get_cookie("token")
    assert cookie["httpOnly"] and cookie["sameSite"] == "Lax" and cookie["path"] == "/"
    page.press("Sign out")
    assert page.path == "/login" and page.browser.get_cookie("token") is None
    page.leave(page.browser.back)
    assert "signed in as" not in page.text and page.path.startswith("/login?next=")
    page.open("/welcome")
    assert page.path == "/login?next=/welcome"


def test_the_root_leads_to_the_form(page):
    page.open("/")
    assert page.path == "/login?next=/welcome"


def test_signed_in_already(page):
    page.sign_in()
    page.open("/login?next=/welcome%3Fx")
    assert "You are signed in as admin" in page.text
    page.leave(page.browser.find_element(By.LINK_TEXT, "Go on").click)
    assert page.path == "/welcome?x"
    page.open("/logout")
    page.press("Sign out")
    assert page.path == "/login"


def test_with_the_keyboard_alone(page):
    """Tab, type, Tab, type, Enter; and what has the focus can be seen."""
    def focus():
        return page.browser.switch_to.active_element

    focus().send_keys(Keys.TAB)
    assert focus().get_attribute("name") == "username"
    assert focus().value_of_css_property("outline-style") == "solid"
    focus().send_keys("admin" + Keys.TAB)
    assert focus().get_attribute("name") == "password"
    page.leave(lambda: focus().send_keys("password" + Keys.ENTER))
    focus().send_keys(Keys.TAB)
    assert focus().text == "Sign out"
    page.leave(lambda: focus().send_keys(Keys.ENTER))
    assert page.path == "/login"


def every_page(page):
    page.open("/login")
    yield "login"
    page.sign_in(password="wrong")
    yield "wrong"
    page.sign_in()
    yield "welcome"
    page.open("/login")
    yield "signed-in"
    page.open("/logout")
    yield "logout"
    page.open("/login/x")
    yield "message"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
def test_every_page_in_every_look(page, scheme, width):
    page.command("Emulation.setEmulatedMedia",
                 features=[{"name": "prefers-color-scheme", "value": scheme}])
    page.command("Emulation.setDeviceMetricsOverride", width=width, height=640,
                 deviceScaleFactor=1, mobile=False)
    for name in every_page(page):
        assert page.complaints() == [], name
        wide = page.browser.execute_script("return document.documentElement.scrollWidth")
        assert wide <= width, name
        back = page.browser.execute_script("return getComputedStyle(document.body).backgroundColor")
        bright = sum(int(part) for part in back.strip("rgb()").split(",")) > 3 * 128
        assert bright == (scheme == "light"), name


def test_the_browser_has_nothing_to_say_against_the_pages(page):
    """No style refused by the policy, no resource missed."""
    page.browser.get_log("browser")
    for _ in every_page(page):
        pass
    expected = ("401", "404", "favicon")
    said = [line["message"] for line in page.browser.get_log("browser")]
    assert [line for line in said if not any(word in line for word in expected)] == []
