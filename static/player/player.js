// The clip player. Picture and boxes are painted onto one canvas, and the boxes are those of the
// very picture painted: it is taken from the video as a VideoFrame, which knows its own time. (At
// double speed requestVideoFrameCallback was seen to be one frame behind what is drawn.)
// Frames are 0-based; frame n is shown from n/rate s on, so seeking aims at its middle.
// Events: "frame" when another frame is on the screen, "tell" likewise but seldom while playing,
// for what people read (every change of a page costs the browser more than all boxes together),
// "paint" after each painting.

import { DASHES, colourOf, paintBox } from "./paint.js";
import { followedPath, keyframedPath } from "./paths.js";

const TELL_EVERY = 150; // milliseconds, while playing
const EMPTY = { frame_rate: 30, frame_count: 1, width: 16, height: 9, keyframes: [], cuts: [], groups: [], persons: [], answers: {} };

export class Player extends EventTarget {
  constructor(screen) {
    super();
    this.screen = screen;
    this.canvas = screen.querySelector("canvas");
    this.paper = this.canvas.getContext("2d", { alpha: false }); // the video below is not composed
    this.canvas.style.visibility = "hidden"; // until the first painting: the poster is seen
    this.shown = { boxes: true, labels: true, annotators: new Set() };
    this.hidden = new Set(); // numbers of persons
    this.selected = null; // number of a person
    this.isAlone = false; // whether only the selected person is outlined
    this.nameOf = (annotator) => annotator;
    this.overlay = null; // paints on top: (paper, view) => void
    this.beside = null; // shows the same pictures elsewhere: see beside.js
    this.loop = null; // { start, stop } in frames, stop exclusive
    this.speed = 1;
    this.frame = 0; // the one on the screen
    this.announced = 0; // the one that the browser spoke of last
    this.painted = 0;
    this.toldAt = 0; // when those who read along were told last, in milliseconds
    this.room = { width: this.canvas.clientWidth, height: this.canvas.clientHeight }; // CSS pixels
    this.setScene(EMPTY);
    this.resetZoom();
    this.use(screen.querySelector("video"));
    // Sizes are read here and never while painting, which would make the browser lay out anew.
    new ResizeObserver(([entry]) => {
      this.room = entry.contentRect;
      this.paint();
    }).observe(this.canvas);
    this.listenToPointer();
  }

  setScene(scene) {
    this.scene = scene;
    this.paths = new Map(); // worked out when first asked for
    const names = new Set();
    for (const people of Object.values(scene.answers)) {
      for (const person of Object.values(people)) {
        for (const name of Object.keys(person.drawn)) names.add(name);
        for (const label of Object.values(person.labels)) {
          for (const name of Object.keys(label.votes)) names.add(name);
        }
      }
    }
    this.annotators = [...names].sort();
    this.tracked = new Map(scene.persons.map((person) => [person.number, person]));
    const drawn = Object.values(scene.answers).flatMap((people) => Object.keys(people).map(Number));
    this.numbers = [...new Set([...this.tracked.keys(), ...drawn])].sort((a, b) => a - b);
    this.seconds = Object.keys(scene.answers).map(Number).sort((a, b) => a - b);
    this.isTold = false; // whether those who listen know of the frame on the screen
    if (this.video) this.paint();
  }

