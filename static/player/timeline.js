// Timeline under the player: a lane for each person, which unfolds into a lane for each action
// group and annotator, with segments of equal answers.

import { element } from "../js/elements.js";
import { fill, gettext, ngettext } from "../js/translation.js";
import {
  answerSegments,
  answerText,
  disputedSeconds,
  findDisagreements,
  groupLabel,
  nextDisagreement,
} from "./answers.js";
import { clamp } from "./geometry.js";
import { addBar, drawing, segmentStrip } from "./lanes.js";
import { colourClass } from "./paint.js";

/** @import { Disagreements } from "./answers.js" */
/** @import { Player } from "./player.js" */
/** @import { Label, Scene } from "./scene.js" */

export class Timeline {
  /**
   * @param {HTMLElement} lanes
   * @param {Player} player
   */
  constructor(lanes, player) {
    this.lanes = lanes;
    this.player = player;
    /** @type {Map<number, HTMLElement>} */
    this.rows = new Map(); // the lanes of each person, by number
    /** @type {Disagreements} */
    this.disagreements = new Map();
    this.ruler = { left: 0, width: 0 }; // CSS pixels, from the left of the lanes
    this.slider = /** @type {HTMLInputElement} */ (lanes.querySelector("input[type=range]"));
    this.playhead = /** @type {HTMLElement} */ (lanes.querySelector(".playhead"));
    this.slider.addEventListener("input", () => player.pauseAt(Number(this.slider.value)));
    player.addEventListener("frame", () => this.movePlayhead());
    player.addEventListener("notify", () => this.moveSlider());
    new ResizeObserver(() => this.measure()).observe(lanes);
    lanes.hidden = false;
  }

  /**
   * Draw the lanes of the player's scene.
   * @param {object} options
   * @param {number | null} [options.only] person whose lanes alone are drawn, unfolded
   * @param {string | null} [options.group] action group that alone is unfolded
   */
  draw({ only = null, group = null } = {}) {
    const { scene } = this.player;
    for (const row of this.lanes.querySelectorAll(".person-lanes, .ticks")) row.remove();
    this.rows.clear();
    this.disagreements = findDisagreements(scene);
    this.slider.max = `${scene.frameCount - 1}`;
    this.playhead.before(this.keyframeLane());
    for (const number of scene.personNumbers) {
      if (only !== null && number !== only) continue;
      const row = this.personLane(number);
      this.rows.set(number, row);
      this.playhead.before(row);
      if (only !== null) this.unfold(number, group);
    }
    this.measure();
  }

  /**
   * Select the next disagreement and show it.
   * @param {number} by 1: the next, -1: the previous
   */
  showDisagreement(by) {
    const { frame, scene, selected } = this.player;
    const at = { second: frame / scene.frameRate, number: selected };
    const found = nextDisagreement(this.disagreements, at, by);
    if (!found) return;
    this.select(found.number);
    if (!this.isUnfolded(found.number)) this.toggle(found.number);
    this.player.pauseAt(found.second * scene.frameRate);
  }

  keyframeLane() {
    const { scene } = this.player;
    const lane = element("div", "lane ticks");
    lane.append(element("span", "mut small", gettext("Keyframes")));
    const cuts = scene.cuts.map((frame) =>
      fill(gettext("scene cut at frame %(frame)s"), { frame }),
    );
    const count = scene.keyframes.length;
    const keyframes = fill(ngettext("%(count)s keyframe", "%(count)s keyframes", count), { count });
    const label = [keyframes, ...cuts].join("; ");
    const svg = drawing(scene.frameCount, 9, label);
    for (let frame = 0; frame < scene.frameCount; frame += scene.frameRate) {
      const isKeyframe = scene.keyframes.includes(frame / scene.frameRate);
      addBar(svg, isKeyframe ? "key" : "no", frame, 2);
    }
    for (const frame of scene.cuts) addBar(svg, "cut", frame - 1, 3);
    if (cuts.length) lane.title = cuts.join("; ");
    lane.append(svg);
    return lane;
  }

