// The nearest of many points: they lie in cells of a lattice, which are searched from near to far.
//
// Touches neither the document nor the page's state.

const CELL = 8; // mm

// A search among `points` (flat x, y, z, in mm): the distance from a point, at most `limit`.
export function makeSearch(points) {
  const [low, high] = [Math.min, Math.max].map((choose, side) =>
    [0, 1, 2].map((k) => {
      let edge = side ? -Infinity : Infinity;
      for (let i = k; i < points.length; i += 3) edge = choose(edge, points[i]);
      return edge;
    }));
  const size = low.map((value, k) => Math.floor((high[k] - value) / CELL) + 1);
  const cells = new Map();
  for (let i = 0; i < points.length; i += 3) {
    const [x, y, z] = low.map((value, k) => Math.floor((points[i + k] - value) / CELL));
    const key = x + size[0] * (y + size[1] * z);
    if (cells.has(key)) cells.get(key).push(i);
    else cells.set(key, [i]);
  }
  return (x, y, z, limit) => {
    const own = [x, y, z].map((value, k) => Math.floor((value - low[k]) / CELL));
    // A ring of cells holds no point nearer than the rings inside it are wide.
    const last = Math.max(...own.map((c, k) => Math.max(c, size[k] - 1 - c, 0)));
    let best = limit * limit;
    for (let ring = 0; ring <= last && ((ring - 1) * CELL) ** 2 * (ring > 1) <= best; ring++) {
      for (const key of ringOf(own, ring, size)) {
        for (const i of cells.get(key) ?? []) {
          const [a, b, c] = [x - points[i], y - points[i + 1], z - points[i + 2]];
          best = Math.min(best, a * a + b * b + c * c);
        }
      }
    }
    return Math.sqrt(best);
  };
}

// The keys of the cells that are `ring` cells away, by the largest of three differences.
function* ringOf([x, y, z], ring, size) {
  for (let c = Math.max(0, z - ring); c <= Math.min(size[2] - 1, z + ring); c++) {
    for (let b = Math.max(0, y - ring); b <= Math.min(size[1] - 1, y + ring); b++) {
      const whole = Math.abs(c - z) === ring || Math.abs(b - y) === ring;
      const step = whole || ring === 0 ? 1 : 2 * ring;
      for (let a = x - ring; a <= x + ring; a += step) {
        if (a >= 0 && a < size[0]) yield a + size[0] * (b + size[1] * c);
      }
    }
  }
}
