// Mouse and wheel.

import { byId } from "./dom.js";
import { resizeBy } from "./edit/panel.js";
import { placeRing, toolDrag, voxelUnder } from "./edit/pointer.js";
import { undo } from "./edit/session.js";
import { arrange } from "./layout.js";
import { MEASURES, measureDrag } from "./look/measuring.js";
import { listenToTouch } from "./look/touch.js";
import { panBy, zoomBy } from "./look/zoom.js";
import { goTo, step } from "./navigation.js";
import { views } from "./slice-view.js";
import { change, moveTo, state } from "./state.js";

const NOTCH = 40; // pixels of the wheel that are one slice

export function listenToViews() {
  views.forEach(listenToView);
}

export function listenToInput() {
  listenToViews();
  byId("panes").addEventListener("wheel", onWheel, { passive: false });
  window.addEventListener("blur", () => change({ armed: false }));
}

function listenToView(view) {
  listenToDrags(view);
  view.frame.addEventListener("contextmenu", (event) => event.preventDefault());
  view.frame.addEventListener("dblclick", () => {
    if (state.tool !== "look") return; // two quick strokes
    change({ layout: state.layout === "three" ? view.plane : "three" });
    arrange();
  });
  view.slider.addEventListener("input", () => goTo(Number(view.slider.value), view.plane));
  view.slider.addEventListener("focus", () => change({ active: view.plane }));
}

// A drag moves the crosshair or a tool; with the right button or Shift, it changes the window.
function listenToDrags(view) {
  let drag = null; // what follows the pointer while a button is down
  const isPinched = listenToTouch(view, () => {
    if (drag?.end?.()) undo();
    drag = null;
  });
  view.frame.addEventListener("pointerdown", (event) => {
    change({ active: view.plane, armed: true });
    view.slider.focus({ preventScroll: true });
    event.preventDefault();
    if (isPinched()) return;
    drag?.end?.();
    drag = chooseDrag(view, event);
    view.frame.setPointerCapture(event.pointerId);
    drag(event);
  });
  view.frame.addEventListener("pointermove", (event) => {
    if (drag) drag(event);
    else placeRing(view, voxelUnder(view, event));
  });
  view.frame.addEventListener("pointerleave", () => placeRing(view, null));
  for (const end of ["pointerup", "pointercancel"]) {
    view.frame.addEventListener(end, () => {
      drag?.end?.();
      drag = null;
    });
  }
}

function chooseDrag(view, event) {
  if (event.button === 2 || event.shiftKey) return windowDrag(event);
  if (event.button === 1) return panDrag(view, event);
  if (MEASURES.includes(state.tool)) return measureDrag(view);
  if (state.editing && state.tool !== "look") return toolDrag(view);
  return (moved) => moveTo(voxelUnder(view, moved));
}

function panDrag(view, start) {
  let [x, y] = [start.clientX, start.clientY];
  return (event) => {
    panBy(view, event.clientX - x, event.clientY - y);
    [x, y] = [event.clientX, event.clientY];
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

function zoomAt(event) {
  const view = views.find(({ root }) => root.contains(event.target));
  if (!view) return;
  const box = view.picture.getBoundingClientRect();
  const point = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  zoomBy(2 ** (-event.deltaY / (event.deltaMode ? 3 : 240)), view, point);
}

// The wheel scrolls the page until a picture was clicked. A notch is one slice, however long the
// machine says it is; the many small turns of a touch pad are added up.
let turned = 0;

function onWheel(event) {
  if (!state.armed) return;
  event.preventDefault();
  if (event.ctrlKey) {
    zoomAt(event);
    return;
  }
  if (event.altKey) {
    resizeBy(event.deltaY < 0 ? 1 : -1);
    return;
  }
  const under = event.target.closest?.(".view");
  if (under && under.dataset.plane !== state.active) change({ active: under.dataset.plane });
  turned += event.deltaMode ? NOTCH * Math.sign(event.deltaY) : event.deltaY;
  if (Math.abs(turned) < NOTCH) return;
  step(turned > 0 ? -1 : 1);
  turned = 0;
}