  /** @param {number} number of the person */
  personLane(number) {
    const { scene } = this.player;
    const name = scene.personName(number);
    const row = element("div", `person-lanes ${colourClass(number)}`);
    row.dataset.person = `${number}`;
    const label = element("span", "who-label");
    const button = element("button", "who");
    button.type = "button";
    button.title = fill(gettext("Show or hide %(name)s"), { name });
    button.setAttribute("aria-pressed", "true");
    button.append(element("span", "swatch"), name);
    button.addEventListener("click", () => this.toggleHidden(number));
    label.append(button);
    if (scene.answeredSeconds.length) {
      const fold = element("button", "fold");
      fold.type = "button";
      fold.setAttribute("aria-expanded", "false");
      fold.setAttribute("aria-label", fill(gettext("Answers about %(name)s"), { name }));
      fold.addEventListener("click", () => this.toggle(number));
      label.append(fold);
    }
    const lane = element("div", "lane");
    lane.append(label, this.presence(number));
    row.append(lane);
    return row;
  }

  /**
   * Draw the tracks of another tracking run, each under the lane of the same person.
   * @param {Scene} other
   */
  drawComparison(other) {
    for (const { number, label, parts } of other.persons) {
      const row = this.rows.get(number);
      const lane = element("div", "lane other");
      const svg = drawing(
        other.frameCount,
        7,
        fill(gettext("%(label)s in the compared run"), { label }),
      );
      for (const part of parts) addBar(svg, "seg", part.start, part.boxes.length);
      svg.addEventListener("click", (event) => this.seek(event));
      lane.append(
        element(
          "span",
          "small mut",
          row ? gettext("compared") : fill(gettext("%(label)s, compared"), { label }),
        ),
        svg,
      );
      if (row) row.append(lane);
      else {
        const newRow = element("div", `person-lanes ${colourClass(number)}`);
        newRow.append(lane);
        this.playhead.before(newRow);
      }
    }
    this.measure();
  }

  /**
   * Where a person is in the clip, and where the answers about the person disagree.
   * @param {number} number of the person
   */
  presence(number) {
    const { scene } = this.player;
    const disputed = disputedSeconds(this.disagreements, number);
    const label = fill(
      ngettext(
        "%(name)s, %(count)s keyframe with disagreement",
        "%(name)s, %(count)s keyframes with disagreement",
        disputed.length,
      ),
      { name: scene.personName(number), count: disputed.length },
    );
    const svg = drawing(scene.frameCount, 12, label);
    const person = scene.tracked.get(number);
    if (person) {
      for (const part of person.parts) addBar(svg, "seg", part.start, part.boxes.length);
    } else {
      for (const second of scene.answeredSeconds) {
        if (!scene.consensusBox(second, number)) continue;
        const { start, stop } = scene.framesOfSecond(second);
        addBar(svg, "seg", start, stop - start);
      }
    }
    for (const second of disputed) addBar(svg, "dispute", second * scene.frameRate - 2, 5);
    svg.addEventListener("click", (event) => this.seek(event));
    return svg;
  }

  /**
   * Show the frame that was clicked on in a lane.
   * @param {MouseEvent} event
   */
  seek(event) {
    const lane = /** @type {Element} */ (event.currentTarget).getBoundingClientRect();
    const share = (event.clientX - lane.left) / lane.width;
    this.player.pauseAt(Math.floor(share * this.player.scene.frameCount));
  }

  /** @param {number} number of the person */
  toggleHidden(number) {
    const { hiddenPersons } = this.player;
    const isHidden = !hiddenPersons.delete(number);
    if (isHidden) hiddenPersons.add(number);
    const row = this.rows.get(number);
    row?.classList.toggle("off", isHidden);
    row?.querySelector(".who")?.setAttribute("aria-pressed", String(!isHidden));
    this.player.paint();
  }

  /** @param {number} number of the person */
  select(number) {
    this.player.selected = number;
    for (const [other, row] of this.rows) row.classList.toggle("chosen", other === number);
    this.rows.get(number)?.scrollIntoView({ block: "nearest" });
    this.player.paint();
  }

