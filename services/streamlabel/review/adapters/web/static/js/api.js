// The services of review over HTTP: the unary Connect protocol with JSON. One function, one kind of error.

const PATH = "/streamlabel.v1.";
const CALL_LIMIT_MS = 10_000;

// What an error without a Connect body means, by its HTTP status.
const CODE_OF_STATUS = new Map([
  [400, "internal"],
  [401, "unauthenticated"],
  [403, "permission_denied"],
  [404, "unimplemented"],
  [413, "resource_exhausted"],
  [415, "unimplemented"],
  [429, "unavailable"],
  [502, "unavailable"],
  [503, "unavailable"],
  [504, "unavailable"],
]);

// The same call may succeed later, unchanged: also where somebody must sign in again or mend a setting meanwhile.
const PASSING = new Set([
  "unavailable", "deadline_exceeded", "resource_exhausted", "aborted", "internal", "unknown", "canceled",
  "permission_denied", "unauthenticated", "unimplemented",
]);

export class CallError extends Error {
  constructor(code, message, { retryAfterMs = 0, offline = false } = {}) {
    super(message);
    this.name = "CallError";
    this.code = code;
    this.retryAfterMs = retryAfterMs;
    // Nobody answered at all: the network or the whole service is away.
    this.offline = offline;
  }

  get isPassing() {
    return PASSING.has(this.code);
  }
}

// The answer, or a CallError; an abort through `signal` stays what it is. `method` is of ReviewService, or `<Service>/<Method>`.
export async function call(method, message, { signal, limitMs = CALL_LIMIT_MS, keepalive = false } = {}) {
  const limit = AbortSignal.timeout(limitMs);
  let response;
  let text;
  try {
    response = await fetch(PATH + (method.includes("/") ? method : `ReviewService/${method}`), {
      method: "POST",
      headers: { "Content-Type": "application/json", "Connect-Protocol-Version": "1" },
      body: JSON.stringify(message),
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
      credentials: "same-origin",
      // Without a referrer some browsers hide the origin as well, and the service serves pages of its own origin only.
      referrerPolicy: "same-origin",
      cache: "no-store",
      keepalive,
    });
    text = await response.text();
  } catch (error) {
    if (signal?.aborted) throw error;
    if (limit.aborted) throw new CallError("deadline_exceeded", "The service did not answer in time.");
    throw new CallError("unavailable", "The service cannot be reached.", { offline: true });
  }
  const body = parsed(text);
  if (response.ok && body) return body;
  throw failure(response, body);
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function failure(response, body) {
  const told = typeof body?.code === "string" ? body : body?.error;
  const code = typeof body?.code === "string" ? body.code : (CODE_OF_STATUS.get(response.status) ?? "unknown");
  const message = told?.message || `The service answered with status ${response.status}.`;
  const retryAfterS = Number(response.headers.get("Retry-After"));
  return new CallError(code, message, { retryAfterMs: retryAfterS > 0 ? retryAfterS * 1000 : 0 });
}
