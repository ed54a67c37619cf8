// The label page at work on one task: where the work is, what each act does, and what is redrawn.
// The state lives in the draft (draft.js) and its fold (segments.js); this module only shows it.

import { part } from "../../js/elements.js";
import { fill, gettext } from "../../js/translation.js";
import { Scene } from "../../player/scene.js";
import { AnswerActs } from "./answer_acts.js";
import { BoxActs } from "./box_acts.js";
import { DisplayTimes } from "./display_times.js";
import { FindBox } from "./find_box.js";
import { GroupPanel, setText } from "./group_panel.js";
import { Guideline } from "./guideline.js";
import { Header } from "./header.js";
import { LaneGrid } from "./lane_grid.js";
import { drawRemarks } from "./remarks.js";
import { Labelling } from "./segments.js";
import { listenToTouch, personPicker, Stage } from "./stage.js";
import { Stills } from "./stills.js";
import {
  isOfPersons,
  limitText,
  personColour,
  personName,
  sameText,
  spokenPlace,
  titleOf,
} from "./texts.js";
import {
  choiceAt,
  groupToOpen,
  neighbour,
  nextOpenPerson,
  secondsAhead,
  secondToOpen,
} from "./walk.js";

/** @import { Group } from "./answers.js" */
/** @import { AnswerDraft } from "./draft.js" */
/** @import { Operation, StateData } from "./fold.js" */
/** @import { Layout } from "./key_map.js" */
/** @import { Remark } from "./remarks.js" */
/** @import { TaskPageData } from "./task_data.js" */
/** @import { Place } from "./walk.js" */

/** @type {StateData} */
const NOTHING = { persons: {}, clip: {}, remarks: {} }; // until the draft says what there is
const SPEAK_AFTER = 300; // milliseconds of rest before a place is spoken

export class LabelPage {
  /**
   * @param {HTMLElement} root
   * @param {TaskPageData} data
   */
  constructor(root, data) {
    this.root = root;
    this.data = data;
    this.work = new Labelling({ ...data, start: NOTHING });
    this.header = new Header();
    this.stage = new Stage(/** @type {Element} */ (root.querySelector(".screen")));
    this.picker = personPicker(this.stage, (key) => this.choosePerson(key));
    this.stage.overlay = this.picker;
    this.guideline = new Guideline(part(root, "part", "guideline"));
    this.finder = new FindBox(
      /** @type {HTMLInputElement} */ (part(root, "set", "find")),
      part(root, "part", "found"),
      ({ group, action }) => this.answers.choose(group, action),
    );
    this.boxes = new BoxActs(this);
    this.answers = new AnswerActs(this);
    /** @type {Group[]} */
    this.groups = data.groups;
    /** @type {AnswerDraft | null} */
    this.draft = null; // null: nothing can be changed
    /** @type {Place | null} */
    this.at = null; // null: there is nobody
    this.open = 0; // place of the open group
    this.display = new DisplayTimes();
    /** @type {Layout} */
    this.layout = () => undefined;
    this.isRestDue = false; // a redraw of what is not at work
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.spokenTimer = undefined;
    this.stage.addEventListener("paint", () => {
      root.dataset.frame = `${this.stage.frame}`;
      root.dataset.painted = `${this.stage.paintCount}`;
    });
    listenToTouch(this.stage, {
      isIdle: () => this.stage.overlay === this.picker,
      step: (by) => this.stepKeyframe(by),
      choose: (key) => this.choosePerson(key),
    });
  }

  // Task

  /**
   * Show a task; nothing can be changed until it has a draft.
   * @param {TaskPageData} data
   * @param {HTMLVideoElement | null} video of the clip, loaded already
   */
  use(data, video = null) {
    this.data = data;
    this.groups = data.groups;
    this.draft = null;
    this.work = new Labelling({ ...data, start: NOTHING });
    this.at = null;
    this.open = 0;
    this.display = new DisplayTimes();
    const { clip } = data;
    this.boxes.leave();
    this.stage.stills?.close();
    this.stage.stills = new Stills(clip.video, clip.frame_rate);
    const scene = { ...clip, cuts: [], groups: [], persons: [], classes: {}, answers: {} };
    this.stage.setScene(new Scene(scene));
    if (video) this.stage.use(video);
    else this.stage.video.src = clip.video;
    this.stage.boxAt = (key, frame) =>
      this.work.lanes.has(key) ? this.work.boxAt(key, frame) : null;
    this.finder.groups = this.groups;
    this.guideline.use(this.groups);
    this.panel = new GroupPanel(part(this.root, "part", "groups"), this.groups, {
      open: (group) => this.openGroup(group),
      choose: (group, action) => this.answers.choose(group, action),
      answer: (group, answer) => this.answers.answer(group, answer),
      point: (group, action) => this.guideline.show(group, action),
    });
    this.panel.showKeys(this.layout);
    this.lanes = new LaneGrid(part(this.root, "part", "lanes"), clip.keyframes, {
      go: (place) => this.go(place),
      choose: (key) => this.choosePerson(key),
      restore: (key) => this.boxes.restore(key),
    });
    setText(part(document, "show", "clip"), clip.name);
    document.title = fill(gettext("Label %(clip)s · AVA Studio"), { clip: clip.name });
    const unset = this.groups.map(() => ({
      answer: "unset",
      origin: /** @type {const} */ ("unset"),
    }));
    this.panel.update(unset, 0, false);
    this.stage.person = null;
    this.stage.people = [];
    this.showQuestions(true);
    this.stage.showKeyframe((clip.keyframes[0] ?? 0) * clip.frame_rate);
  }

