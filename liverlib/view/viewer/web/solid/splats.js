// The same meshes where there is no WebGL2: their vertices as dots that touch, the nearest on top.

import { dot, viewAxes } from "./camera.js";

const SIDE = 240; // pixels of the picture

export function makeSplatPainter(canvas) {
  const context = canvas.getContext("2d");
  return (parts, camera, centre, half) => {
    const axes = viewAxes(camera);
    const image = context.createImageData(SIDE, SIDE);
    const pixels = new Float32Array(SIDE * SIDE * 3);
    for (const part of parts) layDots(pixels, part, axes, centre, half);
    for (let i = 0; i < SIDE * SIDE; i++) {
      for (let k = 0; k < 3; k++) image.data[4 * i + k] = pixels[3 * i + k];
      image.data[4 * i + 3] = 255;
    }
    const small = new OffscreenCanvas(SIDE, SIDE);
    small.getContext("2d").putImageData(image, 0, 0);
    const side = Math.min(canvas.width, canvas.height);
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.drawImage(small, (canvas.width - side) / 2, (canvas.height - side) / 2, side, side);
  };
}

// Lays one part over what is there, by its own depth.
function layDots(pixels, { mesh, colour, alpha, lines }, { right, up, towards }, centre, half) {
  if (lines) return;
  const { vertices, normals, step } = mesh;
  const dotSide = Math.ceil((step * SIDE) / (2 * half)) + 1;
  const depths = new Float32Array(SIDE * SIDE).fill(-Infinity);
  const lights = new Float32Array(SIDE * SIDE);
  for (let i = 0; i < vertices.length; i += 3) {
    const p = [0, 1, 2].map((k) => vertices[i + k] - centre[k]);
    const x = Math.floor((SIDE / 2) * (1 + dot(p, right) / half) - dotSide / 2);
    const y = Math.floor((SIDE / 2) * (1 - dot(p, up) / half) - dotSide / 2);
    const depth = dot(p, towards);
    const normal = [normals[i], normals[i + 1], normals[i + 2]];
    const light = 0.35 + 0.65 * Math.abs(dot(normal, towards) / (Math.hypot(...normal) || 1));
    for (let row = Math.max(0, y); row < Math.min(SIDE, y + dotSide); row++) {
      for (let column = Math.max(0, x); column < Math.min(SIDE, x + dotSide); column++) {
        const at = column + row * SIDE;
        if (depth <= depths[at]) continue;
        depths[at] = depth;
        lights[at] = light;
      }
    }
  }
  for (let at = 0; at < depths.length; at++) {
    if (depths[at] === -Infinity) continue;
    for (let k = 0; k < 3; k++) {
      pixels[3 * at + k] = (1 - alpha) * pixels[3 * at + k] + alpha * lights[at] * colour[k];
    }
  }
}
