// The queue of open questions. The next questions are fetched, and their clips wound to the
// loop, before they are needed: a decision shows the next one at once and is sent meanwhile.
import { Boxing } from "../player/box_editor.js";
import { sceneAt, wireControls } from "../player/controls.js";
import { bindKeys, playerKeys } from "../player/keys.js";
import { paintBox } from "../player/paint.js";
import { Player } from "../player/player.js";
import { Timeline } from "../player/timeline.js";

const LOW = 6; // fetch more when so few questions are left
const root = document.getElementById("adjudication");
const place = root.querySelector("[data-place=question]");
const show = (name) => root.querySelector(`[data-show=${name}]`);
const token = root.querySelector("[name=csrfmiddlewaretoken]").value;

const player = new Player(root.querySelector(".screen"));
const timeline = new Timeline(root.querySelector(".lanes"), player);
const boxing = new Boxing(player);
const buffer = []; // questions to come, as elements
const past = []; // decided here: { element, sent: Promise of { made } }
const wound = new Map(); // clip -> video element that is loaded, and not on the screen
let current = place.firstElementChild;
const done = new Set(); // keys decided here, which may have been fetched before that
let lastKey = current.dataset.key; // of the questions fetched
let isAllHere = false; // the server has no more
let fetching = null;
let generation = 0;
let began = performance.now();
let decided = 0;
let left = Number(root.dataset.count);

const tell = (text, isBad = false) => {
  show("told").textContent = text;
  show("told").classList.toggle("bad", isBad);
};

const tellPace = () => {
  show("left").textContent = left.toLocaleString("en");
  show("done").textContent = decided;
  const each = (performance.now() - began) / 1000 / Math.max(decided, 1);
  show("pace").textContent = decided ? `${each.toFixed(1)} s each` : "";
  root.querySelector("[data-act=undo]").disabled = !past.length;
};

const keyOf = (element) => element.dataset.key;
const secondsOf = (element) => (element.dataset.alike ? element.dataset.alike.split(",") : []);

// Fetching ahead

const wind = (element) => {
  const { clip, video, start } = element.dataset;
  sceneAt(element.dataset.scene).catch(() => {});
  if (wound.has(clip) || clip === player.clip) return;
  const next = document.createElement("video");
  Object.assign(next, { muted: true, playsInline: true, preload: "auto", src: video });
  next.width = element.dataset.width;
  next.height = element.dataset.height;
  next.addEventListener("loadedmetadata", () => { next.currentTime = (Number(start) + 0.5) / 30; }, { once: true });
  next.load();
  wound.set(clip, next);
};

// Resolves to whether the server answered; there may be no more.
const fetchMore = () => {
  if (isAllHere || fetching || buffer.length >= LOW) return fetching;
  const mine = generation;
  const url = `${root.dataset.next}?${new URLSearchParams({ kind: root.dataset.kind, after: lastKey })}`;
  fetching = fetch(url, { credentials: "same-origin" })
    .then((answer) => (answer.ok ? answer.text() : Promise.reject(new Error(answer.status))))
    .then((text) => {
      if (mine !== generation) return false;
      const holder = document.createElement("template");
      holder.innerHTML = text;
      const found = [...holder.content.children];
      isAllHere = !found.length;
      if (found.length) lastKey = keyOf(found.at(-1));
      for (const element of found) {
        if (done.has(keyOf(element))) continue;
        buffer.push(element);
        wind(element);
      }
      return true;
    })
    .catch(() => {
      if (mine === generation) tell("The next questions could not be fetched. Is the server reachable?", true);
      return false;
    })
    .finally(() => { if (mine === generation) fetching = null; });
  return fetching;
};

// Showing a question

const present = (element) => {
  leaveBox();
  current = element;
  place.replaceChildren(element || document.getElementById("at-end").content.cloneNode(true));
  root.querySelector(".after").hidden = false;
  if (!element) {
    player.video.pause();
    return;
  }
  showNames();
  for (const part of element.querySelectorAll(".alike")) part.hidden = false;
  const { clip } = element.dataset;
  if (player.clip !== clip) {
    wind(element);
    const before = player.clip;
    const old = player.video;
    player.clip = clip;
    player.use(wound.get(clip));
    wound.delete(clip);
    if (before) keepWound(before, old);
  }
  frameIt(element);
};

// The last clip stays at hand for an undo; others are let go.
const keepWound = (clip, video) => {
  const wanted = new Set([...buffer.slice(0, 4).map((one) => one.dataset.clip), clip]);
  for (const [name, one] of wound) if (!wanted.has(name)) { one.removeAttribute("src"); one.load(); wound.delete(name); }
  wound.set(clip, video);
};