  /**
   * The draft is open: from now on things can be changed.
   * @param {AnswerDraft | null} draft
   * @param {Labelling} work
   */
  attach(draft, work) {
    this.draft = draft;
    this.work = work;
    this.restart();
  }

  /** Draw everything anew: at the same place, or the first one that is open. */
  restart() {
    const { at, work } = this;
    this.drawAll();
    const [person] = work.persons();
    this.showQuestions(person !== undefined);
    if (person === undefined) this.showNobody();
    else if (at && work.persons().includes(at.person)) this.go(at);
    else this.go(nextOpenPerson(work, "") ?? { person, second: work.keyframes(person)[0] });
  }

  /** @param {boolean} isShown false: there is nobody to answer for */
  showQuestions(isShown) {
    part(this.root, "part", "nobody").hidden = isShown;
    part(this.root, "part", "groups").hidden = !isShown;
  }

  showNobody() {
    this.showQuestions(false);
    this.at = null;
    this.display.show(null);
    this.stage.person = null;
    this.lanes?.mark(null);
    this.header.showPlace(null, true);
    setText(part(this.root, "show", "same-as"), gettext("Nobody here"));
    this.root.dataset.place = "";
    const text = this.data.task.is_blind
      ? gettext("No boxes were drawn for this clip. Add each person that you see.")
      : gettext(
          "Nobody was found here. If you see a person, add them; otherwise submit the task as it is.",
        );
    setText(part(this.root, "show", "nobody"), text);
    this.stage.showKeyframe((this.data.clip.keyframes[0] ?? 0) * this.data.clip.frame_rate);
  }

  // Where the work is

  /** @param {Place | null} place */
  go(place) {
    if (!place) return;
    const isOther = place.person !== this.at?.person;
    if (!this.at) this.showQuestions(true);
    this.at = place;
    this.display.show(place);
    if (this.boxes.isMoved) this.boxes.leave();
    this.stage.person = place.person;
    const frame = place.second * this.data.clip.frame_rate;
    if (this.boxes.tool) this.stage.pauseAt(frame);
    else this.stage.showKeyframe(frame);
    if (isOther || !this.groups[this.open]) this.open = 0;
    this.open = groupToOpen(this.work, this.groups, place, this.open);
    this.update();
    this.speakPlace();
    this.fetchAhead();
  }

  fetchAhead() {
    const { at, stage } = this;
    if (!at) return;
    const rate = this.data.clip.frame_rate;
    stage.stills?.want(secondsAhead(this.work, at).map((second) => second * rate));
  }

  /** @param {string} key */
  choosePerson(key) {
    if (this.boxes.takePerson(key)) return;
    const second = secondToOpen(this.work, key, this.at?.second);
    if (second !== null) this.go({ person: key, second });
  }

  /** @param {number} by 1 or -1 */
  stepPerson(by) {
    const place = this.at && neighbour(this.work, this.at, by);
    if (place) this.go(place);
    else if (by > 0) this.speak(gettext("This is the last person."));
    else this.speak(gettext("This is the first person."));
  }

  /** @param {number} by 1 or -1: also to keyframes at which the person is outside */
  stepKeyframe(by) {
    const { keyframes, frame_rate: rate } = this.data.clip;
    const from = this.at?.second ?? Math.round(this.stage.frame / rate);
    const second =
      by > 0 ? keyframes.find((one) => one > from) : keyframes.findLast((one) => one < from);
    if (second === undefined) return;
    if (this.at) this.go({ ...this.at, second });
    else this.stage.showKeyframe(second * rate);
  }

  /** @param {number} group place in the vocabulary */
  openGroup(group) {
    if (!this.groups[group]) return;
    this.open = group;
    this.update();
    this.speak(`${titleOf(this.groups[group])}, ${limitText(this.groups[group])}`);
  }

  /** @param {number} by 1 or -1 */
  stepGroup(by) {
    const count = this.groups.length;
    this.openGroup((this.open + by + count) % count);
  }

  // Changes

