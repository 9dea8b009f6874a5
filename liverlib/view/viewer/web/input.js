// Mouse, wheel and keys.

import { byId } from "./dom.js";
import { arrange } from "./layout.js";
import { goTo, step, toLargest, toTumour, togglePlay } from "./navigation.js";
import { views } from "./slice-view.js";
import { change, moveTo, state, volume } from "./state.js";
import { PLANE_NAMES, voxelAtPoint } from "./volume.js";

const NOTCH = 40; // pixels of the wheel that are one slice

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
  l: toLargest,
  o: () => change({ hidden: !state.hidden }),
  c: () => change({ cross: !state.cross }),
  " ": togglePlay,
  1: () => change({ active: PLANE_NAMES[0] }),
  2: () => change({ active: PLANE_NAMES[1] }),
  3: () => change({ active: PLANE_NAMES[2] }),
};

export function listenToInput() {
  views.forEach(listenToView);
  document.addEventListener("keydown", onKey);
  byId("views").addEventListener("wheel", onWheel, { passive: false });
  window.addEventListener("blur", () => change({ armed: false }));
}

function listenToView(view) {
  listenToDrags(view);
  view.frame.addEventListener("contextmenu", (event) => event.preventDefault());
  view.frame.addEventListener("dblclick", () => {
    change({ layout: state.layout === "three" ? view.plane : "three" });
    arrange();
  });
  view.slider.addEventListener("input", () => goTo(Number(view.slider.value), view.plane));
  view.slider.addEventListener("focus", () => change({ active: view.plane }));
}

// A drag moves the crosshair; with the right button or Shift, it changes the window.
function listenToDrags(view) {
  let drag = null; // what follows the pointer while a button is down
  view.frame.addEventListener("pointerdown", (event) => {
    change({ active: view.plane, armed: true });
    view.slider.focus({ preventScroll: true });
    event.preventDefault();
    drag = event.button === 2 || event.shiftKey ? windowDrag(event) : crosshairDrag(view);
    view.frame.setPointerCapture(event.pointerId);
    drag(event);
  });
  view.frame.addEventListener("pointermove", (event) => drag?.(event));
  for (const end of ["pointerup", "pointercancel"]) {
    view.frame.addEventListener(end, () => (drag = null));
  }
}

function crosshairDrag(view) {
  return (event) => {
    const box = view.picture.getBoundingClientRect();
    const point = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
    moveTo(voxelAtPoint(volume, view.plane, state.at, point, state.radiological));
  };
}

// Sideways the width, up and down the level, 2 HU a pixel.
function windowDrag(start) {
  const { width, level } = state;
  return (event) =>
    change({
      width: Math.max(1, width + 2 * Math.round(event.clientX - start.clientX)),
      level: level + 2 * Math.round(start.clientY - event.clientY),
    });
}

// The wheel scrolls the page until a picture was clicked. A notch is one slice, however long the
// machine says it is; the many small turns of a touch pad are added up.
let turned = 0;

function onWheel(event) {
  if (!state.armed || event.ctrlKey) return;
  event.preventDefault();
  const under = event.target.closest?.(".view");
  if (under && under.dataset.plane !== state.active) change({ active: under.dataset.plane });
  turned += event.deltaMode ? NOTCH * Math.sign(event.deltaY) : event.deltaY;
  if (Math.abs(turned) < NOTCH) return;
  step(turned > 0 ? -1 : 1);
  turned = 0;
}

function onKey(event) {
  const typed = event.getModifierState("AltGraph"); // how some keyboards write [ and ]
  if ((event.ctrlKey || event.metaKey || event.altKey) && !typed) return;
  if (event.key === "Escape") {
    change({ armed: false, playing: false });
    document.activeElement.blur();
    return;
  }
  if (!(event.key in KEYS) || isTakenByControl(event)) return;
  event.preventDefault();
  KEYS[event.key]();
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
