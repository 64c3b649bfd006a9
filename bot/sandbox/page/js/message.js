import { component } from "./components.js";
import { avatar, el, hiddenText, icon, nameOf } from "./dom.js";
import { embed } from "./embeds.js";
import { inline, markdown } from "./markdown.js";
import { attachment } from "./media.js";
import { EPHEMERAL, LOADING, V2 } from "./store.js";
import { clockTime } from "./time.js";

const SLASH_REPLY = 20;

function excerpt(message, context) {
  const words = message.content || (message.attachments?.length ? "a file" : "a message");
  const drawn = el("span", {}, inline(words.split("\n")[0].slice(0, 300), context));
  for (const spoiler of drawn.querySelectorAll(".md-spoiler")) spoiler.replaceChildren("▇▇▇");
  return el("span", { class: "excerpt" }, drawn.textContent);
}

function above(message, context) {
  const reference = message.message_reference?.message_id;
  if (reference) {
    const target = message.referenced_message ?? context.find(reference);
    if (!target) return el("div", { class: "above" }, icon("reply"), "A message that is gone");
    return el(
      "button",
      { type: "button", class: "above", "data-testid": "reply-excerpt", onclick: () => context.jumpTo(reference) },
      icon("reply"),
      hiddenText("In reply to "),
      el("strong", {}, nameOf(context.user(target.author))),
      excerpt(target, context),
    );
  }
  if (message.type !== SLASH_REPLY) return null;
  const asker = message.interaction_metadata?.user ?? message.interaction?.user;
  if (!asker) return null;
  const name = message.interaction?.name ?? message.interaction_metadata?.name;
  return el(
    "div",
    { class: "above" },
    icon("reply"),
    el("strong", {}, nameOf(context.user(asker))),
    name ? [" used ", el("span", { class: "used" }, `/${name}`)] : " used a command",
  );
}

function byline(message, context) {
  const author = context.user(message.author);
  return el(
    "div",
    { class: "byline" },
    el("span", { class: "author", "data-testid": "author" }, nameOf(author)),
    author.bot ? el("span", { class: "tag" }, "App") : null,
    context.isModerator(author.id) ? el("span", { class: "tag tag-moderator" }, "Moderator") : null,
    clockTime(message.timestamp),
  );
}

function body(message, context) {
  if (message.flags & LOADING) {
    return el(
      "p",
      { class: "thinking", "data-testid": "thinking" },
      el("span", { class: "reel", "aria-hidden": "true" }),
      `${nameOf(context.user(message.author))} is thinking…`,
    );
  }
  if (!message.content) return null;
  const edited = message.edited_timestamp
    ? el("span", { class: "edited", title: message.edited_timestamp }, "(edited)")
    : null;
  const nodes = markdown(message.content, context);
  const last = nodes.at(-1);
  if (edited && last instanceof Element && last.tagName === "P") last.append(" ", edited);
  else if (edited) nodes.push(edited);
  return el("div", { class: "content", "data-testid": "content" }, nodes);
}

function privately(message, context) {
  if (!(message.flags & EPHEMERAL)) return null;
  return el(
    "p",
    { class: "private", "data-testid": "ephemeral" },
    icon("eye"),
    "Only you can see this ·",
    el(
      "button",
      { type: "button", class: "text-button", "data-testid": "dismiss", onclick: () => context.dismiss(message) },
      "Dismiss message",
    ),
  );
}

const PARTS = [
  ["above", above, (m) => [m.message_reference, m.referenced_message?.content, m.interaction, m.interaction_metadata]],
  ["byline", byline, (m) => [m.author, m.timestamp]],
  ["body", body, (m) => [m.content, m.edited_timestamp, (m.flags ?? 0) & LOADING]],
  ["embeds", (m, c) => list("embeds", m.embeds, (item) => embed(item, c)), (m) => [m.embeds]],
  [
    "attachments",
    (m) => (m.flags & V2 ? null : list("attachments", m.attachments, attachment)),
    (m) => [(m.attachments ?? []).map(({ id, filename, is_spoiler: spoiler }) => [id, filename, spoiler])],
  ],
  ["components", (m, c) => list("components", m.components, (item) => component(item, c)), (m) => [m.components]],
  ["private", privately, (m) => [m.flags]],
];

function list(className, items, draw) {
  return items?.length ? el("div", { class: className }, items.map(draw)) : null;
}

/** One message on the page. An edit redraws only the parts that it changed, so a playing film plays on. */
export class MessageView {
  #drawn = new Map();

  constructor(message, context) {
    this.context = { ...context, press: (...press) => this.#press(...press) };
    this.trouble = el("p", { class: "trouble", role: "alert", hidden: true, "data-testid": "interaction-failed" });
    this.column = el("div", { class: "message-column" });
    this.element = el(
      "li",
      { class: "message", "data-testid": "message", "data-message-id": message.id, tabindex: "-1" },
      avatar(context.user(message.author)),
      this.column,
    );
    this.update(message);
  }

  update(message) {
    this.message = message;
    this.element.classList.toggle("mentioned", this.#concernsMe());
    this.element.classList.toggle("is-private", Boolean(message.flags & EPHEMERAL));
    const focused = this.column.contains(document.activeElement) ? document.activeElement.dataset.customId : null;
    const parts = PARTS.flatMap(([name, draw, facts]) => this.#part(name, draw, facts));
    const wanted = [...parts, this.trouble];
    if (wanted.length !== this.column.children.length || wanted.some((node, at) => node !== this.column.children[at]))
      arrange(this.column, wanted);
    if (focused && !this.column.contains(document.activeElement)) this.#refocus(focused);
  }

  #part(name, draw, facts) {
    const signature = JSON.stringify(facts(this.message), unsigned);
    const before = this.#drawn.get(name);
    const node = before?.signature === signature ? before.node : draw(this.message, this.context);
    this.#drawn.set(name, { signature, node });
    return node ? [node] : [];
  }

  #refocus(customId) {
    const again = [...this.column.querySelectorAll("[data-custom-id]")].find(
      ({ dataset, disabled }) => dataset.customId === customId && !disabled,
    );
    (again ?? this.element).focus();
  }

  #concernsMe() {
    const { author, mentions, notified } = this.message;
    const { actingId } = this.context;
    return author.id !== actingId && (notified ?? mentions.map(({ id }) => id)).includes(actingId);
  }

  async #press(customId, values, pressed) {
    this.trouble.hidden = true;
    pressed?.setAttribute("aria-busy", "true");
    const sentence = await this.context.pressOn(this.message, customId, values);
    pressed?.removeAttribute("aria-busy");
    this.trouble.hidden = sentence === null;
    this.trouble.textContent = sentence ?? "";
  }
}

/** Links are signed anew each time; another signature is no other picture. */
function unsigned(key, value) {
  return key.endsWith("url") && typeof value === "string" ? value.split("?")[0] : value;
}

function arrange(parent, wanted) {
  for (const child of [...parent.children]) if (!wanted.includes(child)) child.remove();
  wanted.forEach((node, at) => {
    if (parent.children[at] !== node) parent.insertBefore(node, parent.children[at] ?? null);
  });
}
