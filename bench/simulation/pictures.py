"""pictures.py DIRECTORY: draw the pictures of the CSV files there."""

import csv
import math
import os
import sys

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from picture import BAR, OURS, THEIRS, document, text  # noqa: E402

GREEN = "#2e8540"
GREY = "#57606a"
LEFT, RIGHT, TOP, BOTTOM = 64, 24, 34, 40


class Panel:
    """Axes in a rectangle of the picture, and lines on them."""

    def __init__(self, y, height, width, title, x_range, y_range, y_label, x_label):
        self.left, self.right = LEFT, width - RIGHT
        self.top, self.bottom = y + TOP, y + height - BOTTOM
        self.x_range, self.y_range = x_range, y_range
        self.body = [text(LEFT, y + 16, title, 13),
                     text(LEFT, y + 30, y_label, 11, fill=GREY),
                     text(self.right, self.bottom + 30, x_label, 11, "end", GREY)]
        self.legend_x = self.right
        for value in ticks(*y_range):
            at = self.y(value)
            self.body.append(f"<line x1='{self.left}' y1='{at:.1f}' x2='{self.right}' "
                             f"y2='{at:.1f}' stroke='#e1e4e8'/>")
            self.body.append(text(self.left - 6, at + 4, f"{value:g}", 11, "end", GREY))
        for value in ticks(*x_range):
            self.body.append(text(self.x(value), self.bottom + 16, f"{value:g}", 11, "middle", GREY))

    def x(self, value):
        low, high = self.x_range
        return self.left + (self.right - self.left) * (value - low) / (high - low)

    def y(self, value):
        low, high = self.y_range
        value = min(max(value, low), high)
        return self.bottom - (self.bottom - self.top) * (value - low) / (high - low)

    def line(self, points, colour, width=1.5, dash=None):
        path = " ".join(f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in points)
        self.body.append(f"<polyline points='{path}' fill='none' stroke='{colour}' "
                         f"stroke-width='{width}'"
                         + (f" stroke-dasharray='{dash}'" if dash else "") + "/>")

    def band(self, points, colour):
        """Between a low and a high value: points are (x, low, high)."""
        path = [f"{self.x(x):.1f},{self.y(high):.1f}" for x, _, high in points]
        path += [f"{self.x(x):.1f},{self.y(low):.1f}" for x, low, _ in reversed(points)]
        self.body.append(f"<polygon points='{' '.join(path)}' fill='{colour}' fill-opacity='0.18'/>")

    def span(self, start, end, label):
        """A stretch of time, in the background."""
        self.body.append(f"<rect x='{self.x(start):.1f}' y='{self.top}' "
                         f"width='{self.x(end) - self.x(start):.1f}' "
                         f"height='{self.bottom - self.top}' fill='{BAR}' fill-opacity='0.08'/>")
        self.body.append(text(self.x(start) + 4, self.top + 12, label, 11, fill=BAR))

    def legend(self, *entries):
        """(label, colour, dash), from the right to the left, above the axes."""
        at = self.right
        for label, colour, dash in reversed(entries):
            at -= 6.1 * len(label)
            self.body.append(text(at, self.top - 5, label, 11, fill=GREY))
            self.body.append(f"<line x1='{at - 26:.1f}' y1='{self.top - 9}' x2='{at - 6:.1f}' "
                             f"y2='{self.top - 9}' stroke='{colour}' stroke-width='2'"
                             + (f" stroke-dasharray='{dash}'" if dash else "") + "/>")
            at -= 40


def ticks(low, high):
    """About five round numbers."""
    step = 10 ** len(str(int(high - low)))
    for divisor in (1, 2, 4, 5, 10, 20, 40, 50, 100, 200):
        if (high - low) / (step / divisor) >= 4:
            step /= divisor
            break
    value = math.ceil(low / step) * step
    while value <= high * 1.0001:
        yield value
        value += step