  /** @param {number} by 1: the next person, -1: the previous one */
  selectNext(by) {
    const numbers = [...this.rows.keys()];
    if (!numbers.length) return;
    const index = this.player.selected === null ? -1 : numbers.indexOf(this.player.selected);
    this.select(numbers[index < 0 ? 0 : clamp(index + by, 0, numbers.length - 1)]);
  }

  /** @param {number} number of the person */
  isUnfolded(number) {
    return Boolean(this.rows.get(number)?.querySelector(".group-lanes"));
  }

  /**
   * Unfold the answers about a person, or fold them.
   * @param {number} number of the person
   */
  toggle(number) {
    const row = this.rows.get(number);
    const fold = row?.querySelector(".fold");
    if (!row || !fold) return;
    if (this.isUnfolded(number)) {
      for (const part of row.querySelectorAll(".group-lanes")) part.remove();
      fold.setAttribute("aria-expanded", "false");
    } else this.unfold(number);
  }

  /**
   * @param {number} number of the person
   * @param {string | null} only action group; null: all
   */
  unfold(number, only = null) {
    const { scene } = this.player;
    const row = this.rows.get(number);
    row?.querySelector(".fold")?.setAttribute("aria-expanded", "true");
    for (const group of scene.groups) {
      if (only !== null && group !== only) continue;
      /** @param {number} second */
      const label = (second) => scene.personAt(second, number)?.labels[group];
      if (scene.answeredSeconds.some(label)) row?.append(this.groupLanes(number, group, label));
    }
  }

  /**
   * A lane for the answers of each annotator in one action group, and one for the consensus.
   * @param {number} number of the person
   * @param {string} group
   * @param {(second: number) => Label | undefined} label
   */
  groupLanes(number, group, label) {
    const { scene, annotatorLabel } = this.player;
    const block = element("div", "group-lanes");
    block.append(element("h2", "", groupLabel(group)));
    const disputed = new Set(this.disagreements.get(number)?.get(group));
    // Sorted by what is shown: letters that stand for names must not follow the names' order.
    const sorted = [...scene.annotators].sort((a, b) =>
      annotatorLabel(a) < annotatorLabel(b) ? -1 : 1,
    );
    for (const annotator of sorted) {
      /** @param {number} second */
      const answer = (second) => {
        const votes = label(second)?.votes ?? {};
        return annotator in votes ? answerText(votes[annotator]) || "–" : "";
      };
      block.append(this.answerLane(annotatorLabel(annotator), answer, disputed));
    }
    /** @param {number} second */
    const consensus = (second) => {
      const { rule = "", actions = [] } = label(second) ?? {};
      return rule === "open" ? "?" : rule && answerText(actions);
    };
    if (scene.answeredSeconds.some(consensus)) {
      const lane = this.answerLane(gettext("Consensus"), consensus, new Set());
      lane.classList.add("consensus");
      block.append(lane);
    }
    return block;
  }

  /**
   * @param {string} name
   * @param {(second: number) => string} textAt
   * @param {Set<number>} disputed seconds
   */
  answerLane(name, textAt, disputed) {
    const { scene } = this.player;
    const lane = element("div", "lane answers");
    const strip = segmentStrip(scene, answerSegments(scene, textAt, disputed));
    strip.addEventListener("click", (event) => this.seek(event));
    lane.append(element("span", "small mut", name), strip);
    return lane;
  }

  /** Where the lanes lie: read when they change, never while playing. */
  measure() {
    const ruler = this.lanes.querySelector(".ticks svg")?.getBoundingClientRect();
    if (!ruler) return;
    const left = ruler.left - this.lanes.getBoundingClientRect().left;
    this.ruler = { left, width: ruler.width };
    this.movePlayhead();
    this.moveSlider();
  }

  moveSlider() {
    const { player, slider } = this;
    if (document.activeElement === slider && player.video.paused) return;
    slider.value = `${player.frame}`;
  }

  movePlayhead() {
    const { frame, scene } = this.player;
    const x = this.ruler.left + (this.ruler.width * (frame + 0.5)) / scene.frameCount;
    this.playhead.style.transform = `translateX(${x}px)`;
  }
}
