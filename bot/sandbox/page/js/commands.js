export const TYPE = {
  SUB: 1,
  GROUP: 2,
  STRING: 3,
  INTEGER: 4,
  BOOLEAN: 5,
  USER: 6,
  CHANNEL: 7,
  ROLE: 8,
  MENTIONABLE: 9,
  NUMBER: 10,
  ATTACHMENT: 11,
};
const CHAT_INPUT = 1;

/** Every slash command by its full name, sub-commands as "admin limits set". */
export function flatten(commands) {
  return commands
    .filter(({ type }) => (type ?? CHAT_INPUT) === CHAT_INPUT)
    .flatMap((command) => branch(command, []))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

function branch(node, before) {
  const path = [...before, node.name];
  const options = node.options ?? [];
  if (options.some(({ type }) => type === TYPE.SUB || type === TYPE.GROUP))
    return options.flatMap((child) => branch(child, path));
  return [{ name: path.join(" "), description: node.description ?? "", options }];
}

/** Names that begin with the words first, then names that hold them, then descriptions. */
export function search(commands, words) {
  const wanted = words.trim().toLowerCase();
  const rank = ({ name, description }) => {
    if (name.startsWith(wanted)) return 0;
    if (name.includes(wanted)) return 1;
    return description.toLowerCase().includes(wanted) ? 2 : 3;
  };
  return commands
    .map((command) => [rank(command), command])
    .filter(([place]) => place < 3)
    .sort((a, b) => a[0] - b[0])
    .map(([, command]) => command);
}

/** Reads "video prompt: a cat model: wan" into the command and what its options say; null when no command begins the line. */
export function readLine(commands, line) {
  const text = line.replace(/^\//, "");
  const fits = commands.filter(
    ({ name }) => text === name || text.startsWith(`${name} `) || text.startsWith(`${name}\n`),
  );
  const command = fits.sort((a, b) => b.name.length - a.name.length)[0];
  if (!command) return null;
  return { command, values: readValues(command, text.slice(command.name.length).trim()) };
}

function readValues(command, rest) {
  if (!rest || !command.options.length) return {};
  const names = command.options.map(({ name }) => name.replace(/[^\p{L}\p{N}_-]/gu, "")).join("|");
  const marks = [...rest.matchAll(new RegExp(`(?<=^|\\s)(${names}):\\s*`, "gu"))];
  if (!marks.length) {
    const first = command.options.find(({ type, required }) => type === TYPE.STRING && required);
    return first ? { [first.name]: rest } : {};
  }
  return Object.fromEntries(
    marks.map((mark, at) => [mark[1], rest.slice(mark.index + mark[0].length, marks[at + 1]?.index).trim()]),
  );
}
