"""The page of a map: its data, and its search, zoom and lists in a browser."""

import json
import re
import sys
from html.parser import HTMLParser
from urllib.parse import urlsplit

import numpy as np
import pytest

from jaxvec import WordVectors
from jaxvec.plot.figure import PALETTE, style
from jaxvec.plot.page import write_page
from tests.browser import Page, chromium

HOSTILE = [
    "</script><script>alert(1)</script>",
    "<!--",
    "<b>bold</b>",
    "<img src=x onerror=alert(1)>",
    '"quoted"',
    "it's",
    "a&amp;b",
    "a b",
    "日本",
    "😀",
    "\u2028",
    "tab\there",
    "\\u003c",
    "{{data}}",
    "$&",
    "%{x}",
    "constructor",
    "__proto__",
    "é",
    "#",
]
ON_MAP = 120


@pytest.fixture(scope="module")
def vectors():
    rng = np.random.default_rng(0)
    words = [f"word{i}" for i in range(300)]
    words[10 : 10 + len(HOSTILE)] = HOSTILE
    table = rng.normal(size=(len(words), 10)) + 3 * np.eye(10)[rng.integers(10, size=len(words))]
    return WordVectors(words, table, counts=np.arange(len(words), 0, -1) * 1000)


@pytest.fixture(scope="module")
def path(vectors, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "map.html"
    words = vectors.index_to_key[:ON_MAP]
    centered = vectors[words] - vectors[words].mean(axis=0)
    points = centered @ np.linalg.svd(centered, full_matrices=False)[2][:2].T
    groups = ["even" if i % 2 == 0 else "<odd>" for i in range(ON_MAP)]
    write_page(path, vectors, words, points, groups, neighbors=5, title="A <map> & more")
    return path


class Parts(HTMLParser):
    """The title and scripts of a page, and the URLs that it would fetch."""

    def __init__(self, path):
        super().__init__()
        self.texts, self.fetched = {"title": [], "script": []}, []
        self.inside = None
        self.feed(path.read_text(encoding="utf-8"))
        self.close()

    def handle_starttag(self, tag, attrs):
        self.fetched += [value for name, value in attrs if name in ("src", "href")]
        self.inside = self.texts.get(tag)
        if self.inside is not None:
            self.inside.append("")

    def handle_endtag(self, tag):
        self.inside = None

    def handle_data(self, data):
        if self.inside is not None:
            self.inside[-1] += data


def test_the_page_holds_what_it_shows_and_asks_for_nothing(vectors, path):
    assert [p.name for p in path.parent.iterdir()] == ["map.html"]
    parts = Parts(path)
    assert parts.fetched == ["data:,"]
    assert parts.texts["title"] == ["A <map> & more"]
    _, data, _ = parts.texts["script"]
    found = json.loads(data)
    assert found["labels"] == ["even", "<odd>"]  # in the order of a picture's legend
    assert found["styles"] == [style(0), style(1)]
    assert found["words"][:ON_MAP] == vectors.index_to_key[:ON_MAP]
    assert found["ranks"] == [vectors.get_index(word) + 1 for word in found["words"]]
    assert found["counts"] == [vectors.get_vecattr(word, "count") for word in found["words"]]
    assert found["total"] == len(vectors)
    for i in range(ON_MAP):
        nearest = vectors.most_similar(i, topn=5)
        assert [found["words"][j] for j in found["neighbors"][i]] == [w for w, _ in nearest]
        assert found["cosines"][i] == pytest.approx([c for _, c in nearest], abs=0.00051)
        every = vectors.most_similar(i, topn=len(vectors))
        shown = [pair for pair in every if vectors.get_index(pair[0]) < ON_MAP][:5]
        assert [found["words"][j] for j in found["near"][i]] == [w for w, _ in shown]
        assert found["nearCosines"][i] == pytest.approx([c for _, c in shown], abs=0.00051)


def test_a_page_of_one_word_without_neighbors(tmp_path):
    vectors = WordVectors(["a", "b"], np.eye(2))
    write_page(tmp_path / "map.html", vectors, ["b"], [[0, 0]], neighbors=0)
    found = json.loads(Parts(tmp_path / "map.html").texts["script"][1])
    assert (found["words"], found["neighbors"]) == (["b"], [[]])


@pytest.mark.parametrize(
    ("words", "points", "more", "error", "message"),
    [
        ([], np.zeros((0, 2)), {}, ValueError, "needs words"),
        (["a", "a"], np.zeros((2, 2)), {}, ValueError, "'a' is repeated"),
        (["a", "x"], np.zeros((2, 2)), {}, KeyError, "x"),
        (["a", "b"], np.zeros((2, 3)), {}, ValueError, r"need points \[2, 2\]; got \(2, 3\)"),
        (["a", "b"], [[0, 0], [0, np.nan]], {}, ValueError, "point of 'b' is not finite"),
        (["a"], [[0, 0]], {"groups": ["u", "v"]}, ValueError, "1 words need a group each; got 2"),
        (["a"], [[0, 0]], {"neighbors": -1}, ValueError, "neighbors must be 0 or more"),
    ],
)
def test_bad_input_writes_nothing(tmp_path, words, points, more, error, message):
    vectors = WordVectors(["a", "b"], np.eye(2))
    with pytest.raises(error, match=message):
        write_page(tmp_path / "map.html", vectors, words, points, **more)
    assert list(tmp_path.iterdir()) == []


def test_without_plotly_the_error_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "plotly.offline", None)
    with pytest.raises(ValueError, match=r"map.html needs .* plotly: .*jaxvec\[plot\]"):
        write_page(tmp_path / "map.html", WordVectors(["a"], [[1]]), ["a"], [[0, 0]])


