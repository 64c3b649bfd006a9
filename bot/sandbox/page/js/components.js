import { el, icon } from "./dom.js";
import { markdown } from "./markdown.js";
import { attachment, localUrl, mediaItem } from "./media.js";
import { Select } from "./select.js";

const BUTTON_STYLES = { 1: "primary", 2: "secondary", 3: "success", 4: "danger", 5: "link", 6: "premium" };
const PICKERS = { 5: "Choose a member", 6: "Choose a role", 7: "Choose a member", 8: "Choose a channel" };

function buttonLabel({ emoji, label }) {
  return [emoji && !emoji.id ? el("span", { "aria-hidden": "true" }, emoji.name) : null, label ?? null];
}

function button(data, context) {
  const style = BUTTON_STYLES[data.style];
  if (data.style === 5) {
    return el(
      "a",
      { class: "button button-link", href: data.url, target: "_blank", rel: "noopener noreferrer" },
      buttonLabel(data),
      icon("out"),
    );
  }
  return el(
    "button",
    {
      type: "button",
      class: `button button-${style}`,
      disabled: Boolean(data.disabled) || data.style === 6,
      "aria-label": data.label ? null : data.emoji?.name,
      "data-custom-id": data.custom_id,
      "data-testid": "component-button",
      onclick: (event) => context.press(data.custom_id, undefined, event.currentTarget),
    },
    buttonLabel(data),
  );
}

export function selectOptions(data, context) {
  switch (data.type) {
    case 3:
      return data.options;
    case 5:
    case 7:
      return context
        .members()
        .map((user) => ({ value: user.id, label: user.global_name || user.username, description: user.username }));
    case 8:
      return context.channels(data.channel_types).map(({ id, name }) => ({ value: id, label: `#${name}` }));
    default:
      return [];
  }
}

function chosenIn(data) {
  const named = (data.options ?? []).filter((option) => option.default).map(({ value }) => value);
  return [...named, ...(data.default_values ?? []).map(({ id }) => id)];
}

export function select(data, context, { label, onChange } = {}) {
  return new Select({
    options: selectOptions(data, context),
    placeholder: data.placeholder ?? PICKERS[data.type] ?? "Make a selection",
    label,
    least: data.min_values ?? 1,
    most: data.max_values ?? 1,
    disabled: data.disabled,
    chosen: chosenIn(data),
    testId: "component-select",
    onChange: onChange ?? ((values) => context.press(data.custom_id, values)),
  });
}

function section(data, context) {
  return el(
    "div",
    { class: "v2-section" },
    el(
      "div",
      { class: "v2-texts" },
      data.components.map((child) => component(child, context)),
    ),
    component(data.accessory, context),
  );
}

function container(data, context) {
  const colour = typeof data.accent_color === "number" ? `#${data.accent_color.toString(16).padStart(6, "0")}` : null;
  return el(
    "div",
    { class: "v2-container", vars: colour ? { "--accent": colour } : {} },
    data.components.map((child) => component(child, context)),
  );
}

function thumbnail(data) {
  return el("img", { class: "v2-thumbnail", src: localUrl(data.media.url), alt: data.description ?? "" });
}

function fileItem(data) {
  const url = new URL(data.file.url, location.href);
  const filename = data.name ?? url.pathname.split("/").at(-1);
  return attachment({
    ...data.file,
    filename,
    size: data.size,
    spoiler: data.spoiler,
    content_type: "application/octet-stream",
  });
}

const DRAW = {
  1: (data, context) =>
    el(
      "div",
      { class: "button-row" },
      data.components.map((child) => component(child, context)),
    ),
  2: button,
  3: (data, context) => select(data, context).element,
  5: (data, context) => select(data, context).element,
  6: (data, context) => select(data, context).element,
  7: (data, context) => select(data, context).element,
  8: (data, context) => select(data, context).element,
  9: section,
  10: (data, context) => el("div", { class: "v2-text" }, markdown(data.content, context)),
  11: thumbnail,
  12: (data) => el("div", { class: "gallery" }, data.items.map(mediaItem)),
  13: fileItem,
  14: (data) => el("hr", { class: data.divider === false ? "v2-gap" : "v2-line" }),
  17: container,
};

export function component(data, context) {
  const draw = DRAW[data.type];
  if (!draw) throw new Error(`unknown component type ${data.type}`);
  return draw(data, context);
}
