import { Refused } from "./api.js";
import { TYPE } from "./commands.js";
import { el, iconButton, uniqueId } from "./dom.js";
import { Invalid, makeField, removeButton } from "./fields.js";

function bounds({ min_value: least, max_value: most, max_length: longest }) {
  if (least !== undefined && most !== undefined) return ` (${least} to ${most})`;
  if (least !== undefined) return ` (${least} or more)`;
  if (most !== undefined) return ` (up to ${most})`;
  return longest !== undefined ? ` (up to ${longest} characters)` : "";
}

/** The composer while a command is being filled in. */
export class CommandForm {
  #entries = new Map();

  constructor(command, popup, places, { onSend, onLeave }) {
    Object.assign(this, { command, popup, places, onLeave });
    this.help = el("p", { class: "option-help faint", id: uniqueId("help") }, command.description);
    this.chips = el(
      "div",
      { class: "option-chips" },
      el("span", { class: "command-name", "data-testid": "command-name" }, `/${command.name}`),
    );
    this.more = el("div", { class: "option-more", "data-testid": "optional-options" });
    this.element = el(
      "form",
      {
        class: "command-form",
        "data-testid": "command-form",
        "aria-label": `Command /${command.name}`,
        novalidate: true,
        onkeydown: (event) => this.#key(event),
        onsubmit: (event) => {
          event.preventDefault();
          this.#submit(onSend);
        },
      },
      this.help,
      el(
        "div",
        { class: "command-row" },
        this.chips,
        iconButton("close", "Leave the command", { onclick: onLeave, "data-testid": "command-cancel" }),
        el(
          "button",
          {
            type: "submit",
            class: "icon-button send",
            "aria-label": `Run /${command.name}`,
            "data-testid": "command-send",
          },
          "Run",
        ),
      ),
      this.more,
    );
    for (const option of command.options) if (option.required) this.add(option);
    this.#drawMore();
  }

  fill(values) {
    for (const [name, value] of Object.entries(values)) {
      const option = this.command.options.find((candidate) => candidate.name === name);
      if (option) this.add(option).field.set(value);
    }
  }

  add(option) {
    const known = this.#entries.get(option.name);
    if (known) return known;
    const entry = this.#makeEntry(option);
    this.#entries.set(option.name, entry);
    this.chips.append(entry.element);
    this.#drawMore();
    return entry;
  }

  #makeEntry(option) {
    const field = makeField(option, this.popup, { ...this.places, complete: (...asked) => this.#complete(...asked) });
    const id = uniqueId("option");
    const trouble = el("span", { class: "option-trouble", id: `${id}-trouble`, role: "alert" });
    Object.assign(field.input, { id });
    field.input.dataset.testid = `command-option-${option.name}`;
    field.input.setAttribute("aria-describedby", `${this.help.id} ${trouble.id}`);
    field.input.setAttribute("aria-required", String(Boolean(option.required)));
    field.input.addEventListener("focus", () => this.#explain(option));
    const element = el(
      "div",
      { class: option.type === TYPE.STRING && !option.choices ? "option option-wide" : "option" },
      el("label", { for: id }, option.name),
      field.element,
      option.required ? null : removeButton(option.name, () => this.#remove(option)),
      trouble,
    );
    const entry = { option, field, element, trouble };
    field.touched = () => this.#complain(entry, "");
    field.onPicked = () => this.#next(entry);
    return entry;
  }

  #explain(option) {
    this.help.replaceChildren(el("strong", {}, option.name), ` ${option.description}${bounds(option)}`);
  }

  #remove(option) {
    this.#entries.get(option.name).element.remove();
    this.#entries.delete(option.name);
    this.#drawMore();
    this.focus();
  }

  #drawMore() {
    const rest = this.command.options.filter(({ name }) => !this.#entries.has(name));
    const offer = (option) =>
      el(
        "button",
        {
          type: "button",
          class: "option-add",
          title: option.description,
          "data-testid": `add-option-${option.name}`,
          onclick: () => this.add(option).field.focus(),
        },
        `+ ${option.name}`,
      );
    this.more.replaceChildren(
      ...(rest.length ? [el("span", { class: "faint" }, "Optional:"), ...rest.map(offer)] : []),
    );
  }

  /** After a choice the cursor goes to the next empty field, or stays for Enter. */
  #next(entry) {
    const entries = [...this.#entries.values()];
    const after = entries.slice(entries.indexOf(entry) + 1).find(({ field }) => !field.input.value);
    (after ?? entry).field.focus();
    if (!after) entry.field.box?.close();
  }

  focus() {
    const entries = [...this.#entries.values()];
    const empty =
      entries.find(({ field, option }) => (option.type === TYPE.ATTACHMENT ? !field.file : !field.input.value)) ??
      entries.at(-1);
    if (empty) empty.field.focus();
    else this.element.querySelector(".send").focus();
  }

  #complain({ field, trouble }, sentence) {
    trouble.textContent = sentence;
    if (sentence) field.input.setAttribute("aria-invalid", "true");
    else field.input.removeAttribute("aria-invalid");
  }

  /** Values of the fields that can be read now; with `onTrouble`, unreadable ones are told of. */
  #collect(onTrouble = () => {}) {
    const options = {};
    const files = new Map();
    for (const entry of this.#entries.values()) {
      try {
        const { value, file } = entry.field.read();
        if (value !== undefined) options[entry.option.name] = value;
        else if (file) files.set(entry.option.name, file);
        else if (entry.option.required) throw new Invalid("This option is required.");
      } catch (error) {
        if (!(error instanceof Invalid)) throw error;
        onTrouble(entry, error.message);
      }
    }
    return { options, files };
  }

  #complete(option, text, signal) {
    const { options } = this.#collect();
    return this.places.complete(this.command.name, { ...options, [option.name]: text }, option.name, signal);
  }

  async #submit(onSend) {
    const wrong = [];
    const { options, files } = this.#collect((entry, sentence) => {
      this.#complain(entry, sentence);
      wrong.push(entry);
    });
    if (wrong.length) return wrong[0].field.focus();
    try {
      return await onSend({ command: this.command, options, files });
    } catch (error) {
      if (error instanceof Refused) return undefined;
      throw error;
    }
  }

  takeFile(file) {
    const option = this.command.options.find(
      ({ name, type }) => type === TYPE.ATTACHMENT && !this.#entries.get(name)?.field.file,
    );
    if (!option) return false;
    this.add(option).field.set(file);
    return true;
  }

  #key(event) {
    if (event.isComposing) return;
    const { target } = event;
    if (event.key === "Escape") this.onLeave();
    else if (event.key === "Enter" && !event.shiftKey && target.matches(".option-input")) {
      event.preventDefault();
      this.element.requestSubmit();
    } else if (event.key === "Backspace" && target.matches(".option-input") && !target.value)
      this.#erase(event, target);
  }

  #erase(event, target) {
    const entry = [...this.#entries.values()].find(({ field }) => field.input === target);
    event.preventDefault();
    if (entry.option.required) this.onLeave();
    else this.#remove(entry.option);
  }
}
