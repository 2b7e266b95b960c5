"""The page of gates, over the routes and the database of learning itself."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import pytest
import pytest_asyncio
from aiohttp import ClientSession
from playwright.async_api import Browser, ConsoleMessage, Page, expect

from streamlabel.runtime.web.hosts import AllowedHosts
from streamlabel.runtime.web.page import CONTENT_SECURITY_POLICY
from support.accessibility import violations
from support.gate_page import (
    CERTIFIED,
    KEY,
    REVOKED,
    SUSPENDED,
    GateHost,
    certified,
    closed,
    cold,
    gate_host,
    step,
    subject,
)

pytestmark = pytest.mark.integration

WIDTHS_PX = (360, 768, 1440)
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
DIGITS = subject("digits")


@dataclass
class Looker:
    """Somebody who looks at the page. `faults` are script errors and breaches of its policy."""

    page: Page
    faults: list[str] = field(default_factory=list)

    def figure(self, name: str) -> Any:
        """A term of the page with what stands beside it."""
        return self.page.locator("dl > div").filter(has=self.page.get_by_text(name, exact=True))

    @property
    def notice(self) -> Any:
        return self.page.locator(".notice")

    def listen(self, message: ConsoleMessage) -> None:
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.faults.append(message.text)


Look = Callable[..., Awaitable[Looker]]


@pytest_asyncio.fixture(loop_scope="session")
async def gates(postgres_database: str) -> AsyncIterator[GateHost]:
    async with gate_host(postgres_database) as host:
        yield host


@pytest_asyncio.fixture(loop_scope="session")
async def look(browser: Browser, gates: GateHost) -> AsyncIterator[Look]:
    """Opens the page; whatever it did wrong fails the test."""
    lookers: list[Looker] = []

    async def look(project: str = "", **context: Any) -> Looker:
        profile = await browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **context})
        page = await profile.new_page()
        looker = Looker(page)
        lookers.append(looker)
        page.on("pageerror", lambda error: looker.faults.append(str(error)))
        page.on("console", looker.listen)
        await page.goto(f"{gates.url}#{project}")
        return looker

    yield look
    for looker in lookers:
        await looker.page.context.close()
        assert looker.faults == []


def now_ms() -> int:
    return int(time.time() * 1000)


async def nothing(gates: GateHost, look: Look, context: dict[str, Any]) -> Looker:
    ada = await look(**context)
    await expect(ada.page.get_by_role("heading", name="No project with policy certified yet")).to_be_visible()
    return ada


async def long_story(gates: GateHost, look: Look, context: dict[str, Any]) -> Looker:
    await gates.tell_story(DIGITS, now_ms())
    ada = await look(**context)
    await expect(ada.page.locator(".line-coverage").first).to_be_visible()
    await ada.page.get_by_text("As a table").click()
    await expect(ada.page.get_by_role("row").nth(5)).to_be_visible()
    return ada


async def several(gates: GateHost, look: Look, context: dict[str, Any]) -> Looker:
    now = now_ms()
    points = {
        "cold": cold(now),
        "hopeless": cold(now, needed=None),
        "open": certified(now),
        "suspended": closed(now, SUSPENDED, "the evidence supports it no longer"),
        "revoked-with-a-name-that-is-long-and-has-no-end": closed(now, REVOKED, "errors rose: evidence 204 to 1"),
    }
    for name, point in points.items():
        await gates.begin(subject(name))
        await gates.live(subject(name), point, steps=[step(point, suspect_from_ms=now - 60_000)])
    await gates.begin(subject("fresh"))
    ada = await look("suspended", **context)
    await expect(ada.page.get_by_role("link")).to_have_count(6)
    await expect(ada.page.locator(".suspects")).to_be_visible()
    return ada


async def just_begun(gates: GateHost, look: Look, context: dict[str, Any]) -> Looker:
    await gates.begin(DIGITS)
    ada = await look(**context)
    await expect(ada.page.get_by_text("Learning has begun with it just now")).to_be_visible()
    return ada


async def away(gates: GateHost, look: Look, context: dict[str, Any]) -> Looker:
    ada = await long_story(gates, look, context)
    gates.down = True
    await expect(ada.notice).to_be_visible()
    return ada


async def never_there(gates: GateHost, look: Look, context: dict[str, Any]) -> Looker:
    gates.down = True
    ada = await look(**context)
    await expect(ada.page.get_by_role("heading", name="Learning is not there")).to_be_visible()
    return ada


Scene = Callable[[GateHost, Look, dict[str, Any]], Awaitable[Looker]]


@pytest.mark.parametrize("scene", [nothing, long_story, several, just_begun, away, never_there])
async def test_every_scene_fits_every_width_and_has_no_barrier_that_a_checker_can_find(
    gates: GateHost, look: Look, pictures: Path, scene: Scene
) -> None:
    ada = await scene(gates, look, {"reduced_motion": "reduce"})
    for width_px in WIDTHS_PX:
        await ada.page.set_viewport_size({"width": width_px, "height": 800})
        # What is said of contrast is of the scheme, what of size and place is of the width.
        for scheme in SCHEMES if width_px == WIDTHS_PX[0] else SCHEMES[:1]:
            await ada.page.emulate_media(color_scheme=scheme)
            await ada.page.wait_for_timeout(50)
            await ada.page.screenshot(path=pictures / f"gate-{scene.__name__}-{width_px}-{scheme}.png", full_page=True)
            assert await violations(ada.page) == [], (width_px, scheme)
        assert await ada.page.evaluate("() => document.documentElement.scrollWidth <= innerWidth"), width_px


async def test_how_a_gate_stands_and_why(gates: GateHost, look: Look) -> None:
    await gates.tell_story(DIGITS, now_ms())
    ada = await look()
    await expect(ada.page).to_have_title("digits · Gates · Streamlabel")
    await expect(ada.page.locator(".stands")).to_have_text("digitsCertifiedmodel digits 3, taxonomy 1")
    await expect(ada.page.locator(".promise")).to_contain_text("at most 5 % of the labels")
    await expect(ada.page.locator(".promise")).to_contain_text("one person says of each calibration record")
    for name, words in {
        "Labelled by the model": "%of the latest thousand records passed the gate",
        "Certified error rate": "≤ 4.6 %of these labels are wrong; promised are 5 %",
        "Evidence": "431calibration answers above the threshold, 9 of them wrong; 712 in all",
        "Until certified": "Certified",
        "Calibration lane": "5 %of the stream",
        "Unanswered": "12calibration records have no label yet, in people’s hands or waiting",
        "Threshold": "0.9132",
        "Evidence for alarm": "At 200 to 1 it is revoked",
        "Guard": "97 %",
        "Looks and certificates": "14 and 2",
        "Wrong by bad luck": "≤ 0.55 certificates",
    }.items():
        await expect(ada.figure(name)).to_contain_text(words)
    steps = ada.page.get_by_role("listitem").filter(has=ada.page.locator(".step-head"))
    await expect(steps.locator(".state")).to_have_text(["Certified", "Suspended", "Certified", "Cold"])
    await expect(steps.nth(1)).to_contain_text("inputs changed: p = 3.1e-09 over the last 400 records")
    await expect(steps.nth(1).locator(".suspects")).to_contain_text("Suspect: labels that the model set from")
    await expect(steps.nth(0)).to_contain_text("threshold 0.9132 · 9 errors in 431 answers")


async def test_the_course_is_drawn_told_and_tabulated(gates: GateHost, look: Look) -> None:
    await gates.tell_story(DIGITS, now_ms())
    ada = await look()
    chart = ada.page.get_by_role("img", name="Course of the gate of digits")
    await expect(chart).to_be_visible()
    await expect(chart.locator(".band-word")).to_have_text(["Cold", "Certified", "Suspended", "Certified"])
    await expect(chart.locator(".line-bound")).to_have_count(2)
    await expect(chart.locator(".alpha-word")).to_have_text("alpha, 5 %")
    assert "alpha is 5" in (await chart.locator("desc").text_content() or "")
    box = await chart.bounding_box()
    assert box is not None
    await ada.page.mouse.move(box["x"] + 60, box["y"] + 100)
    await expect(ada.page.locator(".readout")).to_contain_text("Cold · model labels 0 % · no bound")
    await ada.page.mouse.move(5, 5)
    await expect(ada.page.locator(".readout")).to_contain_text("Certified · model labels")
    await ada.page.get_by_text("As a table").click()
    await expect(ada.page.get_by_role("row").nth(5)).to_be_visible()
    states = await ada.page.get_by_role("table").get_by_role("cell").all_text_contents()
    assert {"Cold", "Certified", "Suspended"} <= set(states)


async def test_it_all_works_with_keys(gates: GateHost, look: Look) -> None:
    now = now_ms()
    for name in ("apples", "pears"):
        await gates.begin(subject(name))
        await gates.live(subject(name), certified(now - 7_200_000), certified(now))
    ada = await look("apples")
    await expect(ada.page.get_by_role("link")).to_have_count(2)
    await ada.page.keyboard.press("Tab")
    await expect(ada.page.get_by_role("button", name="Theme: as the system")).to_be_focused()
    await ada.page.keyboard.press("Enter")
    await expect(ada.page.locator("html")).to_have_attribute("data-theme", "light")
    await ada.page.keyboard.press("Tab")
    await ada.page.keyboard.press("Tab")
    await expect(ada.page.get_by_role("link", name="pears")).to_be_focused()
    await ada.page.keyboard.press("Enter")
    await expect(ada.page.get_by_role("heading", name="pears")).to_be_visible()
    await expect(ada.page.get_by_role("link", name="pears")).to_be_focused()
    await ada.page.keyboard.press("Tab")
    await expect(ada.page.get_by_role("radio", name="last 24 hours")).to_be_focused()
    await expect(ada.page.locator(".line-coverage")).to_have_count(2)
    await ada.page.keyboard.press("ArrowLeft")
    await expect(ada.page.get_by_role("radio", name="last hour")).to_be_checked()
    await expect(ada.page.locator(".line-coverage")).to_have_count(1)
    await ada.page.keyboard.press("Tab")
    await ada.page.keyboard.press("Enter")
    await expect(ada.page.get_by_role("table")).to_be_visible()


async def test_what_changes_appears_by_itself_and_is_said_aloud(gates: GateHost, look: Look) -> None:
    now = now_ms()
    await gates.begin(DIGITS)
    await gates.live(DIGITS, cold(now - 10_000), steps=[step(cold(now - 10_000))])
    ada = await look()
    await expect(ada.figure("Until certified")).to_contain_text("About 160")
    await expect(ada.page.get_by_role("progressbar", name="Until certified")).to_be_visible()
    opened = certified(now)
    await gates.live(DIGITS, opened, steps=[step(opened)])
    await expect(ada.page.locator(".stands .state")).to_have_text("Certified")
    await expect(ada.page.locator("#announcer")).to_have_text("The gate of digits is certified.")
    await expect(ada.page.locator(".step-head")).to_have_count(2)
    await expect(ada.page.get_by_role("progressbar")).to_have_count(0)
    await gates.end(DIGITS)
    await expect(ada.page.get_by_role("heading", name="No project with policy certified yet")).to_be_visible()


async def test_where_no_number_of_answers_would_do_the_page_says_so(gates: GateHost, look: Look) -> None:
    await gates.begin(DIGITS)
    await gates.live(DIGITS, cold(now_ms(), needed=None))
    ada = await look()
    await expect(ada.figure("Until certified")).to_contain_text("of answers would do as the model is now")


async def test_where_the_guard_lets_nothing_pass_the_page_says_so(gates: GateHost, look: Look) -> None:
    await gates.begin(DIGITS)
    await gates.live(DIGITS, replace(certified(now_ms()), threshold=float("inf"), guard_cap=0.0))
    ada = await look()
    await expect(ada.page.locator(".meaning")).to_contain_text("the guard lets nothing pass")
    await expect(ada.figure("Threshold")).to_contain_text("nothing passes")


async def test_away_the_last_that_is_known_stays_and_back_it_goes_on(gates: GateHost, look: Look) -> None:
    now = now_ms()
    await gates.begin(DIGITS)
    await gates.live(DIGITS, certified(now))
    ada = await look()
    await expect(ada.figure("Evidence")).to_contain_text("431")
    gates.down = True
    await expect(ada.notice).to_contain_text("Learning does not answer: not serving now: see /readyz")
    await expect(ada.notice).to_contain_text("people label everything")
    await expect(ada.figure("Evidence")).to_contain_text("431")
    gates.down = False
    await expect(ada.notice).to_be_hidden(timeout=20_000)


async def test_not_there_from_the_beginning_it_comes_by_itself(gates: GateHost, look: Look) -> None:
    gates.down = True
    ada = await look()
    await expect(ada.page.get_by_role("alert")).to_contain_text("It is asked again by itself")
    gates.down = False
    await expect(ada.page.get_by_role("heading", name="No project with policy certified yet")).to_be_visible(
        timeout=20_000
    )


async def test_gates_that_nobody_looks_at_are_said_to_be(gates: GateHost, look: Look) -> None:
    await gates.begin(DIGITS)
    await gates.live(DIGITS, certified(now_ms() - 600_000))
    ada = await look()
    await expect(ada.notice).to_contain_text("Nobody has looked at the gates for 10 min.")


async def test_what_learning_writes_is_text(gates: GateHost, look: Look) -> None:
    bad = "<img src=x onerror='window.hacked = 1'><script>window.hacked = 1</script>"
    point = closed(now_ms(), SUSPENDED, bad)
    await gates.begin(DIGITS)
    await gates.live(DIGITS, point, steps=[step(point)])
    ada = await look()
    await expect(ada.page.locator(".step-reason")).to_have_text(bad)
    await expect(ada.page.locator(".reason")).to_have_text(f"Reason: {bad}")
    assert await ada.page.evaluate("() => window.hacked") is None


@asynccontextmanager
async def asked(url: str, **headers: str) -> AsyncIterator[Any]:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    async with ClientSession() as session, session.get(url, headers=sent, allow_redirects=False) as response:
        yield response


async def test_the_front_door_leads_to_the_page(gates: GateHost) -> None:
    for path in ("/", "/gate/"):
        async with asked(f"http://127.0.0.1:{gates.port}{path}") as response:
            assert (response.status, response.headers["Location"]) == (302, "/gate")
    async with asked(gates.url) as response:
        assert response.headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY


async def test_neither_a_rebound_name_nor_the_page_of_another_site_is_told_anything(postgres_database: str) -> None:
    async with gate_host(postgres_database, hosts=AllowedHosts.of(["gates.example.org"])) as gates:
        await gates.tell_story(DIGITS, now_ms())
        questions = [
            "projects",
            "course?project=digits",
            "transitions?project=digits",
            "chain",
            "audits?project=digits",
        ]
        for question in [f"api/{each}" for each in (*questions, "gates?project=digits&number=1")]:
            async with asked(f"{gates.url}/{question}", Host="rebound.example") as refused:
                assert refused.status == 403
                assert KEY in (await refused.json())["error"]["message"]
            async with asked(f"{gates.url}/{question}", Origin="https://rebound.example") as refused:
                assert refused.status == 403
            async with asked(f"{gates.url}/{question}", Sec_Fetch_Site="cross-site") as refused:
                assert refused.status == 403
        async with asked(gates.url, Host="rebound.example") as refused:
            assert refused.status == 403
        async with asked(f"{gates.url}/api/projects", Host="gates.example.org") as answered:
            assert answered.status == 200
            [project] = (await answered.json())["projects"]
            assert (project["project"], project["point"]["state"]) == ("digits", CERTIFIED.value)
