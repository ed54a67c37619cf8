// Answers on the label page: choose an action, none, can't tell; keep what is dashed and go on.

import { fill, gettext } from "../../js/translation.js";
import { toggled } from "./answers.js";
import { personName, titleOf } from "./texts.js";
import { choiceAt, groupAfter, keepOf, nextOpenPerson, placeAfter } from "./walk.js";

/** @import { Answer } from "./answers.js" */
/** @import { LabelPage } from "./page.js" */
/** @import { Place } from "./walk.js" */

export class AnswerActs {
  /** @param {LabelPage} page */
  constructor(page) {
    this.page = page;
  }

  /** Whether something can be answered here; if not, it is said why. */
  canAnswer() {
    const { page } = this;
    if (!page.draft) page.speak(gettext("This task can't be changed here."));
    else if (!page.at) page.speak(gettext("There is nobody to answer for."));
    else if (!page.work.keyframes(page.at.person).includes(page.at.second)) {
      const person = personName(page.work, page.at.person);
      page.speak(fill(gettext("%(person)s is outside the frame here."), { person }));
    } else return true;
    return false;
  }

  /**
   * @param {number} group place in the vocabulary
   * @param {number} action place in the group
   */
  choose(group, action) {
    const { page } = this;
    const about = page.groups[group];
    const name = about?.actions[action]?.name;
    if (name === undefined || !this.canAnswer() || !page.at) return;
    page.guideline.show(group, action);
    const { answer, origin } = choiceAt(page.work, about, page.at);
    const after = toggled(about, origin === "set" ? answer : "unset", name);
    if (after === null) {
      const text = gettext("%(group)s: at most %(count)s. Take one back first.");
      page.speak(fill(text, { group: titleOf(about), count: about.max }));
      return;
    }
    const isTakenBack = Array.isArray(after) && !after.length;
    this.answer(group, after, { isOpenAfter: isTakenBack });
  }

  /**
   * @param {number} group place in the vocabulary
   * @param {Answer} answer
   * @param {{ isOpenAfter?: boolean }} options isOpenAfter: the group stays open
   */
  answer(group, answer, { isOpenAfter = false } = {}) {
    const { page } = this;
    const about = page.groups[group];
    if (!about || !this.canAnswer() || !page.at) return;
    if (about.choice === "one" && Array.isArray(answer)) {
      page.speak(fill(gettext("%(group)s has no “none”."), { group: titleOf(about) }));
      return;
    }
    const { person, second } = page.at;
    page.open = group;
    if (answer === "unset") page.act({ kind: "clear", person, second, groups: [about.name] });
    else page.act({ kind: "set", person, second, answers: { [about.name]: answer } });
    const isFull = Array.isArray(answer)
      ? answer.length === 0 || answer.length >= about.max
      : answer !== "unset";
    if (isFull && !isOpenAfter) page.open = groupAfter(page.work, page.groups, page.at, group);
    page.update();
    page.speakPlace();
  }

  /** @param {boolean} isToEnd of the track */
  keep(isToEnd) {
    const { page } = this;
    if (!page.at || !page.draft) {
      this.canAnswer();
      return;
    }
    const { at, work } = page;
    const seconds = work.keyframes(at.person);
    if (!seconds.includes(at.second)) {
      this.goOn(placeAfter(work, at));
      return;
    }
    const last = isToEnd ? (seconds.at(-1) ?? at.second) : at.second;
    const plan = keepOf(work, page.groups, at, last);
    if ("missing" in plan) {
      page.openGroup(plan.missing);
      const missing = titleOf(page.groups[plan.missing]);
      page.speak(fill(gettext("%(group)s has no answer yet."), { group: missing }));
      return;
    }
    page.act(plan);
    this.goOn(isToEnd ? nextOpenPerson(work, at.person) : placeAfter(work, at));
  }

  /** @param {Place | null} place null: nothing is open */
  goOn(place) {
    const { page } = this;
    if (place) {
      page.go(place);
      return;
    }
    page.update();
    page.speak(gettext("Everything is answered. You can submit the task."));
    page.root.dataset.complete = "true";
  }
}