def read(directory, name):
    path = os.path.join(directory, name + ".csv")
    if not os.path.exists(path):
        return None
    with open(path, encoding="utf-8") as file:
        return list(csv.DictReader(file))


def column(rows, x, y):
    return [(float(row[x]), float(row[y])) for row in rows if row[y] != ""]


# The sketch's error and two standard deviations of a p95 of about 7,000
# samples: of the lognormal 2 x 2.5 %, of the Pareto 2 x 3.5 %.
TITLES = {
    "lognormal": ("Lognormal service times (median 30 s, sigma 1), drawn for each delivery", 0.02 + 0.05),
    "pareto": ("Pareto service times (shape 1.5, from 15 s on), drawn for each delivery", 0.02 + 0.07),
    "slower": ("Lognormal; half-way all work takes twice as long", 0.02 + 0.05),
}


def timeouts_picture(directory):
    body, y, width = [], 0, 900
    for name, (title, error) in TITLES.items():
        rows = read(directory, name)
        if not rows:
            continue
        hours = (0, float(rows[-1]["hours"]))
        true = column(rows, "hours", "true_p95")
        most = 1.35 * max(value for _, value in true)
        panel = Panel(y, 260, width, title, hours, (0, most), "seconds", "hours (virtual)")
        panel.band([(x, v * (1 - error), v * (1 + error)) for x, v in true], GREEN)
        panel.line(true, GREEN, 1)
        panel.line(column(rows, "hours", "timeout_in_force"), OURS, 2)
        panel.legend(("timeout in force", OURS, None),
                     ("true p95, with the sketch's error and two sigma of sampling", GREEN, None))
        body += panel.body
        y += 260
        panel = Panel(y, 150, width, "", hours, (0, 12), "of each 1,000 tasks, percent",
                      "hours (virtual)")
        panel.line([(hours[0], 5), (hours[1], 5)], GREY, 1, "3,3")
        panel.line(column(rows, "hours", "redelivered_percent"), THEIRS)
        panel.line(column(rows, "hours", "duplicates_percent"), BAR)
        panel.legend(("redelivered", THEIRS, None), ("done twice", BAR, None), ("5 %", GREY, "3,3"))
        body += panel.body
        y += 170
    if body:
        write(directory, "timeouts.svg", document(width, y, body))


def outage_picture(directory):
    runs = [("without breaker", THEIRS, read(directory, "outage-without-breaker")),
            ("with breaker", OURS, read(directory, "outage-with-breaker"))]
    runs = [run for run in runs if run[2]]
    if not runs:
        return
    width, body, y = 900, [], 0
    end = min(1500, max(float(run[2][-1]["seconds"]) for run in runs))
    for field, title, label in (
            ("calls", "Calls to the downstream, means of 5 s", "a second"),
            ("succeeded", "Calls that succeed, means of 5 s", "a second"),
            ("waiting", "Instances that wait for their retry", "")):
        lines = [(name, colour, means(column(rows, "seconds", field), 5))
                 for name, colour, rows in runs]
        most = 1.1 * max(value for _, _, points in lines for _, value in points)
        panel = Panel(y, 220, width, title, (0, end), (0, most), label, "seconds (virtual)")
        panel.span(300, 600, "the downstream fails")
        for _, colour, points in lines:
            panel.line([point for point in points if point[0] <= end], colour, 2)
        panel.legend(*((name, colour, None) for name, colour, _ in lines))
        body += panel.body
        y += 230
    write(directory, "outage.svg", document(width, y, body))


def means(points, size):
    return [(points[i][0], sum(v for _, v in points[i:i + size]) / size)
            for i in range(0, len(points) - size + 1, size)]


def write(directory, name, svg):
    with open(os.path.join(directory, name), "w", encoding="utf-8") as file:
        file.write(svg)


def draw(directory):
    timeouts_picture(directory)
    outage_picture(directory)


if __name__ == "__main__":
    draw(sys.argv[1])
