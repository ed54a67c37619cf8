// Entry of the label page: opens the draft of a task, binds keys and buttons, submits, and goes on
// to the next task, whose data and clip are fetched before.

import { part } from "../../js/elements.js";
import { RefusedError } from "../../js/outbox.js";
import { request } from "../../js/requests.js";
import { fill, gettext, ngettext } from "../../js/translation.js";
import { openDraft } from "./draft.js";
import { allGuidelines } from "./guideline.js";
import { labelOfAct } from "./key_map.js";
import { bindLabelKeys } from "./keyboard.js";
import {
  askWhich,
  hideNotice,
  showHints,
  showNotice,
  showUnset,
  toggleGuidelines,
} from "./notices.js";
import { LabelPage } from "./page.js";
import { changeSpeed, wirePlayControls } from "./play_controls.js";
import { personName, secondsText, titleOf } from "./texts.js";

/** @import { AnswerDraft } from "./draft.js" */
/** @import { Unset } from "./segments.js" */
/** @import { TaskPageData } from "./task_data.js" */

const CHECK_VOCABULARY = 300_000; // milliseconds

const root = /** @type {HTMLElement} */ (document.getElementById("label"));
const back = /** @type {HTMLAnchorElement} */ (document.querySelector("[data-part=back]"));
const source = /** @type {HTMLElement} */ (document.getElementById("label-data"));
const firstData = /** @type {TaskPageData} */ (JSON.parse(source.textContent ?? ""));
const page = new LabelPage(root, firstData);
/** @type {{ data: TaskPageData, video: HTMLVideoElement } | null} */
let upcoming = null; // the next task
let isSubmitting = false;
wirePlayControls(root, page.stage);

// Acts

/** @type {Record<string, () => unknown>} */
const ACTS = {
  find: () => page.finder.start(),
  none: () => page.answers.answer(page.open, []),
  unknown: () => page.answers.answer(page.open, "unknown"),
  keep: () => page.answers.keep(false),
  "keep-to-end": () => page.answers.keep(true),
  "previous-group": () => page.stepGroup(-1),
  "next-group": () => page.stepGroup(1),
  "previous-frame": () => page.stage.step(-1),
  "next-frame": () => page.stage.step(1),
  "previous-keyframe": () => page.stepKeyframe(-1),
  "next-keyframe": () => page.stepKeyframe(1),
  "next-person": () => page.stepPerson(1),
  "previous-person": () => page.stepPerson(-1),
  play: () => page.stage.toggle(),
  slower: () => changeSpeed(page.stage, -1),
  faster: () => changeSpeed(page.stage, 1),
  "edit-box": () => page.boxes.edit(),
  "add-person": () => page.boxes.add(),
  "not-a-person": () => page.boxes.remove(),
  outside: () => page.boxes.toggleOutside(),
  merge: () => page.boxes.merge(),
  split: () => page.boxes.split(),
  undo: () => page.revert("undo"),
  redo: () => page.revert("redo"),
  guidelines: () => toggleGuidelines(() => allGuidelines(page.data.urls.guidelines)),
  submit: () => submit(),
};

/** @param {string} act */
const run = (act) => {
  const [, kind, place] = /^(group|choose)-(\d)$/.exec(act) ?? [];
  if (kind === "group") page.openGroup(Number(place));
  else if (kind === "choose") page.answers.choose(page.open, Number(place));
  else ACTS[act]?.();
};

const start = bindLabelKeys(run, (layout) => {
  page.layout = layout;
  page.panel?.showKeys(layout);
});

document.addEventListener("click", (event) => {
  const target = /** @type {Element} */ (event.target);
  const button = target.closest("button");
  const act = button?.dataset.act;
  if (act && !button.disabled) start(act);
  // After a press with the pointer Enter and Space are keys of the page again.
  if (button && event.detail > 0 && !button.closest("dialog, form")) button.blur();
});

// Submit, and the next task

/** @param {Unset[]} unset all of one person and group */
const textOfUnset = (unset) => {
  const [{ person, group }] = unset;
  const about = page.groups.find(({ name }) => name === group);
  const seconds = unset.flatMap(({ second }) => second ?? []);
  const where = person ? personName(page.work, person) : gettext("Whole clip");
  const what = about ? titleOf(about) : gettext("not looked at");
  return [`${where}: ${what}`, secondsText(seconds)].filter(Boolean).join(", ");
};

/** @param {Unset} one */
const goToUnset = ({ person, second, group }) => {
  const key = person || page.at?.person || page.work.persons()[0];
  const at = second ?? page.work.keyframes(key)[0];
  page.go({ person: key, second: at });
  const place = page.groups.findIndex(({ name }) => name === group);
  if (place >= 0) page.openGroup(place);
};

