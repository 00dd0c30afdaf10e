// Where a person types: messages, replies, slash commands; and the menu of shortcuts.
import { el, icon } from "./dom.js";
import { openMenu, toast } from "./overlays.js";

export function composer(actions) {
  let screen = null;
  const area = el("textarea", { rows: "1", "aria-label": "Message", spellcheck: "false" });
  const hint = el("div", { class: "command-hint", hidden: true });
  const bolt = el("button", { type: "button", class: "plain-button bolt", "aria-label": "Shortcuts", title: "Shortcuts", "aria-haspopup": "menu" }, icon("bolt"));
  const sendButton = el("button", { type: "button", class: "send", "aria-label": "Send", title: "Send", onclick: submit }, icon("send"));
  const off = el("div", { class: "composer-off", hidden: true }, "Sending messages to this app has been turned off.");
  const box = el("div", { class: "composer-box" }, area, el("div", { class: "composer-foot" }, bolt, el("span", { class: "composer-tip" }, "Enter to send · Shift+Enter for a new line"), sendButton));
  const node = el("div", { class: "composer" }, hint, box, off);

  bolt.addEventListener("click", () => {
    const shortcuts = screen.app.shortcuts.filter((row) => row.kind === "global").map((row) => ({
      label: row.name, detail: screen.app.name, run: () => actions.send({ do: "global_shortcut", callback_id: row.callback_id }),
    }));
    const commands = screen.app.commands.map((row) => ({
      label: row.command, detail: row.description || row.hint, run: () => { area.value = `${row.command} `; area.focus(); grow(); },
    }));
    openMenu(bolt, [{ heading: "Shortcuts" }, ...shortcuts, ...(actions.thread() ? [] : [{ heading: "Commands" }, ...commands])]);
  });

  function grow() {
    area.style.height = "auto";
    area.style.height = `${Math.min(area.scrollHeight, 220)}px`;
    sendButton.classList.toggle("ready", Boolean(area.value.trim()));
    showHint();
  }

  function showHint() {
    const typed = area.value;
    const rows = typed.startsWith("/") && !actions.thread() && screen
      ? screen.app.commands.filter((row) => row.command.startsWith(typed.split(/\s/)[0])) : [];
    hint.hidden = !rows.length;
    hint.replaceChildren(...rows.map((row) => el("button", { type: "button", onclick: () => { area.value = `${row.command} `; area.focus(); grow(); } },
      el("strong", {}, row.command), ` ${row.hint}`, el("span", {}, row.description))));
  }

  async function submit() {
    const text = area.value.trim();
    if (!text) return;
    let order = { do: "post", channel: screen.current, text, thread_ts: actions.thread() || undefined };
    if (text.startsWith("/") && !text.startsWith("//")) {
      if (actions.thread()) {
        toast(`${text.split(/\s/)[0]} is not supported in threads. Sorry!`);
        return;
      }
      order = { do: "command", channel: screen.current, text };
    }
    area.value = "";
    grow();
    const answer = await actions.send(order);
    if (!answer.ok && !area.value) {
      area.value = text;
      grow();
    }
  }

  area.addEventListener("input", grow);
  area.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      submit();
    } else if (event.key === "Tab" && !hint.hidden && !area.value.includes(" ")) {
      event.preventDefault();
      hint.querySelector("button").click();
    }
  });

  return {
    node,
    focus: () => area.focus(),
    draw(next, placeholder, closed) {
      screen = next;
      area.setAttribute("placeholder", placeholder);
      box.hidden = Boolean(closed);
      off.hidden = !closed;
      if (closed) off.textContent = closed;
    },
  };
}
