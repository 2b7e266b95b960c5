// When something can be seen, and how long it took since.

// Calls `done` once the next frame has been drawn.
export function afterPaint(done) {
  requestAnimationFrame(() => {
    const channel = new MessageChannel();
    channel.port1.onmessage = () => done();
    channel.port2.postMessage(null);
  });
}

// Leaves a measure in the browser's own timeline (performance.getEntriesByName), from `since` to now.
export function measure(what, since) {
  performance.measure(what, { start: since, end: performance.now() });
}
