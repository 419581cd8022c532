"""Draws infra/dashboard.yaml from the metrics of a sandbox run, as CloudWatch would show it.

Usage: dashboard-picture.py METRICS.jsonl SCALE OUT.svg. METRICS.jsonl is what `ias chaos --metrics` writes; SCALE is how
much faster time ran. Only the functions' own metrics are drawn: the sandbox has no others, so widgets of AWS's own
metrics are left out. The widgets, their titles and their metrics are those of the template.
"""

import collections
import json
import re
import sys

import matplotlib
import yaml

matplotlib.use("svg")
# Text as text, and the same file from the same metrics.
matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "dashboard"})
import matplotlib.pyplot as plot  # noqa: E402

NAMESPACE = "IndividualAccess"
COLUMNS = 3
SEARCH = re.compile(r"SEARCH\('\{" + NAMESPACE + r",Stage,(\w+)\} MetricName=\"(\w+)\".*', '(\w+)', \d+\)")


class Loader(yaml.SafeLoader):
    """Reads CloudFormation's short tags as what they hold."""


Loader.add_multi_constructor("!", lambda loader, suffix, node: (
    loader.construct_scalar(node) if isinstance(node, yaml.ScalarNode)
    else loader.construct_sequence(node) if isinstance(node, yaml.SequenceNode)
    else loader.construct_mapping(node)))


def widgets(path):
    """Those of the dashboard that show metrics of our own."""
    with open(path, encoding="utf-8") as file:
        body = yaml.load(file, Loader)["Resources"]["Dashboard"]["Properties"]["DashboardBody"]
    for widget in json.loads(body)["widgets"]:
        properties = widget["properties"]
        if all(metric[0] == NAMESPACE or isinstance(metric[0], dict) for metric in properties["metrics"]):
            yield properties["title"], properties["period"], properties["metrics"]


def statistic(name, values):
    """One datapoint: what CloudWatch makes of the values of a period."""
    if name == "Sum":
        return sum(values)
    if name == "Maximum":
        return max(values)
    # A percentile, such as p99.
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * float(name[1:]) / 100))]


def lines(metric, measured):
    """Label, statistic, axis and values of each line of one entry of a widget."""
    if isinstance(metric[0], dict):
        dimension, name, stat = SEARCH.match(metric[0]["expression"]).groups()
        for (found, values), points in sorted(measured.items()):
            if found == name and [key for key, _ in values] == [dimension]:
                yield values[0][1], stat, False, points
        return
    *path, options = metric
    dimensions = dict(zip(path[2::2], path[3::2]))
    dimensions.pop("Stage")
    right = options.get("yAxis") == "right"
    yield options["label"], options["stat"], right, measured.get((path[1], tuple(sorted(dimensions.items()))), [])


def read(path):
    """The measured values by metric and dimensions besides the stage, and when the first and the last were taken."""
    measured, times = collections.defaultdict(list), []
    with open(path, encoding="utf-8") as file:
        for line in file:
            point = json.loads(line)
            dimensions = {name: value for name, value in point["dimensions"].items() if name != "Stage"}
            measured[point["name"], tuple(sorted(dimensions.items()))].append((point["at"], point["value"]))
            times.append(point["at"])
    return measured, min(times), max(times)


def draw(axes, title, period, metrics, measured, span, scale):
    begin, end = span
    minutes = lambda at: (at - begin) * scale / 60_000
    second = None
    drawn = []
    for metric in metrics:
        for label, stat, right, points in lines(metric, measured):
            buckets = collections.defaultdict(list)
            for at, value in points:
                buckets[int(minutes(at) * 60 // period)].append(value)
            x = [(bucket + 0.5) * period / 60 for bucket in sorted(buckets)]
            y = [statistic(stat, buckets[bucket]) for bucket in sorted(buckets)]
            second = second or (axes.twinx() if right else None)
            onto = second if right else axes
            drawn += onto.plot(x, y, marker=".", linewidth=1, markersize=4, label=label, color=f"C{len(drawn)}")
    axes.set_title(title, fontsize=10, loc="left")
    axes.set_xlim(0, minutes(end))
    for side in filter(None, (axes, second)):
        side.set_ylim(bottom=0)
        side.tick_params(labelsize=7)
    axes.grid(alpha=0.3)
    if drawn:
        axes.legend(handles=drawn, fontsize=6, loc="upper right", framealpha=0.7)


def main(metrics, scale, out):
    measured, begin, end = read(metrics)
    shown = list(widgets("infra/dashboard.yaml"))
    rows = -(-len(shown) // COLUMNS)
    figure, grid = plot.subplots(rows, COLUMNS, figsize=(15, 2.9 * rows), layout="constrained", squeeze=False)
    for axes, widget in zip(grid.flat, shown):
        draw(axes, *widget, measured, (begin, end), float(scale))
    for axes in list(grid.flat)[len(shown):]:
        axes.remove()
    for axes in grid[-1]:
        axes.set_xlabel("minutes", fontsize=8)
    figure.savefig(out, metadata={"Date": None})


main(*sys.argv[1:])