  // Show another video element, which may have been loaded and wound beforehand.
  use(video) {
    this.listening?.abort();
    this.listening = new AbortController();
    const on = (name, act) => video.addEventListener(name, act, { signal: this.listening.signal });
    const { signal } = this.listening;
    const before = this.video;
    this.video = video;
    if (before && before !== video) {
      before.pause();
      before.replaceWith(video);
    }
    this.wanted = null; // the frame that was asked for last
    this.target = null; // the one that the seek under way leads to
    this.settled = !video.seeking;
    video.controls = false;
    video.playbackRate = this.speed;
    if (video.requestVideoFrameCallback) {
      const next = (_, about) => {
        if (signal.aborted) return;
        this.present(this.frameOf(about.mediaTime));
        video.requestVideoFrameCallback(next);
      };
      video.requestVideoFrameCallback(next);
    } else {
      const look = () => {
        if (signal.aborted) return;
        this.present(this.reached());
        if (!video.paused) requestAnimationFrame(look);
      };
      on("play", look);
    }
    on("seeked", () => {
      this.settled = true;
      if (video.paused) this.present(this.reached()); // a first picture is not always announced
      if (this.wanted !== null && this.wanted !== this.target) this.go(this.wanted);
      else if (!video.paused) this.wanted = null;
    });
    on("loadeddata", () => this.present(this.reached()));
    on("ended", () => {
      if (!this.loop) return;
      this.go(this.loop.start);
      video.play();
    });
    for (const name of ["play", "pause"]) {
      on(name, () => {
        if (!video.paused) this.wanted = null;
        this.dispatchEvent(new Event("state"));
        if (video.paused) this.tell();
      });
    }
    on("error", () => this.complain());
    if (video.error) this.complain();
  }

  complain() {
    if (this.screen.querySelector(".failed")) return;
    const note = document.createElement("p");
    note.className = "failed";
    note.textContent = "This browser cannot play the clip, or its file is missing.";
    this.screen.append(note);
  }

  // Time and frames

  frameOf(time) {
    return Math.round(time * this.scene.frame_rate);
  }

  reached() {
    return Math.floor(this.video.currentTime * this.scene.frame_rate + 0.001);
  }

  // Paint what is on the screen: frame `at`, if the picture itself does not tell otherwise.
  present(at) {
    this.announced = this.inside(at);
    this.paint();
  }

  // Whether a frame must not be seen, since the loop has ended before it.
  isOutsideLoop(frame) {
    const { loop, video } = this;
    return Boolean(loop) && !video.paused && (frame >= loop.stop || frame < loop.start);
  }

  inside(frame) {
    return Math.max(0, Math.min(frame, this.scene.frame_count - 1));
  }

  // One seek at a time; the newest wish is carried out when the one under way has ended.
  go(at) {
    this.wanted = this.inside(at);
    if (!this.settled) return;
    this.settled = false;
    this.target = this.wanted;
    this.video.currentTime = (this.wanted + 0.5) / this.scene.frame_rate;
  }

  show(at) {
    this.video.pause();
    this.go(at);
  }

  step(by) {
    const from = this.video.paused && this.wanted !== null ? this.wanted : this.frame;
    this.show(from + by);
  }

  stepKeyframe(by) {
    const at = this.video.paused && this.wanted !== null ? this.wanted : this.frame;
    const frames = this.scene.keyframes.map((second) => second * this.scene.frame_rate);
    const next = by > 0 ? frames.find((one) => one > at) : frames.findLast((one) => one < at);
    if (next !== undefined) this.show(next);
  }

  toggle() {
    if (!this.video.paused) return this.video.pause();
    if (this.loop && (this.frame < this.loop.start || this.frame >= this.loop.stop - 1)) {
      this.go(this.loop.start);
    }
    return this.video.play();
  }

  setSpeed(speed) {
    this.speed = speed;
    this.video.playbackRate = speed;
  }

  // 3 s round the keyframe nearest to what is shown.
  loopAround(frame) {
    const rate = this.scene.frame_rate;
    const middle = Math.round(frame / rate) * rate;
    const half = Math.floor(1.5 * rate);
    this.loop = { start: Math.max(0, middle - half), stop: Math.min(this.scene.frame_count, middle + half) };
  }

  nearestKeyframe(at = this.frame) {
    const second = Math.round(at / this.scene.frame_rate);
    return this.scene.keyframes.includes(second) ? second : null;
  }

  // What is to be seen of a person

  at(second, number) {
    return this.scene.answers[second]?.[number] || null;
  }

