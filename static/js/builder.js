// Builds a condition without JSON: groups and questions, by mouse and by keyboard, with undo, count and sample.
//
// The textarea that the form sends always holds the JSON of what is shown. A group of the picture is {"all": […]} or
// {"any": […]}, with or without {"not": …} round it; a question may have {"not": …} round it too. A question about others
// (the people of an account, a person's account) has a group within it, `who`, which asks for these.

const WAIT = 250; // milliseconds after the last change before the server is asked
const TYPING = 120; // the same while values are searched
const NEGATED = { not_all: "all", none: "any" };

class Unreadable extends Error {}

let ids = 0;
const newId = () => `n${++ids}`;

// ---- the tree: from JSON and back ----

const newGroup = (mode = "all", parts = []) => ({ id: newId(), type: "group", mode, parts });
const newLeaf = () => ({ id: newId(), type: "leaf", not: false, field: "", op: "", where: [] });
const inside = (node) => (node.who ? [node.who] : (node.parts ?? []));
const isObject = (data) => data !== null && typeof data === "object" && !Array.isArray(data);

const read = (data) => {
  if (data === null || data === undefined) return newGroup();
  if (!isObject(data)) throw new Unreadable();
  const keys = Object.keys(data);
  if (!keys.length) return newGroup();
  if ("field" in data || "op" in data) return readLeaf(data);
  if (keys.length > 1) throw new Unreadable();
  const [key] = keys;
  if (key === "not") return negate(read(data.not));
  if ((key !== "all" && key !== "any") || !Array.isArray(data[key])) throw new Unreadable();
  return newGroup(key, data[key].map(read));
};

const readLeaf = (data) => {
  const known = ["field", "op", "value", "where", "days", "who"];
  if (Object.keys(data).some((key) => !known.includes(key))) throw new Unreadable();
  if (data.where !== undefined && data.where !== null && !isObject(data.where)) throw new Unreadable();
  const leaf = { ...newLeaf(), field: String(data.field ?? ""), op: String(data.op ?? "") };
  if (data.value !== undefined && data.value !== null) leaf.value = data.value;
  if (data.days !== undefined && data.days !== null) leaf.days = data.days;
  if (data.who !== undefined && data.who !== null) leaf.who = grouped(read(data.who));
  leaf.where = Object.entries(data.where ?? {}).map(([key, wanted]) => ({
    id: newId(),
    key,
    values: (Array.isArray(wanted) ? wanted : [wanted]).map((each) => String(each ?? "")),
  }));
  return leaf;
};

const grouped = (node) => (node.type === "leaf" ? newGroup("all", [node]) : node);

const negate = (node) => {
  if (node.type === "leaf") return node.not ? newGroup("not_all", [node]) : { ...node, not: true };
  if (node.mode === "all") return { ...node, mode: "not_all" };
  if (node.mode === "any") return { ...node, mode: "none" };
  return newGroup("not_all", [node]);
};

// JSON of a node; `places` learns which node stands at which path, as the server names it.
const write = (node, path, places) => {
  places.set(path.join("/"), node.id);
  if (node.type === "leaf") {
    const inner = node.not ? [...path, "not"] : path;
    places.set(inner.join("/"), node.id);
    const data = { field: node.field, op: node.op };
    if (node.value !== undefined && node.value !== "") data.value = node.value;
    const where = {};
    for (const row of node.where) {
      if (!row.key || row.key === "properties.") continue;
      where[row.key] = [...new Set([...(where[row.key] ?? []), ...row.values])];
    }
    for (const [key, values] of Object.entries(where)) where[key] = values.length === 1 ? values[0] : values;
    if (Object.keys(where).length) data.where = where;
    if (node.days !== undefined) data.days = node.days;
    if (node.who?.parts.length) data.who = write(node.who, [...inner, "who"], places);
    return node.not ? { not: data } : data;
  }
  const key = NEGATED[node.mode] ?? node.mode;
  const inner = node.mode in NEGATED ? [...path, "not"] : path;
  places.set(inner.join("/"), node.id);
  // An empty group within another would silently mean everybody; as an empty “any” it is refused until it is filled.
  if (!node.parts.length) return path.length ? { any: [] } : {};
  const data = { [key]: node.parts.map((part, n) => write(part, [...inner, key, String(n + 1)], places)) };
  return node.mode in NEGATED ? { not: data } : data;
};

// ---- small things of the page ----

const h = (tag, given = {}, ...children) => {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "html") made.innerHTML = value; // icons, drawn by the server
    else if (name === "value") made.value = value;
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return made;
};

const fill = (words, named) => words.replace(/%\((\w+)\)s/g, (whole, name) => named[name] ?? whole);

const asked = async (url, given = {}) => {
  const answer = await fetch(url, { credentials: "same-origin", headers: { Accept: "application/json" }, ...given });
  if (answer.redirected || answer.status === 401 || answer.status === 403) throw new Error("signed out");
  if (!answer.ok) throw new Error(String(answer.status));
  return answer.json();
};

const fold = (text) => text.toLocaleLowerCase();

// How well a field fits what is searched: its name begins so, a word of it does, it is somewhere within; or not at all.
const rank = (option, wanted) => {
  const label = fold(option.label);
  const places = [label, label.replace(/[^\p{L}\p{N}]+/gu, " "), fold(`${option.label} ${option.group} ${option.value}`)];
  return wanted.reduce((worst, word) => {
    const found = places[0].startsWith(word) ? 0 : ` ${places[1]}`.includes(` ${word}`) ? 1 : places[2].includes(word) ? 2 : Infinity;
    return Math.max(worst, found);
  }, 0);
};

// ---- an input with a list to choose from ----

