// What lies over the page: menus, confirm dialogs, toasts. Esc and a click beside close them.
import { el, fill, icon } from "./dom.js";
import { textObject } from "./mrkdwn.js";

let menu = null;

export function closeMenu() {
  if (!menu) return;
  menu.node.remove();
  menu.anchor.setAttribute("aria-expanded", "false");
  menu = null;
}

export function openMenu(anchor, items) {
  const again = menu && menu.anchor === anchor;
  closeMenu();
  if (again) return;
  const node = el("div", { class: "menu", role: "menu" }, items.map((item) => {
    if (item.heading) return el("div", { class: "menu-heading" }, item.heading);
    return el("button", { type: "button", role: "menuitem", class: item.danger ? "danger" : "", onclick: () => {
      closeMenu();
      anchor.focus();
      item.run();
    } }, item.label, item.detail ? el("span", { class: "menu-detail" }, item.detail) : null);
  }));
  document.body.append(node);
  anchor.setAttribute("aria-expanded", "true");
  const box = anchor.getBoundingClientRect();
  const size = node.getBoundingClientRect();
  const left = Math.max(8, Math.min(box.left, innerWidth - size.width - 8));
  const below = box.bottom + 4 + size.height < innerHeight;
  node.style.left = `${left}px`;
  node.style.top = `${below ? box.bottom + 4 : Math.max(8, box.top - size.height - 4)}px`;
  menu = { node, anchor };
  const first = node.querySelector("button");
  if (first) first.focus();
  node.addEventListener("keydown", (event) => {
    const rows = [...node.querySelectorAll("button")];
    const at = rows.indexOf(document.activeElement);
    if (event.key === "ArrowDown") rows[(at + 1) % rows.length].focus();
    else if (event.key === "ArrowUp") rows[(at - 1 + rows.length) % rows.length].focus();
    else if (event.key === "Escape") {
      closeMenu();
      anchor.focus();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  });
}

document.addEventListener("mousedown", (event) => {
  if (menu && !menu.node.contains(event.target) && !menu.anchor.contains(event.target)) closeMenu();
});

export function ask({ title, body, yes, no, danger }) {
  return new Promise((resolve) => {
    const dialog = el("dialog", { class: "modal confirm", "aria-labelledby": "confirm-title" },
      el("div", { class: "modal-top" }, el("h2", { id: "confirm-title" }, title)),
      el("div", { class: "modal-body" }, body),
      el("div", { class: "modal-foot" },
        el("button", { type: "button", class: "kit-button", onclick: () => dialog.close("no") }, no),
        el("button", { type: "button", class: `kit-button ${danger ? "danger" : "primary"} filled`, onclick: () => dialog.close("yes") }, yes)));
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

export function confirmFirst(confirm, screen) {
  return ask({
    title: confirm.title.text, body: textObject(confirm.text, screen),
    yes: confirm.confirm.text, no: confirm.deny.text, danger: confirm.style === "danger",
  });
}

export function toast(text) {
  const node = el("div", { class: "toast" }, el("span", {}, text), el("button", { type: "button", "aria-label": "Close", onclick: () => node.remove() }, icon("close")));
  const place = document.getElementById("toasts");
  // A modal dialog lies in the top layer; a toast must be in it to be seen.
  const dialog = [...document.querySelectorAll("dialog[open]")].pop();
  (dialog || document.body).append(place);
  place.append(node);
  setTimeout(() => node.remove(), 8000);
}

export { fill };
