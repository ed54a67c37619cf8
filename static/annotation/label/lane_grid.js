// The lanes of the label page: a row for each person, a cell for each keyframe of the clip.

import { element } from "../../js/elements.js";
import { fill, gettext } from "../../js/translation.js";
import { colourClass } from "../../player/paint.js";
import { setAttribute, setClass, setText } from "./group_panel.js";
import { cellText, isOfPersons, laneText, personColour, personName } from "./texts.js";

/** @import { Labelling } from "./segments.js" */
/** @import { Place } from "./walk.js" */

/**
 * @typedef {object} LaneEvents
 * @property {(place: Place) => void} go a cell was pressed
 * @property {(key: string) => void} choose a person was pressed
 * @property {(key: string) => void} restore a person that was deleted
 */

const RULER = 30; // CSS pixels
const MARKED_SECONDS = 30; // above, every fifth second is named
const CELL = gettext("%(name)s, second %(second)s: %(state)s");

class Lane {
  /**
   * @param {string} key
   * @param {number[]} seconds
   */
  constructor(key, seconds) {
    this.key = key;
    /** @type {string[]} */
    this.shown = []; // what each cell shows
    this.root = element("div", "person-lane");
    this.root.setAttribute("role", "row");
    this.root.dataset.person = key;
    const head = element("div", "lane-head");
    head.setAttribute("role", "rowheader");
    this.button = element("button", "lane-name");
    this.button.type = "button";
    this.button.append(element("span", "swatch"), element("span"));
    head.append(this.button);
    this.cells = seconds.map((second) => {
      const cell = element("div", "lane-cell");
      cell.setAttribute("role", "gridcell");
      cell.dataset.second = `${second}`;
      cell.tabIndex = -1;
      return cell;
    });
    this.text = element("div", "lane-text mut");
    this.text.setAttribute("role", "gridcell");
    this.root.append(head, ...this.cells, this.text);
  }

  /**
   * @param {Labelling} work
   * @param {number[]} seconds
   */
  update(work, seconds) {
    const name = personName(work, this.key);
    const cells = seconds.map((second) => work.cell(this.key, second));
    setClass(this.root, colourClass(personColour(work, this.key)), true);
    setText(/** @type {Element} */ (this.button.lastChild), name);
    for (const [index, cell] of cells.entries()) {
      const shown = `${name} ${cell.state} ${cell.isUnsure} ${cell.isEdited}`;
      if (this.shown[index] === shown) continue;
      this.shown[index] = shown;
      const target = this.cells[index];
      setAttribute(target, "data-state", cell.isUnsure ? "unsure" : cell.state);
      setClass(target, "edited", cell.isEdited);
      const about = { name, second: seconds[index], state: cellText(cell) };
      setAttribute(target, "aria-label", fill(CELL, about));
    }
    setText(this.text, laneText(cells));
  }
}

export class LaneGrid {
  /**
   * @param {HTMLElement} root
   * @param {number[]} seconds keyframes of the clip
   * @param {LaneEvents} events
   */
  constructor(root, seconds, events) {
    this.root = root;
    this.seconds = seconds;
    this.events = events;
    /** @type {Map<string, Lane>} */
    this.lanes = new Map();
    /** @type {HTMLElement | null} */
    this.current = null; // the cell at work
    root.setAttribute("role", "grid");
    root.setAttribute(
      "aria-label",
      gettext("Lanes: a row for each person, a cell for each keyframe"),
    );
    root.style.setProperty("--seconds", `${seconds.length}`);
    this.ruler = this.makeRuler();
    root.replaceChildren(this.ruler);
    root.addEventListener("click", (event) => this.onClick(event));
  }

  makeRuler() {
    const ruler = element("div", "lane-ruler mut");
    ruler.setAttribute("role", "row");
    const label = element("div", "lane-head", gettext("second"));
    label.setAttribute("role", "columnheader");
    const marks = this.seconds.map((second, index) => {
      const isNamed = this.seconds.length <= MARKED_SECONDS || index === 0 || second % 5 === 0;
      const mark = element("div", "lane-mark", isNamed ? `${second}` : "");
      mark.setAttribute("role", "columnheader");
      mark.setAttribute("aria-label", fill(gettext("second %(second)s"), { second }));
      return mark;
    });
    const state = element("div", "lane-text");
    state.setAttribute("role", "columnheader");
    state.append(element("span", "vh", gettext("done")));
    ruler.append(label, ...marks, state);
    return ruler;
  }

