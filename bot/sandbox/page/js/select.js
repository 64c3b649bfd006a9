import { el, icon, uniqueId } from "./dom.js";

/** A button with a list of options under it; `onChange(values)` once a choice is complete. */
export class Select {
  constructor({ options, placeholder, least = 1, most = 1, disabled, chosen = [], label, testId, onChange }) {
    Object.assign(this, { options, placeholder, least, most, onChange });
    this.chosen = new Set(chosen);
    this.active = 0;
    const listId = uniqueId("select");
    this.button = el("button", {
      type: "button",
      class: "select",
      disabled: Boolean(disabled),
      role: "combobox",
      "aria-haspopup": "listbox",
      "aria-expanded": "false",
      "aria-controls": listId,
      "aria-label": label ?? placeholder,
      "data-testid": testId,
      onclick: () => this.toggle(),
      onkeydown: (event) => this.key(event),
      onblur: () => this.close(),
    });
    this.list = el("ul", {
      class: "popup select-list",
      role: "listbox",
      id: listId,
      hidden: true,
      "aria-multiselectable": most > 1 ? "true" : null,
      "aria-label": label ?? placeholder,
      onpointerdown: (event) => event.preventDefault(),
    });
    this.element = el("div", { class: "select-frame" }, this.button, this.list);
    this.#draw();
  }

  get values() {
    return this.options.filter(({ value }) => this.chosen.has(value)).map(({ value }) => value);
  }

  #draw() {
    const names = this.options.filter(({ value }) => this.chosen.has(value)).map(({ label }) => label);
    this.button.replaceChildren(
      el("span", { class: names.length ? "" : "faint" }, names.join(", ") || this.placeholder),
      icon("down"),
    );
    this.list.replaceChildren(...this.options.map((option, at) => this.#row(option, at)));
    this.button.setAttribute("aria-activedescendant", this.list.hidden ? "" : `${this.list.id}-${this.active}`);
  }

  #row(option, at) {
    const chosen = this.chosen.has(option.value);
    return el(
      "li",
      {
        class: at === this.active ? "choice active" : "choice",
        role: "option",
        id: `${this.list.id}-${at}`,
        "aria-selected": String(chosen),
        "data-value": option.value,
        onclick: () => this.pick(at),
      },
      el(
        "span",
        { class: "choice-name" },
        [option.emoji?.id ? null : option.emoji?.name, option.label].filter(Boolean).join(" "),
      ),
      option.description ? el("span", { class: "choice-note" }, option.description) : null,
    );
  }

  toggle() {
    if (this.list.hidden) this.open();
    else this.close();
  }

  open() {
    this.before = this.values.join("\n");
    this.list.hidden = false;
    this.button.setAttribute("aria-expanded", "true");
    this.#draw();
    this.#reveal();
  }

  close() {
    if (this.list.hidden) return;
    this.list.hidden = true;
    this.button.setAttribute("aria-expanded", "false");
    this.#draw();
    if (this.most > 1 && this.values.length >= this.least && this.values.join("\n") !== this.before)
      this.onChange?.(this.values);
  }

  pick(at) {
    const { value } = this.options[at];
    this.active = at;
    if (this.most === 1) {
      const cleared = this.least === 0 && this.chosen.has(value);
      this.chosen = new Set(cleared ? [] : [value]);
      this.close();
      this.onChange?.(this.values);
      return;
    }
    if (this.chosen.has(value)) this.chosen.delete(value);
    else if (this.chosen.size < this.most) this.chosen.add(value);
    this.#draw();
  }

  key(event) {
    const steps = { ArrowDown: 1, ArrowUp: -1 };
    if (event.key in steps) this.#step(steps[event.key]);
    else if (["Enter", " "].includes(event.key) && !this.list.hidden) this.pick(this.active);
    else if (event.key === "Escape" && !this.list.hidden) this.close();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  #step(by) {
    if (this.list.hidden) return this.open();
    this.active = (this.active + by + this.options.length) % this.options.length;
    this.#draw();
    return this.#reveal();
  }

  #reveal() {
    this.list.children[this.active]?.scrollIntoView({ block: "nearest" });
  }
}
