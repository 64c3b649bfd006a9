const SVG = "http://www.w3.org/2000/svg";
const PROPERTIES = new Set(["value", "checked", "disabled", "hidden", "muted", "indeterminate", "multiple"]);

const ICONS = {
  menu: "M4 7h16M4 12h16M4 17h16",
  close: "M6 6l12 12M18 6L6 18",
  send: "M5 12l14-7-4 14-4-6zM11 13l8-8",
  clip: "M8 12.5l6-6a3 3 0 0 1 4.3 4.3l-8 8a5 5 0 0 1-7-7l7.5-7.5",
  hash: "M5 9h14M4 15h14M10 4L8 20M16 4l-2 16",
  thread: "M5 5h14v10H9l-4 4z",
  letter: "M4 6h16v12H4zM4 7l8 6 8-6",
  shield: "M12 4l7 2.5V12c0 4-3 6.7-7 8-4-1.3-7-4-7-8V6.5z",
  eye: "M3 12s3.5-6 9-6 9 6 9 6-3.5 6-9 6-9-6-9-6zM12 9.5a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5z",
  file: "M7 3h7l4 4v14H7zM14 3v4h4",
  save: "M12 4v11M7 11l5 5 5-5M5 20h14",
  reply: "M9 7L4 12l5 5M4 12h10a6 6 0 0 1 6 6",
  out: "M10 5H5v14h14v-5M13 5h6v6M19 5l-9 9",
  down: "M6 9l6 6 6-6",
};

export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(props)) setProp(node, key, value);
  node.append(...children.flat(2).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

function setProp(node, key, value) {
  if (value === undefined || value === null) return;
  if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
  else if (PROPERTIES.has(key)) node[key] = value;
  else if (key === "vars") for (const [name, text] of Object.entries(value)) node.style.setProperty(name, text);
  else if (value !== false) node.setAttribute(key, value === true ? "" : String(value));
}

/** Leaves what already looks so: a node that is exchanged under the pointer loses the click. */
export function redraw(root, ...nodes) {
  const before = [...root.childNodes];
  if (before.length === nodes.length && nodes.every((node, at) => node.isEqualNode(before[at]))) return false;
  root.replaceChildren(...nodes);
  return true;
}

export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

export function iconButton(name, label, props = {}) {
  return el(
    "button",
    { type: "button", class: "icon-button", "aria-label": label, title: label, ...props },
    icon(name),
  );
}

export function hiddenText(text) {
  return el("span", { class: "visually-hidden" }, text);
}

export function byId(id) {
  return document.getElementById(id);
}

let counter = 0;
export function uniqueId(prefix) {
  counter += 1;
  return `${prefix}-${counter}`;
}

export function initials(name) {
  return [...name.trim()].slice(0, 1).join("").toUpperCase() || "?";
}

export function avatar(user) {
  const colour = typeof user.color === "number" ? `#${user.color.toString(16).padStart(6, "0")}` : user.color;
  const shape = user.bot ? "avatar avatar-bot" : "avatar";
  return el(
    "span",
    { class: shape, "aria-hidden": "true", vars: colour ? { "--tint": colour } : {} },
    initials(nameOf(user)),
  );
}

export function nameOf(user) {
  return user.global_name || user.username;
}

export function byteSize(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  if (bytes < 1_000_000) return `${Math.round(bytes / 1000)} kB`;
  return `${(bytes / 1_000_000).toFixed(1)} MB`;
}
