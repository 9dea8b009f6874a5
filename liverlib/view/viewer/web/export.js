// The view as a PNG file.

import { cssColour, element } from "./dom.js";
import { describeMeasure } from "./look/measuring.js";
import { legendKinds, legendNote, readOut } from "./readout.js";
import { draw, views } from "./slice-view.js";
import { facts, state, volume } from "./state.js";
import { pointOfVoxel } from "./volume.js";

const SCALE = 2; // sharp enough for print
const CAPTION = 66; // pixels for three lines
const FONT = "13px system-ui, sans-serif";

export function savePicture() {
  draw();
  composePicture().toBlob((blob) => {
    const name = (facts.title || "slices").replace(/[^\p{L}\p{N}_-]+/gu, "_");
    const link = element("a", { href: URL.createObjectURL(blob), download: `${name}.png` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  });
}

function composePicture() {
  const shown = views.filter((view) => !view.root.hidden);
  const boxes = shown.map((view) => view.frame.getBoundingClientRect());
  const [left, top] = [boxes[0].left, shown[0].name.getBoundingClientRect().top];
  const width = Math.max(...boxes.map((box) => box.right)) - left;
  const height = boxes.at(-1).bottom - top;
  const canvas = element("canvas", { width: width * SCALE, height: (height + CAPTION) * SCALE });
  const context = canvas.getContext("2d");
  context.scale(SCALE, SCALE);
  context.fillRect(0, 0, width, height + CAPTION);
  context.imageSmoothingEnabled = state.smooth;
  for (const view of shown) pasteView(context, view, left, top);
  writeCaption(context, width - 12, height);
  return canvas;
}

function pasteView(context, view, left, top) {
  const box = view.picture.getBoundingClientRect();
  const [x, y] = [box.left - left, box.top - top];
  const frame = view.frame.getBoundingClientRect();
  context.save();
  context.beginPath();
  context.rect(frame.left - left, frame.top - top, frame.width, frame.height);
  context.clip();
  context.drawImage(view.canvas, x, y, box.width, box.height);
  if (state.cross) pasteCrosshair(context, view.plane, x, y, box);
  pasteMeasure(context, view, x, y, box);
  context.restore();
  context.save();
  Object.assign(context, { fillStyle: "white", shadowColor: "black", shadowBlur: 6 });
  for (const text of [...view.sides, view.name]) {
    const at = text.getBoundingClientRect();
    context.font = `${text === view.name ? 400 : 600} ${FONT}`;
    context.fillText(text.textContent, at.left - left + 3, at.bottom - top - 4);
  }
  context.restore();
}

function pasteCrosshair(context, plane, x, y, { width, height }) {
  const [across, down] = pointOfVoxel(volume, plane, state.at, state.radiological);
  context.fillStyle = "rgb(255 255 255 / 55%)";
  context.fillRect(x, y + down * height, width, 1);
  context.fillRect(x + across * width, y, 1, height);
}

// The outlines of a view are in shares of 100.
function pasteMeasure(context, { ruler, ellipse }, x, y, { width, height }) {
  const shares = (shape, names) => names.map((name) => shape.getAttribute(name) / 100);
  Object.assign(context, { strokeStyle: getComputedStyle(ruler).stroke, lineWidth: 2 });
  context.beginPath();
  if (!ruler.hasAttribute("hidden")) {
    const [x1, y1, x2, y2] = shares(ruler, ["x1", "y1", "x2", "y2"]);
    context.moveTo(x + x1 * width, y + y1 * height);
    context.lineTo(x + x2 * width, y + y2 * height);
  }
  if (!ellipse.hasAttribute("hidden")) {
    const [cx, cy, rx, ry] = shares(ellipse, ["cx", "cy", "rx", "ry"]);
    const radii = [rx * width, ry * height];
    context.ellipse(x + cx * width, y + cy * height, ...radii, 0, 0, 2 * Math.PI);
  }
  context.stroke();
}

// Three lines below the pictures, condensed where they are too long.
function writeCaption(context, width, height) {
  context.font = FONT;
  context.fillStyle = "white";
  context.fillText(`${facts.title}  ${facts.note}`, 6, height + 18, width);
  context.fillText(readOut(), 6, height + 38, width);
  let x = 6;
  for (const kind of legendKinds()) {
    context.fillStyle = cssColour(facts.colours[kind]);
    context.fillRect(x, height + 48, 11, 11);
    context.fillStyle = "white";
    context.fillText(kind, x + 16, height + 58);
    x += 32 + context.measureText(kind).width;
  }
  const window_ = `window ${state.width} / ${state.level} HU`;
  const slab = state.slab ? `slab ${state.slabKind} ${state.slab} mm` : "";
  const note = legendKinds().length ? legendNote() : "";
  const parts = [note, window_, slab, describeMeasure()].filter(Boolean);
  context.fillText(parts.join(" · "), x, height + 58, Math.max(1, width - x));
}
