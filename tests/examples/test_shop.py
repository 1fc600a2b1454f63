"""The shop from end to end: a real browser before real servers, and a projector that is killed."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from decimal import Decimal
from itertools import islice
from uuid import uuid4

import httpx
import psycopg
import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.select import Select
from selenium.webdriver.support.wait import WebDriverWait

from tests.examples.browser import browsing, missing
from tests.examples.site import Site, open_shop

DEADLINE_S = 30.0
LOOK_S = 0.05
CUSTOMERS = 8
ORDERS_BEFORE_KILL = 40
EUROS = re.compile(r"€([\d,.]+)")
PACE = (
    "SELECT coalesce(sum(total), 0), count(*) FROM orders"
    " WHERE placed_at >= date_trunc('minute', now())"
)
TOTALS = "SELECT sum(total), count(*) FROM orders"

pytestmark = [
    pytest.mark.stack,
    pytest.mark.slow,
    pytest.mark.skipif(bool(missing()), reason=f"no {' and no '.join(missing())} on PATH"),
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The shop is open, and its first order has gone the whole way."""
    with open_shop(tmp_path_factory.mktemp("shop")) as site:
        with httpx.Client(base_url=site.address, timeout=DEADLINE_S) as client:
            deadline = time.monotonic() + DEADLINE_S
            token = ordered(client)
            while "Mainstem-Stale" in client.get("/revenue", headers=token).headers:
                assert time.monotonic() < deadline, site.said()
        yield site


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    """A browser that nobody has used before."""
    with browsing(tmp_path_factory.mktemp("browser")) as browser:
        yield browser


@pytest.fixture
def page(site: Site, browser: Chrome) -> Page:
    """A visitor has just opened the page."""
    browser.get(site.address)
    page = Page(browser, site)
    page.until(lambda: page.text("live") == "live", "the page is live")
    return page


class Page:
    """What a visitor sees and does."""

    def __init__(self, browser: Chrome, site: Site) -> None:
        """In this browser."""
        self.browser = browser
        self._site = site

    def text(self, element_id: str) -> str:
        """The text of an element."""
        return self.browser.find_element(By.ID, element_id).text

    def until(self, holds: Callable[[], bool], what: str) -> None:
        """Wait until it holds."""
        wait = WebDriverWait(self.browser, DEADLINE_S, LOOK_S)
        told = f"in vain: {what}; the page says {self.text('answer')!r}\n{self._site.said()}"
        wait.until(lambda _: holds(), told)

    def texts(self, selector: str) -> list[str]:
        """The texts of several elements, read at one moment: the page may draw them anew."""
        script = "return [...document.querySelectorAll(arguments[0])].map(e => e.textContent)"
        return list(self.browser.execute_script(script, selector))

    def field(self, label: str) -> WebElement:
        """A field of the form, found as people find it: by its label."""
        path = f"//label[starts-with(normalize-space(), '{label}')]//*[self::input or self::select]"
        return self.browser.find_element(By.XPATH, path)

    def order(self, customer: str, country: str, tea: str, packs: int) -> None:
        """Type, choose and click, and wait until the shop has answered."""
        for label, text in (("Your name", customer), ("Packs", str(packs))):
            self.field(label).clear()
            self.field(label).send_keys(text)
        Select(self.field("Country")).select_by_visible_text(country)
        for option in Select(self.field("Tea")).options:
            if option.text.startswith(tea):
                option.click()
        self.browser.find_element(By.CSS_SELECTOR, "#order button").click()
        thanks = f"Thank you, {customer}: {packs} × {tea} for {country}."  # noqa: RUF001  # As the page writes it.
        self.until(lambda: self.text("answer").startswith(thanks), thanks)

    def total(self) -> Decimal:
        """The revenue in large letters."""
        return sum(amounts(self.texts("#total")), Decimal(0))

    def chart(self) -> Decimal:
        """The sum of the bars, as their titles tell them."""
        return sum(amounts(self.texts("#chart rect.some title")), Decimal(0))

    def countries(self) -> dict[str, Decimal]:
        """The revenue by country."""
        names = self.texts("#countries tbody th")
        return dict(zip(names, amounts(self.texts("#countries td:last-child")), strict=True))

    def orders(self) -> list[str]:
        """The list of orders."""
        return self.texts("#orders li")