class Combobox {
  // `options(text)` answers a list of {value, label, group} or a promise of one; `pick(option)` is told the choice.
  // `called` names the list; `free`: what is typed is a value as well, told to `typed(text)`.
  constructor({ input, options, pick, called, typed, free = false, none = "" }) {
    Object.assign(this, { input, options, pick, typed, free, none, at: -1, shown: [], turn: 0 });
    this.list = h("div", { role: "listbox", id: `${newId()}-list`, class: "combo__list", hidden: true });
    this.list.setAttribute("aria-label", called);
    this.remark = h("p", { class: "combo__remark", hidden: true });
    this.box = h("div", { class: "combo" }, input, this.list, this.remark);
    for (const [name, value] of Object.entries({
      role: "combobox",
      autocomplete: "off",
      spellcheck: "false",
      "aria-autocomplete": "list",
      "aria-expanded": "false",
      "aria-controls": this.list.id,
    })) {
      input.setAttribute(name, value);
    }
    input.addEventListener("click", () => this.open());
    input.addEventListener("input", () => {
      if (this.free) this.typed?.(input.value);
      this.open(true);
    });
    input.addEventListener("keydown", (event) => this.key(event));
    input.addEventListener("blur", () => this.close());
    this.list.addEventListener("mousedown", (event) => event.preventDefault()); // the input keeps the focus
    this.list.addEventListener("click", (event) => {
      const option = event.target.closest("[role=option]");
      if (option) this.take(Number(option.dataset.n));
    });
  }

  async open(typing = false) {
    const turn = ++this.turn;
    const text = typing ? this.input.value : "";
    const found = this.options(text);
    if (found instanceof Promise) {
      await new Promise((resolve) => setTimeout(resolve, typing ? TYPING : 0));
      if (turn !== this.turn) return;
    }
    let shown = [];
    try {
      shown = await found;
    } catch {
      shown = []; // an offer is a convenience: without it one types
    }
    if (turn !== this.turn || !this.list.isConnected || document.activeElement !== this.input) return;
    this.shown = shown;
    this.at = typing && !this.free && shown.length ? 0 : shown.findIndex((each) => each.current);
    this.draw();
  }

  draw() {
    const groups = new Map();
    this.shown.forEach((option, n) => {
      const drawn = h(
        "div",
        {
          role: "option",
          id: `${this.list.id}-${n}`,
          class: "combo__option",
          "data-n": n,
          "aria-selected": n === this.at ? "true" : "false",
        },
        option.label,
      );
      const name = option.group ?? "";
      if (!groups.has(name)) {
        groups.set(name, name ? h("div", { role: "group", "aria-label": name }, h("div", { class: "combo__group", "aria-hidden": "true" }, name)) : h("div", { role: "group" }));
      }
      groups.get(name).append(drawn);
    });
    this.list.replaceChildren(...groups.values());
    this.list.hidden = !this.shown.length;
    this.remark.hidden = Boolean(this.shown.length) || !this.none || !this.input.value;
    this.remark.textContent = this.none;
    this.input.setAttribute("aria-expanded", String(!this.list.hidden));
    this.point();
  }

  point() {
    for (const option of this.list.querySelectorAll("[role=option]")) {
      option.setAttribute("aria-selected", String(Number(option.dataset.n) === this.at));
    }
    const active = this.list.querySelector('[aria-selected="true"]');
    if (active) {
      this.input.setAttribute("aria-activedescendant", active.id);
      active.scrollIntoView({ block: "nearest" });
    } else {
      this.input.removeAttribute("aria-activedescendant");
    }
  }

  key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const open = !this.list.hidden;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (!open) {
        this.open(this.free && this.input.value !== "");
        return;
      }
      const step = event.key === "ArrowDown" ? 1 : -1;
      this.at = (this.at + step + this.shown.length) % this.shown.length;
      if (this.at < 0) this.at = this.shown.length - 1;
      this.point();
    } else if (event.key === "Enter") {
      if (open && this.at >= 0) {
        event.preventDefault();
        this.take(this.at);
      } else if (this.free) {
        event.preventDefault();
        this.entered?.();
        this.close();
      } else {
        event.preventDefault();
      }
    } else if (event.key === "Escape" && open) {
      event.preventDefault();
      event.stopPropagation();
      this.close();
    } else if (event.key === "Tab" && open && this.at >= 0 && !this.free) {
      this.take(this.at, true);
    }
  }

  take(n, leaving = false) {
    const option = this.shown[n];
    this.close();
    this.pick(option, leaving);
  }

  close() {
    this.turn += 1;
    this.list.hidden = true;
    this.remark.hidden = true;
    this.at = -1;
    this.input.setAttribute("aria-expanded", "false");
    this.input.removeAttribute("aria-activedescendant");
  }
}

// ---- the builder ----

class Builder {
  constructor(root) {
    this.root = root;
    this.text = root.querySelector("textarea");
    this.stage = root.querySelector("[data-tree]");
    this.answer = root.querySelector("[data-answer]");
    this.strict = root.hasAttribute("data-strict");
    this.errors = new Map();
    this.offers = new Map();
    this.turn = 0;
    this.history = [];
    this.now = -1;
  }

  async start() {
    let tree;
    try {
      tree = read(JSON.parse(this.text.value.trim() || "{}"));
    } catch {
      this.stage.removeAttribute("aria-busy"); // the form says what is wrong; the JSON stays to be mended
      return;
    }
    let catalogue;
    try {
      catalogue = await asked(this.root.dataset.fields);
    } catch {
      this.stage.removeAttribute("aria-busy");
      return; // the JSON stays
    }
    Object.assign(this, { words: catalogue.words, icons: catalogue.icons, places: catalogue.places, currency: catalogue.currency });
    const coming = this.root.querySelector('script[type="application/json"]');
    this.coming = coming ? JSON.parse(coming.textContent) : [];
    this.kind = catalogue.of;
    this.catalogues = { ...catalogue.others, [this.kind]: [...catalogue.fields, ...this.coming] };
    this.fields = new Map(Object.values(this.catalogues).flatMap((fields) => fields.map((field) => [field.name, field])));
    this.tree = this.prepared(grouped(tree));
    this.root.querySelector("[data-json]").open = false;
    this.text.addEventListener("change", () => this.typedJson());
    this.root.addEventListener("keydown", (event) => this.key(event));
    this.stage.removeAttribute("aria-busy");
    this.prepareDragging();
    this.commit();
    this.render();
    this.root.dataset.ready = "";
  }

