// The clip player: frame and boxes painted on one canvas. The boxes are those of the very frame
// painted: it is taken from the video as a VideoFrame, which carries its own time. (At double
// speed requestVideoFrameCallback was measured to be one frame behind what is drawn.)
// Events, beside those of Playback: "frame" when another frame is on the screen; "notify" likewise,
// but at most every 150 ms while playing, for text (each change of the page costs the browser more
// than all boxes together); "paint" after each painting; "zoom".

import { boxCentre, clamp, MAX_ZOOM, placeVideo, toVideo, zoomForBox } from "./geometry.js";
import { colourOf, contextOf, DASHES, INTERPOLATED_DASH, paintBox, paintImage } from "./paint.js";
import { Playback } from "./playback.js";
import { listenToPointer } from "./pointer.js";

/** @import { Box, Placement, Point, Size } from "./geometry.js" */
/** @import { Rect } from "./paint.js" */
/** @import { Scene } from "./scene.js" */

/**
 * What is painted above the boxes.
 * @typedef {object} Overlay
 * @property {(context: CanvasRenderingContext2D, placement: Placement) => void} paint
 * @property {(event: PointerEvent) => boolean} [grab] whether the overlay handles this press itself
 */

/**
 * A second canvas that shows each frame of the player.
 * @typedef {object} Mirror
 * @property {(image: CanvasImageSource, player: Player) => void} paint
 */

/** @typedef {{ image: CanvasImageSource, frame: number, close: () => void }} ShownFrame */

const NOTIFY_INTERVAL = 150; // milliseconds, while playing

export class Player extends Playback {
  /** @param {Element} screen holds a video element and a canvas */
  constructor(screen) {
    super(screen);
    this.context = contextOf(screen);
    this.canvas = this.context.canvas;
    this.canvas.style.visibility = "hidden"; // until the first painting: the poster is seen
    this.display = {
      boxes: true,
      labels: true,
      annotators: /** @type {Set<string>} */ (new Set()),
    };
    /** @type {Set<number>} */
    this.hiddenPersons = new Set();
    /** @type {number | null} */
    this.selected = null; // number of a person
    this.solo = false; // show the boxes of the selected person alone
    /** @type {(annotator: string) => string} */
    this.annotatorLabel = (annotator) => annotator;
    /** @type {Overlay | null} */
    this.overlay = null;
    /** @type {Mirror | null} */
    this.comparison = null;
    this.zoom = 1;
    /** @type {Point | null} */
    this.centre = null; // of the zoom; null: the middle
    this.paintCount = 0;
    this.boxCount = 0; // boxes on the screen
    /** @type {number | null} */
    this.notifiedFrame = null; // the frame of the last "frame" event; null: the scene is new
    this.isNotifyDue = false;
    this.notifiedAt = 0; // milliseconds
    /** @type {Size} */
    this.viewport = { width: this.canvas.clientWidth, height: this.canvas.clientHeight }; // CSS pixels
    // Sizes are read here and never while painting, which would force a layout.
    new ResizeObserver(([entry]) => {
      this.viewport = entry.contentRect;
      this.paint();
    }).observe(this.canvas);
    this.addEventListener("presented", () => this.paint());
    this.addEventListener("state", () => {
      if (this.video.paused) this.notify();
    });
    listenToPointer(this);
  }

  /** @param {Scene} scene */
  setScene(scene) {
    this.scene = scene;
    this.notifiedFrame = null;
    this.paint();
  }

  /**
   * The tracked box of a person, see Scene.boxOf.
   * @param {number} number
   */
  boxOf(number) {
    return this.scene.boxOf(number, this.frame);
  }

  // Zoom

  /** @param {number} factor */
  zoomBy(factor) {
    this.setZoom(this.zoom * factor);
  }

  /**
   * @param {number} zoom 1 shows the whole frame
   * @param {Point | null} centre
   */
  setZoom(zoom, centre = this.centre) {
    this.zoom = clamp(zoom, 1, MAX_ZOOM);
    this.centre = this.zoom === 1 ? null : centre;
    this.paint();
    this.dispatchEvent(new Event("zoom"));
  }

  /**
   * Zoom until the box takes `share` of the height of the frame.
   * @param {Box} box
   */
  zoomToBox(box, share = 0.55) {
    this.setZoom(zoomForBox(box, this.scene.size, share), boxCentre(box));
  }

  /**
   * Where the frame lies on a canvas, which is first given the size of its viewport.
   * @param {{ canvas: HTMLCanvasElement, viewport: Size }} target this player or its mirror
   */
  placement({ canvas, viewport } = this) {
    const ratio = devicePixelRatio || 1;
    const width = Math.round(viewport.width * ratio);
    const height = Math.round(viewport.height * ratio);
    if (canvas.width !== width || canvas.height !== height) {
      Object.assign(canvas, { width, height });
    }
    const { zoom, centre } = this;
    return placeVideo({
      canvas: { width, height },
      video: this.videoSize(),
      ratio,
      zoom,
      centre,
    });
  }

