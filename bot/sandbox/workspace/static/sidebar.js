// The left side: who you are, channels, people, the app.
import { avatar, el, fill, icon } from "./dom.js";

export function drawSidebar(place, screen, { home, seen, actions }) {
  const me = screen.users[screen.me];
  const active = document.activeElement && place.contains(document.activeElement) ? document.activeElement.id : "";
  const pick = el("select", { id: "who", "aria-label": "You are", onchange: () => actions.become(pick.value) },
    screen.people.map((id) => el("option", { value: id }, screen.users[id].real_name)));
  pick.value = screen.me;
  const rooms = screen.channels.filter((channel) => channel.name).sort((a, b) => a.name.localeCompare(b.name));
  const direct = screen.channels.filter((channel) => !channel.name && channel.with !== screen.app.bot);
  const app = screen.channels.find((channel) => channel.with === screen.app.bot);
  fill(place,
    el("div", { class: "team" }, el("span", { class: "team-mark" }, screen.team[0]), el("span", { class: "team-name" }, screen.team)),
    el("div", { class: "you" }, el("span", { class: "you-label" }, "You are"),
      el("label", { class: "you-box" }, avatar(screen.me, me), el("span", { class: "you-text" }, el("span", { class: "you-name" }, me.real_name),
        el("span", { class: "you-title" }, me.title || (me.kind ? me.kind : `@${me.name}`))), icon("down"), pick)),
    list("Channels", rooms.map((channel) => row(channel, channel.name, icon(channel.private ? "lock" : "hash"), channel.shared ? "shared" : ""))),
    direct.length ? list("Direct messages", direct.map((channel) => row(channel, screen.users[channel.with].real_name, avatar(channel.with, screen.users[channel.with], true)))) : null,
    list("Apps", [row(app, screen.app.name, avatar(screen.app.bot, screen.users[screen.app.bot], true), screen.app.connected ? "" : "offline")]),
    el("p", { class: "demo-note" }, "A local workspace: pick anyone above and act as them. Nothing here leaves this machine."));
  if (active) {
    const again = document.getElementById(active);
    if (again) again.focus();
  }

  function list(title, rows) {
    return el("section", {}, el("h2", {}, title), el("ul", {}, rows));
  }

  function row(channel, name, mark, tag = "") {
    const current = channel.id === screen.current;
    const unread = !current && channel.latest > (seen[channel.id] || "");
    return el("li", {}, el("button", {
      type: "button", id: `row-${channel.id}`, class: `${current ? "current" : ""}${unread ? " unread" : ""}`,
      "aria-current": current ? "page" : undefined, onclick: () => actions.openChannel(channel.id),
    }, el("span", { class: "mark" }, mark), el("span", { class: "row-name" }, name), tag ? el("span", { class: "tag" }, tag) : null, unread ? el("span", { class: "dot", role: "img", "aria-label": "unread" }) : null));
  }
}

export function drawTop(place, screen, { home, actions }) {
  const channel = screen.channels.find((row) => row.id === screen.current) || { name: "", members: 0, topic: "" };
  const isApp = channel.with === screen.app.bot;
  const title = channel.name ? [icon(channel.private ? "lock" : "hash"), channel.name]
    : [avatar(channel.with, screen.users[channel.with], true), isApp ? screen.app.name : screen.users[channel.with].real_name];
  const tab = (name, on, run) => el("button", { type: "button", role: "tab", "aria-selected": on ? "true" : "false", class: on ? "on" : "", onclick: run }, name);
  fill(place, el("div", { class: "top-line" }, el("h1", {}, title),
    channel.topic ? el("span", { class: "topic" }, channel.topic) : null,
    channel.name ? el("span", { class: "members", title: "Members" }, icon("people"), String(channel.members)) : null),
  isApp ? el("div", { class: "tabs", role: "tablist" }, tab("Home", home, () => actions.openHome(true)), tab("Messages", !home, () => actions.openHome(false))) : null);
  place.classList.toggle("with-tabs", isApp);
}
