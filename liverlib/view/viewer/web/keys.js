// Keys.

import { EDIT_KEYS, withControl } from "./edit/panel.js";
import { arrange } from "./layout.js";
import { MEASURES, measureAtCrosshair } from "./look/measuring.js";
import { followCrosshair, zoomIn, zoomOff, zoomOut } from "./look/zoom.js";
import { goTo, shift, step, toLargest, toTumour, togglePlay } from "./navigation.js";
import { toggleSolid } from "./solid/solid-view.js";
import { change, state } from "./state.js";
import { PLANE_NAMES } from "./volume.js";

const KEYS = {
  ArrowUp: () => step(1),
  ArrowRight: () => step(1),
  ArrowDown: () => step(-1),
  ArrowLeft: () => step(-1),
  PageUp: () => step(10),
  PageDown: () => step(-10),
  Home: () => goTo(0),
  End: () => goTo(Infinity),
  "[": () => toTumour(-1),
  "]": () => toTumour(1),
  p: () => toTumour(-1),
  n: () => toTumour(1),
  l: toLargest,
  v: () => change({ tool: "look" }),
  u: () => change({ tool: "ruler" }),
  h: () => change({ tool: "ellipse" }),
  Enter: () => MEASURES.includes(state.tool) && measureAtCrosshair(),
  "+": zoomIn,
  "=": zoomIn,
  "-": zoomOut,
  0: zoomOff,
  g: toggleSolid,
  o: () => change({ hidden: !state.hidden }),
  c: () => change({ cross: !state.cross }),
  " ": togglePlay,
  1: () => activate(PLANE_NAMES[0]),
  2: () => activate(PLANE_NAMES[1]),
  3: () => activate(PLANE_NAMES[2]),
};

const SHIFTED = {
  ArrowUp: () => shift(0, -1),
  ArrowRight: () => shift(1, 0),
  ArrowDown: () => shift(0, 1),
  ArrowLeft: () => shift(-1, 0),
};

function activate(plane) {
  change({ active: plane, layout: state.layout === "three" ? "three" : plane });
  arrange();
}

export function listenToKeys() {
  document.addEventListener("keydown", onKey);
}

function onKey(event) {
  const typed = event.getModifierState("AltGraph"); // how some keyboards write [ and ]
  if ((event.ctrlKey || event.metaKey || event.altKey) && !typed) {
    onControlKey(event);
    return;
  }
  if (event.key === "Escape") {
    change({ armed: false, playing: false });
    document.activeElement.blur();
    return;
  }
  const act = actionOf(event);
  if (!act || isTakenByControl(event)) return;
  event.preventDefault();
  act();
  followCrosshair();
}

function actionOf({ key, shiftKey }) {
  if (shiftKey && key in SHIFTED) return SHIFTED[key];
  if (key === "Enter" && MEASURES.includes(state.tool)) return KEYS.Enter;
  return (state.editing && EDIT_KEYS[key]) || KEYS[key];
}

function onControlKey(event) {
  const act = withControl(event);
  if (!act || event.target.type === "number") return;
  event.preventDefault();
  act();
}

// A control keeps the keys that it needs itself; a slice's slider only moves as the keys say.
function isTakenByControl(event) {
  const control = event.target.closest("button, select, input, summary, #lesions");
  if (!control || control.closest(".track")) return false;
  if (control.type === "number" || control.tagName === "SELECT") return true;
  if (event.key === " " || event.key === "Enter") return true;
  const scrolls = /range|select/.test(control.type) || control.id === "lesions";
  return scrolls && /Arrow|Page|Home|End/.test(event.key);
}
