// Lanes under the player: a lane a person, unfolded into a lane for each group and annotator,
// with the stretches of equal answers. Keyframe k speaks for the frames within half a second.
import { colourClass, textOf, wordsOf } from "./paint.js";

const SVG = "http://www.w3.org/2000/svg";
const make = (name, css, text) => {
  const part = document.createElement(name);
  if (css) part.className = css;
  if (text !== undefined) part.textContent = text;
  return part;
};
const drawing = (count, tall, label) => {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", `0 0 ${count} ${tall}`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", label);
  return svg;
};
const bar = (svg, css, x, width, tall, y = 0) => {
  const rect = document.createElementNS(SVG, "rect");
  rect.setAttribute("class", css);
  for (const [name, value] of Object.entries({ x, y, width, height: tall })) rect.setAttribute(name, value);
  svg.append(rect);
};

export class Timeline {
  constructor(lanes, player) {
    this.lanes = lanes;
    this.player = player;
    this.rows = new Map(); // number of a person -> its lanes
    this.ruler = { left: 0, width: 0 };
    this.scrub = lanes.querySelector("input[type=range]");
    this.playhead = lanes.querySelector(".playhead");
    this.scrub.addEventListener("input", () => player.show(Number(this.scrub.value)));
    player.addEventListener("frame", () => this.movePlayhead());
    player.addEventListener("tell", () => this.moveScrub());
    new ResizeObserver(() => this.measure()).observe(lanes);
    lanes.hidden = false;
  }

  // Draw the lanes of the player's scene, or those of `only` one person.
  draw({ only = null, group = null } = {}) {
    const { scene } = this.player;
    for (const row of this.lanes.querySelectorAll(".person-lanes, .ticks")) row.remove();
    this.rows.clear();
    this.disputes = this.findDisputes();
    this.scrub.max = scene.frame_count - 1;
    this.playhead.before(this.keyframeLane());
    for (const number of this.player.numbers) {
      if (only !== null && number !== only) continue;
      const row = this.personLane(number);
      this.rows.set(number, row);
      this.playhead.before(row);
      if (only !== null) this.unfold(number, group);
    }
    this.measure();
  }

  // Keyframes at which somebody answered otherwise: { person: { group: [seconds] } }.
  findDisputes() {
    const found = {};
    for (const second of this.player.seconds) {
      for (const [number, person] of Object.entries(this.player.scene.answers[second])) {
        if (person.status === "disputed") ((found[number] ??= {})["~person"] ??= []).push(second);
        for (const [group, label] of Object.entries(person.labels)) {
          const said = new Set(Object.values(label.votes).map(textOf).filter(Boolean));
          if (said.size > 1 || label.rule === "open") ((found[number] ??= {})[group] ??= []).push(second);
        }
      }
    }
    return found;
  }

  // The next disagreement, of the chosen person or of anybody: { number, second } or null.
  nextDispute(by) {
    const { player } = this;
    const at = player.frame / player.scene.frame_rate;
    const all = Object.entries(this.disputes).flatMap(([number, groups]) =>
      [...new Set(Object.values(groups).flat())].map((second) => ({ number: Number(number), second })));
    const here = (one) => one.second === at && one.number;
    const place = (one) => one.second + one.number / 1e8;
    const now = at + (all.some(here) ? (player.selected ?? 0) / 1e8 : by > 0 ? -1e-9 : 1);
    all.sort((a, b) => place(a) - place(b));
    return (by > 0 ? all.find((one) => place(one) > now) : all.findLast((one) => place(one) < now)) || null;
  }

