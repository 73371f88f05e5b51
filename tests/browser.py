"""A browser that tests read and operate a page with."""

import shutil
from collections.abc import Iterator

import pytest


def chromium() -> Iterator:
    """Yields the driver of a Chromium without a window; skips the test if there is none."""
    browser, chromedriver = shutil.which("chromium"), shutil.which("chromedriver")
    if not browser or not chromedriver:
        pytest.skip("needs Chromium and its driver (Debian: chromium, chromium-driver)")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = browser
    options.add_argument("--headless=new")
    options.add_argument("--no-sandbox")  # root has no sandbox
    options.add_argument("--disable-dev-shm-usage")
    options.add_argument("--window-size=1200,900")
    options.add_argument("--host-resolver-rules=MAP * ~NOTFOUND")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    service = webdriver.ChromeService(chromedriver)
    driver = webdriver.Chrome(options, service)
    yield driver
    driver.quit()


class Page:
    """The actions of a reader on the page, and what the page shows."""

    def __init__(self, driver):
        self.driver = driver

    def get(self, name):
        return self.driver.find_element("id", name)

    def text(self, name):
        return self.driver.execute_script(
            "return document.getElementById(arguments[0]).textContent", name
        )

    def type(self, text):
        """Sets the text of the box as typing does; the driver cannot type every character."""
        self.driver.execute_script(
            "const box = document.getElementById('search'); box.focus(); box.value = arguments[0];"
            "box.dispatchEvent(new Event('input', {bubbles: true}))",
            text,
        )

    def press(self, *keys):
        self.driver.switch_to.active_element.send_keys(*keys)

    def search(self, text):
        self.type(text)
        self.press("\ue007")

    def options(self):
        return self.driver.execute_script(
            "const list = document.getElementById('options');"
            "return list.hidden ? null : [...list.children].map(item => item.textContent)"
        )

    def listed(self, name="neighbors"):
        """For each line its cosine, its word, and whether it is a button."""
        return self.driver.execute_script(
            "return [...document.getElementById(arguments[0]).children].map(line => ["
            "line.querySelector('.cosine').textContent, line.querySelector('bdi').textContent,"
            "line.querySelector('button') !== null])",
            name,
        )

    def pixel(self, i):
        """The pixel of word i, relative to the center of the map."""
        return self.driver.execute_script(
            "const {layout} = document.getElementById('plot');"
            "const {x, y} = JSON.parse(document.getElementById('data').textContent);"
            "const part = ({range: [a, b]}, at) => (at - a) / (b - a) - 0.5;"
            "return [part(layout.xaxis, x[arguments[0]]) * layout.width,"
            "-part(layout.yaxis, y[arguments[0]]) * layout.height]",
            i,
        )

    def labels(self):
        return self.driver.execute_script(
            "return [...document.querySelectorAll('.scatterlayer .textpoint')]"
            ".map(label => label.textContent)"
        )

    def wait(self, condition):
        """Waits until plotly.js has handled a gesture."""
        from selenium.webdriver.support.ui import WebDriverWait

        WebDriverWait(self.driver, 5, 0.05).until(lambda _: condition())

    def point_at(self, i):
        from selenium.webdriver import ActionChains

        right, down = map(round, self.pixel(i))
        chain = ActionChains(self.driver, 50)
        return chain.move_to_element_with_offset(self.get("plot"), right, down)

    def wheel_at(self, i, amount):
        from selenium.webdriver import ActionChains
        from selenium.webdriver.common.actions.wheel_input import ScrollOrigin

        place = ScrollOrigin.from_element(self.get("plot"), *map(round, self.pixel(i)))
        ActionChains(self.driver).scroll_from_origin(place, 0, amount).perform()

    def pinch(self, factor):
        """Spreads two fingers around the center of the map."""
        box = self.get("plot").rect
        right, down = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        for kind, half in [("touchStart", 20), ("touchMove", 20 * factor), ("touchEnd", None)]:
            fingers = [] if half is None else [right - half, right + half]
            touches = [{"x": x, "y": down, "id": i} for i, x in enumerate(fingers)]
            self.driver.execute_cdp_cmd(
                "Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches}
            )
