// What a screen reader says. One region, one message at a time; the same words twice are said twice.

const region = document.getElementById("announcer");

export function announce(message) {
  region.textContent = region.textContent === message ? `${message}\u00a0` : message;
}