  /**
   * @param {{ kind: string, [field: string]: unknown }} operation
   * @returns {Operation | null} null: it changes nothing
   */
  act(operation) {
    const done = this.draft?.act(this.display.timed(operation)) ?? null;
    if (done) this.onChange(done);
    return done;
  }

  /** @param {"undo" | "redo"} way */
  revert(way) {
    const target = this.draft?.[way]() ?? null;
    const isUndo = way === "undo";
    if (!target) {
      this.speak(
        isUndo ? gettext("There is nothing to undo.") : gettext("There is nothing to redo."),
      );
      return;
    }
    this.onChange(target);
    const second = target.second ?? target.first ?? this.secondOf(target.frame);
    const isThere = this.work.persons().includes(target.person);
    if (isThere && second !== null) this.go({ person: target.person, second });
    else this.restart();
    this.speak(isUndo ? gettext("Undone.") : gettext("Done again."));
  }

  /** @param {number | undefined} frame */
  secondOf(frame) {
    if (frame === undefined) return null;
    return this.stage.scene.keyframeOf(frame) ?? this.data.clip.keyframes[0] ?? null;
  }

  /** @param {Operation} operation */
  onChange({ kind, person }) {
    const isOfOne = ["set", "clear", "keep", "box", "outside", "inside"].includes(kind);
    if (isOfOne && this.lanes?.lanes.has(person)) this.lanes.update(this.work, person);
    else this.drawAll();
    delete this.root.dataset.complete;
    this.drawRest();
  }

  // Redrawing

  drawAll() {
    this.stage.people = [...this.work.lanes]
      .filter(([, lane]) => !lane.gone)
      .map(([key]) => ({
        key,
        name: personName(this.work, key),
        colour: personColour(this.work, key),
      }));
    this.lanes?.draw(this.work);
    this.drawRest();
    this.drawRemarks();
    this.stage.paint();
  }

  drawRemarks() {
    drawRemarks(part(this.root, "part", "remarks"), this.data.remarks, {
      answers: this.work.state.remarks,
      isEditable: this.draft !== null,
      nameOf: (key) => (this.work.lanes.has(key) ? personName(this.work, key) : ""),
      go: (remark) => this.goToRemark(remark),
      reply: (remark, text) => {
        this.act({ kind: "reply", remark: `${remark.id}`, text });
        this.drawRemarks();
      },
    });
  }

  /** @param {Remark} remark */
  goToRemark({ person, second }) {
    if (second === null) return;
    const key = person && this.work.persons().includes(person) ? person : this.at?.person;
    if (key) this.go({ person: key, second });
  }

  /** What the person, keyframe and group at work show: at each key. */
  update() {
    const { at, work, groups } = this;
    if (!at) return;
    const isInside = work.keyframes(at.person).includes(at.second);
    const isEditable = this.draft !== null && isInside;
    const choices = groups.map((group) => choiceAt(work, group, at));
    this.panel?.update(choices, this.open, isEditable);
    this.finder.open = this.open;
    this.guideline.keepTo(this.open);
    this.lanes?.mark(at);
    this.boxes.showOutside(isInside);
    const seconds = work.keyframes(at.person);
    const before = seconds.filter((second) => second < at.second).at(-1);
    const isOffered = choices.some(({ origin }) => origin === "proposed");
    const name = personName(work, at.person);
    const same = sameText(name, { isInside, before, isOffered });
    setText(part(this.root, "show", "same-as"), same);
    const persons = work.persons();
    const place = {
      name,
      order: persons.indexOf(at.person) + 1,
      count: persons.length,
      second: at.second,
      nth: seconds.indexOf(at.second) + 1,
      seconds: seconds.length,
    };
    this.header.showPlace(place, isOfPersons(work));
    this.stage.paint();
    this.root.dataset.place = `${at.person} ${at.second}`;
    this.root.dataset.open = groups[this.open]?.name ?? "";
  }

  /** What is not at work, when there is time for it. */
  drawRest() {
    if (this.isRestDue) return;
    this.isRestDue = true;
    setTimeout(() => {
      this.isRestDue = false;
      const pace = this.draft ? this.data.pace.seconds_per_keyframe : 0;
      this.header.showProgress(this.work.progress(), pace);
      this.header.showSaved();
    }, 60);
  }

  /** @param {string} text for screen readers, and under the questions */
  speak(text) {
    clearTimeout(this.spokenTimer);
    part(document, "show", "spoken").textContent = text;
    this.guideline.say(text);
  }

  /** Speak the place when the work rests there: a held key would speak every one. */
  speakPlace() {
    clearTimeout(this.spokenTimer);
    this.spokenTimer = setTimeout(() => {
      if (!this.at) return;
      part(document, "show", "spoken").textContent = spokenPlace(this.work, this.groups, this.at);
    }, SPEAK_AFTER);
  }
}
