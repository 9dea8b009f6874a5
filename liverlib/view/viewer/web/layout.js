// How large the views are, and how high the page.

import { byId } from "./dom.js";
import { placePictures } from "./look/zoom.js";
import { views } from "./slice-view.js";
import { facts, state, volume } from "./state.js";
import { PLANES, PLANE_NAMES } from "./volume.js";

const [BORDERS, GAP] = [4, 6]; // pixels: of both borders of a view, and between views
const NARROW = 560; // pixels: a narrower page has its views below each other
const [HIGHEST_OF_THREE, HIGHEST_ALONE] = [400, 560]; // pixels, of a picture

// All views at one scale, as large as the page is wide.
export function arrange() {
  const shown = state.layout === "three" ? PLANE_NAMES : [state.layout];
  byId("panes").classList.toggle("single", shown.length === 1);
  byId("second-views").hidden = !state.side;
  const room = byId("views").clientWidth;
  const stacked = room < NARROW;
  for (const id of ["views", "second-views"]) byId(id).classList.toggle("stacked", stacked);
  const scale = pixelsPerMm(shown, stacked, room);
  const pixels = (axis) => `${Math.max(1, Math.floor(lengthMm(axis) * scale))}px`;
  for (const view of views) {
    const { across, up } = PLANES[view.plane];
    view.root.hidden = !shown.includes(view.plane);
    view.picture.style.width = pixels(across);
    view.picture.style.height = pixels(up);
  }
  placePictures();
  fitFrame();
}

function lengthMm(axis) {
  return volume.shape[axis] * facts.spacing[axis];
}

function pixelsPerMm(planes, stacked, room) {
  const widths = planes.map((plane) => lengthMm(PLANES[plane].across));
  const width = stacked ? Math.max(...widths) : widths.reduce((sum, mm) => sum + mm, 0);
  const height = Math.max(...planes.map((plane) => lengthMm(PLANES[plane].up)));
  const columns = stacked ? 1 : planes.length;
  const free = room - columns * BORDERS - (columns - 1) * GAP;
  return Math.min(free / width, (planes.length > 1 ? HIGHEST_OF_THREE : HIGHEST_ALONE) / height);
}

// Inside a notebook the page lives in an iframe: makes it as high as what it holds. Where the host
// keeps the page apart from it (frameElement is null then), it keeps the height that it was given.
export function fitFrame() {
  if (!window.frameElement) return;
  window.frameElement.style.height = `${document.documentElement.offsetHeight + 2}px`;
}
