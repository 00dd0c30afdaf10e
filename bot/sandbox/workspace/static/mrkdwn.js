// Slack's mrkdwn as DOM nodes: styles, code, quotes, links, mentions, dates, emoji.
import { el } from "./dom.js";

export const EMOJI = {
  rotating_light: "🚨", white_check_mark: "✅", heavy_check_mark: "✔️", hourglass_flowing_sand: "⏳", hourglass: "⌛",
  key: "🔑", old_key: "🗝️", lock: "🔒", unlock: "🔓", closed_lock_with_key: "🔐", warning: "⚠️", x: "❌",
  no_entry: "⛔", no_entry_sign: "🚫", octagonal_sign: "🛑", fire: "🔥", tada: "🎉", eyes: "👀", bell: "🔔",
  no_bell: "🔕", pager: "📟", mega: "📣", loudspeaker: "📢", mag: "🔍", link: "🔗", package: "📦", wrench: "🔧",
  hammer_and_wrench: "🛠️", gear: "⚙️", arrows_counterclockwise: "🔄", arrow_right: "➡️", arrow_forward: "▶️",
  black_square_for_stop: "⏹️", double_vertical_bar: "⏸️", information_source: "ℹ️", question: "❓",
  grey_question: "❔", exclamation: "❗", heavy_exclamation_mark: "❗", red_circle: "🔴", large_orange_circle: "🟠",
  large_yellow_circle: "🟡", large_green_circle: "🟢", large_blue_circle: "🔵", white_circle: "⚪", black_circle: "⚫",
  large_orange_diamond: "🔶", large_red_square: "🟥", large_green_square: "🟩", white_large_square: "⬜",
  clock1: "🕐", clock3: "🕒", stopwatch: "⏱️", alarm_clock: "⏰", calendar: "📅", spiral_calendar_pad: "🗓️",
  memo: "📝", clipboard: "📋", page_facing_up: "📄", bar_chart: "📊", chart_with_upwards_trend: "📈",
  shield: "🛡️", skull: "💀", bomb: "💣", boom: "💥", ghost: "👻", robot_face: "🤖", bust_in_silhouette: "👤",
  busts_in_silhouette: "👥", speech_balloon: "💬", thread: "🧵", thumbsup: "👍", "+1": "👍", thumbsdown: "👎", "-1": "👎",
  raised_hand: "✋", raised_hands: "🙌", pray: "🙏", wave: "👋", point_right: "👉", slightly_smiling_face: "🙂",
  smile: "😄", thinking_face: "🤔", sweat_smile: "😅", heart: "❤️", star: "⭐", sparkles: "✨", zap: "⚡", bulb: "💡",
  pushpin: "📌", round_pushpin: "📍", wastebasket: "🗑️", rocket: "🚀", construction: "🚧", lock_with_ink_pen: "🔏",
  mailbox: "📫", email: "📧", incoming_envelope: "📨", inbox_tray: "📥", outbox_tray: "📤", globe_with_meridians: "🌐",
  one: "1️⃣", two: "2️⃣", three: "3️⃣", four: "4️⃣", five: "5️⃣", small_red_triangle: "🔺", ballot_box_with_check: "☑️",
  heavy_minus_sign: "➖", heavy_plus_sign: "➕", repeat: "🔁", scroll: "📜", fast_forward: "⏩", see_no_evil: "🙈",
};

export const unescape = (text) => text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");

export function withEmoji(text) {
  return text.replace(/:([a-z0-9_+-]+):/g, (whole, name) => EMOJI[name] || whole);
}

export function safeHref(address) {
  return /^(https?:\/\/|mailto:)/i.test(address) ? address : null;
}

export function anchor(address, label) {
  const href = safeHref(address);
  if (!href) return el("span", {}, label);
  const local = href.startsWith(`${location.origin}/archives/`);
  const extra = local ? { "data-permalink": href } : { target: "_blank", rel: "noopener noreferrer" };
  return el("a", { href, ...extra }, label);
}

