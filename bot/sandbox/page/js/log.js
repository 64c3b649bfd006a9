import { el, iconButton } from "./dom.js";
import { MessageView } from "./message.js";

const NEAR = 80;
const TOGETHER = 7 * 60_000;

/** The message list: keeps one view for each message and stays at the end while the reader is there. */
export class Log {
  #views = new Map();
  #rows = new Map();

  constructor(element, jump, store, makeContext, emptyState) {
    Object.assign(this, { element, jump, store, makeContext, emptyState });
    this.atEnd = true;
    this.lastTop = 0;
    element.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    jump.addEventListener("click", () => this.toEnd());
    new ResizeObserver(() => this.atEnd && this.toEnd()).observe(element);
    element.addEventListener("load", () => this.atEnd && this.toEnd(), true);
    element.addEventListener("loadedmetadata", () => this.atEnd && this.toEnd(), true);
    store.on("messages", () => this.draw());
    store.on("sent", () => this.toEnd());
    store.on("acting channel world", () => this.#maybeReset());
  }

  /** Names, mentions and what is mine depend on who looks and on who is known. */
  #maybeReset() {
    const key = JSON.stringify([this.store.actingId, this.store.channelId, this.store.world.users, this.store.members]);
    if (key === this.key) return;
    this.key = key;
    this.#views.clear();
    this.#rows.clear();
    this.atEnd = true;
    this.draw();
  }

  draw() {
    const context = this.makeContext({ jumpTo: (id) => this.#jumpTo(id) });
    const { messages } = this.store;
    const nodes = [
      ...messages.map((message) => this.#view(message, context)),
      ...this.store.pending.map((row) => this.#row(row)),
    ];
    const added = this.#arrange(nodes.length ? nodes : [this.#empty()]);
    this.#forget(messages);
    this.#group(messages);
    if (this.atEnd) this.toEnd();
    else if (added) this.jump.hidden = false;
  }

  #view(message, context) {
    const known = this.#views.get(message.id);
    if (known) {
      if (known.message !== message) known.update(message);
      return known.element;
    }
    const view = new MessageView(message, context);
    this.#views.set(message.id, view);
    return view.element;
  }

  #empty() {
    const drawn = this.emptyState();
    if (!this.nothing?.isEqualNode(drawn)) this.nothing = drawn;
    return this.nothing;
  }

  #row(row) {
    const signature = `${row.refusal}`;
    const known = this.#rows.get(row.id);
    if (known?.signature === signature) return known.node;
    const node = row.refusal ? this.#refused(row) : this.#waiting(row);
    this.#rows.set(row.id, { signature, node });
    return node;
  }

  #waiting({ text }) {
    return el(
      "li",
      { class: "pending", "data-testid": "pending" },
      el("span", { class: "reel", "aria-hidden": "true" }),
      "Sending ",
      el("code", {}, text),
      "…",
    );
  }

  #refused(row) {
    return el(
      "li",
      { class: "pending refused", "data-testid": "refusal" },
      el("code", {}, row.text),
      el("span", { class: "refusal" }, row.refusal),
      el("span", { class: "faint" }, "Only you can see this"),
      iconButton("close", "Dismiss", { onclick: () => this.store.dropPending(row) }),
    );
  }

  #arrange(nodes) {
    const wanted = new Set(nodes);
    for (const child of [...this.element.children]) if (!wanted.has(child)) child.remove();
    let added = false;
    nodes.forEach((node, at) => {
      if (this.element.children[at] === node) return;
      added ||= !node.isConnected;
      this.element.insertBefore(node, this.element.children[at] ?? null);
    });
    return added;
  }

  #forget(messages) {
    const kept = new Set(messages.map(({ id }) => id));
    for (const id of this.#views.keys()) if (!kept.has(id)) this.#views.delete(id);
  }

  #group(messages) {
    let last = null;
    for (const message of messages) {
      const follows =
        last &&
        last.author.id === message.author.id &&
        !message.message_reference &&
        message.type === last.type &&
        message.type !== 20 &&
        Date.parse(message.timestamp) - Date.parse(last.timestamp) < TOGETHER &&
        (last.flags & 64) === (message.flags & 64);
      this.#views.get(message.id).element.classList.toggle("grouped", Boolean(follows));
      last = message;
    }
  }

  #jumpTo(id) {
    const view = this.#views.get(id);
    view?.element.scrollIntoView({ block: "center" });
    view?.element.focus({ preventScroll: true });
  }

  #scrolled() {
    const { scrollHeight, scrollTop, clientHeight } = this.element;
    // Growth under a reader at the end is no leaving; only going up is.
    if (scrollHeight - scrollTop - clientHeight < NEAR) this.atEnd = true;
    else if (scrollTop < this.lastTop) this.atEnd = false;
    this.lastTop = scrollTop;
    if (this.atEnd) this.jump.hidden = true;
  }

  toEnd() {
    this.element.scrollTop = this.element.scrollHeight;
    this.atEnd = true;
    this.jump.hidden = true;
  }
}