  /** @param {MouseEvent} event */
  onClick(event) {
    const target = /** @type {Element} */ (event.target);
    const row = target.closest("[data-person]");
    if (!(row instanceof HTMLElement)) return;
    const person = row.dataset.person ?? "";
    const cell = target.closest("[data-second]");
    if (target.closest("[data-act=restore]")) this.events.restore(person);
    else if (cell instanceof HTMLElement) {
      this.events.go({ person, second: Number(cell.dataset.second) });
    } else if (target.closest(".lane-name")) this.events.choose(person);
  }

  /**
   * Draw the lanes of all persons.
   * @param {Labelling} work
   */
  draw(work) {
    const keys = work.persons();
    for (const [key, lane] of this.lanes) {
      if (keys.includes(key)) continue;
      lane.root.remove();
      this.lanes.delete(key);
    }
    let last = /** @type {Element} */ (this.ruler);
    for (const key of keys) {
      const lane = this.lanes.get(key) ?? new Lane(key, this.seconds);
      this.lanes.set(key, lane);
      lane.update(work, this.seconds);
      if (last.nextElementSibling !== lane.root) last.after(lane.root);
      last = lane.root;
    }
    this.drawDeleted(work);
  }

  /**
   * Rows of the persons that are none, each with a button to restore it.
   * @param {Labelling} work
   */
  drawDeleted(work) {
    for (const row of this.root.querySelectorAll(".deleted-lane")) row.remove();
    for (const [key, person] of Object.entries(work.state.persons)) {
      if (person.gone !== "deleted") continue;
      const row = element("div", "deleted-lane mut");
      row.setAttribute("role", "row");
      row.dataset.person = key;
      const cell = element("div");
      cell.setAttribute("role", "gridcell");
      const name = personName(work, key);
      const button = element("button", "btn sm", gettext("Restore"));
      button.type = "button";
      button.dataset.act = "restore";
      button.append(element("span", "vh", ` ${name}`));
      const why = isOfPersons(work) ? gettext("not a person") : gettext("removed");
      cell.append(element("s", "", name), ` ${why} `, button);
      row.append(cell);
      this.root.append(row);
    }
  }

  /**
   * @param {Labelling} work
   * @param {string} key
   */
  update(work, key) {
    this.lanes.get(key)?.update(work, this.seconds);
  }

  /**
   * Mark the cell at work.
   * @param {Place | null} at
   */
  mark(at) {
    const lane = at && this.lanes.get(at.person);
    const cell = lane ? (lane.cells[this.seconds.indexOf(at.second)] ?? null) : null;
    if (cell === this.current) return;
    if (this.current) {
      this.current.tabIndex = -1;
      this.current.removeAttribute("aria-selected");
      this.current.closest(".person-lane")?.classList.remove("current");
    }
    this.current = cell;
    if (!cell || !lane) return;
    cell.tabIndex = 0;
    cell.setAttribute("aria-selected", "true");
    lane.root.classList.add("current");
    // In the next frame, whose layout is needed anyway: not between two changes of the page.
    requestAnimationFrame(() => keepInView(this.root, lane.root, cell));
  }
}

/**
 * Scroll a list, and nothing around it, until a cell is seen below its ruler and beside its names.
 * @param {HTMLElement} list
 * @param {HTMLElement} row
 * @param {HTMLElement} cell
 */
const keepInView = (list, row, cell) => {
  const isTall = list.scrollHeight > list.clientHeight;
  const isWide = list.scrollWidth > list.clientWidth;
  if (!isTall && !isWide) return;
  const [view, place, here] = [list, row, cell].map((one) => one.getBoundingClientRect());
  if (isTall && place.top < view.top + RULER) list.scrollTop -= view.top + RULER - place.top;
  else if (isTall && place.bottom > view.bottom) list.scrollTop += place.bottom - view.bottom + 6;
  const left = view.left + /** @type {HTMLElement} */ (row.firstElementChild).offsetWidth + 20;
  if (isWide && here.left < left) list.scrollLeft -= left - here.left + here.width;
  else if (isWide && here.right > view.right) {
    list.scrollLeft += here.right - view.right + view.width / 3;
  }
};
