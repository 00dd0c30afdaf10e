// Block Kit as DOM nodes. `owner` says where the blocks are and takes what a person does with them.
import { el } from "./dom.js";
import { dateText, anchor, channelMention, EMOJI, groupMention, markdown, textObject, userMention, withEmoji } from "./mrkdwn.js";
import { element, inputElement } from "./elements.js";

export function renderBlocks(blocks, screen, owner) {
  return blocks.map((block) => {
    const render = BLOCKS[block.type] || unknown;
    const node = render(block, screen, owner);
    node.classList.add("block", `block-${block.type.replaceAll("_", "-")}`);
    return node;
  });
}

function section(block, screen, owner) {
  const body = el("div", { class: "section-body" });
  if (block.text) body.append(el("div", { class: "section-text" }, textObject(block.text, screen)));
  if (block.fields) {
    body.append(el("div", { class: "fields" }, block.fields.map((text) => el("div", { class: "field" }, textObject(text, screen)))));
  }
  const accessory = block.accessory;
  if (!accessory) return el("div", {}, body);
  const side = accessory.type === "image" ? picture(accessory, "accessory-image") : element(accessory, block, screen, owner);
  const wide = ["radio_buttons", "checkboxes"].includes(accessory.type) ? " below" : "";
  return el("div", { class: `with-accessory${wide}` }, body, el("div", { class: "accessory" }, side));
}

function header(block, screen) {
  return el("h3", {}, textObject(block.text, screen));
}

function context(block, screen) {
  return el("div", {}, block.elements.map((item) =>
    item.type === "image" ? picture(item, "context-image") : el("span", { class: "context-text" }, textObject(item, screen))));
}

function actions(block, screen, owner) {
  return el("div", { role: "group" }, block.elements.map((item) => element(item, block, screen, owner)));
}

function input(block, screen, owner) {
  const id = `in-${owner.id}-${block.block_id}`.replace(/[^\w-]/g, "_");
  const error = owner.errors ? owner.errors[block.block_id] : null;
  const single = !["radio_buttons", "checkboxes"].includes(block.element.type);
  const label = el(single ? "label" : "span", single ? { class: "label", for: id } : { class: "label", id: `${id}-label` }, textObject(block.label, screen));
  if (block.optional) label.append(el("span", { class: "optional" }, " (optional)"));
  return el("div", { class: error ? "has-error" : "", "data-block": block.block_id }, label,
    inputElement(block.element, block, screen, owner, id),
    error ? el("div", { class: "input-error", role: "alert", id: `${id}-error` }, error) : null,
    block.hint ? el("div", { class: "hint" }, textObject(block.hint, screen)) : null);
}

function picture(item, kind) {
  const file = item.slack_file ? `/files/${encodeURIComponent(item.slack_file.id || "")}` : item.image_url;
  const own = file && (file.startsWith("/files/") || file.startsWith("data:image/") || file.startsWith(`${location.origin}/files/`));
  if (!own) return el("span", { class: `${kind} image-elsewhere`, role: "img", "aria-label": item.alt_text, title: item.image_url || "" }, item.alt_text);
  return el("img", { class: kind, src: file, alt: item.alt_text, loading: "lazy" });
}

function image(block, screen) {
  return el("figure", {}, block.title ? el("figcaption", {}, textObject(block.title, screen)) : null, picture(block, "block-picture"));
}

function divider() {
  return el("hr");
}

function richText(block, screen) {
  return el("div", {}, richParts(block.elements, screen));
}

function richParts(parts, screen) {
  const nodes = [];
  let open = [];
  for (const part of parts) {
    if (part.type === "rich_text_list") {
      nestList(part, screen, nodes, open);
      continue;
    }
    open = [];
    const inside = part.elements.flatMap((leaf) => richLeaf(leaf, screen));
    if (part.type === "rich_text_preformatted") nodes.push(el("pre", {}, inside));
    else if (part.type === "rich_text_quote") nodes.push(el("blockquote", {}, inside));
    else nodes.push(el("div", { class: "rich-section" }, inside));
  }
  return nodes;
}

// Lists of growing indent nest into the last item of the list before.
function nestList(part, screen, nodes, open) {
  const depth = part.indent || 0;
  const list = el(part.style === "ordered" ? "ol" : "ul", part.offset ? { start: String(part.offset + 1) } : {});
  list.append(...part.elements.map((item) => el("li", {}, item.elements.flatMap((leaf) => richLeaf(leaf, screen)))));
  const parent = depth > 0 ? open[depth - 1] : null;
  if (parent && parent.lastElementChild) parent.lastElementChild.append(list);
  else nodes.push(list);
  open.length = depth;
  open[depth] = list;
}

