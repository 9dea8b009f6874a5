// How the patient is turned, and what lies under a point of the picture.
//
// Touches neither the document nor the page's state. Angles in radians: `yaw` about the axis to the
// head, `pitch` up and down. At 0 and 0 one looks from the front, the head up.

// The directions to the viewer's right, up, and to the viewer, each in the patient's axes.
export function viewAxes({ yaw, pitch }) {
  const [cy, sy, cp, sp] = [Math.cos(yaw), Math.sin(yaw), Math.cos(pitch), Math.sin(pitch)];
  // From the front, the patient's right (+x is the right) is on the viewer's left.
  return { right: [-cy, sy, 0], up: [sy * sp, cy * sp, cp], towards: [sy * cp, cy * cp, -sp] };
}

export function dot(a, b) {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

// The first voxel of a class, or a higher one, on the way through a point of the picture away from
// the viewer; null for none. `point` is in mm from the centre, to the right and up.
export function voxelOnRay(volume, shift, value, inverse, centre, camera, point, reach) {
  const { right, up, towards } = viewAxes(camera);
  for (let depth = reach; depth >= -reach; depth -= 0.5) {
    const mm = centre.map((c, k) => c + point[0] * right[k] + point[1] * up[k] + depth * towards[k]);
    const voxel = inverse.map((row) => Math.round(dot(row, mm) + row[3]));
    if (voxel.some((i, axis) => i < 0 || i >= volume.shape[axis])) continue;
    const index = voxel.reduce((sum, i, axis) => sum + i * volume.stride[axis], 0);
    if (((volume.pairs[index] >> shift) & 3) >= value) return voxel;
  }
  return null;
}

// The first three rows of the inverse of an affine, of which they are given.
export function inverseOf([a, b, c]) {
  const cofactor = (p, q, r, s) => p * s - q * r;
  const rows = [
    [cofactor(b[1], b[2], c[1], c[2]), cofactor(a[2], a[1], c[2], c[1]), cofactor(a[1], a[2], b[1], b[2])],
    [cofactor(b[2], b[0], c[2], c[0]), cofactor(a[0], a[2], c[0], c[2]), cofactor(a[2], a[0], b[2], b[0])],
    [cofactor(b[0], b[1], c[0], c[1]), cofactor(a[1], a[0], c[1], c[0]), cofactor(a[0], a[1], b[0], b[1])],
  ];
  const det = a[0] * rows[0][0] + a[1] * rows[1][0] + a[2] * rows[2][0];
  const move = [a[3], b[3], c[3]];
  return rows.map((row) => {
    const scaled = row.map((value) => value / det);
    return [...scaled, -dot(scaled, move)];
  });
}