  // Every question about others has its group, though nothing may be asked in it yet.
  prepared(node) {
    if (node.type === "leaf" && this.fields.get(node.field)?.who) node.who ??= newGroup();
    for (const part of inside(node)) this.prepared(part);
    return node;
  }

  // ---- what changes ----

  // Notes a change in the history. Changes with the same `typing` are one step: a word is undone, not a letter.
  commit(typing = "") {
    const state = JSON.stringify(this.tree);
    if (typing && typing === this.typing && this.now > 0) this.history[this.now] = state;
    else if (state !== this.history[this.now]) {
      this.history.splice(this.now + 1);
      this.history.push(state);
      this.now += 1;
    }
    this.typing = typing;
    this.changed();
  }

  changed() {
    this.paths = new Map();
    const data = write(this.tree, [], this.paths);
    this.text.value = JSON.stringify(data, null, 2);
    this.sayJson("");
    this.text.dispatchEvent(new Event("input", { bubbles: true }));
    this.refreshTools();
    this.check(data);
  }

  // A change of what is there: the picture is drawn anew, with the focus where it belongs.
  change(focus, said = "") {
    this.commit();
    this.render(focus);
    if (said) this.say(said);
  }

  step(by) {
    const to = this.now + by;
    if (to < 0 || to >= this.history.length) return;
    const focused = document.activeElement?.dataset?.k;
    this.now = to;
    this.tree = JSON.parse(this.history[to]);
    this.typing = "";
    this.changed();
    this.render(focused ?? `${this.tree.id}:mode`);
    this.say(by < 0 ? this.words.undone : this.words.redone);
  }

  typedJson() {
    let tree;
    try {
      tree = read(JSON.parse(this.text.value.trim() || "{}"));
    } catch {
      this.sayJson(this.words.bad_json);
      return;
    }
    this.tree = this.prepared(grouped(tree));
    this.commit();
    this.render("");
  }

  sayJson(words) {
    const place = this.root.querySelector("[data-json-error]");
    place.textContent = words;
    place.hidden = !words;
  }

  say(words) {
    const place = this.root.querySelector("[data-said]");
    place.textContent = "";
    requestAnimationFrame(() => (place.textContent = words));
  }

  // The node of an id with its parent and its place there.
  find(id, node = this.tree, parent = null, n = 0) {
    if (node.id === id) return { node, parent, n };
    for (const [at, part] of inside(node).entries()) {
      const found = this.find(id, part, node, at);
      if (found) return found;
    }
    return null;
  }

  // Of whom a node asks: of those whom the whole is about, or of the others of a question.
  about(id, node = this.tree, kind = this.kind) {
    if (node.id === id) return kind;
    const within = node.who ? this.fields.get(node.field).who : kind;
    for (const part of inside(node)) {
      const found = this.about(id, part, within);
      if (found) return found;
    }
    return null;
  }

  add(group, node) {
    group.parts.push(node);
    this.change(node.type === "leaf" ? `${node.id}:field` : `${node.id}:add`, this.words.added);
  }

  addGroup(group) {
    this.add(group, newGroup(group.mode === "all" || group.mode === "not_all" ? "any" : "all"));
  }

  remove(id) {
    const { parent, n } = this.find(id);
    parent.parts.splice(n, 1);
    const next = parent.parts[n] ?? parent.parts[n - 1];
    this.change(next ? `${next.id}:${next.type === "leaf" ? "field" : "mode"}` : `${parent.id}:add`, this.words.removed);
  }

  copy(id) {
    const { node, parent, n } = this.find(id);
    const copied = this.fresh(structuredClone(node));
    parent.parts.splice(n + 1, 0, copied);
    this.change(`${copied.id}:${copied.type === "leaf" ? "field" : "mode"}`, this.words.copied);
  }

  fresh(node) {
    node.id = newId();
    for (const row of node.where ?? []) row.id = newId();
    for (const part of inside(node)) this.fresh(part);
    return node;
  }

  wrap(id) {
    const { node, parent, n } = this.find(id);
    const group = newGroup(parent.mode === "all" || parent.mode === "not_all" ? "any" : "all", [node]);
    parent.parts[n] = group;
    this.change(`${group.id}:mode`, this.words.wrapped);
  }

  unwrap(id) {
    const { node, parent, n } = this.find(id);
    parent.parts.splice(n, 1, ...node.parts);
    const first = node.parts[0];
    this.change(first ? `${first.id}:${first.type === "leaf" ? "field" : "mode"}` : `${parent.id}:add`, this.words.unwrapped);
  }

  // One place up or down as the eye sees it: past a question, into a group, out of the own one at its edge.
  move(id, by, focus) {
    const { node, parent, n } = this.find(id);
    if (!parent) return;
    const beside = parent.parts[n + by];
    if (beside?.type === "group") {
      parent.parts.splice(n, 1);
      beside.parts.splice(by > 0 ? 0 : beside.parts.length, 0, node);
    } else if (beside) {
      parent.parts.splice(n, 1);
      parent.parts.splice(n + by, 0, node);
    } else {
      const outer = this.find(parent.id);
      if (outer.parent?.type !== "group") return; // out of the whole, or out of a question about others
      parent.parts.splice(n, 1);
      outer.parent.parts.splice(by > 0 ? outer.n + 1 : outer.n, 0, node);
    }
    this.change(focus, this.movedWords(id));
  }

  put(id, into, n) {
    const from = this.find(id);
    if (this.find(into.id, from.node)) return; // not into itself
    if (this.about(into.id) !== this.about(id)) return; // nor where others are asked for
    from.parent.parts.splice(from.n, 1);
    const shift = from.parent === into && from.n < n ? 1 : 0;
    into.parts.splice(n - shift, 0, from.node);
    this.change(`${id}:${from.node.type === "leaf" ? "field" : "mode"}`, this.movedWords(id));
  }