@pytest.fixture(scope="module")
def driver():
    yield from chromium()


@pytest.fixture
def page(driver, path):
    driver.get("about:blank")
    for kind in ("browser", "performance"):
        driver.get_log(kind)
    driver.get(path.as_uri())
    yield Page(driver)
    assert driver.get_log("browser") == []
    messages = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    asked = [m["params"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    schemes = {urlsplit(request["request"]["url"]).scheme for request in asked}
    assert "file" in schemes
    assert schemes <= {"file", "data"}


def test_a_search_shows_the_neighbors_and_goes_there(vectors, page):
    page.search("word5")
    assert page.text("word") == "word5"
    assert page.text("facts") == "rank 6 of 300, count 295,000, group <odd>"
    nearest = vectors.most_similar("word5", topn=5)
    found = page.listed()
    assert [word for _, word, _ in found] == [word for word, _ in nearest]
    for (cosine, word, linked), (_, exact) in zip(found, nearest, strict=True):
        assert float(cosine) == pytest.approx(exact, abs=0.00051)
        assert linked == (vectors.get_index(word) < ON_MAP)
    assert {linked for _, _, linked in found} == {True, False}
    assert page.text("neighbors").count("not on the map") == sum(not on for _, _, on in found)
    others = [word for _, word, linked in page.listed("others") if linked]
    assert len(others) == len(page.listed("others")) == sum(not on for _, _, on in found)
    assert page.pixel(5) == pytest.approx([0, 0], abs=0.01)
    assert "word5" in page.labels()


def test_a_neighbor_that_is_on_the_map_can_be_gone_to_and_back(vectors, page):
    page.search("word5")
    near = next(word for _, word, linked in page.listed() if linked)
    page.get("neighbors").find_element("css selector", "button").click()
    assert page.text("word") == near
    assert [word for _, word, _ in page.listed()] == [w for w, _ in vectors.most_similar(near)[:5]]
    assert page.pixel(vectors.get_index(near)) == pytest.approx([0, 0], abs=0.01)
    page.driver.back()
    assert page.text("word") == "word5"


def test_a_miss_says_so_and_offers_close_matches(vectors, page):
    page.search("wrod5")
    assert "word5" in page.options()
    page.search("worf55")
    assert page.text("message") == "“worf55” is not on this map. Close matches:"
    assert page.options()[0] == "word55"
    page.press("\ue015", "\ue007")  # down, enter
    assert page.text("word") == "word55"
    assert page.text("message") == ""
    assert page.options() is None
    page.search("WORD7")
    assert page.text("word") == "word7"
    page.search("nothing like it")
    assert page.text("message") == "“nothing like it” is not on this map."
    assert page.text("word") == ""  # the card of the last word is gone
    assert page.text("facts").startswith("Search for a word")
    assert page.listed() == []
    off = next(
        w for i in range(ON_MAP) for w, _ in vectors.most_similar(i)[:5] if is_off(vectors, w)
    )
    page.search(off)
    assert page.text("message") == f"“{off}” is not on this map, but near:"
    for word in page.options():
        assert off in [w for w, _ in vectors.most_similar(word)[:5]]


def test_an_address_of_no_word_says_so(page):
    page.search("word5")
    page.driver.execute_script("location.hash = 'word=unheard%20of'")
    page.wait(lambda: page.text("message") == "“unheard of” is not on this map.")
    assert page.text("word") == ""


def test_the_case_that_is_typed_comes_first(driver, page, tmp_path):
    words = ["use", "us", "US", "User", "USA", "may", "May"]
    vectors = WordVectors(words, np.eye(len(words)))
    groups = [str(i) for i in range(len(words))]
    write_page(tmp_path / "map.html", vectors, words, np.eye(len(words))[:, :2], groups)
    driver.get((tmp_path / "map.html").as_uri())
    for typed, offered in [
        ("US", ["US", "us", "USA", "use", "User"]), ("us", ["us", "US", "use", "User", "USA"])
    ]:  # fmt: skip
        page.type(typed)
        assert page.options() == offered
    page.search("MAy")
    assert page.text("word") == "may"
    for word in ("May", "may", "US"):
        page.search(word)
        assert page.text("word") == word
    page.search("Mays")
    assert page.options()[:2] == ["May", "may"]
    fill = "return plot.data.slice(0, 7).map((trace) => trace.marker.color)"
    colors = driver.execute_script(fill)
    assert [c for c, of in zip(colors, PALETTE, strict=False) if c != of] == [colors[6]]
    assert colors[6] == driver.execute_script(
        "return getComputedStyle(document.documentElement).getPropertyValue('--ink')"
    )


def is_off(vectors, word):
    return vectors.get_index(word) >= ON_MAP


def test_typing_is_completed(page):
    page.get("search").send_keys("word1")
    assert page.options() == ["word1", *(f"word{i}" for i in range(100, 107))]
    page.get("search").send_keys("1")
    page.press("\ue015", "\ue015", "\ue013", "\ue007")  # down, down, up, enter
    assert page.text("word") == "word110"
    assert page.get("search").get_attribute("value") == "word110"
    page.type("d11")
    page.get("options").find_elements("tag name", "li")[2].click()
    assert page.text("word") == "word112"
    page.type("d11")
    page.press("\ue00c")  # escape
    assert page.options() is None


def test_hostile_words_are_shown_as_they_are(page):
    for word in HOSTILE:
        page.search(word)
        visible = {"\u2028": "“\u2028”", "tab\there": "tab␉here"}.get(word, word)
        assert page.text("word") == visible
        short = visible if len(visible) <= 30 else visible[:29] + "…"
        assert any(same_text(label, short) for label in page.labels()), word
    assert page.driver.execute_script("return document.querySelectorAll('img, script').length") == 3
    assert "<odd>" in page.text("groups")


def same_text(label, word):
    """plotly.js shows white space in SVG as no-break spaces."""
    return re.sub(r"\s+", " ", label).strip() == re.sub(r"\s+", " ", word).strip()


def test_pointing_clicking_and_zooming(vectors, page):
    lonely = 3
    page.search(f"word{lonely}")
    page.get("all").click()
    before = page.pixel(lonely)
    page.point_at(lonely).perform()
    hovered = page.driver.find_element("css selector", ".hoverlayer").text
    assert f"word{lonely}" in hovered
    assert f"rank {lonely + 1} of 300" in hovered
    assert "group <odd>" in hovered
    other = 8
    page.point_at(other).click().perform()
    assert page.text("word") == "word8"
    page.get("in").click()
    assert page.pixel(lonely) == pytest.approx([1.5 * place for place in before], abs=0.01)
    page.get("plot").send_keys("-", "\ue014")  # smaller, right
    assert page.pixel(lonely) == pytest.approx([before[0] - 80, before[1]], abs=0.01)
    page.get("plot").send_keys("0")
    assert page.pixel(lonely) == pytest.approx(before, abs=0.01)
    page.wheel_at(other, -200)
    apart = abs(np.subtract(before, page.pixel(other)))
    page.wait(lambda: (abs(np.subtract(page.pixel(lonely), page.pixel(other))) > apart).all())


def test_two_fingers_zoom(page):
    before = page.pixel(3)
    page.pinch(3)
    assert page.pixel(3) == pytest.approx([3 * place for place in before], rel=0.05)


def test_groups_can_be_hidden(page):
    shown = "return document.querySelectorAll('.scatterlayer .point').length"
    assert page.driver.execute_script(shown) == ON_MAP
    page.get("groups").find_element("css selector", "input").click()
    assert page.driver.execute_script(shown) == ON_MAP / 2


def test_a_phone_scrolls_down_only(page):
    page.driver.set_window_size(500, 850)
    try:
        page.search("word5")
        width = "const root = document.documentElement; return root.scrollWidth - root.clientWidth"
        assert page.driver.execute_script(width) == 0
        assert page.get("plot").size["height"] > 300
        assert page.pixel(5) == pytest.approx([0, 0], abs=0.01)
    finally:
        page.driver.set_window_size(1200, 900)