  keyframeLane() {
    const { scene } = this.player;
    const lane = make("div", "lane ticks");
    lane.append(make("span", "mut small", "Keyframes"));
    const cuts = scene.cuts.map((frame) => `; another scene begins at frame ${frame}`).join("");
    const svg = drawing(scene.frame_count, 9, `${scene.keyframes.length} keyframes${cuts}`);
    for (let frame = 0; frame < scene.frame_count; frame += scene.frame_rate) {
      bar(svg, scene.keyframes.includes(frame / scene.frame_rate) ? "key" : "no", frame, 2, 9);
    }
    for (const frame of scene.cuts) bar(svg, "cut", frame - 1, 3, 9);
    if (cuts) lane.title = cuts.slice(2);
    lane.append(svg);
    return lane;
  }

  personLane(number) {
    const { player } = this;
    const name = player.nameOfPerson(number);
    const row = make("div", `person-lanes ${colourClass(number)}`);
    row.dataset.person = number;
    const lane = make("div", "lane");
    const label = make("span", "who-label");
    const button = make("button", "who");
    button.type = "button";
    button.title = `Show or hide ${name}`;
    button.setAttribute("aria-pressed", "true");
    button.append(make("span", "swatch"), name);
    button.addEventListener("click", () => this.hide(number));
    label.append(button);
    if (Object.keys(player.scene.answers).length) {
      const fold = make("button", "fold");
      fold.type = "button";
      fold.setAttribute("aria-expanded", "false");
      fold.setAttribute("aria-label", `Answers about ${name}`);
      fold.addEventListener("click", () => this.toggle(number));
      label.append(fold);
    }
    lane.append(label, this.presence(number, name));
    row.append(lane);
    return row;
  }

  // What another tracking run has of each person, under the lane of the same number.
  drawBeside(persons) {
    const { frame_count } = this.player.scene;
    for (const person of persons) {
      const lane = make("div", "lane other");
      const isShared = this.rows.has(person.number);
      const svg = drawing(frame_count, 7, `${person.label} in the run beside`);
      for (const part of person.parts) bar(svg, "seg", part.start, part.boxes.length, 7);
      svg.addEventListener("click", (event) => this.seek(event));
      lane.append(make("span", "small mut", isShared ? "beside" : `${person.label} beside`), svg);
      if (isShared) {
        this.rows.get(person.number).append(lane);
        continue;
      }
      const row = make("div", `person-lanes ${colourClass(person.number)}`);
      row.append(lane);
      this.playhead.before(row);
    }
    this.measure();
  }

  presence(number, name) {
    const { player } = this;
    const { scene } = player;
    const disputed = [...new Set(Object.values(this.disputes[number] || {}).flat())];
    const svg = drawing(scene.frame_count, 12, `${name}, ${disputed.length} keyframes with disagreement`);
    const parts = player.tracked.get(number)?.parts.map((part) => [part.start, part.boxes.length]);
    const seen = parts || player.seconds.filter((second) => player.believed(second, number))
      .map((second) => this.span(second));
    for (const [start, length] of seen) bar(svg, "seg", start, length, 12);
    for (const second of disputed) bar(svg, "dispute", second * scene.frame_rate - 2, 5, 12);
    svg.addEventListener("click", (event) => this.seek(event));
    return svg;
  }

  span(second) {
    const rate = this.player.scene.frame_rate;
    const start = Math.max(0, second * rate - rate / 2);
    return [start, Math.min(second * rate + rate / 2, this.player.scene.frame_count) - start];
  }

  seek(event) {
    const area = event.currentTarget.getBoundingClientRect();
    this.player.show(Math.floor(((event.clientX - area.left) / area.width) * this.player.scene.frame_count));
  }

  hide(number) {
    const { hidden } = this.player;
    const isOff = !hidden.delete(number);
    if (isOff) hidden.add(number);
    const row = this.rows.get(number);
    row.classList.toggle("off", isOff);
    row.querySelector(".who").setAttribute("aria-pressed", String(!isOff));
    this.player.paint();
  }

  select(number) {
    this.player.selected = number;
    for (const [other, row] of this.rows) row.classList.toggle("chosen", other === number);
    this.rows.get(number)?.scrollIntoView({ block: "nearest" });
    this.player.paint();
  }