  movedWords(id) {
    const { parent, n } = this.find(id);
    return fill(this.words.moved, { n: n + 1, of: parent.parts.length });
  }

  key(event) {
    if (event.target === this.text) return;
    const command = event.ctrlKey || event.metaKey;
    const letter = event.key.toLowerCase();
    if (event.key === "Enter" && event.target.tagName === "INPUT") event.preventDefault(); // not sent half written
    if (command && !event.altKey && (letter === "z" || letter === "y")) {
      event.preventDefault();
      this.step(letter === "y" || event.shiftKey ? 1 : -1);
      return;
    }
    // On a select these keys open its list.
    if (event.altKey && !command && event.target.tagName !== "SELECT" && (event.key === "ArrowUp" || event.key === "ArrowDown")) {
      const node = event.target.closest("[data-node]");
      if (node && node.dataset.node !== this.tree.id) {
        event.preventDefault();
        this.move(node.dataset.node, event.key === "ArrowUp" ? -1 : 1, event.target.dataset.k);
      }
    }
  }

  prepareDragging() {
    let dragged = null;
    let place = null;
    const clear = () => {
      for (const marked of this.stage.querySelectorAll("[data-drop]")) delete marked.dataset.drop;
    };
    this.stage.addEventListener("dragstart", (event) => {
      const grip = event.target.closest("[data-grip]");
      if (!grip) return;
      const item = grip.closest("[data-node]");
      dragged = item.dataset.node;
      event.dataTransfer.effectAllowed = "move";
      event.dataTransfer.setData("text/plain", "");
      event.dataTransfer.setDragImage(item, 12, 12);
    });
    this.stage.addEventListener("dragover", (event) => {
      if (!dragged) return;
      const item = event.target.closest("[data-node]");
      clear();
      place = null;
      if (!item || item.dataset.node === dragged) return;
      const { node, parent, n } = this.find(item.dataset.node);
      const box = item.getBoundingClientRect();
      if (node.type === "group" && (parent?.type !== "group" || (event.clientY > box.top + 14 && event.clientY < box.bottom - 8))) {
        place = { into: node, n: node.parts.length };
        item.dataset.drop = "into";
      } else {
        const after = event.clientY > box.top + box.height / 2;
        place = { into: parent, n: n + (after ? 1 : 0) };
        item.dataset.drop = after ? "after" : "before";
      }
      event.preventDefault();
    });
    this.stage.addEventListener("drop", (event) => {
      event.preventDefault();
      clear();
      if (dragged && place) this.put(dragged, place.into, place.n);
    });
    this.stage.addEventListener("dragend", () => {
      dragged = null;
      clear();
    });
  }

  // ---- what is seen ----

  render(focus) {
    this.stage.replaceChildren(this.drawGroup(this.tree, null, 0), h("p", { class: "builder__keys" }, this.words.keys));
    this.refreshTools();
    this.showErrors();
    if (!focus) return;
    const wanted = this.stage.querySelector(`[data-k="${CSS.escape(focus)}"]`);
    const [id] = focus.split(":");
    (wanted ?? this.stage.querySelector(`[data-node="${CSS.escape(id)}"] [data-k]`) ?? this.stage.querySelector("[data-k]"))?.focus();
  }

  drawTools() {
    const tool = (name, by) =>
      this.iconButton(name, this.words[name], () => this.step(by), { "data-tool": name, "data-k": `tool:${name}` });
    return h("div", { class: "builder__tools" }, tool("undo", -1), tool("redo", 1));
  }

  refreshTools() {
    const able = { undo: this.now > 0, redo: this.now < this.history.length - 1 };
    for (const button of this.stage.querySelectorAll("[data-tool]")) {
      button.setAttribute("aria-disabled", String(!able[button.dataset.tool]));
    }
  }

  iconButton(icon, label, act, given = {}) {
    const button = h("button", { type: "button", class: "button button--quiet button--small button--icon", title: label, onclick: act, ...given });
    button.innerHTML = this.icons[icon];
    button.append(h("span", { class: "visually-hidden" }, label));
    return button;
  }

  addButton(group, name, label, act, key) {
    const button = h("button", { type: "button", class: "button button--small", title: label, "data-k": `${group.id}:${key}`, "aria-label": label, onclick: act });
    button.innerHTML = this.icons.add;
    button.append(h("span", {}, name));
    return button;
  }

  drawGroup(group, parent, n) {
    const words = this.words;
    const mode = h("select", {
      class: "input builder__mode",
      "aria-label": words.mode,
      "data-k": `${group.id}:mode`,
      onchange: (event) => {
        group.mode = event.target.value;
        this.change(`${group.id}:mode`);
      },
    });
    for (const name of ["all", "any", "not_all", "none"]) {
      mode.append(h("option", { value: name, selected: name === group.mode }, words[name]));
    }
    mode.value = group.mode;
    const parts = h("ol", { class: "builder__parts", role: "list" });
    const joined = group.mode === "any" || group.mode === "none" ? words.join_any : words.join_all;
    group.parts.forEach((part, at) => {
      const drawn = part.type === "leaf" ? this.drawLeaf(part, group, at) : this.drawGroup(part, group, at);
      parts.append(h("li", { class: "builder__part" }, at ? h("span", { class: "builder__join" }, joined) : null, drawn));
    });
    const root = group === this.tree;
    const others = parent?.type === "leaf";
    const who = root ? words.who : others ? words[`others_${this.fields.get(parent.field).who}`] : "";
    const label = who || fill(words.group_of, { n: n + 1, of: parent.parts.length });
    return h(
      "div",
      { class: `builder__group${root ? " builder__group--root" : ""}`, role: "group", "aria-label": label, "data-node": group.id },
      h(
        "div",
        { class: "builder__head" },
        who ? null : this.grip(),
        who ? h("span", { class: "builder__who" }, who) : null,
        mode,
        root ? this.drawTools() : null,
        who ? null : this.drawActions(group),
      ),
      group.parts.length ? parts : h("p", { class: "builder__empty" }, root ? words.everybody : others ? words.any_others : words.empty_group),
      h("p", { class: "field__error", "data-error": "", hidden: true }),
      h(
        "div",
        { class: "builder__foot" },
        this.addButton(group, words.add_condition, words.add_condition_long, () => this.add(group, newLeaf()), "add"),
        this.addButton(group, words.add_group, words.add_group_long, () => this.addGroup(group), "add-group"),
      ),
    );
  }

