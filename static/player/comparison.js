// A second screen beside a player: the very same pictures, with the boxes of another tracking run.
import { colourOf, paintBox } from "./paint.js";
import { followedPath } from "./paths.js";

export class Beside {
  constructor(screen, persons, scene) {
    this.canvas = screen.querySelector("canvas");
    this.paper = this.canvas.getContext("2d", { alpha: false });
    this.persons = persons;
    this.paths = new Map(persons.map(({ number, parts }) => [number, followedPath(parts, scene)]));
    this.room = { width: this.canvas.clientWidth, height: this.canvas.clientHeight }; // CSS pixels
    new ResizeObserver(([entry]) => {
      this.room = entry.contentRect;
    }).observe(this.canvas);
    this.boxesShown = 0;
  }

  // Paint `image`, which `player` shows at its frame.
  paint(image, player) {
    const view = player.view(this);
    const { videoWidth, videoHeight } = player.video;
    this.paper.fillStyle = "#000";
    this.paper.fillRect(0, 0, this.canvas.width, this.canvas.height);
    this.paper.drawImage(image, view.left, view.top, videoWidth * view.scale, videoHeight * view.scale);
    this.boxesShown = 0;
    if (!player.shown.boxes) return;
    for (const person of this.persons) {
      const found = player.hidden.has(person.number) ? null : this.paths.get(person.number).at(player.frame);
      if (!found) continue;
      const width = person.number === player.selected ? 3.5 : 2;
      const text = player.shown.labels ? person.label : "";
      paintBox(this.paper, view, found.box, { colour: colourOf(person.number), text, dash: found.isGuess ? [6, 4] : [], width });
      this.boxesShown += 1;
    }
  }
}
