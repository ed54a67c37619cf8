// Tools for boxes: edit the box of a person, add a person by two boxes, merge two persons. Each
// opens a bar under the clip whose fields and keys are its own; Enter applies it, Escape leaves it.

import { element, part } from "../../js/elements.js";
import { fill, gettext } from "../../js/translation.js";
import { BoxEditor } from "../../player/box_editor.js";
import { clipBox, roundBox } from "../../player/geometry.js";
import { paintBox } from "../../player/paint.js";
import { nearestDetection } from "./snapping.js";
import { isOfPersons } from "./texts.js";

/** @import { Box, Placement, Point } from "../../player/geometry.js" */
/** @import { FrameBox } from "./box_paths.js" */
/** @import { Stage } from "./stage.js" */

/**
 * What the tools need of the page.
 * @typedef {object} ToolHost
 * @property {Stage} stage
 * @property {() => string | null} person key of the person at work
 * @property {(key: string) => string} nameOf
 * @property {() => string[]} others keys of the others of its class
 * @property {(frame: number) => number} toStep the frame nearest to `frame` at which boxes are edited
 * @property {(frame: number) => Box[]} detections boxes of the tracker that nobody has
 * @property {() => string[]} labels classes that are followed
 * @property {() => void} idle no tool is at work any more
 */

const SIDES = ["left", "top", "width", "height"];
const SIDE_TEXTS = [gettext("left"), gettext("top"), gettext("width"), gettext("height")];
const MIN_DRAG = 8; // pixels of the video: a shorter drag draws nothing

/** The bar under the clip with the fields of the tool at work. */
class ToolBar {
  /** @param {HTMLFormElement} form */
  constructor(form) {
    this.form = form;
    /** @type {(() => void) | null} */
    this.apply = null;
    /** @type {(() => void) | null} */
    this.leave = null;
    form.noValidate = true; // what is out of the frame is clipped
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.apply?.();
    });
    form.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.leave?.();
    });
    part(form, "act", "leave-tool").addEventListener("click", () => this.leave?.());
  }

  /**
   * @param {object} about
   * @param {string} about.text what to do
   * @param {string} about.button
   * @param {HTMLElement[]} about.fields
   * @param {() => void} about.apply
   * @param {() => void} about.leave
   */
  open({ text, button, fields, apply, leave }) {
    part(this.form, "show", "tool").textContent = text;
    part(this.form, "show", "apply-tool").textContent = button;
    part(this.form, "part", "tool-fields").replaceChildren(...fields);
    this.apply = apply;
    this.leave = leave;
    this.form.hidden = false;
    fields[0]?.focus();
  }

  close() {
    this.apply = null;
    this.leave = null;
    const hadFocus = this.form.contains(document.activeElement);
    this.form.hidden = true;
    if (hadFocus && document.activeElement instanceof HTMLElement) document.activeElement.blur();
  }
}

/** Editor of one box: by drag, by arrow keys and by numbers, which follow each other. */
class BoxFields {
  /** @param {Stage} stage */
  constructor(stage) {
    this.stage = stage;
    this.editor = new BoxEditor(stage);
    this.nudge = element("button", "btn sm nudge", gettext("Move by arrow keys"));
    this.nudge.type = "button";
    this.nudge.title = gettext("Arrow keys move the box, with Shift its lower right corner");
    this.nudge.append(element("span", "vh", `: ${gettext("with Shift its lower right corner")}`));
    this.nudge.addEventListener("keydown", (event) => {
      if (event.key === "Enter") this.nudge.form?.requestSubmit();
      if (event.key === "Enter" || event.key.startsWith("Arrow")) event.preventDefault();
      if (!event.key.startsWith("Arrow")) return;
      this.editor.onArrow(event);
      this.showNumbers();
    });
    this.fields = SIDES.map((side) => {
      const field = element("input");
      Object.assign(field, { type: "number", step: "any", min: "0", name: side });
      field.addEventListener("input", () => this.readNumbers());
      return field;
    });
    this.labels = this.fields.map((field, index) => {
      const label = element("label", "side-field", SIDE_TEXTS[index]);
      label.append(field);
      return label;
    });
    stage.canvas.addEventListener("pointermove", () => {
      if (this.editor.held) this.showNumbers();
    });
  }

  /** @returns {HTMLElement[]} */
  get elements() {
    return [this.nudge, ...this.labels];
  }

  /** @param {Box} box */
  start(box) {
    this.editor.start(box);
    this.showNumbers();
  }

