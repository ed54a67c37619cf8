// How boxes and their chips are drawn, and the colours of persons.

export const DASHES = [[9, 4], [2, 3], [10, 3, 2, 3], [5, 5], [14, 4], [1, 5]];
const COLOURS = 12;

export const colourClass = (number) => `p${number % COLOURS}`;
let palette = null;
export const colourOf = (number) => {
  palette ??= Array.from({ length: COLOURS }, (_, place) => {
    const probe = document.createElement("i");
    probe.className = `p${place}`;
    document.body.append(probe);
    const colour = getComputedStyle(probe).getPropertyValue("--c").trim();
    probe.remove();
    return colour;
  });
  return palette[number % COLOURS];
};

// A group of actions, as the pages call it.
export const wordsOf = (group) => {
  const words = group.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
};

// "walk", "walk, wave", "none" or "" for no answer.
export const textOf = (answer) => {
  if (Array.isArray(answer)) return answer.join(", ") || "none";
  return answer === null || answer === undefined || answer === "unset" ? "" : String(answer);
};

const widths = new Map(); // of texts, by size

// One box with its chip; `view` is where the picture lies on the canvas (Player.view).
export const paintBox = (paper, view, box, { colour, text, dash = [], width = 2, isBelow = false, isFaint = false }) => {
  const { canvas } = paper;
  const { ratio, scale } = view;
  const x = view.left + box[0] * scale;
  const y = view.top + box[1] * scale;
  const wide = (box[2] - box[0]) * scale;
  const tall = (box[3] - box[1]) * scale;
  paper.globalAlpha = isFaint ? 0.55 : 1;
  paper.setLineDash(dash.map((part) => part * ratio));
  paper.lineWidth = width * ratio;
  paper.strokeStyle = colour;
  paper.strokeRect(x, y, wide, tall);
  paper.setLineDash([]);
  if (text) {
    const size = 12 * ratio;
    paper.font = `600 ${size}px Inter, sans-serif`;
    const key = `${size} ${text}`;
    if (!widths.has(key)) widths.set(key, paper.measureText(text).width);
    const chip = { wide: widths.get(key) + 10 * ratio, tall: size + 6 * ratio };
    const chipX = Math.max(0, Math.min(x - ratio, canvas.width - chip.wide));
    const above = y - chip.tall > 0 ? y - chip.tall : y;
    const chipY = isBelow ? Math.min(y + tall, canvas.height - chip.tall) : above;
    paper.fillStyle = colour;
    paper.fillRect(chipX, chipY, chip.wide, chip.tall);
    paper.fillStyle = "#0b0d10";
    paper.textBaseline = "middle";
    paper.fillText(text, chipX + 5 * ratio, chipY + chip.tall / 2 + ratio * 0.5);
  }
  paper.globalAlpha = 1;
};
