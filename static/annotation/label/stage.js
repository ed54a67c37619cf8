// The clip of the label page: the person at work outlined, the others faint, and an enlarged crop
// of the person in a corner. A keyframe is shown at once from its still, while the video seeks.

import { boxCentre, clamp } from "../../player/geometry.js";
import { colourOf, contextOf, paintBox } from "../../player/paint.js";
import { Player } from "../../player/player.js";

/** @import { Box, Placement, Point } from "../../player/geometry.js" */
/** @import { Overlay } from "../../player/player.js" */
/** @import { Stills } from "./stills.js" */

/**
 * A person as the stage shows it.
 * @typedef {object} Shown
 * @property {string} key
 * @property {string} name
 * @property {number} colour number of the colour
 */

/** @typedef {(key: string, frame: number) => { box: Box, isEdited: boolean } | null} BoxAt */

const FAINT = "#ffffff";
const LATE = 20; // frames that the video may be past a keyframe when it takes over from the still
const CROP_MARGIN = 0.12; // of the sides of the box

export class Stage extends Player {
  /** @param {Element} screen holds a video, a canvas and the canvas of the crop */
  constructor(screen) {
    super(screen);
    /** @type {Shown[]} */
    this.people = [];
    /** @type {BoxAt} */
    this.boxAt = () => null;
    /** @type {string | null} */
    this.person = null; // key of the person at work
    /** @type {string | null} */
    this.pointed = null; // key of the person under the pointer
    /** @type {Stills | null} */
    this.stills = null;
    /** @type {number | null} */
    this.heldFrame = null; // a keyframe that the video does not show yet
    this.isPaintDue = false;
    this.isAutoplay = !matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.crop = new Crop(/** @type {Element} */ (screen.querySelector(".crop")));
    this.comparison = this.crop;
    this.video.addEventListener("seeked", () => this.paint());
  }

  /**
   * Show a keyframe and play the three seconds around it.
   * @param {number} frame
   */
  showKeyframe(frame) {
    const isPlaying = this.isAutoplay || !this.video.paused;
    this.heldFrame = frame;
    this.setLoop(this.scene.loopAround(frame));
    this.seek(frame);
    if (isPlaying) this.video.play().catch(() => {}); // browsers may refuse to play unasked
    this.paint();
  }

  /** Play or pause; what was chosen last holds for the next keyframes. */
  toggle() {
    super.toggle();
    this.isAutoplay = !this.video.paused;
  }

  /** @param {number} frame */
  pauseAt(frame) {
    this.heldFrame = null;
    super.pauseAt(frame);
  }

  /** Paint before the next frame of the screen: once, however often it is asked for. */
  paint() {
    if (this.isPaintDue) return;
    this.isPaintDue = true;
    requestAnimationFrame(() => {
      this.isPaintDue = false;
      super.paint();
    });
  }

  videoSize() {
    return this.video.videoWidth ? super.videoSize() : this.scene.size;
  }

  takeFrame() {
    const held = this.heldFrame;
    if (held === null) return super.takeFrame();
    const shown = this.isSeeking || this.video.seeking ? null : super.takeFrame();
    if (shown && shown.frame >= held - 1 && shown.frame <= held + LATE) {
      this.heldFrame = null;
      return shown;
    }
    shown?.close();
    const image = this.stills?.at(held);
    return image ? { image, frame: held, close() {} } : null;
  }

  /**
   * @param {Placement} placement
   * @returns {number} boxes painted
   */
  paintPersons(placement) {
    let count = 0;
    for (const { key, name, colour } of this.people) {
      if (key === this.person) continue;
      const found = this.boxAt(key, this.frame);
      if (!found) continue;
      const isPointed = key === this.pointed;
      paintBox(this.context, placement, found.box, {
        colour: isPointed ? colourOf(colour) : FAINT,
        text: isPointed ? name : "",
        width: isPointed ? 2 : 1,
        isFaint: !isPointed,
      });
      count += 1;
    }
    const person = this.people.find((one) => one.key === this.person);
    const found = person && this.boxAt(person.key, this.frame);
    if (!person || !found) return count;
    const { name, colour } = person;
    paintBox(this.context, placement, found.box, {
      colour: colourOf(colour),
      text: name,
      width: 3,
    });
    return count + 1;
  }

  /**
   * The person whose box is at a point: the smallest box, and rather another than the person at work.
   * @param {Point} point
   * @returns {string | null}
   */
  personAt([x, y]) {
    const here = this.people.flatMap(({ key }) => {
      const box = this.boxAt(key, this.frame)?.box;
      if (!box || x < box[0] || x >= box[2] || y < box[1] || y >= box[3]) return [];
      return [{ key, size: (box[2] - box[0]) * (box[3] - box[1]) }];
    });
    here.sort((a, b) => a.size - b.size);
    return here[0]?.key ?? null;
  }

