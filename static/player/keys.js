// Keys of a page: a table of { keys, shown, says, act }, and the help that `?` opens.
// A key is the event's `key`, or its `code` for digits, so that Shift+1 is 1 everywhere.

const nameOf = (event) => (/^(Digit|Numpad)\d$/.test(event.code) ? event.code.at(-1) : event.key);

const helpOf = (table) => {
  const dialog = document.createElement("dialog");
  dialog.className = "help";
  dialog.setAttribute("aria-label", "Keys");
  const list = document.createElement("dl");
  for (const { shown, says } of table) {
    if (!says) continue;
    const term = document.createElement("dt");
    for (const [place, key] of shown.split(" ").entries()) {
      if (place) term.append(" ");
      const part = document.createElement("kbd");
      part.textContent = key;
      term.append(part);
    }
    const meaning = document.createElement("dd");
    meaning.textContent = says;
    list.append(term, meaning);
  }
  const form = document.createElement("form");
  form.method = "dialog";
  const button = document.createElement("button");
  button.className = "btn";
  button.textContent = "Close";
  form.append(button);
  const title = document.createElement("h2");
  title.textContent = "Keys";
  dialog.append(title, list, form);
  document.body.append(dialog);
  return dialog;
};

export const bindKeys = (table) => {
  let dialog = null;
  const help = () => {
    dialog ??= helpOf(all);
    if (dialog.open) dialog.close();
    else dialog.showModal();
  };
  const all = [...table, { keys: ["?"], shown: "?", says: "these keys", act: help }];
  const acts = new Map();
  for (const { keys, act } of all) for (const key of keys) acts.set(key, act);
  for (const button of document.querySelectorAll("[data-act=help]")) button.addEventListener("click", help);

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const field = event.target.closest("input, textarea, select");
    const isTyping = field && !["checkbox", "radio"].includes(field.type);
    const name = nameOf(event);
    if (isTyping && !(name === "Escape")) return;
    if (dialog?.open && name !== "?") return;
    const act = acts.get(name) || acts.get(name.toLowerCase());
    if (!act) return;
    const isPress = name === " " || name === "Enter";
    if (isPress && event.target.closest("button, a, summary, input")) return;
    if (name.startsWith("Arrow") && event.target.closest(".scroll, .tw")) return;
    if (act(event) === false) return;
    event.preventDefault();
  });
  return { help };
};

// What moves a player, on every page that has one.
export const playerKeys = (player) => {
  const rate = () => player.scene.frame_rate;
  const speeds = [0.25, 0.5, 1, 2];
  const faster = (by) => {
    const place = speeds.indexOf(player.speed) + by;
    if (!speeds[place]) return;
    player.setSpeed(speeds[place]);
    player.dispatchEvent(new Event("state"));
  };
  const loop = () => {
    if (player.loop) player.loop = null;
    else player.loopAround(player.frame);
    player.dispatchEvent(new Event("state"));
    if (player.loop && player.video.paused) player.toggle();
  };
  const zoom = () => {
    const box = player.selected === null ? null : player.boxOf(player.selected)?.box;
    if (player.zoom > 1) player.setZoom(1);
    else if (box) player.zoomTo(box);
    else player.setZoom(2);
  };
  return [
    { keys: [" ", "k"], shown: "Space", says: "play or pause", act: () => player.toggle() },
    { keys: ["ArrowLeft", ","], shown: "←", says: "one frame back, with Shift one second", act: (event) => player.step(event.shiftKey ? -rate() : -1) },
    { keys: ["ArrowRight", "."], shown: "→", says: "one frame on, with Shift one second", act: (event) => player.step(event.shiftKey ? rate() : 1) },
    { keys: ["j"], shown: "J", says: "keyframe before", act: () => player.stepKeyframe(-1) },
    { keys: ["l"], shown: "L", says: "next keyframe", act: () => player.stepKeyframe(1) },
    { keys: ["Home"], shown: "Home", says: "first frame", act: () => player.show(0) },
    { keys: ["End"], shown: "End", says: "last frame", act: () => player.show(player.scene.frame_count - 1) },
    { keys: ["r"], shown: "R", says: "repeat the 3 s round this keyframe", act: loop },
    { keys: ["<", "["], shown: "[", says: "slower", act: () => faster(-1) },
    { keys: [">", "]"], shown: "]", says: "faster", act: () => faster(1) },
    { keys: ["+", "="], shown: "+", says: "nearer; drag moves the picture", act: () => player.zoomBy(1.5) },
    { keys: ["-"], shown: "-", says: "further away", act: () => player.zoomBy(1 / 1.5) },
    { keys: ["z"], shown: "Z", says: "the chosen person large, or all of the picture", act: zoom },
  ];
};
