// The page: asks for the state of one person's screen, draws it, asks again when it changed.
import { el, fill, icon } from "./dom.js";
import { composer } from "./composer.js";
import { conversation } from "./conversation.js";
import { drawSidebar, drawTop } from "./sidebar.js";
import { initialForm, showModal, viewOwner } from "./modal.js";
import { renderBlocks } from "./blocks.js";
import { toast } from "./overlays.js";

const query = new URLSearchParams(location.search);
const at = {
  user: query.get("user") || sessionStorage.getItem("user") || "",
  channel: query.get("channel") || "",
  thread: query.get("thread") || "",
  home: query.get("home") === "1",
  focus: query.get("focus") || "",
};
let screen = null;
let lastNotice = null;
let homeShown = null;

const by = (id) => document.getElementById(id);
const actions = {
  send, become, openChannel, openThread, openHome,
  thread: () => "",
};
const replyActions = { ...actions, thread: () => at.thread };
const main = { place: by("messages"), composer: composer(actions) };
const side = { list: el("div", { class: "thread-list", tabindex: "-1" }), composer: composer(replyActions), place: el("span", { class: "thread-place" }) };
main.draw = conversation(main.place, actions);
side.draw = conversation(side.list, replyActions);
by("composer").append(main.composer.node);
by("thread").append(
  el("header", { class: "thread-top" }, el("h2", {}, "Thread"), side.place,
    el("button", { type: "button", class: "plain-button", "aria-label": "Close thread", onclick: () => openThread("") }, icon("close"))),
  side.list, side.composer.node);

async function send(order, { quiet = false } = {}) {
  let answer;
  try {
    const response = await fetch("/page/act", {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ user: screen.me, ...order }),
    });
    answer = await response.json();
  } catch {
    answer = { ok: false, error: "the workspace is not running" };
  }
  if (!answer.ok && !quiet) toast(SENTENCES[answer.error] || `That did not work: ${answer.error}`);
  await refresh();
  return answer;
}

const SENTENCES = {
  unknown_command: "That is not a valid command. In Slack this message would not be sent.",
  not_in_channel: "You are not a member of this channel.",
  msg_too_long: "This message is too long to send.",
  message_not_found: "This message is no longer there.",
  no_such_element: "This button is no longer there.",
  messages_tab_disabled: "Sending messages to this app has been turned off.",
  account_inactive: "This account is deactivated.",
  is_archived: "This channel is archived.",
};

function become(user) {
  at.user = user;
  at.thread = "";
  at.focus = "";
  sessionStorage.setItem("user", user);
  lastNotice = null;
  refresh({ jump: true });
}

function openChannel(channel) {
  Object.assign(at, { channel, thread: "", focus: "" });
  const app = screen.channels.find((row) => row.id === channel);
  at.home = Boolean(app && app.with === screen.app.bot);
  if (at.home) send({ do: "open_home" });
  refresh({ jump: true }).then(() => main.composer.focus());
}

function openThread(ts) {
  at.thread = ts;
  refresh({ jumpThread: true }).then(() => (ts ? side.composer.focus() : main.composer.focus()));
}

function openHome(home) {
  at.home = home;
  if (home) send({ do: "open_home" });
  else refresh({ jump: true });
}

function remember() {
  const shown = new URLSearchParams({ user: screen.users[screen.me].name });
  const channel = screen.channels.find((row) => row.id === screen.current);
  shown.set("channel", channel && channel.name ? channel.name : screen.current);
  if (at.thread) shown.set("thread", at.thread);
  if (at.home) shown.set("home", "1");
  history.replaceState(null, "", `/?${shown}`);
  const person = screen.users[screen.me].real_name;
  document.title = `${channel && channel.name ? `#${channel.name}` : screen.app.name} · ${person} · ${screen.team}`;
}

const seenKey = () => `seen-${screen.me}`;

function markSeen() {
  const seen = JSON.parse(sessionStorage.getItem(seenKey()) || "{}");
  const known = Object.keys(seen).length > 0;
  for (const channel of screen.channels) {
    if (channel.id === screen.current || !known) seen[channel.id] = channel.latest;
  }
  sessionStorage.setItem(seenKey(), JSON.stringify(seen));
  return seen;
}

const atEnd = (place) => place.scrollHeight - place.scrollTop - place.clientHeight < 80;

let running = null;
let again = false;

function refresh(options = {}) {
  if (running) {
    again = true;
    return running.then(() => (options.jump || options.jumpThread ? refresh(options) : undefined));
  }
  running = load(options).finally(() => {
    running = null;
    if (again) {
      again = false;
      refresh();
    }
  });
  return running;
}

