// The rater's page. An answer is shown at once, kept in this browser until the server has stored it, and sent again
// until it has. What the server says replaces what is shown here, but never an answer that is still on its way. Every
// answer has a version, by which the server tells the newest, whenever and from wherever it arrives.
"use strict";

const place = location.pathname; // the personal link, under which everything is found
const waitLimit = 15000; // milliseconds
const get = (id) => document.getElementById(id);
const texts = JSON.parse(document.body.dataset.texts);
const t = (name, values = {}) => texts[name].replace(/\{(\w+)\}/g, (braces, word) => values[word] ?? braces);
const byTouch = matchMedia("(hover: none)");
const isAnswered = (value) => value !== undefined; // null is an answer: cannot judge

let state = null;
let current = 0; // number of the picture shown; the number of all pictures: the end
let view = "";
let changes = 0; // made on this page; tells whether an answer of the server is older than one of them
let failures = 0;
let sending = false;
let wakeUp = null; // ends the wait before the next attempt
let ahead = 0; // milliseconds by which the server's clock is ahead of this one
const pending = new Map(); // "item/question" or "item/comment" → {value, version, seen, viewport} to be sent

// ---- answers on their way, kept in the browser so that closing the page does not lose them ----

const kept = {
  name: (key) => `c2i${place}/${key}`,
  set(key, value) {
    try { localStorage.setItem(this.name(key), JSON.stringify(value)); } catch { /* a browser may refuse: memory it is */ }
  },
  remove(key, version) { // another window may have kept a later one meanwhile
    try {
      const change = JSON.parse(localStorage.getItem(this.name(key)));
      if (!version || change?.version === version) localStorage.removeItem(this.name(key));
    } catch { /* as above */ }
  },
  load() {
    try {
      const start = this.name("");
      for (const name of Object.keys(localStorage).filter((name) => name.startsWith(start))) {
        const key = name.slice(start.length);
        const known = state.items.some((item) => key.startsWith(`${item.item_id}/`)); // not of an earlier survey
        const change = JSON.parse(localStorage.getItem(name));
        if (known && change && change.version) pending.set(key, change);
        else this.remove(key);
      }
    } catch { /* as above */ }
  },
};

// How long the picture of each item has been in front of the rater, in milliseconds.
const watch = {
  item: "", since: 0, before: new Map(),
  of(item) {
    const now = item === this.item && this.since ? performance.now() - this.since : 0;
    return Math.round((this.before.get(item) ?? 0) + now);
  },
  stop() {
    this.before.set(this.item, this.of(this.item));
    this.since = 0;
  },
  start(item) {
    if (item === this.item && this.since) return;
    this.stop();
    this.item = item;
    this.since = performance.now();
  },
};

function watchPicture() {
  const picture = get("picture");
  const item = { rating: () => state.items[current], practice: practiceItem }[view]?.();
  const seen = item && !document.hidden && picture.complete && picture.naturalWidth;
  if (seen) watch.start(item.item_id);
  else watch.stop();
}

// The server's time, and more than every version that this page knows: a later answer has a later version.
function nextVersion(item, field) {
  const known = Math.max(item.versions[field] ?? 0, pending.get(`${item.item_id}/${field}`)?.version ?? 0);
  return Math.max(known + 1, Math.round(Date.now() + ahead));
}

function record(item, field, value) {
  const key = `${item.item_id}/${field}`;
  const viewport = [Math.round(innerWidth), Math.round(innerHeight)];
  const change = { value, version: nextVersion(item, field), seen: watch.of(item.item_id), viewport };
  pending.set(key, change);
  kept.set(key, change);
  changes += 1;
  if (!failures) warn("");
  draw();
  send();
}

async function ask(path, method, body) {
  const options = { method, cache: "no-store", signal: AbortSignal.timeout(waitLimit) };
  if (body) {
    options.headers = { "Content-Type": "application/json" };
    options.body = JSON.stringify(body);
    options.keepalive = true; // an answer goes on when the page is closed
  }
  const response = await fetch(place + path, options);
  if (response.status >= 500) throw new Error(`status ${response.status}`);
  const data = await response.json();
  if (data.now) ahead = data.now - Date.now();
  return { status: response.status, data };
}

async function send() {
  if (sending) return;
  sending = true;
  try {
    await sendAll();
  } finally {
    sending = false;
    drawSaved();
  }
}

