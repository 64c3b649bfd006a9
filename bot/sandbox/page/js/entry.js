import { Combobox } from "./combobox.js";
import { readLine, search } from "./commands.js";
import { el } from "./dom.js";

/** The composer while a message is written, or a command is looked for. */
export class Entry {
  constructor(popup, { commands, placeholder, onCommand, onSay }) {
    Object.assign(this, { commands, onCommand, onSay });
    this.input = el("textarea", {
      rows: 1,
      class: "entry-input",
      "aria-label": placeholder,
      placeholder,
      maxlength: 2000,
      "data-testid": "composer-input",
    });
    this.box = new Combobox(this.input, popup, {
      source: (text) => this.#matches(text),
      wantsList: (text) => text.startsWith("/"),
      onPick: ({ value }) => onCommand(value, {}),
      title: "Commands",
    });
    this.input.addEventListener("input", () => this.#typed());
    this.input.addEventListener("keydown", (event) => this.#key(event));
    this.element = el(
      "div",
      { class: "entry" },
      this.input,
      el(
        "button",
        {
          type: "button",
          class: "icon-button send",
          "aria-label": "Send the message",
          "data-testid": "composer-send",
          onclick: () => this.send(),
        },
        "Send",
      ),
    );
  }

  #matches(text) {
    return search(this.commands(), text.slice(1)).map((command) => ({
      label: `/${command.name}`,
      note: command.description,
      value: command,
    }));
  }

  /** A full command name and a space is a command already. */
  #typed() {
    const text = this.input.value;
    const found = text.startsWith("/") ? readLine(this.commands(), text) : null;
    if (!found || text.length === found.command.name.length + 1) return;
    this.box.close();
    this.onCommand(found.command, found.values);
  }

  #key(event) {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    this.send();
  }

  send() {
    const text = this.input.value.trim();
    if (!text) return;
    const found = text.startsWith("/") ? readLine(this.commands(), text) : null;
    if (found) this.onCommand(found.command, found.values);
    else this.onSay(text);
  }

  focus() {
    this.input.focus();
  }
}
