import { el } from "./dom.js";
import { samplePicture } from "./sample.js";

const SUGGESTIONS = [
  {
    title: "Ask for a film",
    command: "video",
    values: { prompt: "A paper boat drifts down a rainy street at dusk, warm light from the windows" },
  },
  {
    title: "Paint a picture",
    command: "image",
    values: { prompt: "A small cinema on a cliff above the sea, oil on canvas" },
  },
  {
    title: "Bring a picture to life",
    command: "animate",
    values: { prompt: "The sun sets slowly and the water glitters" },
    picture: "image",
  },
  { title: "See the queue", command: "queue", values: {} },
  { title: "What can I make?", command: "models", values: {} },
  { title: "Set this guild's limits", command: "admin limits set", values: {} },
];

async function prefill(suggestion, composer) {
  const picture = suggestion.picture ? { [suggestion.picture]: await samplePicture() } : {};
  composer.prefill({ command: suggestion.command, values: { ...suggestion.values, ...picture } });
}

function card(suggestion, composer) {
  const typed = Object.entries(suggestion.values)
    .map(([name, value]) => `${name}: ${value}`)
    .join(" ");
  return el(
    "button",
    {
      type: "button",
      class: "card",
      "data-testid": `try-${suggestion.command}`,
      onclick: () => prefill(suggestion, composer),
    },
    el("strong", {}, suggestion.title),
    el("span", { class: "card-line" }, `/${suggestion.command} ${typed}`),
  );
}

/** What can be tried here: only commands that this member is offered. */
export function cards(composer) {
  const offered = new Set(composer.commands.map(({ name }) => name));
  return SUGGESTIONS.filter(({ command }) => offered.has(command)).map((suggestion) => card(suggestion, composer));
}
