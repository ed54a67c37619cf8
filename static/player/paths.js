// Where somebody is at every frame of a clip, worked out once: playing only looks it up.

const SEEN = 1;
const GUESSED = 2; // between two boxes that are known, or just beyond one

export class Path {
  constructor(frameCount) {
    this.sides = new Float64Array(4 * frameCount); // x1, y1, x2, y2 of each frame
    this.kinds = new Uint8Array(frameCount);
  }

  put(frame, box, isGuess) {
    if (frame < 0 || frame >= this.kinds.length) return;
    this.sides.set(box, 4 * frame);
    this.kinds[frame] = isGuess ? GUESSED : SEEN;
  }

  at(frame) {
    const kind = this.kinds[frame];
    if (!kind) return null; // nowhere, or no frame of the clip
    const place = 4 * frame;
    const { sides } = this;
    return {
      box: [sides[place], sides[place + 1], sides[place + 2], sides[place + 3]],
      isGuess: kind === GUESSED,
    };
  }
}

// What the tracker followed; frames without a score are its own guesses.
export const followedPath = (parts, { frame_count }) => {
  const path = new Path(frame_count);
  for (const { start, boxes, scores } of parts) {
    boxes.forEach((box, place) => path.put(start + place, box, scores[place] === null));
  }
  return path;
};

// Boxes known at keyframes, `boxAt(second)` or null: guessed between two of them, and for half
// a second beyond one.
export const keyframedPath = (boxAt, { frame_count, frame_rate }) => {
  const path = new Path(frame_count);
  for (let second = 0; second * frame_rate < frame_count; second += 1) {
    const [first, next] = [boxAt(second), boxAt(second + 1)];
    if (first) path.put(second * frame_rate, first, false);
    for (let place = 1; place < frame_rate; place += 1) {
      const share = place / frame_rate;
      const nearest = share < 0.5 ? first : next;
      const box = first && next ? first.map((side, n) => side + (next[n] - side) * share) : nearest;
      if (box) path.put(second * frame_rate + place, box, true);
    }
  }
  return path;
};