/** @param {number} [despite] a newer version of the answers that is replaced knowingly */
const submit = async (despite) => {
  const { draft, work } = page;
  if (!draft || isSubmitting) {
    if (!draft) page.speak(gettext("This task can't be submitted here."));
    return;
  }
  const unset = work.unset();
  if (unset.length) {
    showUnset(unset, textOfUnset, goToUnset);
    return;
  }
  isSubmitting = true;
  hideNotice("submit");
  page.speak(gettext("Submitting."));
  try {
    await draft.submit(despite);
    await goToNext(page.data.next);
  } catch (error) {
    if (error instanceof RefusedError && error.code === "unset") {
      showUnset(error.facts.unset, textOfUnset, goToUnset);
      checkVocabulary();
    } else if (error instanceof RefusedError && error.code === "newer") {
      showNotice("submit", error.message, "warn", [
        { label: gettext("Submit mine"), run: () => submit(error.facts.number) },
      ]);
    } else {
      const { message } = /** @type {Error} */ (error);
      showNotice(
        "submit",
        fill(gettext("Not submitted: %(sentence)s"), { sentence: message }),
        "bad",
        [{ label: gettext("Try again"), run: () => submit(despite) }],
      );
    }
  } finally {
    isSubmitting = false;
  }
};

/** @param {{ task: string, page: string } | null} next */
const goToNext = async (next) => {
  const submitted = page.data.task.name;
  if (!next) location.assign(page.data.urls.end || back.href);
  else if (upcoming?.data.urls.page !== next.page) location.assign(next.page);
  else {
    const { data, video } = upcoming;
    upcoming = null;
    await page.draft?.close();
    history.pushState(null, "", next.page);
    await show(data, video);
    const text = gettext("%(task)s is submitted. This is your next task.");
    showNotice("next", fill(text, { task: submitted }), "info", [
      { label: gettext("Close"), run: () => hideNotice("next") },
    ]);
  }
};

addEventListener("popstate", () => location.reload());

const fetchNext = async () => {
  const { next } = page.data;
  if (!next || upcoming?.data.urls.page === next.page) return;
  const response = await request(next.task).catch(() => null);
  if (!response?.ok) return;
  const data = /** @type {TaskPageData} */ (await response.json());
  const video = document.createElement("video");
  Object.assign(video, { muted: true, playsInline: true, preload: "auto", src: data.clip.video });
  video.crossOrigin = "anonymous";
  video.load();
  upcoming = { data, video };
};

/** Say so when actions were added meanwhile. */
const checkVocabulary = async () => {
  if (document.hidden) return;
  const response = await request(
    page.data.urls.task_json ?? `${page.data.urls.page}task.json`,
  ).catch(() => null);
  if (!response?.ok) return;
  const { groups } = await response.json();
  if (JSON.stringify(groups) === JSON.stringify(page.groups)) return;
  showNotice("vocabulary", gettext("The questions or guidelines were changed meanwhile."), "warn", [
    { label: gettext("Show the new ones"), run: () => location.reload() },
  ]);
};

// Open a task

/**
 * @param {TaskPageData} data
 * @param {HTMLVideoElement | null} video of the clip, loaded already
 */
const show = async (data, video = null) => {
  for (const notice of document.querySelectorAll("[data-notice]")) notice.remove();
  root.dataset.state = "opening";
  const { task } = data;
  if (task.state === "missing" || task.state === "unassigned") {
    showEmpty("no-clip", "problem", task.problem);
    root.dataset.state = task.state;
    return;
  }
  page.use(data, video);
  explain(data);
  await open(data);
  setTimeout(() => fetchNext(), 1500);
};

/** @param {TaskPageData} data */
const open = async (data) => {
  const draft = await openDraft(data).catch((error) => {
    const text = gettext("This task could not be opened: %(sentence)s");
    showNotice("open", fill(text, { sentence: error.message }), "bad", [
      { label: gettext("Try again"), run: () => location.reload() },
    ]);
    return null;
  });
  if (!draft) return;
  draft.addEventListener("reloaded", () => useDraft(draft));
  draft.addEventListener("state", () => onOutboxState(draft));
  if (draft.outcome === "held") {
    const answer = await askWhich({
      title: gettext("This task is open elsewhere"),
      text: gettext(
        "Another tab or another machine works on it. If you go on here, it is told, and nothing it has saved is lost.",
      ),
      keep: gettext("Go on here"),
      discard: gettext("Only look"),
    });
    if (answer === "keep") await draft.takeOver();
  }
  useDraft(draft);
  goToAddress();
  onOutboxState(draft);
};

