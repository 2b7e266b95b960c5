// Asking the service: JSON by GET, with an end.

const LIMIT_MS = 8_000;

export class AskError extends Error {
  constructor(message, { offline = false, refused = false } = {}) {
    super(message);
    this.name = "AskError";
    // Nobody answered at all.
    this.offline = offline;
    // Asking again will not help: somebody has to set something.
    this.refused = refused;
  }
}

// Gives the body and the service's own time (ms); an AskError where there is none.
export async function ask(what, parameters = {}) {
  const query = new URLSearchParams(parameters).toString();
  let response;
  let body;
  try {
    response = await fetch(`/gate/api/${what}${query ? `?${query}` : ""}`, {
      signal: AbortSignal.timeout(LIMIT_MS),
      credentials: "same-origin",
      referrerPolicy: "same-origin",
      cache: "no-store",
    });
    body = await response.json();
  } catch (error) {
    if (response === undefined) {
      const late = error.name === "TimeoutError";
      throw new AskError(late ? "Learning did not answer in time." : "Learning cannot be reached.", { offline: true });
    }
    throw new AskError(`Learning answered with status ${response.status}, but not with JSON.`);
  }
  if (!response.ok) {
    const told = body?.error?.message || `Learning answered with status ${response.status}.`;
    throw new AskError(told, { refused: response.status === 403 });
  }
  return { body, nowMs: Date.parse(response.headers.get("Date")) || Date.now() };
}