const frameIt = async (element) => {
  const number = Number(element.dataset.person);
  const second = Number(element.dataset.second);
  player.loop = { start: Number(element.dataset.start), stop: Number(element.dataset.stop) };
  player.dispatchEvent(new Event("state"));
  player.selected = number;
  player.isAlone = true;
  const scene = await sceneAt(element.dataset.scene).catch(() => null);
  if (current !== element) return;
  if (!scene) { tell("The boxes of this clip could not be loaded.", true); return; }
  if (player.scene !== scene) player.setScene(scene);
  const isOnBox = element.dataset.group === "~box" || element.dataset.group === "~person";
  player.shown.annotators = new Set(isOnBox ? player.annotators : []);
  timeline.draw({ only: number, group: element.dataset.group.startsWith("~") ? null : element.dataset.group });
  const box = player.at(second, number)?.box;
  if (box) player.zoomTo(box, 0.4);
  player.go(isOnBox ? second * scene.frame_rate : player.loop.start);
  if (isOnBox && element.dataset.group === "~box") player.video.pause();
  else player.video.play().catch(() => {});
  root.dataset.shown = keyOf(element);
};

const showNames = () => {
  const isNamed = root.querySelector("[data-set=names]").checked;
  for (const name of place.querySelectorAll(".by")) name.hidden = !isNamed;
  player.nameOf = isNamed ? (name) => name : letterOf;
};
const letterOf = (name) => {
  for (const by of place.querySelectorAll(".by")) {
    if (by.textContent === name) return by.previousElementSibling.textContent;
  }
  return "–";
};

const advance = async () => {
  const mine = generation;
  while (!buffer.length && !isAllHere) {
    current = null;
    place.replaceChildren(document.getElementById("at-wait").content.cloneNode(true));
    const isAnswered = await fetchMore();
    if (mine !== generation || !isAnswered) return;
  }
  present(buffer.shift() || null);
  fetchMore();
};

// Deciding

const post = (url, form) =>
  fetch(url, { method: "POST", body: form, credentials: "same-origin", headers: { Accept: "application/json", "X-CSRFToken": token } })
    .then(async (answer) => {
      const content = await answer.json().catch(() => ({ error: `The server answered with ${answer.status}.` }));
      return answer.ok ? content : Promise.reject(new Error(content.error));
    });

let chain = Promise.resolve(); // one after another, in the order in which they were made
const inTurn = (act) => {
  const result = chain.then(act);
  chain = result.catch(() => {});
  return result;
};

const decide = (form, { alike = false, text }) => {
  const element = current;
  if (!element) return;
  const url = element.querySelector("form").action;
  const isAlike = alike || element.querySelector("[data-set=alike]")?.checked;
  const also = isAlike ? secondsOf(element) : [];
  for (const second of also) form.append("second", second);
  const stem = keyOf(element).slice(0, keyOf(element).lastIndexOf("."));
  const record = { element, keys: [keyOf(element), ...also.map((second) => `${stem}.${second}`)] };
  record.count = record.keys.length;
  for (const key of record.keys) done.add(key);
  buffer.splice(0, buffer.length, ...buffer.filter((one) => !done.has(keyOf(one))));
  record.sent = inTurn(() => post(url, form));
  past.push(record);
  decided += record.count;
  left = Math.max(0, left - record.count);
  const many = also.length ? ` at ${record.count} keyframes` : "";
  tell(`${element.querySelector(".ask").textContent}: ${text}${many}.`);
  tellPace();
  advance();
  record.sent.then((content) => {
    record.made = content.made;
    left = content.count;
    tellPace();
  }).catch((error) => {
    past.splice(past.indexOf(record), 1);
    goBack(record);
    tell(`Not kept: ${error.message}`, true);
  });
};

const goBack = (record) => {
  decided -= record.count;
  for (const key of record.keys) done.delete(key);
  generation += 1;
  buffer.length = 0;
  isAllHere = false;
  fetching = null;
  lastKey = keyOf(record.element);
  present(record.element);
  tellPace();
  fetchMore();
};

const undo = () => {
  const record = past.pop();
  if (!record) return;
  tell("Undone.");
  goBack(record);
  inTurn(async () => {
    const { made } = await record.sent;
    const form = new FormData();
    form.append("kind", root.dataset.kind);
    for (const key of made) form.append("made", key);
    return post(root.dataset.undo, form);
  }).then((content) => {
    left = content.count;
    tellPace();
  }).catch((error) => tell(error.message, true));
};

const skip = () => {
  if (!current) return;
  tell("Skipped.");
  advance();
};

const formOf = (button) => {
  const form = new FormData(current.querySelector("form"));
  if (button) {
    form.delete("answer");
    form.append("chosen", button.value);
  }
  return form;
};

