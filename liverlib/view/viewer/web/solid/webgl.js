// Meshes by WebGL2: tumours solid, the liver translucent, the crosshair as lines.

import { viewAxes } from "./camera.js";

const VERTEX = [
  "#version 300 es",
  "in vec3 position; in vec3 normal; uniform mat3 axes; uniform vec3 centre; uniform vec3 scale;",
  "out vec3 facing;",
  "void main() { vec3 p = axes * (position - centre); facing = axes * normal;",
  "gl_Position = vec4(p * scale, 1.0); }",
].join("\n");
const FRAGMENT = [
  "#version 300 es",
  "precision highp float; in vec3 facing; uniform vec4 colour; uniform float lit; out vec4 made;",
  "void main() { float light = mix(1.0, 0.35 + 0.65 * abs(normalize(facing + vec3(0.0, 0.0, 1e-9)).z), lit);",
  "made = vec4(colour.rgb * light * colour.a, colour.a); }",
].join("\n");

// A function that draws parts ({ mesh, colour, alpha }) as a camera sees them; null without WebGL2.
export function makeWebglPainter(canvas) {
  const gl = canvas.getContext("webgl2", { antialias: true, preserveDrawingBuffer: true });
  if (!gl) return null;
  const program = gl.createProgram();
  for (const [kind, text] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, text);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) return null;
  gl.useProgram(program);
  const at = (name) => gl.getUniformLocation(program, name);
  const uniforms = Object.fromEntries(
    ["axes", "centre", "scale", "colour", "lit"].map((name) => [name, at(name)]));
  const held = new Map(); // buffers of each mesh, as long as it is shown

  function buffersOf(mesh) {
    if (!held.has(mesh)) held.set(mesh, upload(gl, program, mesh));
    return held.get(mesh);
  }

  function drawPart({ mesh, colour, alpha, lines }) {
    const { array } = buffersOf(mesh);
    gl.bindVertexArray(array);
    gl.uniform4f(uniforms.colour, ...colour.map((c) => c / 255), alpha);
    gl.uniform1f(uniforms.lit, lines ? 0 : 1);
    gl.depthMask(alpha === 1);
    gl.drawElements(lines ? gl.LINES : gl.TRIANGLES, mesh.triangles.length, gl.UNSIGNED_INT, 0);
  }

  return (parts, camera, centre, half) => {
    const [width, height] = [canvas.width, canvas.height];
    gl.viewport(0, 0, width, height);
    gl.enable(gl.DEPTH_TEST);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    gl.depthMask(true);
    gl.clearColor(0, 0, 0, 1);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    const { right, up, towards } = viewAxes(camera);
    const columns = [0, 1, 2].flatMap((k) => [right[k], up[k], towards[k]]);
    gl.uniformMatrix3fv(uniforms.axes, false, columns);
    gl.uniform3f(uniforms.centre, ...centre);
    const across = Math.min(1, height / width) / half;
    gl.uniform3f(uniforms.scale, across, Math.min(1, width / height) / half, -1 / (8 * half));
    const shown = new Set(parts.map((part) => part.mesh));
    for (const [mesh, { array, buffers }] of held) {
      if (shown.has(mesh)) continue;
      gl.deleteVertexArray(array);
      buffers.forEach((buffer) => gl.deleteBuffer(buffer));
      held.delete(mesh);
    }
    for (const part of parts) drawPart(part);
  };
}

function upload(gl, program, mesh) {
  const array = gl.createVertexArray();
  gl.bindVertexArray(array);
  const buffers = [["position", mesh.vertices], ["normal", mesh.normals]].map(([name, values]) => {
    const buffer = gl.createBuffer();
    const place = gl.getAttribLocation(program, name);
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
    gl.bufferData(gl.ARRAY_BUFFER, values, gl.STATIC_DRAW);
    gl.enableVertexAttribArray(place);
    gl.vertexAttribPointer(place, 3, gl.FLOAT, false, 0, 0);
    return buffer;
  });
  const indices = gl.createBuffer();
  gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, indices);
  gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, mesh.triangles, gl.STATIC_DRAW);
  return { array, buffers: [...buffers, indices] };
}
