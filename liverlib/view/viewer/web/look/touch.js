// Two fingers on a picture: apart and together to zoom; together along, to pan or to scroll slices.

import { step } from "../navigation.js";
import { panBy, zoomBy } from "./zoom.js";
import { change, state } from "../state.js";

const NOTCH = 14; // pixels of a drag that are one slice
const PINCH = 12; // pixels by which the fingers part before it is a zoom

// `stop` ends what one finger has begun, when a second one comes. Returns whether two are down.
export function listenToTouch(view, stop) {
  const fingers = new Map();
  let gesture = null;
  view.frame.addEventListener("pointerdown", (event) => {
    if (event.pointerType !== "touch") return;
    fingers.set(event.pointerId, [event.clientX, event.clientY]);
    if (fingers.size !== 2) return;
    stop();
    change({ active: view.plane });
    gesture = beginGesture(view, spread(fingers));
  });
  view.frame.addEventListener("pointermove", (event) => {
    if (!fingers.has(event.pointerId)) return;
    fingers.set(event.pointerId, [event.clientX, event.clientY]);
    // Fingers are told one after the other: once a frame, both have moved.
    if (gesture) requestAnimationFrame(() => fingers.size === 2 && gesture?.(spread(fingers)));
  });
  for (const end of ["pointerup", "pointercancel", "pointerleave"]) {
    view.frame.addEventListener(end, (event) => {
      fingers.delete(event.pointerId);
      gesture = null;
    });
  }
  return () => fingers.size >= 2;
}

function spread(fingers) {
  const [a, b] = [...fingers.values()];
  const middle = [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];
  return { middle, apart: Math.hypot(a[0] - b[0], a[1] - b[1]) };
}

// What follows two fingers: a zoom once they part, or a scroll once they move along; not both.
function beginGesture(view, start) {
  let [before, zooms] = [start, null];
  return (now) => {
    if (zooms === null) {
      if (Math.abs(now.apart - start.apart) > PINCH || state.zoom > 1) zooms = true;
      else if (Math.abs(now.middle[1] - start.middle[1]) > NOTCH) zooms = false;
      else return;
    }
    if (zooms) {
      const box = view.picture.getBoundingClientRect();
      const at = [(before.middle[0] - box.left) / box.width, (before.middle[1] - box.top) / box.height];
      zoomBy(now.apart / before.apart, view, at);
      panBy(view, now.middle[0] - before.middle[0], now.middle[1] - before.middle[1]);
      before = now;
      return;
    }
    const slices = Math.trunc((now.middle[1] - before.middle[1]) / NOTCH);
    if (slices === 0) return;
    step(-slices);
    before = now;
  };
}
