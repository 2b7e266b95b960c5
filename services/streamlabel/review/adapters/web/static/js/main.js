// From nothing to the desk: person → project → desk. The project's name stands in the address, so it can be kept and sent.

import { call } from "./api.js";
import { Outbox } from "./desk/outbox.js";
import { Session, State } from "./desk/session.js";
import { memory } from "./memory.js";
import { signIn, signOut, whoAmI } from "./person.js";
import { Projects } from "./projects.js";
import { QueueWatch } from "./queue.js";
import { Backoff, pause } from "./backoff.js";
import { DeskView } from "./view/desk.js";
import { Header } from "./view/header.js";
import { openHelp } from "./view/help.js";
import { Notices } from "./view/notices.js";
import { prepare } from "./view/payload.js";
import * as screens from "./view/screens.js";

const PROJECTS_PERIOD_MS = 5_000;

class App {
  #main = document.getElementById("main");
  #outbox = new Outbox((...what) => this.#call(...what));
  #projects = new Projects((...what) => this.#call(...what));
  #queue = new QueueWatch((...what) => this.#call(...what));
  #notices = new Notices();
  #session = null;
  #desk = null;
  #project = null;
  // The newest version that a task named: asked for once, should the service itself not know it yet.
  #renewedFor = 0;
  // Since when this person has nothing in hand and nothing on its way: what is leased later is leased to others. Null: not so.
  #freeSince = null;
  // Grows with each change of screen: what was begun for an earlier one stops.
  #turn = 0;
  // Whether anybody may answer under any name; else the service knows people by their tokens.
  #isOpen = true;
  #hasBegun = false;
  #asksToken = false;