  grip() {
    const grip = h("span", { class: "builder__grip", draggable: "true", "data-grip": "", title: this.words.drag, "aria-hidden": "true" });
    grip.innerHTML = this.icons.grip;
    return grip;
  }

  drawActions(node) {
    const words = this.words;
    const act = (name, word, run) => this.iconButton(name, word, run, { "data-k": `${node.id}:${name}` });
    return h(
      "div",
      { class: "builder__actions" },
      act("up", words.up, () => this.move(node.id, -1, `${node.id}:up`)),
      act("down", words.down, () => this.move(node.id, 1, `${node.id}:down`)),
      act("copy", words.copy, () => this.copy(node.id)),
      act("wrap", words.wrap, () => this.wrap(node.id)),
      node.type === "group" ? act("unwrap", words.unwrap, () => this.unwrap(node.id)) : null,
      act("remove", words.remove, () => this.remove(node.id)),
    );
  }

  drawLeaf(leaf, parent, n) {
    const words = this.words;
    const field = this.fields.get(leaf.field);
    const opposite = h(
      "button",
      {
        type: "button",
        class: "builder__not",
        "aria-pressed": String(leaf.not),
        title: words.negate,
        "data-k": `${leaf.id}:not`,
        onclick: () => {
          leaf.not = !leaf.not;
          this.change(`${leaf.id}:not`);
        },
      },
      words.negated,
    );
    const question = h("div", { class: "builder__question" }, opposite, this.drawField(leaf, field));
    if (field) {
      question.append(this.drawOperator(leaf, field));
      question.append(...this.drawValue(leaf, field));
      if (field.windowed) question.append(this.drawWindow(leaf, field));
    }
    const narrowing = field ? this.drawWhere(leaf, field) : [];
    return h(
      "div",
      {
        class: "builder__leaf",
        role: "group",
        "aria-label": fill(words.condition, { n: n + 1, of: parent.parts.length }),
        "data-node": leaf.id,
      },
      h("div", { class: "builder__line" }, this.grip(), question, this.drawActions(leaf)),
      ...narrowing,
      field?.who ? this.drawGroup(leaf.who, leaf, 0) : null,
      h("p", { class: "field__error", "data-error": "", hidden: true }),
    );
  }

  drawField(leaf, field) {
    const input = h("input", {
      class: "input builder__field",
      "aria-label": this.words.field,
      placeholder: this.words.choose_field,
      "data-k": `${leaf.id}:field`,
      value: field ? field.label : leaf.field,
    });
    const all = this.catalogues[this.about(leaf.id)].filter((each) => !each.hidden || each.name === leaf.field).map((each) => ({ value: each.name, label: each.label, group: each.group }));
    const combo = new Combobox({
      input,
      called: this.words.choose,
      none: this.words.no_field,
      options: (text) => {
        const wanted = fold(text).split(/\s+/).filter(Boolean);
        return all
          .map((each) => ({ ...each, current: each.value === leaf.field, rank: rank(each, wanted) }))
          .filter((each) => each.rank < Infinity)
          .sort((one, other) => one.rank - other.rank);
      },
      pick: (option, leaving) => {
        this.choose(leaf, option.value);
        this.change(leaving ? "" : `${leaf.id}:op`);
        if (leaving) this.stage.querySelector(`[data-k="${leaf.id}:field"]`)?.focus();
      },
    });
    input.addEventListener("focus", () => input.select());
    input.addEventListener("blur", () => (input.value = this.fields.get(leaf.field)?.label ?? leaf.field));
    combo.box.classList.add("combo--field");
    return combo.box;
  }

  // Another field: what still fits it stays.
  choose(leaf, name) {
    const field = this.fields.get(name);
    const before = this.operatorOf(leaf);
    const operator = field.operators.find((each) => each.name === leaf.op) ?? field.operators[0];
    const wasOf = this.fields.get(leaf.field);
    leaf.field = name;
    leaf.op = operator.name;
    if (!before || before.takes !== operator.takes || wasOf?.group !== field.group) delete leaf.value;
    if (operator.takes === "yes_no") leaf.value ??= true;
    leaf.where = leaf.where.filter((row) => this.whereOf(field, row.key));
    if (!field.windowed) delete leaf.days;
    else if (field.needs_days) leaf.days ??= 30;
    if (field.who !== wasOf?.who) delete leaf.who;
    this.prepared(leaf);
  }

  whereOf(field, key) {
    return field.where.find((each) => each.key === (key.startsWith("properties.") ? "properties" : key));
  }

  operatorOf(leaf) {
    return this.fields.get(leaf.field)?.operators.find((each) => each.name === leaf.op);
  }

  drawOperator(leaf, field) {
    const select = h("select", {
      class: "input builder__op",
      "aria-label": this.words.operator,
      "data-k": `${leaf.id}:op`,
      onchange: (event) => {
        const before = this.operatorOf(leaf)?.takes;
        leaf.op = event.target.value;
        leaf.value = this.converted(leaf.value, before, this.operatorOf(leaf).takes);
        if (leaf.value === undefined) delete leaf.value;
        this.change(`${leaf.id}:op`);
      },
    });
    if (!this.operatorOf(leaf)) select.append(h("option", { value: leaf.op }, leaf.op || "…"));
    for (const each of field.operators) select.append(h("option", { value: each.name }, each.label));
    select.value = leaf.op;
    return select;
  }

