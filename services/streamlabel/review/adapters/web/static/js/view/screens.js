// Whole screens for the moments without a task.

import { MAX_NAME } from "../limits.js";
import { h, key, number } from "./dom.js";
import { age } from "./header.js";
import { line, words } from "./words.js";

// Asks for the name; calls `done(name)`.
export function welcome(current, done) {
  const input = h("input", {
    class: "field",
    id: "name",
    type: "text",
    value: current,
    required: true,
    maxLength: MAX_NAME,
    autocomplete: "nickname",
    spellcheck: false,
    "aria-describedby": "name-note",
  });
  const form = h("form", {
    class: "screen",
    onsubmit: (event) => {
      event.preventDefault();
      if (input.value.trim()) done(input.value.trim());
    },
  },
  h("h2", { class: "screen-title" }, "Who is labelling?"),
  h("p", { class: "screen-lead" }, "Your name goes with every answer."),
  h("label", { class: "field-label", htmlFor: "name" }, "Your name"),
  h("div", { class: "field-row" }, input, h("button", { class: "button button-strong", type: "submit" }, "Start")),
  h("p", { class: "screen-note", id: "name-note" },
    "This browser remembers it. ",
    h("b", {}, "This desk is open: whoever reaches this page can answer under any name."),
    " Whoever runs it has it ask for tokens with ", h("code", {}, "STREAMLABEL_REVIEW_ACCESS=tokens"), "."));
  return { node: form, focus: () => input.select() };
}

// Asks for the token; `done(token)` resolves, or rejects with the error that is then shown.
export function login(done) {
  const input = h("input", {
    class: "field",
    id: "token",
    type: "password",
    required: true,
    autocomplete: "current-password",
    spellcheck: false,
    "aria-describedby": "token-note",
  });
  const problem = h("p", { class: "screen-note", role: "alert" });
  const button = h("button", { class: "button button-strong", type: "submit" }, "Sign in");
  const send = async (event) => {
    event.preventDefault();
    const token = input.value.trim();
    if (!token || button.disabled) return;
    button.disabled = true;
    problem.textContent = "";
    try {
      await done(token);
    } catch (error) {
      problem.textContent = line(error.message, 300);
      input.select();
    }
    button.disabled = false;
  };
  const form = h("form", { class: "screen", onsubmit: send },
    h("h2", { class: "screen-title" }, "Who is labelling?"),
    h("p", { class: "screen-lead" }, "Sign in with the token that you were given. Your name goes with every answer."),
    h("label", { class: "field-label", htmlFor: "token" }, "Your token"),
    h("div", { class: "field-row" }, input, button),
    problem,
    h("p", { class: "screen-note", id: "token-note" },
      "You stay signed in until you sign out. No token, or a lost one? Whoever runs this makes one with ",
      h("code", {}, "streamlabel annotators token NAME"), "."));
  return { node: form, focus: () => input.focus() };
}

// Who is signed in; `signOut()` resolves or rejects with the error that is then shown.
export function account(name, unsent, signOut, goBack) {
  const problem = h("p", { class: "screen-note", role: "alert" });
  const leave = () => signOut().catch((error) => { problem.textContent = line(error.message, 300); });
  const back = h("button", { class: "button", type: "button", onclick: goBack }, "Go on labelling");
  const node = h("section", { class: "screen" },
    h("h2", { class: "screen-title" }, "You are ", h("bdi", {}, line(name, 128))),
    unsent > 0
      ? h("p", { class: "screen-lead" }, `${number(unsent)} of your answers have not been sent: they stay in this browser until you sign in again.`)
      : h("p", { class: "screen-lead" }, "All your answers are sent."),
    h("div", { class: "field-row" }, back, h("button", { class: "button button-strong", type: "button", onclick: leave }, "Sign out")),
    problem);
  return { node, focus: () => back.focus() };
}

// The projects to choose from; calls `choose(name)`.
export function projectList(projects, queues, choose) {
  const cards = projects.map((project) => projectCard(project, queues.get(project.name), choose));
  const node = h("section", { class: "screen screen-wide", "aria-labelledby": "projects-title" },
    h("h2", { class: "screen-title", id: "projects-title" }, "Projects"),
    cards.length > 0
      ? h("ul", { class: "cards" }, ...cards)
      : h("div", {},
        h("p", { class: "screen-lead" }, "There is no project yet."),
        h("p", { class: "screen-note" }, "Whoever runs this adds one with ", h("code", {}, "streamlabel project apply FILE"),
          ". It appears here by itself.")));
  return { node, focus: () => node.querySelector("button")?.focus() };
}

