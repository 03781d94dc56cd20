"""A person with a real browser."""
import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys


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
