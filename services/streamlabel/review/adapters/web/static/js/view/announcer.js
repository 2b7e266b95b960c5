// What a screen reader says. One region, one message at a time; the same words twice are said twice.

const region = document.getElementById("announcer");
// A pause in typing; what was said of each letter before would only be cut off.
const PAUSE_MS = 700;

let later = 0;

// At once; what was to be said later is not said any more.
export function announce(message) {
  clearTimeout(later);
  region.textContent = region.textContent === message ? `${message}\u00a0` : message;
}

// After a pause, unless something else is said before; only the last of several.
export function announceLater(message) {
  clearTimeout(later);
  later = setTimeout(() => announce(message), PAUSE_MS);
}
