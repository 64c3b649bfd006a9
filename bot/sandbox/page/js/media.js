import { byteSize, el, icon } from "./dom.js";

const WIDEST = 480;
const TALLEST = 400;

function kind({ content_type: type = "", filename = "" }) {
  const named = /\.(mp4|webm|mov)$/i.test(filename)
    ? "video"
    : /\.(png|jpe?g|gif|webp)$/i.test(filename)
      ? "image"
      : "file";
  const [family] = (type ?? "").split("/");
  return ["video", "image", "audio"].includes(family) ? family : named;
}

function hidden({ filename = "", spoiler, is_spoiler: marked, flags = 0 }) {
  return Boolean(spoiler || marked || flags & (1 << 3) || filename.startsWith("SPOILER_"));
}

/** The sandbox's CDN is this page's own origin, by whatever name the browser reached it. */
export function localUrl(url) {
  const parsed = new URL(url, location.href);
  const loopback = ["127.0.0.1", "localhost", "[::1]"].includes(parsed.hostname);
  return loopback ? `${location.origin}${parsed.pathname}${parsed.search}` : parsed.href;
}

function fit(width, height) {
  if (!width || !height) return {};
  const scale = Math.min(1, WIDEST / width, TALLEST / height);
  return { "--media-width": `${Math.round(width * scale)}px`, "--media-ratio": `${width} / ${height}` };
}

function player(item) {
  const words = item.description || item.filename || "film";
  return el("video", {
    class: "media",
    controls: true,
    playsinline: true,
    preload: "metadata",
    src: localUrl(item.url),
    "aria-label": words,
    vars: fit(item.width, item.height),
    "data-testid": "video",
  });
}

function picture(item) {
  const words = item.description || item.filename || "picture";
  const href = localUrl(item.url);
  const image = el("img", {
    class: "media",
    src: href,
    alt: words,
    vars: fit(item.width, item.height),
    "data-testid": "image",
  });
  return el("a", { href, target: "_blank", rel: "noopener", class: "media-link" }, image);
}

function download(item) {
  const name = item.filename ?? "file";
  const size = item.size === undefined ? "" : byteSize(item.size);
  return el(
    "a",
    { class: "file", href: localUrl(item.url), download: name, "data-testid": "file" },
    icon("file"),
    el("span", { class: "file-name" }, name),
    el("span", { class: "file-size" }, size),
  );
}

const SHOW = {
  video: player,
  image: picture,
  audio: (item) =>
    el("audio", { controls: true, preload: "metadata", src: localUrl(item.url), "aria-label": item.filename }),
  file: download,
};

function veil(content, label) {
  const frame = el("div", { class: "veil", "data-testid": "spoiler" });
  const reveal = el("button", { type: "button", class: "veil-button" }, "Spoiler");
  reveal.setAttribute("aria-label", `Spoiler: show ${label}`);
  reveal.addEventListener("click", () => {
    frame.replaceChildren(content);
    frame.classList.add("shown");
    content.querySelector("a, video")?.focus();
  });
  content.setAttribute("inert", "");
  frame.append(content, reveal);
  reveal.addEventListener("click", () => content.removeAttribute("inert"));
  return frame;
}

function caption(item) {
  if (!item.filename) return null;
  const size = item.size === undefined ? "" : ` · ${byteSize(item.size)}`;
  return el(
    "a",
    { class: "media-caption", href: localUrl(item.url), download: item.filename },
    icon("save"),
    `${item.filename}${size}`,
  );
}

export function attachment(item) {
  const type = kind(item);
  const visible =
    type === "file"
      ? download(item)
      : el("figure", { class: `figure figure-${type}` }, SHOW[type](item), caption(item));
  return hidden(item) ? veil(visible, item.filename) : visible;
}

/** A Components V2 media item, with the facts that the sandbox filled in. */
export function mediaItem({ media, description, spoiler }) {
  const filename = media.filename ?? new URL(media.url, location.href).pathname.split("/").at(-1);
  return attachment({ ...media, filename, description, spoiler });
}