  selectNext(by) {
    const numbers = [...this.rows.keys()];
    if (!numbers.length) return;
    const place = numbers.indexOf(this.player.selected);
    this.select(numbers[Math.max(0, Math.min(numbers.length - 1, place < 0 ? 0 : place + by))]);
  }

  toggle(number) {
    const row = this.rows.get(number);
    if (!row?.querySelector(".fold")) return;
    if (row.querySelector(".group-lanes")) {
      for (const part of row.querySelectorAll(".group-lanes")) part.remove();
      row.querySelector(".fold").setAttribute("aria-expanded", "false");
    } else this.unfold(number);
  }

  // A block for each group (or the one asked for), a lane for each annotator and the consensus.
  unfold(number, only = null) {
    const { player } = this;
    const row = this.rows.get(number);
    row.querySelector(".fold")?.setAttribute("aria-expanded", "true");
    for (const group of player.scene.groups) {
      if (only !== null && group !== only) continue;
      const label = (second) => player.at(second, number)?.labels[group];
      if (!player.seconds.some(label)) continue;
      const block = make("div", "group-lanes");
      block.append(make("h3", "", wordsOf(group)));
      const open = new Set(this.disputes[number]?.[group] || []);
      // By what is shown: letters that stand for names must not follow the names' order.
      const shown = [...player.annotators].sort((a, b) => (player.nameOf(a) < player.nameOf(b) ? -1 : 1));
      for (const name of shown) {
        const said = (second) => label(second) && name in label(second).votes ? textOf(label(second).votes[name]) || "–" : "";
        block.append(this.answerLane(player.nameOf(name), said, open));
      }
      const settled = (second) => {
        const one = label(second);
        if (!one?.rule) return "";
        return one.rule === "open" ? "?" : textOf(one.actions);
      };
      if (player.seconds.some(settled)) block.append(this.answerLane("Consensus", settled, new Set(), "settled"));
      row.append(block);
    }
  }

  answerLane(name, said, open, css = "") {
    const { scene, seconds } = this.player;
    const lane = make("div", `lane answers ${css}`);
    const track = make("div", "strip");
    const percent = (frames) => `${(100 * frames) / scene.frame_count}%`;
    let run = null;
    for (const second of seconds) {
      const text = said(second);
      const isOpen = open.has(second);
      const [start, length] = this.span(second);
      if (run && run.text === text && run.isOpen === isOpen && run.stop === start) run.stop = start + length;
      else {
        if (run) this.stretch(track, run, percent);
        run = { text, isOpen, start, stop: start + length };
      }
    }
    if (run) this.stretch(track, run, percent);
    track.addEventListener("click", (event) => this.seek(event));
    lane.append(make("span", "small mut", name), track);
    return lane;
  }

  stretch(track, run, percent) {
    if (!run.text) return;
    const rate = this.player.scene.frame_rate;
    const part = make("span", `stretch${run.isOpen ? " differs" : ""}${run.text === "?" ? " differs" : ""}`, run.text);
    part.title = `${run.text}, ${(run.start / rate).toFixed(1)} to ${(run.stop / rate).toFixed(1)} s`;
    part.style.left = percent(run.start);
    part.style.width = percent(run.stop - run.start);
    track.append(part);
  }

  // Where the lanes lie: read when they change, never while playing.
  measure() {
    const ruler = this.lanes.querySelector(".ticks svg");
    if (!ruler) return;
    const area = ruler.getBoundingClientRect();
    this.ruler = { left: area.left - this.lanes.getBoundingClientRect().left, width: area.width };
    this.movePlayhead();
    this.moveScrub();
  }

  moveScrub() {
    const { player, scrub } = this;
    if (document.activeElement !== scrub || !player.video.paused) scrub.value = player.frame;
  }

  movePlayhead() {
    const { player } = this;
    const share = (player.frame + 0.5) / player.scene.frame_count;
    this.playhead.style.transform = `translateX(${this.ruler.left + this.ruler.width * share}px)`;
  }
}
