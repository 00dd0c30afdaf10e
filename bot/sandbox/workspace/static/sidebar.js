// The left side: who you are, channels, people, the app. And the line above a conversation.
import { avatar, el, icon, redraw } from "./dom.js";

export function drawSidebar(place, screen, { seen, actions }) {
  const me = screen.users[screen.me];
  const rows = screen.channels.map((channel) => {
    const current = channel.id === screen.current;
    return { ...channel, latest: null, current, unread: !current && channel.latest > (seen[channel.id] || ""), other: screen.users[channel.with] };
  });
  const people = screen.people.map((id) => [id, screen.users[id]]);
  redraw(place, [screen.me, screen.team, screen.app, rows, people], () => {
    const pick = el("select", { id: "who", "aria-label": "You are", onchange: () => actions.become(pick.value) },
      people.map(([id, user]) => el("option", { value: id }, user.real_name)));
    pick.value = screen.me;
    const rooms = rows.filter((row) => row.name).sort((a, b) => a.name.localeCompare(b.name));
    const direct = rows.filter((row) => !row.name && row.with !== screen.app.bot);
    const app = rows.find((row) => row.with === screen.app.bot);
    return [
      el("div", { class: "team" }, el("span", { class: "team-mark" }, screen.team[0]), el("span", { class: "team-name" }, screen.team)),
      el("div", { class: "you" }, el("span", { class: "you-label" }, "You are"),
        el("label", { class: "you-box" }, avatar(screen.me, me), el("span", { class: "you-text" }, el("span", { class: "you-name" }, me.real_name),
          el("span", { class: "you-title" }, me.title || (me.kind ? me.kind : `@${me.name}`))), icon("down"), pick)),
      list("Channels", rooms.map((row) => item(row, row.name, icon(row.private ? "lock" : "hash"), row.shared ? "shared" : ""))),
      direct.length ? list("Direct messages", direct.map((row) => item(row, row.other.real_name, avatar(row.with, row.other, true)))) : null,
      list("Apps", [item(app, screen.app.name, avatar(screen.app.bot, app.other, true), screen.app.connected ? "" : "offline")]),
      el("p", { class: "demo-note" }, "A local workspace: pick anyone above and act as them. Nothing here leaves this machine."),
    ];
  });

  function list(title, items) {
    return el("section", {}, el("h2", {}, title), el("ul", {}, items));
  }

  function item(row, name, mark, tag = "") {
    return el("li", {}, el("button", {
      type: "button", id: `row-${row.id}`, class: `${row.current ? "current" : ""}${row.unread ? " unread" : ""}`,
      "aria-current": row.current ? "page" : undefined, onclick: () => actions.openChannel(row.id),
    }, el("span", { class: "mark" }, mark), el("span", { class: "row-name" }, name), tag ? el("span", { class: "tag" }, tag) : null,
    row.unread ? el("span", { class: "dot", role: "img", "aria-label": "unread" }) : null));
  }
}

export function drawTop(place, screen, { home, actions }) {
  const channel = screen.channels.find((row) => row.id === screen.current) || { name: "", members: 0, topic: "" };
  const isApp = channel.with === screen.app.bot;
  const other = screen.users[channel.with];
  redraw(place, [channel.id, channel.name, channel.private, channel.topic, channel.members, other, screen.app.name, home], () => {
    const title = channel.name ? [icon(channel.private ? "lock" : "hash"), channel.name]
      : [avatar(channel.with, other, true), isApp ? screen.app.name : other.real_name];
    const tab = (name, on, run) => el("button", { type: "button", role: "tab", "aria-selected": on ? "true" : "false", class: on ? "on" : "", onclick: run }, name);
    return [
      el("div", { class: "top-line" }, el("h1", {}, title),
        channel.topic ? el("span", { class: "topic" }, channel.topic) : null,
        channel.name ? el("span", { class: "members", title: "Members" }, icon("people"), String(channel.members)) : null),
      isApp ? el("div", { class: "tabs", role: "tablist" }, tab("Home", home, () => actions.openHome(true)), tab("Messages", !home, () => actions.openHome(false))) : null,
    ];
  });
  place.classList.toggle("with-tabs", isApp);
}
