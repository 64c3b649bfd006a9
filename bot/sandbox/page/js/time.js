import { el } from "./dom.js";

const LANGUAGE = "en-GB";
const STYLES = {
  t: { timeStyle: "short" },
  T: { timeStyle: "medium" },
  d: { dateStyle: "short" },
  D: { dateStyle: "long" },
  f: { dateStyle: "long", timeStyle: "short" },
  F: { dateStyle: "full", timeStyle: "short" },
};
const STEPS = [
  ["year", 31_536_000],
  ["month", 2_592_000],
  ["day", 86_400],
  ["hour", 3600],
  ["minute", 60],
  ["second", 1],
];
const words = new Intl.RelativeTimeFormat(LANGUAGE, { numeric: "auto" });

export function format(date, style) {
  return new Intl.DateTimeFormat(LANGUAGE, STYLES[style]).format(date);
}

export function relative(date, now = Date.now()) {
  const seconds = Math.round((date.getTime() - now) / 1000);
  const [unit, size] = STEPS.find(([, size]) => Math.abs(seconds) >= size) ?? STEPS.at(-1);
  return words.format(Math.trunc(seconds / size), unit);
}

export function timestamp(unix, style = "f") {
  const date = new Date(unix * 1000);
  if (Number.isNaN(date.getTime())) return `<t:${unix}>`;
  const live = style === "R";
  const text = live ? relative(date) : format(date, style);
  return el(
    "time",
    { class: "stamp", datetime: date.toISOString(), title: format(date, "F"), "data-relative": live },
    text,
  );
}

export function clockTime(iso) {
  const date = new Date(iso);
  const today = date.toDateString() === new Date().toDateString();
  return el(
    "time",
    { datetime: iso, title: format(date, "F") },
    today ? format(date, "t") : `${format(date, "d")} ${format(date, "t")}`,
  );
}

export function startClock(root) {
  setInterval(() => {
    for (const node of root.querySelectorAll("time[data-relative]")) {
      const text = relative(new Date(node.dateTime));
      // Changing the text node, not replacing it, keeps the live region silent.
      if (node.firstChild.data !== text) node.firstChild.data = text;
    }
  }, 1000);
}
