// What is done with persons and boxes on the label page: edit, add, not a person, outside, merge,
// split. The tools ask (box_tools.js); each act here is one operation of the log.

import { part } from "../../js/elements.js";
import { fill, gettext } from "../../js/translation.js";
import { snapBetween } from "./box_paths.js";
import { BoxTools } from "./box_tools.js";
import { setText } from "./group_panel.js";
import { newPersonKey } from "./segments.js";
import { isOfPersons, personName } from "./texts.js";
import { nextOpenPerson, secondToOpen } from "./walk.js";

/** @import { Box } from "../../player/geometry.js" */
/** @import { LabelPage } from "./page.js" */

/**
 * Those who may be the same as the person at work.
 * @param {LabelPage} page
 */
const othersOfItsClass = ({ at, work }) => {
  if (!at) return [];
  const { label } = work.person(at.person);
  return work.persons().filter((key) => key !== at.person && work.person(key).label === label);
};

export class BoxActs {
  /** @param {LabelPage} page */
  constructor(page) {
    this.page = page;
    const form = /** @type {HTMLFormElement} */ (part(page.root, "part", "tool-bar"));
    this.tools = new BoxTools(form, {
      stage: page.stage,
      person: () => page.at?.person ?? null,
      nameOf: (key) => personName(page.work, key),
      others: () => othersOfItsClass(page),
      toStep: (frame) => this.toStep(frame),
      detections: (frame) => page.data.detections[frame] ?? [],
      labels: () => page.work.labels,
      idle: () => this.idle(),
    });
  }

  get tool() {
    return this.tools.tool;
  }

  /** Whether the tool at work ends when another place is shown. */
  get isMoved() {
    return this.tool === "edit-box" || this.tool === "merge";
  }

  idle() {
    const { picker, stage } = this.page;
    stage.overlay = picker;
    stage.paint();
    this.markTool();
  }

  markTool() {
    for (const name of ["edit-box", "add-person", "merge"]) {
      const button = part(this.page.root, "act", name);
      button.setAttribute("aria-pressed", String(name === this.tool));
    }
  }

  leave() {
    this.tools.leave();
  }

  /** @param {string} key */
  takePerson(key) {
    const { page } = this;
    if (this.tool !== "merge" || !page.at || key === page.at.person) return false;
    if (this.tools.takePerson(key)) return true;
    const [person, other] = [page.at.person, key].map((one) => personName(page.work, one));
    const text = gettext("%(person)s and %(other)s are of different classes.");
    page.speak(fill(text, { person, other }));
    return true;
  }

  /**
   * The annotation frame nearest to a frame: boxes are set there.
   * @param {number} frame
   */
  toStep(frame) {
    const { step, frame_count: count } = this.page.data.clip;
    const last = Math.floor((count - 1) / step) * step;
    return Math.min(Math.round(frame / step) * step, last);
  }

  /** The frame that an act is about: that on the screen if the clip rests, else the keyframe. */
  frame() {
    const { at, data, stage } = this.page;
    if (!at || stage.video.paused) return this.toStep(stage.steppedFrame());
    return at.second * data.clip.frame_rate;
  }

  /** Whether persons can be changed; if not, it is said why. */
  canChange() {
    if (this.page.draft) return true;
    this.page.speak(gettext("This task can't be changed here."));
    return false;
  }

  edit() {
    const { page } = this;
    if (!this.canChange() || !page.at) return;
    if (this.tool === "edit-box") {
      this.leave();
      return;
    }
    const { person } = page.at;
    const frame = this.frame();
    /** @param {string} sentence */
    const speak = (sentence) =>
      page.speak(fill(sentence, { person: personName(page.work, person) }));
    const isBegun = this.tools.edit(frame, (at, box) => {
      page.act({ kind: "box", person, frame: at, box });
      page.update();
      speak(gettext("Box of %(person)s saved."));
    });
    if (!isBegun) speak(gettext("%(person)s has no box in this frame."));
    this.markTool();
  }

  add() {
    const { page } = this;
    if (!this.canChange()) return;
    if (this.tool === "add-person") {
      this.leave();
      return;
    }
    const key = newPersonKey();
    this.tools.add(
      this.frame(),
      (frame, box, label) => page.act({ kind: "add", person: key, frame, box, ...label }),
      (first, last) => this.finishAdding(key, first, last),
    );
    this.markTool();
  }

