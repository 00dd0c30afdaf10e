// The modal that the app opened for this person, on top of everything, with what was typed so far.
import { el, icon } from "./dom.js";
import { renderBlocks } from "./blocks.js";
import { toast } from "./overlays.js";

let shown = null;

export function initialForm(values) {
  const form = {};
  for (const [block, row] of Object.entries(values)) {
    for (const [action, state] of Object.entries(row)) {
      let value = state.value ?? state.selected_user ?? state.selected_channel ?? state.selected_conversation ?? state.selected_date ?? state.selected_time ?? null;
      if (state.selected_option) value = state.selected_option.value;
      if (state.selected_options) value = state.selected_options.map((option) => option.value);
      form[`${block}/${action}`] = value;
    }
  }
  return form;
}

export function viewOwner(view, form, send) {
  return {
    id: view.id,
    errors: view.errors,
    value: (key) => form[key],
    keep: (key, value) => { form[key] = value; },
    dispatches: (block) => block.type !== "input" || block.dispatch_action === true,
    act: (action, block, value) => send({ do: "click", view: view.id, action_id: action, block_id: block, value, values: known(view, form) }),
  };
}

// Only what is an input of this view: a button has no value to send.
export function known(view, form) {
  const keys = new Set(Object.entries(initialForm(view.values)).map(([key]) => key));
  return Object.fromEntries(Object.entries(form).filter(([key]) => keys.has(key)));
}

export function showModal(view, screen, send) {
  if (!view) {
    if (shown) remove();
    return;
  }
  const stamp = JSON.stringify([view.id, view.hash, view.errors, view.depth]);
  if (shown && shown.stamp === stamp) return;
  const carried = shown && shown.view.id === view.id ? shown.form : {};
  const form = { ...initialForm(view.values), ...carried };
  const focused = shown && shown.view.id === view.id && document.activeElement ? document.activeElement.id : "";
  const dialog = shown ? shown.dialog : newDialog();
  shown = { view, form, stamp, dialog, send };
  draw(dialog, view, form, screen, send);
  if (!dialog.open) dialog.showModal();
  const failed = dialog.querySelector(".has-error input, .has-error textarea, .has-error select");
  const first = dialog.querySelector("[data-focus], .modal-body input, .modal-body textarea, .modal-body select");
  const target = failed || (focused && document.getElementById(focused)) || first || dialog.querySelector(".modal-foot .primary");
  if (target) target.focus();
}

function newDialog() {
  const dialog = el("dialog", { class: "modal", "aria-labelledby": "modal-title" });
  dialog.addEventListener("cancel", (event) => {
    event.preventDefault();
    if (shown) shown.send({ do: "close" });
  });
  document.body.append(dialog);
  return dialog;
}

function remove() {
  const { dialog } = shown;
  shown = null;
  document.body.append(document.getElementById("toasts"));
  dialog.close();
  dialog.remove();
}

function draw(dialog, view, form, screen, send) {
  const owner = viewOwner(view, form, send);
  const hasForm = Boolean(view.submit);
  const submit = hasForm ? el("button", { type: "submit", class: "kit-button primary filled" }, view.submit.text) : null;
  const closing = view.close ? view.close.text : "Close";
  const body = el("form", { novalidate: true, onsubmit: async (event) => {
    event.preventDefault();
    if (!submit || submit.disabled) return;
    submit.disabled = true;
    submit.classList.add("busy");
    const answer = await send({ do: "submit", values: known(view, form) }, { quiet: true });
    submit.disabled = false;
    submit.classList.remove("busy");
    if (!answer.ok) toast("We had some trouble connecting. Try again?");
  } },
  el("div", { class: "modal-top" }, el("span", { class: "modal-app" }, "L"), el("h2", { id: "modal-title" }, view.title ? view.title.text : ""),
    el("button", { type: "button", class: "plain-button", "aria-label": "Close", onclick: () => send({ do: "close" }) }, icon("close"))),
  el("div", { class: "modal-body" }, renderBlocks(view.blocks, screen, owner)),
  el("div", { class: "modal-foot" },
    el("button", { type: "button", class: "kit-button", onclick: () => send({ do: "close" }) }, view.depth > 1 && !view.close ? "Back" : closing), submit));
  body.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.metaKey || event.ctrlKey)) body.requestSubmit();
  });
  body.querySelector(".modal-app").textContent = screen.app.name[0];
  dialog.replaceChildren(body);
}
