// Playback of a clip by frames: seeking, stepping, looping and speed of a video element.
// Frames are 0-based; frame n is shown from n/rate s on, so a seek aims at its middle.
// Events: "presented" when another frame may be on the screen, "state" when the clip starts or
// stops playing, or its speed or loop changes.

import { gettext } from "../js/translation.js";
import { emptyScene } from "./scene.js";

/** @typedef {{ start: number, stop: number }} Loop frames, stop exclusive */

export class Playback extends EventTarget {
  /** @param {Element} screen holds the video element */
  constructor(screen) {
    super();
    this.screen = screen;
    this.scene = emptyScene();
    this.frame = 0; // on the screen
    this.presentedFrame = 0; // the last one that the browser reported
    this.speed = 1;
    /** @type {Loop | null} */
    this.loop = null;
    /** @type {number | null} */
    this.requestedFrame = null; // the newest frame asked for
    /** @type {number | null} */
    this.seekingFrame = null; // where the running seek goes
    this.isSeeking = false;
    this.listeners = new AbortController(); // of the video element
    this.video = /** @type {HTMLVideoElement} */ (screen.querySelector("video"));
    this.use(this.video);
  }

  /**
   * Show another video element, which may be loaded already.
   * @param {HTMLVideoElement} video
   */
  use(video) {
    this.listeners.abort();
    this.listeners = new AbortController();
    const { signal } = this.listeners;
    if (this.video !== video) {
      this.video.pause();
      this.video.replaceWith(video);
    }
    this.video = video;
    this.requestedFrame = null;
    this.seekingFrame = null;
    this.isSeeking = video.seeking;
    video.controls = false;
    video.playbackRate = this.speed;
    this.watchFrames(signal);
    /** @type {(name: string, action: () => void) => void} */
    const on = (name, action) => video.addEventListener(name, action, { signal });
    on("seeked", () => this.onSeeked());
    on("loadeddata", () => this.present(this.currentFrame()));
    on("ended", () => {
      if (!this.loop) return;
      this.seek(this.loop.start);
      video.play();
    });
    on("play", () => this.onStateChange());
    on("pause", () => this.onStateChange());
    on("error", () => this.showError());
    if (video.error) this.showError();
  }

  /**
   * Report each frame that the video shows.
   * @param {AbortSignal} signal
   */
  watchFrames(signal) {
    const { video } = this;
    if (video.requestVideoFrameCallback) {
      /** @type {VideoFrameRequestCallback} */
      const onFrame = (_, { mediaTime }) => {
        if (signal.aborted) return;
        this.present(this.frameAt(mediaTime));
        video.requestVideoFrameCallback(onFrame);
      };
      video.requestVideoFrameCallback(onFrame);
      return;
    }
    const poll = () => {
      if (signal.aborted) return;
      this.present(this.currentFrame());
      if (!video.paused) requestAnimationFrame(poll);
    };
    video.addEventListener("play", poll, { signal });
  }

  onSeeked() {
    this.isSeeking = false;
    if (this.video.paused) this.present(this.currentFrame()); // a first frame is not always reported
    if (this.requestedFrame !== null && this.requestedFrame !== this.seekingFrame) {
      this.seek(this.requestedFrame);
    } else if (!this.video.paused) this.requestedFrame = null;
  }

  onStateChange() {
    if (!this.video.paused) this.requestedFrame = null;
    this.dispatchEvent(new Event("state"));
  }

  showError() {
    if (this.screen.querySelector(".failed")) return;
    const message = document.createElement("p");
    message.className = "failed";
    message.textContent = gettext("This browser can't play the clip, or its file is missing.");
    this.screen.append(message);
  }

  /** @param {number} seconds of a frame */
  frameAt(seconds) {
    return Math.round(seconds * this.scene.frameRate);
  }

  currentFrame() {
    return Math.floor(this.video.currentTime * this.scene.frameRate + 0.001);
  }

  /** @param {number} frame */
  present(frame) {
    this.presentedFrame = this.scene.clampFrame(frame);
    this.dispatchEvent(new Event("presented"));
  }

  /**
   * Whether `frame` must not be seen, since the loop has ended before it.
   * @param {number} frame
   */
  isOutsideLoop(frame) {
    if (!this.loop || this.video.paused) return false;
    return frame >= this.loop.stop || frame < this.loop.start;
  }

  /**
   * Seek; while a seek is running, the newest request waits for its end.
   * @param {number} frame
   */
  seek(frame) {
    this.requestedFrame = this.scene.clampFrame(frame);
    if (this.isSeeking) return;
    this.isSeeking = true;
    this.seekingFrame = this.requestedFrame;
    this.video.currentTime = (this.requestedFrame + 0.5) / this.scene.frameRate;
  }

  /** @param {number} frame */
  pauseAt(frame) {
    this.video.pause();
    this.seek(frame);
  }

  /** The frame that a step starts from. */
  steppedFrame() {
    return (this.video.paused ? this.requestedFrame : null) ?? this.frame;
  }

  /** @param {number} by frames */
  step(by) {
    this.pauseAt(this.steppedFrame() + by);
  }

  /** @param {number} by 1: to the next keyframe, -1: to the previous one */
  stepKeyframe(by) {
    const frame = this.scene.nextKeyframe(this.steppedFrame(), by);
    if (frame !== undefined) this.pauseAt(frame);
  }

  toggle() {
    if (!this.video.paused) {
      this.video.pause();
      return;
    }
    if (this.loop && (this.frame < this.loop.start || this.frame >= this.loop.stop - 1)) {
      this.seek(this.loop.start);
    }
    this.video.play();
  }

  /** @param {number} speed 1 is real time */
  setSpeed(speed) {
    this.speed = speed;
    this.video.playbackRate = speed;
    this.dispatchEvent(new Event("state"));
  }

  /** @param {Loop | null} loop */
  setLoop(loop) {
    this.loop = loop;
    this.dispatchEvent(new Event("state"));
  }
}
