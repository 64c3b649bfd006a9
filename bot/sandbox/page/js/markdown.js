import { el } from "./dom.js";
import { timestamp } from "./time.js";

const DEEPEST = 10;
const wrap = (tag, props) => (match, context) => el(tag, props ?? {}, inline(match[1], context));

const RULES = [
  [/\\([^\w\s])/y, (match) => match[1]],
  [/``([^]+?)``(?!`)/y, (match) => el("code", {}, match[1].trim())],
  [/`([^`]+)`/y, (match) => el("code", {}, match[1])],
  [/\*\*\*(?!\s)([^]+?)\*\*\*(?!\*)/y, (match, context) => el("strong", {}, el("em", {}, inline(match[1], context)))],
  [/\*\*([^]+?)\*\*(?!\*)/y, wrap("strong")],
  [/__([^]+?)__(?!_)/y, wrap("u")],
  [/\*(?![\s*])([^]*?[^\s*])\*(?!\*)/y, wrap("em")],
  [/(?<!\w)_(?![\s_])([^]*?[^\s_])_(?!\w)/y, wrap("em")],
  [/~~([^]+?)~~(?!~)/y, wrap("s")],
  [/\|\|([^]+?)\|\|/y, (match, context) => spoiler(inline(match[1], context))],
  [/<@!?(\d+)>/y, (match, context) => userMention(match[1], context)],
  [/<@&(\d+)>/y, () => el("span", { class: "mention" }, "@role")],
  [/<#(\d+)>/y, (match, context) => channelMention(match[1], context)],
  [/<\/([^:<>]+):\d+>/y, (match, context) => commandMention(match[1], context)],
  [/<t:(-?\d{1,13})(?::([tTdDfFR]))?>/y, (match) => timestamp(Number(match[1]), match[2])],
  [/<a?:(\w+):\d+>/y, (match) => `:${match[1]}:`],
  [/<(https?:\/\/[^\s<>]+)>/y, (match) => link(match[1], match[1])],
  [/\[([^\]\n]+)\]\(<?(https?:\/\/[^\s)>]+)>?\)/y, (match) => link(match[2], match[1])],
  [/https?:\/\/[^\s<]*[^\s<.,:;"')\]!?*_~|]/y, (match) => link(match[0], match[0])],
  [/@(everyone|here)\b/y, (match) => el("span", { class: "mention" }, match[0])],
];

const BLOCKS = [
  [
    /^(#{1,3}) +(.+)$/,
    (match, context) => el(`h${match[1].length + 2}`, { class: "md-heading" }, inline(match[2], context)),
  ],
  [/^-# +(.+)$/, (match, context) => el("small", { class: "md-small" }, inline(match[1], context))],
];

/** Turns message text into nodes; nothing of it is ever read as HTML. */
export function markdown(text, context) {
  const parts = [];
  let from = 0;
  for (const match of text.matchAll(/```(?:([\w+#-]+)\n)?([^]*?)```\n?/g)) {
    parts.push(...blocks(text.slice(from, match.index).replace(/\n$/, ""), context));
    parts.push(el("pre", { class: "md-code", tabindex: "0" }, el("code", {}, match[2].replace(/^\n|\n$/g, ""))));
    from = match.index + match[0].length;
  }
  parts.push(...blocks(text.slice(from), context));
  return parts;
}

export function inline(text, context) {
  const deeper = { ...context, depth: (context.depth ?? 0) + 1 };
  if (deeper.depth > DEEPEST) return [text];
  const nodes = [];
  let plain = "";
  for (let at = 0; at < text.length;) {
    const found = /[\\`*_~|<[h@]/.test(text[at]) ? firstRule(text, at) : null;
    if (!found) {
      plain += text[at++];
      continue;
    }
    if (plain) nodes.push(plain);
    plain = "";
    nodes.push(found.make(found.match, deeper));
    at += found.match[0].length;
  }
  if (plain) nodes.push(plain);
  return nodes.flat();
}

function firstRule(text, at) {
  for (const [pattern, make] of RULES) {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (match) return { match, make };
  }
  return null;
}

function blocks(text, context) {
  if (!text) return [];
  const out = [];
  const lines = text.split("\n");
  while (lines.length)
    out.push(
      takeQuote(lines, context) ?? takeList(lines, context) ?? takeLine(lines, context) ?? takeText(lines, context),
    );
  return out;
}

function takeWhile(lines, pattern) {
  const end = lines.findIndex((line) => !pattern.test(line));
  return lines.splice(0, end === -1 ? lines.length : end);
}

function takeQuote(lines, context) {
  if (/^>>> /.test(lines[0])) {
    const rest = lines.splice(0, lines.length).join("\n").slice(4);
    return el("blockquote", {}, blocks(rest, context));
  }
  const quoted = takeWhile(lines, /^> /).map((line) => line.slice(2));
  return quoted.length ? el("blockquote", {}, blocks(quoted.join("\n"), context)) : null;
}

function takeList(lines, context) {
  const ordered = /^\s*\d+\. +/;
  const bullet = /^\s*[-*] +/;
  const pattern = [bullet, ordered].find((candidate) => candidate.test(lines[0]));
  if (!pattern) return null;
  const items = takeWhile(lines, pattern);
  const start = pattern === ordered ? Number.parseInt(items[0], 10) : null;
  return el(
    start === null ? "ul" : "ol",
    { class: "md-list", start },
    items.map((line) => el("li", {}, inline(line.replace(pattern, ""), context))),
  );
}

function takeLine(lines, context) {
  for (const [pattern, make] of BLOCKS) {
    const match = pattern.exec(lines[0]);
    if (!match) continue;
    lines.shift();
    return make(match, context);
  }
  return null;
}

function takeText(lines, context) {
  const special = /^((>>>|>) |#{1,3} +\S|-# +\S|\s*[-*] +|\s*\d+\. +)/;
  const rest = takeWhile(lines.slice(1), { test: (line) => !special.test(line) });
  const taken = lines.splice(0, rest.length + 1);
  return el("p", {}, inline(taken.join("\n"), context));
}

function link(href, label) {
  return el("a", { href, target: "_blank", rel: "noopener noreferrer" }, label);
}

function spoiler(nodes) {
  const shown = (node) => {
    node.classList.add("shown");
    node.removeAttribute("role");
    node.removeAttribute("tabindex");
    node.removeAttribute("aria-label");
  };
  return el(
    "span",
    {
      class: "md-spoiler",
      role: "button",
      tabindex: "0",
      "aria-label": "Spoiler, show it",
      onclick: (event) => shown(event.currentTarget),
      onkeydown: (event) => ["Enter", " "].includes(event.key) && shown(event.currentTarget),
    },
    el("span", {}, nodes),
  );
}

function userMention(id, context) {
  const mine = id === context.actingId;
  return el("span", { class: mine ? "mention mention-me" : "mention" }, `@${context.userName(id)}`);
}

function channelMention(id, context) {
  const name = context.channelName(id);
  if (!name) return el("span", { class: "mention" }, "#unknown");
  return el("button", { type: "button", class: "mention", onclick: () => context.openChannel(id) }, `#${name}`);
}

function commandMention(name, context) {
  return el(
    "button",
    { type: "button", class: "mention", onclick: () => context.prefill({ command: name }) },
    `/${name}`,
  );
}
