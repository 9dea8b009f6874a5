// The fourth pane: the surfaces of the liver and its tumours, to turn, linked to the planes.

import { byId } from "../dom.js";
import { session } from "../edit/session.js";
import { inverseOf, voxelOnRay } from "./camera.js";
import { meshOf } from "./nets.js";
import { makeSplatPainter } from "./splats.js";
import { makeWebglPainter } from "./webgl.js";
import { change, facts, moveTo, state, volume } from "../state.js";

const PAUSE = 150; // ms after a step, so that quick strokes are made into surfaces together
const TURN = Math.PI / 24; // by a key
const FREE = 0.01; // radians a pixel
const STILL = 4; // pixels: less is a click
const ALPHA = 0.45; // of the liver

const camera = { yaw: 0, pitch: 0 };
const scene = { parts: [], centre: [0, 0, 0], half: 1, shift: 0, paint: null };

export function prepareSolid() {
  byId("whole").addEventListener("click", toggleSolid);
  const canvas = byId("surface-picture");
  let drag = null;
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    drag = { x: event.clientX, y: event.clientY, moved: 0 };
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!drag) return;
    const [across, down] = [event.clientX - drag.x, event.clientY - drag.y];
    drag = { x: event.clientX, y: event.clientY, moved: drag.moved + Math.hypot(across, down) };
    turn(-across * FREE, down * FREE);
  });
  canvas.addEventListener("pointerup", (event) => {
    if (drag && drag.moved < STILL) pick(event);
    drag = null;
  });
  canvas.addEventListener("pointercancel", () => (drag = null));
  canvas.addEventListener("keydown", onKey);
}

export function toggleSolid() {
  change({ solidShown: !state.solidShown });
  byId("surfaces").hidden = !state.solidShown;
  byId("whole").setAttribute("aria-pressed", state.solidShown);
  if (state.solidShown) makeSurfaces();
}

let waiting = 0;

export function renewSurfacesSoon() {
  if (!state.solidShown) return;
  clearTimeout(waiting);
  waiting = setTimeout(makeSurfaces, PAUSE);
}

// Of the mask that is corrected, or else of what is shown.
function makeSurfaces() {
  const prediction = facts.has.mask && (state.show !== "label" || !facts.has.label);
  scene.shift = session.edit ? session.edit.shift : prediction ? 2 : 0;
  const began = performance.now();
  const [liver, tumour] = volume.pairs
    ? [1, 2].map((value) => meshOf(volume, scene.shift, value, facts.affine))
    : [];
  scene.milliseconds = performance.now() - began;
  const part = (mesh, name, alpha) => ({ mesh, colour: facts.colours[name], alpha });
  scene.parts = liver ? [part(tumour, "tumour", 1), part(liver, "liver", ALPHA)] : [];
  frameScene(liver);
  drawSolid();
}

function frameScene(mesh) {
  if (!mesh?.vertices.length) return;
  const [low, high] = [[Infinity, Infinity, Infinity], [-Infinity, -Infinity, -Infinity]];
  mesh.vertices.forEach((value, i) => {
    low[i % 3] = Math.min(low[i % 3], value);
    high[i % 3] = Math.max(high[i % 3], value);
  });
  scene.centre = low.map((value, k) => (value + high[k]) / 2);
  scene.half = (0.9 * Math.hypot(...high.map((value, k) => value - low[k]))) / 2;
}

export function drawSolid() {
  if (!state.solidShown) return;
  const canvas = byId("surface-picture");
  const side = Math.round(canvas.clientWidth * devicePixelRatio);
  if (side && canvas.width !== side) canvas.width = canvas.height = side;
  scene.paint ??= makeWebglPainter(canvas) ?? makeSplatPainter(canvas);
  const cross = { mesh: crossMesh(), colour: [255, 255, 255], alpha: 1, lines: true };
  scene.paint(state.cross ? [cross, ...scene.parts] : scene.parts, camera, scene.centre, scene.half);
}

// Three lines through the crosshair.
function crossMesh() {
  const at = [...state.at, 1];
  const mm = facts.affine.map((row) => row.reduce((sum, value, k) => sum + value * at[k], 0));
  const vertices = [0, 1, 2].flatMap((axis) =>
    [-1, 1].flatMap((side) => mm.map((value, k) => value + (k === axis) * side * scene.half * 0.2)));
  const mesh = { vertices: Float32Array.from(vertices), triangles: Uint32Array.of(0, 1, 2, 3, 4, 5) };
  return { ...mesh, normals: new Float32Array(18) };
}

function turn(yaw, pitch) {
  camera.yaw += yaw;
  camera.pitch = Math.min(Math.PI / 2, Math.max(-Math.PI / 2, camera.pitch + pitch));
  requestAnimationFrame(drawSolid);
}

function onKey(event) {
  const turns = {
    ArrowLeft: [TURN, 0], ArrowRight: [-TURN, 0], ArrowUp: [0, -TURN], ArrowDown: [0, TURN],
  };
  if (!(event.key in turns) || event.shiftKey) return;
  event.preventDefault();
  event.stopPropagation();
  turn(...turns[event.key]);
}

// Goes to the tumour under the pointer, or else to the liver's surface there.
function pick(event) {
  const box = byId("surface-picture").getBoundingClientRect();
  const scale = (2 * scene.half) / Math.min(box.width, box.height);
  const point = [
    (event.clientX - box.left - box.width / 2) * scale,
    (box.top + box.height / 2 - event.clientY) * scale,
  ];
  const { shift, centre, half } = scene;
  const find = (value) => voxelOnRay(
    volume, shift, value, inverseOf(facts.affine), centre, camera, point, 2 * half);
  const voxel = volume.pairs && (find(2) ?? find(1));
  if (voxel) moveTo(voxel);
}

export const solid = { camera, scene }; // for tests, and for the curious
