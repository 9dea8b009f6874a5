// A view of each plane: its picture, the letters and the crosshair on it, its slider.

import { byId, element } from "./dom.js";
import { makeBuffers, makePalette, paintLayers, paintSlice } from "./paint.js";
import { drawMeasures } from "./look/measuring.js";
import { levelTable, slabLevels, slabSlices } from "./look/slab.js";
import { describeSlice, readOut } from "./readout.js";
import { comparesRows, facts, state, volume } from "./state.js";
import { BANDS } from "./strip.js";
import { PLANES, PLANE_NAMES, pointOfVoxel, sideLetters, sliceWalk, volumeOfRow } from "./volume.js";

export const views = [];
let paint = null; // layers of each row and palette, kept while only the crosshair moves

export function makeViews() {
  for (const view of views.splice(0)) view.root.remove();
  // A second row shows another scan, or the prediction where the first shows the reference.
  const rows = state.side ? [0, 1] : [0];
  views.push(...rows.flatMap((row) => PLANE_NAMES.map((plane) => makeView(plane, row))));
}

function makeView(plane, row) {
  const slices = volume.shape[PLANES[plane].through];
  const slider = makeSlider(plane, slices);
  const strip = element("canvas", { width: slices, height: BANDS.length, ariaHidden: "true" });
  const name = element("div", { className: "name", ariaHidden: "true" });
  const parts = makePicture(plane);
  const sides = ["left", "right", "top", "bottom"].map((side) =>
    element("span", { className: `side ${side}`, ariaHidden: "true" }),
  );
  const frame = element("div", { className: "frame" }, parts.picture, ...sides);
  const track = element("div", { className: "track" }, strip, slider);
  const root = element("section", { className: "view" }, name, frame, track);
  root.dataset.plane = plane;
  root.setAttribute("aria-label", `${plane} view${row ? ", second row" : ""}`);
  byId(row ? "second-views" : "views").append(root);
  return { plane, row, root, frame, name, sides, slider, strip, ...parts };
}

// After a click of the pointer on a control: keys, Enter too, are the active plane's again. Who
// pressed it by a key stays there.
export function focusActive(click) {
  if (!click.detail) return;
  const { slider } = views.find(({ plane }) => plane === state.active);
  slider.focus({ preventScroll: true });
}

function makePicture(plane) {
  const { across, up } = PLANES[plane];
  const [width, height] = [volume.shape[across], volume.shape[up]];
  const canvas = element("canvas", { width, height });
  canvas.setAttribute("role", "img");
  const context = canvas.getContext("2d", { alpha: false, willReadFrequently: true });
  const image = context.createImageData(width, height);
  const crossAcross = element("div", { className: "cross across" });
  const crossDown = element("div", { className: "cross down" });
  const ring = element("div", { className: "ring", hidden: true });
  const { svg, ruler, ellipse } = makeOverlay();
  const picture = element("div", { className: "picture" }, canvas, crossAcross, crossDown, svg, ring);
  const buffers = makeBuffers(image.data.buffer);
  const lines = { crossAcross, crossDown, ring, ruler, ellipse };
  return { picture, canvas, context, image, buffers, pan: [0, 0], ...lines };
}

function makeOverlay() {
  const svg = byId("overlay").content.firstElementChild.cloneNode(true);
  const [ruler, ellipse] = svg.children;
  return { svg, ruler, ellipse };
}

function makeSlider(plane, slices) {
  const slider = element("input", { type: "range", min: 0, max: slices - 1, step: 1 });
  slider.setAttribute("aria-label", `${plane} slice`);
  if (volume.pairs) slider.title = `The strip, from the top: ${BANDS.join(", ")}`;
  return slider;
}

// Draws all slices now.
export function draw() {
  paint ??= choosePaint();
  for (const view of views) {
    if (view.root.hidden) continue;
    const slice = state.at[PLANES[view.plane].through];
    const walk = sliceWalk(volume, view.plane, slice, state.radiological);
    const held = volumeOfRow(volume, view.row);
    const layers = paint.layers[view.row];
    paintSlice(held, walk, layers, paint.palette, view.buffers, slabOf(held, view, slice));
    view.context.putImageData(view.image, 0, 0);
    showPosition(view, slice);
  }
  drawMeasures(views);
  byId("readout").textContent = readOut();
}

let nearestLevels = null;

function slabOf(held, view, slice) {
  const range = slabSlices(volume, view.plane, slice, state.slab, facts.spacing);
  if (range[0] === range[1]) return null;
  nearestLevels ??= levelTable(facts.levels);
  const walk = sliceWalk(volume, view.plane, range[0], state.radiological);
  return slabLevels(held, walk, range, view.plane, state.slabKind, facts.levels, nearestLevels);
}

function choosePaint() {
  const layers = [0, 1].map((row) => {
    const options = comparesRows() ? { ...state, show: row ? "mask" : "label" } : state;
    return volume.pairs ? paintLayers(options) : [];
  });
  return { layers, palette: makePalette(state, facts.levels, facts.colours) };
}

function showPosition(view, slice) {
  const [x, y] = pointOfVoxel(volume, view.plane, state.at, state.radiological);
  view.crossDown.style.left = `${100 * x}%`;
  view.crossAcross.style.top = `${100 * y}%`;
  view.slider.value = slice;
  const text = describeSlice(view.plane, slice);
  view.name.textContent = `${view.plane} ${slice + 1} / ${view.strip.width}${rowName(view.row)}`;
  view.slider.setAttribute("aria-valuetext", text);
  view.canvas.setAttribute("aria-label", `${view.plane}, ${text}`);
}

function rowName(row) {
  if (!state.side) return "";
  const words = facts.second === null ? ["reference", "prediction"] : [facts.title, facts.second];
  return ` · ${words[row]}`;
}

// What changes with the state but not from slice to slice.
export function refreshViews() {
  paint = null;
  byId("panes").classList.toggle("armed", state.armed);
  byId("panes").classList.toggle("sharp", !state.smooth);
  for (const view of views) {
    view.root.classList.toggle("active", view.plane === state.active);
    const letters = sideLetters(view.plane, state.radiological);
    view.sides.forEach((side, i) => (side.textContent = letters[i]));
    view.crossAcross.hidden = view.crossDown.hidden = !state.cross;
  }
}
