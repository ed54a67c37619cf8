// Adjudication page: open items, one at a time. The next items are fetched, and their clips loaded,
// before they are needed: a decision is kept by the outbox, which sends it, and the next item is
// shown at once.

import { part } from "../js/elements.js";
import { fill, gettext, ngettext } from "../js/translation.js";
import { BoxEditor, boxPreview } from "../player/box_editor.js";
import { wireControls } from "../player/controls.js";
import { roundBox } from "../player/geometry.js";
import { bindKeys } from "../player/keys.js";
import { Player } from "../player/player.js";
import { playerKeys } from "../player/player_keys.js";
import { fetchScene } from "../player/scene.js";
import { Timeline } from "../player/timeline.js";
import {
  AdjudicationItem,
  BOX,
  boxOfOption,
  fetchItems,
  textOfOption,
} from "./adjudication_item.js";
import { AdjudicationQueue } from "./adjudication_queue.js";
import { openDecisions, outboxText } from "./decision_outbox.js";
import { VideoCache } from "./video_cache.js";

/** @import { Decision } from "./adjudication_queue.js" */
/** @import { Answer } from "./decision_outbox.js" */
/** @import { Overlay } from "../player/player.js" */

const LONGEST_DECISION_MS = 24 * 3600 * 1000;
const PREFETCHED = 4; // clips that stay loaded

/** @param {string} selector */
const find = (selector) => /** @type {HTMLElement} */ (document.querySelector(selector));
const root = find("#adjudication");
/** @param {string} name */
const show = (name) => part(root, "show", name);
const place = part(root, "part", "item");
const editBar = find(".box-editing");
const namesBox = /** @type {HTMLInputElement} */ (part(root, "set", "names"));
const undoButton = /** @type {HTMLButtonElement} */ (part(root, "act", "undo"));
const { next = "", entries = "", subject = "", kind = "" } = root.dataset;
const filters = Object.fromEntries(new URLSearchParams(root.dataset.query));
const mayPlay = !matchMedia("(prefers-reduced-motion: reduce)").matches;
const REST = 300; // ms without a step after which the address names the frame

const player = new Player(find(".screen"));
const timeline = new Timeline(find(".lanes"), player);
const boxEditor = new BoxEditor(player);
const videos = new VideoCache();
const decisions = await openDecisions({ url: entries, kind, subject });
const first = new AdjudicationItem(/** @type {HTMLElement} */ (place.firstElementChild));
/** @type {AdjudicationQueue<AdjudicationItem>} */
const queue = new AdjudicationQueue(first.key);
for (const key of decisions.keysLeft) queue.decidedKeys.add(key);
let serverCount = Number(root.dataset.count); // of open items, as the server has last said
/** @type {Map<string, () => void>} */
const reverts = new Map(); // of boxes that were saved while their item stays open, by decision
const framePattern = /^\d+$/;
const frameAsked = new URLSearchParams(location.search).get("frame") ?? ""; // by the address
const startedAt = performance.now();
let shownClip = first.clip;
let shownAt = performance.now(); // of the current item
/** @type {AdjudicationItem | null} */
let current = first;
/** @type {Promise<boolean> | null} */
let fetching = null;

/** @param {string} text */
const showStatus = (text, isError = false) => {
  show("status").textContent = text;
  show("status").classList.toggle("bad", isError);
};

const showCounts = () => {
  const seconds = (performance.now() - startedAt) / 1000 / Math.max(queue.decidedCount, 1);
  const left = Math.max(0, serverCount - decisions.waitingCount);
  show("left").textContent = left.toLocaleString("en");
  show("done").textContent = `${queue.decidedCount}`;
  show("pace").textContent = queue.decidedCount
    ? fill(gettext("%(count)s s each"), { count: seconds.toFixed(1) })
    : "";
  undoButton.disabled = !queue.history.length;
};

// Fetch ahead

/** @param {AdjudicationItem} item */
const prefetch = (item) => {
  fetchScene(item.sceneUrl).catch(() => {}); // reported when it is shown
  if (item.clip !== shownClip) videos.prefetch(item);
};