const press = (event) => {
  const digit = event.code.at(-1); // of "Digit1" and "Numpad1"
  const button = current?.querySelector(`[data-digit="${digit}"]`);
  if (!button) return false;
  if (boxing.box && current.dataset.group === "~box") { boxing.begin(JSON.parse(button.value)); return true; }
  decide(formOf(button), { alike: event.shiftKey, text: button.querySelector(".what").textContent });
  return true;
};

// Boxes

const enterBox = () => {
  if (!current) return;
  const second = Number(current.dataset.second);
  const box = player.at(second, Number(current.dataset.person))?.box;
  if (!box) return;
  player.show(second * player.scene.frame_rate);
  boxing.begin(box);
  root.querySelector(".boxing").hidden = false;
};

const leaveBox = () => {
  if (!boxing.box) return;
  boxing.end();
  root.querySelector(".boxing").hidden = true;
};

const keepBox = () => {
  const box = boxing.box.map((side) => Math.round(side * 10) / 10);
  const form = formOf(null);
  form.delete("answer");
  form.set("group", "~box");
  form.append("chosen", JSON.stringify(box));
  const there = player.at(Number(current.dataset.second), Number(current.dataset.person));
  leaveBox();
  if (current.dataset.group === "~box") {
    decide(form, { text: "the box you drew" });
    return;
  }
  const element = current;
  const before = there.box;
  there.box = box;
  player.setScene(player.scene);
  inTurn(() => post(element.querySelector("form").action, form))
    .then(() => tell("The box is kept. The question is still open."))
    .catch((error) => { there.box = before; player.setScene(player.scene); tell(`The box was not kept: ${error.message}`, true); });
};

// Wiring

place.addEventListener("submit", (event) => {
  event.preventDefault();
  const button = event.submitter?.name === "chosen" ? event.submitter : null;
  const ticked = [...event.target.querySelectorAll("[name=answer]:checked")].map((one) => one.value);
  if (!button && !event.target.querySelector("[name=answer]")) return;
  decide(formOf(button), { text: button ? button.querySelector(".what").textContent : ticked.join(", ") || "none" });
});
place.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && event.target.id === "reason") event.target.blur();
});
place.addEventListener("pointerover", (event) => {
  const button = event.target.closest(".option");
  if (current?.dataset.group === "~box" && button && !boxing.box) previewBox(JSON.parse(button.value));
});
place.addEventListener("pointerout", () => { if (player.overlay?.isPreview) { player.overlay = null; player.paint(); } });
const previewBox = (box) => {
  player.overlay = { isPreview: true, paint: (paper, view) => paintBox(paper, view, box, { colour: "#ffffff", width: 3 }) };
  player.paint();
};
const acts = { skip, undo, box: enterBox, keepbox: keepBox, leavebox: leaveBox };
for (const [name, act] of Object.entries(acts)) root.querySelector(`[data-act=${name}]`).addEventListener("click", act);
root.querySelector("[data-set=names]").addEventListener("change", () => { showNames(); if (current) timeline.draw({ only: player.selected, group: current.dataset.group.startsWith("~") ? null : current.dataset.group }); player.paint(); });

const boxArrow = (event) => (boxing.box ? boxing.arrow(event) : undefined);
const moves = playerKeys(player).map((one) =>
  one.keys.some((key) => key.startsWith("Arrow")) ? { ...one, act: (event) => (boxing.box ? boxArrow(event) : one.act(event)) } : one);
wireControls(root, player);
bindKeys([
  { keys: [..."1234567890"], shown: "1 2 3 …", says: "decide, with Shift for those alike too", act: press },
  { keys: ["u"], shown: "U", says: "undo", act: undo },
  { keys: ["s"], shown: "S", says: "skip", act: skip },
  { keys: ["e"], shown: "E", says: "mend the box: drag, or arrows", act: enterBox },
  { keys: ["Enter"], shown: "Enter", says: "keep the box", act: () => (boxing.box ? keepBox() : false) },
  { keys: ["Escape"], shown: "Esc", says: "leave the box, or the field", act: () => (boxing.box ? leaveBox() : document.activeElement.blur()) },
  { keys: ["a"], shown: "A", says: "everybody, or the person in question alone", act: () => { player.isAlone = !player.isAlone; player.paint(); } },
  { keys: ["n"], shown: "N", says: "names of the annotators", act: () => root.querySelector("[data-set=names]").click() },
  { keys: ["ArrowUp", "ArrowDown"], shown: "", says: "", act: (event) => (boxing.box ? boxArrow(event) : false) },
  ...moves,
]);

player.clip = current.dataset.clip;
root.querySelector(".after").hidden = false;
present(current);
tellPace();
began = performance.now();
fetchMore();
