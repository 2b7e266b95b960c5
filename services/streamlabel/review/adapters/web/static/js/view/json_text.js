// A JSON document laid out for reading, token by token: no value is parsed, so none is changed (long numbers stay long,
// repeated keys stay repeated).

const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/gsu;
const INDENT = "  ";
const DEEPEST = 60;

// The text, indented; null where it is no JSON.
export function layOut(text) {
  try {
    JSON.parse(text);
  } catch {
    return null;
  }
  const out = [];
  let depth = 0;
  let last = "";
  for (const [token] of text.matchAll(TOKEN)) {
    const closes = token === "}" || token === "]";
    if (closes) depth -= 1;
    const isEmpty = closes && (last === "{" || last === "[");
    if (last && !isEmpty && (last === "{" || last === "[" || last === "," || closes)) out.push(lineBreak(depth));
    out.push(token === ":" ? ": " : token);
    if (token === "{" || token === "[") depth += 1;
    last = token;
  }
  return out.join("");
}

function lineBreak(depth) {
  return `\n${INDENT.repeat(Math.min(depth, DEEPEST))}`;
}