  converted(value, from, to) {
    if (from === to) return value;
    if (to === "nothing" || value === undefined) return to === "yes_no" ? true : undefined;
    if (from === "text" && to === "texts") return [value];
    if (from === "texts" && to === "text") return value[0];
    if (to === `${from},${from}`) return [value, undefined];
    if (from === `${to},${to}`) return value[0] ?? undefined;
    return to === "yes_no" ? true : undefined;
  }

  // A value was typed: told to the server and to the history, while the picture stays as it is.
  typed(leaf, value, key) {
    if (value === undefined) delete leaf.value;
    else leaf.value = value;
    this.commit(key);
  }

  drawValue(leaf, field) {
    const operator = this.operatorOf(leaf);
    const takes = operator?.takes ?? (leaf.value === undefined ? "nothing" : "text");
    const label = this.words.value;
    const key = `${leaf.id}:value`;
    if (takes === "nothing") return [];
    if (takes.includes(",")) return this.drawRange(leaf, takes.split(",")[0]);
    if (takes === "yes_no") {
      const choice = [
        { value: "true", label: this.words.yes },
        { value: "false", label: this.words.no },
      ];
      const set = (value) => this.typed(leaf, value === "true", key);
      return [this.select(choice, String(leaf.value ?? ""), label, key, set)];
    }
    const chosen = field.choices.length > 0;
    if (takes === "texts") return [this.drawTokens(chosen ? field.choices : null, { field: field.name, key: "" }, Array.isArray(leaf.value) ? leaf.value : [], key, label, (values) => this.typedTokens(leaf, values))];
    if (takes === "text" && chosen && ["is", "is_not"].includes(operator.name)) {
      return [this.select(field.choices, leaf.value ?? "", label, key, (value) => this.typed(leaf, value || undefined, key))];
    }
    if (takes === "text") return [this.drawText(leaf, field, label, key)];
    const drawn = [this.drawPlain(takes, leaf.value, label, key, (value) => this.typed(leaf, value, key))];
    if (takes === "days") drawn.push(h("span", { class: "builder__unit" }, this.words.days));
    return drawn;
  }

  typedTokens(leaf, values) {
    if (values.length) leaf.value = values;
    else delete leaf.value;
  }

  select(options, value, label, key, set) {
    const select = h("select", { class: "input builder__value", "aria-label": label, "data-k": key, onchange: (event) => set(event.target.value) });
    if (!options.some((each) => each.value === value)) select.append(h("option", { value }, value || this.words.choose));
    for (const each of options) select.append(h("option", { value: each.value }, each.label));
    select.value = value;
    return select;
  }

  drawRange(leaf, takes) {
    const pair = () => (Array.isArray(leaf.value) ? [...leaf.value] : [undefined, undefined]);
    const set = (n) => (value) => {
      const both = pair();
      both[n] = value;
      this.typed(leaf, both.every((each) => each === undefined || each === null) ? undefined : both.map((each) => each ?? null), `${leaf.id}:${n}`);
    };
    const one = (n, label) => this.drawPlain(takes, pair()[n] ?? undefined, label, `${leaf.id}:value${n || ""}`, set(n));
    return [one(0, this.words.from), h("span", { class: "builder__unit" }, this.words.between_and), one(1, this.words.to)];
  }

  // An input for a number, an amount, a number of days, or a day.
  drawPlain(takes, value, label, key, set) {
    if (takes === "day" || takes === "instant") {
      const exact = typeof value === "string" && value.includes("T");
      return h("input", {
        class: "input builder__value",
        type: exact ? "text" : "date",
        "aria-label": label,
        "data-k": key,
        value: value ?? "",
        oninput: (event) => set(event.target.value || undefined),
      });
    }
    const scale = takes === "money" ? 10 ** this.places : 1;
    const input = h("input", {
      class: "input builder__value builder__value--number",
      type: "number",
      step: takes === "days" ? "1" : "any",
      min: takes === "days" ? "0" : undefined,
      inputmode: "decimal",
      "aria-label": takes === "money" ? `${label} (${this.currency})` : label,
      "data-k": key,
      value: typeof value === "number" ? String(value / scale) : (value ?? ""),
      oninput: (event) => {
        const told = event.target.value === "" ? undefined : Number(event.target.value);
        set(told === undefined ? undefined : takes === "money" ? Math.round(told * scale) : told);
      },
    });
    return takes === "money" ? h("span", { class: "builder__money" }, input, h("span", { class: "builder__unit" }, this.currency)) : input;
  }

  drawText(leaf, field, label, key) {
    const input = h("input", { class: "input builder__value", type: "text", maxlength: 1000, "aria-label": label, "data-k": key, value: leaf.value ?? "" });
    const set = (text) => this.typed(leaf, text === "" ? undefined : text, key);
    if (!field.offers) {
      input.addEventListener("input", () => set(input.value));
      return input;
    }
    const combo = new Combobox({
      input,
      called: this.words.choose,
      free: true,
      options: (text) => this.offered({ field: field.name, key: "" }, text),
      typed: set,
      pick: (option) => {
        input.value = option.value;
        set(option.value);
      },
    });
    return combo.box;
  }

  // Values in use, as the server knows them; each question is asked once.
  offered(of, text) {
    const kind = this.catalogues[this.kind].some((each) => each.name === of.field) ? this.kind : Object.keys(this.catalogues).find((each) => each !== this.kind);
    const [path] = this.root.dataset.values.split("?");
    const url = `${path}?${new URLSearchParams({ of: kind, field: of.field, key: of.key, q: text })}`;
    if (!this.offers.has(url)) {
      const found = asked(url).then((answer) => answer.values);
      found.catch(() => this.offers.delete(url));
      this.offers.set(url, found);
    }
    return this.offers.get(url);
  }

