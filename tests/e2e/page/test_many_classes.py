"""Seventy-seven or a hundred and fifty classes, and no key for any: a few letters and Enter."""

from __future__ import annotations

import time

from playwright.async_api import expect

from streamlabel.v1 import project_pb2
from support.page_samples import project, task, text
from support.page_visitor import Visit, Visitor, eventually
from support.paper_desk import PaperDesk

Kind = project_pb2.PayloadKind

AREAS = ("card", "transfer", "top_up", "exchange", "account", "travel", "cash", "loan", "pin", "fee")
CASES = ("arrival", "delay", "refund", "limit", "stolen", "expiry", "fraud", "change", "cancel", "support", "balance")
CLASSES = [f"{area}_{case}" for area in AREAS for case in (*CASES, "pending", "failed", "reverted", "charged")]


async def messages(
    visit: Visit, desk: PaperDesk, *, classes: list[str] | list[tuple[str, str]] = CLASSES, clock: bool = False
) -> Visitor:
    desk.projects["mail"] = project("mail", Kind.PAYLOAD_KIND_TEXT, classes)
    names = [entry if isinstance(entry, str) else entry[0] for entry in classes]
    await desk.put(
        *(
            task("mail", f"m{n}", text(f"Message {n}"), suggestion=(names[n * 7], 0.4) if n % 2 else None)
            for n in range(8)
        )
    )
    ada = await visit(project="mail", clock=clock)
    await ada.sees("m0")
    return ada


async def test_a_few_letters_and_enter(visit: Visit, desk: PaperDesk) -> None:
    ada = await messages(visit, desk)
    assert len(CLASSES) == 150
    await expect(ada.filter).to_be_focused()
    await expect(ada.options).to_have_count(150)
    await ada.page.keyboard.type("card arr")
    await expect(ada.options).to_have_text(["card_arrival"])
    await ada.press("Enter")
    await ada.sees("m1")
    await expect(ada.filter).to_be_focused()
    await expect(ada.filter).to_have_value("")
    await eventually(lambda: desk.answers() == {"mail/m0": "card_arrival"})


async def test_enter_alone_accepts_a_suggestion_and_without_one_does_nothing(visit: Visit, desk: PaperDesk) -> None:
    ada = await messages(visit, desk)
    await ada.press("Enter")
    await ada.sees("m0")
    await ada.page.keyboard.type("loan zebra")
    await ada.press("Enter")
    await ada.sees("m0")
    await expect(ada.page.get_by_text("None of the 150 classes fits.")).to_be_visible()
    await ada.press("Escape")
    await ada.page.keyboard.type("loan ref")
    await ada.press("Enter")
    await ada.sees("m1")
    await expect(ada.options.first).to_have_text("Suggested · 40 %card_change↵")
    await ada.press("Enter")
    await ada.sees("m2")
    await eventually(lambda: desk.answers() == {"mail/m0": "loan_refund", "mail/m1": "card_change"})


async def test_arrows_walk_through_what_is_left(visit: Visit, desk: PaperDesk) -> None:
    ada = await messages(visit, desk)
    await ada.page.keyboard.type("stolen")
    await expect(ada.options).to_have_count(10)
    await ada.press("ArrowDown", "ArrowDown", "ArrowUp", "ArrowDown")
    active = ada.page.locator("[aria-selected=true]")
    await expect(active).to_have_text("top_up_stolen")
    assert await ada.filter.get_attribute("aria-activedescendant") == await active.get_attribute("id")
    await ada.press("Enter")
    await eventually(lambda: desk.answers() == {"mail/m0": "top_up_stolen"})


async def test_the_empty_field_lets_undo_skip_and_help_through(visit: Visit, desk: PaperDesk) -> None:
    ada = await messages(visit, desk)
    await ada.page.keyboard.type("fee fraud")
    await ada.press("Enter")
    await ada.sees("m1")
    await ada.page.keyboard.type("x")
    await ada.press("Backspace")
    await ada.sees("m1")
    await ada.press("Backspace")
    await ada.sees("m0")
    await ada.press("ArrowRight")
    await ada.sees("m1")
    await ada.press("?")
    await expect(ada.page.get_by_role("dialog", name="Keys")).to_contain_text("Find a class by typing")
    await ada.press("Escape")
    await expect(ada.filter).to_be_focused()
    await eventually(lambda: desk.answers() == {})