const whereTo = () => new URLSearchParams({ user: at.user, channel: at.channel, thread: at.thread }).toString();

async function load(options) {
  const asked = whereTo();
  let next;
  try {
    next = await (await fetch(`/page/state?${asked}`)).json();
  } catch {
    return;
  }
  // The person went elsewhere meanwhile: this answer is about the place that they left.
  if (asked !== whereTo()) return load(options);
  if (!next.ok) {
    at.user = "";
    return;
  }
  const first = screen === null;
  screen = next;
  // Names and channels are drawn inside messages, so a change of them redraws those.
  screen.revisionOfNames = JSON.stringify([screen.groups, screen.channels.map((row) => [row.id, row.name])]);
  at.user = screen.me;
  at.channel = screen.current;
  draw({ jump: first || options.jump, jumpThread: first || options.jumpThread });
}

function draw({ jump, jumpThread }) {
  const channel = screen.channels.find((row) => row.id === screen.current) || {};
  const isApp = channel.with === screen.app.bot;
  if (!isApp) at.home = false;
  drawSidebar(by("sidebar"), screen, { home: at.home, seen: markSeen(), actions });
  drawTop(by("top"), screen, { home: at.home, actions });
  const stay = atEnd(main.place);
  const open = !at.home;
  by("composer").hidden = !open;
  main.place.classList.toggle("home", !open);
  if (open) {
    homeShown = null;
    main.draw(screen.messages, screen, { empty: emptyText(channel, isApp) });
    if (jump || stay) main.place.scrollTop = main.place.scrollHeight;
  } else drawHome();
  const closed = isApp && screen.app.direct_messages_off ? "Sending messages to this app has been turned off." : channel.archived ? "This channel is archived." : "";
  const name = channel.name ? `#${channel.name}` : channel.with ? screen.users[channel.with].real_name : "";
  main.composer.draw(screen, `Message ${name}`, closed);
  drawThread(jumpThread, name, closed);
  showModal(screen.modal, screen, send);
  showNotices();
  remember();
  if (at.focus) focusMessage();
}

function emptyText(channel, isApp) {
  if (isApp) return `This is your conversation with ${screen.app.name}.`;
  return channel.name ? `This is the very beginning of #${channel.name}.` : "No messages yet.";
}

function drawThread(jump, name, closed) {
  const open = Boolean(at.thread) && screen.thread.length > 0;
  by("thread").hidden = !open;
  by("page").classList.toggle("with-thread", open);
  if (!open) return;
  side.place.textContent = name;
  const stay = atEnd(side.list);
  side.draw(screen.thread, screen, { inThread: true });
  side.composer.draw(screen, "Reply…", closed);
  if (jump || stay) side.list.scrollTop = side.list.scrollHeight;
}

function drawHome() {
  const view = screen.home;
  const stamp = JSON.stringify([screen.me, view && [view.hash, view.blocks]]);
  if (homeShown && homeShown.stamp === stamp) return;
  const form = view ? initialForm(view.values) : {};
  homeShown = { stamp };
  fill(main.place, view
    ? el("div", { class: "home-view" }, renderBlocks(view.blocks, screen, viewOwner(view, form, send)))
    : el("div", { class: "empty" }, `${screen.app.name} has not published its Home for you yet.`));
}

function showNotices() {
  const rows = screen.notices;
  const newest = rows.length ? rows[rows.length - 1].number : 0;
  if (lastNotice !== null) rows.filter((row) => row.number > lastNotice).forEach((row) => toast(row.text));
  lastNotice = newest;
}

function focusMessage() {
  const node = document.querySelector(`[data-ts="${CSS.escape(at.focus)}"]`);
  at.focus = "";
  if (!node) return;
  node.scrollIntoView({ block: "center" });
  node.classList.add("found");
}

document.addEventListener("click", (event) => {
  const mention = event.target.closest("[data-channel]");
  if (mention) openChannel(mention.getAttribute("data-channel"));
  const link = event.target.closest("[data-permalink]");
  if (!link) return;
  event.preventDefault();
  const address = new URL(link.getAttribute("data-permalink"));
  const [, , channel, stamp] = address.pathname.split("/");
  const digits = stamp.slice(1);
  Object.assign(at, { channel, home: false, thread: address.searchParams.get("thread_ts") || "", focus: `${digits.slice(0, -6)}.${digits.slice(-6)}` });
  refresh();
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && at.thread && !document.querySelector("dialog[open]")) openThread("");
});

if (at.home) fetchHome();
refresh({ jump: true });
new EventSource("/page/events").addEventListener("message", () => refresh());

async function fetchHome() {
  await refresh();
  if (screen) send({ do: "open_home" });
}
