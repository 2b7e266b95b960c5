// Building elements. Text goes in as text only: there is no way here to make markup out of a string.

const SVG = "http://www.w3.org/2000/svg";

// An element with properties (`class`, `on…`, any property or attribute) and children (nodes, strings, null).
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "class") element.className = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name in element && !name.includes("-")) element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

// The same of SVG, with attributes.
export function s(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children.flat());
  return element;
}

// Sets the text where it is another one: what is read aloud or selected is not disturbed without need.
export function tell(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

const ICONS = {
  cold: "M12 4v16M5 8l14 8M19 8 5 16",
  certified: "m5 12.5 4.5 4.5L19 7.5",
  suspended: "M9 6v12M15 6v12",
  revoked: "M6 6l12 12M18 6 6 18",
  sun: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8ZM12 2v2M12 20v2M4.9 4.9l1.4 1.4M17.7 17.7l1.4 1.4M2 12h2M20 12h2M4.9 19.1l1.4-1.4M17.7 6.3l1.4-1.4",
  moon: "M20 14.5A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.5Z",
  auto: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18ZM12 3v18M12 7l5 5M12 12l4.5 4.5",
};

// One of our own signs, drawn with strokes of the current colour.
export function icon(name) {
  return s("svg", { viewBox: "0 0 24 24", "aria-hidden": "true", class: "icon" }, s("path", { d: ICONS[name] }));
}
