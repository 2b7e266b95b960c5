// The page's modules under test, and as much of a browser as those without a DOM ask for.

const STATIC = new URL("../../../services/streamlabel/review/adapters/web/static/js/", import.meta.url);

export function load(path) {
  return import(new URL(path, STATIC));
}

// Storage in memory, and a window that never tells anything.
export function standInForBrowser() {
  const stored = new Map();
  const storage = {
    getItem: (key) => stored.get(key) ?? null,
    setItem: (key, value) => storage[key] = stored.set(key, value) && value,
    removeItem: (key) => { stored.delete(key); delete storage[key]; },
  };
  for (const name of ["getItem", "setItem", "removeItem"]) Object.defineProperty(storage, name, { enumerable: false });
  Object.defineProperty(globalThis, "localStorage", { value: storage, configurable: true });
  globalThis.addEventListener = () => {};
  globalThis.removeEventListener = () => {};
  return stored;
}

// Resolves when `isTrue()` is.
export async function until(isTrue, limitMs = 4_000) {
  const end = Date.now() + limitMs;
  while (!isTrue()) {
    if (Date.now() > end) throw new Error(`not within ${limitMs} ms: ${isTrue}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
