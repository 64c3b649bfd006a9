import { Combobox } from "./combobox.js";
import { TYPE } from "./commands.js";
import { byteSize, el, icon, iconButton } from "./dom.js";

const AUTOCOMPLETE_DELAY = 150;

export class Invalid extends Error {}

/** One option. `read()` gives `{value}`, `{file}`, `{}` when empty, or throws `Invalid` with what to mend. */
class Field {
  constructor(option) {
    this.option = option;
    this.touched = () => {};
  }

  focus() {
    this.input.focus();
  }

  get numeric() {
    return this.option.type === TYPE.INTEGER || this.option.type === TYPE.NUMBER;
  }

  number(text) {
    const { type, min_value: least, max_value: most } = this.option;
    const value = Number(text.replace(",", "."));
    if (!Number.isFinite(value)) throw new Invalid("Give a number.");
    if (type === TYPE.INTEGER && !Number.isInteger(value)) throw new Invalid("Give a whole number.");
    if (least !== undefined && value < least) throw new Invalid(`Give ${least} or more.`);
    if (most !== undefined && value > most) throw new Invalid(`Give ${most} or less.`);
    return value;
  }

  words(text) {
    const { min_length: least, max_length: most } = this.option;
    if (least !== undefined && text.length < least) throw new Invalid(`Write at least ${least} characters.`);
    if (most !== undefined && text.length > most)
      throw new Invalid(`Write at most ${most} characters; these are ${text.length}.`);
    return text;
  }
}

class TextField extends Field {
  constructor(option) {
    super(option);
    this.input = el("textarea", {
      rows: 1,
      class: "option-input",
      inputmode: this.numeric ? "decimal" : null,
      autocomplete: "off",
      spellcheck: this.numeric ? "false" : null,
    });
    this.element = this.input;
    this.input.addEventListener("input", () => this.touched());
  }

  set(text) {
    this.input.value = text;
  }

  read() {
    const text = this.input.value.trim();
    if (!text) return {};
    return { value: this.numeric ? this.number(text) : this.words(text) };
  }
}

/** A field with a list: static choices, autocomplete, booleans, members and channels. */
class ListField extends Field {
  constructor(option, popup, source, { free = false, delay = 0 } = {}) {
    super(option);
    this.free = free;
    this.picked = null;
    this.input = el("input", {
      type: "text",
      class: "option-input",
      inputmode: this.numeric && free ? "decimal" : null,
    });
    this.element = this.input;
    this.input.addEventListener("input", () => this.#typed());
    this.box = new Combobox(this.input, popup, {
      source: (text, ...rest) => source(this.picked ? "" : text, ...rest),
      title: "",
      delay,
      onPick: (item) => this.#pick(item),
    });
    this.known = source;
  }

  #typed() {
    this.picked = null;
    this.touched();
  }

  #pick(item) {
    this.picked = item;
    this.input.value = item.label;
    this.touched();
    this.onPicked?.();
  }

  set(text) {
    this.input.value = text;
    this.picked = this.free ? null : this.#named(String(text));
    if (this.picked) this.input.value = this.picked.label;
  }

  #named(text) {
    const wanted = text.toLowerCase();
    return this.known("").find(({ label, value }) => label.toLowerCase() === wanted || String(value) === text) ?? null;
  }

  read() {
    const text = this.input.value.trim();
    if (!text) return {};
    if (this.picked) return { value: this.picked.value };
    if (this.free) return { value: this.numeric ? this.number(text) : this.words(text) };
    const named = this.#named(text);
    if (!named) throw new Invalid("Choose one from the list.");
    return { value: named.value };
  }
}

function accepted({ file_types: types = [] }) {
  return types.map((type) => (type.startsWith(".") ? type : `${type}/*`)).join(",") || null;
}

class FileField extends Field {
  constructor(option) {
    super(option);
    this.file = null;
    this.input = el("input", {
      type: "file",
      accept: accepted(option),
      class: "visually-hidden file-input",
      onchange: () => this.set(this.input.files[0] ?? null),
    });
    this.label = el("span", { class: "file-drop" });
    this.element = el("span", { class: "file-field" }, this.label, this.input);
    this.label.addEventListener("click", () => this.input.click());
    this.#draw();
  }

  set(file) {
    this.file = file;
    this.#draw();
    this.touched();
    this.onPicked?.();
  }

  #draw() {
    if (this.preview) URL.revokeObjectURL(this.preview);
    this.preview = this.file?.type.startsWith("image/") ? URL.createObjectURL(this.file) : null;
    if (!this.file) return this.label.replaceChildren(icon("clip"), "Choose, drop or paste a file");
    const picture = this.preview ? el("img", { class: "file-preview", src: this.preview, alt: "" }) : icon("file");
    return this.label.replaceChildren(
      picture,
      el("span", { class: "file-name" }, this.file.name),
      el("span", { class: "faint" }, byteSize(this.file.size)),
    );
  }

  read() {
    return this.file ? { file: this.file } : {};
  }
}

function among(items) {
  return (text) => {
    const wanted = text.trim().toLowerCase().replace(/^[@#]/, "");
    return items()
      .filter(({ label, note = "" }) => `${label} ${note}`.toLowerCase().includes(wanted))
      .slice(0, 25);
  };
}

const choices = (option) => option.choices.map(({ name, value }) => ({ label: name, value }));
const yesOrNo = () => [
  { label: "True", value: true },
  { label: "False", value: false },
];

/** `places` tells what the fields can choose from: `members()`, `channels(types)`, `complete(option, text, signal)`. */
export function makeField(option, popup, places) {
  if (option.type === TYPE.ATTACHMENT) return new FileField(option);
  if (option.type === TYPE.BOOLEAN) return new ListField(option, popup, among(yesOrNo));
  if ([TYPE.USER, TYPE.MENTIONABLE].includes(option.type)) return new ListField(option, popup, among(places.members));
  if (option.type === TYPE.CHANNEL)
    return new ListField(
      option,
      popup,
      among(() => places.channels(option.channel_types)),
    );
  if (option.type === TYPE.ROLE) return new ListField(option, popup, among(places.roles));
  if (option.choices?.length)
    return new ListField(
      option,
      popup,
      among(() => choices(option)),
    );
  if (!option.autocomplete) return new TextField(option);
  const ask = async (text, signal, pause) => {
    await pause();
    const found = await places.complete(option, text, signal);
    return found.map(({ name, value }) => ({ label: name, value }));
  };
  return new ListField(option, popup, ask, { free: true, delay: AUTOCOMPLETE_DELAY });
}

export function removeButton(name, onclick) {
  return iconButton("close", `Remove ${name}`, { class: "icon-button option-remove", onclick });
}