export function userMention(id, screen) {
  const user = screen.users[id];
  const mine = id === screen.me ? " mine" : "";
  return el("span", { class: `mention${mine}`, title: user ? user.real_name : id }, `@${user ? user.name : id}`);
}

export function groupMention(id, screen) {
  return el("span", { class: "mention" }, `@${screen.groups[id] || id}`);
}

export function channelMention(id, screen) {
  const channel = screen.channels.find((row) => row.id === id);
  if (!channel || !channel.name) return el("span", { class: "mention" }, "#private-channel");
  return el("button", { class: "mention", type: "button", "data-channel": id }, `#${channel.name}`);
}

const PARTS = { date: { dateStyle: "long" }, date_long: { dateStyle: "full" }, date_short: { dateStyle: "medium" }, time: { hour: "2-digit", minute: "2-digit", hourCycle: "h23" }, time_secs: { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" } };

export function dateText(ts, format) {
  const date = new Date(Number(ts) * 1000);
  if (Number.isNaN(date.getTime())) return null;
  return format.replace(/\{([a-z_]+)\}/g, (whole, name) => {
    if (name === "date_num") return date.toISOString().slice(0, 10);
    if (name === "ago") return ago(date);
    const pretty = name.endsWith("_pretty");
    const style = PARTS[name.replace("_pretty", "")];
    if (!style) return whole;
    if (pretty && date.toDateString() === new Date().toDateString()) return "today";
    return new Intl.DateTimeFormat("en", style).format(date);
  });
}

function ago(date) {
  const seconds = Math.round((Date.now() - date.getTime()) / 1000);
  const words = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
  for (const [unit, size] of [["day", 86400], ["hour", 3600], ["minute", 60]]) {
    if (Math.abs(seconds) >= size) return words.format(-Math.round(seconds / size), unit);
  }
  return words.format(-seconds, "second");
}

function angle(inside, screen) {
  const [target, ...rest] = inside.split("|");
  const label = rest.join("|");
  if (target.startsWith("@")) return userMention(target.slice(1), screen);
  if (target.startsWith("#")) return channelMention(target.slice(1), screen);
  if (target.startsWith("!subteam^")) return groupMention(target.slice(9), screen);
  if (target.startsWith("!date^")) {
    const [, ts, format, link] = target.split("^");
    const text = dateText(ts, format || "") || unescape(label);
    return link ? anchor(unescape(link), text) : el("time", { title: fullDate(ts) }, text);
  }
  if (target.startsWith("!")) return el("span", { class: "mention mine" }, `@${target.slice(1)}`);
  return anchor(unescape(target), withEmoji(unescape(label || target.replace(/^mailto:/, ""))));
}

function fullDate(ts) {
  return dateText(ts, "{date_long} {time_secs}") || "";
}

const INLINE = /`([^`\n]+)`|<([^<>\n]+)>|(?<![\w*])\*(?=\S)([^*\n]*?[^\s*])\*(?![\w*])|(?<![\w_])_(?=\S)([^_\n]*?[^\s_])_(?![\w_])|(?<![\w~])~(?=\S)([^~\n]*?[^\s~])~(?![\w~])|:([a-z0-9_+-]+):|\n/g;

export function inline(text, screen) {
  const nodes = [];
  let last = 0;
  for (const match of text.matchAll(INLINE)) {
    const [whole, code, inside, bold, italic, strike, emoji] = match;
    if (emoji !== undefined && !EMOJI[emoji]) continue;
    if (match.index > last) nodes.push(unescape(text.slice(last, match.index)));
    last = match.index + whole.length;
    if (code !== undefined) nodes.push(el("code", {}, codeNodes(code, screen)));
    else if (inside !== undefined) nodes.push(angle(inside, screen));
    else if (bold !== undefined) nodes.push(el("strong", {}, inline(bold, screen)));
    else if (italic !== undefined) nodes.push(el("em", {}, inline(italic, screen)));
    else if (strike !== undefined) nodes.push(el("s", {}, inline(strike, screen)));
    else if (emoji !== undefined) nodes.push(el("span", { class: "emoji", role: "img", "aria-label": emoji }, EMOJI[emoji]));
    else nodes.push(el("br"));
  }
  if (last < text.length) nodes.push(unescape(text.slice(last)));
  return nodes;
}

function codeNodes(code, screen) {
  const nodes = [];
  let last = 0;
  for (const match of code.matchAll(/<([^<>]+)>/g)) {
    nodes.push(unescape(code.slice(last, match.index)), angle(match[1], screen));
    last = match.index + match[0].length;
  }
  nodes.push(unescape(code.slice(last)));
  return nodes;
}

// Whole text: fenced code first, then runs of quoted lines, then the rest.
export function mrkdwn(text, screen) {
  const nodes = [];
  text.split(/```/).forEach((part, number) => {
    if (number % 2 === 1) {
      nodes.push(el("pre", {}, codeNodes(part.replace(/^\n/, "").replace(/\n$/, ""), screen)));
      return;
    }
    const trimmed = number > 0 ? part.replace(/^\n/, "") : part;
    nodes.push(...quoted(trimmed, screen));
  });
  return nodes;
}