/** @returns {Promise<boolean>} whether the server answered; there may be no more items */
const fetchNext = async () => {
  const { generation } = queue;
  const items = await fetchItems(next, { ...filters, kind, after: queue.lastKey }).catch(
    () => null,
  );
  if (generation !== queue.generation) return false;
  fetching = null;
  if (items) {
    queue.add(items).forEach(prefetch);
    root.dataset.fetched = queue.lastKey;
  } else showStatus(gettext("The next items could not be loaded. Check the connection."), true);
  return items !== null;
};

const fetchIfLow = () => {
  if (queue.isLow) fetching ??= fetchNext();
  return fetching;
};

// Show an item

/** @param {string} id of a template */
const showTemplate = (id) => {
  const template = /** @type {HTMLTemplateElement} */ (document.getElementById(id));
  place.replaceChildren(template.content.cloneNode(true));
};

/** @param {AdjudicationItem | null} item null: there are no more */
const present = (item) => {
  stopBoxEdit();
  current = item;
  find(".after").hidden = false;
  if (!item) {
    showTemplate("queue-end");
    player.video.pause();
    return;
  }
  place.replaceChildren(item.element);
  shownAt = performance.now();
  showNames();
  item.element.querySelector(".same-votes")?.removeAttribute("hidden");
  if (shownClip !== item.clip) {
    const [clip, video] = [shownClip, player.video];
    shownClip = item.clip;
    player.use(videos.take(item));
    // The last clip stays loaded for an undo.
    const wanted = queue.upcoming.slice(0, PREFETCHED).map((one) => one.clip);
    videos.put(clip, video, [...wanted, item.clip]);
  }
  presentScene(item);
};

/** @param {AdjudicationItem} item */
const presentScene = async (item) => {
  player.setLoop(item.loop);
  player.selected = item.person;
  player.solo = true;
  const scene = await fetchScene(item.sceneUrl).catch(() => null);
  if (current !== item) return;
  if (!scene) {
    showStatus(gettext("The boxes of this clip could not be loaded."), true);
    return;
  }
  if (player.scene !== scene) player.setScene(scene);
  player.display.annotators = new Set(item.actionGroup === null ? scene.annotators : []);
  drawTimeline(item);
  const box = scene.personAt(item.second, item.person)?.box;
  if (box) player.zoomToBox(box, 0.4);
  if (item === first && framePattern.test(frameAsked)) player.pauseAt(Number(frameAsked));
  else {
    player.seek(item.actionGroup === null ? item.second * scene.frameRate : item.loop.start);
    if (item.isAboutBox || !mayPlay) player.video.pause();
    else player.video.play().catch(() => {}); // browsers may refuse to play unasked
  }
  root.dataset.shown = item.key;
  followAddress();
};

/** The address names the item, and the frame where the player stands: it can be sent to others. */
const followAddress = (isAtRest = false) => {
  if (!current || root.dataset.shown !== current.key) return;
  const query = new URLSearchParams({ ...filters, kind, at: current.key });
  if (isAtRest && player.video.paused) query.set("frame", `${player.frame}`);
  history.replaceState(null, "", `?${query}`);
};
/** @type {ReturnType<typeof setTimeout> | undefined} */
let addressTimer;
player.addEventListener("notify", () => {
  clearTimeout(addressTimer);
  if (player.video.paused) addressTimer = setTimeout(() => followAddress(true), REST);
});

/** @param {AdjudicationItem} item */
const drawTimeline = (item) => timeline.draw({ only: item.person, group: item.actionGroup });

const showNames = () => {
  if (!current) return;
  current.showNames(namesBox.checked);
  const letters = current.annotatorLetters();
  player.annotatorLabel = namesBox.checked ? (name) => name : (name) => letters.get(name) ?? "–";
};

const advance = async () => {
  const { generation } = queue;
  while (!queue.upcoming.length && !queue.isComplete) {
    current = null;
    showTemplate("item-loading");
    const isAnswered = await fetchIfLow();
    if (generation !== queue.generation) return;
    if (!isAnswered) {
      showTemplate("items-missing");
      return;
    }
  }
  present(queue.next());
  fetchIfLow();
};

