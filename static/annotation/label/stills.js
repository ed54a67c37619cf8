// Stills of the keyframes of a clip, taken from its own video ahead of time: a keyframe is on the
// screen at once, while the player still seeks.

/** @typedef {{ frame: number, image: ImageBitmap }} Still */

const KEPT = 40; // stills in memory, about 4 MB each at 1280x720
const MAX_WIDTH = 1280; // pixels; larger frames are scaled down

export class Stills {
  /**
   * @param {string} url of the clip
   * @param {number} frameRate frames per second
   */
  constructor(url, frameRate) {
    this.frameRate = frameRate;
    /** @type {Map<number, ImageBitmap>} */
    this.images = new Map(); // by frame, in the order of their use
    /** @type {number[]} */
    this.wanted = []; // frames, the next one first
    this.isBusy = false;
    this.video = document.createElement("video");
    Object.assign(this.video, { muted: true, playsInline: true, preload: "auto", src: url });
    this.video.crossOrigin = "anonymous";
    this.video.addEventListener("loadeddata", () => this.takeNext());
  }

  /**
   * The still of a frame; null if it is not there yet.
   * @param {number} frame
   * @returns {ImageBitmap | null}
   */
  at(frame) {
    const image = this.images.get(frame) ?? null;
    if (image) {
      this.images.delete(frame);
      this.images.set(frame, image);
    }
    return image;
  }

  /**
   * Take the stills of `frames`, in this order, in place of those wanted before.
   * @param {number[]} frames
   */
  want(frames) {
    this.wanted = frames.slice(0, KEPT).filter((frame) => !this.images.has(frame));
    this.takeNext();
  }

  async takeNext() {
    if (this.isBusy || this.video.readyState < 2) return;
    const frame = this.wanted.shift();
    if (frame === undefined) return;
    this.isBusy = true;
    const image = await this.take(frame).catch(() => null); // the clip itself says what is wrong
    this.isBusy = false;
    if (image) this.store(frame, image);
    this.takeNext();
  }

  /** @param {number} frame */
  async take(frame) {
    const { video } = this;
    const isThere = new Promise((resolve, reject) => {
      video.addEventListener("seeked", resolve, { once: true });
      video.addEventListener("error", reject, { once: true });
    });
    video.currentTime = (frame + 0.5) / this.frameRate;
    await isThere;
    const width = Math.min(video.videoWidth, MAX_WIDTH);
    return createImageBitmap(video, { resizeWidth: width, resizeQuality: "medium" });
  }

  /**
   * @param {number} frame
   * @param {ImageBitmap} image
   */
  store(frame, image) {
    this.images.set(frame, image);
    for (const [oldest, one] of this.images) {
      if (this.images.size <= KEPT) break;
      this.images.delete(oldest);
      one.close();
    }
  }

  close() {
    this.wanted = [];
    this.video.removeAttribute("src");
    this.video.load();
    for (const image of this.images.values()) image.close();
    this.images.clear();
  }
}
