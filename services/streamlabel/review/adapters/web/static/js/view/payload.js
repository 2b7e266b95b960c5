// What is to be labelled, of whatever kind, as elements. Made when the task is leased, so that showing it is a swap.

import { h, number } from "./dom.js";
import { layOut } from "./json_text.js";
import { picture, refusal } from "./picture.js";
import { line, words } from "./words.js";

const LONGEST_TEXT = 20_000;
const MOST_FEATURES = 200;
const SPOKEN_CHARACTERS = 300;
const THUMB_CHARACTERS = 60;

// { node, ready (promise), isReady, spoken (for a screen reader), thumb() (a small element) } of a task's payload.
export function prepare(task) {
  const payload = task.record?.payload ?? {};
  if (payload.image) return picture(payload.image);
  if (typeof payload.text === "string") return text(payload.text);
  if (payload.features) return features(payload.features.values ?? []);
  if (typeof payload.json === "string") return json(payload.json);
  if (typeof payload.uri === "string") return link(payload.uri);
  return refusal("This task has no content that this page knows: reload the page, it may be older than the service.");
}

function text(value) {
  const size = value.length <= 140 ? "short" : value.length <= 600 ? "medium" : "long";
  const body = h("div", { class: `text text-${size}`, dir: "auto" });
  fill(body, value);
  const isBlank = value.trim() === "";
  const note = isBlank ? h("p", { class: "payload-note" }, `Only white space, ${number(countCharacters(value))} characters.`) : null;
  return still(h("div", { class: "text-frame" }, body, note), isBlank ? "Only white space" : line(value, SPOKEN_CHARACTERS), value);
}

function json(value) {
  const laidOut = layOut(value);
  const body = h("pre", { class: "code", tabIndex: 0, "aria-label": "JSON document" });
  fill(body, laidOut ?? value);
  const note = laidOut === null ? h("p", { class: "payload-note" }, "This is no valid JSON; shown as it came.") : null;
  return still(h("div", { class: "text-frame" }, body, note), `JSON: ${line(value, SPOKEN_CHARACTERS)}`, value);
}

// The text, or its beginning and a button for the rest: a megabyte in one piece would stall the page.
function fill(body, value) {
  if (value.length <= LONGEST_TEXT) {
    body.append(words(value));
    return;
  }
  const isPair = /[\ud800-\udbff]/.test(value[LONGEST_TEXT - 1]);
  const rest = h("button", {
    class: "button rest",
    type: "button",
    onclick: () => body.replaceChildren(words(value)),
  }, `Show all ${number(countCharacters(value))} characters`);
  body.append(words(value.slice(0, LONGEST_TEXT - (isPair ? 1 : 0))), "… ", rest);
}

// As people and Python count: a pair of surrogates is one.
function countCharacters(value) {
  return value.length - (value.match(/[\ud800-\udbff][\udc00-\udfff]/g)?.length ?? 0);
}

function features(values) {
  const largest = Math.max(...values.slice(0, MOST_FEATURES).map((value) => Math.abs(Number(value))), 1e-300);
  const row = (value, place) => {
    const bar = h("span", { class: Number(value) < 0 ? "bar bar-negative" : "bar" });
    bar.style.width = `${(Math.abs(Number(value)) / largest) * 100}%`;
    return h("tr", {}, h("th", { scope: "row" }, String(place)), h("td", {}, figure(value)), h("td", { "aria-hidden": "true" }, bar));
  };
  const body = h("tbody", {}, values.slice(0, MOST_FEATURES).map(row));
  const table = h("table", { class: "features" },
    h("caption", {}, `${number(values.length)} features`),
    h("thead", { class: "unseen" }, h("tr", {}, h("th", { scope: "col" }, "Position"), h("th", { scope: "col" }, "Value"))),
    body);
  const frame = h("div", { class: "text-frame features-frame", tabIndex: 0, role: "region", "aria-label": "Features" }, table);
  if (values.length > MOST_FEATURES) {
    const rest = h("button", { class: "button rest", type: "button" }, `Show all ${number(values.length)} features`);
    rest.addEventListener("click", () => {
      body.append(...values.slice(MOST_FEATURES).map((value, place) => row(value, place + MOST_FEATURES)));
      rest.remove();
    });
    frame.append(rest);
  }
  const spoken = `${values.length} features, beginning ${values.slice(0, 8).map(figure).join(", ")}`;
  return still(frame, spoken, values.slice(0, 4).map(figure).join("  "));
}

function figure(value) {
  return String(Number(Number(value).toPrecision(5)));
}

function link(uri) {
  const scheme = uri.slice(0, uri.indexOf(":")).toLowerCase();
  const isSafe = scheme === "https" || scheme === "http";
  const shown = isSafe
    ? h("a", { class: "link", href: uri, target: "_blank", rel: "noopener noreferrer nofollow", dir: "ltr" }, words(uri))
    : h("code", { class: "link", dir: "ltr" }, words(uri));
  const note = isSafe
    ? "The content lies elsewhere; this link opens it in a tab of its own. It was not checked by anybody."
    : `An address of the kind “${line(scheme, 20)}” is not opened from here.`;
  return still(h("div", { class: "text-frame link-frame" }, shown, h("p", { class: "payload-note" }, note)), `Link: ${line(uri)}`, uri);
}

function still(node, spoken, source) {
  const thumb = () => h("span", { class: "thumb thumb-text", dir: "auto" }, line(source, THUMB_CHARACTERS));
  return { node, spoken, isReady: true, ready: Promise.resolve(), thumb };
}
