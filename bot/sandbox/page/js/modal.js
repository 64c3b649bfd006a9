import { select } from "./components.js";
import { el, iconButton, uniqueId } from "./dom.js";
import { markdown } from "./markdown.js";
import { Refused } from "./api.js";

function textInput(data, id) {
  const long = data.style === 2;
  const input = el(long ? "textarea" : "input", {
    id,
    class: "text-input",
    rows: long ? 4 : null,
    type: long ? null : "text",
    placeholder: data.placeholder,
    value: data.value ?? "",
    minlength: data.min_length,
    maxlength: data.max_length,
    required: data.required !== false,
    "data-testid": `modal-${data.custom_id}`,
  });
  return { element: input, value: () => input.value };
}

function selectInput(data, id, context, label) {
  const control = select(data, context, { label, onChange: () => {} });
  control.button.id = id;
  return { element: control.element, value: () => control.values };
}

function choiceGroup(data, id, type, taken) {
  const chosen = (option) =>
    el(
      "label",
      { class: "check" },
      el("input", {
        type,
        name: id,
        value: option.value,
        checked: Boolean(option.default),
        required: type === "radio" && data.required !== false,
      }),
      el(
        "span",
        {},
        option.label,
        option.description ? el("small", { class: "faint" }, ` ${option.description}`) : null,
      ),
    );
  const element = el(
    "div",
    { class: "checks", id, role: type === "radio" ? "radiogroup" : "group" },
    data.options.map(chosen),
  );
  return { element, value: () => taken([...element.querySelectorAll("input:checked")].map(({ value }) => value)) };
}

function checkbox(data, id) {
  const input = el("input", { type: "checkbox", id, checked: Boolean(data.default) });
  return { element: input, value: () => input.checked };
}

function fileInput(data, id) {
  const input = el("input", {
    type: "file",
    id,
    required: data.required !== false,
    "data-testid": `modal-${data.custom_id}`,
  });
  return { element: input, file: () => input.files[0] ?? null };
}

const INPUTS = {
  3: selectInput,
  4: textInput,
  5: selectInput,
  6: selectInput,
  7: selectInput,
  8: selectInput,
  19: fileInput,
  21: (data, id) => choiceGroup(data, id, "radio", (values) => values[0] ?? null),
  22: (data, id) => choiceGroup(data, id, "checkbox", (values) => values),
  23: checkbox,
};

function labelled(data, label, description, context) {
  const make = INPUTS[data.type];
  if (!make) throw new Error(`unknown modal component type ${data.type}`);
  const id = uniqueId("modal");
  const input = make(data, id, context, label);
  const row = el(
    "div",
    { class: "modal-row" },
    el("label", { for: id }, label, data.required === false ? el("span", { class: "faint" }, " (optional)") : null),
    description ? el("p", { class: "faint" }, description) : null,
    input.element,
  );
  return { row, name: data.custom_id, input };
}

function rows(components, context) {
  return components.flatMap((data) => {
    if (data.type === 10) return [{ row: el("div", {}, markdown(data.content, context)) }];
    if (data.type === 18) return [labelled(data.component, data.label, data.description, context)];
    if (data.type === 1) return data.components.map((child) => labelled(child, child.label, null, context));
    throw new Error(`unknown modal component type ${data.type}`);
  });
}

/** Opens the form of an interaction; focus goes back where it was when it closes. */
export function openModal(interaction, context, submit) {
  const { title, components } = interaction.modal;
  const drawn = rows(components, context);
  const trouble = el("p", { class: "trouble", role: "alert", hidden: true });
  const titleId = uniqueId("modal-title");
  const send = el(
    "button",
    { type: "submit", class: "button button-primary", "data-testid": "modal-submit" },
    "Submit",
  );
  const form = el(
    "form",
    { class: "modal-form", method: "dialog", onsubmit: (event) => submitted(event) },
    drawn.map(({ row }) => row),
    trouble,
    el(
      "div",
      { class: "modal-buttons" },
      el("button", { type: "button", class: "button button-secondary", onclick: () => dialog.close() }, "Cancel"),
      send,
    ),
  );
  const dialog = el(
    "dialog",
    { class: "modal", "aria-labelledby": titleId, "data-testid": "modal", onclose: () => dialog.remove() },
    el("header", {}, el("h2", { id: titleId }, title), iconButton("close", "Close", { onclick: () => dialog.close() })),
    form,
  );

  async function submitted(event) {
    event.preventDefault();
    const inputs = drawn.filter(({ input }) => input);
    const values = Object.fromEntries(
      inputs.filter(({ input }) => !input.file).map(({ name, input }) => [name, input.value()]),
    );
    const files = inputs.flatMap(({ name, input }) => (input.file?.() ? [[name, input.file()]] : []));
    send.disabled = true;
    const sentence = await outcome(() => submit(interaction.id, values, files));
    send.disabled = false;
    if (sentence === null) return dialog.close();
    trouble.textContent = sentence;
    trouble.hidden = false;
  }

  document.body.append(dialog);
  dialog.showModal();
  form.querySelector("input, textarea, select, .select")?.focus();
}

async function outcome(act) {
  try {
    return await act();
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return error.message;
  }
}