  /** @returns {Size} pixels of the video, 0 before it is loaded */
  videoSize() {
    return { width: this.video.videoWidth, height: this.video.videoHeight };
  }

  /**
   * The point of the video under the pointer.
   * @param {MouseEvent} event
   */
  pointAt(event) {
    const placement = this.placement();
    const area = this.canvas.getBoundingClientRect();
    const x = (event.clientX - area.left) * placement.ratio;
    return toVideo(placement, x, (event.clientY - area.top) * placement.ratio);
  }

  // Painting

  /**
   * The image on the screen with its frame number; null if there is none, or it is uncertain.
   * @returns {ShownFrame | null}
   */
  takeFrame() {
    const { video } = this;
    if (!video.videoWidth || video.readyState < 2) return null;
    if (!globalThis.VideoFrame) {
      return video.seeking ? null : { image: video, frame: this.presentedFrame, close() {} };
    }
    try {
      const image = new VideoFrame(video);
      const frame = this.scene.clampFrame(this.frameAt(image.timestamp / 1e6));
      if (!video.paused || video.seeking) return { image, frame, close: () => image.close() };
      image.close(); // at rest the video shows that very frame, and is drawn in half the time
      return { image: video, frame, close() {} };
    } catch {
      return null; // the video has no frame yet
    }
  }

  paint() {
    const shown = this.takeFrame();
    if (!shown) return;
    if (this.loop && this.isOutsideLoop(shown.frame)) {
      shown.close();
      this.seek(this.loop.start);
      return;
    }
    const isChangeEvent = shown.frame !== this.notifiedFrame;
    this.frame = shown.frame;
    this.notifiedFrame = shown.frame;
    const placement = this.placement();
    paintImage(this.context, placement, shown.image, this.videoSize());
    this.comparison?.paint(shown.image, this);
    shown.close();
    this.boxCount = this.display.boxes ? this.paintPersons(placement) : 0;
    this.overlay?.paint(this.context, placement);
    if (!this.paintCount) this.canvas.style.visibility = "";
    this.paintCount += 1;
    if (isChangeEvent) this.dispatchEvent(new Event("frame"));
    this.dispatchEvent(new Event("paint"));
    this.isNotifyDue ||= isChangeEvent;
    const isTime = this.video.paused || performance.now() - this.notifiedAt > NOTIFY_INTERVAL;
    if (this.isNotifyDue && isTime) this.notify();
  }

  notify() {
    this.isNotifyDue = false;
    this.notifiedAt = performance.now();
    this.dispatchEvent(new Event("notify"));
  }

  /**
   * @param {Placement} placement
   * @returns {number} boxes painted
   */
  paintPersons(placement) {
    let count = 0;
    /** @type {Rect[]} */
    const taken = [];
    for (const number of this.scene.personNumbers) {
      const isSelected = number === this.selected;
      if (this.hiddenPersons.has(number) || (this.solo && !isSelected)) continue;
      const found = this.boxOf(number);
      if (found) {
        paintBox(this.context, placement, found.box, {
          colour: colourOf(number),
          text: this.display.labels ? this.tagText(number) : "",
          dash: found.isInterpolated ? INTERPOLATED_DASH : [],
          width: isSelected ? 3.5 : 2,
          taken,
        });
        count += 1;
      }
      for (const annotator of this.display.annotators) {
        if (this.paintDrawnBox(placement, number, annotator, taken)) count += 1;
      }
    }
    return count;
  }

  /**
   * The name of a person; of the selected one also the actions of the consensus, a line each.
   * @param {number} number
   */
  tagText(number) {
    if (number !== this.selected) return this.scene.personName(number);
    const second = this.scene.keyframeOf(this.frame);
    const labels = second === null ? {} : (this.scene.personAt(second, number)?.labels ?? {});
    const actions = Object.values(labels).flatMap((label) => label.actions);
    return [this.scene.personName(number), ...actions].join("\n");
  }

  /**
   * The box that one annotator drew: dashes of the annotator's own, in the person's colour.
   * @param {Placement} placement
   * @param {number} number of the person
   * @param {string} annotator
   * @param {Rect[]} taken tags of this frame
   * @returns {boolean} whether there is one
   */
  paintDrawnBox(placement, number, annotator, taken) {
    const found = this.scene.drawnBox(annotator, number, this.frame);
    if (!found) return false;
    const { box, isInterpolated } = found;
    paintBox(this.context, placement, box, {
      colour: colourOf(number),
      text: isInterpolated || !this.display.labels ? "" : this.annotatorLabel(annotator),
      dash: DASHES[this.scene.annotators.indexOf(annotator) % DASHES.length],
      width: 1.5,
      isTagBelow: true,
      isFaint: isInterpolated,
      taken,
    });
    return true;
  }
}
