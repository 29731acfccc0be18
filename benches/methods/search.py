"""The search for the rates of a method: the same number of trials for every method, and a grid that grows
while its best point lies at an edge."""

import math

# Trials beyond the number that all have, where the best point still lies at an edge.
MOST_EXTRA = 12
# No rate is moved further than so many steps of its axis from the centre.
FURTHEST = 8


class Axis:
    """A number that is searched, on a logarithmic scale: centre * ratio ** exponent."""

    def __init__(self, name, centre, ratio):
        self.name, self.centre, self.ratio = name, centre, ratio

    def value(self, exponent):
        return float(f"{self.centre * self.ratio**exponent:.3g}")


def centred(n):
    """n exponents, one apart, around 0."""
    return [idx - (n - 1) / 2 for idx in range(n)]


def initial(axes, trials):
    """The first points, tuples of exponents: three quarters of the trials."""
    n_first = max(2, math.floor(0.75 * trials))
    if len(axes) == 1:
        return [(exponent,) for exponent in centred(n_first)]
    side = max(2, math.isqrt(n_first))
    rest = (0.0,) * (len(axes) - 2)
    return [(a, b, *rest) for a in centred(side) for b in centred(side)]


def best_point(scores):
    """The point with the highest score, the first of equal ones; None where no point has one."""
    scored = [point for point, score in scores.items() if score is not None]
    return max(scored, key=lambda point: scores[point]) if scored else None


def neighbours(point, axis, scores):
    """The nearest tried exponents below and above the point on an axis, with whatever other numbers; None
    where there are none. A point that gave no figure counts as tried: what lies beyond it would not give one
    either."""
    below = [other[axis] for other in scores if other[axis] < point[axis]]
    above = [other[axis] for other in scores if other[axis] > point[axis]]
    return max(below, default=None), min(above, default=None)


def moved(point, axis, exponent):
    return (*point[:axis], exponent, *point[axis + 1 :])


def open_edges(point, scores):
    """The points just beyond the edges that `point` lies at."""
    beyond = []
    for axis, exponent in enumerate(point):
        below, above = neighbours(point, axis, scores)
        if below is None and exponent - 1 >= -FURTHEST:
            beyond.append(moved(point, axis, exponent - 1))
        if above is None and exponent + 1 <= FURTHEST:
            beyond.append(moved(point, axis, exponent + 1))
    return beyond


def next_points(axes, trials, scores):
    """The points to try next, from the scores of those that were tried (None: no figure); none when the
    search is over."""
    first = [point for point in initial(axes, trials) if point not in scores]
    if first:
        return first
    best = best_point(scores)
    if best is None:
        return []
    beyond = open_edges(best, scores)
    if beyond:
        return beyond[: max(0, trials + MOST_EXTRA - len(scores))]
    left = trials - len(scores)
    if left <= 0:
        return []
    # Halfway to the neighbours that are furthest away.
    gaps = []
    for axis, exponent in enumerate(best):
        for other in neighbours(best, axis, scores):
            if other is not None:
                width = abs(other - exponent) * math.log(axes[axis].ratio)
                halfway = moved(best, axis, (other + exponent) / 2)
                if halfway not in scores:
                    gaps.append((-width, len(gaps), halfway))
    return [point for _, _, point in sorted(gaps)[: min(left, 2)]]


def is_at_edge(scores):
    """Whether the best point still lies at an edge of what was tried."""
    best = best_point(scores)
    return best is not None and any(None in neighbours(best, axis, scores) for axis in range(len(best)))