function projectCard(project, stats, choose) {
  const count = project.taxonomy?.classes?.length ?? 0;
  const waiting = stats
    ? h("span", { class: "card-waiting" }, h("b", {}, number(stats.open)), " waiting", stats.oldestAt ? `, oldest ${age(stats.oldestAt)}` : "")
    : null;
  return h("li", {}, h("button", { class: "card", type: "button", onclick: () => choose(project.name) },
    h("span", { class: "card-name" }, project.name),
    project.description ? h("span", { class: "card-text", dir: "auto" }, words(project.description)) : null,
    h("span", { class: "card-facts" }, waiting, h("span", {}, `${number(count)} classes`))));
}

export function loading() {
  return { node: h("div", { class: "screen screen-loading", role: "img", "aria-label": "Loading" }, h("span", { class: "pulse" })) };
}

export function empty(today) {
  const lead = h("p", { class: "screen-lead" });
  const tellElsewhere = (count) => {
    const text = elsewhere(count);
    if (lead.textContent !== text) lead.textContent = text;
  };
  tellElsewhere(null);
  const node = h("section", { class: "screen screen-empty" },
    h("span", { class: "breath", "aria-hidden": "true" }),
    h("h2", { class: "screen-title" }, "All caught up"),
    lead,
    today > 0 ? h("p", { class: "screen-note" }, `You have answered ${number(today)} today.`) : null);
  return { node, spoken: "All caught up. New tasks appear by themselves.", tellElsewhere };
}

function elsewhere(count) {
  if (!count) return "Nothing waits. New tasks appear here by themselves.";
  // The count says nothing of whose they are: they may be this person's, in another tab or in one that has just ended.
  return count === 1
    ? "One more is on another desk: somebody else’s, or yours in another tab. Left unanswered it appears here, as new tasks do."
    : `${number(count)} more are on other desks: other people’s, or yours in another tab. What is left unanswered there appears here, as new tasks do.`;
}

export function away(comeBack) {
  const button = h("button", { class: "button button-strong", type: "button", onclick: comeBack }, "Go on");
  const node = h("section", { class: "screen screen-empty" },
    h("h2", { class: "screen-title" }, "Taking a break?"),
    h("p", { class: "screen-lead" }, "Your tasks went back to the others meanwhile. All your answers are kept."),
    button,
    h("p", { class: "screen-note" }, "or press ", key("Enter")));
  return { node, focus: () => button.focus(), spoken: "Paused. Press Enter to go on." };
}

export function trouble(error, tryNow) {
  const node = h("section", { class: "screen screen-empty", role: "alert" },
    h("h2", { class: "screen-title" }, titleOf(error)),
    h("p", { class: "screen-lead" }, adviceOn(error)),
    h("button", { class: "button button-strong", type: "button", onclick: tryNow }, "Try now"),
    h("p", { class: "screen-note screen-detail" }, line(error.message, 300)));
  return { node, spoken: titleOf(error) };
}

// The same in one sentence, for the line above the task.
export function shortly(error) {
  if (error.offline) return "No connection to the service.";
  if (error.code === "unauthenticated") return "You are signed out.";
  return error.code === "permission_denied" ? "The service refuses this page." : "The service is not ready.";
}

function titleOf(error) {
  if (error.code === "not_found") return "This project is gone";
  if (error.code === "unimplemented") return "Page and service differ";
  if (["invalid_argument", "failed_precondition", "permission_denied", "unauthenticated"].includes(error.code)) return "The service refused";
  return error.offline ? "The service cannot be reached" : "The service is not ready";
}

function adviceOn(error) {
  if (error.code === "not_found") return "Choose another project above. Should this one come back, it continues by itself.";
  if (error.code === "unimplemented") return "Reload the page: the service has probably been upgraded.";
  if (error.code === "unauthenticated") return "Sign in again: reload the page. Your answers are kept.";
  if (error.code === "permission_denied") return "Tell whoever runs it what stands below. Your answers are kept, and it is tried again by itself.";
  if (error.code === "invalid_argument") return "Check your name at the top right, or reload the page.";
  return "It is tried again by itself. If this lasts, ask whoever runs it to look at “streamlabel status”, or at /readyz here.";
}
