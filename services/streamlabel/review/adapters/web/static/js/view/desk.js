// The desk: what is to be labelled, the classes, undo and skip. Draws what the session says; turns keys into its verbs.

import { State } from "../desk/session.js";
import { belongsToElement, meaning } from "../keys.js";
import { memory } from "../memory.js";
import { classesOf } from "../projects.js";
import { AnswerGrid } from "./answer_grid.js";
import { announce } from "./announcer.js";
import { ClassList } from "./class_list.js";
import { h, icon, key, number, percent } from "./dom.js";
import { openHelp } from "./help.js";
import { afterPaint, measure } from "./paint.js";
import { openReasons, openSetAside } from "./pass_on.js";
import * as screens from "./screens.js";
import { fillFacts } from "./facts.js";
import { Trail } from "./trail.js";
import { line, name, words } from "./words.js";

const MOST_BUTTONS = 16;
const isTouch = matchMedia("(pointer: coarse)");

export class DeskView {
  #session;
  #project;
  #classes;
  #answers;
  #isList;
  #shown = null;
  #screen = null;
  // The screen of an empty queue, while it is shown.
  #empty = null;
  #lastKeyAt = 0;
  #spoken = "";
  #life = new AbortController();

  constructor(session, project, notices) {
    this.#session = session;
    this.#project = project;
    this.#classes = classesOf(project);
    this.#isList = this.#classes.length > MOST_BUTTONS;
    const choose = (className, event, isMeant) => this.#choose(className, event, isMeant);
    this.#answers = this.#isList ? new ClassList(this.#classes, choose) : new AnswerGrid(this.#classes, choose);
    this.trail = new Trail();
    this.#build();
    const { signal } = this.#life;
    session.addEventListener("change", () => this.#draw(), { signal });
    session.addEventListener("progress", () => this.#drawConnection(), { signal });
    session.addEventListener("notice", ({ detail }) => this.#onNotice(detail, notices), { signal });
    document.addEventListener("keydown", (event) => this.#onKey(event), { signal });
    this.notices = notices;
    this.#draw();
  }

  stop() {
    this.#life.abort();
    this.node.remove();
  }

  // How many tasks others have on their desks; null: not known.
  tellElsewhere(count) {
    this.#empty?.tellElsewhere(count);
  }

  openHelp() {
    openHelp(this.#classes, this.#isList);
  }

  #build() {
    this.slot = h("div", { class: "slot" });
    this.facts = h("details", { class: "facts", open: memory.showsFacts, ontoggle: () => { memory.showsFacts = this.facts.open; } });
    this.stage = h("section", { class: "stage", tabIndex: -1, "aria-label": "To be labelled" }, this.slot, this.facts);
    this.hint = h("p", { class: "hint" });
    this.undoButton = h("button", { class: "button tool", type: "button", onclick: (event) => this.#undo(event), "aria-keyshortcuts": "Backspace Control+Z" },
      icon("undo"), h("span", {}, "Undo"));
    this.skipButton = h("button", { class: "button tool", type: "button", onclick: (event) => this.#skip(event), "aria-keyshortcuts": "ArrowRight" },
      h("span", {}, "Skip"), icon("skip"));
    this.reasonButton = h("button", { class: "button tool tool-more", type: "button", "aria-label": "Reasons not to answer", "aria-haspopup": "dialog",
      "aria-keyshortcuts": "F2", onclick: () => this.#askReason() }, icon("chevron"));
    this.toolbar = h("div", { class: "toolbar", role: "group", "aria-label": "Last answers" },
      this.undoButton, this.trail.node, h("div", { class: "tools" }, this.skipButton, this.reasonButton));
    this.connection = h("div", { class: "connection", hidden: true, role: "status" });
    const instructions = this.#project.instructions
      ? h("p", { class: "instructions", dir: "auto" }, words(this.#project.instructions))
      : null;
    this.work = h("div", { class: "work" }, instructions, this.stage, this.hint, this.#answers.node, this.toolbar);
    this.other = h("div", { class: "other" });
    this.node = h("div", { class: this.#isList ? "desk desk-list" : "desk" }, this.connection, this.work, this.other);
  }

  #draw() {
    const { state, current } = this.#session;
    this.#drawConnection();
    this.undoButton.disabled = !this.#session.last || state === State.AWAY;
    this.trail.show(this.#session.history);
    if (state === State.TASK) this.#drawTask(current);
    else this.#drawScreen(state);
  }

  #drawTask(item) {
    this.#screen = this.#empty = null;
    this.work.hidden = false;
    this.other.hidden = true;
    this.other.replaceChildren();
    if (item === this.#shown && item.shownAt) return;
    this.#shown = item;
    this.slot.replaceChildren(item.media.isReady ? item.media.node : screens.loading().node);
    this.slot.scrollTop = 0;
    fillFacts(this.facts, item.task.record);
    this.#answers.suggest(item.task.suggestion ?? null);
    this.#drawHint(item);
    this.#focusForTask();
    if (item.media.isReady) this.#isShown(item);
    else item.media.ready.then(() => this.#shown === item && this.#reveal(item));
  }

  #reveal(item) {
    this.slot.replaceChildren(item.media.node);
    this.#isShown(item);
  }

  #isShown(item) {
    this.#session.shown(item);
    this.#speak(item);
    const since = this.#lastKeyAt;
    this.#lastKeyAt = 0;
    afterPaint(() => since && measure("next-picture", since));
  }

  #drawHint({ task, takenBack }) {
    const { suggestion } = task;
    this.hint.replaceChildren();
    if (takenBack) this.hint.append(h("span", { class: "hint-taken-back" }, "Taken back. Until you answer again, “", name(takenBack), "” may still count."));
    if (suggestion && !this.#isList) {
      this.hint.append("The model suggests ", h("strong", {}, name(suggestion.className)), `, ${percent(suggestion.probability ?? 0)}. `);
      if (!isTouch.matches) this.hint.append(h("span", { class: "hint-key", "aria-hidden": "true" }, key("Enter"), " accepts"));
    } else if (!suggestion && task.blind && !takenBack) {
      this.hint.append("Asked blind: what the model thinks is not shown.");
    }
  }

  #drawScreen(state) {
    const { trouble } = this.#session;
    const signature = `${state}/${trouble?.code}/${trouble?.message}`;
    if (this.#screen === signature) return;
    this.#screen = signature;
    this.#shown = this.#empty = null;
    // Undo stays within reach: the last answer of a queue may be the wrong one.
    this.work.hidden = true;
    this.other.hidden = false;
    const drawn = {
      [State.LOADING]: () => screens.loading(),
      [State.EMPTY]: () => (this.#empty = screens.empty(this.#session.pace.today)),
      [State.AWAY]: () => screens.away(() => this.#session.comeBack()),
      [State.TROUBLE]: () => screens.trouble(trouble, () => this.#session.tryNow()),
    }[state]();
    const undo = state === State.EMPTY && this.#session.last
      ? h("button", { class: "button tool", type: "button", onclick: (event) => this.#undo(event) }, icon("undo"), h("span", {}, "Undo the last answer"))
      : null;
    this.other.replaceChildren(drawn.node, ...(undo ? [undo] : []));
    drawn.focus?.();
    if (drawn.spoken) announce(this.#withLast(drawn.spoken));
  }

  #drawConnection() {
    const { outbox, trouble, state } = this.#session;
    const reason = outbox.trouble?.error ?? (state === State.TASK ? trouble : null);
    this.connection.hidden = !reason;
    if (!reason) {
      this.connection.replaceChildren();
      return;
    }
    const unsent = outbox.unsentAnswers;
    const message = h("span", {}, screens.shortly(reason));
    if (unsent > 0) {
      message.append(unsent === 1 ? " 1 answer is kept here" : ` ${number(unsent)} answers are kept here`,
        h("span", { class: "connection-more" }, unsent === 1 ? " and leaves by itself" : " and leave by themselves"), ".");
    }
    if (this.connection.firstChild?.textContent === message.textContent) return;
    this.connection.replaceChildren(
      message,
      h("button", { class: "button", type: "button", onclick: () => this.#session.tryNow() }, "Try now"));
  }

  #onNotice(notice, notices) {
    if (notice.past) this.trail.fail(notice.past);
    notices.show(notice);
    this.undoButton.disabled = !this.#session.last;
  }

  #onKey(event) {
    if (document.querySelector("dialog[open]")) return;
    let singleKeys = memory.singleKeys;
    if (this.#isList && event.target === this.#answers.input) {
      if (!this.#answers.isEmpty) return;
      // In the empty field letters are the filter's; what is no letter still works.
      if (event.key === "?" && singleKeys) return this.#act({ action: "help" }, event);
      singleKeys = false;
    } else if (belongsToElement(event)) {
      return;
    }
    const meant = meaning(event, this.#classes, { singleKeys });
    if (meant) this.#act(meant, event);
  }

  #act({ action, className }, event) {
    const acts = {
      answer: () => this.#choose(className, event),
      accept: () => this.#accept(event),
      undo: () => this.#undo(event),
      skip: () => this.#skip(event),
      reason: () => this.#askReason(),
      escalate: () => this.#isOnTable() && openSetAside(({ note }) => this.#setAside(note)),
      filter: () => this.#isList && this.#answers.focus(),
      help: () => this.openHelp(),
    };
    if (action === "type") {
      // A letter that means nothing begins to filter: the field gets it, as it has the focus before the letter is typed.
      if (this.#isList && this.#session.state === State.TASK) this.#answers.focus();
      return;
    }
    event.preventDefault();
    if (!event.repeat) acts[action]();
  }

  #accept(event) {
    if (this.#session.state === State.AWAY) this.#session.comeBack();
    else if (this.#session.state === State.TROUBLE) this.#session.tryNow();
    else {
      const suggestion = this.#session.current?.task.suggestion;
      if (suggestion) this.#choose(suggestion.className, event);
    }
  }

  #choose(className, event, isMeant = false) {
    this.#lastKeyAt = event?.timeStamp ?? 0;
    this.#spoken = `${line(className, 60)}. `;
    if (this.#session.answer(className, { isMeant })) this.#answers.flash(className);
    else this.#lastKeyAt = 0;
    this.#leaveButton(event);
  }

  #undo(event) {
    const { last } = this.#session;
    this.#spoken = last ? `Taken back: ${line(last.className, 60)}. ` : "";
    if (!this.#session.undo()) this.notices.show({ kind: "nothing-to-undo" });
    this.#draw();
    this.#leaveButton(event);
  }

  #skip(event) {
    this.#lastKeyAt = event?.timeStamp ?? 0;
    this.#spoken = "Skipped. ";
    if (!this.#session.skip()) this.#lastKeyAt = 0;
    this.#leaveButton(event);
  }

  #isOnTable() {
    return this.#session.state === State.TASK && Boolean(this.#session.current.shownAt);
  }

  #askReason() {
    if (!this.#isOnTable()) return;
    openReasons(({ reason, note }) => {
      if (!reason) return this.#setAside(note);
      this.#spoken = "Skipped. ";
      this.#session.skip(reason, note);
    });
  }

  #setAside(note) {
    this.#spoken = "Set aside. ";
    if (this.#session.escalate(note)) this.notices.show({ kind: "escalated" });
  }

  // After a click the button must not keep the focus: Enter would press it again instead of accepting the suggestion.
  // (A press by keyboard has no click count; there the focus stays, as everywhere.)
  #leaveButton(event) {
    if (event?.type === "click" && event.detail > 0) this.#focusForTask(true);
  }

  #focusForTask(force = false) {
    const wasElsewhere = document.activeElement && document.activeElement !== document.body && document.activeElement.isConnected;
    if (wasElsewhere && !force && !this.other.contains(document.activeElement)) return;
    if (this.#isList && !isTouch.matches && this.#classes.every((definition) => !definition.key)) this.#answers.focus();
    else this.stage.focus({ preventScroll: true });
  }

  #speak({ media, task, takenBack }) {
    const { suggestion } = task;
    const suggested = suggestion ? ` Suggested: ${line(suggestion.className, 60)}, ${percent(suggestion.probability ?? 0)}.` : "";
    const standing = takenBack ? "Until you answer again, it may still count. " : "";
    announce(this.#withLast(`${standing}${media.spoken}.${suggested}`));
  }

  #withLast(message) {
    const said = `${this.#spoken}${message}`;
    this.#spoken = "";
    return said;
  }
}
