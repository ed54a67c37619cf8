// Mending a box on the player: its corners and sides are dragged, or moved by arrow keys.
// The box is in pixels of the video, whole pixels when a key moves it.

const REACH = 12; // CSS pixels round a corner or a side that take hold of it

export class Boxing {
  constructor(player) {
    this.player = player;
    this.box = null;
    this.held = null; // which sides are held: [x1, y1, x2, y2] as 0 or 1
    player.canvas.addEventListener("pointermove", (event) => this.drag(event));
    for (const name of ["pointerup", "pointercancel"]) {
      player.canvas.addEventListener(name, () => { this.held = null; });
    }
  }

  begin(box) {
    const { width, height } = this.player.scene;
    this.box = box.map((side, place) => Math.max(0, Math.min(side, place % 2 ? height : width)));
    this.player.overlay = this;
    this.player.canvas.classList.add("boxing-now");
    this.player.paint();
  }

  end() {
    this.box = null;
    this.held = null;
    if (this.player.overlay === this) this.player.overlay = null;
    this.player.paint();
  }

  paint(paper, view) {
    const [x1, y1, x2, y2] = this.box.map((side, place) => (place % 2 ? view.top : view.left) + side * view.scale);
    paper.lineWidth = 2.5 * view.ratio;
    paper.strokeStyle = "#ffffff";
    paper.strokeRect(x1, y1, x2 - x1, y2 - y1);
    const size = 9 * view.ratio;
    for (const x of [x1, (x1 + x2) / 2, x2]) {
      for (const y of [y1, (y1 + y2) / 2, y2]) {
        if (x === (x1 + x2) / 2 && y === (y1 + y2) / 2) continue;
        paper.fillStyle = "#ffffff";
        paper.fillRect(x - size / 2, y - size / 2, size, size);
        paper.fillStyle = "#4f46e5";
        paper.fillRect(x - size / 2 + view.ratio, y - size / 2 + view.ratio, size - 2 * view.ratio, size - 2 * view.ratio);
      }
    }
  }

  // Whether a press takes hold of the box; the player asks before it takes the press itself.
  takes(event) {
    const [x, y] = this.player.pointAt(event);
    const view = this.player.view();
    const reach = (REACH * view.ratio) / view.scale;
    const [x1, y1, x2, y2] = this.box;
    const isNear = x > x1 - reach && x < x2 + reach && y > y1 - reach && y < y2 + reach;
    if (!isNear) return false;
    const near = [x - x1, y - y1, x2 - x, y2 - y].map((distance) => (Math.abs(distance) <= reach ? 1 : 0));
    this.held = near.some(Boolean) ? near : [1, 1, 1, 1];
    this.last = [x, y];
    this.player.canvas.setPointerCapture(event.pointerId);
    event.preventDefault();
    return true;
  }

  drag(event) {
    if (!this.held || !this.box) return;
    const point = this.player.pointAt(event);
    const by = [point[0] - this.last[0], point[1] - this.last[1]];
    this.last = point;
    this.move(this.held.map((part, place) => part * by[place % 2]));
  }

  // Add `by` to the four sides, within the picture and never inside out.
  move(by) {
    const { width, height } = this.player.scene;
    const [x1, y1, x2, y2] = this.box.map((side, place) => side + by[place]);
    const isWhole = by[0] === by[2] && by[1] === by[3];
    if (isWhole && (x1 < 0 || y1 < 0 || x2 > width || y2 > height)) return;
    if (x2 - x1 < 4 || y2 - y1 < 4) return;
    this.box = [Math.max(0, x1), Math.max(0, y1), Math.min(width, x2), Math.min(height, y2)];
    this.player.paint();
  }

  arrow(event) {
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (event.shiftKey) this.move([0, 0, ...way]);
    else this.move([...way, ...way]);
  }
}