  // A list of values: each a token with a cross, behind them an input that offers the others.
  drawTokens(choices, of, values, key, label, set) {
    const words = this.words;
    const name = (value) => choices?.find((each) => each.value === value)?.label ?? (value === "" ? words.empty_value : value);
    const input = h("input", { class: "builder__entry", type: "text", maxlength: 1000, "aria-label": label, "data-k": key, placeholder: values.length ? "" : words.add_value });
    const put = (next) => {
      set(next);
      this.change(key);
    };
    const add = (value) => {
      const text = value.trim();
      input.value = "";
      if (text && !values.includes(text)) put([...values, text]);
    };
    const combo = new Combobox({
      input,
      called: this.words.choose,
      free: !choices,
      options: async (text) => {
        const found = choices
          ? choices.filter((each) => fold(`${each.label} ${each.value}`).includes(fold(text)))
          : await this.offered(of, text);
        return found.filter((each) => !values.includes(each.value));
      },
      pick: (option) => add(option.value),
    });
    combo.entered = () => add(input.value);
    input.addEventListener("keydown", (event) => {
      if (event.key === "Backspace" && !input.value && values.length) {
        event.preventDefault();
        put(values.slice(0, -1));
      } else if (event.key === "," && !choices && input.value.trim()) {
        event.preventDefault();
        add(input.value);
      }
    });
    input.addEventListener("paste", (event) => {
      const lines = event.clipboardData.getData("text").split(/[\n,;\t]+/).map((each) => each.trim()).filter(Boolean);
      if (choices || lines.length < 2) return;
      event.preventDefault();
      put([...new Set([...values, ...lines])]);
    });
    input.addEventListener("blur", () => {
      const text = input.value.trim();
      if (choices || !text || values.includes(text)) return;
      input.value = "";
      const more = [...values, text];
      set(more);
      this.commit();
      // The click that took the focus away must find its target where it was; then the token appears.
      setTimeout(() => box.isConnected && box.replaceWith(this.drawTokens(choices, of, more, key, label, set)), 150);
    });
    const tokens = values.map((value) => {
      const close = h("button", {
        type: "button",
        class: "builder__drop",
        title: fill(words.remove_value, { value: name(value) }),
        onclick: () => put(values.filter((each) => each !== value)),
      });
      close.innerHTML = this.icons.close;
      close.append(h("span", { class: "visually-hidden" }, fill(words.remove_value, { value: name(value) })));
      return h("li", { class: "builder__token" }, h("span", { class: "clip" }, name(value)), close);
    });
    const list = tokens.length ? h("ul", { class: "builder__taken", role: "list" }, tokens) : null;
    const box = h("div", { class: "builder__tokens", onclick: (event) => event.target === box && input.focus() }, list, combo.box);
    return box;
  }

  drawWindow(leaf, field) {
    const words = this.words;
    const select = h("select", {
      class: "input builder__window",
      "aria-label": words.window,
      "data-k": `${leaf.id}:window`,
      onchange: (event) => {
        if (event.target.value) leaf.days = 30;
        else delete leaf.days;
        this.change(`${leaf.id}:window`);
      },
    });
    if (!field.needs_days) select.append(h("option", { value: "" }, words.any_time));
    select.append(h("option", { value: "days" }, words.in_last));
    select.value = leaf.days === undefined ? "" : "days";
    if (leaf.days === undefined) return select;
    const days = h("input", {
      class: "input builder__value builder__value--number",
      type: "number",
      min: "1",
      step: "1",
      inputmode: "numeric",
      "aria-label": words.window_days,
      "data-k": `${leaf.id}:days`,
      value: String(leaf.days),
      oninput: (event) => {
        leaf.days = event.target.value === "" ? 0 : Number(event.target.value);
        this.commit(`${leaf.id}:days`);
      },
    });
    return h("span", { class: "builder__span" }, select, days, h("span", { class: "builder__unit" }, words.days));
  }

  drawWhere(leaf, field) {
    const words = this.words;
    if (!field.where.length) return [];
    const used = new Set(leaf.where.map((row) => row.key));
    const rows = leaf.where.map((row) => {
      const known = this.whereOf(field, row.key);
      const choices = known?.choices.length ? known.choices.map((each) => ({ value: each, label: each })) : null;
      const own = row.key.startsWith("properties.");
      const name = own ? row.key.slice("properties.".length) : (known?.label ?? row.key);
      let called = h("span", { class: "builder__key" }, name);
      if (own) {
        const input = h("input", { class: "input builder__property", type: "text", maxlength: 200, "aria-label": words.property_name, placeholder: words.property_name, "data-k": `${row.id}:name`, value: name });
        const rename = (text) => {
          row.key = `properties.${text}`;
          this.commit(`${row.id}:name`);
        };
        called = new Combobox({
          input,
          called: words.choose,
          free: true,
          options: (text) => this.offered({ field: field.name, key: "properties" }, text),
          typed: rename,
          pick: (option) => {
            row.key = `properties.${option.value}`;
            this.change(`${row.id}:values`);
          },
        }).box;
      }
      const stop = fill(words.stop_narrowing, { key: name || words.property });
      const set = (values) => (row.values = values);
      const day = (value) => {
        set(value ? [value] : []);
        this.commit(`${row.id}:values`);
      };
      const asked =
        known?.takes === "day"
          ? [this.drawPlain("day", row.values[0], name, `${row.id}:values`, day)]
          : [
              h("span", { class: "builder__unit" }, words.is_one_of),
              this.drawTokens(choices, { field: field.name, key: row.key }, row.values, `${row.id}:values`, name || words.property, set),
            ];
      return h(
        "div",
        { class: "builder__where", "data-row": row.id },
        h("span", { class: "builder__unit" }, words.only),
        called,
        ...asked,
        this.iconButton("close", stop, () => {
          leaf.where = leaf.where.filter((each) => each !== row);
          this.change(`${leaf.id}:narrow`);
        }),
      );
    });
    const left = field.where.filter((each) => each.key === "properties" || !used.has(each.key));
    const input = h("input", {
      class: "input builder__narrow",
      "aria-label": words.narrow_by,
      placeholder: `${words.narrow} …`,
      "data-k": `${leaf.id}:narrow`,
    });
    input.addEventListener("blur", () => (input.value = ""));
    const narrow = new Combobox({
      input,
      called: words.choose,
      options: (text) =>
        left.map((each) => ({ value: each.key, label: each.label })).filter((each) => fold(each.label).includes(fold(text))),
      pick: (option) => {
        const own = option.value === "properties";
        const row = { id: newId(), key: own ? "properties." : option.value, values: [] };
        leaf.where.push(row);
        this.change(`${row.id}:${own ? "name" : "values"}`);
      },
    });
    return [...rows, left.length ? h("div", { class: "builder__more" }, narrow.box) : null];
  }

