"""The picture of a lifecycle, to be drawn as SVG: the success path in a line, detours beside it, rules as arrows.

One layout serves both ways of lying: it counts along the path and across it, and only at the end says what is left and
what is down. Rules between the same two stages share an arrow.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _

from lifecycle.editions import handing
from lifecycle.models import Stage

Document = dict[str, Any]
Point = tuple[float, float]
ANY = "any"
EDGE = 10.0  # round the whole
ASIDE = 13.0  # how far beside a box's middle an arrow begins or ends, so that two ways do not lie on each other
STUB = 40.0  # the length of an arrow from anywhere
LETTERS, LINES = 15, 2
MOST_COLUMNS = 12  # that the stylesheet knows; what is wider shrinks no further


@dataclass(frozen=True)
class Way:
    """How large a box is along the path and across it, what lies between two, and between path and detours."""

    along: float
    across: float
    gap: float
    aside: float
    upright: bool

    def point(self, along: float, across: float) -> Point:
        return (round(across, 1), round(along, 1)) if self.upright else (round(along, 1), round(across, 1))


LYING = Way(along=132, across=62, gap=40, aside=84, upright=False)
UPRIGHT = Way(along=58, across=126, gap=40, aside=46, upright=True)


@dataclass
class Box:
    """One stage: where it lies, and what stands in it."""

    slug: str
    name: str
    lines: list[str]
    below: str
    phase: str
    is_detour: bool
    kind: str
    place: Point  # along and across
    corner: Point = (0, 0)
    size: Point = (0, 0)
    texts: list[tuple[float, str]] = field(default_factory=list)
    note: float = 0
    url: str = ""

    @property
    def middle(self) -> float:
        return self.corner[0] + self.size[0] / 2


@dataclass
class Arrow:
    """The rules from one stage, or from any, to another: their numbers, and the curve."""

    source: str
    target: str
    numbers: list[int]
    sign: str  # what stands on an arrow without numbers
    label: str
    by_hand: bool
    on_path: bool
    curve: list[Point]
    url: str = ""

    @property
    def path(self) -> str:
        (x, y), (a, b), (c, d), (e, f) = self.curve
        return f"M{x:g} {y:g}C{a:g} {b:g} {c:g} {d:g} {e:g} {f:g}"

    @property
    def badge(self) -> Point:
        """The middle of the curve."""
        xs, ys = zip(*self.curve, strict=True)
        return tuple(round((each[0] + 3 * each[1] + 3 * each[2] + each[3]) / 8, 1) for each in (xs, ys))

    @property
    def told(self) -> str:
        if not self.numbers:
            return self.sign
        return ", ".join(map(str, self.numbers[:3])) + ("…" if len(self.numbers) > 3 else "")

    @property
    def badge_size(self) -> Point:
        return 9 + 6.5 * len(self.told), 18

    @property
    def badge_corner(self) -> Point:
        (x, y), (width, height) = self.badge, self.badge_size
        return round(x - width / 2, 1), round(y - height / 2, 1)


@dataclass
class Band:
    """Stages of one phase that follow each other."""

    name: str
    corner: Point
    size: Point


@dataclass
class Picture:
    """A picture, ready to be drawn."""

    name: str
    upright: bool
    columns: int  # how many stages stand beside each other: so many times a least width the picture may shrink to
    width: float
    height: float
    boxes: list[Box]
    arrows: list[Arrow]
    bands: list[Band]


def both(document: Document, *, stage_url: Callable[[str], str], rule_url: Callable[[int], str]) -> list[Picture]:
    """The picture lying, for wide pages, and upright, for a phone; the addresses are where its parts lead."""
    pictures = [draw(document, LYING), draw(document, UPRIGHT)]
    for picture in pictures:
        for box in picture.boxes:
            box.url = stage_url(box.slug)
        for arrow in picture.arrows:
            arrow.url = rule_url(arrow.numbers[0]) if arrow.numbers else stage_url(arrow.source)
    return pictures


def draw(document: Document, way: Way) -> Picture:
    """Lay a document out. Boxes never overlap; every stage and every rule is in it once."""
    stages = document["stages"]
    path = [each for each in stages if each["path"] == Stage.Path.SUCCESS]
    detours = [each for each in stages if each["path"] == Stage.Path.DETOUR]
    step = way.along + way.gap
    places: dict[str, Point] = {each["slug"]: (at * step, 0) for at, each in enumerate(path)}
    for slug, slot in _slots(document, path, detours).items():
        places[slug] = (slot * step, way.across + way.aside)
    boxes = {each["slug"]: _box(each, places[each["slug"]]) for each in stages}
    order = {each["slug"]: at for at, each in enumerate(path)}
    arrows = [_arrow(document, each, boxes, order, way) for each in _pairs(document).items()]
    return _placed(document, way, list(boxes.values()), arrows)


def _slots(document: Document, path: list[Any], detours: list[Any]) -> dict[str, int]:
    """Under which stage of the path each detour lies: near those it is reached from, each in a place of its own."""
    order = {each["slug"]: at for at, each in enumerate(path)}
    taken: set[int] = set()
    slots: dict[str, int] = {}
    for each in detours:
        from_path = [order[rule["from"]] for rule in document["transitions"]
                     if rule["to"] == each["slug"] and rule["from"] in order]  # fmt: skip
        wanted = round(sum(from_path) / len(from_path)) if from_path else len(path) - 1
        slot = min((at for at in range(len(path) + len(detours)) if at not in taken), key=lambda at: abs(at - wanted))
        taken.add(slot)
        slots[each["slug"]] = slot
    return slots


def _box(stage: Document, place: Point) -> Box:
    kind, hours = stage["kind"], stage.get("limit_hours")
    below = "" if kind == Stage.Kind.INVENTORY else str(Stage.Kind(kind).label)
    if kind == Stage.Kind.SLA and hours:
        below = _("SLA, %(hours)s h") % {"hours": hours}
    return Box(
        stage["slug"], stage["name"], _wrapped(stage["name"]), below, stage.get("phase", ""),
        stage["path"] == Stage.Path.DETOUR, kind, place,
    )  # fmt: skip


def _wrapped(text: str) -> list[str]:
    """A name in at most two lines; letters of East Asia are twice as wide."""
    lines, line = [], ""
    for word in text.split():
        if line and _wide(f"{line} {word}") > LETTERS:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}".strip()
    lines.append(line)
    if len(lines) > LINES:
        lines = [*lines[: LINES - 1], " ".join(lines[LINES - 1 :])]
    return [_cut(each) for each in lines]


def _wide(text: str) -> int:
    return sum(2 if ord(letter) > 0x2E7F else 1 for letter in text)


def _cut(line: str) -> str:
    if _wide(line) <= LETTERS + 1:
        return line
    while _wide(line) > LETTERS:
        line = line[:-1]
    return f"{line.rstrip()}…"


def _pairs(document: Document) -> dict[tuple[str, str], list[tuple[int, bool]]]:
    """The rules by from and to, each as its number from 1 and whether it is by hand; none where only something without
    a number leads so."""
    found: dict[tuple[str, str], list[tuple[int, bool]]] = {}
    for number, rule in enumerate(document["transitions"], 1):
        found.setdefault((rule["from"], rule["to"]), []).append((number, bool(rule.get("by_hand"))))
    for pair in _unnumbered(document):
        found.setdefault(pair, [])
    return found


def _unnumbered(document: Document) -> dict[tuple[str, str], tuple[str, str]]:
    """What leads from a stage to another without a rule: what stands on its arrow, and when."""
    found: dict[tuple[str, str], tuple[str, str]] = {}
    kinds = {each["slug"]: each["kind"] for each in document["stages"]}
    for stage in document["stages"]:
        if missed := stage.get("when_missed"):
            found[stage["slug"], missed["to"]] = "SLA", _("the limit is missed")
        for answer, target in handing.ways(stage.get("hand_off"), kinds):
            found.setdefault((stage["slug"], target), (_("sales"), handing.when(answer)))
    return found


def _arrow(document: Document, pair: Any, boxes: dict[str, Box], order: dict[str, int], way: Way) -> Arrow:
    (source, target), rules = pair
    names = {each["slug"]: each["name"] for each in document["stages"]}
    called, sign = f"{names.get(source, _('any stage'))} → {names[target]}", ""
    if not rules:
        sign, when = _unnumbered(document)[source, target]
        called = _("%(way)s, when %(when)s") % {"way": called, "when": when}
    on_path = source in order and order.get(target) == order[source] + 1
    curve = [way.point(*each) for each in _curve(source, target, boxes, order, way)]
    by_hand = bool(rules) and all(hand for _number, hand in rules)
    return Arrow(source, target, [number for number, _hand in rules], sign, called, by_hand, on_path, curve)


def _curve(source: str, target: str, boxes: dict[str, Box], order: dict[str, int], way: Way) -> list[Point]:
    """Four points of a curve, along and across."""
    along, across = boxes[target].place
    half = way.along / 2
    outer = -1 if target in order else 1  # the side that nothing lies on
    edge = across if outer < 0 else across + way.across
    if source == ANY:
        start = edge + outer * STUB
        return [(along + half + half / 2, each) for each in (start, start, edge + outer * 6, edge)]
    begin, begin_across = boxes[source].place
    if source in order and target in order:
        if order[target] == order[source] + 1:
            middle = way.across / 2
            return [(begin + way.along, middle), (begin + way.along + 8, middle), (along - 8, middle), (along, middle)]
        return _arc(begin + half, along + half, 0, -1, abs(order[target] - order[source]))
    if source not in order and target not in order:
        steps = abs(round((along - begin) / (way.along + way.gap)))
        return _arc(begin + half, along + half, begin_across + way.across, 1, steps)
    down = source in order
    shift = ASIDE if down else -ASIDE
    first = way.across if down else way.across + way.aside
    last = way.across + way.aside if down else way.across
    bend = way.aside * 0.55 * (1 if down else -1)
    return [(begin + half + shift, first), (begin + half + shift, first + bend),
            (along + half + shift, last - bend), (along + half + shift, last)]  # fmt: skip


def _arc(begin: float, end: float, edge: float, side: int, steps: int) -> list[Point]:
    height = side * (22 + 16 * steps)
    shift = ASIDE if end > begin else -ASIDE
    return [(begin + shift, edge), (begin + shift, edge + height), (end - shift, edge + height), (end - shift, edge)]


def _placed(document: Document, way: Way, boxes: list[Box], arrows: list[Arrow]) -> Picture:
    """Everything moved so that it begins at the edge, and the picture as large as what is in it."""
    size = way.point(way.along, way.across)
    for box in boxes:
        box.corner, box.size = way.point(*box.place), size
    bands = [] if way.upright else _bands(document, boxes)
    head = 22 if bands else 0
    xs = [box.corner[0] for box in boxes] + [x for arrow in arrows for x, _y in arrow.curve]
    ys = [box.corner[1] for box in boxes] + [y for arrow in arrows for _x, y in arrow.curve]
    left, top = EDGE - min(xs), EDGE + head - min(ys)
    width = max([box.corner[0] + size[0] for box in boxes] + xs) + left + EDGE
    height = max([box.corner[1] + size[1] for box in boxes] + ys) + top + EDGE
    for box in boxes:
        box.corner = (round(box.corner[0] + left, 1), round(box.corner[1] + top, 1))
        lines = len(box.lines) + bool(box.below)
        first = box.corner[1] + size[1] / 2 - 8 * lines + 12
        box.texts = [(first + 16 * at, line) for at, line in enumerate(box.lines)]
        box.note = first + 16 * len(box.lines)
    for arrow in arrows:
        arrow.curve = [(round(x + left, 1), round(y + top, 1)) for x, y in arrow.curve]
    path_ends = max((box.corner[1] + size[1] for box in boxes if not box.is_detour), default=0)
    for band in bands:
        band.corner = (round(band.corner[0] + left, 1), 2)
        band.size = (band.size[0], path_ends + 6)
    columns = min(round(max(box.place[0] for box in boxes) / (way.along + way.gap)) + 1, MOST_COLUMNS)
    return Picture(document["name"], way.upright, columns, round(width, 1), round(height, 1), boxes, arrows, bands)


def _bands(document: Document, boxes: list[Box]) -> list[Band]:
    """The phases of the path, each as far as its stages follow each other."""
    bands: list[Band] = []
    last = None
    for box in boxes:
        if box.is_detour:
            continue
        if box.phase and box.phase == last:
            bands[-1].size = (box.corner[0] + box.size[0] + 16 - bands[-1].corner[0], 0)
        elif box.phase:
            bands.append(Band(box.phase, (box.corner[0] - 8, 0), (box.size[0] + 16, 0)))
        last = box.phase
    return bands
