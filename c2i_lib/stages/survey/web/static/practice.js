// Practice before the first picture that counts, breaks, and the time limit; survey.js has the page around them.
"use strict";

const choices = {}; // of the practice item that is shown, until they are sent: question → value
let practised = 0; // number of the practice item shown
let lastBreak = 0; // pictures rated at the last break
let endOfTime = null; // by performance.now(), in milliseconds; null: no limit

// ---- practice: answers are sent together, come back with what was expected, and never count ----

const practiceItem = () => state.training[practised];
const practiceIsDone = (item) => Object.keys(item.answers).length > 0;

// Whoever has rated a picture that counts is past it.
function practiceIsDue() {
  return state.training.some((item) => !practiceIsDone(item)) && state.items.every((item) => openQuestions(item).length === state.questions.length);
}

function beginPractice() {
  practised = state.training.findIndex((item) => !practiceIsDone(item));
  show("practice");
  get("concept").focus({ preventScroll: true });
}

function choosePractice(name, value) {
  if (practiceIsDone(practiceItem())) return;
  choices[name] = value;
  draw();
  const [next] = openPractice();
  if (byTouch.matches) (next ? get(`question-${next.name}`) : get("next")).scrollIntoView({ block: "nearest" });
}

const openPractice = () => state.questions.filter((question) => !isAnswered(choices[question.name]));

async function nextPractice() {
  const item = practiceItem();
  if (!practiceIsDone(item)) return openPractice().length ? undefined : sendPractice(item);
  if (practised + 1 === state.training.length) return pauseFor(t("practice_over"), t("practice_over_text"), resume);
  practised += 1;
  show("practice");
  get("concept").focus({ preventScroll: true });
}

async function sendPractice(item) {
  get("next").disabled = true;
  try {
    const body = { ratings: { ...choices }, seen_ms: watch.of(item.item_id) };
    const { status, data } = await ask(`/training/${item.item_id}`, "POST", body);
    if (status !== 200) return refused(status, data);
    Object.assign(state.training.find((known) => known.item_id === data.item_id), data);
    for (const name of Object.keys(choices)) delete choices[name];
    reached();
    warn("");
  } catch {
    failures += 1;
    warn(t("unreachable"));
  } finally {
    get("next").disabled = false;
    draw();
  }
  if (practiceIsDone(practiceItem())) get("feedback").scrollIntoView({ block: "nearest" });
}

function labelOf(question, value) {
  return value ? question.labels[value - 1] : t("cannot_judge");
}

// A line for each question of which something is expected, and the reason.
function feedbackOf(item) {
  const lines = [];
  for (const question of state.questions) {
    const range = item.expected[question.name];
    if (!range) continue;
    const [low, high] = range;
    const given = item.answers[question.name];
    const answers = question.labels.slice(low - 1, high).join(" / ");
    const values = { question: question.text, given: labelOf(question, given), answers };
    lines.push(given >= low && given <= high ? t("as_expected", values) : t("not_as_expected", values));
  }
  return [...lines, item.feedback];
}

function drawPractice() {
  const item = practiceItem();
  const done = practiceIsDone(item);
  get("position").textContent = t("practice", { number: practised + 1, total: state.training.length });
  drawPicture(item, t("practice", { number: practised + 1, total: state.training.length }));
  drawQuestions((name) => (done ? item.answers[name] : choices[name]), done);
  const lines = (done ? feedbackOf(item) : [t("practice_hint")]).map((text) => {
    const line = document.createElement("p");
    line.textContent = text;
    return line;
  });
  const shown = [...get("feedback").children].map((line) => line.textContent).join("\n");
  if (shown !== lines.map((line) => line.textContent).join("\n")) get("feedback").replaceChildren(...lines);
  get("next").textContent = done ? t("next") : t("compare");
}

// ---- a pause: what is read before going on ----

let afterPause = null;

function pauseFor(title, text, then) {
  get("pause-title").textContent = title;
  get("pause-text").textContent = text;
  afterPause = then;
  show("pause");
  get("go-on").focus();
}

const numberRated = () => state.items.filter((item) => !openQuestions(item).length).length;

function countBreaks() {
  lastBreak = state.break_every ? numberRated() - (numberRated() % state.break_every) : 0;
}

// Whether so many pictures are rated that a break comes now, before going on to picture `number`; if so, it is shown.
function breakBefore(number) {
  const done = numberRated();
  const due = state.break_every && number > current && done - lastBreak >= state.break_every;
  if (!due || done === state.items.length) return false;
  countBreaks();
  pauseFor(t("break"), t("break_text", { number: done, total: state.items.length }), () => move(number));
  return true;
}

// ---- the time limit ----

function takeTime(secondsLeft) {
  endOfTime = secondsLeft === null || secondsLeft === undefined ? null : performance.now() + 1000 * secondsLeft;
}

const timeIsOver = () => endOfTime !== null && performance.now() >= endOfTime;

function drawTime() {
  const left = endOfTime === null || view === "message" ? null : Math.max(0, endOfTime - performance.now());
  const text = left === null ? "" : t("minutes_left", { minutes: Math.ceil(left / 60000) });
  if (get("time-left").textContent !== text) get("time-left").textContent = text;
}

// What was answered in time is still sent; the server takes it for a minute.
function watchTime() {
  drawTime();
  if (timeIsOver() && view !== "message" && view !== "consent") sayTimeIsOver();
}

function sayTimeIsOver() {
  get("message-title").textContent = t("time_over");
  get("message-text").textContent = t("time_over_text");
  show("message");
  get("message-title").focus();
}