async function sendAll() {
  while (pending.size) {
    const [key, { value, version, seen, viewport }] = pending.entries().next().value;
    const [itemId, field] = key.split("/");
    drawSaved();
    try {
      const body = field === "comment"
        ? { comment: value, version }
        : { question: field, rating: value, version, seen_ms: seen, viewport };
      const { status, data } = await ask(`/answers/${itemId}`, "PUT", body);
      reached();
      if (status === 409 && !data.versions) return refused(status, data); // kept in the browser: the survey may open again
      if (pending.get(key)?.version === version) {
        pending.delete(key);
        kept.remove(key, version);
      }
      if (status === 200 || status === 409) takeChange(data);
      if (status === 409) older(data);
      else if (status !== 200) refused(status, data);
    } catch {
      failures += 1;
      warn(t("waiting", { number: pending.size }));
      drawSaved();
      await pause(Math.min(20000, 500 * 2 ** failures));
    }
  }
}

// The server holds a newer answer, from another window or device; this page shows that one from now on.
function older(data) {
  const number = state.items.findIndex((item) => item.item_id === data.item_id) + 1;
  warn(t("newer", { number }));
}

function takeChange(data) {
  const item = state.items.find((known) => known.item_id === data.item_id);
  if (!item) return;
  Object.assign(item.answers, data.answers ?? {});
  Object.assign(item.versions, data.versions);
  state.completion = data.completion ?? state.completion;
  item.comment = data.comment ?? item.comment;
  draw();
}

function reached() {
  if (failures) warn("");
  failures = 0;
}

function pause(milliseconds) {
  return new Promise((resolve) => {
    wakeUp = resolve;
    setTimeout(resolve, milliseconds);
  });
}

function refused(status, data) {
  if (status === 409 && timeIsOver()) return say(t("time_over"), t("closed_lost"));
  if (status === 409) return say(t("closed"), t("closed_lost"));
  if (status === 404) return say(t("invalid"), String(data.detail));
  warn(t("not_accepted"));
  return draw();
}

async function refresh() {
  if (sending || !state) return;
  const before = changes;
  try {
    const { status, data } = await ask("/state", "GET");
    if (status !== 200) return say(t("invalid"), String(data.detail));
    if (before === changes && !sending) take(data); // otherwise it is older than what was answered meanwhile
    reached();
  } catch {
    failures += 1;
    warn(t("unreachable"));
  }
}

function take(fresh) {
  takeState(fresh);
  if (state.closed && view !== "message") return say(t("closed"), t("closed_text"));
  if (!state.closed && view === "message") return resume();
  draw();
}

function takeState(fresh) {
  state = { ...state, ...fresh };
  takeTime(state.seconds_left);
}

// ---- what is shown ----

const answerOf = (item, name) => {
  const key = `${item.item_id}/${name}`;
  return pending.has(key) ? pending.get(key).value : item.answers[name];
};
const openQuestions = (item) => state.questions.filter((question) => !isAnswered(answerOf(item, question.name)));

function show(name) {
  view = name;
  const section = name === "practice" ? "rating" : name;
  for (const id of ["consent", "rating", "pause", "end", "message"]) get(id).hidden = id !== section;
  get("instructions").hidden = !["practice", "rating", "end"].includes(name);
  for (const id of ["comment-box", "previous"]) get(id).hidden = name === "practice";
  get("feedback").hidden = name !== "practice";
  get("begin").textContent = state && state.consented ? t("back") : t("agree");
  window.scrollTo(0, 0);
  draw();
}

function say(title, text) {
  get("message-title").textContent = title;
  get("message-text").textContent = text;
  pending.clear();
  warn("");
  show("message");
  get("message-title").focus();
}

function warn(text) {
  get("warning").hidden = !text;
  get("warning-text").textContent = text;
}

function drawSaved() {
  const stored = changes && view !== "message" ? t("stored") : "";
  const text = pending.size ? (failures ? t("not_stored") : t("storing")) : stored;
  if (get("saved").textContent !== text) get("saved").textContent = text;
}

function move(number) {
  current = Math.max(0, Math.min(state.items.length, number));
  if (current === state.items.length) {
    show("end");
    get("thanks").focus();
  } else {
    show("rating");
    get("comment-box").open = Boolean(answerOf(state.items[current], "comment") ?? state.items[current].comment);
    get("concept").focus({ preventScroll: true });
  }
}

