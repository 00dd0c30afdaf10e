// Messages: in the channel and in the thread panel. A message that did not change keeps its node.
import { arrange, avatar, clock, day, el, fullTime, icon } from "./dom.js";
import { mrkdwn } from "./mrkdwn.js";
import { renderBlocks } from "./blocks.js";
import { ask, openMenu } from "./overlays.js";

const TOGETHER = 300;

export function conversation(place, actions) {
  const nodes = new Map();
  const forms = new Map();

  return function draw(messages, screen, { inThread = false, empty = null } = {}) {
    const rows = [];
    const kept = new Set();
    let before = null;
    let date = "";
    for (const message of messages) {
      const today = day(message.ts);
      if (!inThread && today !== date) {
        rows.push(keyed(`day-${today}`, today, () => el("div", { class: "day", role: "separator" }, el("span", {}, today))));
        before = null;
      }
      date = today;
      const joined = before && before.user === message.user && !message.ephemeral && !before.ephemeral && !before.tombstone
        && Number(message.ts) - Number(before.ts) < TOGETHER && !message.pinned && before.replies === 0 && !(inThread && before === messages[0]);
      const stamp = JSON.stringify([message, joined, screen.me, screen.users[message.user], screen.people.length, screen.revisionOfNames]);
      rows.push(keyed(message.ts, stamp, () => messageNode(message, screen, joined, inThread)));
      if (inThread && message === messages[0] && messages.length > 1) {
        const count = messages.length - 1;
        const words = `${count} ${count === 1 ? "reply" : "replies"}`;
        rows.push(keyed("count", words, () => el("div", { class: "reply-count" }, el("span", {}, words))));
      }
      before = message;
    }
    if (!messages.length && empty) rows.push(keyed("empty", "", () => el("div", { class: "empty" }, empty)));
    for (const key of nodes.keys()) if (!kept.has(key)) nodes.delete(key);
    arrange(place, rows);

    function keyed(key, stamp, make) {
      kept.add(key);
      const known = nodes.get(key);
      if (known && known.stamp === stamp) return known.node;
      const node = make();
      nodes.set(key, { stamp, node });
      return node;
    }
  };

  function messageNode(message, screen, joined, inThread) {
    const author = screen.users[message.user] || { real_name: "Slackbot", name: "slackbot", kind: "app" };
    if (message.tombstone) {
      return el("div", { class: "message tombstone", "data-ts": message.ts }, el("div", { class: "gutter" }, icon("close")),
        el("div", { class: "content" }, message.text, threadLine(message, screen, inThread)));
    }
    const time = el("time", { class: "time", title: fullTime(message.ts) }, clock(message.ts));
    const name = author.kind === "app" ? author.real_name : author.real_name;
    const badge = { app: "APP", guest: "GUEST", external: "EXTERNAL" }[author.kind];
    const top = joined ? null : el("div", { class: "author" }, el("span", { class: "name" }, name), badge ? el("span", { class: `badge ${author.kind}` }, badge) : null, time);
    const node = el("article", { class: `message${joined ? " joined" : ""}${message.ephemeral ? " ephemeral" : ""}`, "data-ts": message.ts, tabindex: "-1" },
      el("div", { class: "gutter" }, joined ? time.cloneNode(true) : avatar(message.user, author)),
      el("div", { class: "content" },
        message.ephemeral ? el("div", { class: "only-you" }, icon("eye"), "Only visible to you") : null,
        message.pinned ? el("div", { class: "only-you pinned" }, icon("pin"), "Pinned") : null,
        top, body(message, screen), attachments(message, screen), files(message), threadLine(message, screen, inThread),
        message.ephemeral ? el("button", { type: "button", class: "dismiss", onclick: () => actions.send({ do: "delete", ...at(message) }) }, "Dismiss") : null));
    if (!message.ephemeral) node.append(toolbar(message, screen, inThread));
    return node;
  }

  function at(message) {
    return { channel: message.channel, ts: message.ts };
  }

  function body(message, screen) {
    const edited = message.edited ? el("span", { class: "edited" }, " (edited)") : null;
    if (message.blocks.length) {
      const form = forms.get(message.ts) || {};
      forms.set(message.ts, form);
      const owner = {
        id: message.ts,
        value: (key) => form[key] ?? null,
        keep: (key, value) => { form[key] = value; },
        dispatches: (block) => block.type !== "input" || block.dispatch_action === true,
        act: (action, block, value) => actions.send({ do: "click", ...at(message), action_id: action, block_id: block, value }),
      };
      return el("div", { class: "blocks" }, renderBlocks(message.blocks, screen, owner), edited);
    }
    return message.text ? el("div", { class: "text" }, mrkdwn(message.text, screen), edited) : null;
  }

  function attachments(message, screen) {
    return message.attachments.map((row) => {
      const owner = { id: message.ts, value: () => null, keep: () => {}, dispatches: () => true,
        act: (action, block, value) => actions.send({ do: "click", ...at(message), action_id: action, block_id: block, value }) };
      const node = el("div", { class: "attachment" }, row.blocks ? renderBlocks(row.blocks, screen, owner) : mrkdwn(row.text || row.fallback || "", screen));
      if (/^#?[0-9a-f]{6}$/i.test(row.color || "")) node.style.borderLeftColor = row.color.startsWith("#") ? row.color : `#${row.color}`;
      return node;
    });
  }

  function files(message) {
    return message.files.map((file) => {
      const address = `/files/${encodeURIComponent(file.id)}`;
      const drawn = /\.(png|jpe?g|gif|webp)$/i.test(file.name);
      return el("figure", { class: "file" }, el("figcaption", {}, file.title),
        drawn ? el("a", { href: address, target: "_blank", rel: "noopener" }, el("img", { src: address, alt: file.alt_txt || file.title, class: "block-picture" }))
          : el("a", { href: address, download: file.name }, `Download ${file.name}`));
    });
  }

  function threadLine(message, screen, inThread) {
    if (inThread || !message.replies) return null;
    return el("button", { type: "button", class: "thread-line", onclick: () => actions.openThread(message.ts) },
      message.repliers.map((user) => avatar(user, screen.users[user], true)),
      el("span", { class: "thread-count" }, `${message.replies} ${message.replies === 1 ? "reply" : "replies"}`),
      el("span", { class: "thread-last" }, `Last reply ${day(message.last_reply).toLowerCase()} at ${clock(message.last_reply)}`));
  }

  function toolbar(message, screen, inThread) {
    const more = el("button", { type: "button", "aria-label": "More actions", title: "More actions", "aria-haspopup": "menu" }, icon("more"));
    more.addEventListener("click", () => openMenu(more, menuItems(message, screen)));
    return el("div", { class: "toolbar" },
      inThread ? null : el("button", { type: "button", "aria-label": "Reply in thread", title: "Reply in thread", onclick: () => actions.openThread(message.thread_ts || message.ts) }, icon("reply")),
      more);
  }

  function menuItems(message, screen) {
    const items = screen.app.shortcuts.filter((row) => row.kind === "message").map((row) => ({
      label: row.name, detail: screen.app.name, run: () => actions.send({ do: "shortcut", ...at(message), callback_id: row.callback_id }),
    }));
    if (items.length) items.unshift({ heading: "Message shortcuts" });
    items.push({ heading: "Message" }, { label: "Copy link", run: () => navigator.clipboard && navigator.clipboard.writeText(message.link) });
    const mine = message.user === screen.me;
    if (mine) items.push({ label: "Edit message", run: () => edit(message) });
    if (mine || screen.users[screen.me].admin) items.push({ label: "Delete message…", danger: true, run: () => remove(message, screen) });
    return items;
  }

  async function remove(message, screen) {
    const preview = el("div", { class: "quoted-message" }, el("strong", {}, screen.users[message.user].real_name), el("div", {}, mrkdwn(message.text, screen)));
    const yes = await ask({ title: "Delete message", body: [el("p", {}, "Are you sure you want to delete this message? This cannot be undone."), preview], yes: "Delete", no: "Cancel", danger: true });
    if (yes) actions.send({ do: "delete", ...at(message) });
  }

  async function edit(message) {
    const area = el("textarea", { class: "kit-input", rows: "4", "aria-label": "Message" });
    area.value = message.text.replace(/<(?:mailto:)?([^@#!|>][^|>]*)(?:\|[^>]*)?>/g, "$1").replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");
    const yes = await ask({ title: "Edit message", body: [area], yes: "Save", no: "Cancel" });
    if (yes && area.value.trim()) actions.send({ do: "edit", ...at(message), text: area.value });
  }
}