  nameOfPerson(number) {
    const tracked = this.tracked.get(number);
    if (tracked) return tracked.label;
    if (number >= 1000000000) return "new person"; // of whom there is no consensus yet
    return number >= 10000 ? `new person ${(number % 10000) + 1}` : `P${number}`;
  }

  // The box that the tracker followed, or that of the consensus for a person whom annotators
  // drew: known at keyframes, and guessed between two of them or half a second beyond one.
  boxOf(number, frame = this.frame) {
    const person = this.tracked.get(number);
    return this.pathOf(number, () => (person
      ? followedPath(person.parts, this.scene)
      : keyframedPath((second) => this.believed(second, number), this.scene))).at(frame);
  }

  // The box that an annotator drew or left, known at keyframes.
  drawnBy(name, number, frame = this.frame) {
    const drawn = (second) => this.at(second, number)?.drawn[name] || null;
    return this.pathOf(`${number} ${name}`, () => keyframedPath(drawn, this.scene)).at(frame);
  }

  pathOf(key, make) {
    if (!this.paths.has(key)) this.paths.set(key, make());
    return this.paths.get(key);
  }

  believed(second, number) {
    const there = this.at(second, number);
    return there && there.status !== "dropped" ? there.box : null;
  }

  // Zoom: how much larger than it fits, and round which point of the picture

  resetZoom() {
    this.zoom = 1;
    this.centre = null;
  }

  zoomBy(factor) {
    this.setZoom(this.zoom * factor, this.centre);
  }

  setZoom(zoom, centre = this.centre) {
    this.zoom = Math.max(1, Math.min(zoom, 12));
    this.centre = this.zoom === 1 ? null : centre;
    this.paint();
    this.dispatchEvent(new Event("zoom"));
  }

  // So near that the box takes `share` of the picture's height.
  zoomTo(box, share = 0.55) {
    const tall = Math.max(box[3] - box[1], (box[2] - box[0]) * (this.scene.height / this.scene.width));
    const zoom = (share * this.scene.height) / Math.max(tall, 1);
    this.setZoom(zoom, [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2]);
  }

  // Where the picture lies on the canvas, in canvas pixels.
  view({ canvas, room } = this) {
    const ratio = devicePixelRatio || 1;
    const width = Math.round(room.width * ratio);
    const height = Math.round(room.height * ratio);
    if (canvas.width !== width || canvas.height !== height) {
      Object.assign(canvas, { width, height });
    }
    const { videoWidth, videoHeight } = this.video;
    const scale = Math.min(width / videoWidth, height / videoHeight) * this.zoom;
    const centre = this.centre || [videoWidth / 2, videoHeight / 2];
    const start = (space, size, at) =>
      size <= space ? (space - size) / 2 : Math.min(0, Math.max(space - size, space / 2 - at));
    const left = start(width, videoWidth * scale, centre[0] * scale);
    const top = start(height, videoHeight * scale, centre[1] * scale);
    return { ratio, scale, left, top };
  }

  // A point of the page in pixels of the video.
  pointAt(event) {
    const view = this.view();
    const area = this.canvas.getBoundingClientRect();
    return [
      ((event.clientX - area.left) * view.ratio - view.left) / view.scale,
      ((event.clientY - area.top) * view.ratio - view.top) / view.scale,
    ];
  }