  stop() {
    this.editor.stop();
  }

  get box() {
    return this.editor.box && roundBox(this.editor.box);
  }

  showNumbers() {
    if (!this.editor.box) return;
    const [x1, y1, x2, y2] = this.editor.box;
    for (const [index, value] of [x1, y1, x2 - x1, y2 - y1].entries()) {
      if (this.fields[index] !== document.activeElement) {
        this.fields[index].value = `${Math.round(value * 10) / 10}`;
      }
    }
  }

  readNumbers() {
    const [left, top, width, height] = this.fields.map((field) => field.valueAsNumber);
    if (![left, top, width, height].every(Number.isFinite) || width < 4 || height < 4) return;
    this.editor.box = clipBox([left, top, left + width, top + height], this.stage.scene.size);
    this.stage.paint();
  }

  /** @param {Box} box */
  set(box) {
    this.editor.box = box;
    this.showNumbers();
    this.stage.paint();
  }
}

export class BoxTools {
  /**
   * @param {HTMLFormElement} form
   * @param {ToolHost} host
   */
  constructor(form, host) {
    this.host = host;
    this.bar = new ToolBar(form);
    this.fields = new BoxFields(host.stage);
    this.drawing = new DrawOverlay(this.fields, () =>
      host.detections(host.toStep(host.stage.frame)),
    );
    this.tool = ""; // at work; "": none
    /** @type {HTMLSelectElement | null} */
    this.mergeChoice = null;
  }

  leave() {
    if (!this.tool) return;
    this.tool = "";
    this.fields.stop();
    this.bar.close();
    this.host.idle();
  }

  /**
   * Edit the box of the person at work.
   * @param {number} frame
   * @param {(frame: number, box: Box) => void} save
   * @returns {boolean} false: there is no box
   */
  edit(frame, save) {
    const { stage } = this.host;
    const person = this.host.person();
    const box = person && stage.boxAt(person, frame)?.box;
    if (!person || !box) return false;
    this.leave();
    this.tool = "edit-box";
    stage.pauseAt(frame);
    this.fields.start(box);
    this.bar.open({
      text: fill(gettext("Box of %(person)s: drag it or its corners."), {
        person: this.host.nameOf(person),
      }),
      button: gettext("Save box"),
      fields: this.fields.elements,
      apply: () => {
        const edited = this.fields.box;
        this.leave();
        if (edited?.some((side, index) => side !== box[index])) save(frame, edited);
      },
      leave: () => this.leave(),
    });
    return true;
  }

  /**
   * Add a person by two boxes, at the first and the last frame in which the person is seen.
   * @param {number} frame
   * @param {(frame: number, box: Box, label: { label?: string }) => void} add the first box
   * @param {(first: FrameBox, last: FrameBox) => void} finish
   */
  add(frame, add, finish) {
    this.leave();
    this.tool = "add-person";
    const { stage } = this.host;
    const labels = this.host.labels();
    const choice = labels.length > 1 ? classChoice(labels) : null;
    stage.pauseAt(frame);
    this.draw({
      box: middleBox(stage),
      text: isOfPersons({ labels })
        ? gettext("New person: draw a box where the person is first seen, or press a dotted one.")
        : fill(
            gettext("New %(class)s: draw a box where it is first seen, or press a dotted one."),
            { class: labels.join(" / ") },
          ),
      button: gettext("Set first box"),
      fields: choice ? [choice] : [],
      done: (box) => {
        const first = { frame: this.host.toStep(stage.steppedFrame()), box };
        add(first.frame, box, choice ? { label: choice.value } : {});
        this.addLast(first, finish);
      },
    });
  }

  /**
   * @param {FrameBox} first
   * @param {(first: FrameBox, last: FrameBox) => void} finish
   */
  addLast(first, finish) {
    const { stage } = this.host;
    this.tool = "add-person";
    this.draw({
      box: first.box,
      text: isOfPersons({ labels: this.host.labels() })
        ? gettext(
            "Go to the last frame in which the person is seen and set the box there. The frames between are filled.",
          )
        : gettext(
            "Go to the last frame in which it is seen and set the box there. The frames between are filled.",
          ),
      button: gettext("Set last box"),
      done: (box) => {
        const last = this.host.toStep(stage.steppedFrame());
        this.leave();
        finish(first, { frame: last, box });
      },
    });
  }