  // ---- what the server says ----

  check(data) {
    clearTimeout(this.timer);
    this.turn += 1;
    const turn = this.turn;
    this.answer.hidden = false;
    this.root.dataset.counting = "";
    if (JSON.stringify(data).includes('"field":""') && !this.strict) {
      this.told({ errors: [], trouble: this.words.unfinished, sentence: "", sample: [] });
      return;
    }
    if (this.coming.some((field) => JSON.stringify(data).includes(`"field":${JSON.stringify(field.name)}`))) {
      this.told({ errors: [], trouble: this.words.uncounted, sentence: "", sample: [] });
      return;
    }
    const count = this.root.querySelector("[data-count]");
    if (!count.textContent) count.textContent = this.words.counting;
    this.timer = setTimeout(async () => {
      this.asking?.abort();
      this.asking = new AbortController();
      try {
        const ask = (address) =>
          asked(address, {
            method: "POST",
            headers: { "Content-Type": "application/json", Accept: "application/json", "X-CSRFToken": this.token() },
            body: JSON.stringify(data),
            signal: this.asking.signal,
          });
        const counts = this.root.hasAttribute("data-counts");
        const answer = await ask(this.root.dataset.check + (counts ? "&first=1" : ""));
        if (turn !== this.turn) return; // an answer to what has changed since is dropped
        this.told(answer);
        if (!answer.more) return;
        this.root.dataset.counting = ""; // an estimate stands there; the exact count comes in its place
        const exact = await ask(this.root.dataset.check);
        if (turn !== this.turn) return;
        this.told(exact.trouble ? { ...answer, more: false } : exact);
      } catch (error) {
        if (turn !== this.turn) return;
        const why = error.message === "signed out" ? this.words.signed_out : this.words.unreachable;
        this.told({ errors: [], trouble: why, sentence: "", sample: [] });
      }
    }, WAIT);
  }

  token() {
    const own = this.root.closest("form")?.querySelector("[name=csrfmiddlewaretoken]")?.value;
    if (own) return own;
    try {
      return JSON.parse(document.body.getAttribute("hx-headers"))["x-csrftoken"];
    } catch {
      return "";
    }
  }

  told(answer) {
    delete this.root.dataset.counting;
    this.errors = new Map();
    for (const error of answer.errors) {
      for (let length = error.steps.length; length >= 0; length -= 1) {
        const id = this.paths.get(error.steps.slice(0, length).join("/"));
        if (!id) continue;
        this.errors.set(id, { part: error.steps.slice(length), reason: error.reason });
        break;
      }
    }
    this.showErrors();
    const sentence = this.root.querySelector("[data-sentence]");
    sentence.toggleAttribute("data-old", !answer.sentence); // the page does not jump while somebody writes
    if (answer.sentence) {
      sentence.hidden = false;
      sentence.textContent = answer.sentence;
    }
    const counts = this.root.hasAttribute("data-counts");
    const trouble = answer.trouble || (answer.errors.length ? this.words.unfinished : "");
    const said = trouble || (counts ? answer.counted : "");
    const place = this.root.querySelector("[data-count]");
    if (place.textContent !== said) place.textContent = said;
    place.classList.toggle("builder__count--trouble", Boolean(trouble));
    this.answer.hidden = !said;
    const sample = this.root.querySelector("[data-sample]");
    if (!counts || !answer.sample.length) {
      sample.replaceChildren();
      return;
    }
    sample.replaceChildren(
      h(
        "ul",
        { class: "builder__sample", "aria-label": this.words.sample },
        answer.sample.map((each) =>
          h("li", {}, h("a", { href: each.url, target: "_blank", rel: "noopener" }, each.name), each.detail ? h("span", { class: "muted" }, ` ${each.detail}`) : null),
        ),
      ),
    );
  }

  showErrors() {
    for (const drawn of this.stage.querySelectorAll("[data-node]")) {
      const place = [...drawn.querySelectorAll("[data-error]")].find((each) => each.closest("[data-node]") === drawn);
      const error = this.errors.get(drawn.dataset.node);
      const { node } = this.find(drawn.dataset.node) ?? {};
      const shown = error && node && (this.strict || !this.isUnfinished(node, error)) ? error : null;
      place.hidden = !shown;
      place.textContent = shown ? shown.reason : "";
      drawn.toggleAttribute("data-wrong", Boolean(shown));
    }
  }

  // Somebody is still writing here: what is missing is no mistake yet.
  isUnfinished(node, error) {
    if (node.type === "group") return !node.parts.length;
    const [part, key] = error.part;
    if (part === "value") return node.value === undefined || (Array.isArray(node.value) && node.value.some((each) => each === null || each === undefined));
    if (part === "where") return node.where.some((row) => (row.key === key || !key) && !row.values.length);
    return part === "field" && !node.field;
  }
}

// ---- every builder of the page, also of its parts that come later ----

const mount = (within) => {
  for (const root of within.querySelectorAll("[data-builder]:not([data-mounted])")) {
    root.dataset.mounted = "";
    new Builder(root).start();
  }
};

mount(document);
document.addEventListener("htmx:load", (event) => mount(event.detail.elt.parentElement ?? document));