function richLeaf(leaf, screen) {
  const render = LEAVES[leaf.type];
  return styled(render ? render(leaf, screen) : [leaf.text || ""], leaf.style || {});
}

const LEAVES = {
  text: (leaf) => leaf.text.split("\n").flatMap((line, number) => [number ? el("br") : null, line]).filter((node) => node !== null),
  link: (leaf) => [anchor(leaf.url, leaf.text || leaf.url)],
  user: (leaf, screen) => [userMention(leaf.user_id, screen)],
  usergroup: (leaf, screen) => [groupMention(leaf.usergroup_id, screen)],
  channel: (leaf, screen) => [channelMention(leaf.channel_id, screen)],
  emoji: (leaf) => [el("span", { class: "emoji", role: "img", "aria-label": leaf.name }, EMOJI[leaf.name] || `:${leaf.name}:`)],
  broadcast: (leaf) => [el("span", { class: "mention mine" }, `@${leaf.range}`)],
  date: (leaf) => [dateText(leaf.timestamp, leaf.format) || leaf.fallback || ""],
  color: (leaf) => [leaf.value],
};

function styled(nodes, style) {
  let inside = nodes;
  if (style.code) inside = [el("code", {}, inside)];
  if (style.bold) inside = [el("strong", {}, inside)];
  if (style.italic) inside = [el("em", {}, inside)];
  if (style.strike) inside = [el("s", {}, inside)];
  return inside;
}

function table(block, screen) {
  const settings = block.column_settings || [];
  const row = (cells, tag) => el("tr", {}, cells.map((cell, column) => {
    const setting = settings[column] || {};
    const kind = [`align-${setting.align || "left"}`, setting.is_wrapped ? "wrapped" : "unwrapped"].join(" ");
    return el(tag, tag === "th" ? { class: kind, scope: "col" } : { class: kind }, tableCell(cell, screen));
  }));
  const [head, ...body] = block.rows;
  return el("div", { tabindex: "0", role: "region", "aria-label": "Table" },
    el("table", {}, el("thead", {}, row(head, "th")), el("tbody", {}, body.map((cells) => row(cells, "td")))));
}

function tableCell(cell, screen) {
  if (cell.type === "rich_text") return richParts(cell.elements, screen);
  return cell.type === "raw_number" ? String(cell.text ?? cell.value) : withEmoji(cell.text);
}

function markdownBlock(block, screen) {
  return el("div", {}, markdown(block.text, screen));
}

function alert(block, screen) {
  return el("div", { class: `alert alert-${block.level || "default"}`, role: "note" }, textObject(block.text, screen));
}

function taskCard(block, screen) {
  const marks = { pending: "○", in_progress: "◐", complete: "✓", error: "✕" };
  const status = block.status || "pending";
  return el("div", { class: `task task-${status}` }, el("span", { class: "task-mark", title: status }, marks[status] || "○"),
    el("div", {}, el("div", { class: "task-title" }, block.title || ""),
      [block.details, block.output].filter(Boolean).map((part) => el("div", { class: "task-details" }, richParts(part.elements || [], screen)))));
}

function plan(block, screen) {
  return el("div", { class: "plan" }, el("div", { class: "task-title" }, block.title || ""), (block.tasks || []).map((task) => taskCard(task, screen)));
}

function card(block, screen, owner) {
  return el("div", { class: "card" }, ["title", "subtitle", "body"].map((key) =>
    block[key] ? el("div", { class: `card-${key}` }, textObject(block[key], screen)) : null),
  block.actions ? el("div", { class: "card-actions" }, block.actions.map((item) => element(item, block, screen, owner))) : null);
}

function container(block, screen, owner) {
  return el("div", { class: "card" }, block.title ? el("div", { class: "card-title" }, textObject(block.title, screen)) : null,
    renderBlocks(block.child_blocks || [], screen, owner));
}

// A block that this page does not draw still shows what it says.
function unknown(block) {
  const found = [];
  const walk = (value) => {
    if (Array.isArray(value)) value.forEach(walk);
    else if (value && typeof value === "object") Object.entries(value).forEach(([key, item]) => (key === "text" && typeof item === "string" ? found.push(item) : walk(item)));
  };
  walk(block);
  return el("div", { class: "unknown-block" }, el("span", { class: "unknown-name" }, block.type), found.join(" · "));
}

const BLOCKS = {
  section, header, context, actions, input, image, divider, table, alert, plan, card, container,
  rich_text: richText, markdown: markdownBlock, task_card: taskCard,
};