function goOn() {
  if (view === "practice") nextPractice();
  else if (!breakBefore(current + 1)) move(current + 1);
}

function positionText() {
  const values = { number: current + 1, total: state.items.length };
  return document.body.classList.contains("pairwise") ? t("pair", values) : t("picture", values);
}

function draw() {
  if (!state) return;
  const done = numberRated();
  get("progress").max = state.items.length;
  get("progress").value = done;
  get("progress").hidden = view === "message";
  get("position").textContent = view === "rating" ? positionText() : "";
  get("rated").textContent = ["message", "practice"].includes(view) ? "" : t("rated", { number: done, total: state.items.length });
  drawSaved();
  drawTime();
  if (view === "practice") drawPractice();
  if (view === "rating") drawItem(state.items[current]);
  if (view === "end") drawEnd();
  drawCompletion();
  watchPicture();
}

const pictureOf = (item) => `${place}/pictures/${item.item_id}.png`;

// Returns whether the picture is another one than before.
function drawPicture(item, alt) {
  const picture = get("picture");
  const isNew = picture.getAttribute("src") !== pictureOf(item);
  if (isNew) {
    picture.src = pictureOf(item);
    get("no-picture").hidden = true;
  }
  picture.alt = alt;
  get("concept").textContent = item.concept || t("no_concept");
  return isNew;
}

// `valueOf`: the answer to a question by its name; `locked`: no answer can be chosen any more.
function drawQuestions(valueOf, locked = false) {
  const next = locked ? null : state.questions.find((question) => !isAnswered(valueOf(question.name)));
  for (const question of state.questions) {
    const value = valueOf(question.name);
    const box = get(`question-${question.name}`);
    box.classList.toggle("asked", question === next);
    for (const input of box.querySelectorAll("input")) {
      input.checked = isAnswered(value) && input.value === String(value ?? 0);
      input.disabled = locked;
    }
  }
}

function drawItem(item) {
  const isNew = drawPicture(item, positionText());
  if (isNew && current + 1 < state.items.length) new Image().src = pictureOf(state.items[current + 1]);
  drawQuestions((name) => answerOf(item, name));
  const comment = get("comment");
  if (document.activeElement !== comment || comment.dataset.item !== item.item_id) {
    comment.value = answerOf(item, "comment") ?? item.comment;
  }
  comment.dataset.item = item.item_id;
  get("previous").disabled = current === 0;
  get("next").textContent = current + 1 === state.items.length ? t("finish") : t("next");
}

function drawEnd() {
  const open = state.items.map((item, number) => [item, number]).filter(([item]) => openQuestions(item).length);
  get("summary").textContent = open.length
    ? t("open_items", { number: open.length })
    : state.completion ? t("not_confirmed", { total: state.items.length }) : t("all_rated", { total: state.items.length });
  get("open-items").replaceChildren(...open.map(([item, number]) => {
    const [entry, button] = [document.createElement("li"), document.createElement("button")];
    button.type = "button";
    button.dir = "auto";
    button.textContent = t("open_item", { number: number + 1, concept: item.concept });
    button.addEventListener("click", () => move(number));
    entry.append(button);
    return entry;
  }));
}

// The server tells it only to who has answered everything; it stays in sight when the survey is closed meanwhile.
function drawCompletion() {
  const { url, code } = state.completion ?? {};
  get("completion").hidden = !state.completion || !["end", "message"].includes(view);
  get("completion-code").textContent = code ? t("completion_code", { code }) : "";
  get("completion-link").hidden = !url;
  if (url) get("completion-link").href = url;
}

// On a phone an answer leads on: to the next question, and from the last one to the next picture.
function choose(name, value) {
  if (view === "practice") return choosePractice(name, value);
  const item = state.items[current];
  const wasOpen = openQuestions(item).length > 0;
  record(item, name, value);
  if (!byTouch.matches || get("comment-box").open) return;
  const [next] = openQuestions(item);
  if (next) get(`question-${next.name}`).scrollIntoView({ block: "nearest" });
  else if (wasOpen) {
    const shown = changes;
    setTimeout(() => { if (view === "rating" && state.items[current] === item && changes === shown) goOn(); }, 600);
  }
}