  /** The box of the person at work on the screen. */
  currentBox() {
    return this.person === null ? null : (this.boxAt(this.person, this.frame)?.box ?? null);
  }
}

/** The person at work, enlarged, in a corner of the stage where the person is not. */
class Crop {
  /** @param {Element} frame holds the canvas */
  constructor(frame) {
    this.frame = frame;
    this.context = contextOf(frame);
    this.canvas = this.context.canvas;
    this.viewport = { width: this.canvas.clientWidth, height: this.canvas.clientHeight }; // CSS pixels
    new ResizeObserver(([entry]) => {
      this.viewport = entry.contentRect;
    }).observe(this.canvas);
  }

  /**
   * @param {CanvasImageSource} image
   * @param {Player} player
   */
  paint(image, player) {
    const stage = /** @type {Stage} */ (player);
    const box = stage.currentBox();
    this.frame.classList.toggle("away", !box);
    if (!box || !this.viewport.width) return;
    const size = stage.videoSize();
    const [x, y] = boxCentre(box);
    this.frame.classList.toggle("left", x > size.width * 0.6 && y > size.height * 0.35);
    const ratio = devicePixelRatio || 1;
    const width = Math.round(this.viewport.width * ratio);
    const height = Math.round(this.viewport.height * ratio);
    if (this.canvas.width !== width || this.canvas.height !== height) {
      Object.assign(this.canvas, { width, height });
    }
    const margin = 1 + 2 * CROP_MARGIN;
    const scale = Math.min(
      width / ((box[2] - box[0]) * margin),
      height / ((box[3] - box[1]) * margin),
      8 * ratio,
    );
    // Only the part of the frame that is seen is drawn.
    const [wide, tall] = [width / scale, height / scale];
    const left = clamp(x - wide / 2, 0, Math.max(0, size.width - wide));
    const top = clamp(y - tall / 2, 0, Math.max(0, size.height - tall));
    this.context.fillStyle = "#000";
    this.context.fillRect(0, 0, width, height);
    const share = widthOf(image) / size.width; // a still may be smaller than the video
    const part = [left, top, wide, tall].map((side) => side * share);
    const [partX, partY, partWidth, partHeight] = part;
    this.context.drawImage(image, partX, partY, partWidth, partHeight, 0, 0, width, height);
  }
}

/**
 * Pixels of an image across.
 * @param {CanvasImageSource} image
 */
const widthOf = (image) => {
  if (image instanceof HTMLVideoElement) return image.videoWidth;
  return "displayWidth" in image ? image.displayWidth : Number(image.width);
};

/**
 * What a press on the stage does when no tool is at work: it chooses another person.
 * @param {Stage} stage
 * @param {(key: string) => void} choose
 * @returns {Overlay}
 */
export const personPicker = (stage, choose) => {
  stage.canvas.addEventListener("pointermove", (event) => {
    if (event.pointerType !== "mouse" || stage.overlay !== picker) return;
    const pointed = stage.personAt(stage.pointAt(event));
    if (pointed === stage.pointed) return;
    stage.pointed = pointed;
    stage.paint();
  });
  stage.canvas.addEventListener("pointerleave", () => {
    stage.pointed = null;
    stage.paint();
  });
  /** @type {Overlay} */
  const picker = {
    paint: () => {},
    grab: (event) => {
      const key = stage.personAt(stage.pointAt(event));
      if (key === null || key === stage.person) return false;
      if (event.pointerType !== "touch") choose(key); // a finger may begin a swipe here
      return true;
    },
  };
  return picker;
};

const SWIPE = 48; // CSS pixels
const TAP = 10; // CSS pixels that a resting finger moves at most

/**
 * @typedef {object} TouchEvents
 * @property {() => boolean} isIdle whether no tool is at work, which takes the fingers
 * @property {(by: number) => void} step a swipe: to the left 1, to the right -1
 * @property {(key: string) => void} choose a tap on another person
 */

/**
 * Fingers on the clip: swipes and taps.
 * @param {Stage} stage
 * @param {TouchEvents} events
 */
export const listenToTouch = (stage, { isIdle, step, choose }) => {
  /** @type {{ x: number, y: number } | null} */
  let start = null;
  stage.canvas.addEventListener("pointerdown", (event) => {
    const isFinger = event.pointerType === "touch" && event.isPrimary && isIdle();
    start = isFinger ? { x: event.x, y: event.y } : null;
  });
  stage.canvas.addEventListener("pointerup", (event) => {
    if (!start) return;
    const [dx, dy] = [event.x - start.x, event.y - start.y];
    start = null;
    if (Math.abs(dx) > SWIPE && Math.abs(dx) > 2 * Math.abs(dy)) step(dx < 0 ? 1 : -1);
    if (Math.hypot(dx, dy) > TAP) return;
    const key = stage.personAt(stage.pointAt(event));
    if (key !== null && key !== stage.person) choose(key);
  });
};
