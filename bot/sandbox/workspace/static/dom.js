// Makes elements. Text from outside goes in as text nodes only; nothing here parses HTML.

export function el(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (key === "class") node.className = value;
    else if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key in node && typeof value !== "string") node[key] = value;
    else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

export function fill(node, ...children) {
  node.replaceChildren(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
}

// A node that goes and comes back between the press and the release of a button loses the click, so only what
// changed is touched.
export function arrange(place, nodes) {
  const wanted = new Set(nodes);
  for (const child of [...place.childNodes]) if (!wanted.has(child)) child.remove();
  let next = place.firstChild;
  for (const node of nodes) {
    if (node === next) next = next.nextSibling;
    else place.insertBefore(node, next);
  }
}

const drawn = new WeakMap();

export function redraw(place, facts, make) {
  const stamp = JSON.stringify(facts);
  if (drawn.get(place) === stamp) return;
  drawn.set(place, stamp);
  fill(place, ...make());
}

// Icons are drawn, so that they look the same on every machine.
const SHAPES = {
  hash: "M6.5 2.5 5 13.5M11 2.5 9.5 13.5M3 6h10.5M2.5 10H13",
  lock: "M4.5 7.5h7v6h-7zM6 7.5V5a2 2 0 0 1 4 0v2.5",
  bolt: "M9 1.5 3.5 9H8l-1 5.5L12.5 7H8z",
  send: "M2.5 13.5 14 8 2.5 2.5 4 7.2 9 8l-5 .8z",
  close: "M4 4l8 8M12 4l-8 8",
  more: "M8 3.6v.01M8 8v.01M8 12.4v.01",
  reply: "M3 3.5h10v7H8l-3 2.5v-2.5H3z",
  eye: "M1.5 8S4 3.8 8 3.8 14.5 8 14.5 8 12 12.2 8 12.2 1.5 8 1.5 8zM8 6.3a1.7 1.7 0 1 0 0 3.4 1.7 1.7 0 0 0 0-3.4z",
  people: "M6 7.5a2.2 2.2 0 1 0 0-4.4 2.2 2.2 0 0 0 0 4.4zM1.8 13c.4-2.4 2-3.7 4.2-3.7s3.8 1.3 4.2 3.7M10.6 3.4a2.1 2.1 0 0 1 0 3.9M11.8 9.6c1.4.5 2.2 1.7 2.5 3.4",
  pin: "M9.5 2 14 6.5l-2 .5-2.5 2.5-.5 3L3.5 7l3-.5L9 4zM6.2 9.8 2.5 13.5",
  down: "M4.5 6.5 8 10l3.5-3.5",
  link: "M6.5 9.5l3-3M7 5l1.5-1.5a2.5 2.5 0 0 1 3.8 3.8L10.8 8.8M9 11l-1.5 1.5a2.5 2.5 0 0 1-3.8-3.8L5.2 7.2",
};

export function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("aria-hidden", "true");
  svg.classList.add("icon", `icon-${name}`);
  const path = document.createElementNS(space, "path");
  path.setAttribute("d", SHAPES[name]);
  svg.append(path);
  return svg;
}

export function initials(name) {
  const words = name.split(/\s+/).filter(Boolean);
  return ((words[0] || "?")[0] + (words.length > 1 ? words[words.length - 1][0] : "")).toUpperCase();
}

export function avatar(id, user, small = false) {
  let sum = 0;
  for (const letter of id) sum = (sum * 31 + letter.charCodeAt(0)) % 997;
  const bot = user && user.kind === "app";
  const shade = bot ? "shade-app" : `shade-${sum % 8}`;
  return el("span", { class: `avatar ${shade}${small ? " small" : ""}`, "aria-hidden": "true" }, bot ? key() : initials(user ? user.real_name : "?"));
}

function key() {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  const path = document.createElementNS(space, "path");
  path.setAttribute("d", "M8.5 10.5V8a3.5 3.5 0 0 1 7 0v2.5M6.5 10.5h11v8h-11zM12 13.5v2.5");
  svg.append(path);
  return svg;
}

export function clock(ts) {
  return new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" }).format(new Date(Number(ts) * 1000));
}

export function day(ts) {
  const date = new Date(Number(ts) * 1000);
  const today = new Date();
  const yesterday = new Date(today.getTime() - 86400000);
  if (date.toDateString() === today.toDateString()) return "Today";
  if (date.toDateString() === yesterday.toDateString()) return "Yesterday";
  return new Intl.DateTimeFormat("en", { weekday: "long", month: "long", day: "numeric" }).format(date);
}

export function fullTime(ts) {
  return new Intl.DateTimeFormat("en", { dateStyle: "full", timeStyle: "medium", hourCycle: "h23" }).format(new Date(Number(ts) * 1000));
}
