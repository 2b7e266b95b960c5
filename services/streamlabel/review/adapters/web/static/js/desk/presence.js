// Whether the person is there. Tasks leased ahead for somebody who has left keep others waiting.

const STILL_MS = 60_000;
const AWAY_MS = 300_000;
const CHECK_MS = 1_000;
const SIGNS = ["keydown", "pointerdown", "pointermove", "wheel", "touchstart", "scroll"];

export const Presence = Object.freeze({ HERE: "here", STILL: "still", AWAY: "away" });

// Fires `change` when `state` does: HERE, STILL after a minute without a sign, AWAY after five.
export class PresenceWatch extends EventTarget {
  #lastSign = Date.now();
  #timer = null;
  #sign = () => {
    this.#lastSign = Date.now();
    // Whoever was away comes back by intention, not by brushing the mouse.
    if (this.state === Presence.STILL) this.#become(Presence.HERE);
  };
  state = Presence.HERE;

  start() {
    for (const sign of SIGNS) addEventListener(sign, this.#sign, { passive: true, capture: true });
    this.#timer = setInterval(() => this.#check(), CHECK_MS);
  }

  stop() {
    for (const sign of SIGNS) removeEventListener(sign, this.#sign, { capture: true });
    clearInterval(this.#timer);
  }

  comeBack() {
    this.#lastSign = Date.now();
    this.#become(Presence.HERE);
  }

  #check() {
    const silentMs = Date.now() - this.#lastSign;
    if (silentMs >= AWAY_MS) this.#become(Presence.AWAY);
    else if (silentMs >= STILL_MS && this.state === Presence.HERE) this.#become(Presence.STILL);
  }

  #become(state) {
    if (state === this.state) return;
    this.state = state;
    this.dispatchEvent(new Event("change"));
  }
}
