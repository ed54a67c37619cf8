// The page of one clip: player, timeline, layers, and the consensus at the keyframe shown.
import { Beside } from "../player/comparison.js";
import { sceneAt, wireControls } from "../player/controls.js";
import { bindKeys, playerKeys } from "../player/keys.js";
import { Player } from "../player/player.js";
import { Timeline } from "../player/timeline.js";

const root = document.getElementById("player");

const showBeliefs = (player) => {
  const beliefs = [...document.querySelectorAll("[data-second]")];
  const at = document.getElementById("belief-at");
  const none = document.getElementById("belief-none");
  const rows = [...document.querySelectorAll(".who-row")];
  player.addEventListener("tell", () => {
    const second = player.nearestKeyframe();
    let isAny = false;
    for (const belief of beliefs) {
      belief.hidden = Number(belief.dataset.second) !== second;
      isAny ||= !belief.hidden;
    }
    if (beliefs.length) {
      none.hidden = isAny;
      at.textContent = second === null ? "no keyframe here" : `keyframe at second ${second}`;
    }
    for (const row of rows) row.classList.toggle("here", Boolean(player.boxOf(Number(row.dataset.person))));
  });
};

// A box to tick for each annotator; keys 1 to 9 do the same.
const addLayers = (player) => {
  const place = root.querySelector("[data-layers]");
  player.annotators.forEach((name, number) => {
    const label = document.createElement("label");
    label.className = "choice";
    const tick = document.createElement("input");
    tick.type = "checkbox";
    tick.dataset.layer = String(number + 1);
    tick.addEventListener("change", () => {
      if (tick.checked) player.shown.annotators.add(name);
      else player.shown.annotators.delete(name);
      player.paint();
    });
    label.append(tick, name);
    place.append(label);
  });
  place.hidden = !player.annotators.length;
};

// Another tracking run of the clip on a screen of its own.
const showBeside = async (player, timeline) => {
  const screen = root.querySelector("[data-beside]");
  if (!screen) return;
  const { persons } = await sceneAt(screen.dataset.beside);
  player.beside = new Beside(screen, persons, player.scene);
  player.addEventListener("paint", () => { root.dataset.besideBoxes = player.beside.boxesShown; });
  timeline.drawBeside(persons);
  player.paint();
};

const start = () => {
  const player = new Player(root.querySelector(".screen"));
  const timeline = new Timeline(root.querySelector(".lanes"), player);
  wireControls(root, player);
  showBeliefs(player);
  const dispute = (by) => {
    const found = timeline.nextDispute(by);
    if (!found) return;
    timeline.select(found.number);
    if (!timeline.rows.get(found.number).querySelector(".group-lanes")) timeline.toggle(found.number);
    player.show(found.second * player.scene.frame_rate);
  };
  const tick = (name) => root.querySelector(`[data-set=${name}]`).click();
  bindKeys([
    ...playerKeys(player),
    { keys: ["ArrowUp"], shown: "↑", says: "person before", act: () => timeline.selectNext(-1) },
    { keys: ["ArrowDown"], shown: "↓", says: "next person", act: () => timeline.selectNext(1) },
    { keys: ["t"], shown: "T", says: "unfold the answers about the chosen person", act: () => timeline.toggle(player.selected) },
    { keys: ["h"], shown: "H", says: "hide or show the chosen person", act: () => player.selected === null || timeline.hide(player.selected) },
    { keys: ["d"], shown: "D", says: "next disagreement, with Shift the one before", act: (event) => dispute(event.shiftKey ? -1 : 1) },
    { keys: ["b"], shown: "B", says: "boxes", act: () => tick("boxes") },
    { keys: ["n"], shown: "N", says: "labels", act: () => tick("labels") },
    { keys: ["1", "2", "3", "4", "5", "6", "7", "8", "9"], shown: "1 – 9", says: "what each annotator drew", act: (event) => root.querySelector(`[data-layer="${event.code.slice(5)}"]`)?.click() },
  ]);
  root.querySelector(".keys").hidden = false;

  const asked = new URLSearchParams(location.search);
  const first = asked.has("frame") ? Number(asked.get("frame")) : Number(asked.get("second") || 0) * 30;
  const begin = () => player.go(Number.isFinite(first) ? first : 0);
  sceneAt(root.dataset.scene).then((scene) => {
    player.setScene(scene);
    timeline.draw();
    addLayers(player);
    showBeside(player, timeline);
    if (root.dataset.selected) timeline.select(Number(root.dataset.selected));
    begin();
    root.dataset.ready = "true";
  }).catch(() => {
    root.querySelector("[data-show=frame]").textContent += " · boxes could not be loaded";
  });
};

if (root?.querySelector("video")) start();