  // A click plays or pauses; a zoomed picture is moved by dragging it.
  listenToPointer() {
    let from = null;
    this.canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || this.overlay?.takes?.(event)) return;
      from = { x: event.clientX, y: event.clientY, centre: this.centre, isDrag: false };
      this.canvas.setPointerCapture(event.pointerId);
    });
    this.canvas.addEventListener("pointermove", (event) => {
      if (!from) return;
      const [dx, dy] = [event.clientX - from.x, event.clientY - from.y];
      from.isDrag ||= Math.hypot(dx, dy) > 4;
      if (!from.isDrag || this.zoom === 1) return;
      const { ratio, scale } = this.view();
      const centre = from.centre || [this.scene.width / 2, this.scene.height / 2];
      this.setZoom(this.zoom, [centre[0] - (dx * ratio) / scale, centre[1] - (dy * ratio) / scale]);
    });
    this.canvas.addEventListener("pointerup", () => {
      if (from && !from.isDrag) this.toggle();
      from = null;
    });
    this.canvas.addEventListener("pointercancel", () => { from = null; });
    this.canvas.addEventListener("wheel", (event) => {
      if (!event.ctrlKey) return;
      event.preventDefault();
      this.setZoom(this.zoom * (event.deltaY < 0 ? 1.2 : 1 / 1.2), this.centre || this.pointAt(event));
    }, { passive: false });
  }

  // Painting

  // The picture on the screen, and its frame number; null if there is none, or none is certain.
  takePicture() {
    const { video } = this;
    if (!video.videoWidth || video.readyState < 2) return null;
    if (!globalThis.VideoFrame) return video.seeking ? null : { image: video, frame: this.announced, close() {} };
    try {
      const image = new VideoFrame(video);
      return { image, frame: this.inside(this.frameOf(image.timestamp / 1e6)), close: () => image.close() };
    } catch {
      return null; // the video has no picture yet
    }
  }

  paint() {
    const { paper, canvas, video } = this;
    const picture = this.takePicture();
    if (!picture) return;
    if (this.isOutsideLoop(picture.frame)) {
      picture.close();
      this.go(this.loop.start);
      return;
    }
    const isNew = picture.frame !== this.frame || !this.isTold;
    this.frame = picture.frame;
    this.isTold = true;
    const view = this.view();
    paper.fillStyle = "#000";
    paper.fillRect(0, 0, canvas.width, canvas.height);
    const [wide, tall] = [video.videoWidth * view.scale, video.videoHeight * view.scale];
    paper.drawImage(picture.image, view.left, view.top, wide, tall);
    this.beside?.paint(picture.image, this);
    picture.close();
    this.boxesShown = this.shown.boxes ? this.paintPeople(view) : 0;
    this.overlay?.paint(paper, view);
    if (!this.painted) this.canvas.style.visibility = "";
    this.painted += 1;
    if (isNew) this.dispatchEvent(new Event("frame"));
    this.dispatchEvent(new Event("paint"));
    if (isNew) this.isUntold = true;
    if (this.isUntold && (video.paused || performance.now() - this.toldAt > TELL_EVERY)) this.tell();
  }

  tell() {
    this.isUntold = false;
    this.toldAt = performance.now();
    this.dispatchEvent(new Event("tell"));
  }

  paintPeople(view) {
    const second = this.nearestKeyframe();
    let count = 0;
    for (const number of this.numbers) {
      if (this.hidden.has(number)) continue;
      const isSelected = number === this.selected;
      if (this.isAlone && !isSelected) continue;
      const found = this.boxOf(number);
      const colour = colourOf(number);
      if (found) {
        const text = this.shown.labels ? this.chipText(second, number) : "";
        paintBox(this.paper, view, found.box, { colour, text, dash: found.isGuess ? [6, 4] : [], width: isSelected ? 3.5 : 2 });
        count += 1;
      }
      for (const name of this.shown.annotators) count += this.paintDrawn(view, number, name, colour);
    }
    return count;
  }

  chipText(second, number) {
    const labels = (second !== null && this.at(second, number)?.labels) || {};
    const actions = Object.values(labels).flatMap((label) => label.actions);
    return [this.nameOfPerson(number), ...actions].join(" · ");
  }

  // What one annotator drew: his or her own dashes, in the person's colour.
  paintDrawn(view, number, name, colour) {
    const found = this.drawnBy(name, number);
    if (!found) return 0;
    const place = this.annotators.indexOf(name);
    const text = found.isGuess || !this.shown.labels ? "" : this.nameOf(name);
    paintBox(this.paper, view, found.box, {
      colour, text, dash: DASHES[place % DASHES.length], width: 1.5, isBelow: true, isFaint: found.isGuess,
    });
    return 1;
  }
}
