// Zoom and pan: the pictures grow behind their frames, at one scale in all planes.

import { views } from "../slice-view.js";
import { change, state, volume } from "../state.js";
import { pointOfVoxel } from "../volume.js";

const [STEP, MOST] = [1.25, 16];

// Zooms by a factor; in `view` around a point of its picture (fractions), elsewhere around the
// crosshair.
export function zoomBy(factor, view, point) {
  const zoom = Math.min(MOST, Math.max(1, state.zoom * factor));
  for (const other of views) {
    const around = other === view ? point : crosshairPoint(other);
    const size = sizeOf(other);
    other.pan = other.pan.map((p, k) => p + around[k] * size[k] * (state.zoom - zoom));
  }
  change({ zoom });
  placePictures();
}

export function zoomIn() {
  zoomBy(STEP);
}

export function zoomOut() {
  zoomBy(1 / STEP);
}

export function zoomOff() {
  zoomBy(1 / state.zoom);
}

// Moves a picture behind its frame by pixels.
export function panBy(view, across, down) {
  view.pan = [view.pan[0] + across, view.pan[1] + down];
  place(view);
}

export function placePictures() {
  views.forEach(place);
}

// Brings the crosshair back into the frame, where keys have moved it out.
export function followCrosshair() {
  if (state.zoom === 1) return;
  for (const view of views) {
    const [size, at] = [sizeOf(view), crosshairPoint(view)];
    const shown = at.map((share, k) => view.pan[k] + share * size[k] * state.zoom);
    if (shown.every((pixel, k) => pixel >= 0 && pixel <= size[k])) continue;
    view.pan = at.map((share, k) => size[k] / 2 - share * size[k] * state.zoom);
    place(view);
  }
}

function crosshairPoint(view) {
  return pointOfVoxel(volume, view.plane, state.at, state.radiological);
}

function sizeOf(view) {
  return [view.picture.offsetWidth, view.picture.offsetHeight];
}

// No edge of a picture comes into its frame.
function place(view) {
  const size = sizeOf(view);
  view.pan = view.pan.map((p, k) => Math.min(0, Math.max(size[k] * (1 - state.zoom), p)));
  const [x, y] = view.pan;
  view.picture.style.transform =
    state.zoom === 1 ? "" : `translate(${x}px, ${y}px) scale(${state.zoom})`;
  view.picture.style.setProperty("--zoom", state.zoom);
}
