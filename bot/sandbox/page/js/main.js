import { Refused } from "./api.js";
import { Composer } from "./composer.js";
import { byId, el, icon, iconButton, nameOf, redraw } from "./dom.js";
import { Log } from "./log.js";
import { openModal } from "./modal.js";
import { Session } from "./session.js";
import { drawChannels, drawMembers } from "./sidebar.js";
import { Store } from "./store.js";
import { cards } from "./suggestions.js";
import { startClock } from "./time.js";

const SEEN = "matinee-ideas-seen";
const store = new Store();
const session = new Session(store, {
  onModal: (interaction) => openModal(interaction, makeContext(), (...filled) => session.submitModal(...filled)),
  onTrouble: (sentence) => composer.complain(sentence),
});
const composer = new Composer(byId("composer"), store, session);
const log = new Log(byId("log"), byId("jump"), store, makeContext, emptyState);

/** What the drawing of a message needs to know and may ask for. */
function makeContext(more = {}) {
  return {
    actingId: store.actingId,
    userName: (id) => store.userName(id),
    user: (user) => ({ ...user, ...store.users.get(user.id) }),
    isModerator: (id) => store.members.some((member) => member.id === id && member.moderator),
    members: () => store.members,
    channels: (types) =>
      [...store.channels.values()].filter(({ guild, type }) => guild && (!types?.length || types.includes(type))),
    channelName: (id) => store.channels.get(id)?.name,
    find: (id) => store.message(store.channelId, id),
    openChannel: (id) => session.openChannel(id),
    prefill: (wanted) => composer.prefill(wanted),
    dismiss,
    pressOn,
    ...more,
  };
}

async function dismiss(message) {
  await session.dismiss(message);
  byId("log").focus();
}

async function pressOn(message, customId, values) {
  try {
    return await session.press(message, customId, values);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return error.message;
  }
}

function emptyState() {
  const tries = cards(composer);
  return el(
    "li",
    { class: "empty", "data-testid": "empty" },
    el("span", { class: "screen", "aria-hidden": "true" }),
    el("h2", {}, "The screen is still dark"),
    el(
      "p",
      {},
      tries.length
        ? "Nobody has written here yet. Choose a first show, change its words as you like, and press Enter."
        : "Nobody has written here yet.",
    ),
    tries.length ? el("div", { class: "cards" }, tries) : null,
  );
}

function drawHeader() {
  const { channel, world } = store;
  byId("room-title").replaceChildren(
    channel ? icon(channel.guild ? "hash" : "letter") : "",
    channel?.name ?? "No channel",
  );
  document.title = channel ? `${channel.guild ? "#" : ""}${channel.name} · Matinee` : "Matinee";
  const bot = store.users.get(world.bot.id);
  const status = byId("bot-status");
  status.className = `bot-status ${world.bot.online ? "online" : "offline"}`;
  status.replaceChildren(
    el("span", { class: "lamp", "aria-hidden": "true" }),
    `${bot ? nameOf(bot) : "The bot"} is ${world.bot.online ? "online" : "offline"}`,
  );
}

function drawIdeas() {
  const open = localStorage.getItem(SEEN) !== "yes";
  const wanted = open && store.messages.length > 0 && Boolean(store.channel?.guild);
  const tries = wanted ? cards(composer) : [];
  byId("ideas").hidden = tries.length === 0;
  byId("ideas-toggle").setAttribute("aria-expanded", String(tries.length > 0));
  byId("ideas-toggle").hidden = store.messages.length === 0 || !store.channel?.guild;
  redraw(
    byId("ideas"),
    el("div", { class: "cards" }, tries),
    iconButton("close", "Hide these ideas", { onclick: () => showIdeas(false) }),
  );
}

function showIdeas(open) {
  localStorage.setItem(SEEN, open ? "no" : "yes");
  drawIdeas();
}

function drawBanner() {
  const banner = byId("banner");
  banner.hidden = store.connected;
  banner.textContent = store.connected ? "" : "The sandbox does not answer. Trying again…";
}

function drawer(open) {
  document.body.classList.toggle("drawer", open);
  byId("scrim").hidden = !open;
  byId("drawer-open").setAttribute("aria-expanded", String(open));
  byId("room").inert = open;
  if (open) byId("drawer-close").focus();
  else if (document.activeElement === document.body || byId("sidebar").contains(document.activeElement))
    byId("drawer-open").focus();
}

function wireDrawer() {
  byId("drawer-open").append(icon("menu"));
  byId("drawer-close").append(icon("close"));
  byId("drawer-open").addEventListener("click", () => drawer(true));
  byId("drawer-close").addEventListener("click", () => drawer(false));
  byId("scrim").addEventListener("click", () => drawer(false));
  document.addEventListener(
    "keydown",
    (event) => event.key === "Escape" && document.body.classList.contains("drawer") && drawer(false),
  );
  matchMedia("(min-width: 761px)").addEventListener("change", () => drawer(false));
}

async function openChannel(id) {
  if (document.body.classList.contains("drawer")) drawer(false);
  await session.openChannel(id);
}

function wireViews() {
  store.on("world channel acting", () => drawChannels(byId("channels"), store, openChannel));
  store.on("world acting channel bot", () => drawMembers(byId("members"), store, (id) => session.actAs(id)));
  store.on("world channel bot", drawHeader);
  store.on("messages commands channel", drawIdeas);
  store.on("commands", () => log.draw());
  store.on("connection", drawBanner);
  store.on("sent", () => showIdeas(false));
  byId("ideas-toggle").addEventListener("click", () => showIdeas(byId("ideas").hidden));
  startClock(document);
}

wireDrawer();
wireViews();
try {
  await session.start();
} catch (error) {
  if (!(error instanceof Refused)) throw error;
  byId("room-title").textContent = "The doors are closed";
  composer.complain(error.message);
}
