// Interactive elements: buttons, menus, inputs. Values are kept by the owner, not by the DOM.
import { el, icon } from "./dom.js";
import { textObject, safeHref } from "./mrkdwn.js";
import { confirmFirst, openMenu } from "./overlays.js";

export function element(item, block, screen, owner) {
  const render = ELEMENTS[item.type];
  if (!render) return el("span", { class: "hint" }, item.type);
  return render(item, block, screen, owner);
}

async function act(item, block, screen, owner, value) {
  if (item.confirm && !(await confirmFirst(item.confirm, screen))) return false;
  await owner.act(item.action_id, block.block_id, value);
  return true;
}

function button(item, block, screen, owner) {
  if (item.visible_to_user_ids && !item.visible_to_user_ids.includes(screen.me)) return el("span", { hidden: true });
  const node = el("button", { type: "button", class: `kit-button ${item.style || ""}`, "data-action": item.action_id, "aria-label": item.accessibility_label },
    textObject(item.text, screen));
  node.addEventListener("click", async () => {
    if (item.url && safeHref(item.url)) window.open(item.url, "_blank", "noopener");
    node.classList.add("busy");
    try {
      await act(item, block, screen, owner, null);
    } finally {
      node.classList.remove("busy");
    }
  });
  return node;
}

function overflow(item, block, screen, owner) {
  const node = el("button", { type: "button", class: "kit-button overflow", "aria-label": "More options", "aria-haspopup": "menu" }, icon("more"));
  node.addEventListener("click", () => openMenu(node, item.options.map((option) => ({
    label: option.text.text,
    run: () => act(item, block, screen, owner, option.value),
  }))));
  return node;
}

const keyOf = (item, block) => `${block.block_id}/${item.action_id}`;

function choices(item) {
  return [...(item.options || []), ...(item.option_groups || []).flatMap((group) => group.options)];
}

function optionNode(option) {
  return el("option", { value: option.value }, option.text.text);
}

function select(item, block, screen, owner, id, rows) {
  const current = owner.value(keyOf(item, block)) || "";
  const placeholder = item.placeholder ? item.placeholder.text : "Choose an option";
  const node = el("select", { class: "kit-select", id, "data-action": item.action_id, "aria-label": id ? undefined : placeholder },
    el("option", { value: "" }, placeholder), rows);
  node.value = current;
  node.addEventListener("change", async () => {
    const before = owner.value(keyOf(item, block)) || "";
    owner.keep(keyOf(item, block), node.value || null);
    if (owner.dispatches(block) && !(await act(item, block, screen, owner, node.value || null))) {
      owner.keep(keyOf(item, block), before || null);
      node.value = before;
    }
  });
  return el("span", { class: "select-box" }, node, icon("down"));
}

function staticSelect(item, block, screen, owner, id) {
  const rows = item.option_groups
    ? item.option_groups.map((group) => el("optgroup", { label: group.label.text }, group.options.map(optionNode)))
    : item.options.map(optionNode);
  return select(item, block, screen, owner, id, rows);
}

function usersSelect(item, block, screen, owner, id) {
  const rows = screen.people.map((user) => el("option", { value: user }, screen.users[user].real_name));
  return select(item, block, screen, owner, id, rows);
}

function channelsSelect(item, block, screen, owner, id) {
  const rows = screen.channels.filter((channel) => channel.name).map((channel) => el("option", { value: channel.id }, `#${channel.name}`));
  return select(item, block, screen, owner, id, rows);
}

function boxes(kind) {
  return (item, block, screen, owner, id) => {
    const key = keyOf(item, block);
    const many = kind === "checkbox";
    const name = `${owner.id}-${key}`;
    const group = el("div", { class: "choices", role: many ? "group" : "radiogroup", "aria-labelledby": id ? `${id}-label` : undefined });
    choices(item).forEach((option) => {
      const chosen = owner.value(key);
      const box = el("input", { type: kind, name, value: option.value });
      box.checked = many ? (chosen || []).includes(option.value) : chosen === option.value;
      box.addEventListener("change", () => {
        const picked = [...group.querySelectorAll("input:checked")].map((node) => node.value);
        owner.keep(key, many ? picked : picked[0]);
        if (owner.dispatches(block)) act(item, block, screen, owner, many ? picked : picked[0]);
      });
      group.append(el("label", { class: "choice" }, box, el("span", {}, el("span", { class: "choice-text" }, textObject(option.text, screen)),
        option.description ? el("span", { class: "choice-description" }, textObject(option.description, screen)) : null)));
    });
    return group;
  };
}

function textInput(item, block, screen, owner, id) {
  const key = keyOf(item, block);
  const types = { email_text_input: "email", url_text_input: "url", number_input: "number", datepicker: "date", timepicker: "time" };
  const node = item.multiline
    ? el("textarea", { class: "kit-input", id, rows: "4", maxlength: item.max_length ? String(item.max_length) : undefined })
    : el("input", { class: "kit-input", id, type: types[item.type] || "text", autocomplete: "off", spellcheck: "false" });
  if (item.placeholder) node.setAttribute("placeholder", item.placeholder.text);
  if (owner.errors && owner.errors[block.block_id]) {
    node.setAttribute("aria-invalid", "true");
    node.setAttribute("aria-describedby", `${id}-error`);
  }
  if (item.focus_on_load) node.setAttribute("data-focus", "");
  node.value = owner.value(key) || "";
  node.addEventListener("input", () => owner.keep(key, node.value || null));
  if (block.type === "input" && owner.dispatches(block) && !item.multiline) {
    node.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault();
      act(item, block, screen, owner, node.value || null);
    });
  }
  return node;
}

const ELEMENTS = {
  button, overflow, workflow_button: button,
  static_select: staticSelect, users_select: usersSelect, channels_select: channelsSelect, conversations_select: channelsSelect,
  radio_buttons: boxes("radio"), checkboxes: boxes("checkbox"), multi_static_select: boxes("checkbox"),
  datepicker: textInput, timepicker: textInput, plain_text_input: textInput, email_text_input: textInput,
  url_text_input: textInput, number_input: textInput,
};

export function inputElement(item, block, screen, owner, id) {
  const render = ELEMENTS[item.type];
  return render ? render(item, block, screen, owner, id) : el("span", { class: "hint" }, item.type);
}