function quoted(text, screen) {
  const nodes = [];
  let plain = [];
  let quote = [];
  const flush = () => {
    if (quote.length) nodes.push(el("blockquote", {}, inline(quote.join("\n"), screen)));
    else if (plain.length) nodes.push(...inline(plain.join("\n"), screen));
    plain = [];
    quote = [];
  };
  for (const line of text.split("\n")) {
    const match = line.match(/^(?:&gt;|>)\s?(.*)$/);
    if (Boolean(match) !== quote.length > 0) flush();
    if (match) quote.push(match[1]);
    else plain.push(line);
  }
  flush();
  return nodes;
}

export function textObject(object, screen) {
  if (!object) return [];
  if (object.type === "mrkdwn") return object.verbatim === true ? inline(object.text, screen) : mrkdwn(object.text, screen);
  const text = unescape(object.text);
  return text.split("\n").flatMap((line, number) => [number ? el("br") : null, object.emoji === false ? line : withEmoji(line)]);
}

// The basic part of Markdown that a markdown block needs.
export function markdown(text, screen) {
  const nodes = [];
  let list = null;
  text.split(/```/).forEach((part, number) => {
    if (number % 2 === 1) {
      nodes.push(el("pre", {}, part.replace(/^\w*\n/, "").replace(/\n$/, "")));
      return;
    }
    for (const line of part.split("\n")) {
      const item = line.match(/^\s*(?:[-*]|\d+\.)\s+(.*)$/);
      if (!item) list = null;
      const heading = line.match(/^(#{1,6})\s+(.*)$/);
      if (heading) nodes.push(el("h4", { class: "md-heading" }, markdownInline(heading[2], screen)));
      else if (item) {
        if (!list) nodes.push((list = el(/^\s*\d/.test(line) ? "ol" : "ul")));
        list.append(el("li", {}, markdownInline(item[1], screen)));
      } else if (line.startsWith(">")) nodes.push(el("blockquote", {}, markdownInline(line.replace(/^>\s?/, ""), screen)));
      else if (line.trim()) nodes.push(el("p", {}, markdownInline(line, screen)));
    }
  });
  return nodes;
}

function markdownInline(line, screen) {
  const slack = line
    .replaceAll("&", "&amp;")
    .replace(/</g, "&lt;")
    .replace(/\[([^\]]+)\]\(([^)\s]+)\)/g, "<$2|$1>")
    .replace(/(?<!\*)\*(?!\*)([^*]+)\*(?!\*)/g, "_$1_")
    .replace(/\*\*([^*]+)\*\*/g, "*$1*")
    .replace(/~~([^~]+)~~/g, "~$1~");
  return inline(slack, screen);
}
