"""Pictures in SVG, by hand: they need nothing and look the same everywhere."""

from math import log10
from xml.sax.saxutils import escape

FONT = "font-family='system-ui, sans-serif'"
OURS, THEIRS, BAR = "#2f6f9f", "#b0b7bd", "#c0392b"


def text(x, y, string, size=12, anchor="start", fill="#24292f"):
    return (f"<text x='{x:.1f}' y='{y:.1f}' {FONT} font-size='{size}' "
            f"text-anchor='{anchor}' fill='{fill}'>{escape(string)}</text>")


def document(width, height, body):
    return (f"<svg xmlns='http://www.w3.org/2000/svg' width='{width}' height='{height}' "
            f"viewBox='0 0 {width} {height}'>\n<rect width='100%' height='100%' fill='white'/>\n"
            + "\n".join(body) + "\n</svg>\n")


def ratios_picture(rows):
    """Each comparison as a bar on a logarithmic scale around 1 (as fast as what
    it is compared with), with its spread and, in red, what it has to reach.
    Where less is better the ratio is turned over, so that right is always good."""
    left, width, line = 470, 900, 26
    right = width - 70
    items = []
    for row in rows:
        f = row.figures()
        values = (f["median"], f["low"], f["high"], row.bar)
        if row.most:
            values = tuple(1 / v if v else None for v in values)
        items.append((f"{row.case} : {row.against}", *values))
    everything = [v for item in items for v in item[1:] if v]
    low = min(everything + [0.5]) * 0.9
    high = max(everything + [2]) * 1.1

    def x(value):
        return left + (right - left) * (log10(value) - log10(low)) / (log10(high) - log10(low))

    height = 60 + line * len(items)
    body = [text(20, 22, "dfsmr against references and peers, side by side in the same run", 15)]
    for tick in (0.1, 0.25, 0.5, 1, 2, 4, 10, 25, 100):
        if low <= tick <= high:
            body.append(f"<line x1='{x(tick):.1f}' y1='46' x2='{x(tick):.1f}' y2='{height - 8}' "
                        f"stroke='{'#57606a' if tick == 1 else '#e1e4e8'}'/>")
            body.append(text(x(tick), 42, f"{tick:g}×", 11, "middle", "#57606a"))
    for i, (label, median, a, b, bar) in enumerate(items):
        y = 54 + line * i
        body.append(text(left - 8, y + 14, label if len(label) < 72 else label[:71] + "…", 11, "end"))
        start, end = sorted((x(1), x(median)))
        body.append(f"<rect x='{start:.1f}' y='{y + 3}' width='{max(end - start, 1):.1f}' "
                    f"height='14' fill='{OURS}'/>")
        body.append(f"<line x1='{x(min(a, b)):.1f}' y1='{y + 10}' x2='{x(max(a, b)):.1f}' "
                    f"y2='{y + 10}' stroke='#24292f'/>")
        if bar:
            body.append(f"<line x1='{x(bar):.1f}' y1='{y}' x2='{x(bar):.1f}' y2='{y + 20}' "
                        f"stroke='{BAR}' stroke-width='2'/>")
        body.append(text(right + 8, y + 14, f"{median:.2f}", 11))
    return document(width, height, body)