def amounts(texts: list[str]) -> list[Decimal]:
    """Every amount in the texts."""
    return [Decimal(found.replace(",", "")) for text in texts for found in EUROS.findall(text)]


def booked(site: Site) -> tuple[Decimal, int]:
    """The revenue and the number of orders, by the shop's own table of orders."""
    with psycopg.connect(site.database_url) as connection:
        row = connection.execute(TOTALS).fetchone()
    assert row is not None
    return row[0] or Decimal(0), row[1]


def test_an_order_is_in_the_list_and_in_the_chart_at_once(site: Site, page: Page) -> None:
    """Aim: the whole way. Method: type and click an order; read list, total, bars, countries."""
    before, _ = booked(site)
    page.order("Ada", "Norway", "Sencha", 3)
    page.until(lambda: page.total() == before + Decimal("42.30"), "the order is in the total")

    assert page.orders()[0].startswith("Ada")
    assert page.chart() == before + Decimal("42.30")
    assert page.countries()["Norway"] == Decimal("42.30")


def test_this_minute_is_counted_by_a_stream(site: Site, page: Page) -> None:
    """Aim: a stream's results, live. Method: order; hold what the page says against the table."""
    page.order("Hedy", "Austria", "Darjeeling", 1)
    page.until(lambda: page.text("pace") == paced(site), "the pace is that of the table")


def test_whoever_ordered_sees_it_with_the_next_answer(site: Site) -> None:
    """Aim: read your writes. Method: orders over HTTP, each followed by a look with its token."""
    with httpx.Client(base_url=site.address, timeout=DEADLINE_S) as client:
        for _ in range(10):
            before, _ = booked(site)
            seen = client.get("/revenue", headers=ordered(client))

            assert Decimal(seen.json()["total"]) == before + Decimal("13.70")


def test_a_projector_killed_under_way_costs_no_cent(site: Site, page: Page) -> None:
    """Aim: exactly once, as a visitor sees it. Method: SIGKILL amid a rush; start anew; compare."""
    with httpx.Client(base_url=site.address, timeout=DEADLINE_S) as client:
        with ThreadPoolExecutor(CUSTOMERS) as customers:
            orders = [customers.submit(ordered, client) for _ in range(2 * ORDERS_BEFORE_KILL)]
            deque(islice(as_completed(orders, DEADLINE_S), ORDERS_BEFORE_KILL), maxlen=0)
            site.kill("projector")
        tokens = [order.result() for order in orders]
    page.order("Grace", "France", "Assam", 2)
    page.until(lambda: "will follow" in page.text("answer"), "the page says that it is late")
    listed = page.orders()[0]
    site.project()
    total, _ = booked(site)
    page.until(lambda: page.total() == total, "the total is right again")

    assert len(tokens) == 2 * ORDERS_BEFORE_KILL
    assert listed.startswith("Grace")
    assert page.chart() == total
    assert sum(page.countries().values()) == total


def test_the_page_is_in_order(site: Site, page: Page) -> None:
    """Aim: no error, no foreign host, no field without a label, no scrolling sideways on a phone.

    Method: ask the browser, whose console also tells what the content security policy refused.
    """
    answer = httpx.get(site.address)
    unlabelled = page.browser.execute_script(
        "return [...document.querySelectorAll('input, select')].filter(f => !f.labels.length)"
    )
    wide = page.browser.execute_script(
        "return document.documentElement.scrollWidth > document.documentElement.clientWidth"
    )

    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert page.browser.get_log("browser") == []  # type: ignore[no-untyped-call]  # As above.
    assert unlabelled == []
    assert not wide


def paced(site: Site) -> str:
    """What the page should say of this minute."""
    with psycopg.connect(site.database_url) as connection:
        row = connection.execute(PACE).fetchone()
    assert row is not None
    return f"€{row[0]:,.2f} from {row[1]} {'order' if row[1] == 1 else 'orders'}"


def ordered(client: httpx.Client) -> dict[str, str]:
    """Order two packs of Earl Grey, 13.70; the header that lets a later request see it."""
    order = {"customer": "Alan", "country": "Spain", "tea": "Earl Grey", "packs": 2}
    answer = client.post("/orders", json={"id": str(uuid4()), **order})
    assert answer.status_code == 201, answer.text
    return {"Mainstem-Token": answer.headers["Mainstem-Token"]}