/** Go on where the next items could not be loaded. */
const retry = () => {
  if (!place.querySelector("[data-act=retry]")) return;
  showStatus("");
  advance();
};

// Decide

/**
 * @param {AdjudicationItem} item
 * @param {FormData} form
 * @param {string} text of the decision
 * @param {boolean} withSameVotes decide the keyframes with the same answers, too
 */
const decide = (item, form, text, withSameVotes = false) => {
  const seconds = withSameVotes || item.isSameVotesChecked ? item.sameVotes : [];
  for (const second of seconds) form.append("second", `${second}`);
  form.set("ms", `${Math.round(Math.min(performance.now() - shownAt, LONGEST_DECISION_MS))}`);
  const decision = queue.decide(item, seconds);
  decision.id = decisions.decide(decision.keys, form);
  const count = decision.keys.length;
  const sentence = seconds.length
    ? ngettext(
        "%(item)s: %(decision)s at %(count)s keyframe.",
        "%(item)s: %(decision)s at %(count)s keyframes.",
        count,
      )
    : gettext("%(item)s: %(decision)s.");
  showStatus(fill(sentence, { item: item.title, decision: text, count }));
  showCounts();
  advance();
};

decisions.addEventListener("answered", (event) => {
  const { count, refused } = /** @type {CustomEvent<Answer>} */ (event).detail;
  serverCount = count;
  for (const [id, sentence] of Object.entries(refused)) {
    const decision = queue.history.find((one) => one.id === id);
    reverts.get(id)?.();
    if (decision) reopen(decision);
    showStatus(fill(gettext("Not saved: %(sentence)s"), { sentence }), true);
  }
  showCounts();
});
decisions.addEventListener("state", () => {
  show("saved").textContent = outboxText(decisions.state);
  root.dataset.waiting = `${decisions.state.waiting}`;
});

/** @param {Decision<AdjudicationItem>} decision */
const reopen = (decision) => {
  queue.reopen(decision);
  fetching = null;
  present(decision.item);
  showCounts();
  fetchIfLow();
};

const undo = () => {
  const decision = queue.history.at(-1);
  if (!decision) return;
  showStatus(gettext("Undone."));
  if (decision.id) decisions.undo(decision.id, decision.keys);
  reopen(decision);
};

const skip = () => {
  if (!current) return;
  showStatus(gettext("Skipped."));
  advance();
};

/**
 * @param {AdjudicationItem} item
 * @param {HTMLButtonElement} option
 */
const choose = (item, option, withSameVotes = false) => {
  const form = item.formData();
  form.append("chosen", option.value);
  decide(item, form, textOfOption(option), withSameVotes);
};

/** @param {KeyboardEvent} event of a digit */
const onDigit = (event) => {
  const option = current?.option(event.code.slice(-1)); // of "Digit1" and "Numpad1"
  if (!current || !option) return false;
  if (boxEditor.box && current.isAboutBox) boxEditor.start(boxOfOption(option));
  else choose(current, option, event.shiftKey);
  return true;
};

// Edit the box

const startBoxEdit = () => {
  const box = current && player.scene.personAt(current.second, current.person)?.box;
  if (!current || !box) return;
  player.pauseAt(current.second * player.scene.frameRate);
  boxEditor.start(box);
  editBar.hidden = false;
  // Enter saves the box; it must not press the button that started this again.
  if (document.activeElement instanceof HTMLElement) document.activeElement.blur();
};

const stopBoxEdit = () => {
  if (!boxEditor.box) return;
  boxEditor.stop();
  editBar.hidden = true;
};