/** Go to the keyframe that the address names: `?second=3&person=2`. */
const goToAddress = () => {
  const query = new URLSearchParams(location.search);
  if (!query.has("second")) return;
  const second = Number(query.get("second"));
  const persons = page.work.persons();
  const there = persons.filter((key) => page.work.keyframes(key).includes(second));
  const person = there.find((key) => key === query.get("person")) ?? there[0];
  if (person !== undefined) page.go({ person, second });
};

/** @param {AnswerDraft} draft */
const useDraft = (draft) => {
  const isOpen = draft.outcome === "open";
  page.attach(isOpen ? draft : null, draft.work);
  root.dataset.state = isOpen ? "open" : "read only";
  if (isOpen) {
    page.header.outboxState = () => draft.outbox.state;
    page.header.showSaved();
    showHints(labelOfAct("keep", page.layout));
  } else
    page.header.showInstead(
      draft.outcome === "held" ? gettext("Open elsewhere") : gettext("Read only"),
    );
};

let isAsking = false;

/** @param {AnswerDraft} draft */
const onOutboxState = async (draft) => {
  page.header.showSaved();
  const { status, message } = draft.outbox.state;
  if (status === "refused") {
    const kept = gettext("Not saved: %(sentence)s What you did is kept in this browser.");
    showNotice("refused", fill(kept, { sentence: message }), "bad", [
      { label: gettext("Try again"), run: () => location.reload() },
    ]);
  } else hideNotice("refused");
  if (status === "offline") {
    const text = gettext(
      "There is no connection. Go on: everything is kept in this browser and saved as soon as there is one.",
    );
    showNotice("offline", text, "warn", [
      { label: gettext("Try now"), run: () => draft.outbox.retry() },
    ]);
  } else hideNotice("offline");
  if (status !== "taken over" || isAsking) return;
  isAsking = true;
  const count = draft.outbox.entries.length;
  const lost = ngettext(
    "One change made here is not saved.",
    "%(count)s changes made here are not saved.",
    count,
  );
  const saved = count ? fill(lost, { count }) : gettext("All that you did here is saved.");
  const choice = gettext(
    "Keep mine: the work goes on here as you left it, and what came since from elsewhere is set aside. Discard mine: the work goes on here as it is elsewhere. What is set aside stays readable.",
  );
  const answer = await askWhich({
    title: gettext("Another tab or machine goes on with this task"),
    text: `${saved} ${choice}`,
    keep: gettext("Keep mine"),
    discard: gettext("Discard mine"),
  });
  await (answer === "keep" ? draft.keepMine() : draft.discardMine()).catch((error) =>
    showNotice("refused", error.message, "bad"),
  );
  isAsking = false;
  useDraft(draft);
};

// What a task needs to be said

/** @param {TaskPageData} data */
const explain = ({ task, urls }) => {
  if (task.state === "submitted") {
    showNotice("state", gettext("This task is submitted. You can look at it."), "info", [
      ...(task.may_edit ? [{ label: gettext("Change it again"), run: () => reopen(urls) }] : []),
      ...(urls.task ? [{ label: gettext("Review"), run: () => location.assign(urls.task) }] : []),
    ]);
  } else if (!task.may_edit) {
    const text = gettext("You are looking on at %(task)s. Nothing can be changed.");
    showNotice("state", fill(text, { task: task.name }));
  } else if (task.revises) {
    const text = gettext(
      "These are the answers of %(person)s. Look at each and change what is wrong.",
    );
    showNotice("state", fill(text, { person: task.revises }));
  } else if (task.is_blind) {
    showNotice(
      "state",
      gettext("No boxes were drawn for this clip. Add each person that you see."),
    );
  }
};

/** @param {Record<string, string>} urls */
const reopen = async (urls) => {
  const response = await request(urls.reopen, { method: "POST" }).catch(() => null);
  if (response?.ok) location.reload();
  else
    showNotice(
      "reopen",
      gettext("The task could not be opened again. Try again in a moment."),
      "bad",
    );
};

/**
 * @param {string} id of a template
 * @param {string} name of the text in it
 * @param {string} text
 */
const showEmpty = (id, name, text) => {
  const template = /** @type {HTMLTemplateElement} */ (document.getElementById(id));
  const content = /** @type {DocumentFragment} */ (template.content.cloneNode(true));
  part(content, "show", name).textContent = text;
  part(root, "part", "groups").replaceChildren(content);
};

setInterval(checkVocabulary, CHECK_VOCABULARY);
show(firstData);
