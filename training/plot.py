"""The calibration plot as SVG text: predicted against observed default ratio by decile.

Drawn by hand, since thirty lines of SVG are the same bytes on every machine and need no font cache.
"""

from collections.abc import Sequence

SIZE, MARGIN = 420, 50


def calibration_plot(deciles: Sequence[dict], title: str) -> str:
    """One point a decile on log-free axes from 0 to the largest ratio; on the diagonal, prediction and outcome agree.

    Args:
        deciles: entries with mean_probability and default_ratio.
        title: shown above the plot.
    """
    top = max(max(entry["mean_probability"], entry["default_ratio"]) for entry in deciles) or 1.0
    points = [(_x(entry["mean_probability"] / top), _y(entry["default_ratio"] / top)) for entry in deciles]
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="#1f5fa8"/>' for x, y in points)
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    ticks = "".join(_tick(share, top) for share in (0.0, 0.25, 0.5, 0.75, 1.0))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{SIZE}" height="{SIZE}" font-family="sans-serif" font-size="11">'
        f'<rect width="{SIZE}" height="{SIZE}" fill="white"/>'
        f'<text x="{SIZE / 2}" y="24" text-anchor="middle" font-size="13">{title}</text>{ticks}'
        f'<line x1="{_x(0)}" y1="{_y(0)}" x2="{_x(1)}" y2="{_y(1)}" stroke="#999" stroke-dasharray="4 3"/>'
        f'<polyline points="{line}" fill="none" stroke="#1f5fa8"/>{dots}'
        f'<text x="{SIZE / 2}" y="{SIZE - 8}" text-anchor="middle">mean predicted probability</text>'
        f'<text transform="translate(12,{SIZE / 2}) rotate(-90)" text-anchor="middle">observed default ratio</text></svg>\n'
    )


def _x(share: float) -> float:
    return MARGIN + share * (SIZE - 2 * MARGIN)


def _y(share: float) -> float:
    return SIZE - MARGIN - share * (SIZE - 2 * MARGIN)


def _tick(share: float, top: float) -> str:
    x, y, label = _x(share), _y(share), f"{100 * share * top:.1f} %"
    return (
        f'<line x1="{x}" y1="{_y(0)}" x2="{x}" y2="{_y(1)}" stroke="#eee"/>'
        f'<line x1="{_x(0)}" y1="{y}" x2="{_x(1)}" y2="{y}" stroke="#eee"/>'
        f'<text x="{x}" y="{_y(0) + 14}" text-anchor="middle">{label}</text>'
        f'<text x="{MARGIN - 4}" y="{y + 4}" text-anchor="end">{label}</text>'
    )