function makeQuestions() {
  for (const question of state.questions) {
    const box = document.createElement("fieldset");
    const legend = document.createElement("legend");
    const points = document.createElement("div");
    box.id = `question-${question.name}`;
    legend.textContent = question.text;
    points.className = "points";
    [...question.labels, t("cannot_judge")].forEach((name, index) => {
      const value = index === question.labels.length ? 0 : index + 1;
      const [label, input, face, number] = ["label", "input", "span", "b"].map((tag) => document.createElement(tag));
      Object.assign(input, { type: "radio", name: question.name, value });
      input.addEventListener("change", () => choose(question.name, value || null));
      label.className = value ? "point" : "point none";
      number.textContent = value;
      face.append(number, ` ${name}`);
      label.append(input, face);
      (value ? points : box).append(label);
    });
    box.prepend(legend, points);
    get("questions").append(box);
  }
  const points = state.questions[0].labels.length;
  get("keys").textContent = t("keys", { points });
}

// ---- what the rater does ----

function onKey(event) {
  const practising = view === "practice";
  if ((view !== "rating" && !practising) || event.ctrlKey || event.altKey || event.metaKey || event.repeat) return;
  if (event.target === get("comment")) return;
  const item = state.items[current];
  if (/^[0-9]$/.test(event.key) && Number(event.key) <= state.questions[0].labels.length) {
    // With both answered, a digit changes the answer that has the focus, and nothing else.
    const focused = state.questions.find((question) => get(`question-${question.name}`).contains(event.target));
    const question = (practising ? openPractice() : openQuestions(item))[0] ?? focused;
    if (question && practising) choosePractice(question.name, Number(event.key) || null);
    else if (question) record(item, question.name, Number(event.key) || null);
    if (question && question === focused) {
      get(`question-${question.name}`).querySelector(`input[value="${event.key}"]`).focus();
    }
  } else if (event.key === "ArrowRight") goOn();
  else if (event.key === "ArrowLeft" && !practising) move(current - 1);
  else if (event.key === "Enter" && !event.target.closest("button, summary")) goOn();
  else return;
  event.preventDefault(); // arrows would also change the answer that has the focus
}

async function begin() {
  if (state.consented && timeIsOver()) return sayTimeIsOver();
  if (state.consented) return practiceIsDue() ? beginPractice() : move(current);
  try {
    const { status, data } = await ask("/consent", "POST", { text: document.body.dataset.text });
    if (status === 412) return warn(t("text_changed"));
    if (status !== 200) return refused(status, data);
    takeState(data);
  } catch {
    return warn(t("unreachable"));
  }
  warn("");
  return resume();
}

function resume() {
  kept.load();
  if (timeIsOver()) {
    sayTimeIsOver();
    return send();
  }
  if (practiceIsDue()) return beginPractice();
  countBreaks();
  const first = state.items.findIndex((item) => openQuestions(item).length);
  move(first < 0 ? state.items.length : first);
  send();
}

async function start() {
  try {
    const { status, data } = await ask("/state", "GET");
    if (status !== 200) return say(t("invalid"), String(data.detail));
    takeState(data);
  } catch {
    warn(t("trying"));
    await pause(2000);
    return start();
  }
  warn("");
  makeQuestions();
  if (state.closed) return say(t("closed"), t("closed_text"));
  if (!state.consented) return show("consent");
  return resume();
}

get("form").addEventListener("submit", (event) => event.preventDefault());
get("begin").addEventListener("click", begin);
get("instructions").addEventListener("click", () => show("consent"));
get("previous").addEventListener("click", () => move(current - 1));
get("next").addEventListener("click", goOn);
get("go-on").addEventListener("click", () => afterPause());
get("back").addEventListener("click", () => move(state.items.length - 1));
get("again").addEventListener("click", () => { if (wakeUp) wakeUp(); refresh(); });
get("comment").addEventListener("input", () => record(state.items[current], "comment", get("comment").value));
get("picture").addEventListener("load", watchPicture);
get("picture").addEventListener("error", () => { get("no-picture").hidden = false; });
get("reload").addEventListener("click", () => { get("picture").removeAttribute("src"); draw(); });
document.addEventListener("keydown", onKey);
document.addEventListener("visibilitychange", () => {
  watchPicture();
  if (!document.hidden) refresh();
});
for (const name of ["focus", "online", "pageshow"]) window.addEventListener(name, refresh);
window.addEventListener("beforeunload", (event) => { if (pending.size) event.preventDefault(); });
setInterval(watchTime, 1000);
start();
