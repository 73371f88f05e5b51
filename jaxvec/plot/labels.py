"""Label placement for maps: no label overlaps another label or a leader line."""

from typing import NamedTuple

import numpy as np

_ANGLES = np.arange(16) * (np.pi / 8)
_FAR = 0.9  # distance from one ring of positions to the next, in heights of the label
_NEAR = 0.6  # a label closer to a point than this part of `gap` stands beside it
# penalties, in rings of distance, for:
_COVERED = 1.5  # covering another point
_BESIDE = 0.5  # standing beside another point
_PASSED = 2.5  # a leader line that passes another point
_CROSSED = 1.5  # a leader line that crosses another line
_TURNED = 0.1  # standing above or below its point; twice that to the left of it


class Placed(NamedTuple):
    """Positions of `n` labels.

    Attributes:
      boxes: float[n, 4], left, bottom, right and top of each label; NaN for one without room.
      leaders: float[n, 4], leader lines from points to distant labels, (x, y) to (x, y); NaN
        for none.
    """

    boxes: np.ndarray  # float[n, 4]
    leaders: np.ndarray  # float[n, 4]


def place(
    points: np.ndarray,
    sizes: np.ndarray,
    bounds: tuple[float, float, float, float],
    *,
    lines: np.ndarray | None = None,
    gap: float = 3.0,
    rings: int = 8,
) -> Placed:
    """Places labels greedily, in the order of the list.

    The candidates for a label are 16 angles around its point, at the point or in rings farther
    out. A candidate must overlap no placed label or line and lie within the bounds; of the valid
    ones the label takes that of the lowest penalty. A label without a valid one gets NaN.

    Args:
      points: float[n, 2], in dots or any other unit common to all arguments.
      sizes: widths and heights of the labels, float[n, 2].
      bounds: left, bottom, right and top of the space for labels.
      lines: other lines that labels must not overlap, (x, y) to (x, y), float[m, 4].
      gap: the distance from a point to its label, at least.
      rings: the number of rings to try.

    >>> placed = place(np.array([[5.0, 5.0], [5.0, 5.0]]), np.full((2, 2), 4.0), (0, 0, 12, 12))
    >>> placed.boxes.round(1).tolist()
    [[8.0, 3.0, 12.0, 7.0], [7.1, 7.1, 11.1, 11.1]]
    """
    near = _NEAR * gap
    margin = np.array([-near, -near, near, near])
    boxes, leaders = np.full((2, len(points), 4), np.nan)
    kept = np.empty((0, 4))
    lines = kept if lines is None else lines
    for i, (point, size) in enumerate(zip(points, sizes, strict=True)):
        best, cost = None, np.inf
        others = np.delete(points, i, axis=0)
        around = np.hstack([others - near, others + near])
        for ring in range(rings):
            if cost <= ring:
                break
            tried = _around(point, size, gap + ring * _FAR * size[1])
            ends = np.clip(point, tried[:, :2], tried[:, 2:])
            drawn = np.column_stack([np.broadcast_to(point, ends.shape), ends])
            free = _within(tried, bounds) & ~_overlap(tried, kept).any(axis=1)
            free &= ~_hit(lines, tried).any(axis=0)
            costs = ring + _TURNED * (1 - np.cos(_ANGLES)) + _COVERED * _covered(tried, others)
            costs += _BESIDE * _covered(tried + margin, others)
            if ring:
                free &= ~_hit(drawn, kept).any(axis=1)
                costs += _PASSED * _hit(drawn, around).sum(axis=1)
                costs += _CROSSED * _cross(drawn, lines).sum(axis=1)
            costs[~free] = np.inf
            if costs.min() < cost:
                least = int(costs.argmin())
                best, cost = (tried[least], drawn[least] if ring else None), costs[least]
        if best is not None:
            boxes[i] = best[0]
            kept = np.vstack([kept, boxes[i]])
            if best[1] is not None:
                leaders[i] = best[1]
                lines = np.vstack([lines, leaders[i]])
    return Placed(boxes, leaders)


def _around(point: np.ndarray, size: np.ndarray, distance: float) -> np.ndarray:
    """Boxes of a label at a distance from its point, one for each of the 16 angles: [16, 4]."""
    ways = np.column_stack([np.cos(_ANGLES), np.sin(_ANGLES)])
    out = ways / np.abs(ways).max(axis=1, keepdims=True)  # onto the edge of a square
    centers = point + ways * distance + out * size / 2
    return np.hstack([centers - size / 2, centers + size / 2])


def _within(boxes: np.ndarray, bounds: tuple[float, float, float, float]) -> np.ndarray:
    left, bottom, right, top = boxes.T
    low = (left >= bounds[0]) & (bottom >= bounds[1])
    return low & (right <= bounds[2]) & (top <= bounds[3])


def _overlap(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Whether each of a boxes overlaps each of b others, bool[a, b]."""
    low = np.maximum(boxes[:, None, :2], others[:, :2])
    high = np.minimum(boxes[:, None, 2:], others[:, 2:])
    return (low < high).all(axis=2)


def _covered(boxes: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The number of points in each box, int[a]."""
    inside = (boxes[:, None, :2] < points) & (points < boxes[:, None, 2:])
    return inside.all(axis=2).sum(axis=1)


def _hit(lines: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Whether each of a lines passes through each of b boxes, bool[a, b]: the slab method."""
    start, way = lines[:, None, :2], lines[:, None, 2:] - lines[:, None, :2]
    way = np.where(np.abs(way) < 1e-9, 1e-9, way)
    one, other = (boxes[:, :2] - start) / way, (boxes[:, 2:] - start) / way
    enter = np.minimum(one, other).max(axis=2)
    leave = np.maximum(one, other).min(axis=2)
    return (np.maximum(enter, 0) < np.minimum(leave, 1)) & (leave - enter > 1e-9)


def _cross(lines: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Whether each of a lines crosses each of b others, bool[a, b]."""
    a, b = lines[:, None, :2], lines[:, None, 2:]
    c, d = others[:, :2], others[:, 2:]

    def side(p, q, r):
        return np.sign((q - p)[..., 0] * (r - p)[..., 1] - (q - p)[..., 1] * (r - p)[..., 0])

    return (side(a, b, c) * side(a, b, d) < 0) & (side(c, d, a) * side(c, d, b) < 0)