# All in one breath, faster than any hand: letters and Enter, letters and Enter, and the Enter once more.
HURRY = """
(queries) => {
  const input = document.querySelector("[role=combobox]");
  const enter = () => input.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true, cancelable: true }));
  for (const query of queries) {
    input.value = query;
    input.dispatchEvent(new InputEvent("input", { bubbles: true }));
    enter();
  }
  enter();
}
"""


async def test_letters_and_enter_count_however_fast_but_a_doubled_enter_does_not(visit: Visit, desk: PaperDesk) -> None:
    ada = await messages(visit, desk)
    await ada.page.evaluate(HURRY, ["fee fraud", "loan ref", "card arr"])
    # The next one has a suggestion, which the doubled Enter would have accepted.
    await ada.sees("m3")
    await expect(ada.options.first).to_contain_text("Suggested")
    await eventually(lambda: len(desk.answers()) == 3)
    assert desk.answers() == {"mail/m0": "fee_fraud", "mail/m1": "loan_refund", "mail/m2": "card_arrival"}


async def test_how_many_fit_is_said_once_after_the_last_letter(visit: Visit, desk: PaperDesk) -> None:
    ada = await messages(visit, desk, clock=True)
    await ada.page.clock.pause_at(time.time() + 60)
    await ada.page.evaluate(
        """() => {
          window.said = [];
          const region = document.getElementById("announcer");
          new MutationObserver(() => window.said.push(region.textContent)).observe(region, { childList: true });
        }"""
    )
    await ada.page.keyboard.type("card arr")
    await expect(ada.options).to_have_text(["card_arrival"])
    assert await ada.page.evaluate("() => window.said") == []
    await ada.page.clock.run_for(1_000)
    assert await ada.page.evaluate("() => window.said") == ["1 of 150 classes."]
    await ada.page.keyboard.type("zz")
    await ada.page.clock.run_for(1_000)
    assert await ada.page.evaluate("() => window.said.at(-1)") == "None of the 150 classes fits."


async def test_what_stays_in_the_list_stays_where_it_is(visit: Visit, desk: PaperDesk) -> None:
    ada = await messages(visit, desk)
    await ada.page.keyboard.type("ca")
    await expect(ada.options).to_have_count(38)
    await ada.page.evaluate(
        """() => {
          window.came = [];
          const names = (nodes) => [...nodes].map((node) => node.textContent);
          new MutationObserver((changes) => window.came.push(...changes.flatMap((change) => names(change.addedNodes))))
            .observe(document.querySelector("[role=listbox]"), { childList: true });
        }"""
    )
    await ada.page.keyboard.type("rd")
    await expect(ada.options).to_have_count(15)
    assert await ada.page.evaluate("() => window.came") == []


async def test_a_click_on_a_class_answers(visit: Visit, desk: PaperDesk) -> None:
    ada = await messages(visit, desk)
    await ada.options.get_by_text("travel_limit", exact=True).click()
    await ada.sees("m1")
    await eventually(lambda: desk.answers() == {"mail/m0": "travel_limit"})


async def test_where_classes_have_keys_letters_are_keys_and_slash_finds_the_filter(
    visit: Visit, desk: PaperDesk
) -> None:
    keyed = [(name, chr(ord("a") + n) if n < 18 else "") for n, name in enumerate(CLASSES[:77])]
    ada = await messages(visit, desk, classes=keyed)
    await expect(ada.filter).not_to_be_focused()
    await ada.press("b")
    await ada.sees("m1")
    await ada.press("/")
    await expect(ada.filter).to_be_focused()
    await ada.page.keyboard.type("account lim")
    await ada.press("Enter")
    await ada.sees("m2")
    await eventually(lambda: desk.answers() == {"mail/m0": "card_delay", "mail/m1": "account_limit"})


async def test_ten_thousand_classes_do_not_drown_the_page(visit: Visit, desk: PaperDesk) -> None:
    ada = await messages(visit, desk, classes=[f"species {n:05d}" for n in range(10_000)])
    await expect(ada.options).to_have_count(300)
    await expect(ada.page.get_by_text("9,700 more: type to narrow them down.")).to_be_visible()
    await ada.page.keyboard.type("07777")
    await expect(ada.options).to_have_text(["species 07777"])
    await ada.press("Enter")
    await eventually(lambda: desk.answers() == {"mail/m0": "species 07777"})
