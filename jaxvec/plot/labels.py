"""Where labels go on a map, so that each can be read: none over another, nor over its line."""

from typing import NamedTuple

import numpy as np

_ANGLES = np.arange(16) * (np.pi / 8)
_FAR = 0.9  # of a label's height: from one ring of places about a point to the next
_COVERED = 1.5  # rings that a label goes further out rather than cover the point of another
_BESIDE = 0.5  # or rather than stand beside it, as if it were its name
_PASSED = 2.5  # or rather than have its line pass through it
_NEAR = 0.6  # of the gap: what is beside
_CROSSED = 1.5  # or rather than have its line cross another's
_TURNED = 0.1  # or rather than stand on the left of its point, or above or below


class Placed(NamedTuple):
    """Where `n` labels go, as boxes (left, bottom, right, top); NaN for those without room."""

    boxes: np.ndarray
    """float[n, 4]."""

    leaders: np.ndarray
    """float[n, 4], lines from points to labels that are far off, (x, y) to (x, y); or NaN."""


def place(
    points: np.ndarray,
    sizes: np.ndarray,
    bounds: tuple[float, float, float, float],
    *,
    lines: np.ndarray | None = None,
    gap: float = 3.0,
    rings: int = 8,
) -> Placed:
    """Finds places for labels one by one, the first in the list having the first choice.

    A label is put at one of 16 angles around its point, beside it or in a ring further out,
    where it leaves the other labels, their lines and the bounds alone, and few other points are
    under it, beside it or on its line. One that fits nowhere is left out.

    Args:
      points: float[n, 2], in dots or any unit that is the same for all.
      sizes: float[n, 2], widths and heights.
      bounds: left, bottom, right and top of the room there is.
      lines: float[m, 4], (x, y) to (x, y), which labels are to leave alone too.
      gap: from a point to its label at least.
      rings: how many rings are tried.

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
    """Boxes that touch a circle around a point, one for each angle, [a, 4]."""
    ways = np.column_stack([np.cos(_ANGLES), np.sin(_ANGLES)])
    out = ways / np.abs(ways).max(axis=1, keepdims=True)  # onto the edge of a square
    centers = point + ways * distance + out * size / 2
    return np.hstack([centers - size / 2, centers + size / 2])


def _within(boxes: np.ndarray, bounds: tuple[float, float, float, float]) -> np.ndarray:
    left, bottom, right, top = boxes.T
    low = (left >= bounds[0]) & (bottom >= bounds[1])
    return low & (right <= bounds[2]) & (top <= bounds[3])


def _overlap(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Which boxes overlap which others, bool[a, b]."""
    low = np.maximum(boxes[:, None, :2], others[:, :2])
    high = np.minimum(boxes[:, None, 2:], others[:, 2:])
    return (low < high).all(axis=2)


def _covered(boxes: np.ndarray, points: np.ndarray) -> np.ndarray:
    """How many points lie in each box, int[a]."""
    inside = (boxes[:, None, :2] < points) & (points < boxes[:, None, 2:])
    return inside.all(axis=2).sum(axis=1)


def _hit(lines: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Which lines pass through which boxes, bool[lines, boxes]: by slabs."""
    start, way = lines[:, None, :2], lines[:, None, 2:] - lines[:, None, :2]
    way = np.where(np.abs(way) < 1e-9, 1e-9, way)
    one, other = (boxes[:, :2] - start) / way, (boxes[:, 2:] - start) / way
    enter = np.minimum(one, other).max(axis=2)
    leave = np.maximum(one, other).min(axis=2)
    return (np.maximum(enter, 0) < np.minimum(leave, 1)) & (leave - enter > 1e-9)


def _cross(lines: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Which lines cross which others, bool[a, b]."""
    a, b = lines[:, None, :2], lines[:, None, 2:]
    c, d = others[:, :2], others[:, 2:]

    def side(p, q, r):
        return np.sign((q - p)[..., 0] * (r - p)[..., 1] - (q - p)[..., 1] * (r - p)[..., 0])

    return (side(a, b, c) * side(a, b, d) < 0) & (side(c, d, a) * side(c, d, b) < 0)