  /**
   * @param {object} about
   * @param {Box} about.box to start with
   * @param {string} about.text
   * @param {string} about.button
   * @param {HTMLElement[]} [about.fields] beside those of the box
   * @param {(box: Box) => void} about.done
   */
  draw({ box, text, button, fields = [], done }) {
    const { stage } = this.host;
    this.fields.start(box);
    stage.overlay = this.drawing;
    stage.paint();
    this.bar.open({
      text,
      button,
      fields: [...this.fields.elements, ...fields],
      apply: () => {
        const drawn = this.fields.box;
        if (drawn) done(drawn);
      },
      leave: () => this.leave(),
    });
  }

  /**
   * Choose the person that is the same as the one at work.
   * @param {(other: string) => void} merge
   */
  merge(merge) {
    const person = this.host.person();
    const others = this.host.others();
    if (person === null || !others.length) return false;
    this.leave();
    this.tool = "merge";
    const choice = element("select");
    choice.setAttribute("aria-label", gettext("The same person"));
    choice.append(...others.map((key) => new Option(this.host.nameOf(key), key)));
    applyOnEnter(choice);
    this.mergeChoice = choice;
    this.bar.open({
      text: fill(
        isOfPersons({ labels: this.host.labels() })
          ? gettext("%(person)s is the same person as")
          : gettext("%(person)s is the same as"),
        { person: this.host.nameOf(person) },
      ),
      button: gettext("Merge"),
      fields: [choice],
      apply: () => {
        const other = choice.value;
        this.leave();
        merge(other);
      },
      leave: () => this.leave(),
    });
    return true;
  }

  /**
   * A person was pressed on the clip or the lanes: whether the merge takes it.
   * @param {string} key
   */
  takePerson(key) {
    if (!this.mergeChoice || !this.host.others().includes(key)) return false;
    this.mergeChoice.value = key;
    return true;
  }
}

/** Draws a box by dragging over the clip, and offers the detections that nobody has. */
class DrawOverlay {
  /**
   * @param {BoxFields} fields
   * @param {() => Box[]} detections
   */
  constructor(fields, detections) {
    this.fields = fields;
    this.detections = detections;
    /** @type {Point | null} */
    this.from = null;
    const { canvas } = fields.stage;
    canvas.addEventListener("pointermove", (event) => this.drag(event));
    for (const name of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(name, () => {
        this.from = null;
      });
    }
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {Placement} placement
   */
  paint(context, placement) {
    for (const box of this.detections()) {
      paintBox(context, placement, box, { colour: "#ffffff", dash: [2, 3], width: 2 });
    }
    this.fields.editor.paint(context, placement);
  }

  /** @param {PointerEvent} event */
  grab(event) {
    const { editor, stage } = this.fields;
    const point = stage.pointAt(event);
    const detection = this.detections().find(
      ([x1, y1, x2, y2]) => point[0] >= x1 && point[0] < x2 && point[1] >= y1 && point[1] < y2,
    );
    if (detection) {
      this.fields.set(detection);
      return true;
    }
    if (editor.grab(event)) return true;
    this.from = point;
    stage.canvas.setPointerCapture(event.pointerId);
    event.preventDefault();
    return true;
  }

  /** @param {PointerEvent} event */
  drag(event) {
    if (!this.from) return;
    const { stage } = this.fields;
    const [x, y] = stage.pointAt(event);
    const [fromX, fromY] = this.from;
    if (Math.abs(x - fromX) < MIN_DRAG || Math.abs(y - fromY) < MIN_DRAG) return;
    const drawn = clipBox(
      [Math.min(x, fromX), Math.min(y, fromY), Math.max(x, fromX), Math.max(y, fromY)],
      stage.scene.size,
    );
    this.fields.set(nearestDetection(this.detections(), drawn) ?? drawn);
  }
}

/**
 * A box in the middle of the clip, for a start without a pointer.
 * @param {Stage} stage
 * @returns {Box}
 */
const middleBox = (stage) => {
  const { width, height } = stage.scene.size;
  return [width * 0.44, height * 0.3, width * 0.56, height * 0.7];
};

/**
 * Enter applies the tool; the list would open.
 * @param {HTMLSelectElement} choice
 */
const applyOnEnter = (choice) =>
  choice.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    choice.form?.requestSubmit();
  });

/**
 * What is drawn, of the classes that are followed.
 * @param {string[]} labels
 */
const classChoice = (labels) => {
  const choice = element("select");
  choice.name = "label";
  choice.setAttribute("aria-label", gettext("What it is"));
  choice.append(...labels.map((label) => new Option(label, label)));
  applyOnEnter(choice);
  return choice;
};
