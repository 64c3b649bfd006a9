import { Refused } from "./api.js";
import { Popup } from "./combobox.js";
import { TYPE, flatten } from "./commands.js";
import { avatar, el, nameOf } from "./dom.js";
import { Entry } from "./entry.js";
import { CommandForm } from "./form.js";

/** Where the member writes: an entry for messages, or the form of a command. */
export class Composer {
  constructor(root, store, session) {
    Object.assign(this, { root, store, session });
    this.popup = new Popup("completion");
    this.trouble = el("p", { class: "trouble", role: "alert", hidden: true, "data-testid": "composer-trouble" });
    this.body = el("div", { class: "composer-body" });
    this.who = el("p", { class: "composer-who", "data-testid": "acting-as" });
    root.append(this.popup.element, this.trouble, this.body, this.who);
    store.on("acting channel", () => this.reset());
    store.on("commands", () => this.#commandsChanged());
    store.on("world acting", () => this.#drawWho());
    this.#acceptFiles(document.body);
    this.reset();
  }

  get commands() {
    return flatten(this.store.commands);
  }

  #drawWho() {
    const user = this.store.acting;
    if (user)
      this.who.replaceChildren(
        avatar(user),
        el("span", {}, "You are ", el("strong", {}, nameOf(user))),
        el("span", { class: "keys faint" }, "Type / for commands"),
      );
  }

  #commandsChanged() {
    if (this.form && !this.commands.some(({ name }) => name === this.form.command.name)) this.reset();
  }

  reset() {
    this.form = null;
    this.complain("");
    this.popup.hide();
    const channel = this.store.channel;
    const where = channel?.guild ? `#${channel.name}` : (channel?.name ?? "");
    this.entry = new Entry(this.popup, {
      commands: () => this.commands,
      placeholder: channel?.guild ? `Write in ${where}, or type /` : `Write to ${where}`,
      onCommand: (command, values) => this.openCommand(command, values),
      onSay: (text) => this.#say(text),
    });
    this.body.replaceChildren(this.entry.element);
  }

  openCommand(command, values) {
    this.complain("");
    this.popup.hide();
    this.form = new CommandForm(command, this.popup, this.#places(), {
      onSend: (filled) => this.#run(filled),
      onLeave: () => this.#leave(),
    });
    this.body.replaceChildren(this.form.element);
    this.form.fill(values);
    this.form.focus();
  }

  #leave() {
    this.reset();
    this.entry.focus();
  }

  #places() {
    const { store } = this;
    return {
      members: () => store.members.map((user) => ({ label: nameOf(user), note: user.username, value: user.id })),
      channels: (types) =>
        [...store.channels.values()]
          .filter(({ guild, type }) => guild === store.channel.guild && (!types?.length || types.includes(type)))
          .map(({ id, name }) => ({ label: `#${name}`, value: id })),
      roles: () => [{ label: "@everyone", value: store.channel.guild.id }],
      complete: (name, options, focused, signal) => this.session.complete(name, options, focused, signal),
    };
  }

  async #run({ command, options, files }) {
    const form = this.form;
    this.#leave();
    try {
      await this.session.command(command.name, options, files);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if (!this.form && !this.entry.input.value) this.#restore(form);
      this.complain(error.message);
    }
  }

  #restore(form) {
    this.form = form;
    this.body.replaceChildren(form.element);
    form.focus();
  }

  async #say(text) {
    this.complain("");
    this.entry.input.value = "";
    try {
      await this.session.say(text);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if (!this.entry.input.value) this.entry.input.value = text;
      this.complain(error.message);
    }
  }

  complain(sentence) {
    this.trouble.textContent = sentence;
    this.trouble.hidden = !sentence;
  }

  /** Opens a command with some of its options filled in, ready to be changed and run. */
  prefill({ command: name, values = {} }) {
    const command = this.commands.find((candidate) => candidate.name === name);
    if (command) this.openCommand(command, values);
    else this.complain(`/${name} is not offered to you here.`);
  }

  #acceptFiles(root) {
    root.addEventListener("dragover", (event) => {
      if (!event.dataTransfer.types.includes("Files")) return;
      event.preventDefault();
      this.root.classList.add("dropping");
    });
    root.addEventListener("dragleave", (event) => event.relatedTarget || this.root.classList.remove("dropping"));
    root.addEventListener("drop", (event) => this.#dropped(event));
    root.addEventListener("paste", (event) => {
      const [file] = event.clipboardData.files;
      if (!file || document.querySelector("dialog[open]")) return;
      event.preventDefault();
      this.takeFile(file);
    });
  }

  #dropped(event) {
    this.root.classList.remove("dropping");
    const [file] = event.dataTransfer.files;
    if (!file) return;
    event.preventDefault();
    this.takeFile(file);
  }

  /** A file belongs to a command: the open one, or the first that asks for one. */
  takeFile(file) {
    if (!this.form) {
      const asking = this.commands.find(({ options }) =>
        options.some(({ type, required }) => type === TYPE.ATTACHMENT && required),
      );
      if (asking) this.openCommand(asking, {});
    }
    if (!this.form?.takeFile(file)) this.complain("No command here takes this file.");
    else this.form.focus();
  }
}
