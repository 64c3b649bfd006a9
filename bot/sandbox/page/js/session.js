import { EventStream, MemberApi, Refused, fetchWorld } from "./api.js";
import { uniqueId } from "./dom.js";

/** Carries the member's acts to the sandbox and what comes back into the store. */
export class Session {
  constructor(store, { onModal, onTrouble }) {
    this.store = store;
    this.onModal = onModal;
    this.onTrouble = onTrouble;
  }

  async start() {
    this.store.setWorld(await fetchWorld());
    const wanted = new URLSearchParams(location.hash.slice(1));
    const people = this.store.members.filter((user) => !user.bot);
    const first =
      people.find(({ id }) => id === wanted.get("as")) ?? people.find((user) => !user.moderator) ?? people[0];
    if (!first) throw new Refused(0, "The sandbox has no member to act as.");
    const channels = [...this.store.channels.values()];
    const channel =
      channels.find(({ id }) => id === wanted.get("channel")) ?? channels.find(({ type }) => type === 0) ?? channels[0];
    this.store.channelId = channel?.id ?? null;
    await this.actAs(first.id);
  }

  async actAs(userId) {
    this.stream?.close();
    if (!this.store.channel?.guild) this.store.channelId = this.#firstChannel();
    this.api = new MemberApi(userId);
    this.store.actAs(userId);
    this.#remember();
    this.stream = new EventStream(this.api, {
      onEvent: (event) => this.#event(event),
      onState: (open) => this.#connection(open),
    });
    await this.#catchUp();
  }

  #firstChannel() {
    return this.store.world.guilds[0]?.channels[0]?.id ?? null;
  }

  async openChannel(channelId) {
    this.store.openChannel(channelId);
    this.#remember();
    await Promise.all([this.#loadMessages(), this.loadCommands()]);
  }

  #remember() {
    history.replaceState(null, "", `#as=${this.store.actingId}&channel=${this.store.channelId}`);
  }

  async #connection(open) {
    const again = open && !this.store.connected;
    this.store.setConnected(open);
    if (!again) return;
    await this.#guard(async () => {
      this.store.setWorld(await fetchWorld());
      await this.#catchUp();
    });
  }

  async #catchUp() {
    await Promise.all([this.#loadMessages(), this.loadDirects(), this.loadCommands()]);
  }

  async #loadMessages() {
    const { channelId } = this.store;
    if (channelId === null) return;
    await this.#guard(async (api) => {
      const messages = await api.messages(channelId);
      if (api === this.api) this.store.setMessages(channelId, messages);
    });
  }

  loadDirects() {
    return this.#guard(async (api) => {
      const directs = await api.directMessages();
      if (api === this.api) this.store.setDirects(directs);
    });
  }

  async loadCommands() {
    const { channel } = this.store;
    if (!channel) return;
    await this.#guard(async (api) => {
      const commands = await api.commands(channel);
      if (api === this.api && channel.id === this.store.channelId) this.store.setCommands(commands);
    });
  }

  async #guard(act) {
    try {
      await act(this.api);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      this.onTrouble(error.message);
    }
  }

  async #event(event) {
    switch (event.type) {
      case "message_create":
      case "message_update":
        this.store.putMessage(event.message);
        if (!this.store.channels.has(event.message.channel_id)) await this.#newChannel();
        return;
      case "message_delete":
        this.store.dropMessage(event.message);
        return;
      case "bot":
        this.store.setBotOnline(event.online);
        return;
      case "commands":
        await this.loadCommands();
        return;
      default:
        throw new Error(`unknown event ${event.type}`);
    }
  }

  async #newChannel() {
    await this.loadDirects();
    await this.#guard(async () => this.store.setWorld(await fetchWorld()));
  }

  dismiss(message) {
    return this.#guard((api) => api.remove(message.id));
  }

  say(content) {
    return this.api.say(this.store.channelId, content);
  }

  complete(name, options, focused, signal) {
    return this.api.complete(this.store.channelId, name, options, focused, signal);
  }

  async command(name, options, files) {
    const row = { id: uniqueId("pending"), channelId: this.store.channelId, text: `/${name}`, refusal: null };
    this.store.addPending(row);
    try {
      const interaction = await this.api.command(row.channelId, name, options, files);
      if (interaction.refusal) this.store.changePending(row, { refusal: interaction.refusal });
      else this.store.dropPending(row);
      this.#answered(interaction);
    } catch (error) {
      this.store.dropPending(row);
      throw error;
    }
  }

  /** Returns the sentence that Discord shows when nobody answered, or null. */
  async press(message, customId, values) {
    const interaction = await this.api.component(
      message.id,
      values ? { custom_id: customId, values } : { custom_id: customId },
    );
    this.#answered(interaction);
    return interaction.refusal ?? null;
  }

  async submitModal(interactionId, values, files) {
    const interaction = await this.api.modal(interactionId, values, files);
    this.#answered(interaction);
    return interaction.refusal ?? null;
  }

  #answered(interaction) {
    if (interaction.message) this.store.putMessage(interaction.message, false);
    if (interaction.modal) this.onModal(interaction);
  }
}
