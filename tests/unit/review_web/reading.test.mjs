// What foreign bytes and texts become before they are shown.

import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "./pages.mjs";

const { layOut } = await load("view/json_text.js");
const { pictureHeader } = await load("view/picture_header.js");
const { ClassSearch, folded } = await load("view/class_search.js");
const { meaning, legend } = await load("keys.js");

test("JSON is laid out without changing a single value", () => {
  const source = '{"id":12345678901234567890,"x":1e400,"k":"a","k":"b","s":"{\\"not\\": [1,2]}","e":[],"o":{},"l":[1,[2]]}';
  const shown = layOut(source);
  assert.equal(shown.replaceAll(/\n\s*/g, "").replaceAll('": ', '":'), source.replaceAll('": ', '":'));
  assert.match(shown, /^ {2}"id": 12345678901234567890,$/m);
  assert.match(shown, /^ {2}"x": 1e400,$/m);
  assert.match(shown, /^ {2}"e": \[\],$/m);
  assert.match(shown, /^ {4}\[\n {6}2\n {4}\]$/m);
});

test("what is no JSON is told apart, and scalars are JSON", () => {
  assert.equal(layOut("{"), null);
  assert.equal(layOut(""), null);
  assert.equal(layOut("{'a': 1}"), null);
  assert.equal(layOut(" 42 "), "42");
  assert.equal(layOut('"a b"'), '"a b"');
});

test("a very deep document is laid out in bounded width", () => {
  const deep = layOut("[".repeat(5_000) + "]".repeat(5_000));
  assert.ok(Math.max(...deep.split("\n").map((line) => line.length)) < 200);
});

const png = (width, height) => {
  const bytes = new Uint8Array(24);
  bytes.set([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  new DataView(bytes.buffer).setUint32(16, width);
  new DataView(bytes.buffer).setUint32(20, height);
  return bytes;
};

test("pictures are known by their bytes, and their size before decoding", () => {
  assert.deepEqual(pictureHeader(png(28, 30)), { mediaType: "image/png", width: 28, height: 30 });
  const jpeg = new Uint8Array([0xff, 0xd8, 0xff, 0xe0, 0, 4, 9, 9, 0xff, 0xff, 0xc2, 0, 11, 8, 0x03, 0x55, 0x05, 0x00, 1, 1, 0x11, 0]);
  assert.deepEqual(pictureHeader(jpeg), { mediaType: "image/jpeg", width: 1280, height: 853 });
});

test("anything else is no picture, whatever it calls itself", () => {
  const text = (value) => new TextEncoder().encode(value);
  for (const bytes of [text("<svg onload=alert(1)>"), text("GIF89a"), text(""), text("\u0089PNG"), png(1, 1).slice(1)]) {
    assert.equal(pictureHeader(bytes), null);
  }
  assert.deepEqual(pictureHeader(png(9, 9).slice(0, 12)), { mediaType: "image/png", width: 0, height: 0 });
  assert.deepEqual(pictureHeader(new Uint8Array([0xff, 0xd8, 0xff])), { mediaType: "image/jpeg", width: 0, height: 0 });
});

const names = (classes) => classes.map(({ name }) => name);
const search = new ClassSearch(
  ["card_arrival", "card_about_to_expire", "lost_or_stolen_card", "Überweisung", "top-up failed", "atm"].map((name) => ({ name })),
);

test("a word does not find again what another word of the query has found", () => {
  assert.deepEqual(names(search.find("card ar")), ["card_arrival"]);
  assert.deepEqual(names(search.find("ar card")), ["card_arrival"]);
  // Where nothing else fits, better that than nothing.
  assert.deepEqual(names(search.find("stolen ol")), ["lost_or_stolen_card"]);
  const banks = new ClassSearch(["bank to bank", "bank"].map((name) => ({ name })));
  assert.deepEqual(names(banks.find("bank bank")), ["bank to bank"]);
});

test("a few letters find a class", () => {
  assert.deepEqual(names(search.find("card arr")), ["card_arrival"]);
  assert.deepEqual(names(search.find("card"))[2], "lost_or_stolen_card");
  assert.deepEqual(names(search.find("uber")), ["Überweisung"]);
  assert.deepEqual(names(search.find("TOP_UP")), ["top-up failed"]);
  assert.deepEqual(names(search.find("lstn")), ["lost_or_stolen_card"]);
  assert.deepEqual(names(search.find("zebra")), []);
  assert.equal(search.find("  ").length, 6);
});

test("of equal matches the one used last comes first", () => {
  assert.equal(names(search.find("card a"))[0], "card_arrival");
  assert.equal(names(search.find("card a", ["card_about_to_expire"]))[0], "card_about_to_expire");
});

test("accents, case and separators do not matter", () => {
  assert.equal(folded("  Crème__Brûlée/Nº "), "creme brulee no");
});

const press = (key, more = {}) => ({ key, getModifierState: () => false, ...more });
const classes = [{ name: "spam", key: "s" }, { name: "ham", key: "h" }, { name: "other" }];

test("a class's key wins over ours, and ours has another", () => {
  assert.deepEqual(meaning(press("s"), classes, { singleKeys: true }), { action: "answer", className: "spam" });
  assert.deepEqual(meaning(press("ArrowRight"), classes, { singleKeys: true }), { action: "skip" });
  assert.deepEqual(legend(classes, false).find(({ label }) => label.startsWith("Skip")).shown, ["→"]);
  assert.deepEqual(meaning(press("F2"), [{ name: "rot", key: "r" }], { singleKeys: false }), { action: "reason" });
  assert.deepEqual(meaning(press("e"), classes, { singleKeys: true }), { action: "escalate" });
  assert.deepEqual(meaning(press("F4"), classes, { singleKeys: false }), { action: "escalate" });
});

test("caps lock does not change what a key means, unless both cases are classes", () => {
  assert.equal(meaning(press("H"), classes, { singleKeys: true }).className, "ham");
  const both = [{ name: "little", key: "a" }, { name: "big", key: "A" }];
  assert.equal(meaning(press("A"), both, { singleKeys: true }).className, "big");
  assert.equal(meaning(press("a"), both, { singleKeys: true }).className, "little");
});

test("without single keys only keys that are no characters work", () => {
  assert.equal(meaning(press("s"), classes, { singleKeys: false }), null);
  assert.equal(meaning(press("u"), classes, { singleKeys: false }), null);
  assert.deepEqual(meaning(press("Backspace"), classes, { singleKeys: false }), { action: "undo" });
});

test("the browser's own shortcuts stay the browser's", () => {
  assert.equal(meaning(press("s", { ctrlKey: true }), classes, { singleKeys: true }), null);
  assert.equal(meaning(press("h", { altKey: true }), classes, { singleKeys: true }), null);
  assert.equal(meaning(press("h", { isComposing: true }), classes, { singleKeys: true }), null);
  assert.deepEqual(meaning(press("z", { metaKey: true }), classes, { singleKeys: true }), { action: "undo" });
});