const saveBox = () => {
  const item = current;
  const { scene } = player;
  const before = item && scene.personAt(item.second, item.person)?.box;
  if (!item || !before || !boxEditor.box) return;
  const box = roundBox(boxEditor.box);
  const form = item.formData();
  form.set("group", BOX);
  form.append("chosen", JSON.stringify(box));
  stopBoxEdit();
  if (item.isAboutBox) {
    decide(item, form, gettext("the box you drew"));
    return;
  }
  scene.setConsensusBox(item.second, item.person, box);
  player.paint();
  reverts.set(decisions.decide([], form), () => {
    scene.setConsensusBox(item.second, item.person, before);
    player.paint();
  });
  showStatus(gettext("Box saved. The item is still open."));
};

/** @param {KeyboardEvent} event */
const onArrow = (event) => (boxEditor.box ? boxEditor.onArrow(event) : false);

// Forms, buttons and keys

place.addEventListener("submit", (event) => {
  event.preventDefault();
  if (!current) return;
  const option = event.submitter;
  if (option instanceof HTMLButtonElement && option.name === "chosen") {
    choose(current, option);
    return;
  }
  if (!current.form.querySelector("[name=answer]")) return;
  const form = new FormData(current.form);
  decide(current, form, form.getAll("answer").join(", ") || "none");
});
place.addEventListener("click", (event) => {
  if (/** @type {Element} */ (event.target).closest("[data-act=retry]")) retry();
});
addEventListener("online", retry);
place.addEventListener("keydown", (event) => {
  const field = /** @type {HTMLElement} */ (event.target);
  if (event.key === "Enter" && field.id === "reason") field.blur();
});
/** @type {Overlay | null} */
let preview = null; // of a box that the pointer is over
place.addEventListener("pointerover", (event) => {
  const option = /** @type {Element} */ (event.target).closest(".option");
  if (!current?.isAboutBox || !option || boxEditor.box) return;
  preview = boxPreview(boxOfOption(option));
  player.overlay = preview;
  player.paint();
});
place.addEventListener("pointerout", () => {
  if (!preview || player.overlay !== preview) return;
  player.overlay = null;
  player.paint();
});
const actions = {
  skip,
  undo,
  "edit-box": startBoxEdit,
  "save-box": saveBox,
  "cancel-box": stopBoxEdit,
};
for (const [name, action] of Object.entries(actions)) {
  part(root, "act", name).addEventListener("click", action);
}
namesBox.addEventListener("change", () => {
  if (!current) return;
  showNames();
  drawTimeline(current);
  player.paint();
});

wireControls(root, player);
bindKeys([
  {
    keys: [..."1234567890"],
    label: "1 2 3 …",
    description: gettext("decide; with Shift, also the keyframes with the same answers"),
    action: onDigit,
  },
  { keys: ["u"], label: "U", description: gettext("undo"), action: undo },
  { keys: ["s"], label: "S", description: gettext("skip"), action: skip },
  {
    keys: ["e"],
    label: "E",
    description: gettext("edit the box: drag it, or use the arrow keys"),
    action: startBoxEdit,
  },
  {
    keys: ["Enter"],
    label: "Enter",
    description: gettext("save the box"),
    action: () => (boxEditor.box ? saveBox() : false),
  },
  {
    keys: ["Escape"],
    label: "Esc",
    description: gettext("cancel the box, or leave the field"),
    action: () => {
      if (boxEditor.box) stopBoxEdit();
      else if (document.activeElement instanceof HTMLElement) document.activeElement.blur();
    },
  },
  {
    keys: ["a"],
    label: "A",
    description: gettext("show everybody, or only the person to decide on"),
    action: () => {
      player.solo = !player.solo;
      player.paint();
    },
  },
  {
    keys: ["n"],
    label: "N",
    description: gettext("annotator names"),
    action: () => namesBox.click(),
  },
  { keys: ["ArrowUp", "ArrowDown"], label: "", description: "", action: onArrow },
  ...playerKeys(player).map((binding) => ({
    ...binding,
    /** @param {KeyboardEvent} event */
    action: (event) =>
      boxEditor.box && event.key.startsWith("Arrow") ? onArrow(event) : binding.action(event),
  })),
]);

decisions.watchPage();
if (decisions.keysLeft.has(first.key)) advance();
else present(first);
showCounts();
fetchIfLow();