  /**
   * @param {string} key
   * @param {{ frame: number, box: Box }} first
   * @param {{ frame: number, box: Box }} last
   */
  finishAdding(key, first, last) {
    const { page } = this;
    if (first.frame !== last.frame) {
      const { step } = page.data.clip;
      const fill = snapBetween(page.data.detections, first, last, step);
      page.act({ kind: "box", person: key, ...last, fill });
    }
    const second = page.work.persons().includes(key) ? secondToOpen(page.work, key) : null;
    if (second === null) {
      page.speak(
        isOfPersons(page.work)
          ? gettext("The person is at no keyframe: set the boxes at least a second apart, or undo.")
          : gettext("It is at no keyframe: set the boxes at least a second apart, or undo."),
      );
    } else page.go({ person: key, second });
  }

  /** Not a person; the next one is shown. */
  remove() {
    const { page } = this;
    if (!this.canChange() || !page.at) return;
    const { person } = page.at;
    const name = personName(page.work, person);
    const persons = page.work.persons();
    const rest = persons.filter((key) => key !== person);
    const next = nextOpenPerson(page.work, person)?.person;
    page.act({ kind: "delete", person });
    const to = next && next !== person ? next : (rest[persons.indexOf(person)] ?? rest.at(-1));
    if (to) page.choosePerson(to);
    else page.showNobody();
    const sentence = isOfPersons(page.work)
      ? gettext("%(person)s is not a person. Undo brings it back.")
      : gettext("%(person)s is removed. Undo brings it back.");
    page.speak(fill(sentence, { person: name }));
  }

  /** @param {string} key */
  restore(key) {
    const { page } = this;
    if (!this.canChange()) return;
    page.act({ kind: "restore", person: key });
    page.choosePerson(key);
  }

  /** Outside from this frame on, or back in the frame. */
  toggleOutside() {
    const { page } = this;
    if (!this.canChange() || !page.at) return;
    const { person } = page.at;
    const frame = this.frame();
    const name = personName(page.work, person);
    const isInside = page.work.isInside(person, frame);
    const done = page.act({ kind: isInside ? "outside" : "inside", person, frame });
    if (!done || page.work.isInside(person, frame) === isInside) {
      const text = gettext("%(person)s has no box here. Edit a box near it, or add a person.");
      page.speak(fill(text, { person: name }));
    } else {
      const text = isInside
        ? gettext("%(person)s is outside from here on.")
        : gettext("%(person)s is in the frame again.");
      page.speak(fill(text, { person: name }));
    }
    if (page.work.persons().includes(person)) page.update();
    else page.restart();
  }

  /** @param {boolean} isInside at the keyframe at work */
  showOutside(isInside) {
    const text = isInside ? gettext("Outside") : gettext("Back inside");
    setText(part(this.page.root, "show", "outside"), text);
  }

  merge() {
    const { page } = this;
    if (!this.canChange() || !page.at) return;
    const { person } = page.at;
    if (this.tool === "merge") {
      this.leave();
      return;
    }
    const isBegun = this.tools.merge((other) => {
      const [part, whole] = [other, person].map((key) => personName(page.work, key));
      page.act({ kind: "merge", person, other });
      page.choosePerson(person);
      page.speak(fill(gettext("%(part)s is now part of %(whole)s."), { part, whole }));
    });
    if (!isBegun) page.speak(gettext("There is nobody to merge with."));
    this.markTool();
  }

  split() {
    const { page } = this;
    if (!this.canChange() || !page.at) return;
    const { person } = page.at;
    const frame = this.frame();
    const created = newPersonKey();
    if (!page.work.isInside(person, frame) || frame === 0) {
      page.speak(gettext("Go to a later frame, in which the person is seen, and split there."));
      return;
    }
    page.act({ kind: "split", person, frame, created });
    const key = page.work.persons().includes(created) ? created : person;
    page.choosePerson(key);
    const name = personName(page.work, created);
    page.speak(fill(gettext("Split: from here on it is %(person)s."), { person: name }));
  }
}
