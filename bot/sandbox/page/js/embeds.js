import { el } from "./dom.js";
import { inline, markdown } from "./markdown.js";
import { localUrl } from "./media.js";
import { format } from "./time.js";

function heading(embed, context) {
  if (!embed.title) return null;
  const text = inline(embed.title, context);
  const linked = /^https?:/.test(embed.url ?? "")
    ? el("a", { href: embed.url, target: "_blank", rel: "noopener noreferrer" }, text)
    : text;
  return el("div", { class: "embed-title" }, linked);
}

function field({ name, value, inline: narrow }, context) {
  return el(
    "div",
    { class: narrow ? "embed-field narrow" : "embed-field" },
    el("div", { class: "embed-name" }, inline(name, context)),
    el("div", {}, markdown(value, context)),
  );
}

function image(source, className) {
  return source?.url ? el("img", { class: className, src: localUrl(source.url), alt: source.description ?? "" }) : null;
}

function footer(embed) {
  const words = [embed.footer?.text, embed.timestamp && format(new Date(embed.timestamp), "f")].filter(Boolean);
  return words.length ? el("div", { class: "embed-footer" }, words.join(" · ")) : null;
}

export function embed(data, context) {
  const colour = data.color ? `#${data.color.toString(16).padStart(6, "0")}` : null;
  const fields = (data.fields ?? []).map((item) => field(item, context));
  return el(
    "article",
    { class: "embed", vars: colour ? { "--accent": colour } : {}, "data-testid": "embed" },
    image(data.thumbnail, "embed-thumbnail"),
    data.author?.name ? el("div", { class: "embed-author" }, data.author.name) : null,
    heading(data, context),
    data.description ? el("div", {}, markdown(data.description, context)) : null,
    fields.length ? el("div", { class: "embed-fields" }, fields) : null,
    image(data.image, "embed-image"),
    footer(data),
  );
}