  constructor() {
    this.header = new Header({
      projects: () => { location.hash = ""; },
      person: () => (this.#isOpen ? this.#askName() : this.#showAccount()),
      help: () => (this.#desk ? this.#desk.openHelp() : openHelp([], false)),
    });
    this.#queue.addEventListener("change", () => this.#drawProgress());
    addEventListener("hashchange", () => this.#enter());
    addEventListener("pagehide", () => this.#session?.stop({ leaving: true }));
    // Out of the browser's back/forward cache: the leases were given back, so begin anew.
    addEventListener("pageshow", (event) => event.persisted && location.reload());
    addEventListener("storage", () => this.#drawProgress());
  }

  async start() {
    const turn = this.#turn;
    this.#show(screens.loading());
    const person = await this.#insistently(turn, whoAmI);
    if (turn !== this.#turn) return;
    this.#isOpen = person.isOpen;
    if (!person.isOpen && !person.name) return this.#askToken();
    if (!person.isOpen) memory.annotator = person.name;
    this.#begin();
  }

  #begin() {
    this.#hasBegun = true;
    this.#queue.start();
    // What somebody else has left here unsent waits until they sign in again: under this token it would be refused.
    this.#outbox.adopt(memory.unsent().filter(({ annotator }) => this.#isOpen || annotator === memory.annotator));
    if (memory.annotator) this.#enter();
    else this.#askName();
  }

  async #call(...what) {
    try {
      return await call(...what);
    } catch (error) {
      // The token was revoked, or the cookie is gone. Answers wait in the outbox.
      if (error.code === "unauthenticated" && !this.#isOpen && !this.#asksToken) this.#askToken();
      throw error;
    }
  }

  #askToken() {
    this.#asksToken = true;
    this.#leaveDesk();
    this.header.showPerson("");
    this.#show(screens.login(async (token) => {
      const name = await signIn(token);
      const isSame = name === memory.annotator;
      memory.annotator = name;
      if (this.#hasBegun && !isSame) return location.reload();
      this.#asksToken = false;
      if (!this.#hasBegun) return this.#begin();
      this.#outbox.tryNow();
      this.#enter();
    }));
  }

  #showAccount() {
    this.#leaveDesk();
    this.#show(screens.account(memory.annotator, this.#outbox.unsent, async () => {
      await signOut();
      memory.annotator = "";
      location.reload();
    }, () => this.#enter()));
  }

  #askName() {
    this.#leaveDesk();
    this.#show(screens.welcome(memory.annotator, (name) => {
      memory.annotator = name;
      this.#enter();
    }));
  }

  async #enter() {
    if (!memory.annotator) return this.#askName();
    this.#leaveDesk();
    this.header.showPerson(memory.annotator);
    const turn = this.#turn;
    this.#show(screens.loading());
    await this.#insistently(turn, () => this.#projects.load());
    if (turn !== this.#turn) return;
    const wanted = decodeURIComponent(location.hash.slice(1));
    const all = this.#projects.all;
    const project = this.#projects.get(wanted) ?? (wanted === "" && all.length === 1 ? all[0] : null);
    if (project) this.#openDesk(project);
    else this.#chooseProject(turn);
  }

  // What `ask` brings, asked for again and again until it comes or the screen is another.
  async #insistently(turn, ask) {
    const backoff = new Backoff();
    while (turn === this.#turn) {
      try {
        return await ask();
      } catch (error) {
        const hurry = new AbortController();
        if (turn === this.#turn) this.#show(screens.trouble(error, () => hurry.abort()));
        await pause(backoff.next(error.retryAfterMs), hurry.signal);
      }
    }
  }

  async #chooseProject(turn) {
    let drawn = null;
    while (turn === this.#turn) {
      const facts = JSON.stringify([this.#projects.all, [...this.#queue.queues]]);
      if (facts !== drawn) this.#show(screens.projectList(this.#projects.all, this.#queue.queues, (name) => { location.hash = name; }), drawn === null);
      drawn = facts;
      await pause(this.#queue.queues.size === 0 ? 300 : PROJECTS_PERIOD_MS);
      if (turn === this.#turn) await this.#projects.load().catch(() => {});
    }
  }

  #openDesk(project) {
    this.#project = project;
    this.header.showProject(project);
    this.#session = new Session((...what) => this.#call(...what), { annotator: memory.annotator, project: project.name, prepare, outbox: this.#outbox });
    this.#session.addEventListener("change", () => this.#onChange());
    this.#session.addEventListener("progress", () => this.#onProgress());
    this.#desk = new DeskView(this.#session, project, this.#notices);
    this.#main.replaceChildren(this.#desk.node);
    this.#session.start();
    this.#drawProgress();
  }

  #leaveDesk() {
    this.#turn += 1;
    this.#session?.stop();
    this.#desk?.stop();
    this.#session = this.#desk = this.#project = this.#freeSince = null;
    this.header.showProject(null);
    this.#drawProgress();
  }

  #onChange() {
    this.#onProgress();
    const version = this.#session?.current?.task.projectVersion ?? 0;
    if (!this.#project || version <= Math.max(this.#project.version, this.#renewedFor)) return;
    this.#renewedFor = version;
    this.#renew();
  }

  // A task of a newer version of the project: its classes may be others.
  async #renew() {
    const { name } = this.#project;
    this.#leaveDesk();
    const turn = this.#turn;
    await this.#insistently(turn, () => this.#projects.load());
    if (turn !== this.#turn || !this.#projects.get(name)) return;
    this.#notices.show({ kind: "outdated" });
    this.#openDesk(this.#projects.get(name));
  }

  #onProgress() {
    const isFree = this.#session?.state === State.EMPTY && this.#outbox.unsent === 0;
    if (!isFree) this.#freeSince = null;
    else if (this.#freeSince === null) {
      this.#freeSince = performance.now();
      this.#queue.askForNow();
    }
    this.#drawProgress();
  }

  #drawProgress() {
    const stats = this.#project ? (this.#queue.queues.get(this.#project.name) ?? null) : null;
    const { pace, state } = this.#session ?? {};
    // That the counter has just had nothing for us is newer than any figure.
    const known = stats && state === State.EMPTY ? { ...stats, open: 0, oldestAt: null } : stats;
    this.header.showProgress({ stats: known, today: pace?.today ?? null, perMinute: pace?.perMinute ?? null });
    const isTrueForOthers = this.#freeSince !== null && this.#queue.trueAt >= this.#freeSince;
    this.#desk?.tellElsewhere(stats && isTrueForOthers ? stats.leased : null);
  }

  #show(screen, focus = true) {
    this.#main.replaceChildren(screen.node);
    if (focus) screen.focus?.();
  }
}

new App().start();
