import { avatar, el, icon, nameOf, redraw } from "./dom.js";
import { PRIVATE_CHANNEL } from "./store.js";

const READABLE = new Set([0, 1, 5, 10, 11, 12]);
const SIGNS = { 1: "letter", 10: "thread", 11: "thread", 12: "thread" };

function channelButton(channel, store, onOpen) {
  const current = channel.id === store.channelId;
  const unread = store.unread.get(channel.id) ?? 0;
  return el(
    "li",
    {},
    el(
      "button",
      {
        type: "button",
        class: current ? "channel current" : "channel",
        "aria-current": current ? "page" : null,
        disabled: !READABLE.has(channel.type),
        "data-testid": "channel",
        "data-channel-id": channel.id,
        onclick: () => onOpen(channel.id),
      },
      icon(SIGNS[channel.type] ?? "hash"),
      el("span", { class: "channel-name" }, channel.name),
      unread ? el("span", { class: "unread", "aria-label": `${unread} new messages` }, String(unread)) : null,
    ),
  );
}

function ordered(channels) {
  const tops = channels.filter(({ parent_id: parent }) => !parent || !channels.some(({ id }) => id === parent));
  return tops.flatMap((top) => [top, ...channels.filter(({ parent_id: parent }) => parent === top.id)]);
}

export function drawChannels(root, store, onOpen) {
  const focused = root.contains(document.activeElement) ? document.activeElement.dataset.channelId : null;
  const sections = store.world.guilds.map((guild) => section(guild.name, ordered(guild.channels), store, onOpen));
  const directs = [...store.channels.values()].filter(({ type }) => type === PRIVATE_CHANNEL);
  if (directs.length) sections.push(section("Direct messages", directs, store, onOpen));
  if (redraw(root, ...sections) && focused) root.querySelector(`[data-channel-id="${CSS.escape(focused)}"]`)?.focus();
}

function section(name, channels, store, onOpen) {
  return el(
    "section",
    { class: "guild", "data-testid": "guild" },
    el("h2", {}, name),
    el(
      "ul",
      {},
      channels.map((channel) => channelButton(channel, store, onOpen)),
    ),
  );
}

function memberRow(user, store, onSwitch) {
  const chosen = user.id === store.actingId;
  return el(
    "label",
    { class: chosen ? "member chosen" : "member" },
    el("input", {
      type: "radio",
      name: "member",
      class: "visually-hidden",
      value: user.id,
      checked: chosen,
      "data-testid": "member-option",
      "data-username": user.username,
      onchange: () => onSwitch(user.id),
    }),
    avatar(user),
    el("span", { class: "member-name" }, nameOf(user)),
    user.moderator ? el("span", { class: "tag tag-moderator" }, icon("shield"), "Moderator") : null,
  );
}

export function drawMembers(root, store, onSwitch) {
  const focused = root.contains(document.activeElement);
  const people = store.members.filter((user) => !user.bot);
  const bots = store.members.filter((user) => user.bot);
  const drawn = redraw(
    root,
    el(
      "fieldset",
      { class: "members", "data-testid": "member-switch" },
      el("legend", {}, "You are"),
      el(
        "div",
        { class: "member-list" },
        people.map((user) => memberRow(user, store, onSwitch)),
      ),
    ),
    ...bots.map((user) => botRow(user, store)),
  );
  if (drawn && focused) root.querySelector("input:checked")?.focus();
}

function botRow(user, store) {
  const known = user.id === store.world.bot.id;
  const state = known ? (store.world.bot.online ? "online" : "offline") : "";
  return el(
    "p",
    { class: "bot-row" },
    avatar(user),
    el("span", { class: "member-name" }, nameOf(user)),
    el("span", { class: "tag" }, "App"),
    el("span", { class: `state state-${state}` }, state),
  );
}
