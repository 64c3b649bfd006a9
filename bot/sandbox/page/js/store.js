export const EPHEMERAL = 1 << 6;
export const LOADING = 1 << 7;
export const V2 = 1 << 15;

export const PRIVATE_CHANNEL = 1;

export function bySnowflake(a, b) {
  return a.id.length - b.id.length || (a.id < b.id ? -1 : Number(a.id > b.id));
}

/**
 * Everything the page knows; views listen for "world", "acting", "channel", "messages", "commands", "bot", "connection"
 * and "sent".
 */
export class Store extends EventTarget {
  world = { users: [], guilds: [], bot: { id: null, online: false } };
  users = new Map();
  channels = new Map();
  actingId = null;
  channelId = null;
  commands = [];
  directs = [];
  connected = true;
  unread = new Map();
  #messages = new Map();
  #gone = new Set();
  #pending = [];

  changed(...topics) {
    for (const topic of topics) this.dispatchEvent(new Event(topic));
  }

  on(topics, listener) {
    for (const topic of topics.split(" ")) this.addEventListener(topic, listener);
  }

  setWorld(world) {
    this.world = world;
    this.users = new Map(world.users.map((user) => [user.id, user]));
    this.channels = new Map();
    for (const guild of world.guilds)
      for (const channel of guild.channels) this.channels.set(channel.id, { ...channel, guild });
    for (const direct of this.directs) this.#addDirectChannel(direct);
    this.changed("world", "bot");
  }

  setDirects(directs) {
    this.directs = directs;
    for (const direct of directs) {
      this.#addDirectChannel(direct);
      this.setMessages(direct.channel_id, direct.messages);
    }
    this.changed("world");
  }

  #addDirectChannel({ channel_id: id }) {
    this.channels.set(id, { id, name: this.userName(this.world.bot.id), type: PRIVATE_CHANNEL, guild: null });
  }

  setBotOnline(online) {
    this.world.bot = { ...this.world.bot, online };
    this.changed("bot");
  }

  setConnected(connected) {
    this.connected = connected;
    this.changed("connection");
  }

  setCommands(commands) {
    this.commands = commands;
    this.changed("commands");
  }

  /** Another member sees other things: nothing of the last one's is kept. */
  actAs(userId) {
    this.actingId = userId;
    this.#messages.clear();
    this.#pending = [];
    this.unread.clear();
    for (const { channel_id: id } of this.directs) this.channels.delete(id);
    this.directs = [];
    this.changed("acting", "world", "messages");
  }

  openChannel(channelId) {
    this.channelId = channelId;
    this.unread.delete(channelId);
    this.changed("channel", "messages");
  }

  setMessages(channelId, messages) {
    this.#messages.set(channelId, new Map(messages.map((message) => [message.id, message])));
    if (channelId === this.channelId) this.changed("messages");
  }

  /** `fresh` is false for an answer that may be older than what an event has brought already. */
  putMessage(message, fresh = true) {
    const known = this.#messages.get(message.channel_id) ?? new Map();
    if (this.#gone.has(message.id) || (!fresh && known.has(message.id))) return;
    this.#countUnread(message, known);
    known.set(message.id, { ...known.get(message.id), ...message });
    this.#messages.set(message.channel_id, known);
    if (message.channel_id === this.channelId) this.changed("messages");
  }

  #countUnread(message, known) {
    if (message.channel_id === this.channelId || known.has(message.id) || message.author?.id === this.actingId) return;
    this.unread.set(message.channel_id, (this.unread.get(message.channel_id) ?? 0) + 1);
    this.changed("world");
  }

  dropMessage(message) {
    this.#gone.add(message.id);
    if (this.#messages.get(message.channel_id)?.delete(message.id)) this.changed("messages");
  }

  addPending(row) {
    this.#pending.push(row);
    this.changed("messages", "sent");
  }

  changePending(row, changes) {
    Object.assign(row, changes);
    this.changed("messages");
  }

  dropPending(row) {
    this.#pending = this.#pending.filter((other) => other !== row);
    this.changed("messages");
  }

  message(channelId, id) {
    return this.#messages.get(channelId)?.get(id);
  }

  get messages() {
    return [...(this.#messages.get(this.channelId)?.values() ?? [])].sort(bySnowflake);
  }

  get pending() {
    return this.#pending.filter((row) => row.channelId === this.channelId);
  }

  get acting() {
    return this.users.get(this.actingId);
  }

  get channel() {
    return this.channels.get(this.channelId);
  }

  get members() {
    const guild = this.channel?.guild ?? this.world.guilds[0];
    return (guild?.members ?? []).flatMap(({ user_id: id, moderator }) => {
      const user = this.users.get(id);
      return user ? [{ ...user, moderator }] : [];
    });
  }

  userName(id) {
    const user = this.users.get(id);
    return user ? user.global_name || user.username : "unknown";
  }
}
