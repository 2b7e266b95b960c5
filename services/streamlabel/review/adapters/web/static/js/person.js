// Who works here: known to the service by a token in a cookie that no script can read, or, where it is open, by the name given.

import { call, CallError } from "./api.js";

const OPEN = "ACCESS_MODE_OPEN";

// { isOpen, name }; name is null where the service asks who comes and does not know it.
export async function whoAmI() {
  try {
    const { mode, annotator } = await call("AccessService/WhoAmI", {});
    return { isOpen: mode === OPEN, name: annotator?.name ?? null };
  } catch (error) {
    if (error.code === "unauthenticated") return { isOpen: false, name: null };
    throw error;
  }
}

// Resolves to the name whose token this is; a CallError says why it is nobody's.
export async function signIn(token) {
  return (await session("POST", JSON.stringify({ token }))).name;
}

export async function signOut() {
  await session("DELETE");
}

async function session(method, body) {
  let response;
  let answer = null;
  try {
    const headers = body ? { "Content-Type": "application/json" } : {};
    response = await fetch("/session", { method, body, headers, credentials: "same-origin", referrerPolicy: "same-origin" });
    answer = await response.json();
  } catch {
    if (!response) throw new CallError("unavailable", "The service cannot be reached.", { offline: true });
  }
  if (response.ok && answer) return answer;
  throw new CallError(answer?.code ?? "unknown", answer?.message ?? `The service answered with status ${response.status}.`);
}
