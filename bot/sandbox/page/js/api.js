export class Refused extends Error {
  constructor(status, sentence) {
    super(sentence);
    this.status = status;
  }
}

async function send(path, init) {
  let response;
  try {
    response = await fetch(path, init);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused(0, "The sandbox cannot be reached.");
  }
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Refused(response.status, answer.error ?? `The sandbox answered ${response.status}.`);
  return answer;
}

function post(path, body, signal) {
  if (body instanceof FormData) return send(path, { method: "POST", body, signal });
  return send(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
    signal,
  });
}

function form(payload, files) {
  const body = new FormData();
  body.append("payload", JSON.stringify(payload));
  for (const [name, file] of files) body.append(name, file, file.name);
  return body;
}

export function fetchWorld() {
  return send("/sandbox/world");
}

/** What one member can see and do. */
export class MemberApi {
  constructor(userId) {
    this.userId = userId;
  }

  path(rest, query = {}) {
    return `/sandbox/${rest}?${new URLSearchParams({ as: this.userId, ...query })}`;
  }

  messages(channel) {
    return send(this.path(`channels/${channel}/messages`));
  }

  directMessages() {
    return send(this.path("dms"));
  }

  commands({ id, guild }) {
    return send(guild ? this.path(`guilds/${guild.id}/commands`, { channel: id }) : this.path("dms/commands"));
  }

  say(channel, content) {
    return post(this.path(`channels/${channel}/say`), { content });
  }

  async command(channel, name, options, files) {
    return (await post(this.path(`channels/${channel}/command`), form({ name, options }, files))).interaction;
  }

  async complete(channel, name, options, focused, signal) {
    return (await post(this.path(`channels/${channel}/complete`), { name, options, focused }, signal)).choices;
  }

  remove(message) {
    return send(this.path(`messages/${message}`), { method: "DELETE" });
  }

  async component(message, body) {
    return (await post(this.path(`messages/${message}/component`), body)).interaction;
  }

  async modal(interaction, values, files) {
    return (await post(this.path(`modals/${interaction}`), form({ values }, files))).interaction;
  }
}

/** Keeps a WebSocket open until `close()`; `onState(true)` after each opening, so that the caller can catch up. */
export class EventStream {
  constructor(api, { onEvent, onState }) {
    this.api = api;
    this.onEvent = onEvent;
    this.onState = onState;
    this.delay = 500;
    this.closed = false;
    this.open();
  }

  open() {
    const url = new URL(this.api.path("events"), location.href);
    url.protocol = url.protocol.replace("http", "ws");
    this.socket = new WebSocket(url);
    this.socket.addEventListener("open", () => this.opened());
    this.socket.addEventListener("message", ({ data }) => this.closed || this.onEvent(JSON.parse(data)));
    this.socket.addEventListener("close", () => this.lost());
  }

  opened() {
    if (this.closed) return;
    this.delay = 500;
    this.onState(true);
  }

  lost() {
    if (this.closed) return;
    this.onState(false);
    this.timer = setTimeout(() => this.open(), this.delay);
    this.delay = Math.min(this.delay * 2, 8000);
  }

  close() {
    this.closed = true;
    clearTimeout(this.timer);
    this.socket.close();
  }
}
