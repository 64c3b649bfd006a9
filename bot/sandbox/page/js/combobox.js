import { el } from "./dom.js";

/** The one list above the composer that all of its fields share. */
export class Popup {
  constructor(id) {
    this.list = el("ul", { class: "choices", role: "listbox", id, "aria-label": "Suggestions" });
    this.note = el("p", { class: "choices-note faint", role: "status" });
    this.element = el(
      "div",
      {
        class: "popup completion",
        hidden: true,
        "data-testid": "completion",
        onpointerdown: (event) => event.preventDefault(),
      },
      this.note,
      this.list,
    );
    this.owner = null;
  }

  show(owner, items, active, note) {
    this.owner = owner;
    this.note.textContent = note;
    this.list.replaceChildren(...items.map((item, at) => this.#row(item, at, active)));
    this.element.hidden = false;
    this.list.children[active]?.scrollIntoView({ block: "nearest" });
  }

  #row(item, at, active) {
    return el(
      "li",
      {
        class: at === active ? "choice active" : "choice",
        role: "option",
        id: `${this.list.id}-${at}`,
        "aria-selected": String(at === active),
        "data-testid": "choice",
        onclick: () => this.owner?.pick(at),
      },
      el("span", { class: "choice-name" }, item.label),
      item.note ? el("span", { class: "choice-note" }, item.note) : null,
    );
  }

  hide(owner) {
    if (owner && owner !== this.owner) return;
    this.element.hidden = true;
    this.list.replaceChildren();
    this.owner = null;
  }
}

/**
 * Completion for one input. `source(text, signal)` gives `[{label, note, value}]`, at once or later; an answer that
 * comes after the next keystroke is dropped. `delay` (ms) waits for a pause in typing first.
 */
export class Combobox {
  constructor(input, popup, { source, onPick, title, delay = 0, wantsList = () => true }) {
    Object.assign(this, { input, popup, source, onPick, title, delay, wantsList });
    this.items = [];
    this.active = -1;
    this.turn = 0;
    for (const [name, value] of Object.entries({
      role: "combobox",
      autocomplete: "off",
      "aria-autocomplete": "list",
      "aria-expanded": "false",
      "aria-controls": popup.list.id,
    })) {
      input.setAttribute(name, value);
    }
    input.addEventListener("input", () => this.refresh());
    input.addEventListener("focus", () => this.refresh());
    input.addEventListener("blur", () => this.close());
    input.addEventListener("keydown", (event) => this.#key(event));
  }

  get open() {
    return this.popup.owner === this;
  }

  async refresh() {
    this.turn += 1;
    const turn = this.turn;
    this.abort?.abort();
    this.abort = new AbortController();
    if (!this.wantsList(this.input.value)) return this.close();
    const found = this.source(this.input.value, this.abort.signal, () => this.#pause(turn));
    if (found instanceof Promise && !this.open) this.#present([], "Looking…");
    const items = await this.#settled(found, turn);
    if (turn === this.turn && items && document.activeElement === this.input)
      this.#present(items, items.length ? this.title : "Nothing matches");
    return undefined;
  }

  async #settled(found, turn) {
    try {
      return await found;
    } catch (error) {
      if (error.name !== "AbortError" && turn === this.turn) this.#present([], error.message);
      return null;
    }
  }

  async #pause(turn) {
    await new Promise((resolve) => setTimeout(resolve, this.delay));
    if (turn !== this.turn) throw new DOMException("a later keystroke", "AbortError");
  }

  #present(items, note) {
    this.items = items;
    // In an empty field nothing is chosen yet: Tab and Enter go on without it.
    this.active = items.length && this.input.value ? 0 : -1;
    this.#draw(note);
  }

  #draw(note = this.title) {
    this.popup.show(this, this.items, this.active, note);
    this.input.setAttribute("aria-expanded", "true");
    if (this.active >= 0) this.input.setAttribute("aria-activedescendant", `${this.popup.list.id}-${this.active}`);
    else this.input.removeAttribute("aria-activedescendant");
  }

  close() {
    this.turn += 1;
    this.abort?.abort();
    this.popup.hide(this);
    this.input.setAttribute("aria-expanded", "false");
    this.input.removeAttribute("aria-activedescendant");
  }

  pick(at) {
    const item = this.items[at];
    this.close();
    this.onPick(item);
  }

  #key(event) {
    if (event.isComposing) return;
    const steps = { ArrowDown: 1, ArrowUp: -1 };
    if (event.key in steps) this.#step(event, steps[event.key]);
    else if (!this.open) return;
    else if (event.key === "Escape") this.#consume(event, () => this.close());
    else if (event.key === "Enter" && !event.shiftKey && this.active >= 0)
      this.#consume(event, () => this.pick(this.active));
    else if (event.key === "Tab" && !event.shiftKey && this.active >= 0)
      this.#consume(event, () => this.pick(this.active));
  }

  #step(event, by) {
    if (!this.open) {
      if (this.wantsList(this.input.value)) this.#consume(event, () => this.refresh());
      return;
    }
    if (!this.items.length) return;
    const from = this.active < 0 && by < 0 ? 0 : this.active;
    this.active = (from + by + this.items.length) % this.items.length;
    this.#consume(event, () => this.#draw());
  }

  #consume(event, act) {
    event.preventDefault();
    event.stopImmediatePropagation();
    act();
  }
}
